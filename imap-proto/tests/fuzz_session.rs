//! The fuzz body of a session on the stable toolchain: random talk made of what clients say and of what nobody says.

use imap_proto::fuzz::fuzz_session;
use testkit::{Rng, for_each_seed};

const PIECES: &[&str] = &[
    "a LOGIN u p\r\n",
    "a LOGIN {1}\r\nu {1+}\r\np\r\n",
    "a AUTHENTICATE PLAIN\r\n",
    "a AUTHENTICATE LOGIN AHUAcA==\r\n",
    "AHUAcA==\r\n",
    "*\r\n",
    "a STARTTLS\r\n",
    "a SELECT INBOX\r\n",
    "a EXAMINE {5+}\r\nINBOX\r\n",
    "a FETCH 1:* (FLAGS UID BODY.PEEK[] RFC822.TEXT BODYSTRUCTURE)\r\n",
    "a UID FETCH 2:4 ALL\r\n",
    "a FETCH 1:* BODY[HEADER.FIELDS (A {1+}\r\nB)]<0.3>\r\n",
    "a STORE 1:2,4 +FLAGS (\\Deleted k)\r\n",
    "a UID STORE 9 FLAGS.SILENT ()\r\n",
    "a SEARCH OR NOT SEEN (RECENT 1:*) UID 5:*\r\n",
    "a UID SEARCH NEW OLD\r\n",
    "a EXPUNGE\r\n",
    "a UID EXPUNGE 1:*\r\n",
    "a COPY 1 x\r\n",
    "a APPEND x (\\Seen) {3+}\r\nabc\r\n",
    "a APPEND x {3}\r\nabc\r\n",
    "a APPEND x {300+}\r\n",
    "a APPEND x {99999999999999999999}\r\n",
    "a IDLE\r\n",
    "DONE\r\n",
    "a NOOP\r\n",
    "a CLOSE\r\n",
    "a UNSELECT\r\n",
    "a LIST \"\" *\r\n",
    "a LSUB \"\" %\r\n",
    "a STATUS x (MESSAGES UNSEEN)\r\n",
    "a RENAME x y\r\n",
    "a ID NIL\r\n",
    "a LOGOUT\r\n",
    "\r\n",
    "\"",
    "{5+}\r\n",
    "{5}\r\n",
    " ",
    "(",
];

fn talk(rng: &mut Rng) -> Vec<u8> {
    let mut talk = vec![rng.below(256) as u8];
    for _ in 0..rng.between(1, 30) {
        if rng.chance(1, 6) {
            let mut noise = vec![0; rng.between(1, 12)];
            rng.fill(&mut noise);
            talk.extend(noise);
        } else {
            talk.extend_from_slice(rng.pick(PIECES).as_bytes());
        }
        if rng.chance(1, 12) {
            talk.truncate(talk.len() - 1);
        }
    }
    talk
}

#[test]
fn a_session_survives_any_talk_at_any_cut() {
    for_each_seed(400, |rng| fuzz_session(&talk(rng)));
}

#[test]
fn a_session_survives_every_command_for_itself() {
    for piece in PIECES {
        for choice in 0..16 {
            fuzz_session(&[&[choice], piece.as_bytes(), piece.as_bytes()].concat());
        }
    }
}

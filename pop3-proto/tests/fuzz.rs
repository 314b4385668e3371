//! The fuzz function on stable: seeded octets, half of them made of commands.

use pop3_proto::fuzz::fuzz_session;
use testkit::{Rng, for_each_seed};

const WORDS: [&str; 38] = [
    "USER ",
    "PASS ",
    "AUTH ",
    "PLAIN ",
    "LOGIN ",
    "STLS",
    "CAPA",
    "QUIT",
    "STAT",
    "LIST",
    "UIDL",
    "RETR ",
    "TOP ",
    "DELE ",
    "NOOP",
    "RSET",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    " ",
    "1",
    "2",
    "3",
    "4",
    "0",
    "7",
    "*",
    "=",
    "AHUAcA==",
    "AHUAeA==",
    "dQ==",
    "u\r\n",
    "p\r\n",
    "x\r\n",
    "USER u\r\nPASS p\r\n",
];

fn script(rng: &mut Rng) -> Vec<u8> {
    let mut script = vec![rng.next_u64() as u8, rng.next_u64() as u8];
    for _ in 0..rng.below(200) {
        match rng.below(40) {
            0 => script.extend([0xff, rng.below(5) as u8]),
            1 => script.extend([rng.next_u64() as u8, rng.next_u64() as u8]),
            2 => script.extend(vec![b'a'; rng.below(400)]),
            _ => script.extend_from_slice(rng.pick(&WORDS).as_bytes()),
        }
    }
    script
}

#[test]
fn sessions_made_of_commands() {
    for_each_seed(600, |rng| fuzz_session(&script(rng)));
}

#[test]
fn sessions_made_of_anything() {
    for_each_seed(300, |rng| {
        let mut octets = vec![0; rng.below(600)];
        rng.fill(&mut octets);
        fuzz_session(&octets);
    });
}

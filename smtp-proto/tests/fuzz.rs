//! The fuzz bodies on seeded input, and split invariance over random command streams.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a corpus lies in files, and one that cannot be read is a failed test"
)]

use proptest::prelude::*;
use proto_core::OutBuf;
use proto_core::fuzz::fuzz_address;
use smtp_proto::fuzz::{fuzz_client, fuzz_command, fuzz_milter, fuzz_parameters, fuzz_reply, fuzz_server};
use smtp_proto::milter::{Actions, MilterReply, Offer, Stage, Steps};
use std::path::Path;
use testkit::{Rng, for_each_seed};

/// Words that lead somewhere, between octets that do not.
const WORDS: &[&str] = &[
    "EHLO c\r\n",
    "HELO c\r\n",
    "MAIL FROM:<a@b>\r\n",
    "MAIL FROM:<> SIZE=60 BODY=8BITMIME AUTH=<>\r\n",
    "MAIL FROM:<@x,@y:\"a b\"@[IPv6:::1]>\r\n",
    "MAIL FROM:<\u{e9}@b> SMTPUTF8 RET=FULL ENVID=x BY=60;N HOLDFOR=60 MT-PRIORITY=3 PRDR\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:<\u{7528}@d> NOTIFY=DELAY ORCPT=utf-8;\u{7528}@d RRVS=2014-04-03T23:01:00Z;C\r\n",
    "VRFY \u{e9} SMTPUTF8\r\n",
    "RCPT TO:<Postmaster>\r\n",
    "rcpt to: <c@d> NOTIFY=NEVER\r\n",
    "LHLO c\r\n",
    "MAIL FROM:<a@b> PRDR\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@d>\r\n",
    "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n",
    "BDAT 0\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 3\r\na\r\n",
    "BDAT 3 LAST\r\na\nb",
    "BDAT 2\r\na\r",
    "BDAT 7 LAST\r\na\r\n.\r\nb",
    "BDAT 12 last\r\nNOOP\r\nQUIT\r\n",
    "BDAT 70\r\n",
    "BDAT x\r\n",
    "DATA\r\n",
    "DATA\r\n.\r\n",
    "DATA\r\n..x\r\n.y\r\n.\r\n",
    ".\r\n",
    ".",
    "\r",
    "\n",
    "\r\n",
    "\r\n.\r\n",
    "\n.\n",
    "RSET\r\n",
    "NOOP\r\n",
    "NOOP xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
    "VRFY a\r\n",
    "EXPN a\r\n",
    "HELP\r\n",
    "QUIT\r\n",
    "STARTTLS\r\n",
    "AUTH PLAIN AHUAcA==\r\n",
    "AUTH PLAIN\r\n",
    "AHUAcA==\r\n",
    "AUTH LOGIN\r\n",
    "dTE=\r\n",
    "*\r\n",
    "ETRN c.d\r\n",
    "ETRN #q\r\n",
    "XCLIENT NAME=[TEMPUNAVAIL] ADDR=IPV6:::1 HELO=x LOGIN=+75 PROTO=SMTP\r\n",
    "XCLIENT ADDR=192.0.2.1 DESTPORT=25\r\n",
    "XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1 SOURCE=LOCAL IDENT=q\r\n",
    "GET / HTTP/1.1\r\n",
    "XYZZY\r\n",
    "220 x\r\n",
    "250 x\r\n",
    "250-x\r\n",
    "250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n",
    "235 2.7.0 yes\r\n",
    "334 \r\n",
    "354 go\r\n",
    "421 4.3.2 bye\r\n",
    "550 5.1.1 no\r\n",
    "\0",
    "\u{e9}",
];

fn stream(rng: &mut Rng, words_max: usize) -> Vec<u8> {
    let mut stream = vec![rng.next_u64() as u8, rng.next_u64() as u8];
    for _ in 0..rng.below(words_max) + 1 {
        if rng.chance(1, 12) {
            let mut noise = [0; 5];
            rng.fill(&mut noise);
            stream.extend(noise);
        } else {
            stream.extend(rng.pick(WORDS).as_bytes());
        }
    }
    stream
}

/// What the fuzzer found worth keeping: each file reaches something that no other does.
fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz-corpus").join(target);
    let mut files = 0;
    for file in std::fs::read_dir(&corpus).unwrap() {
        body(&std::fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 10, "{}: {files} files", corpus.display());
}

#[test]
fn corpora_of_the_fuzzer() {
    replay("address", fuzz_address);
    replay("milter", fuzz_milter);
    replay("smtp_client", fuzz_client);
    replay("smtp_command", fuzz_command);
    replay("smtp_parameters", fuzz_parameters);
    replay("smtp_reply", fuzz_reply);
    replay("smtp_server", fuzz_server);
}

#[test]
fn commands() {
    for_each_seed(64, |rng| {
        for _ in 0..64 {
            let line = stream(rng, 3);
            fuzz_command(&line[2..]);
        }
    });
}

/// What parameters are made of.
const PARAMETERS: &[&str] = &[
    "SIZE=",
    "BODY=",
    "AUTH=",
    "SMTPUTF8",
    "RET=",
    "ENVID=",
    "REQUIRETLS",
    "BY=",
    "HOLDFOR=",
    "HOLDUNTIL=",
    "MT-PRIORITY=",
    "PRDR",
    "NOTIFY=",
    "ORCPT=",
    "RRVS=",
    "X-OWN=",
    " ",
    " ",
    " ",
    "=",
    ";",
    ",",
    "+",
    "-",
    "0",
    "1",
    "9",
    "999999999",
    "7BIT",
    "8bitmime",
    "BINARYMIME",
    "<>",
    "+2B",
    "+3C+3E",
    "+00",
    "+C3+A9",
    "a",
    "b@c",
    "FULL",
    "hdrs",
    "N",
    "R",
    "T",
    "C",
    ";N",
    ";RT",
    "2026-01-01T00:00:00Z",
    "2026-01-01t23:59:60.5-23:59",
    "0000-01-01",
    "NEVER",
    "SUCCESS",
    "FAILURE",
    "DELAY",
    "rfc822;",
    "utf-8;",
    "\\x{E9}",
    "\\x{1F600}",
    "\\x{2B}",
    "\\",
    "\u{e9}",
    "\u{85}",
    "\0",
];

#[test]
fn parameters() {
    for_each_seed(256, |rng| {
        for _ in 0..64 {
            let mut text = vec![rng.next_u64() as u8 | 0x0f, 0xff];
            if rng.chance(1, 4) {
                rng.fill(&mut text);
            }
            for _ in 0..rng.below(12) {
                text.extend(rng.pick(PARAMETERS).as_bytes());
            }
            fuzz_parameters(&text);
        }
    });
}

#[test]
fn server_sessions() {
    for_each_seed(128, |rng| {
        for _ in 0..8 {
            fuzz_server(&stream(rng, 40));
        }
    });
}

#[test]
fn replies() {
    for_each_seed(128, |rng| {
        for _ in 0..8 {
            fuzz_reply(&stream(rng, 20)[2..]);
        }
    });
}

/// What a server says that knows what it does, and now and then does not.
const REPLIES: &[&str] = &[
    "220 x\r\n",
    "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-STARTTLS\r\n250-PRDR\r\n250-DSN\r\n\
     250-LIMITS RCPTMAX=1 MAILMAX=3\r\n250-XFORWARD NAME\r\n250-ETRN\r\n250 AUTH PLAIN LOGIN\r\n",
    "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-8BITMIME\r\n250 PRDR\r\n",
    "250-x\r\n250-CHUNKING\r\n250 8BITMIME\r\n",
    "250-x\r\n250 8BITMIME\r\n",
    "250 2.1.0 Ok\r\n",
    "250 2.1.0 Ok\r\n",
    "250 2.1.0 Ok\r\n",
    "250 2.1.0 Ok\r\n",
    "354 go on\r\n",
    "354 go on\r\n",
    "353 each\r\n",
    "450 4.2.0 later\r\n",
    "550 5.1.1 no\r\n",
    "550-5.7.1 no\r\n550 5.7.1 never\r\n",
    "552 too many\r\n",
    "421 4.3.2 bye\r\n",
    "521 never\r\n",
    "235 2.7.0 yes\r\n",
    "334 VXNlcm5hbWU6\r\n",
    "535 5.7.8 no\r\n",
    "junk\r\n",
];

#[test]
fn client_sessions() {
    for_each_seed(256, |rng| {
        for _ in 0..16 {
            let mut stream = vec![rng.next_u64() as u8, rng.next_u64() as u8, rng.next_u64() as u8];
            if rng.chance(3, 4) {
                // Past the opening, where it becomes interesting.
                stream.extend(REPLIES[0].as_bytes());
                stream.extend(REPLIES[1 + rng.below(4)].as_bytes());
                stream[0] &= !6;
            }
            for _ in 0..rng.below(40) {
                // Yes more often than not.
                let place = if rng.chance(1, 2) { rng.between(5, 10) } else { rng.below(REPLIES.len()) };
                stream.extend(REPLIES[place].as_bytes());
            }
            fuzz_client(&stream);
        }
    });
}

/// What a milter says that knows what it does, and now and then does not.
fn milter_packet(rng: &mut Rng) -> Vec<u8> {
    use MilterReply as R;
    let octets = |text: &&'static str| bytes::Bytes::from(*text);
    let texts = [
        "",
        "X-A",
        "a@b",
        "<c@d>",
        "one\n two\r\n\nthree",
        "550 5.7.1 no",
        "550-a\r\n550 b%%c",
        "NOTIFY=NEVER",
    ];
    let text = octets(rng.pick(&texts));
    let name = octets(rng.pick(&texts[1..4]));
    let index = [0, 1, 2, u32::MAX][rng.below(4)];
    let reply = match rng.below(24) {
        0 => R::Accept,
        1 => R::Reject,
        2 => R::ReplyCode(text),
        3 => R::Skip,
        4 => R::Progress,
        5 => R::AddHeader { name, value: text },
        6 => R::InsertHeader { index, name, value: text },
        7 => R::ChangeHeader { index, name, value: text },
        8 => R::ReplaceBody(text),
        9 => R::ChangeSender { address: name, parameters: Some(text) },
        10 => R::AddRecipientWithParameters { address: name, parameters: Some(text) },
        11 => R::DeleteRecipient(name),
        12 => R::Quarantine(text),
        13 => R::Discard,
        _ => R::Continue,
    };
    let mut out = OutBuf::new();
    reply.encode(&mut out);
    let mut packet = out.as_slice().to_vec();
    if rng.chance(1, 20) {
        let at = rng.below(packet.len());
        packet[at] = rng.next_u64() as u8;
    }
    packet
}

#[test]
fn milter_sessions() {
    for_each_seed(256, |rng| {
        for _ in 0..16 {
            let mut stream = vec![rng.next_u64() as u8 | 3, rng.next_u64() as u8, rng.next_u64() as u8];
            let mut offer = Offer::new(
                6,
                Actions::CHANGE_BODY,
                Steps(if rng.chance(1, 2) { 0 } else { 1 << rng.below(21) }),
            );
            offer.macros.push((*rng.pick(&Stage::ALL), "j i".into()));
            let mut out = OutBuf::new();
            MilterReply::Negotiate(offer).encode(&mut out);
            stream.extend_from_slice(out.as_slice());
            for _ in 0..rng.below(60) {
                // To the end of a message more often than not.
                if rng.chance(2, 3) {
                    stream.extend_from_slice(b"\0\0\0\x01c");
                } else {
                    stream.extend(milter_packet(rng));
                }
            }
            fuzz_milter(&stream);
        }
    });
}

/// A stream that gets to the end of a message more often than chance would have it.
fn transaction() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec!["", ".", "..", ".x", "x", "\r", "\n", "\0", "\u{e9}"]);
    let body = prop::collection::vec((line, prop::bool::weighted(0.9)), 0..12);
    let more = prop::sample::subsequence(WORDS.to_vec(), 0..8);
    (any::<u8>(), any::<u8>(), body, more).prop_map(|(choice, cut, body, more)| {
        let mut stream = vec![choice, cut];
        stream.extend(b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        for (line, ended) in body {
            stream.extend(line.as_bytes());
            stream.extend(if ended { &b"\r\n"[..] } else { b"" });
        }
        stream.extend(b"\r\n.\r\n");
        stream.extend(more.concat().as_bytes());
        stream
    })
}

proptest! {
    #[test]
    fn any_split_of_a_transaction_is_the_same(stream in transaction()) {
        fuzz_server(&stream);
    }

    #[test]
    fn any_octets_are_answered(stream in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_server(&stream);
        fuzz_reply(&stream);
        fuzz_client(&stream);
        fuzz_command(&stream);
        fuzz_parameters(&stream);
        fuzz_milter(&stream);
    }
}

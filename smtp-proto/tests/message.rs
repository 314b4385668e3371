//! The octets of a message, whichever way they come: by DATA every short one ends where the reference says, and in
//! chunks it is the same message.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::App;
use proto_core::dot::DecodePolicy;
use proto_core::{Machine, OutBuf, Step};
use smtp_proto::server::{Config, Event, QueueId, Server, Syntax, Verdict};
use testkit::{Driver, Fixture, Log, Rng, START, for_each_seed};

const POLICIES: [DecodePolicy; 3] = [DecodePolicy::Reject, DecodePolicy::Normalize, DecodePolicy::Raw];

fn config(policy: DecodePolicy) -> Config {
    let mut config = Config::new("mx.t").unwrap();
    config.syntax = Syntax::Strict;
    config.bare_line_ends = policy;
    config.bare_line_ends_in_chunks = policy;
    config.limits.transactions_max = u32::MAX;
    config.limits.errors_max = u32::MAX;
    config.limits.errors_before_pause = u32::MAX;
    config.limits.idle_commands_max = u32::MAX;
    config
}

/// A session that keeps nothing but the message and what was said.
struct Session {
    server: Server,
    body: Vec<u8>,
    out: OutBuf,
}

impl Session {
    fn new(policy: DecodePolicy) -> Self {
        let mut session =
            Self { server: common::server(config(policy)), body: Vec::new(), out: OutBuf::new() };
        session.give(b"");
        session.give(b"EHLO c\r\n");
        session
    }

    /// Gives octets; returns what is said to them.
    fn give(&mut self, input: &[u8]) -> Vec<u8> {
        let mut rest = input;
        loop {
            while let Some(step) = self.server.poll_event(START) {
                let Step::App(event) = step else { continue };
                let yes = Verdict::Accept(());
                match event {
                    Event::Connect(ask) => self.server.answer(START, ask, yes).unwrap(),
                    Event::Hello(ask) => self.server.answer(START, ask, yes).unwrap(),
                    Event::Mail(ask) => self.server.answer(START, ask, yes).unwrap(),
                    Event::Rcpt(ask) => self.server.answer(START, ask, yes).unwrap(),
                    Event::Data(ask) => {
                        self.body.clear();
                        self.server.answer(START, ask, yes).unwrap();
                    }
                    Event::Body(octets) => self.body.extend_from_slice(&octets),
                    Event::EndOfData(ask) => {
                        assert_eq!(ask.detail.octets, self.body.len() as u64);
                        let id = QueueId::new("Q").unwrap();
                        self.server.answer(START, ask, Verdict::Accept(id).into()).unwrap();
                    }
                    Event::BodyAborted(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            while self.server.poll_transmit(&mut self.out) {}
            if rest.is_empty() {
                let said = self.out.as_slice().to_vec();
                self.out.consume(said.len());
                return said;
            }
            rest = &rest[self.server.handle_input(START, rest)..];
        }
    }
}

/// Where the first true end is, and behind it: the slow way.
fn true_end(wire: &[u8]) -> (usize, usize) {
    if wire.starts_with(b".\r\n") {
        return (0, 3);
    }
    let at = (0..wire.len()).find(|&at| wire[at..].starts_with(b"\r\n.\r\n")).unwrap();
    (at + 2, at + 5)
}

/// The text without its transparency dots, octet by octet.
fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let starts_line = |at: usize| at == 0 || wire[..at].ends_with(b"\r\n");
    (0..wire.len()).filter(|&at| !(starts_line(at) && wire[at] == b'.')).map(|at| wire[at]).collect()
}

/// What is to become of a text: the message, or none.
fn judged(text: &[u8], policy: DecodePolicy) -> Option<Vec<u8>> {
    let bare = |at: usize| match text[at] {
        b'\r' => text.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || text[at - 1] != b'\r',
        _ => false,
    };
    match policy {
        DecodePolicy::Reject if (0..text.len()).any(bare) => None,
        DecodePolicy::Normalize => Some(
            (0..text.len())
                .flat_map(|at| match text[at] {
                    b'\r' if bare(at) => b" ".to_vec(),
                    b'\n' if bare(at) => b"\r\n".to_vec(),
                    octet => vec![octet],
                })
                .collect(),
        ),
        _ => Some(text.to_vec()),
    }
}

const ALPHABET: [u8; 5] = *b"\r\n.\0a";

/// RFC 5321 section 4.1.1.4, through the whole machine: every text of up to five octets out of those that matter, under
/// each policy, whole, cut in two at every place, and octet by octet; and what stands behind the end is commands again.
#[test]
fn every_short_text_ends_where_the_reference_says() {
    for policy in POLICIES {
        let mut session = Session::new(policy);
        for len in 0..=5 {
            for mut n in 0..ALPHABET.len().pow(len) {
                let mut wire = Vec::new();
                for _ in 0..len {
                    wire.push(ALPHABET[n % ALPHABET.len()]);
                    n /= ALPHABET.len();
                }
                wire.extend_from_slice(b"\r\n.\r\nNOOP\r\n");
                let (end, behind) = true_end(&wire);
                let message = judged(&unstuffed(&wire[..end]), policy);
                let refusals = wire[behind..].iter().filter(|octet| **octet == b'\n').count() - 1;

                let in_two = (1..wire.len()).map(|cut| vec![&wire[..cut], &wire[cut..]]);
                for pieces in in_two.chain([vec![&wire[..]], wire.chunks(1).collect()]) {
                    let said = session.give(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
                    assert!(said.ends_with(b"354 End data with <CR><LF>.<CR><LF>\r\n"));
                    let said: Vec<u8> = pieces.iter().flat_map(|piece| session.give(piece)).collect();
                    let said = String::from_utf8(said).unwrap();
                    let mut replies = said.lines();
                    match &message {
                        Some(message) => {
                            assert_eq!(replies.next(), Some("250 2.0.0 Ok: queued as Q"), "{pieces:?}");
                            assert_eq!(&session.body, message, "{policy:?} {pieces:?}");
                        }
                        None => assert!(replies.next().unwrap().starts_with("550 5.6.11 "), "{pieces:?}"),
                    }
                    for _ in 0..refusals {
                        assert!(replies.next().unwrap().starts_with("500 "), "{policy:?} {pieces:?}");
                    }
                    assert_eq!((replies.next(), replies.next()), (Some("250 2.0.0 Ok"), None), "{pieces:?}");
                }
            }
        }
    }
}

fn driven(policy: DecodePolicy) -> Driver<Server, App> {
    let mut session = Driver::new(common::server(config(policy)), App::plain());
    session.receive(b"EHLO c\r\n");
    session.receive(b"MAIL FROM:<a@x>\r\n");
    session.receive(b"RCPT TO:<ok@t>\r\n");
    session.take_sent();
    session
}

/// Gives the wire in pieces and returns the last reply and all that the application was told.
fn outcome(mut session: Driver<Server, App>, wire: &[u8], rng: &mut Rng) -> (String, Log) {
    let mut rest = wire;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + rng.below(rest.len().min(40)));
        session.receive(piece);
        rest = behind;
    }
    let said = String::from_utf8(session.take_sent()).unwrap();
    (said.lines().last().unwrap().to_owned(), std::mem::take(session.fixture.log()))
}

/// What the messages are made of, more lines than anything else.
const PARTS: &[&str] = &["\r\n", "\r\n", "a", ".", "\r\n.", "\u{ff}", "\0"];

/// RFC 3030 section 2: chunks are another way to carry the same message, wherever they are cut.
#[test]
fn a_message_in_chunks_is_the_one_that_data_brings() {
    for_each_seed(2000, |rng| {
        let policy = *rng.pick(&POLICIES);
        let mut message = Vec::new();
        for _ in 0..rng.below(40) {
            message.extend_from_slice(rng.pick(PARTS).as_bytes());
            if rng.chance(1, 40) {
                message.push(*rng.pick(b"\r\n"));
            }
        }
        message.extend_from_slice(b"\r\n");

        let mut by_data = Vec::new();
        for at in 0..message.len() {
            if message[at] == b'.' && (at == 0 || message[..at].ends_with(b"\r\n")) {
                by_data.push(b'.');
            }
            by_data.push(message[at]);
        }
        by_data.extend_from_slice(b".\r\n");
        let mut session = driven(policy);
        session.receive(b"DATA\r\n");
        let (said, told) = outcome(session, &by_data, rng);

        let mut by_bdat = Vec::new();
        let mut rest = &message[..];
        while !rest.is_empty() && rng.chance(7, 8) {
            let (chunk, behind) = rest.split_at(rng.below(rest.len() + 1));
            by_bdat.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            by_bdat.extend_from_slice(chunk);
            rest = behind;
        }
        by_bdat.extend_from_slice(format!("BDAT {} LAST\r\n", rest.len()).as_bytes());
        by_bdat.extend_from_slice(rest);
        let (chunks_said, chunks_told) = outcome(driven(policy), &by_bdat, rng);

        if said.starts_with("250 ") {
            assert_eq!((chunks_said, chunks_told), (said, told), "{policy:?}");
        } else {
            // The chunk that fails is refused, and those behind it because of it.
            assert!(
                chunks_said.starts_with("550 5.6.11 ") || chunks_said.starts_with("503 "),
                "{chunks_said}"
            );
        }
    });
}

/// Whatever is announced and refused, nothing of it is kept and every octet of it is eaten.
#[test]
fn a_refused_chunk_is_eaten_whatever_is_in_it() {
    let octets = b"QUIT\r\nRSET\r\n.\r\nMAIL FROM:<a@b>\r\nBDAT 5 LAST\r\n\0\xff\r\n";
    let wire = [format!("BDAT {}\r\n", octets.len()).as_bytes(), octets, b"NOOP\r\n"].concat();
    for cut in 1..=wire.len() {
        let mut session = Session::new(DecodePolicy::Reject);
        let said: Vec<u8> = wire.chunks(cut).flat_map(|piece| session.give(piece)).collect();
        assert_eq!(said, b"503 5.5.1 Error: need RCPT command\r\n250 2.0.0 Ok\r\n", "cut {cut}");
        assert!(session.body.is_empty());
    }
}

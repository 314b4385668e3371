//! Passwords are not left behind in memory that is given back, however their octets come and whether they are taken.

#![allow(clippy::unwrap_used, reason = "a test")]

use imap_proto::server::{Config, Event, Server};
use proto_core::sasl::{AuthVerdict, Mechanism};
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use std::sync::Arc;
use testkit::alloc::{Watching, freed_with};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));
/// `\0user\0` and the password of the other sessions, as PLAIN sends it.
const PLAIN: &str = "AHVzZXIAY29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==";
/// A part of the password, and of its base64.
const SECRETS: [&[u8]; 2] = [b"horse", b"ob3JzZSBi"];

/// Answers with this; keeps nothing.
fn steps(server: &mut Server, accept: bool) {
    let mut out = OutBuf::new();
    loop {
        while let Some(step) = server.poll_event(NOW) {
            if let Step::App(Event::Authenticate(ask)) = step {
                let verdict = if accept { AuthVerdict::Accept } else { AuthVerdict::Reject };
                server.answer(NOW, ask, verdict).unwrap();
            }
        }
        if !server.poll_transmit(&mut out) {
            return;
        }
        out.consume(out.len());
    }
}

/// A whole session that hears these octets in pieces of so many, and ends.
fn hears(octets: &[u8], piece: usize, accept: bool) {
    let mut config = Config::new();
    config.mechanisms = Mechanism::ALL.to_vec();
    config.allow_plaintext_auth = true;
    let mut server = Server::new(Arc::new(config));
    steps(&mut server, accept);
    for piece in octets.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() && server.wants_input() {
            rest = &rest[server.handle_input(NOW, rest)..];
            steps(&mut server, accept);
        }
    }
}

#[test]
fn a_server_leaves_nothing_of_a_login_behind() {
    let long = "A".repeat(80_000);
    let noops = "n NOOP\r\n".repeat(40);
    let sessions = [
        ("LOGIN", "a LOGIN user \"correct horse battery staple\"\r\n".to_owned()),
        ("LOGIN and more", "a LOGIN user \"correct horse battery staple\"\r\nb NOOP\r\nc LOG".into()),
        ("behind much else", format!("{noops}a LOGIN user \"correct horse battery staple\"\r\n")),
        ("with an escape", "a LOGIN user \"correct \\\"horse battery staple\"\r\n".into()),
        ("as a literal", "a LOGIN user {28+}\r\ncorrect horse battery staple\r\nb NOOP\r\n".into()),
        ("as a literal that does not end", "a LOGIN user {99+}\r\ncorrect horse battery staple".into()),
        ("unfinished", "a LOGIN user \"correct horse battery stap".into()),
        ("with more than there may be", "a LOGIN user \"correct horse battery staple\" x\r\n".into()),
        ("before a literal too large", "a LOGIN \"horse\" {99999999}\r\nb NOOP\r\n".into()),
        ("too long", format!("a LOGIN user \"horse {long}\"\r\n")),
        ("at the end of what is too long", format!("a LOGIN user \"{long} horse\"\r\nb NOOP\r\n")),
        ("an initial response", format!("a AUTHENTICATE PLAIN {PLAIN}\r\n")),
        ("an initial response and more", format!("a AUTHENTICATE PLAIN {PLAIN}\r\nb NOOP\r\nc")),
        ("no base64", format!("a AUTHENTICATE PLAIN {PLAIN}!\r\n")),
        ("after the continuation", format!("a AUTHENTICATE PLAIN\r\n{PLAIN}\r\nb NOOP\r\n")),
        ("at the end of a response too long", format!("a AUTHENTICATE PLAIN\r\n{long}{PLAIN}\r\n")),
    ];
    for (what, octets) in &sessions {
        for accept in [false, true] {
            for piece in [1, 7, 40, 330, 1400, 16_384] {
                for secret in SECRETS {
                    let ((), blocks) = freed_with(secret, || hears(octets.as_bytes(), piece, accept));
                    assert_eq!(blocks, 0, "{what}, {piece} at a time: {}", secret.escape_ascii());
                }
            }
        }
    }
}

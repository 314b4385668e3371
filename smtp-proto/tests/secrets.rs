//! Passwords are not left behind in memory that is given back, however their octets come and whether they are taken.

#![allow(clippy::unwrap_used, reason = "a test")]

use proto_core::sasl::{AuthVerdict, ClientCredentials, Mechanism};
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use smtp_proto::client::{Client, ClientConfig, ClientTls};
use smtp_proto::server::{Config, Event, Peer, Server, Syntax, Verdict};
use std::sync::Arc;
use testkit::alloc::{Watching, freed_with};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));
const PASSWORD: &str = "correct horse battery staple";
/// `\0user\0` and the password, as PLAIN sends it.
const PLAIN: &[u8] = b"AHVzZXIAY29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==";
/// The password, as LOGIN sends it.
const ALONE: &[u8] = b"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==";
/// A part of the password, and of both of these, so that a copy of their beginnings is seen too.
const SECRETS: [&[u8]; 2] = [b"horse", b"ob3JzZSBi"];

fn steps(server: &mut Server, out: &mut OutBuf) {
    loop {
        answer(server);
        if !server.poll_transmit(out) {
            return;
        }
        out.consume(out.len());
    }
}

fn answer(server: &mut Server) {
    while let Some(step) = server.poll_event(NOW) {
        let yes = Verdict::Accept(());
        match step {
            Step::App(Event::Connect(ask)) => server.answer(NOW, ask, yes).unwrap(),
            Step::App(Event::Hello(ask)) => server.answer(NOW, ask, yes).unwrap(),
            Step::App(Event::Authenticate(ask)) => server.answer(NOW, ask, AuthVerdict::Reject).unwrap(),
            _ => {}
        }
    }
}

/// A whole session that hears these octets in pieces of so many, and ends.
fn hears(syntax: Syntax, octets: &[u8], piece: usize) {
    let mut config = Config::new("mx.t").unwrap();
    config.mechanisms = Mechanism::ALL.to_vec();
    config.allow_plaintext_auth = true;
    config.syntax = syntax;
    let mut server = Server::new(NOW, Arc::new(config), Peer::default());
    let mut out = OutBuf::new();
    steps(&mut server, &mut out);
    for octets in [b"EHLO c\r\n", octets] {
        for piece in octets.chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() && server.wants_input() {
                rest = &rest[server.handle_input(NOW, rest)..];
                steps(&mut server, &mut out);
            }
        }
    }
}

#[test]
fn a_server_leaves_nothing_of_a_login_behind() {
    let long = b"A".repeat(13_000);
    let of = |parts: &[&[u8]]| parts.concat();
    let sessions = [
        ("in the command", of(&[b"AUTH PLAIN ", PLAIN, b"\r\n"])),
        ("behind a tab", of(&[b"AUTH\tPLAIN ", PLAIN, b"\r\n"])),
        ("with more behind it", of(&[b"NOOP\r\nAUTH PLAIN ", PLAIN, b"\r\nNOOP\r\nAUTH"])),
        // 420 octets at a time, its beginning is moved to the front of the buffer.
        ("behind much else", of(&[&b"NOOP\r\n".repeat(60), b"AUTH PLAIN ", PLAIN, b"\r\n"])),
        ("after the challenge", of(&[b"AUTH PLAIN\r\n", PLAIN, b"\r\n"])),
        ("by LOGIN", of(&[b"AUTH LOGIN\r\ndXNlcg==\r\n", ALONE, b"\r\n"])),
        ("unfinished", of(&[b"AUTH PLAIN ", PLAIN])),
        ("no base64", of(&[b"AUTH PLAIN ", PLAIN, b"!\r\n"])),
        ("a bare LF", of(&[b"AUTH PLAIN ", PLAIN, b"\n"])),
        ("a bare LF after the challenge", of(&[b"AUTH PLAIN\r\n", PLAIN, b"\n"])),
        ("too long", of(&[b"AUTH PLAIN ", PLAIN, &long, b"\r\n"])),
        ("at the end of what is too long", of(&[b"AUTH PLAIN ", &long, PLAIN, b"\r\nNOOP\r\n"])),
        ("at the end of what is too long, in an exchange", of(&[b"AUTH PLAIN\r\n", &long, PLAIN, b"\r\n"])),
        ("too long and unfinished", of(&[b"AUTH LOGIN ", ALONE, &long])),
    ];
    for (what, octets) in sessions {
        for syntax in [Syntax::Strict, Syntax::Lenient] {
            for piece in [1, 7, 40, 420, 1400, 16_384] {
                for secret in SECRETS {
                    let ((), blocks) = freed_with(secret, || hears(syntax, &octets, piece));
                    let secret = secret.escape_ascii();
                    assert_eq!(blocks, 0, "{what} {syntax:?}, {piece} at a time: {secret}");
                }
            }
        }
    }
}

#[test]
fn a_client_leaves_nothing_of_its_login_behind() {
    for (mechanisms, replies) in [
        ("PLAIN", &["235 2.7.0 yes\r\n"][..]),
        ("LOGIN", &["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "535 5.7.8 no\r\n"]),
    ] {
        let mut config = ClientConfig::new("c.t").unwrap();
        config.tls = ClientTls::None;
        config.credentials = Some(ClientCredentials::password("user", PASSWORD));
        config.allow_plaintext_auth = true;
        let config = Arc::new(config);
        let hello = format!("250-x\r\n250 AUTH {mechanisms}\r\n");
        for secret in SECRETS {
            let (said, blocks) = freed_with(secret, || {
                let (mut client, mut out, mut said) =
                    (Client::new(NOW, Arc::clone(&config)), OutBuf::new(), 0);
                for reply in ["220 x\r\n", &hello].into_iter().chain(replies.iter().copied()) {
                    client.handle_input(NOW, reply.as_bytes());
                    while client.poll_event(NOW).is_some() {}
                    while client.poll_transmit(&mut out) {}
                    let shown = out.as_slice().windows(SECRETS[1].len()).any(|window| window == SECRETS[1]);
                    said += usize::from(shown);
                    out.consume(out.len());
                }
                said
            });
            assert_eq!((said, blocks), (1, 0), "{mechanisms}: {}", secret.escape_ascii());
        }
    }
}

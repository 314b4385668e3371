//! Real and hostile mail with its line ends as they lie in the file, under each policy for bare CR and LF: what is
//! refused, what is stored, and that over-long lines and NUL pass as they are.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the corpus is read from its files")]

mod common;

use common::App;
use proto_core::dot::DecodePolicy;
use smtp_proto::server::{Config, Server};
use testkit::Driver;

/// The corpus, and messages made odd on purpose, with CR LF at their end, which DATA cannot do without.
fn messages() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../mail-message/tests/corpus");
    let mut messages: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "msg"))
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    assert!(messages.len() >= 47);
    messages.sort();
    for (name, octets) in [
        ("bare CR", "Subject: x\r\n\r\na\rb\r\r\n"),
        ("bare LF", "Subject: x\r\n\r\na\nb\n\n"),
        ("LF and a dot", "Subject: x\r\n\r\na\n.\nb\r\n"),
        ("NUL", "Subject: x\r\n\r\na\0b\r\n\0.\r\n"),
    ] {
        messages.push((name.into(), octets.into()));
    }
    messages.push(("long line".into(), [b"Subject: x\r\n\r\n", &[b'y'; 100_000][..], b"\r\n"].concat()));
    for (_, octets) in &mut messages {
        if !octets.ends_with(b"\r\n") {
            octets.extend(b"\r\n");
        }
    }
    messages
}

/// Whether a CR or an LF stands alone.
fn has_bare_line_end(octets: &[u8]) -> bool {
    let paired = octets.windows(2).filter(|pair| pair == b"\r\n").count();
    octets.iter().filter(|octet| **octet == b'\r').count() != paired
        || octets.iter().filter(|octet| **octet == b'\n').count() != paired
}

/// What [`DecodePolicy::Normalize`] makes of it: LF alone becomes CR LF, CR alone a space.
fn normalised(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, octet) in octets.iter().enumerate() {
        match octet {
            b'\n' if at == 0 || octets[at - 1] != b'\r' => out.extend(b"\r\n"),
            b'\r' if octets.get(at + 1) != Some(&b'\n') => out.push(b' '),
            other => out.push(*other),
        }
    }
    out
}

/// Dots doubled after CR LF and nowhere else, as RFC 5321 section 4.5.2 has lines; then the end.
fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, octet) in message.iter().enumerate() {
        if *octet == b'.' && (at == 0 || message[..at].ends_with(b"\r\n")) {
            out.push(b'.');
        }
        out.push(*octet);
    }
    out.extend(b".\r\n");
    out
}

/// Sends one message and returns the reply to it and what was stored.
fn send(policy: DecodePolicy, message: &[u8]) -> (String, Option<Vec<u8>>) {
    let mut config = Config::new("mx.t").unwrap();
    config.bare_line_ends = policy;
    let mut session: Driver<Server, App> = Driver::new(common::server(config), App::plain());
    for command in ["EHLO c\r\n", "MAIL FROM:<a@x>\r\n", "RCPT TO:<ok@t>\r\n", "DATA\r\n"] {
        session.receive(command.as_bytes());
    }
    assert!(session.take_sent().ends_with(b"\r\n"));
    session.receive(&on_the_wire(message));
    let reply = String::from_utf8(session.take_sent()).unwrap();
    assert_eq!(reply.matches("\r\n").count(), 1, "one reply: {reply}");
    let stored = session.fixture.messages.pop().map(|(_, body)| body);
    // Whatever the message was, the session is in step with its client.
    session.receive(b"NOOP\r\n");
    assert_eq!(session.take_sent(), b"250 2.0.0 Ok\r\n");
    (reply, stored)
}

#[test]
fn each_policy_shows_what_it_does_to_real_mail() {
    let mut bare = 0;
    for (name, message) in messages() {
        let is_bare = has_bare_line_end(&message);
        bare += usize::from(is_bare);

        let (reply, stored) = send(DecodePolicy::Reject, &message);
        if is_bare {
            assert!(reply.starts_with("550 5.6.11 "), "{name}: {reply}");
            assert_eq!(stored, None, "{name}");
        } else {
            assert!(reply.starts_with("250 "), "{name}: {reply}");
            assert!(stored.unwrap() == message, "{name}");
        }
        let (reply, stored) = send(DecodePolicy::Normalize, &message);
        assert!(reply.starts_with("250 "), "{name}: {reply}");
        assert!(stored.unwrap() == normalised(&message), "{name}: normalised");

        let (reply, stored) = send(DecodePolicy::Raw, &message);
        assert!(reply.starts_with("250 "), "{name}: {reply}");
        assert!(stored.unwrap() == message, "{name}: raw");
    }
    assert!(bare > 40, "only {bare} messages with bare line ends: nothing was shown");
}

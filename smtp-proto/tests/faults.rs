//! The faults that mail libraries are known for, as far as SMTP has them, each a named test.

#![allow(clippy::unwrap_used)]

mod common;

use common::App;
use proto_core::sasl::Mechanism;
use smtp_proto::client::{Client, ClientConfig, ClientFailure, ClientTls};
use smtp_proto::server::{Config, Server, TlsMode};
use std::sync::Arc;
use testkit::Driver;

type Session = Driver<Server, App>;

const ENVELOPE: &str = "MAIL FROM:<a@x>\r\nRCPT TO:<ok@t>\r\n";

/// A greeted session after EHLO.
fn session(configure: impl FnOnce(&mut Config)) -> Session {
    let mut config = Config::new("mx.t").unwrap();
    configure(&mut config);
    let mut session = Driver::new(common::server(config), App::plain());
    say(&mut session, "");
    let hello = say(&mut session, "EHLO c\r\n");
    assert!(hello.contains("250-8BITMIME\r\n"), "{hello}");
    session
}

fn say(session: &mut Session, line: &str) -> String {
    session.receive(line.as_bytes());
    String::from_utf8(session.take_sent()).unwrap()
}

/// Sends a message whose octets and end are given as they are; returns the replies after 354.
fn data(session: &mut Session, octets: &str) -> String {
    assert_eq!(say(session, ENVELOPE), "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
    assert!(say(session, "DATA\r\n").starts_with("354 "));
    say(session, octets)
}

fn bodies(session: &Session) -> Vec<&[u8]> {
    session.fixture.messages.iter().map(|(_, body)| &body[..]).collect()
}

#[test]
fn fault_1_a_dot_at_once_is_an_empty_message() {
    let mut session = session(|_| {});
    assert_eq!(data(&mut session, ".\r\n"), "250 2.0.0 Ok: queued as Q1\r\n");
    assert_eq!(bodies(&session), [b""]);
}

#[test]
fn fault_2_the_first_line_is_unstuffed() {
    let mut session = session(|_| {});
    data(&mut session, "..foo\r\n.foo\r\nfoo\r\n.\r\n");
    assert_eq!(bodies(&session), [b".foo\r\nfoo\r\nfoo\r\n"]);
}

#[test]
fn fault_3_nothing_but_the_terminator_ends_a_message() {
    let smuggled = "MAIL FROM:<evil@x>\r\nRCPT TO:<ok@t>\r\nDATA\r\nevil\r\n.\r\n";
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n", "\r\n\0.\r\n"] {
        let mut session = session(|_| {});
        let replies = data(&mut session, &format!("a{end}{smuggled}"));
        assert_eq!(replies.matches("\r\n").count(), 1, "{end:?}: {replies}");
        assert!(replies.starts_with(if end.contains('\0') { "250 " } else { "550 5.6.11 " }), "{end:?}");
        assert_eq!(say(&mut session, "RCPT TO:<ok@t>\r\n"), "503 5.5.1 Error: need MAIL command\r\n");
    }
    let mut session = session(|config| config.bare_line_ends = proto_core::dot::DecodePolicy::Raw);
    assert!(data(&mut session, "a\r\r\n.\r\n").starts_with("250 "));
    assert_eq!(bodies(&session), [b"a\r\r\n"]);
}

#[test]
fn fault_4_what_is_too_much_is_swallowed_to_its_true_end() {
    let mut session = session(|config| config.limits.message_bytes_max = 100);
    let big = format!("{}\r\nQUIT\r\nRSET\r\n.\r\n", "x".repeat(200));
    assert_eq!(data(&mut session, &big), "552 5.3.4 Error: message size exceeds fixed limit\r\n");
    let long = format!("NOOP {}", "x".repeat(5000));
    assert_eq!(say(&mut session, &long), "");
    assert_eq!(say(&mut session, "QUIT\r\n"), "500 5.5.6 Error: line too long\r\n");
    assert_eq!(say(&mut session, "NOOP\r\n"), "250 2.0.0 Ok\r\n");
    assert!(bodies(&session).is_empty());
}

#[test]
fn fault_5_octets_after_starttls_are_gone_in_the_server() {
    let mut session = session(|config| config.tls = TlsMode::Offered);
    let injected = "STARTTLS\r\nEHLO c\r\nMAIL FROM:<evil@x>\r\n";
    assert_eq!(say(&mut session, injected), "220 2.0.0 Ready to start TLS\r\n");
    session.tls();
    assert_eq!(session.take_sent(), b"");
    assert_eq!(say(&mut session, "RCPT TO:<ok@t>\r\n"), "503 5.5.1 Error: need MAIL command\r\n");
    assert_eq!(say(&mut session, "MAIL FROM:<a@x>\r\n"), "503 5.5.1 Error: send HELO/EHLO first\r\n");
}

#[test]
fn fault_5_octets_after_starttls_end_the_client() {
    let mut config = ClientConfig::new("c.t").unwrap();
    config.tls = ClientTls::Opportunistic;
    let client = Client::new(testkit::START, Arc::new(config));
    let mut driver = Driver::new(client, common::sender::Sender::default());
    driver.receive(b"220 x\r\n");
    driver.receive(b"250-x\r\n250 STARTTLS\r\n");
    driver.receive(b"220 go\r\n250 injected\r\n");
    assert_eq!(driver.fixture.failures, [ClientFailure::PlaintextAfterStartTls]);
    assert!(driver.closed().is_some() && !driver.awaits_tls());
}

#[test]
fn fault_6_a_login_survives_ehlo_and_rset_and_not_starttls() {
    let mut session = session(|config| {
        config.tls = TlsMode::Offered;
        config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
        config.allow_plaintext_auth = true;
        config.auth_required = true;
    });
    assert!(say(&mut session, "AUTH PLAIN AHUAcA==\r\n").starts_with("235 "));
    say(&mut session, "EHLO c\r\n");
    say(&mut session, "RSET\r\n");
    assert_eq!(say(&mut session, "MAIL FROM:<>\r\n"), "250 2.1.0 Ok\r\n");
    say(&mut session, "RSET\r\n");
    assert!(session.machine.is_authenticated());
    say(&mut session, "STARTTLS\r\n");
    session.tls();
    say(&mut session, "EHLO c\r\n");
    assert_eq!(say(&mut session, "MAIL FROM:<>\r\n"), "530 5.7.0 Authentication required\r\n");
}

#[test]
fn fault_6_addresses_are_read_by_their_grammar() {
    let mut session = session(|_| {});
    for (path, code) in [
        ("<>", "250"),
        (r#"<"a@b > c"@x>"#, "250"),
        ("<a@[127.0.0.1]>", "250"),
        ("<a@[IPv6:::1]>", "250"),
        ("<a@b@x>", "501"),
        ("<a@x> FOO=1", "555"),
    ] {
        assert!(say(&mut session, &format!("MAIL FROM:{path}\r\n")).starts_with(code), "{path}");
        say(&mut session, "RSET\r\n");
    }
}

#[test]
fn fault_10_no_250_before_the_verdict() {
    let mut session = session(|_| {});
    session.fixture.hold_end();
    assert_eq!(data(&mut session, "x\r\n.\r\nNOOP\r\n"), "", "said before the message was safe");
    session.advance(std::time::Duration::from_secs(60));
    assert_eq!(session.take_sent(), b"");
    session.fixture.release(&mut session.machine, testkit::START);
    session.pump();
    assert_eq!(session.take_sent(), b"250 2.0.0 Ok: queued as Q1\r\n250 2.0.0 Ok\r\n");
}

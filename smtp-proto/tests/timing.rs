//! Time as the server takes it, where a transcript cannot show it.

#![allow(clippy::unwrap_used)]

mod common;

use proto_core::{Ask, Machine, Now, OutBuf, Step};
use smtp_proto::client::{Client, ClientConfig, ClientTls};
use smtp_proto::parameter::PriorityPolicy;
use smtp_proto::server::{Config, Event, Protocol, QueueId, Server, Verdict, Verified, Verify, VerifyMode};
use std::sync::Arc;
use std::time::Duration;
use testkit::START;

fn at(seconds: u64) -> Now {
    Now { instant: START.instant + Duration::from_secs(seconds), ..START }
}

/// Takes steps until there is none or a body chunk; answers yes.
fn steps(server: &mut Server, now: Now) -> Option<bytes::Bytes> {
    while let Some(step) = server.poll_event(now) {
        let yes = Verdict::Accept(());
        match step {
            Step::App(Event::Connect(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Hello(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Mail(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Rcpt(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Data(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Body(chunk)) => return Some(chunk),
            _ => {}
        }
    }
    None
}

fn in_a_message() -> Server {
    let mut server = common::server(Config::new("mx.t").unwrap());
    for line in ["", "EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n"] {
        server.handle_input(at(0), line.as_bytes());
        assert_eq!(steps(&mut server, at(0)), None);
    }
    server
}

#[test]
fn an_application_that_is_slow_does_not_cost_the_client_its_session() {
    let mut server = in_a_message();
    server.handle_input(at(0), b"a line\r\n");
    // The octets are here, and nobody asks for them for an hour.
    for minute in 1..60 {
        server.handle_timeout(at(60 * minute));
    }
    assert_eq!(steps(&mut server, at(3600)).as_deref(), Some(&b"a line\r\n"[..]));
    assert!(!server.is_closed());
    // From here on it is the client that is slow.
    assert_eq!(steps(&mut server, at(3600)), None);
    server.handle_timeout(at(3600 + 240));
    assert_eq!(steps(&mut server, at(3600 + 240)), None);
    assert!(server.is_closed());
}

/// A message of which the first chunk came at 0, with a VRFY that waits for its verdict from second 10 on.
fn verifying() -> (Server, Ask<Verify>) {
    let mut config = Config::new("mx.t").unwrap();
    config.verify = VerifyMode::Ask;
    let mut server = common::server(config);
    for line in ["", "EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "BDAT 1\r\nx"] {
        server.handle_input(at(0), line.as_bytes());
        while steps(&mut server, at(0)).is_some() {}
    }
    server.handle_input(at(10), b"VRFY a\r\n");
    let Some(Step::App(Event::Verify(ask))) = server.poll_event(at(10)) else { panic!("a question") };
    (server, ask)
}

#[test]
fn a_verdict_that_takes_long_is_no_time_of_a_message_in_chunks() {
    // Three minutes, and once the five that a command may take.
    let allowed = 180 + 300;
    let (mut server, ask) = verifying();
    server.handle_timeout(at(10 + 269));
    server.answer(at(10 + 269), ask, Verdict::Accept(Verified::CannotTell)).unwrap();
    assert_eq!(steps(&mut server, at(10 + 269)), None);
    // A command now and then keeps the session, and not the message.
    for seconds in [500, 700, 269 + allowed - 1] {
        server.handle_input(at(seconds), b"NOOP\r\n");
        server.handle_timeout(at(seconds));
        assert_eq!(steps(&mut server, at(seconds)), None);
        assert!(!server.is_closed());
    }
    server.handle_timeout(at(269 + allowed));
    assert_eq!(steps(&mut server, at(269 + allowed)), None);
    assert!(server.is_closed());
}

#[test]
fn an_application_that_is_slow_between_chunks_does_not_cost_the_client_its_session() {
    let (mut server, ask) = verifying();
    server.answer(at(10), ask, Verdict::Accept(Verified::CannotTell)).unwrap();
    assert_eq!(steps(&mut server, at(10)), None);
    server.handle_input(at(250), b"NOOP\r\n");
    assert_eq!(steps(&mut server, at(250)), None);
    // The next chunk is here, and nobody looks.
    server.handle_input(at(470), b"BDAT 1\r\ny");
    server.handle_timeout(at(485));
    assert_eq!(steps(&mut server, at(485)).as_deref(), Some(&b"y"[..]));
    assert_eq!(steps(&mut server, at(485)), None);
    assert!(!server.is_closed());
    server.handle_timeout(at(485 + 300));
    assert_eq!(steps(&mut server, at(485 + 300)), None);
    assert!(server.is_closed());
}

#[test]
fn an_application_that_is_slow_to_look_at_commands_does_not_cost_the_client_its_session() {
    let mut server = common::server(Config::new("mx.t").unwrap());
    for line in ["", "EHLO c\r\n"] {
        server.handle_input(at(0), line.as_bytes());
        assert_eq!(steps(&mut server, at(0)), None);
    }
    server.handle_input(at(0), b"NOOP\r\nNO");
    for minute in 1..60 {
        server.handle_timeout(at(60 * minute));
    }
    assert_eq!(steps(&mut server, at(3600)), None);
    assert!(!server.is_closed());
    // From here on it is the client that is slow; half a command is none.
    server.handle_timeout(at(3600 + 299));
    assert_eq!(steps(&mut server, at(3600 + 299)), None);
    assert!(!server.is_closed());
    server.handle_timeout(at(3600 + 300));
    assert_eq!(steps(&mut server, at(3600 + 300)), None);
    assert!(server.is_closed());
}

/// A deadline of no time at all is met by nobody, and is no endless loop either.
#[test]
fn no_time_at_all() {
    let mut config = Config::new("mx.t").unwrap();
    config.timeouts.command = Duration::ZERO;
    config.timeouts.body_block = Duration::ZERO;
    let mut server = common::server(config);
    assert_eq!(steps(&mut server, at(0)), None);
    server.handle_input(at(0), b"EHLO c\r\n");
    server.handle_timeout(at(0));
    assert!(!server.is_closed());
}

#[test]
fn an_application_that_is_slow_to_look_at_replies_is_not_the_servers_fault() {
    let mut config = ClientConfig::new("c.t").unwrap();
    config.tls = ClientTls::None;
    let mut client = Client::new(at(0), Arc::new(config));
    let events = |client: &mut Client, now| core::iter::from_fn(|| client.poll_event(now)).count();
    client.handle_input(at(0), b"220 x\r\n");
    for minute in 1..60 {
        client.handle_timeout(at(60 * minute));
    }
    assert_eq!(events(&mut client, at(3600)), 0);
    // EHLO is out; half a reply is none.
    client.handle_input(at(3600), b"250 x");
    client.handle_timeout(at(3600 + 299));
    assert_eq!(events(&mut client, at(3600 + 299)), 0);
    client.handle_timeout(at(3600 + 300));
    assert_eq!(events(&mut client, at(3600 + 300)), 2, "failed and closed");
}

#[test]
fn an_octet_now_and_then_is_too_slow_for_a_message() {
    let mut server = in_a_message();
    let mut seconds = 0;
    while !server.is_closed() {
        seconds += 60;
        server.handle_timeout(at(seconds));
        server.handle_input(at(seconds), b"x");
        while steps(&mut server, at(seconds)).is_some() {}
    }
    assert_eq!(seconds, 180, "the mean speed is looked at once the first wait is over");
}

/// Whoever waits for a reply hears one while it still listens: RFC 5321 sections 4.5.3.2.2 to 4.5.3.2.6.
#[test]
fn every_verdict_comes_in_time_or_the_session_ends() {
    for (lines, seconds) in [(1, 270), (2, 270), (3, 270), (4, 110)] {
        let mut server = common::server(Config::new("mx.t").unwrap());
        let script = ["EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n"];
        assert_eq!(steps(&mut server, at(0)), None);
        for line in &script[..lines - 1] {
            server.handle_input(at(0), line.as_bytes());
            assert_eq!(steps(&mut server, at(0)), None);
        }
        server.handle_input(at(0), script[lines - 1].as_bytes());
        let _ask = server.poll_event(at(0)).unwrap();
        server.handle_timeout(at(seconds - 1));
        assert!(server.poll_event(at(seconds - 1)).is_none(), "{lines}");
        server.handle_timeout(at(seconds));
        while server.poll_event(at(seconds)).is_some() {}
        assert!(server.is_closed(), "{lines}");
    }
}

/// RFC 2033 section 5, and RFC 6710 section 4.1.
#[test]
fn lmtp_has_pipelining_and_the_trace_has_the_priority() {
    let mut config = Config::new("mx.t").unwrap();
    config.protocol = Protocol::Lmtp;
    config.offer.pipelining = false;
    config.offer.mt_priority = Some(PriorityPolicy::UNDISCLOSED);
    let mut server = common::server(config);
    for line in ["", "LHLO c\r\n", "MAIL FROM:<a@b> MT-PRIORITY=-3\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n"] {
        server.handle_input(at(0), line.as_bytes());
        assert_eq!(steps(&mut server, at(0)), None);
    }
    let mut out = OutBuf::new();
    while server.poll_transmit(&mut out) {}
    assert!(String::from_utf8_lossy(out.as_slice()).contains("250-PIPELINING\r\n"));
    let trace = server.trace_header(&QueueId::new("Q1").unwrap(), at(0)).unwrap().to_string();
    assert!(trace.contains("\tPRIORITY -3\r\n"), "{trace}");
}

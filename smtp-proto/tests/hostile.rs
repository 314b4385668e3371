//! Where a session could be kept open, made to swell, or made to end for nothing: each case was a fault once.

#![allow(clippy::unwrap_used)]

mod common;

use common::App;
use proto_core::dot::EncodePolicy;
use proto_core::sasl::ClientCredentials;
use proto_core::{CloseReason, Machine, Now, OutBuf, Step};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientFailure, ClientTls};
use smtp_proto::server::{Config, Event, QueueId, Server, Verdict, Verified, VerifyMode};
use std::sync::Arc;
use std::time::Duration;
use testkit::{Driver, START};

fn at(seconds: u64) -> Now {
    Now { instant: START.instant + Duration::from_secs(seconds), ..START }
}

fn session(configure: impl FnOnce(&mut Config)) -> Driver<Server, App> {
    let mut config = Config::new("mx.t").unwrap();
    configure(&mut config);
    let mut session = Driver::new(common::server(config), App::plain());
    say(&mut session, "EHLO c\r\n");
    session
}

fn say(session: &mut Driver<Server, App>, lines: &str) -> String {
    session.receive(lines.as_bytes());
    String::from_utf8(session.take_sent()).unwrap()
}

/// RFC 5321 section 4.5.3.1.10: who is refused for want of room is sent in another transaction, so this one goes on.
#[test]
fn recipients_over_the_limit_do_not_cost_the_session() {
    let mut session = session(|config| config.limits.recipients_max = 100);
    let group = format!("MAIL FROM:<a@x>\r\n{}DATA\r\n", "RCPT TO:<ok@t>\r\n".repeat(200));
    let replies = say(&mut session, &group);
    assert_eq!(replies.matches("250 2.1.5 ").count(), 100);
    assert_eq!(replies.matches("452 4.5.3 ").count(), 100);
    assert!(replies.ends_with("\r\n354 End data with <CR><LF>.<CR><LF>\r\n"), "{replies}");
    assert!(say(&mut session, "x\r\n.\r\n").starts_with("250 "));
}

#[test]
fn recipients_far_over_the_limit_do() {
    let mut session = session(|config| config.limits.recipients_max = 2);
    let replies = say(&mut session, &format!("MAIL FROM:<a@x>\r\n{}", "RCPT TO:<ok@t>\r\n".repeat(12)));
    assert_eq!(replies.matches("452 4.5.3 ").count(), 10, "{replies}");
    for _ in 0..12 {
        session.receive(b"RCPT TO:<ok@t>\r\n");
        session.advance(Duration::from_secs(20));
    }
    assert_eq!(session.closed().unwrap().to_string(), "protocol: too many errors");
}

/// A client that sends a message and reads nothing is no slow application.
#[test]
fn a_client_that_does_not_read_is_not_waited_for_in_a_message() {
    let mut config = Config::new("mx.t").unwrap();
    config.limits.output_bytes_max = 60;
    let mut server = common::server(config);
    let mut out = OutBuf::new();
    for input in ["", "EHLO c\r\n"] {
        server.handle_input(at(0), input.as_bytes());
        yes_to_all(&mut server, at(0));
        server.poll_transmit(&mut out);
    }
    // From here on no output is taken.
    server.handle_input(at(0), b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    yes_to_all(&mut server, at(0));
    for minute in 0..60 {
        server.handle_input(at(60 * minute), b"a line\r\n");
        server.handle_timeout(at(60 * minute));
        yes_to_all(&mut server, at(60 * minute));
    }
    assert!(server.is_closed());
}

fn yes_to_all(server: &mut Server, now: Now) {
    while let Some(step) = server.poll_event(now) {
        let yes = Verdict::Accept(());
        match step {
            Step::App(Event::Connect(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Hello(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Mail(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Rcpt(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Data(ask)) => server.answer(now, ask, yes).unwrap(),
            _ => {}
        }
    }
}

/// A client that has sent its envelope and may write the message.
/// A message that has begun in chunks is waited for at shutdown, also while another question is out.
#[test]
fn a_question_between_chunks_does_not_end_the_message_at_shutdown() {
    let mut config = Config::new("mx.t").unwrap();
    config.verify = VerifyMode::Ask;
    let mut server = common::server(config);
    yes_to_all(&mut server, START);
    for lines in ["EHLO c\r\n", "MAIL FROM:<a@x>\r\nRCPT TO:<ok@t>\r\nBDAT 1\r\na"] {
        server.handle_input(START, lines.as_bytes());
        yes_to_all(&mut server, START);
    }
    server.handle_input(START, b"VRFY ok\r\n");
    let asked = loop {
        match server.poll_event(START).unwrap() {
            Step::App(Event::Verify(ask)) => break ask,
            step => assert!(matches!(step, Step::App(Event::Body(_))), "{step:?}"),
        }
    };
    server.handle_shutdown(START);
    assert!(server.poll_event(START).is_none());
    server.answer(START, asked, Verdict::Accept(Verified::CannotTell)).unwrap();
    assert!(server.poll_event(START).is_none());
    server.handle_input(START, b"BDAT 1 LAST\r\nb");
    let Some(Step::App(Event::Body(last))) = server.poll_event(START) else { panic!("no chunk") };
    assert_eq!(&last[..], b"b");
    let Some(Step::App(Event::EndOfData(asked))) = server.poll_event(START) else { panic!("no end") };
    assert_eq!(asked.detail.octets, 2);
    server.answer(START, asked, Verdict::Accept(QueueId::new("Q").unwrap()).into()).unwrap();
    assert!(matches!(server.poll_event(START), Some(Step::Closed(CloseReason::Shutdown))));
}

fn client_in_a_message(configure: impl FnOnce(&mut ClientConfig)) -> Client {
    let mut config = ClientConfig::new("c.t").unwrap();
    config.tls = ClientTls::None;
    configure(&mut config);
    let mut client = Client::new(at(0), Arc::new(config));
    for input in ["220 x\r\n", "250-x\r\n250 PIPELINING\r\n", "250 a\r\n250 b\r\n354 go\r\n"] {
        client.handle_input(at(0), input.as_bytes());
        while let Some(step) = client.poll_event(at(0)) {
            if let Step::App(ClientEvent::Ready) = step {
                client.send(at(0), common::sender::envelope("a@x", &["ok@t"])).unwrap();
            }
        }
        while client.poll_transmit(&mut OutBuf::new()) {}
    }
    client
}

/// RFC 5321 section 4.5.3.2.5: trying to write is no progress.
#[test]
fn a_server_that_takes_nothing_is_not_waited_for_for_ever() {
    let mut client = client_in_a_message(|_| {});
    while client.body_room() > 0 {
        client.write_body(at(0), &[b'x'; 4096]).unwrap();
    }
    for second in 0..600 {
        client.handle_timeout(at(second));
        while client.poll_event(at(second)).is_some() {}
        let _ = client.write_body(at(second), b"x");
    }
    assert!(client.is_closed());
}

#[test]
fn a_body_that_grows_on_its_way_stays_under_the_mark() {
    let mut client = client_in_a_message(|config| {
        config.bare_line_ends = EncodePolicy::Repair;
        config.limits.output_bytes_max = 1000;
    });
    while client.body_room() > 0 {
        client.write_body(at(0), &[b'\n'; 4096]).unwrap();
    }
    let mut out = OutBuf::new();
    client.poll_transmit(&mut out);
    assert!((900..=1000).contains(&out.len()), "{} octets", out.len());
}

/// RFC 4954 section 4: the reply to `*` is 501.
#[test]
fn a_server_cannot_go_on_asking_after_a_cancel() {
    for answer in ["334 AAAA\r\n", "235 2.7.0 welcome\r\n"] {
        let mut config = ClientConfig::new("c.t").unwrap();
        config.tls = ClientTls::None;
        config.allow_plaintext_auth = true;
        config.credentials = Some(ClientCredentials::password("u", "p"));
        let client = Client::new(START, Arc::new(config));
        let mut driver = Driver::new(client, common::sender::Sender::default());
        driver.receive(b"220 x\r\n");
        driver.receive(b"250-x\r\n250 AUTH LOGIN\r\n");
        for _ in 0..3 {
            driver.receive(b"334 AAAA\r\n");
        }
        assert!(driver.take_sent().ends_with(b"\r\n*\r\n"));
        driver.receive(answer.as_bytes());
        assert!(matches!(driver.fixture.failures[..], [ClientFailure::Unexpected(_)]), "{answer}");
        assert!(driver.closed().is_some());
    }
}

#[test]
fn an_origin_is_a_domain() {
    let mut config = Config::new("mx.t").unwrap();
    for bad in ["", "x> SIZE=1", "a b", "x\r\nRSET", "-x", "@"] {
        assert!(config.set_origin(bad).is_err(), "{bad:?}");
        assert_eq!(config.origin(), "mx.t");
    }
    config.set_origin("origin.test").unwrap();
    assert_eq!(config.origin(), "origin.test");
}

/// The grammar is public, and total whatever its origin is.
#[test]
fn the_grammar_does_not_panic_on_a_strange_origin() {
    use smtp_proto::command::{Grammar, PathFault, mail};
    for origin in ["", "x> SIZE=1111111111111111111111", "a b c d e f g h i j"] {
        let grammar = Grammar { lenient: true, origin, extensions: Default::default() };
        for arguments in ["FROM:<root>", "FROM:root", "FROM:<root> X=1"] {
            let read = mail(arguments.as_bytes(), &grammar);
            assert!(matches!(read, Err(PathFault::Form | PathFault::Address(_))), "{read:?}");
        }
    }
}

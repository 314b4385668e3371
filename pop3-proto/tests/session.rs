//! What needs more than one session, or a look at the machine itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

mod common;

use common::{App, published_drop, session};
use pop3_proto::server::{Config, Event, Server, TlsMode};
use proto_core::{CallerFault, CloseReason, Instant, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use testkit::Driver;

fn config() -> Config {
    let mut config = Config::default();
    config.allow_plaintext_auth = true;
    config
}

fn say(driver: &mut Driver<Server, App>, lines: &str) -> String {
    driver.receive(lines.as_bytes());
    String::from_utf8(driver.take_sent()).unwrap()
}

fn logged_in(drop: &common::Drop) -> Driver<Server, App> {
    let mut driver = session(config(), App::new("u", "p", drop.clone()));
    let said = say(&mut driver, "USER u\r\nPASS p\r\n");
    assert!(said.contains("messages"), "{said}");
    driver
}

fn now() -> Now {
    Now::new(Instant::ORIGIN, UnixTime(0))
}

/// P21, P22, R172: only QUIT removes.
#[test]
fn nothing_is_deleted_without_quit() {
    let drop = published_drop("b");
    let endings: [fn(&mut Driver<Server, App>); 4] = [
        |driver| driver.eof(),
        |driver| driver.advance(Duration::from_secs(601)),
        |driver| driver.shutdown(),
        |driver| {
            for _ in 0..20 {
                say(driver, "BOGUS\r\n");
            }
        },
    ];
    for ending in endings {
        let mut driver = logged_in(&drop);
        assert!(say(&mut driver, "DELE 1\r\n").starts_with("+OK"));
        ending(&mut driver);
        assert!(driver.machine.is_closed());
        assert_ne!(driver.closed(), Some(&CloseReason::Quit));
    }
    assert!(say(&mut logged_in(&drop), "STAT\r\n").starts_with("+OK 4 "));
}

/// P23, P25: what QUIT removes is gone, the others keep their unique ids, and numbers begin again at 1.
#[test]
fn quit_removes_and_the_others_stay_who_they_are() {
    let drop = published_drop("b");
    let mut first = logged_in(&drop);
    say(&mut first, "DELE 1\r\nDELE 3\r\nQUIT\r\n");
    assert_eq!(first.closed(), Some(&CloseReason::Quit));
    let listing = say(&mut logged_in(&drop), "UIDL\r\n");
    assert!(listing.ends_with("\r\n1 id2\r\n2 id4\r\n.\r\n"), "{listing}");
}

/// P29: a message that comes meanwhile is seen at the next login.
#[test]
fn a_session_sees_the_maildrop_it_opened() {
    let drop = published_drop("b");
    let mut before = logged_in(&drop);
    drop.borrow_mut().push(("id5".into(), b"A: new\r\n".to_vec()));
    assert!(say(&mut before, "STAT\r\n").starts_with("+OK 4 "));
    assert!(say(&mut before, "RETR 5\r\n").starts_with("-ERR"));
    assert!(say(&mut logged_in(&drop), "STAT\r\n").starts_with("+OK 5 "));
}

/// Fault 5: octets after STLS in the same read are discarded, and none is taken before the handshake is done.
#[test]
fn octets_after_stls_in_the_same_read_are_discarded() {
    let mut config = config();
    config.tls = TlsMode::Offered;
    let mut server = Server::new(now(), Arc::new(config));
    let mut out = OutBuf::new();
    assert!(server.poll_event(now()).is_none());
    let injected = b"STLS\r\nUSER u\r\nPASS p\r\n";
    assert_eq!(server.handle_input(now(), injected), injected.len());
    assert!(matches!(server.poll_event(now()), Some(Step::StartTls)));
    assert!(server.poll_event(now()).is_none());
    assert!(!server.wants_input());
    assert_eq!(server.handle_input(now(), b"USER u\r\n"), 0);
    while server.poll_transmit(&mut out) {}
    out.consume(out.len());

    server.handle_tls(now(), TlsInfo::default());
    assert!(server.poll_event(now()).is_none());
    assert!(server.wants_input());
    assert!(!server.poll_transmit(&mut out), "{:?}", out.as_slice());
    server.handle_input(now(), b"PASS p\r\n");
    assert!(server.poll_event(now()).is_none());
    server.poll_transmit(&mut out);
    assert_eq!(out.as_slice(), b"-ERR USER first\r\n");
}

/// What the application does wrong is told to the application and changes nothing.
#[test]
fn misuse_is_an_error_and_no_more() {
    let mut server = Server::new(now(), Arc::new(config()));
    assert!(matches!(server.write_body(now(), b"x"), Err(CallerFault::Misuse(_))));
    assert!(matches!(server.finish_body(now()), Err(CallerFault::Misuse(_))));
    assert!(matches!(server.abort_body("x"), Err(CallerFault::Misuse(_))));
    assert_eq!(server.body_room(), 0);
    assert!(server.poll_event(now()).is_none());

    server.handle_input(now(), b"USER u\r\nPASS p\r\n");
    let Some(Step::App(Event::Authenticate(ask))) = server.poll_event(now()) else { panic!() };
    let mut other = Server::new(now(), Arc::new(config()));
    assert!(other.answer(now(), ask, proto_core::sasl::AuthVerdict::Accept).is_err());
    assert!(!other.is_logged_in());
}

/// Input that nobody reads costs no more than its buffer, and a maildrop's answer can be long.
#[test]
fn output_over_its_mark_stops_everything_else() {
    let drop = published_drop("b");
    for n in 0..20_000 {
        drop.borrow_mut().push((format!("more{n}"), b"x: y\r\n".to_vec()));
    }
    let mut driver = logged_in(&drop);
    driver.machine.handle_input(driver.now(), b"LIST\r\nNOOP\r\nNOOP\r\n");
    let mark = 32 * 1024;
    let mut out = OutBuf::new();
    let mut lines = 0;
    loop {
        assert!(driver.machine.poll_event(driver.now()).is_none());
        assert!(driver.machine.poll_transmit(&mut out) || lines > 0);
        assert!(out.len() <= mark + 512, "{} octets at once", out.len());
        lines += out.as_slice().iter().filter(|octet| **octet == b'\n').count();
        if out.as_slice().ends_with(b"+OK Nothing done\r\n") {
            break;
        }
        assert!(!driver.machine.wants_input());
        out.consume(out.len());
    }
    // A first line, one a message, the dot, and two NOOPs.
    assert_eq!(lines, 1 + 20_004 + 1 + 2);
}

/// A message is asked for no faster than the client takes it, and commands likewise.
#[test]
fn a_client_that_reads_nothing_is_given_no_more_than_the_mark() {
    let drop = published_drop("b");
    let mut config = config();
    config.limits.output_bytes_max = 1000;
    let mut server = Server::new(now(), Arc::new(config));
    let mut app = App::new("u", "p", drop);
    let mut out = OutBuf::new();
    assert!(server.poll_event(now()).is_none());
    server.handle_input(now(), b"USER u\r\nPASS p\r\nRETR 1\r\n");
    for _ in 0..2 {
        let Some(Step::App(event)) = server.poll_event(now()) else { panic!() };
        testkit::Fixture::on_event(&mut app, &mut server, now(), event);
    }
    let Some(Step::App(Event::Retrieve(ask))) = server.poll_event(now()) else { panic!() };
    server.answer(now(), ask, Ok(())).unwrap();
    let line_ends = [b'\n'; 4096];
    while server.body_room() > 0 {
        assert!(server.write_body(now(), &line_ends).unwrap() > 0);
    }
    assert!(!server.wants_input());
    assert_eq!(server.write_body(now(), b"x"), Ok(0));
    server.poll_transmit(&mut out);
    assert!((900..=1000).contains(&out.len()), "{} octets", out.len());
    assert!(server.finish_body(now()).is_ok());

    server.handle_input(now(), &b"NOOP\r\n".repeat(300));
    assert!(server.poll_event(now()).is_none());
    assert!(!server.wants_input());
    out.consume(out.len());
    server.poll_transmit(&mut out);
    assert!((1000..1100).contains(&out.len()), "{} octets", out.len());
    assert!(server.poll_event(now()).is_none());
}

/// What it does not have room for it does not want, whether it has been polled since or not.
#[test]
fn a_full_buffer_wants_no_input() {
    let mut server = Server::new(now(), Arc::new(config()));
    assert!(server.poll_event(now()).is_none());
    while server.wants_input() {
        assert!(server.handle_input(now(), &[b'x'; 1000]) > 0);
    }
    assert!(server.poll_event(now()).is_none());
    assert!(server.wants_input(), "an over-long line takes no room");
}

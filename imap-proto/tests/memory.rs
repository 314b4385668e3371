//! What a session costs in memory, counted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use imap_proto::server::{Config, Event, MessageData, Selected, Server};
use imap_proto::view::{Change, Moment, View};
use mail_message::{Uid, UidSet, UidValidity};
use proto_core::sasl::AuthVerdict;
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use std::sync::Arc;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

/// The bound of a session under the default limits, its view apart: a line and its literals as they are read and as
/// they are parsed, input and output buffers, each once more while it grows.
const SESSION_BYTES_MAX: usize = 640 * 1024;

/// A message of this many octets is fetched.
const BODY_BYTES: u64 = 8 << 20;

/// Says yes to everything and keeps nothing; writes what there is room for.
fn serve(server: &mut Server, out: &mut OutBuf, input: &[u8]) {
    let mut rest = input;
    loop {
        while let Some(step) = server.poll_event(NOW) {
            let Step::App(event) = step else { continue };
            answer(server, out, event);
        }
        send(server, out);
        if rest.is_empty() || !server.wants_input() {
            return;
        }
        rest = &rest[server.handle_input(NOW, rest)..];
    }
}

fn send(server: &mut Server, out: &mut OutBuf) {
    while server.poll_transmit(out) {}
    out.consume(out.len());
}

fn answer(server: &mut Server, out: &mut OutBuf, event: Event) {
    match event {
        Event::Authenticate(ask) => server.answer(NOW, ask, AuthVerdict::Accept).unwrap(),
        Event::Select(ask) => {
            let holes = ask.detail.mailbox.as_str() == "holes";
            let uids = if holes { every_other(100_000) } else { everything(100_000) };
            let mut mailbox = Selected::new(UidValidity::MIN, Uid::MAX, uids);
            if holes {
                mailbox.recent = mailbox.uids.clone();
            }
            mailbox.new_keywords = true;
            server.answer(NOW, ask, Ok(mailbox)).unwrap();
        }
        Event::Fetch(ask) => {
            for (_, uid) in ask.detail.messages.iter() {
                server.fetch(NOW, &ask, uid, MessageData::default()).unwrap();
                for _ in ask.detail.sections() {
                    server.section(NOW, &ask, Some(BODY_BYTES)).unwrap();
                    let chunk = [b'x'; 64 * 1024];
                    let mut left = BODY_BYTES;
                    while left > 0 {
                        left -= server.write_body(NOW, &chunk) as u64;
                        send(server, out);
                    }
                }
                if server.room() == 0 {
                    send(server, out);
                }
            }
            server.answer(NOW, ask, Ok(())).unwrap();
        }
        Event::Search(ask) => server.answer(NOW, ask, Ok(everything(100_000))).unwrap(),
        Event::Create(ask) => server.answer(NOW, ask, Ok(())).unwrap(),
        Event::Expunge(ask) => server.answer(NOW, ask, Ok(everything(100_000))).unwrap(),
        Event::AppendBegin(ask) => server.answer(NOW, ask, Ok(())).unwrap(),
        Event::AppendEnd(ask) => server.answer(NOW, ask, Ok(None)).unwrap(),
        Event::AppendChunk(_) => {}
        other => panic!("not asked for here: {other:?}"),
    }
}

fn everything(messages: u32) -> UidSet {
    [Uid::MIN..=Uid::new(messages).unwrap()].into_iter().collect()
}

fn every_other(messages: u32) -> UidSet {
    (1..=messages).map(|n| Uid::new(2 * n).unwrap()).collect()
}

fn session(login: &[u8]) -> Server {
    let mut config = Config::new();
    config.allow_plaintext_auth = true;
    let mut server = Server::new(Arc::new(config));
    serve(&mut server, &mut OutBuf::new(), login);
    server
}

/// What `input` costs a session, `repeated` so often.
fn cost(login: &[u8], begin: &[u8], repeated: &[u8], times: usize, end: &[u8]) -> testkit::alloc::Usage {
    let mut server = session(login);
    let ((), usage) = measure(|| {
        let mut out = OutBuf::new();
        serve(&mut server, &mut out, begin);
        for _ in 0..times {
            serve(&mut server, &mut out, repeated);
        }
        serve(&mut server, &mut out, end);
    });
    assert_eq!(server.is_closed(), login.is_empty(), "only before login so much is too much");
    usage
}

const LOGIN: &[u8] = b"a LOGIN u p\r\nb SELECT INBOX\r\n";
const LOGIN_HOLES: &[u8] = b"a LOGIN u p\r\nb SELECT holes\r\n";

#[test]
fn a_session_is_bounded_whatever_comes() {
    let chunk = [b'x'; 32 * 1024];
    for (name, login, begin, repeated, end) in [
        ("a line without end, before login", &b""[..], &b"a "[..], &chunk[..], &b"\r\n"[..]),
        ("a line without end", LOGIN, b"a ", &chunk, b"\r\n"),
        ("quotes without end", LOGIN, b"a CREATE \"", &chunk, b"\"\r\n"),
        ("a message", LOGIN, b"a APPEND x {8388608+}\r\n", &chunk, b"\r\n"),
        ("literals without end", LOGIN, b"a SEARCH", b" TEXT {1000+}\r\n", b"\r\n"),
        ("a set without end", LOGIN, b"a FETCH 1", &b",1:*".repeat(8192), b" UID\r\n"),
        ("parentheses without end", LOGIN, b"a SEARCH ", &[b'('; 32 * 1024], b"\r\n"),
    ] {
        let usage = cost(login, begin, repeated, 256, end);
        assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{name}: {usage:?}");
        assert!(usage.held_bytes < 4 * 1024, "{name}: an idle session gives its buffers back: {usage:?}");
    }
}

#[test]
fn as_much_as_a_command_may_hold_is_bounded() {
    let literal = [&b" TEXT {65536+}\r\n"[..], &[b'x'; 65536]].concat();
    let begin = [b"a SEARCH", &literal[..], &literal[..]].concat();
    let usage = cost(LOGIN, &begin, b"", 0, b"\r\n");
    assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{usage:?}");
}

/// A few octets of a command must not stand for as many ranges as the mailbox has holes, each time they are written.
#[test]
fn a_search_costs_what_was_written_whatever_the_holes() {
    for (keys, is_asked) in [(" 2:* UID 2:*", true), (" NOT 3:99999", true), (" OLD RECENT NEW", false)] {
        let mut server = session(LOGIN_HOLES);
        let command = format!("a SEARCH{}\r\n", keys.repeat(340));
        let ((), usage) = measure(|| {
            assert_eq!(server.handle_input(NOW, command.as_bytes()), command.len());
            let event = server.poll_event(NOW);
            assert_eq!(matches!(event, Some(Step::App(Event::Search(_)))), is_asked, "{keys}");
        });
        let max = if is_asked { SESSION_BYTES_MAX } else { 32 << 20 };
        assert!(usage.peak_bytes < max, "{keys}: {usage:?}");
        let mut out = OutBuf::new();
        server.poll_transmit(&mut out);
        assert_eq!(out.as_slice().starts_with(b"a NO [LIMIT]"), !is_asked, "{keys}");
    }
}

#[test]
fn a_body_streams_out() {
    let usage = cost(LOGIN, b"a FETCH 7 BODY.PEEK[]\r\n", b"", 0, b"");
    assert!(usage.peak_bytes < 2 * 64 * 1024, "{usage:?}");
    assert!(usage.held_bytes < 1024, "{usage:?}");
}

#[test]
fn long_answers_are_not_held_whole() {
    for command in [&b"a SEARCH ALL\r\n"[..], b"a FETCH 1:* UID\r\n", b"a EXPUNGE\r\n"] {
        let usage = cost(LOGIN, command, b"", 0, b"");
        assert!(usage.peak_bytes < 2 * 64 * 1024, "{}: {usage:?}", String::from_utf8_lossy(command));
    }
}

#[test]
fn a_client_that_never_reads_is_not_served_for_ever() {
    let mut server = session(LOGIN);
    let ((), usage) = measure(|| {
        let commands = b"a CAPABILITY\r\n".repeat(10_000);
        let mut rest = &commands[..];
        while !rest.is_empty() && server.wants_input() {
            rest = &rest[server.handle_input(NOW, rest)..];
            while server.poll_event(NOW).is_some() {}
        }
        assert!(!rest.is_empty() && !server.wants_input());
    });
    assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{usage:?}");
}

#[test]
fn a_view_costs_what_its_holes_cost() {
    let (view, whole) = measure(|| View::new(&everything(100_000), UidSet::new(), 10));
    assert!(whole.held_bytes < 256, "{whole:?}");
    drop(view);
    let even = every_other(100_000);
    let (view, holes) = measure(|| View::new(&even, UidSet::new(), 10));
    assert_eq!(view.exists(), 100_000);
    assert!(holes.held_bytes < 800_256, "eight octets a message: {holes:?}");
}

#[test]
fn changes_that_wait_are_merged() {
    let mut view = View::new(&everything(100_000), UidSet::new(), 10);
    let ((), usage) = measure(|| {
        for n in 1..=90_000 {
            let gone: UidSet = [Uid::new(n).unwrap()].into_iter().collect();
            view.apply(Change::Vanished { uids: gone }).unwrap();
            let new: UidSet = [Uid::new(100_000 + n).unwrap()].into_iter().collect();
            view.apply(Change::New { uids: new, recent: true }).unwrap();
        }
    });
    assert!(usage.held_bytes < 1024, "{usage:?}");
    assert_eq!(view.tell(Moment::Free).count(), 90_000 + 2);
}

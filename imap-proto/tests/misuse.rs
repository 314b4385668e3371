//! What the application may not do, and what becomes of a session whose application gives up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use imap_proto::server::{Config, Event, Fetch, MailboxLost, MessageData, Selected, Server};
use imap_proto::view::Change;
use mail_message::{Flag, FlagSet, Uid, UidSet, UidValidity};
use proto_core::sasl::AuthVerdict;
use proto_core::{Ask, CallerFault, CloseReason, Instant, Machine, Now, OutBuf, Step, UnixTime};
use std::sync::Arc;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

fn uid(raw: u32) -> Uid {
    Uid::new(raw).unwrap()
}

fn uids(raw: &[u32]) -> UidSet {
    raw.iter().copied().map(uid).collect()
}

/// A session with the messages 2, 4 and 9 selected, that was sent one more line.
fn session(line: &str) -> Server {
    let mut config = Config::new();
    config.allow_plaintext_auth = true;
    config.limits.flag_changes_max = 2;
    let mut server = Server::new(Arc::new(config));
    assert!(server.poll_event(NOW).is_none());
    let input = format!("1 LOGIN u p\r\n2 SELECT INBOX\r\n{line}\r\n");
    assert_eq!(server.handle_input(NOW, input.as_bytes()), input.len());
    let Some(Step::App(Event::Authenticate(ask))) = server.poll_event(NOW) else { panic!("no login") };
    server.answer(NOW, ask, AuthVerdict::Accept).unwrap();
    let Some(Step::App(Event::Select(ask))) = server.poll_event(NOW) else { panic!("no SELECT") };
    let mut mailbox = Selected::new(UidValidity::MIN, uid(10), uids(&[2, 4, 9]));
    mailbox.new_keywords = true;
    server.answer(NOW, ask, Ok(mailbox)).unwrap();
    sent(&mut server);
    server
}

fn fetching(line: &str) -> (Server, Ask<Fetch>) {
    let mut server = session(line);
    match server.poll_event(NOW) {
        Some(Step::App(Event::Fetch(ask))) => (server, ask),
        other => panic!("no FETCH: {other:?}"),
    }
}

fn sent(server: &mut Server) -> String {
    let mut out = OutBuf::new();
    while server.poll_transmit(&mut out) {}
    String::from_utf8(out.as_slice().to_vec()).unwrap()
}

fn is_misuse<T>(result: Result<T, CallerFault>) -> bool {
    matches!(result, Err(CallerFault::Misuse(_)))
}

fn closed(server: &mut Server) -> CloseReason {
    loop {
        match server.poll_event(NOW) {
            Some(Step::Closed(reason)) => return reason,
            Some(_) => {}
            None => panic!("it has not closed"),
        }
    }
}

#[test]
fn responses_that_do_not_fit_the_question_change_nothing() {
    let (mut server, ask) = fetching("3 FETCH 2:3 (FLAGS UID)");
    let data = || {
        let mut data = MessageData::default();
        data.flags = Some(FlagSet::new());
        data
    };
    assert!(is_misuse(server.fetch(NOW, &ask, uid(2), data())), "not asked for");
    assert!(is_misuse(server.fetch(NOW, &ask, uid(4), MessageData::default())), "no flags");
    assert!(is_misuse(server.section(NOW, &ask, None)), "no section");
    assert_eq!((server.write_body(NOW, b"x"), server.body_room()), (0, 0));
    assert_eq!(sent(&mut server), "");
    server.fetch(NOW, &ask, uid(9), data()).unwrap();
    assert!(is_misuse(server.fetch(NOW, &ask, uid(4), data())), "not ascending");
    assert!(is_misuse(server.gone(NOW, &ask, uid(9))), "told already");
    server.answer(NOW, ask, Ok(())).unwrap();
    assert_eq!(sent(&mut server), "* 3 FETCH (FLAGS () UID 9)\r\n3 OK FETCH completed.\r\n");
}

#[test]
fn sections_come_whole_and_in_order() {
    let (mut server, ask) = fetching("3 FETCH 1 (BODY.PEEK[1] BODY.PEEK[2])");
    server.fetch(NOW, &ask, uid(2), MessageData::default()).unwrap();
    server.section(NOW, &ask, Some(3)).unwrap();
    assert_eq!(server.body_room(), 3);
    assert!(is_misuse(server.section(NOW, &ask, None)), "three octets are missing");
    assert!(
        is_misuse(server.fetch(NOW, &ask, uid(4), MessageData::default())),
        "the message is not complete"
    );
    assert_eq!(server.write_body(NOW, b"abcdef"), 3);
    server.section(NOW, &ask, None).unwrap();
    assert!(is_misuse(server.section(NOW, &ask, None)), "there is no third");
    server.answer(NOW, ask, Ok(())).unwrap();
    assert_eq!(sent(&mut server), "* 1 FETCH (BODY[1] {3}\r\nabc BODY[2] NIL)\r\n3 OK FETCH completed.\r\n");
}

/// An announced literal is fulfilled or cut off with the connection: never by other octets, not even a goodbye.
#[test]
fn nothing_fake_stands_in_a_response() {
    let begun = || {
        let (mut server, ask) = fetching("3 FETCH 1 BODY.PEEK[]");
        server.fetch(NOW, &ask, uid(2), MessageData::default()).unwrap();
        server.section(NOW, &ask, Some(1000)).unwrap();
        assert_eq!(server.write_body(NOW, b"half"), 4);
        (server, ask)
    };
    let half = "* 1 FETCH (BODY[] {1000}\r\nhalf";

    let (mut server, ask) = begun();
    assert!(is_misuse(server.answer(NOW, ask, Ok(()))));
    assert!(matches!(closed(&mut server), CloseReason::Aborted(_)));
    assert_eq!(sent(&mut server), half);

    let (mut server, ask) = begun();
    server.abort("the disk failed");
    assert_eq!(closed(&mut server), CloseReason::Aborted("the disk failed".into()));
    assert_eq!(sent(&mut server), half);
    assert_eq!(server.answer(NOW, ask, Ok(())), Err(CallerFault::StaleAsk));

    let (mut server, _ask) = begun();
    server.handle_eof(NOW);
    assert_eq!(closed(&mut server), CloseReason::PeerClosed);
    assert_eq!(sent(&mut server), half);
    assert_eq!((server.is_closed(), server.wants_input(), server.poll_timeout()), (true, false, None));
}

#[test]
fn a_response_that_has_begun_outlasts_a_shutdown_and_the_command_does_not() {
    let (mut server, ask) = fetching("3 FETCH 1:2 BODY.PEEK[]");
    server.fetch(NOW, &ask, uid(2), MessageData::default()).unwrap();
    server.section(NOW, &ask, Some(8)).unwrap();
    assert_eq!(server.write_body(NOW, b"half"), 4);
    server.handle_shutdown(NOW);
    assert!(server.poll_event(NOW).is_none());
    assert_eq!(server.write_body(NOW, b"half"), 4);
    assert!(matches!(server.poll_event(NOW), Some(Step::App(Event::Cancelled(id))) if id == ask.id()));
    assert_eq!(closed(&mut server), CloseReason::Shutdown);
    let bye = "* BYE [UNAVAILABLE] Server shutting down.\r\n";
    assert_eq!(sent(&mut server), format!("* 1 FETCH (BODY[] {{8}}\r\nhalfhalf)\r\n{bye}"));

    let (mut server, ask) = fetching("3 FETCH 1:2 BODY.PEEK[]");
    server.fetch(NOW, &ask, uid(2), MessageData::default()).unwrap();
    server.handle_shutdown(NOW);
    let verdict = server.poll_timeout().unwrap();
    server.handle_timeout(Now::new(verdict, NOW.utc));
    assert!(
        matches!(closed(&mut server), CloseReason::Timeout(_)),
        "a store that does not answer ends it too"
    );
}

/// An answer that waits for room has a deadline, as everything that a peer can hold up.
#[test]
fn a_client_that_does_not_read_its_answer_is_idle() {
    let mut server = session(&format!("3 NOOP\r\n4 SEARCH {}", "ALL ".repeat(3).trim_end()));
    let Some(Step::App(Event::Check(ask))) = server.poll_event(NOW) else { panic!("no NOOP") };
    let many: UidSet = [uid(10)..=uid(20_000)].into_iter().collect();
    server.notify(NOW, Change::New { uids: many, recent: false }).unwrap();
    server.answer(NOW, ask, Ok(())).unwrap();
    let Some(Step::App(Event::Search(ask))) = server.poll_event(NOW) else { panic!("no SEARCH") };
    server.answer(NOW, ask, Ok([uid(1)..=Uid::MAX].into_iter().collect())).unwrap();
    assert!(server.poll_event(NOW).is_none(), "the output is full");
    let deadline = server.poll_timeout().expect("a deadline");
    server.handle_timeout(Now::new(deadline, NOW.utc));
    assert_eq!(closed(&mut server), CloseReason::Timeout("autologout"));
    let sent = sent(&mut server);
    assert!(sent.starts_with("* 19994 EXISTS\r\n3 OK NOOP completed.\r\n* SEARCH 1 2 3 4 "));
    assert!(!sent.contains("BYE"), "no goodbye in the middle of a line");
}

#[test]
fn an_answer_that_comes_too_late_is_stale() {
    let (mut server, ask) = fetching("3 FETCH 1 UID");
    server.handle_eof(NOW);
    assert!(matches!(server.poll_event(NOW), Some(Step::App(Event::Cancelled(id))) if id == ask.id()));
    assert_eq!(server.fetch(NOW, &ask, uid(2), MessageData::default()), Err(CallerFault::StaleAsk));
    assert_eq!(server.answer(NOW, ask, Ok(())), Err(CallerFault::StaleAsk));
    assert_eq!(closed(&mut server), CloseReason::PeerClosed);
}

#[test]
fn news_must_ascend() {
    let mut server = session("3 NOOP");
    assert!(is_misuse(server.notify(NOW, Change::New { uids: uids(&[3]), recent: false })));
    server.notify(NOW, Change::New { uids: uids(&[10]), recent: false }).unwrap();
    let Some(Step::App(Event::Check(ask))) = server.poll_event(NOW) else { panic!("no NOOP") };
    server.answer(NOW, ask, Ok(())).unwrap();
    assert_eq!(sent(&mut server), "* 4 EXISTS\r\n3 OK NOOP completed.\r\n");
}

#[test]
fn a_client_that_never_asks_loses_its_session_and_not_its_news() {
    let mut server = session("3 FET");
    for raw in [2, 4, 2, 9] {
        let flags = [Flag::Seen].into_iter().collect();
        server.notify(NOW, Change::Flags { uid: uid(raw), flags }).unwrap();
    }
    assert!(matches!(closed(&mut server), CloseReason::Protocol(_)));
    assert_eq!(sent(&mut server), "* BYE [LIMIT] Too many changes wait to be told.\r\n");
    server.notify(NOW, Change::Vanished { uids: uids(&[2]) }).unwrap();
}

#[test]
fn a_mailbox_can_be_taken_back_only_with_the_session() {
    let (mut server, ask) = fetching("3 FETCH 1 UID");
    server.mailbox_lost(MailboxLost::Gone);
    assert!(matches!(server.poll_event(NOW), Some(Step::App(Event::Cancelled(id))) if id == ask.id()));
    assert_eq!(closed(&mut server), CloseReason::Aborted("the selected mailbox was lost".into()));
    assert_eq!(sent(&mut server), "* BYE The selected mailbox has been deleted or renamed.\r\n");

    let mut server = session("3 SELECT other");
    assert!(matches!(server.poll_event(NOW), Some(Step::App(Event::Select(_)))));
    server.mailbox_lost(MailboxLost::Invalidated);
    assert!(server.poll_event(NOW).is_none() && !server.is_closed(), "it was left already");
}

//! RFC 2033 section 5: the verdicts on one message, each told as soon as it is known.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{Ask, CallerFault, Machine, Now, OutBuf, Step};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientProtocol, ClientTls, Envelope, Outcome};
use smtp_proto::reply::Refusal;
use smtp_proto::server::{Config, EndOfData, EndOfDataVerdict, Event, Protocol, QueueId, Server, Verdict};
use std::sync::Arc;
use std::time::Duration;
use testkit::START;

fn at(minutes: u64) -> Now {
    Now { instant: START.instant + Duration::from_secs(60 * minutes), ..START }
}

fn yes(id: &str) -> Verdict<QueueId> {
    Verdict::Accept(QueueId::new(id).unwrap())
}

fn no() -> Verdict<QueueId> {
    Verdict::Refuse(Refusal::PERMANENT)
}

/// The codes of the replies that go out now.
fn said(server: &mut Server) -> Vec<u16> {
    let mut out = OutBuf::new();
    while server.poll_transmit(&mut out) {}
    let text = std::str::from_utf8(out.as_slice()).unwrap();
    text.lines().map(|line| line[..3].parse().unwrap()).collect()
}

/// Steps, with yes to everything, until a message is complete or nothing is left.
fn steps(server: &mut Server, now: Now) -> Option<Ask<EndOfData>> {
    while let Some(step) = server.poll_event(now) {
        let yes = Verdict::Accept(());
        match step {
            Step::App(Event::Connect(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Hello(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Mail(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Rcpt(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::Data(ask)) => server.answer(now, ask, yes).unwrap(),
            Step::App(Event::EndOfData(ask)) => return Some(ask),
            _ => {}
        }
    }
    None
}

/// A session, and the question about a message to three recipients.
fn asked(protocol: Protocol, parameter: &str) -> (Server, Ask<EndOfData>) {
    let mut config = Config::new("mx.t").unwrap();
    config.protocol = protocol;
    config.offer.prdr = true;
    let mut server = common::server(config);
    let hello = if protocol == Protocol::Lmtp { "LHLO c\r\n" } else { "EHLO c\r\n" };
    let mail = format!("MAIL FROM:<a@b>{parameter}\r\n");
    let mut asked = None;
    for octets in ["", hello, &mail, &"RCPT TO:<c@d>\r\n".repeat(3), "DATA\r\n", "x\r\n.\r\nNOOP\r\n"] {
        assert_eq!(server.handle_input(at(0), octets.as_bytes()), octets.len());
        asked = steps(&mut server, at(0));
        said(&mut server);
    }
    (server, asked.unwrap())
}

#[test]
fn each_reply_goes_out_when_those_before_it_have() {
    let (mut server, ask) = asked(Protocol::Lmtp, "");
    server.answer_recipient(at(0), &ask, 1, no()).unwrap();
    assert!(said(&mut server).is_empty(), "the first is not known");
    server.answer_recipient(at(0), &ask, 0, yes("A")).unwrap();
    assert_eq!(said(&mut server), [250, 554]);
    assert!(!server.wants_input(), "the question is out");
    assert!(steps(&mut server, at(0)).is_none());
    let rest = EndOfDataVerdict::Each(vec![no(), yes("B"), yes("C")]);
    server.answer(at(0), ask, rest).unwrap();
    assert!(steps(&mut server, at(0)).is_none());
    assert_eq!(said(&mut server), [250, 250], "the third, as Each has it, and the NOOP");
    assert!(server.wants_input());
}

#[test]
fn what_waits_for_one_before_it_is_said_at_the_end() {
    let (mut server, ask) = asked(Protocol::Lmtp, "");
    server.answer_recipient(at(0), &ask, 2, no()).unwrap();
    server.answer(at(0), ask, yes("A").into()).unwrap();
    assert_eq!(said(&mut server), [250, 250, 554]);
}

#[test]
fn each_verdict_has_its_time_and_what_was_said_stands() {
    let (mut server, ask) = asked(Protocol::Lmtp, "");
    for (minute, recipient) in [(9, 0), (18, 1)] {
        server.handle_timeout(at(minute));
        server.answer_recipient(at(minute), &ask, recipient, yes("A")).unwrap();
        assert_eq!(said(&mut server), [250]);
    }
    server.handle_timeout(at(28));
    let cancelled = |step: &Step<Event>| matches!(step, Step::App(Event::Cancelled(id)) if *id == ask.id());
    let steps = core::iter::from_fn(|| server.poll_event(at(28)));
    assert_eq!(steps.filter(cancelled).count(), 1);
    assert!(server.is_closed());
    assert_eq!(said(&mut server), [421], "in place of the third");
    let late = server.answer_recipient(at(28), &ask, 2, yes("A"));
    assert_eq!(late, Err(CallerFault::StaleAsk));
    assert_eq!(server.answer(at(28), ask, yes("A").into()), Err(CallerFault::StaleAsk));
}

#[test]
fn prdr_says_first_that_they_follow_and_last_what_is_of_the_message() {
    for (verdicts, last) in [([no(), yes("A"), no()], 250), ([no(), no(), no()], 554)] {
        let (mut server, ask) = asked(Protocol::Smtp, " PRDR");
        let [first, second, third] = verdicts;
        let codes = [&first, &second].map(|v| if matches!(v, Verdict::Accept(_)) { 250 } else { 554 });
        server.answer_recipient(at(0), &ask, 0, first).unwrap();
        assert_eq!(said(&mut server), [353, codes[0]]);
        server.answer_recipient(at(0), &ask, 1, second).unwrap();
        assert_eq!(said(&mut server), [codes[1]]);
        server.answer(at(0), ask, third.into()).unwrap();
        assert_eq!(said(&mut server), [554, last]);
    }
}

#[test]
fn the_caller_is_told_what_cannot_be() {
    let misuse = |fault| matches!(fault, Err(CallerFault::Misuse(_)));
    let (mut server, ask) = asked(Protocol::Lmtp, "");
    assert!(misuse(server.answer_recipient(at(0), &ask, 3, yes("A"))), "there are three");
    server.answer_recipient(at(0), &ask, 0, yes("A")).unwrap();
    server.answer_recipient(at(0), &ask, 2, yes("A")).unwrap();
    for recipient in [0, 2] {
        assert!(misuse(server.answer_recipient(at(0), &ask, recipient, no())), "{recipient} has its verdict");
    }
    server.answer(at(0), ask, yes("A").into()).unwrap();
    assert_eq!(said(&mut server), [250, 250, 250]);

    let (mut server, ask) = asked(Protocol::Smtp, "");
    assert!(misuse(server.answer_recipient(at(0), &ask, 0, yes("A"))), "one reply for all");
    server.answer(at(0), ask, yes("A").into()).unwrap();
    assert_eq!(said(&mut server), [250]);
}

/// The client's side: "process the replies as they come in".
#[test]
fn the_client_hears_of_each_verdict_as_it_comes() {
    let mut config = ClientConfig::new("c.t").unwrap();
    config.tls = ClientTls::None;
    config.protocol = ClientProtocol::Lmtp;
    let mut client = Client::new(at(0), Arc::new(config));
    let hear = |client: &mut Client, replies: &str| {
        client.handle_input(at(0), replies.as_bytes());
        let mut told = Vec::new();
        while let Some(Step::App(event)) = client.poll_event(at(0)) {
            told.push(event);
        }
        told
    };
    hear(&mut client, "220 x\r\n");
    hear(&mut client, "250-x\r\n250 PIPELINING\r\n");
    let recipients = ["a@d", "b@d", "c@d"].map(|to| ForwardPath::Mailbox(to.parse().unwrap()));
    client.send(at(0), Envelope::new(ReversePath::Null, recipients)).unwrap();
    hear(&mut client, "250 Ok\r\n250 Ok\r\n550 5.1.1 no\r\n250 Ok\r\n");
    assert_eq!(hear(&mut client, "354 go\r\n"), [ClientEvent::SendBody]);
    client.write_body(at(0), b"x\r\n").unwrap();
    client.finish(at(0)).unwrap();
    let first = hear(&mut client, "250 2.0.0 stored\r\n");
    let [ClientEvent::Verdict { recipient: 0, outcome: Outcome::Sent(_) }] = &first[..] else {
        panic!("{first:?}")
    };
    let second = hear(&mut client, "452 4.2.2 full\r\n");
    let [ClientEvent::Verdict { recipient: 2, outcome }, ClientEvent::Done(report), ClientEvent::Ready] =
        &second[..]
    else {
        panic!("{second:?}")
    };
    assert_eq!(*outcome, report.outcomes[2]);
    assert!(matches!(report.outcomes[..], [Outcome::Sent(_), Outcome::Permanent(_), Outcome::Temporary(_)]));
}

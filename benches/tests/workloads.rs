//! Every workload runs once and does what its bench says: a bench that rots shows here, not when somebody measures.

use postroom_benches::imap::{self, Stored};
use postroom_benches::mail::{Kind, message};
use postroom_benches::{dot, mime, policy, pop3, smtp};
use proto_core::OutBuf;

const OCTETS: usize = 20_000;

#[test]
fn texts_come_out_as_they_went_in() {
    let corpus = mime::lines_of_corpus(200_000);
    assert!(corpus.len() >= 200_000);
    let made = Kind::ALL.map(|(name, kind)| (name, message(kind, OCTETS)));
    for (name, text) in &made {
        assert!((OCTETS..OCTETS + 80).contains(&text.len()), "{name}");
    }
    for (name, text) in made.into_iter().chain([("corpus", corpus)]) {
        assert!(text.ends_with(b"\r\n"), "{name}");
        let wire = dot::to_wire(&text);
        assert_eq!(dot::encode(&text), wire.len() as u64, "{name}");
        assert_eq!(dot::buffer(&wire), wire.len() as u64, "{name}");
        for measure_lines in [false, true] {
            assert_eq!(dot::decode(&wire, measure_lines), text.len() as u64, "{name}");
        }
    }
}

#[test]
fn smtp_sessions_bring_their_mail() {
    let grammar = smtp::grammar();
    smtp::COMMANDS.iter().for_each(|line| smtp::parse(line.as_bytes(), &grammar));
    let text = message(Kind::Text, OCTETS);
    let outcome = smtp::session(&smtp::config(), &smtp::segments(10, &text));
    assert_eq!((outcome.messages, outcome.body_octets), (10, 10 * text.len() as u64));
    // The greeting, EHLO, ten times a group up to DATA, and the last message with QUIT.
    assert_eq!(outcome.writes, 1 + 1 + 10 + 1);
}

#[test]
fn imap_commands_and_responses_and_a_session() {
    for line in imap::FETCHES {
        let command = imap::parse(format!("{line}\r\n").as_bytes());
        assert!(line.starts_with(&command.tag.to_string()), "{line}");
    }
    let text = message(Kind::Text, OCTETS);
    let stored = Stored::new(text.clone());
    let mut out = OutBuf::new();
    assert!(imap::encode(&imap::response(&stored, true), &mut out) < 100);
    assert!(imap::encode(&imap::response(&stored, false), &mut out) > 300);
    let outcome = imap::session(&imap::config(), &stored);
    assert_eq!(outcome.responses, imap::MESSAGES as usize + 50 + 1 + 1);
    assert!(outcome.output_octets > 50_000 + text.len() as u64, "{outcome:?}");
}

#[test]
fn a_pop3_session_fetches_and_removes() {
    let text = message(Kind::Text, OCTETS);
    let outcome = pop3::session(&pop3::config(), &pop3::commands(7), 7, &text);
    assert_eq!((outcome.messages, outcome.removed), (7, 7));
    assert!(outcome.reply_octets > 7 * text.len() as u64);
}

#[test]
fn messages_are_scanned_to_their_last_part() {
    let corpus = mime::corpus();
    assert!(corpus.len() > 100 && mime::scan_all(&corpus) > 2 * corpus.len());
    let large = mime::with_attachment(OCTETS);
    let message = mime::scan(&large);
    let parts: Vec<_> = message.leaves().map(|part| part.body.end - part.body.start).collect();
    let messages =
        mime::scanned([large.clone(), mime::in_base64(OCTETS), mime::in_quoted_printable(OCTETS)].into());
    assert_eq!(mime::search_all(&messages, &mime::in_bodies(&mime::strings(100))), 0);
    assert_eq!(mime::search_all(&messages, &mime::in_bodies(&["SEE below".into(), "\u{fc}ber".into()])), 2);
    assert!(parts.len() == 2 && parts[1] as usize > OCTETS - 1000 && large.len() > OCTETS, "{parts:?}");
}

#[test]
fn tables_have_what_they_are_made_of() {
    let table = policy::open("texthash:t", &policy::source(100));
    let keys: Vec<_> = (90..110).map(policy::key).collect();
    assert_eq!(policy::look_up_all(&*table, &keys), 10);
    let networks = policy::open("cidr:t", &policy::networks(1000));
    let found = policy::look_up_all(&*networks, &policy::addresses(1000));
    assert!((1..1000).contains(&found), "{found}");
    let patterns = policy::open("regexp:t", &policy::pattern_source(&policy::patterns(20)));
    let guilty = ["spammer0@a.example", "x@y.bulk1.example", "1-dsl2.example", "list-3-bounce@a.example"];
    assert_eq!(policy::look_up_all(&*patterns, &guilty.map(String::from)), 4);
    assert_eq!(policy::look_up_all(&*patterns, &policy::innocent(100)), 0);
}

#[test]
fn a_recipient_goes_through_the_whole_list() {
    let (policy, request, recipient) = (policy::long_list(50), policy::request(), policy::recipient());
    let outcome = policy::decide(&policy, &request, &recipient);
    assert!(outcome.refusal.is_none(), "{outcome:?}");
    let looked_up = outcome.trail.entries().filter(|entry| entry.rule().starts_with("check_"));
    assert_eq!(looked_up.count(), 5);
    assert!(outcome.trail.entries().len() > 50);
}

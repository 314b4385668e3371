//! Real and hostile messages through APPEND and back, whole and by the part numbers that BODYSTRUCTURE names.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::start;
use mail_message::mime::{Content, Limits, Message, Part, Scanner};
use mailstore::fs::sim::SimFs;
use std::path::Path;

/// The messages that mail-message is tested with, line ends made CRLF.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mail-message/tests/corpus");
    let mut messages: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "md"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, crlf(&std::fs::read(path).unwrap()))
        })
        .filter(|(_, octets)| !octets.is_empty())
        .collect();
    messages.sort();
    assert!(messages.len() > 100);
    messages
}

fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(octets.len());
    for (at, &octet) in octets.iter().enumerate() {
        if octet == b'\n' && (at == 0 || octets[at - 1] != b'\r') {
            result.push(b'\r');
        }
        result.push(octet);
    }
    result
}

/// Every part number of a message with the octets it names.
fn parts<'a>(message: &Message, octets: &'a [u8], prefix: &str, found: &mut Vec<(String, &'a [u8])>) {
    match &message.root.content {
        Content::Multipart(parts) => numbered(parts, octets, prefix, found),
        _ => part(&message.root, octets, &format!("{prefix}1"), found),
    }
}

fn numbered<'a>(parts: &[Part], octets: &'a [u8], prefix: &str, found: &mut Vec<(String, &'a [u8])>) {
    for (number, child) in (1..).zip(parts) {
        part(child, octets, &format!("{prefix}{number}"), found);
    }
}

fn part<'a>(part: &Part, octets: &'a [u8], number: &str, found: &mut Vec<(String, &'a [u8])>) {
    let at = |range: &std::ops::Range<u64>| &octets[range.start as usize..range.end as usize];
    found.push((number.to_owned(), at(&part.body)));
    found.push((format!("{number}.MIME"), at(&part.header)));
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(children) => numbered(children, octets, &format!("{number}."), found),
        Content::Message(message) => {
            found.push((format!("{number}.HEADER"), at(&message.root.header)));
            found.push((format!("{number}.TEXT"), at(&message.root.body)));
            parts(message, octets, &format!("{number}."), found);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_message_comes_back_octet_by_octet_whole_and_in_parts() {
    let server = start(&SimFs::new(), 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    let (mut uid, mut refused, mut sections) = (0, Vec::new(), 0);
    for (name, octets) in corpus() {
        let reply = a.append("INBOX", "(\\Seen)", &octets).await;
        if !reply.contains("OK [APPENDUID") {
            // RFC 3501 section 4.3.1: what is sent in a literal holds no NUL.
            assert!(octets.contains(&0), "{name}: {reply}");
            refused.push(name);
            continue;
        }
        uid += 1;
        let mut scanner = Scanner::new(Limits::default());
        scanner.feed(&octets);
        let message = scanner.finish();
        let structure = a.command(&format!("UID FETCH {uid} (BODYSTRUCTURE ENVELOPE RFC822.SIZE)")).await;
        assert!(structure.contains(&format!("RFC822.SIZE {}", octets.len())), "{name}");
        assert!(a.section(uid, "").await.unwrap() == octets, "{name}");
        let mut found = Vec::new();
        parts(&message, &octets, "", &mut found);
        let root = |range: &std::ops::Range<u64>| &octets[range.start as usize..range.end as usize];
        found.push(("HEADER".into(), root(&message.root.header)));
        found.push(("TEXT".into(), root(&message.root.body)));
        // Of one with hundreds of parts the first ones tell enough.
        for (section, expected) in found.into_iter().take(100) {
            let fetched = a.section(uid, &section).await;
            assert!(fetched.as_deref() == Some(expected), "{name} {section}");
            sections += 1;
        }
    }
    assert!(uid > 100 && sections > 1000, "{uid} messages, {sections} sections, refused {refused:?}");
}

//! A mailbox of 10,000 messages, and a message that is larger than all buffers.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::{env, start};
use mailstore::fs::sim::SimFs;
use mailstore::{MailboxName, MaildirStore, Store as _};
use std::path::Path;

const MESSAGES: u32 = 10_000;

fn filled(fs: &SimFs) {
    let store = MaildirStore::open(env(fs, 50), Path::new("/mail/example.test/alice"), None).unwrap();
    let mut append = store.append(&MailboxName::inbox()).unwrap();
    for number in 1..=MESSAGES {
        append.begin(&Default::default(), None).unwrap();
        append.write(format!("Subject: number {number}\r\n\r\nbody of {number}\r\n").as_bytes()).unwrap();
    }
    append.commit().unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_messages_are_told_and_searched() {
    let fs = SimFs::new();
    filled(&fs);
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    assert!(a.command("SELECT INBOX").await.contains("* 10000 EXISTS\r\n"));
    let flags = a.command("FETCH 1:* FLAGS").await;
    assert_eq!(flags.lines().count(), 10_001);
    assert!(flags.contains("* 9999 FETCH (FLAGS (\\Recent))\r\n"));
    let sizes = a.command("FETCH 1:* (UID RFC822.SIZE INTERNALDATE)").await;
    assert_eq!(sizes.lines().count(), 10_001);
    assert_eq!(a.command("SEARCH UNSEEN UID 5:7").await, "* SEARCH 5 6 7\r\nOK SEARCH completed.");
    assert_eq!(a.command("SEARCH SUBJECT \"number 777\"").await.split(' ').count(), 2 + 11 + 2);
    assert_eq!(a.command("SEARCH 1:300 BODY \"of 77\"").await, "* SEARCH 77\r\nOK SEARCH completed.");
    let envelopes = a.command("FETCH 9000:9099 ENVELOPE").await;
    assert!(envelopes.contains("\"number 9099\""));
    assert_eq!(envelopes.lines().count(), 101);

    // A second session costs no second snapshot, and hears of ten thousand changes as one set.
    let mut b = Imap::inbox(&server, "alice").await;
    a.command("STORE 1:* +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(a.command("EXPUNGE").await.lines().filter(|line| line.ends_with("EXPUNGE")).count(), 10_000);
    let told = b.command("NOOP").await;
    assert_eq!(told.lines().filter(|line| line.ends_with("EXPUNGE")).count(), 10_000);
    assert!(!told.contains("FETCH"));
}

/// How many message files were opened.
fn opened(fs: &SimFs) -> usize {
    let is_message =
        |path: &Path| path.parent().is_some_and(|dir| dir.ends_with("cur") || dir.ends_with("new"));
    fs.log().iter().filter(|operation| operation.name == "open" && is_message(&operation.path)).count()
}

#[tokio::test(start_paused = true)]
async fn what_the_index_knows_opens_no_message() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    for number in 1..=5 {
        let message = format!(
            "From: a{number}@example.test\r\nTo: b@example.test\r\nSubject: =?utf-8?q?number_=C3=A9{number}?=\r\n\
             Date: Mon, 23 Nov 2026 10:00:0{number} +0000\r\n\r\nbody\r\n"
        );
        assert!(a.append("INBOX", "(\\Seen)", message.as_bytes()).await.contains(" OK "));
    }
    drop(a);
    drop(server);
    // Another process, which knows what the index says.
    let server = start(&fs, 2).await.unwrap();
    let before = opened(&fs);
    let mut a = Imap::inbox(&server, "alice").await;
    for (command, told) in [
        ("FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE UID)", 5),
        ("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE)", 5),
        ("FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]", 5),
    ] {
        let response = a.raw(command.as_bytes()).await;
        let response = String::from_utf8(response).unwrap();
        assert_eq!(response.matches(" FETCH (").count(), told, "{command}: {response}");
    }
    for (keys, found) in [
        ("SUBJECT \"Number \u{e9}3\"", " 3"),
        ("FROM a4@ SUBJECT number", " 4"),
        ("OR TO nobody HEADER Date 10:00:02", " 2"),
        ("SENTON 23-Nov-2026 NOT FROM a1 LARGER 10 SEEN", " 2 3 4 5"),
    ] {
        let reply = a.command(&format!("SEARCH CHARSET UTF-8 {keys}")).await;
        assert_eq!(reply, format!("* SEARCH{found}\r\nOK SEARCH completed."), "{keys}");
    }
    assert_eq!(opened(&fs), before);
    assert_eq!(a.command("SEARCH BODY body").await, "* SEARCH 1 2 3 4 5\r\nOK SEARCH completed.");
    assert_eq!(opened(&fs), before + 5, "what the index does not know");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_its_search_along() {
    let fs = SimFs::new();
    filled(&fs);
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    a.send(b"x SEARCH BODY nothing\r\n").await;
    drop(a);
    let mut b = Imap::inbox(&server, "alice").await;
    assert!(b.command("SEARCH 1 BODY body").await.starts_with("* SEARCH 1\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_large_message_streams_in_both_directions() {
    let server = start(&SimFs::new(), 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    let mut message = b"Subject: large\r\n".to_vec();
    for number in 0..20_000 {
        message.extend_from_slice(
            format!("X-{}: {number} abcdefghijklmnopqrstuvwxyz\r\n", number % 2).as_bytes(),
        );
    }
    let header = message.len() + 2;
    message.extend_from_slice(b"\r\n");
    while message.len() < 3_000_000 {
        message.extend_from_slice(b"0123456789012345678901234567890123456789\r\n");
    }
    assert!(a.append("INBOX", "(\\Seen)", &message).await.contains(" OK [APPENDUID "));
    assert!(a.section(1, "").await.unwrap() == message);
    assert!(a.section(1, "TEXT").await.unwrap() == message[header..]);
    let chosen: Vec<u8> = message[..header]
        .split_inclusive(|&octet| octet == b'\n')
        .filter(|line| line.starts_with(b"X-1:") || *line == b"\r\n")
        .flatten()
        .copied()
        .collect();
    // More than is kept at a time, so that the header is read several times.
    assert!(chosen.len() > 300_000);
    assert!(a.section(1, "HEADER.FIELDS (x-1)").await.unwrap() == chosen);
    let far = a.raw(b"FETCH 1 BODY.PEEK[HEADER.FIELDS (x-1)]<350000.10>").await;
    let expected =
        [b"* 1 FETCH (BODY[HEADER.FIELDS (x-1)]<350000> {10}\r\n", &chosen[350_000..350_010]].concat();
    assert!(far.starts_with(&expected), "{}", String::from_utf8_lossy(&far));
    assert_eq!(a.command("SEARCH SUBJECT large").await, "* SEARCH 1\r\nOK SEARCH completed.");
}

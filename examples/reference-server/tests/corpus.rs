//! Real and hostile mail goes in by SMTP and by APPEND and comes out byte for byte: by FETCH BODY[], by RETR, and
//! by every part number that BODYSTRUCTURE names.
//!
//! Line ends are made CR LF by this client, as a mail program would. What still holds a NUL, or lines over 1,000
//! octets, goes through as it is; what a server does with bare CR and bare LF is shown by its own test.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Imap, Pop3, Smtp, Value};
use common::{ALICE, BOB, PASSWORD, Server, trace_of};
use std::fs;
use std::path::Path;

/// The messages, with CR LF line ends.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mail-message/tests/corpus");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "msg"))
        .collect();
    files.sort();
    assert!(files.len() >= 47, "only {} messages", files.len());
    files
        .into_iter()
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), crlf(&fs::read(&path).unwrap()))
        })
        .collect()
}

/// CR LF for CR, LF and CR LF; and one at the end, which SMTP cannot do without.
fn crlf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut octets = message.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if_eq(&b'\n');
                out.extend(b"\r\n");
            }
            b'\n' => out.extend(b"\r\n"),
            other => out.push(other),
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

/// Part numbers that a BODYSTRUCTURE names, each with the octets it claims.
fn parts(structure: &Value, number: &str, found: &mut Vec<(String, usize)>) {
    let join = |n: usize| if number.is_empty() { n.to_string() } else { format!("{number}.{n}") };
    let values = structure.list();
    if let Value::List(_) = values[0] {
        for (index, part) in values.iter().take_while(|value| matches!(value, Value::List(_))).enumerate() {
            parts(part, &join(index + 1), found);
        }
        return;
    }
    let this = if number.is_empty() { "1".to_owned() } else { number.to_owned() };
    found.push((this.clone(), values[6].number()));
    let kind = (values[0].text().to_ascii_uppercase(), values[1].text().to_ascii_uppercase());
    if kind == (b"MESSAGE".to_vec(), b"RFC822".to_vec()) {
        let inner = &values[8];
        let multipart = matches!(inner.list()[0], Value::List(_));
        parts(inner, &if multipart { this } else { format!("{this}.1") }, found);
    }
}

fn check_message(imap: &mut Imap, sequence: usize, name: &str, sent: &[u8], trace: bool) {
    let fetched = imap.ok(&format!(
        "FETCH {sequence} (RFC822.SIZE BODYSTRUCTURE ENVELOPE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])"
    ));
    let fetched = &fetched[0][2];
    let whole = fetched.item("BODY[]").text().to_vec();
    assert_eq!(fetched.item("RFC822.SIZE").number(), whole.len(), "{name}: size");
    if trace {
        trace_of(&whole, sent);
    } else {
        assert!(whole == sent, "{name}: APPENDed and fetched differ");
    }
    let header_and_text = [fetched.item("BODY[HEADER]").text(), fetched.item("BODY[TEXT]").text()].concat();
    assert!(header_and_text == whole, "{name}: header and text are not the whole");

    let mut named = Vec::new();
    parts(fetched.item("BODYSTRUCTURE"), "", &mut named);
    assert!(!named.is_empty(), "{name}: no parts");
    for (number, octets) in named {
        let part = imap.ok(&format!("FETCH {sequence} BODY.PEEK[{number}]"));
        let part = part[0][2].item(&format!("BODY[{number}]")).text().to_vec();
        assert_eq!(part.len(), octets, "{name}: part {number}");
        assert!(
            part.is_empty() || whole.windows(part.len()).any(|at| at == part),
            "{name}: part {number} is not in the message"
        );
    }
}

#[test]
fn every_message_comes_out_as_it_went_in() {
    let server = Server::start(true);
    let corpus = corpus();

    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    for (name, message) in &corpus {
        let reply = smtp.send(BOB, ALICE, message);
        assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{name}: {reply}");
    }
    let mut imap = Imap::login(server.address("imap", "starttls"), BOB, PASSWORD);
    for (name, message) in &corpus {
        let reply = imap.append("INBOX", message);
        assert!(reply.starts_with("OK [APPENDUID "), "{name}: {reply}");
    }
    imap.ok("SELECT INBOX");
    for (index, (name, message)) in corpus.iter().enumerate() {
        check_message(&mut imap, index + 1, name, message, false);
    }

    let mut imap = Imap::login(server.address("imap", "starttls"), ALICE, PASSWORD);
    common::eventually(|| {
        let selected = imap.ok("SELECT INBOX");
        selected.iter().any(|r| {
            r.len() == 2
                && r[0] == Value::Atom(corpus.len().to_string())
                && r[1] == Value::Atom("EXISTS".into())
        })
    });
    // Deliverers work side by side: the order in the mailbox need not be that of sending.
    let mut unseen: Vec<_> = corpus.iter().collect();
    for sequence in 1..=corpus.len() {
        let fetched = imap.ok(&format!("FETCH {sequence} BODY.PEEK[]"));
        let whole = fetched[0][2].item("BODY[]").text();
        let Some(at) = unseen.iter().position(|(_, message)| is_delivered(whole, message)) else {
            panic!("message {sequence} is none that was sent:\n{}", String::from_utf8_lossy(whole));
        };
        let (name, message) = unseen.swap_remove(at);
        check_message(&mut imap, sequence, name, message, true);
    }

    let mut pop3 = Pop3::login(server.address("pop3", "starttls"), BOB, PASSWORD);
    assert_eq!(pop3.count(), corpus.len());
    for (index, (name, message)) in corpus.iter().enumerate() {
        assert!(pop3.lines(&format!("RETR {}", index + 1)) == *message, "{name}: RETR differs");
    }
}

/// Whether `whole` is `message` behind the trace fields of one delivery.
fn is_delivered(whole: &[u8], message: &[u8]) -> bool {
    whole.strip_suffix(message).is_some_and(|trace| {
        trace.starts_with(b"Return-Path: ")
            && trace.ends_with(b"\r\n")
            && trace.windows(9).filter(|at| at == b"Received:").count() == 1
    })
}

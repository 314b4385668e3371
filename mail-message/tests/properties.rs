//! Random and exhaustive small messages: every promise that the fuzz bodies check.

mod common;

use mail_message::fuzz::{fuzz_decode, fuzz_header, fuzz_message, fuzz_search};
use mail_message::mime::Content;
use proptest::prelude::*;

/// Lines that mean something to a scanner, with two boundaries of which one begins with the other.
const LINES: [&str; 22] = [
    "",
    " folded",
    "text",
    "--x",
    "--xy",
    "--x--",
    "--xy--",
    "--x tail",
    "--",
    "Content-Type: multipart/mixed; boundary=x",
    "Content-Type: multipart/mixed; boundary=xy",
    "Content-Type: multipart/digest; boundary=\"x\"",
    "Content-Type: multipart/alternative",
    "Content-Type: message/rfc822",
    "Content-Type: text/html; charset=utf-8",
    "Content-Type: text",
    "Content-Transfer-Encoding: base64",
    "Subject: =?utf-8?q?a?=",
    "To: g: a@b, \"c\" <@d:e@f>;",
    "From mbox",
    "no field \0\u{e9}",
    "Content-Type: multipart/mixed; boundary*0=x; boundary*1=y",
];

fn message() -> impl Strategy<Value = Vec<u8>> {
    let line_end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("")];
    let line =
        (proptest::sample::select(&LINES[..]), line_end).prop_map(|(line, end)| format!("{line}{end}"));
    proptest::collection::vec(line, 0..40).prop_map(|lines| lines.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_of_meaningful_lines(octets in message()) {
        fuzz_message(&octets);
        fuzz_header(&octets);
    }

    #[test]
    fn searches_of_meaningful_lines(
        text in proptest::sample::select(&["", "x", "TEXT", "a@b", "d", "text\r\n--", "folded text", "\u{fffd}", "--xy"][..]),
        octets in message(),
    ) {
        fuzz_search(&[text.as_bytes(), b"\n", &octets].concat());
    }
}

proptest! {
    #[test]
    fn any_octets(octets: Vec<u8>) {
        fuzz_message(&octets);
        fuzz_header(&octets);
        fuzz_decode(&octets);
    }

    #[test]
    fn octets_that_addresses_are_made_of(value in "[ab@<>,;:\"()\\\\. \\[\\]=?*/']{0,40}") {
        fuzz_header(format!("To: {value}\r\n").as_bytes());
    }
}

/// All messages of up to five lines of the smallest set that nests, closes and encloses.
#[test]
fn every_short_message() {
    let lines: Vec<&str> = ["", "--x", "--x--", "a: b", LINES[9], LINES[13]].to_vec();
    let mut messages = vec![String::new()];
    for _ in 0..5 {
        let longer =
            messages.iter().flat_map(|message| lines.iter().map(move |line| format!("{message}{line}\r\n")));
        messages = [longer.collect(), vec![String::new()]].concat();
    }
    messages.iter().for_each(|message| fuzz_message(message.as_bytes()));
}

/// All bodies of up to six of the octets that make up a boundary line, beside a reader that looks at line after line.
#[test]
fn every_short_run_of_boundary_octets() {
    const HEADER: &[u8] = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n";
    let mut bodies = vec![Vec::new()];
    for _ in 0..6 {
        let longer = bodies
            .iter()
            .flat_map(|body: &Vec<u8>| b"\r\n-x ".iter().map(|&octet| [&body[..], &[octet]].concat()));
        bodies = [longer.collect(), vec![Vec::new()]].concat();
    }
    let around: [(&[u8], &[u8]); 3] = [(b"", b""), (b"--x\r\n\r\n", b"--x--\r\n"), (b"\r\n--", b"\r\n--x")];
    for run in bodies {
        for (before, behind) in around {
            let octets = [HEADER, before, &run, behind].concat();
            fuzz_message(&octets);
            let message = common::scan(&octets);
            let Content::Multipart(parts) = &message.root.content else { panic!("{run:?}") };
            let starts: Vec<u64> = parts.iter().map(|part| part.header.start).collect();
            let expected = parts_by_lines(&octets, HEADER.len());
            assert_eq!(starts, expected, "{:?}", octets.escape_ascii().to_string());
        }
    }
}

/// Where the parts of a multipart with the boundary `x` begin.
fn parts_by_lines(octets: &[u8], body: usize) -> Vec<u64> {
    let mut starts = Vec::new();
    let mut at = body;
    for line in octets[body..].split_inclusive(|&octet| octet == b'\n') {
        at += line.len();
        if line.starts_with(b"--x--") {
            break;
        }
        if line.starts_with(b"--x") {
            starts.push(at as u64);
        }
    }
    if starts.is_empty() { vec![body as u64] } else { starts }
}

#[test]
fn every_short_run_of_header_octets() {
    let mut texts = vec![Vec::new()];
    for _ in 0..6 {
        let longer = texts
            .iter()
            .flat_map(|text: &Vec<u8>| b"a: \r\n".iter().map(|&octet| [&text[..], &[octet]].concat()));
        texts = [longer.collect(), vec![Vec::new()]].concat();
    }
    for text in texts {
        fuzz_message(&text);
        fuzz_header(&text);
    }
}

//! RETR, TOP, LIST and STAT over messages with every mix of line ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

mod common;

use common::{App, Drop, session};
use pop3_proto::server::{Config, Server};
use proptest::prelude::*;
use proto_core::dot::{DecodePolicy, Decoded, DotDecoder};
use proto_core::{InBuf, Machine};
use std::cell::RefCell;
use std::rc::Rc;
use testkit::Driver;

fn open(message: &[u8], chunk: usize, output: usize) -> Driver<Server, App> {
    let drop: Drop = Rc::new(RefCell::new(vec![("a".into(), message.to_vec()), ("b".into(), b"x".to_vec())]));
    let mut config = Config::default();
    config.allow_plaintext_auth = true;
    config.limits.output_bytes_max = output;
    let mut driver = session(config, App::new("u", "p", drop).chunk(chunk));
    driver.receive(b"USER u\r\nPASS p\r\n");
    driver.take_sent();
    driver
}

/// Sends a command; gives its first line, and its text with the dots taken away.
fn multi_line(driver: &mut Driver<Server, App>, command: &str) -> (String, Vec<u8>) {
    driver.receive(command.as_bytes());
    let sent = driver.take_sent();
    let first = sent.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let mut input = InBuf::with_capacity(sent.len());
    input.push(&sent[first..]);
    let mut decoder = DotDecoder::new(DecodePolicy::Raw, u64::MAX);
    let mut text = Vec::new();
    loop {
        match decoder.decode(&mut input) {
            Some(Decoded::Body(chunk)) => text.extend_from_slice(&chunk),
            Some(Decoded::End(_)) => break,
            None => panic!("no terminator in {:?}", String::from_utf8_lossy(&sent)),
        }
    }
    assert!(input.is_empty(), "more than was asked for");
    (String::from_utf8(sent[..first].to_vec()).unwrap(), text)
}

/// The message as it must be delivered: every line ends in CR LF.
fn delivered(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let ends_in_crlf = message_has_crlf(message, line);
        text.extend_from_slice(if ends_in_crlf { &line[..line.len() - 1] } else { line });
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// Whether this line of the message, given without its LF, ended in CR LF. A last line without LF did not.
fn message_has_crlf(message: &[u8], line: &[u8]) -> bool {
    let end = line.as_ptr_range().end as usize - message.as_ptr() as usize;
    line.ends_with(b"\r") && message.get(end) == Some(&b'\n')
}

/// What TOP must deliver, found the slow way.
fn top(message: &[u8], lines: usize) -> Vec<u8> {
    let text = delivered(message);
    let all: Vec<&[u8]> = text.split_inclusive(|octet| *octet == b'\n').collect();
    let wanted = match all.iter().position(|line| *line == b"\r\n") {
        Some(empty) => (empty + 1).saturating_add(lines).min(all.len()),
        None => all.len(),
    };
    all[..wanted].concat()
}

fn check(message: &[u8], chunk: usize, output: usize) {
    let mut driver = open(message, chunk, output);
    let expected = delivered(message);
    let (first, text) = multi_line(&mut driver, "RETR 1\r\n");
    assert_eq!(text, expected, "{message:?}");
    assert_eq!(first, format!("+OK {} octets\r\n", text.len()), "{message:?}");
    let (_, listing) = multi_line(&mut driver, "LIST\r\n");
    assert_eq!(String::from_utf8(listing).unwrap(), format!("1 {}\r\n2 3\r\n", expected.len()));
    driver.receive(b"STAT\r\n");
    assert_eq!(driver.take_sent(), format!("+OK 2 {}\r\n", expected.len() + 3).into_bytes());
    for lines in 0..6 {
        let (_, text) = multi_line(&mut driver, &format!("TOP 1 {lines}\r\n"));
        assert_eq!(text, top(message, lines), "TOP {lines} of {message:?}");
    }
    assert!(!driver.machine.is_closed());
}

/// All texts of up to five octets that line ends and dots can make.
#[test]
fn every_short_message() {
    const ALPHABET: [u8; 4] = *b"\r\n.a";
    for len in 0..=5u32 {
        for mut n in 0..ALPHABET.len().pow(len) {
            let mut message = Vec::new();
            for _ in 0..len {
                message.push(ALPHABET[n % ALPHABET.len()]);
                n /= ALPHABET.len();
            }
            check(&message, usize::MAX, 32 * 1024);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_mix_of_line_ends_in_every_chunk(
        pieces in prop::collection::vec(
            prop::sample::select(vec!["\r\n", "\n", "\r", ".", "..", "A: b", "\0", "é", "\r\n\r\n", "\n\n", "\r\n.\r\n"]),
            0..20,
        ),
        chunk in 1usize..9,
        output in 8usize..64,
    ) {
        check(pieces.concat().as_bytes(), chunk, output);
    }
}

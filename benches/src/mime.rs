//! Messages through the MIME scanner and the search: the corpus of `mail-message`, and large ones made here.

use crate::mail::{Kind, message};
use mail_message::mime::{Limits, Message, Scanner};
use mail_message::search::{Query, Scope, Search};
use std::path::Path;

/// How much of a message a store hands over at a time.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Every message of the corpus, with the line ends that a message has on the wire.
pub fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mail-message/tests/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "msg"));
    paths.sort();
    paths.iter().map(|path| with_crlf(&std::fs::read(path).unwrap())).collect()
}

fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    for &octet in octets {
        if octet == b'\n' && result.last() != Some(&b'\r') {
            result.push(b'\r');
        }
        result.push(octet);
    }
    result
}

/// The messages of the corpus one after the other, again and again, up to at least `octets` octets: lines as people and
/// programs write them. Without those in which a CR stands alone, which is nothing that goes over a wire.
pub fn lines_of_corpus(octets: usize) -> Vec<u8> {
    let mut messages = corpus();
    messages.retain(|message| !message.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n'));
    let mut lines = Vec::new();
    for message in messages.iter().cycle() {
        if lines.len() >= octets {
            break;
        }
        lines.extend_from_slice(message);
        if !lines.ends_with(b"\r\n") {
            lines.extend_from_slice(b"\r\n");
        }
    }
    lines
}

/// A message of two parts, a short text and an attachment of at least `octets` octets in base64.
pub fn with_attachment(octets: usize) -> Vec<u8> {
    let attachment = message(Kind::Base64, octets);
    let lines = attachment.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    [ABOVE_ATTACHMENT, &attachment[lines..], b"--=_0123456789--\r\n"].concat()
}

const ABOVE_ATTACHMENT: &[u8] = b"From: Alice Example <alice@example.net>\r\nTo: Bob <bob@example.test>\r\n\
    Subject: The figures\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"=_0123456789\"\r\n\r\n\
    --=_0123456789\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee below.\r\n\r\n\
    --=_0123456789\r\nContent-Type: application/pdf; name=\"figures.pdf\"\r\n\
    Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"figures.pdf\"\r\n\r\n";

/// Scans one message as a store hands it over.
pub fn scan(message: &[u8]) -> Message {
    let mut scanner = Scanner::new(Limits::default());
    message.chunks(PIECE_BYTES).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

/// Scans every message; returns how many leaves they have.
pub fn scan_all(messages: &[Vec<u8>]) -> usize {
    messages.iter().map(|message| scan(message).leaves().count()).sum()
}

/// A message of one text in base64.
pub fn in_base64(octets: usize) -> Vec<u8> {
    let text = message(Kind::Base64, octets);
    let body = text.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let header = b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    [header, &text[body..]].concat()
}

/// A message of one text in quoted-printable, of which every tenth octet is encoded.
pub fn in_quoted_printable(octets: usize) -> Vec<u8> {
    let mut text =
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            .to_vec();
    while text.len() < octets {
        text.extend_from_slice(b"Briefe, die =C3=BCber die Grenze m=C3=BCssen, liegen auf dem Tisch =\r\n");
    }
    text
}

/// Strings that are in none of these messages, each other than the one before.
pub fn strings(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("a letter for number {number} of nobody")).collect()
}

/// Looks for strings in the text of every message; returns how many are in one.
pub fn search_all(messages: &[(Vec<u8>, Message)], query: &Query) -> usize {
    let mut found = 0;
    for (octets, message) in messages {
        let mut search = Search::new(query);
        for target in search.targets(message) {
            let range = target.range();
            search.begin(&target);
            octets[range.start as usize..range.end as usize]
                .chunks(PIECE_BYTES)
                .any(|piece| search.feed(piece));
        }
        search.finish();
        found += (0..query.len()).filter(|&term| search.outcome(term) == Some(true)).count();
    }
    found
}

/// The strings, looked for in bodies.
pub fn in_bodies(strings: &[String]) -> Query {
    Query::new(strings.iter().map(|string| (Scope::Body, string.as_str())))
}

/// Each message with its structure, which an index remembers.
pub fn scanned(messages: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Message)> {
    messages
        .into_iter()
        .map(|octets| {
            let message = scan(&octets);
            (octets, message)
        })
        .collect()
}

//! Messages through the MIME scanner: the corpus of `mail-message`, and a large one made here.

use crate::mail::{Kind, message};
use mail_message::mime::{Limits, Message, Scanner};
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

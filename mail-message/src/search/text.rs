//! From the octets of headers and bodies to the text that is searched, a window at a time.

use alloc::string::String;
use alloc::vec::Vec;

use super::needles::{Needles, Progress};
use crate::decode::{CharsetDecoder, TransferDecoder, decode_header};
use crate::mime::Encoding;

/// How much of a message a search looks at together, in octets.
pub const WINDOW_BYTES: usize = 16 * 1024;

/// Decodes the body of one part.
pub(super) struct BodyText {
    transfer: TransferDecoder,
    charset: CharsetDecoder,
    octets: Vec<u8>,
    text: String,
}

impl BodyText {
    pub(super) fn new(encoding: Encoding, charset: Option<&str>) -> BodyText {
        BodyText {
            transfer: TransferDecoder::new(encoding),
            charset: CharsetDecoder::new(charset.map(str::as_bytes)),
            octets: Vec::new(),
            text: String::new(),
        }
    }

    pub(super) fn feed(&mut self, body: &[u8], needles: &Needles, progress: &mut Progress) {
        for window in body.chunks(WINDOW_BYTES) {
            if progress.is_complete() {
                return;
            }
            self.transfer.feed(window, &mut self.octets);
            self.charset.feed(&self.octets, &mut self.text);
            needles.feed(progress, &self.text);
            self.octets.clear();
            self.text.clear();
        }
    }

    pub(super) fn finish(mut self, needles: &Needles, progress: &mut Progress) {
        self.transfer.finish(&mut self.octets);
        self.charset.feed(&self.octets, &mut self.text);
        self.charset.finish(&mut self.text);
        needles.feed(progress, &self.text);
        progress.end_text();
    }
}

/// Decodes the value of one field.
#[derive(Debug, Default)]
pub(super) struct FieldText {
    window: Vec<u8>,
}

impl FieldText {
    /// Takes octets of the value; gives `found` the text of each window that is full.
    pub(super) fn feed(&mut self, mut value: &[u8], mut found: impl FnMut(&str)) {
        while !value.is_empty() {
            let (piece, rest) = value.split_at(value.len().min(WINDOW_BYTES - self.window.len()));
            // As in unfolding; what white space is left is one space to the search.
            self.window.extend(piece.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)));
            value = rest;
            if self.window.len() == WINDOW_BYTES {
                let cut = cut(&self.window);
                found(&decode_header(&self.window[..cut]));
                self.window.drain(..cut);
            }
        }
    }

    /// The field has ended.
    pub(super) fn finish(&mut self, found: impl FnOnce(&str)) {
        if !self.window.is_empty() {
            found(&decode_header(&self.window));
            self.window.clear();
        }
    }
}

/// Where to end a full window: behind the last blank that does not follow an encoded word, since two words with a blank
/// between are one text. If there is none in its second half, at its end.
fn cut(window: &[u8]) -> usize {
    let half = window.len() / 2;
    let mut end = window.len();
    while let Some(blank) = window[half..end].iter().rposition(|octet| matches!(octet, b' ' | b'\t')) {
        let text = window[..half + blank].trim_ascii_end();
        if !text.ends_with(b"?=") {
            return half + blank + 1;
        }
        end = text.len().max(half);
    }
    window.len()
}

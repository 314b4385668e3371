//! Substring search without regard to case over decoded text: what SEARCH keys match.
//!
//! RFC 3501 §6.4.4: a key matches if the string is a substring, case-insensitively; RFC 9051 §6.4.4 adds that
//! encoded words, transfer encodings and charsets are undone first. The matcher streams: a body is never held,
//! and a match across two pieces is found.
//!
//! A key that looks into a header reads its [`Fields`](crate::header::Fields) and asks
//! [`Needle::is_in_header`]; one that looks into the body runs a [`BodySearch`] over each of
//! [`Message::leaves`](crate::mime::Message::leaves) that is text.
//!
//! # Limits
//! A search holds the needle twice and one decoded piece. Each character costs constant time on average, whatever
//! the needle (Knuth, Morris and Pratt).
//!
//! # Departures
//! Case is folded character by character by Unicode's lower-case mapping; RFC 5051's decomposition is not done,
//! so a precomposed `é` does not match `e` and a combining accent.

use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;

use crate::decode::{CharsetDecoder, TransferDecoder, decode_header, decode_parameter};
use crate::mime::Part;

/// A string to look for. The empty one is in every text.
///
/// ```
/// use mail_message::search::Needle;
///
/// let needle = Needle::new("GRÜSSE");
/// assert!(needle.is_in_text("Viele Grüsse"));
/// assert!(needle.is_in_header(b"=?iso-8859-1?q?Viele_Gr=FCsse?="));
/// assert!(!needle.is_in_text("Viele Gruesse"));
/// ```
#[derive(Debug, Clone)]
pub struct Needle {
    folded: Vec<char>,
    /// For each matched length but 0: the longest shorter match that is an end of it.
    fallback: Vec<usize>,
}

impl Needle {
    /// Folds `text`.
    pub fn new(text: &str) -> Needle {
        let folded: Vec<char> = fold(text).collect();
        let mut fallback = alloc::vec![0; folded.len()];
        let mut matched = 0;
        for at in 1..folded.len() {
            while matched > 0 && folded[at] != folded[matched] {
                matched = fallback[matched - 1];
            }
            matched += usize::from(folded[at] == folded[matched]);
            fallback[at] = matched;
        }
        Needle { folded, fallback }
    }

    /// Whether the needle is in `text`.
    pub fn is_in_text(&self, text: &str) -> bool {
        let mut search = TextSearch::new(self);
        search.feed(text);
        search.is_found()
    }

    /// Whether the needle is in an unfolded header value, encoded words decoded.
    pub fn is_in_header(&self, value: &[u8]) -> bool {
        self.is_in_text(&decode_header(value))
    }
}

/// A search through text that arrives in pieces. The needle is borrowed or, behind an `Arc`, shared.
#[derive(Debug, Clone)]
pub struct TextSearch<N> {
    needle: N,
    matched: usize,
}

impl<N: Borrow<Needle>> TextSearch<N> {
    /// A search that has seen nothing yet.
    pub fn new(needle: N) -> TextSearch<N> {
        TextSearch { needle, matched: 0 }
    }

    /// Looks at the next piece.
    pub fn feed(&mut self, text: &str) {
        let Needle { folded, fallback } = self.needle.borrow();
        for character in fold(text) {
            if self.matched == folded.len() {
                return;
            }
            while self.matched > 0 && folded[self.matched] != character {
                self.matched = fallback[self.matched - 1];
            }
            self.matched += usize::from(folded[self.matched] == character);
        }
    }

    fn needle(&self) -> &Needle {
        self.needle.borrow()
    }

    /// Whether the needle was in what was fed. Once true, nothing more need be fed.
    pub fn is_found(&self) -> bool {
        self.matched == self.needle().folded.len()
    }
}

/// A search through the body of one part, in its transfer form. The needle is borrowed or, behind an `Arc`, shared.
///
/// ```
/// use mail_message::mime::{Limits, Scanner};
/// use mail_message::search::{BodySearch, Needle};
///
/// let text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw4RSR0VS\r\n";
/// let mut scanner = Scanner::new(Limits::default());
/// scanner.feed(text);
/// let message = scanner.finish();
///
/// let needle = Needle::new("ärger");
/// let mut search = BodySearch::new(&message.root, &needle);
/// search.feed(&text[message.root.body.start as usize..]);
/// assert!(search.finish());
/// ```
pub struct BodySearch<N> {
    transfer: TransferDecoder,
    charset: CharsetDecoder,
    search: TextSearch<N>,
    octets: Vec<u8>,
    text: String,
}

impl<N: Borrow<Needle>> BodySearch<N> {
    /// A search that decodes as the header of `part` says.
    pub fn new(part: &Part, needle: N) -> BodySearch<N> {
        let charset = decode_parameter(&part.fields.content_type.parameters, "charset");
        BodySearch {
            transfer: TransferDecoder::new(part.fields.transfer_encoding()),
            charset: CharsetDecoder::new(charset.as_ref().map(|name| name.as_bytes())),
            search: TextSearch::new(needle),
            octets: Vec::new(),
            text: String::new(),
        }
    }

    /// Looks at the next octets of the body; true as soon as the needle was found.
    pub fn feed(&mut self, body: &[u8]) -> bool {
        if !self.search.is_found() {
            self.octets.clear();
            self.text.clear();
            self.transfer.feed(body, &mut self.octets);
            self.charset.feed(&self.octets, &mut self.text);
            self.search.feed(&self.text);
        }
        self.search.is_found()
    }

    /// The body has ended: whether the needle was in it.
    pub fn finish(mut self) -> bool {
        if !self.search.is_found() {
            self.octets.clear();
            self.text.clear();
            self.transfer.finish(&mut self.octets);
            self.charset.feed(&self.octets, &mut self.text);
            self.charset.finish(&mut self.text);
            self.search.feed(&self.text);
        }
        self.search.is_found()
    }
}

fn fold(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_empty_string_is_everywhere() {
        assert!(Needle::new("").is_in_text(""));
        assert!(Needle::new("").is_in_header(b"x"));
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search_at_every_cut(needle in "[abA]{0,5}", text in "[abAB]{0,20}") {
            let plain = text.to_lowercase().contains(&needle.to_lowercase());
            let needle = Needle::new(&needle);
            for at in 0..=text.len() {
                let mut search = TextSearch::new(&needle);
                search.feed(&text[..at]);
                search.feed(&text[at..]);
                prop_assert_eq!(search.is_found(), plain);
            }
        }
    }
}

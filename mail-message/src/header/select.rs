//! HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header, as they lie.
//!
//! RFC 3501 §6.4.5: whole names, in any case; order and folding stay; the empty line follows, whether or not a
//! field matched.
//!
//! # Limits
//! A selector holds its names and at most 2 KiB of a line; the names' number and length are the caller's to bound.
//!
//! # Departures
//! The empty line is also sent for a header that has none, because the RFC makes an exception only for a
//! message without body and without empty line in HEADER itself, and clients read up to that line.

use alloc::vec::Vec;

use super::stream::{FieldSink, FieldStream};

/// Which fields to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldChoice {
    /// Those that are named.
    Named,
    /// All but those that are named.
    NotNamed,
}

/// The chosen fields of the header at the start of `header`, and CRLF.
///
/// ```
/// use mail_message::header::{FieldChoice, select_fields};
///
/// let header = b"To: a\r\nX-Long: b\r\n c\r\nSubject: d\r\n\r\n";
/// assert_eq!(select_fields(header, FieldChoice::Named, &["x-long"]), b"X-Long: b\r\n c\r\n\r\n");
/// assert_eq!(select_fields(header, FieldChoice::Named, &["nosuch"]), b"\r\n");
/// assert_eq!(select_fields(header, FieldChoice::NotNamed, &["x-long"]), b"To: a\r\nSubject: d\r\n\r\n");
/// ```
pub fn select_fields<S: AsRef<[u8]>>(header: &[u8], choice: FieldChoice, names: &[S]) -> Vec<u8> {
    let mut selected = Vec::new();
    let mut selector = FieldSelector::new(choice, names);
    selector.feed(header, &mut selected);
    selector.finish(&mut selected);
    selected
}

/// Chooses fields of a header that arrives in pieces. However it is cut, the result is the same.
#[derive(Debug, Clone)]
pub struct FieldSelector {
    fields: FieldStream,
    choice: FieldChoice,
    names: Vec<Vec<u8>>,
    is_chosen: bool,
    /// Whether the last chosen octet was no line end.
    is_open: bool,
}

impl FieldSelector {
    /// A selector at the start of a header.
    pub fn new<S: AsRef<[u8]>>(choice: FieldChoice, names: &[S]) -> FieldSelector {
        FieldSelector {
            fields: FieldStream::new(),
            choice,
            names: names.iter().map(|name| name.as_ref().to_vec()).collect(),
            is_chosen: false,
            is_open: false,
        }
    }

    /// Takes the next octets of the header and appends those of chosen fields to `selected`. What follows the
    /// header is passed over.
    pub fn feed(&mut self, octets: &[u8], selected: &mut Vec<u8>) {
        self.with_sink(selected, |fields, sink| fields.feed(octets, sink));
    }

    /// The header has ended: appends the empty line.
    pub fn finish(mut self, selected: &mut Vec<u8>) {
        self.with_sink(selected, |fields, sink| fields.finish(sink));
        // A field that the end of the message cut off must not swallow the empty line.
        selected.extend_from_slice(if self.is_open { b"\r\n\r\n" } else { b"\r\n" });
    }

    fn with_sink(&mut self, selected: &mut Vec<u8>, run: impl FnOnce(&mut FieldStream, &mut Selection<'_>)) {
        let FieldSelector { fields, choice, names, is_chosen, is_open } = self;
        run(fields, &mut Selection { choice: *choice, names, is_chosen, is_open, selected });
    }
}

struct Selection<'a> {
    choice: FieldChoice,
    names: &'a [Vec<u8>],
    is_chosen: &'a mut bool,
    is_open: &'a mut bool,
    selected: &'a mut Vec<u8>,
}

impl FieldSink for Selection<'_> {
    fn start(&mut self, name: &[u8], _: usize) {
        let is_named = self.names.iter().any(|known| name.eq_ignore_ascii_case(known));
        *self.is_chosen = is_named == (self.choice == FieldChoice::Named);
    }

    fn octets(&mut self, octets: &[u8]) {
        if *self.is_chosen {
            self.selected.extend_from_slice(octets);
            *self.is_open = !octets.ends_with(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i31_no_match_is_the_empty_line_alone() {
        assert_eq!(select_fields(b"A: 1\r\n\r\n", FieldChoice::Named, &["nosuch"]), b"\r\n");
        assert_eq!(select_fields(b"", FieldChoice::NotNamed, &["nosuch"]), b"\r\n");
    }

    #[test]
    fn a_cut_changes_nothing_and_what_follows_the_header_is_passed_over() {
        let long = "x".repeat(5000);
        let octets = alloc::format!("From a b\r\nA: 1\r\n {long}\r\nB: {long}\nA:2\r\n\r\nA: no field\r\n");
        let octets = octets.as_bytes();
        for choice in [FieldChoice::Named, FieldChoice::NotNamed] {
            let whole = select_fields(octets, choice, &["a"]);
            for at in 0..octets.len() {
                let mut selected = Vec::new();
                let mut selector = FieldSelector::new(choice, &["a"]);
                selector.feed(&octets[..at], &mut selected);
                selector.feed(&octets[at..], &mut selected);
                selector.finish(&mut selected);
                assert!(selected == whole, "cut at {at}");
            }
        }
        let named = select_fields(octets, FieldChoice::Named, &["a"]);
        assert_eq!(named, alloc::format!("A: 1\r\n {long}\r\nA:2\r\n\r\n").as_bytes());
    }

    #[test]
    fn names_match_whole() {
        let header = b"Subject: 1\r\nSubject-X: 2\r\nSub: 3\r\n\r\n";
        assert_eq!(select_fields(header, FieldChoice::Named, &["SUBJECT"]), b"Subject: 1\r\n\r\n");
    }

    #[test]
    fn repeated_fields_keep_their_order() {
        let header = b"R: 1\r\nA: x\r\nr: 2\r\n\r\n";
        assert_eq!(select_fields(header, FieldChoice::Named, &["a", "R"]), b"R: 1\r\nA: x\r\nr: 2\r\n\r\n");
        assert_eq!(select_fields(header, FieldChoice::NotNamed, &["R"]), b"A: x\r\n\r\n");
    }

    #[test]
    fn a_field_cut_off_by_the_end_still_gets_its_line_end() {
        assert_eq!(select_fields(b"A: 1", FieldChoice::Named, &["A"]), b"A: 1\r\n\r\n");
    }
}

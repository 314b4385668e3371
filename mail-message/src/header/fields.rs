//! [`Fields`]: the fields of a header, one after the other, as they lie.

use core::ops::Range;

use super::{LineKind, classify, unfold};
use bytes::Bytes;

/// One header field, borrowed from the octets it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    raw: &'a [u8],
    start: usize,
    name_bytes: usize,
    value_at: usize,
}

impl<'a> Field<'a> {
    /// The name, as spelled.
    pub fn name(&self) -> &'a [u8] {
        &self.raw[..self.name_bytes]
    }

    /// Whether the name is `name`, in any case.
    pub fn is_named(&self, name: &[u8]) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// All octets of the field: name, colon, value, folding, final line end.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Everything behind the colon but the final line end, folding included.
    pub fn value(&self) -> &'a [u8] {
        let value = &self.raw[self.value_at..];
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }

    /// The value on one line, without the white space around it; see [`unfold`].
    pub fn unfolded(&self) -> Bytes {
        unfold(self.value())
    }

    /// Where the field lies in the octets that [`Fields::new`] was given.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }
}

/// Iterates over the fields of a header and stops where the header ends (see [the module](super)).
///
/// ```
/// use mail_message::header::Fields;
///
/// let message = b"Subject: a\r\n folded line\r\nTo: b\r\n\r\nBody: not a field\r\n";
/// let names: Vec<_> = Fields::new(message).map(|field| field.name()).collect();
/// assert_eq!(names, [&b"Subject"[..], b"To"]);
///
/// let subject = Fields::new(message).find(|field| field.is_named(b"SUBJECT")).unwrap();
/// assert_eq!(subject.value(), b" a\r\n folded line");
/// assert_eq!(&subject.unfolded()[..], b"a folded line");
/// ```
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Reads the header at the start of `octets`; what follows it is not looked at.
    pub fn new(octets: &'a [u8]) -> Fields<'a> {
        let first = line_at(octets, 0);
        let at = if classify(first) == LineKind::MboxFrom { first.len() } else { 0 };
        Fields { octets, at }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let line = line_at(self.octets, start);
        let LineKind::Field { name_bytes, value_at } = classify(line) else { return None };
        self.at += line.len();
        loop {
            let line = line_at(self.octets, self.at);
            if classify(line) != LineKind::Continuation {
                break;
            }
            self.at += line.len();
        }
        Some(Field { raw: &self.octets[start..self.at], start, name_bytes, value_at })
    }
}

/// Octets of the header at the start of `message`, the empty line included: where the body begins.
///
/// ```
/// use mail_message::header::header_len;
///
/// assert_eq!(header_len(b"A: b\r\n\r\nbody"), 8);
/// assert_eq!(header_len(b"A: b\r\nnot a field\r\n"), 6);
/// assert_eq!(header_len(b"A: b\r\n"), 6);
/// ```
pub fn header_len(message: &[u8]) -> usize {
    let mut fields = Fields::new(message);
    fields.by_ref().for_each(drop);
    let line = line_at(message, fields.at);
    if classify(line) == LineKind::Blank { fields.at + line.len() } else { fields.at }
}

/// The line that starts at `at`, with its line end; empty at the end of the octets.
fn line_at(octets: &[u8], at: usize) -> &[u8] {
    let rest = &octets[at..];
    memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn names(octets: &[u8]) -> Vec<&[u8]> {
        Fields::new(octets).map(|field| field.name()).collect()
    }

    #[test]
    fn a_header_without_an_empty_line_ends_at_the_first_stray_line() {
        let message = b"A: 1\r\nstray\r\nB: 2\r\n\r\nbody";
        assert_eq!(names(message), [b"A"]);
        assert_eq!(header_len(message), 6);
    }

    #[test]
    fn a_message_may_be_all_header_or_all_body() {
        assert_eq!(header_len(b""), 0);
        assert_eq!(header_len(b"A: 1"), 4);
        assert_eq!(names(b"A: 1"), [b"A"]);
        assert_eq!(header_len(b"hello\r\n"), 0);
        assert_eq!(header_len(b"\r\nhello\r\n"), 2);
        assert_eq!(header_len(b" hello\r\nA: 1\r\n"), 0);
    }

    #[test]
    fn bare_lf_ends_lines_and_the_header() {
        let message = b"A: 1\nB: 2\n 3\n\nbody\n";
        assert_eq!(names(message), [b"A", b"B"]);
        assert_eq!(header_len(message), 14);
    }

    #[test]
    fn an_mbox_line_is_skipped_first_and_only_first() {
        assert_eq!(names(b"From a b\r\nA: 1\r\n\r\n"), [b"A"]);
        assert_eq!(header_len(b"From a b\r\nA: 1\r\n\r\nx"), 18);
        assert_eq!(names(b"A: 1\r\nFrom a b\r\nB: 2\r\n\r\n"), [b"A"]);
        assert_eq!(header_len(b"A: 1\r\nFrom a b\r\nB: 2\r\n\r\n"), 6);
    }

    #[test]
    fn a_line_of_white_space_is_folding_and_no_end() {
        let message = b"A: 1\r\n \r\nB: 2\r\n\r\nbody";
        assert_eq!(names(message), [b"A", b"B"]);
        assert_eq!(Fields::new(message).next().unwrap().raw(), b"A: 1\r\n \r\n");
    }

    #[test]
    fn the_fields_and_the_end_tile_the_header() {
        let message = b"A: 1\r\nB:\r\n\t2\r\nA : 3\r\n\r\nbody";
        let mut at = 0;
        for field in Fields::new(message) {
            assert_eq!(field.range().start, at);
            assert_eq!(&message[field.range()], field.raw());
            at = field.range().end;
        }
        assert_eq!(at + 2, header_len(message));
    }
}

//! HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header, as they lie.
//!
//! RFC 3501 §6.4.5: whole names, in any case; order and folding stay; the empty line follows, whether or not a
//! field matched.
//!
//! # Departures
//! The empty line is also sent for a header that has none, because the RFC makes an exception only for a
//! message without body and without empty line in HEADER itself, and clients read up to that line.

use alloc::vec::Vec;

use super::Fields;

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
    for field in Fields::new(header) {
        let named = names.iter().any(|name| field.is_named(name.as_ref()));
        if named == (choice == FieldChoice::Named) {
            selected.extend_from_slice(field.raw());
            // A field that the end of the message cut off must not swallow the empty line.
            if !selected.ends_with(b"\n") {
                selected.extend_from_slice(b"\r\n");
            }
        }
    }
    selected.extend_from_slice(b"\r\n");
    selected
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

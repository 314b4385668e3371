//! A header field that an application adds to a message, and the whole block that stands before one.
//!
//! RFC 5322 sections 2.1.1 (line lengths), 2.2 (names and bodies) and 2.2.3 (folding).
//!
//! # Limits
//! A name has at most [`NAME_OCTETS_MAX`] octets, a line 998. How much may be added to one message is
//! [`Limits::added_octets_max`](super::Limits::added_octets_max).
//!
//! # Departures
//! ASCII only: RFC 6532 would let UTF-8 into the header of an internationalised message, but a field is made without
//! knowing its message.

use alloc::string::String;
use core::fmt;

/// The longest name of a [`HeaderField`], in octets: name, colon and space fit on one line.
pub const NAME_OCTETS_MAX: usize = LINE_OCTETS_WISHED - 2;

/// RFC 5322 section 2.1.1: a line should have no more, its CR LF not counted.
pub(super) const LINE_OCTETS_WISHED: usize = 78;

/// RFC 5322 section 2.1.1: a line must have no more, its CR LF not counted.
const LINE_OCTETS_MAX: usize = 998;

/// Why something is no header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The name is empty, too long, or holds something else than printable ASCII without the colon.
    #[error("not the name of a header field")]
    Name,
    /// The body is empty, holds a control character or an octet over 127, or a CR LF that does not fold: one without
    /// white space behind it, or with nothing but white space on its line.
    #[error("not the body of a header field")]
    Body,
    /// The body holds a word that makes a line longer than 998 octets, so that it cannot be folded.
    #[error("a line is too long and cannot be folded")]
    LineTooLong,
}

/// A header field that can stand in a message as it is.
///
/// ```
/// use smtp_proto::server::HeaderField;
///
/// let field = HeaderField::new("Received-SPF", "pass (mx.example.test: domain designates 192.0.2.7)")?;
/// assert_eq!(field.name(), "Received-SPF");
/// assert!(field.as_str().ends_with("\r\n"));
/// assert!(HeaderField::new("X-Note", "two\r\nlines").is_err());
/// # Ok::<(), smtp_proto::server::HeaderFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderField {
    text: String,
    name_octets: usize,
}

impl HeaderField {
    /// A field from its name and its body. A body that is folded already (CR LF and white space) keeps its folds;
    /// lines that are still longer than 78 octets are folded before white space, and unfolding gives the body back.
    ///
    /// # Errors
    /// [`HeaderFault`] names the part that cannot stand in a header.
    pub fn new(name: &str, body: &str) -> Result<Self, HeaderFault> {
        let in_name = |b: u8| b.is_ascii_graphic() && b != b':';
        if !matches!(name.len(), 1..=NAME_OCTETS_MAX) || !name.bytes().all(in_name) {
            return Err(HeaderFault::Name);
        }
        let mut text = String::with_capacity(name.len() + body.len() + ": \r\n".len());
        text.push_str(name);
        text.push_str(": ");
        let mut line_octets = text.len();
        for (n, line) in body.trim_matches(BLANK).split("\r\n").enumerate() {
            if !line.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) || line.trim_matches(BLANK).is_empty()
            {
                return Err(HeaderFault::Body);
            }
            if n > 0 {
                if !line.starts_with(BLANK) {
                    return Err(HeaderFault::Body);
                }
                text.push_str("\r\n");
                line_octets = 0;
            }
            fold(&mut text, line_octets, line)?;
        }
        text.push_str("\r\n");
        Ok(Self { text, name_octets: name.len() })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.text[..self.name_octets]
    }

    /// The field as it stands in a message, folded, with its last CR LF.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Appends a line, broken before white space where it would get longer than is wished.
fn fold(text: &mut String, mut octets: usize, line: &str) -> Result<(), HeaderFault> {
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.find(|c| !BLANK.contains(&c)).unwrap_or(rest.len());
        let end = rest[word..].find(BLANK).map_or(rest.len(), |end| word + end);
        let (piece, after) = rest.split_at(end);
        // A line of white space alone would be no fold, so a line keeps at least one word.
        if word > 0 && rest.len() < line.len() && octets + piece.len() > LINE_OCTETS_WISHED && end > word {
            text.push_str("\r\n");
            octets = 0;
        }
        octets += piece.len();
        if octets > LINE_OCTETS_MAX {
            return Err(HeaderFault::LineTooLong);
        }
        text.push_str(piece);
        rest = after;
    }
    Ok(())
}

const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_no_header_field_cannot_be_one() {
        for name in ["", "a b", "a:b", "a\r\nb", "\u{e9}", "a\0", &"x".repeat(77)] {
            assert_eq!(HeaderField::new(name, "x"), Err(HeaderFault::Name), "{name:?}");
        }
        for body in [
            "",
            " ",
            "a\r\nb",
            "a\nb",
            "a\n b",
            "a\rb",
            "a\r\n \r\n b",
            "a\r\n ",
            "a\0",
            "\u{e9}",
            "a\x7f",
            "\r\n a",
            "a\r\n\r\n b",
        ] {
            assert_eq!(HeaderField::new("X", body), Err(HeaderFault::Body), "{body:?}");
        }
        assert_eq!(HeaderField::new("X", &"x".repeat(996)), Err(HeaderFault::LineTooLong));
        assert_eq!(
            HeaderField::new("X", &("a ".to_string() + &"x".repeat(998))),
            Err(HeaderFault::LineTooLong)
        );
    }

    #[test]
    fn folded_where_it_is_too_long_and_unfolded_the_same() {
        for body in
            ["x", "a  b\tc", &"word ".repeat(60), &("x".repeat(995)), &("a ".to_string() + &"x".repeat(997))]
        {
            let body = body.trim_end();
            let field = HeaderField::new("X", body).unwrap();
            assert_eq!(field.as_str().replace("\r\n", ""), ["X: ", body].concat());
            for line in field.as_str().split_terminator("\r\n") {
                let words = line.split_ascii_whitespace().count();
                assert!(line.len() <= 998 && !line.trim().is_empty(), "{line:?}");
                assert!(line.len() <= 78 || words <= 2, "{line:?}");
            }
        }
        let folded = HeaderField::new("A-R", "mx.t;\r\n\tspf=pass\r\n\tdkim=none").unwrap();
        assert_eq!(folded.to_string(), "A-R: mx.t;\r\n\tspf=pass\r\n\tdkim=none\r\n");
        assert_eq!(folded.name(), "A-R");
    }
}

//! `unitext`: UTF-8, or printable ASCII with `\x{HEX}` for everything else.
//!
//! RFC 6533 section 3; used by the ORCPT parameter of RCPT for addresses of the type `utf-8`.

use alloc::string::String;
use core::fmt::{self, Write};

/// Decodes any of the three forms; `None` when it is malformed.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\x{") {
            let (digits, after) = after.split_once('}')?;
            let upper = |b: u8| b.is_ascii_digit() || matches!(b, b'A'..=b'F');
            if !(matches!(digits.len(), 2..=6) && digits.bytes().all(upper)) {
                return None;
            }
            decoded.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            rest = after;
        } else if is_plain(c) {
            decoded.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            return None;
        }
    }
    Some(decoded)
}

/// Writes text in the form for ASCII only, or with `utf8` the one in which other characters stand for themselves.
pub(crate) fn write(f: &mut impl Write, text: &str, utf8: bool) -> fmt::Result {
    for c in text.chars() {
        if is_plain(c) && (utf8 || c.is_ascii()) {
            f.write_char(c)?;
        } else {
            write!(f, "\\x{{{:02X}}}", u32::from(c))?;
        }
    }
    Ok(())
}

/// How many octets [`write`] takes with `utf8`.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.chars().map(|c| if is_plain(c) { c.len_utf8() } else { "\\x{00}".len() }).sum()
}

/// RFC 6533 section 3: QUCHAR.
fn is_plain(c: char) -> bool {
    !c.is_ascii() || (c.is_ascii_graphic() && !matches!(c, '\\' | '+' | '='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, utf8: bool) -> String {
        let mut out = String::new();
        write(&mut out, text, utf8).unwrap();
        out
    }

    #[test]
    fn known_answers() {
        for (text, ascii, utf8) in [
            ("a@b", "a@b", "a@b"),
            ("\u{7528}@x", "\\x{7528}@x", "\u{7528}@x"),
            ("a b+c=d\\e", "a\\x{20}b\\x{2B}c\\x{3D}d\\x{5C}e", "a\\x{20}b\\x{2B}c\\x{3D}d\\x{5C}e"),
            ("\u{1f600}", "\\x{1F600}", "\u{1f600}"),
            ("\u{e9}", "\\x{E9}", "\u{e9}"),
        ] {
            assert_eq!(written(text, false), ascii);
            assert_eq!(written(text, true), utf8);
            assert_eq!(decode(ascii).as_deref(), Some(text));
            assert_eq!(decode(utf8).as_deref(), Some(text));
            assert_eq!(encoded_len(text), utf8.len());
        }
    }

    #[test]
    fn malformed() {
        for bad in ["a b", "a+2B", "a=b", "\\", "\\x", "\\x{", "\\x{}", "\\x{E}", "\\x{e9}", "\\x{D800}"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        for bad in ["\\x{110000}", "\\x{0000E9}1", "\\x{00000E9}", "\\x{+E9}", "a\u{7f}"] {
            assert_ne!(decode(bad).as_deref(), Some("\u{e9}"), "{bad}");
        }
    }
}

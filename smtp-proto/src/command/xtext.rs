//! `xtext`: printable ASCII with `+` and two hexadecimal digits for everything else.
//!
//! RFC 3461 section 4; used by the AUTH parameter of MAIL (RFC 4954 section 5), ENVID and ORCPT.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

/// Decodes `xtext`; `None` when it is malformed or what it says is not UTF-8 without control characters.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.bytes().all(is_plain) {
        return Some(text.into());
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        octets.push(match b {
            b'+' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b if is_plain(b) => b,
            _ => return None,
        });
    }
    let text = String::from_utf8(octets).ok()?;
    (!text.chars().any(char::is_control)).then_some(text.into())
}

/// Text that `Display` writes as `xtext`.
pub(crate) struct Encoded<'a>(pub(crate) &'a str);

impl Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .bytes()
            .try_for_each(|b| if is_plain(b) { f.write_char(char::from(b)) } else { write!(f, "+{b:02X}") })
    }
}

/// How many octets [`Encoded`] writes.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.bytes().map(|b| if is_plain(b) { 1 } else { "+00".len() }).sum()
}

fn is_plain(octet: u8) -> bool {
    XCHAR[usize::from(octet)]
}

/// RFC 3461 section 4: `xchar`. A table, because it is asked about every octet of every value.
pub(crate) static XCHAR: [bool; 256] = {
    let (mut xchar, mut octet) = ([false; 256], b'!');
    while octet <= b'~' {
        xchar[octet as usize] = octet != b'+' && octet != b'=';
        octet += 1;
    }
    xchar
};

/// RFC 3461 section 4: the digits are upper case.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (text, encoded) in [("e=mc2@x", "e+3Dmc2@x"), ("+ \u{e9}", "+2B+20+C3+A9"), ("", "")] {
            assert_eq!(Encoded(text).to_string(), encoded);
            assert_eq!(encoded_len(text), encoded.len());
            assert_eq!(decode(encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn known_answers() {
        assert_eq!(decode("e+3Dmc2@example.com").as_deref(), Some("e=mc2@example.com"));
        assert_eq!(decode("+2B+20").as_deref(), Some("+ "));
        assert_eq!(decode("").as_deref(), Some(""));
        for bad in ["+", "+2", "+zz", "+2b", "a=b", "a b", "+0D", "\u{e9}", "+FF"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}

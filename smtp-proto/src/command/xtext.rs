//! `xtext`: printable ASCII with `+` and two hexadecimal digits for everything else.
//!
//! RFC 3461 section 4; used by the AUTH parameter of MAIL (RFC 4954 section 5).

use alloc::string::String;
use alloc::vec::Vec;

/// Decodes `xtext`; `None` when it is malformed or what it says is not UTF-8 without control characters.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        octets.push(match b {
            b'+' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'!'..=b'~' if b != b'=' => b,
            _ => return None,
        });
    }
    let text = String::from_utf8(octets).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

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

//! The attributes of XCLIENT and XFORWARD: `NAME=value`, one after the other.
//!
//! Both are extensions of Postfix, described with it. Names in any letter case, values in `xtext` (RFC 3461
//! section 4), or one of two words in brackets that say that there is no value.
//!
//! # Limits
//! A value has at most 255 octets as it is sent.

use super::xtext;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// This, decoded: not empty.
    Text(String),
    /// `[UNAVAILABLE]`: there is none.
    Unavailable,
    /// `[TEMPUNAVAIL]`: it could not be found out just now.
    Unknown,
}

impl Value {
    /// What `read` makes of the text; no text is no value. `None` when the text cannot be read, or there is none only
    /// for now, which NAME alone may say.
    pub(crate) fn read<T>(self, read: impl FnOnce(String) -> Option<T>) -> Option<Option<T>> {
        match self {
            Self::Text(text) => read(text).map(Some),
            Self::Unavailable => Some(None),
            Self::Unknown => None,
        }
    }
}

/// Reads all attributes, whose names are among `names`; `None` when there is none, or one is malformed, not among
/// them, or there twice.
pub(crate) fn attributes(arguments: &[u8], names: &[&'static str]) -> Option<Vec<(&'static str, Value)>> {
    let mut found: Vec<(&'static str, Value)> = Vec::new();
    for word in core::str::from_utf8(arguments).ok()?.split(' ').filter(|word| !word.is_empty()) {
        let (name, text) = word.split_once('=')?;
        let name = *names.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        if !matches!(text.len(), 1..=255) || found.iter().any(|(other, _)| *other == name) {
            return None;
        }
        let value = if text.eq_ignore_ascii_case("[UNAVAILABLE]") {
            Value::Unavailable
        } else if text.eq_ignore_ascii_case("[TEMPUNAVAIL]") {
            Value::Unknown
        } else {
            Value::Text(xtext::decode(text)?.into_owned())
        };
        found.push((name, value));
    }
    (!found.is_empty()).then_some(found)
}

/// An address: IPv4, or `IPV6:` and IPv6.
pub(crate) fn address(text: String) -> Option<IpAddr> {
    match text.split_at_checked("IPV6:".len()) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPV6:") => v6.parse().ok().map(IpAddr::V6),
        _ => text.parse().ok().map(IpAddr::V4),
    }
}

/// A port: decimal, without sign.
pub(crate) fn port(text: String) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Printable ASCII without spaces, at most `octets_max` of it.
pub(crate) fn word(text: String, octets_max: usize) -> Option<String> {
    (text.len() <= octets_max && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_what_is_not() {
        let names = &["NAME", "ADDR"];
        let read = attributes(b"name=a+2Bb  ADDR=[unavailable]", names);
        assert_eq!(read, Some([("NAME", Value::Text("a+b".into())), ("ADDR", Value::Unavailable)].into()));
        assert_eq!(attributes(b"NAME=[TempUnavail]", names), Some([("NAME", Value::Unknown)].into()));
        for bad in
            ["", " ", "NAME", "NAME=", "NAME=+2", "NAME=a=b", "NAME=+0D+0A", "HELO=x", "NAME=a NAME=b", "=x"]
        {
            assert_eq!(attributes(bad.as_bytes(), names), None, "{bad}");
        }
        assert_eq!(attributes(&[b"NAME=".as_slice(), &[b'x'; 256]].concat(), names), None);
        assert_eq!(attributes(b"NAME=\xff", names), None);
    }

    #[test]
    fn addresses_and_ports() {
        assert_eq!(address("ipv6:::1".into()), "::1".parse().ok());
        assert_eq!(address("192.0.2.1".into()), "192.0.2.1".parse().ok());
        for bad in ["::1", "IPV6:192.0.2.1", "[192.0.2.1]", "x", "IPV6:"] {
            assert_eq!(address(bad.into()), None, "{bad}");
        }
        assert_eq!(port("65535".into()), Some(65535));
        for bad in ["65536", "+1", "-1", "x"] {
            assert_eq!(port(bad.into()), None, "{bad}");
        }
    }
}

//! XFORWARD: a proxy tells the server behind it about the client before it.
//!
//! An extension of Postfix, described with it: `XFORWARD` and attributes, each a name, `=` and `xtext` (RFC 3461
//! section 4) or `[UNAVAILABLE]`. The server names in its reply to EHLO the attributes that it takes; others are not
//! sent.
//!
//! # Limits
//! A value that is empty or has more than 255 octets as `xtext` is sent as `[UNAVAILABLE]`. What does not fit one
//! command line of 512 octets is sent in several.

use crate::command::xtext;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

/// What XFORWARD tells. `None` is sent as `[UNAVAILABLE]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Xforward {
    /// NAME: the client's host name, verified.
    pub name: Option<String>,
    /// ADDR: the client's address.
    pub address: Option<IpAddr>,
    /// PORT: the client's port.
    pub port: Option<u16>,
    /// PROTO: `SMTP`, `ESMTP`, or what else the message came by.
    pub protocol: Option<String>,
    /// HELO: the name that the client gave itself.
    pub hello: Option<String>,
    /// IDENT: the queue id, there.
    pub ident: Option<String>,
    /// SOURCE: where the message came from, as seen from there.
    pub source: Option<XforwardSource>,
}

/// The SOURCE attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XforwardSource {
    /// The host itself, or one that it trusts.
    Local,
    /// Any other.
    Remote,
}

/// Which attributes a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XforwardNames(u8);

impl XforwardNames {
    pub(crate) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let place = |word: &str| NAMES.iter().position(|name| name.eq_ignore_ascii_case(word));
        Self(words.filter_map(place).fold(0, |names, place| names | 1 << place))
    }

    /// Whether it takes none: XFORWARD is not offered.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it takes the attribute of this name, in upper case.
    pub fn contains(self, name: &str) -> bool {
        NAMES.iter().position(|other| *other == name).is_some_and(|place| self.0 & 1 << place != 0)
    }
}

impl Xforward {
    /// The command lines, without CR LF.
    pub(crate) fn lines(&self, names: XforwardNames) -> Vec<String> {
        let values = [
            self.name.clone(),
            self.address.map(|address| match address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => ["IPV6:", &address.to_string()].concat(),
            }),
            self.port.map(|port| port.to_string()),
            self.protocol.clone(),
            self.hello.clone(),
            self.ident.clone(),
            self.source.map(|source| match source {
                XforwardSource::Local => "LOCAL".into(),
                XforwardSource::Remote => "REMOTE".into(),
            }),
        ];
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in NAMES.into_iter().zip(values).filter(|(name, _)| names.contains(name)) {
            let value = value
                .map(|value| xtext::Encoded(&value).to_string())
                .filter(|value| matches!(value.len(), 1..=VALUE_BYTES_MAX))
                .unwrap_or_else(|| UNAVAILABLE.into());
            let attribute = [" ", name, "=", &value].concat();
            match lines.last_mut().filter(|line| line.len() + attribute.len() <= LINE_BYTES_MAX) {
                Some(line) => line.push_str(&attribute),
                None => lines.push(["XFORWARD", &attribute].concat()),
            }
        }
        lines
    }
}

const NAMES: [&str; 7] = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"];
const UNAVAILABLE: &str = "[UNAVAILABLE]";
const VALUE_BYTES_MAX: usize = 255;

/// RFC 5321 section 4.5.3.1.4, without CR LF.
const LINE_BYTES_MAX: usize = 510;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_does_not_take_is_not_sent() {
        let names = XforwardNames::parse("name ADDR HELO XYZ".split(' '));
        let client = Xforward {
            name: Some("a b\r\nQUIT".into()),
            address: Some("2001:db8::1".parse().unwrap()),
            port: Some(25),
            ..Xforward::default()
        };
        let expected = "XFORWARD NAME=a+20b+0D+0AQUIT ADDR=IPV6:2001:db8::1 HELO=[UNAVAILABLE]";
        assert_eq!(client.lines(names), [expected]);
        assert!(client.lines(XforwardNames::default()).is_empty());
        assert!(names.contains("ADDR") && !names.contains("PORT") && !names.is_empty());
    }

    #[test]
    fn no_line_is_too_long() {
        let names = XforwardNames::parse(NAMES.into_iter());
        let long = Some("x".repeat(250));
        let client = Xforward {
            name: long.clone(),
            hello: long.clone(),
            ident: long,
            protocol: Some("+".repeat(255)),
            source: Some(XforwardSource::Local),
            ..Xforward::default()
        };
        let lines = client.lines(names);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert!(lines.concat().contains("PROTO=[UNAVAILABLE]"));
        assert!(lines.concat().ends_with(" SOURCE=LOCAL"));
    }
}

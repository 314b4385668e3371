//! What a server said it can do.
//!
//! RFC 5321 section 4.1.1.1. What was said before TLS is forgotten when TLS begins (RFC 3207 section 4.2).

use alloc::vec::Vec;
use proto_core::sasl::Mechanism;

/// The capabilities of a server that we make use of; none after HELO.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870); zero when it named no limit.
    pub size_max: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// The mechanisms of AUTH (RFC 4954) that we know.
    pub mechanisms: Vec<Mechanism>,
}

impl ServerCapabilities {
    /// Reads the text of a reply to EHLO: its lines but the first, each a keyword and its parameters.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.split('\n').skip(1) {
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or_default();
            let is = |name: &str| keyword.eq_ignore_ascii_case(name);
            found.pipelining |= is("PIPELINING");
            found.eight_bit_mime |= is("8BITMIME");
            found.starttls |= is("STARTTLS");
            if is("SIZE") {
                found.size_max = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0));
            } else if is("AUTH") {
                // Twice in servers that also serve clients of an old draft: `AUTH=LOGIN`.
                for mechanism in words.filter_map(|word| Mechanism::from_name(word.as_bytes())) {
                    if !found.mechanisms.contains(&mechanism) {
                        found.mechanisms.push(mechanism);
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_in_any_case() {
        let text = "PIPELINING is our name\nsize 1000\npipelining\nAUTH LOGIN X-OWN PLAIN\nAUTH=LOGIN\nXFOO";
        let expected = ServerCapabilities {
            pipelining: true,
            size_max: Some(1000),
            mechanisms: [Mechanism::Login, Mechanism::Plain].into(),
            ..Default::default()
        };
        assert_eq!(ServerCapabilities::parse(text), expected);
        assert_eq!(ServerCapabilities::parse("PIPELINING"), ServerCapabilities::default());
        assert_eq!(ServerCapabilities::parse("x\nSIZE").size_max, Some(0));
    }
}

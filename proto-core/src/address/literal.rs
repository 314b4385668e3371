//! Address literals, RFC 5321 section 4.1.3.
//!
//! The grammar is that of the RFC and not that of the standard library's parsers: numbers of an IPv4 address may have
//! leading zeros and are decimal, and `::` stands for two groups of zeros or more.

use super::{AddressError, Domain};
use core::fmt::{self, Display};
use core::net::{Ipv4Addr, Ipv6Addr};
use smol_str::SmolStr;

/// `tag:text`, a literal of a kind that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GeneralLiteral(SmolStr);

impl GeneralLiteral {
    /// The tag, as it was written; its case has no meaning.
    pub fn tag(&self) -> &str {
        self.parts().0
    }

    /// What follows the tag and its colon.
    pub fn text(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').expect("invariant: no literal of this kind is without a colon")
    }
}

impl Display for GeneralLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many octets a literal takes, with its brackets, the first of which is there.
pub(super) fn scan(input: &[u8]) -> Result<usize, AddressError> {
    let end = memchr::memchr(b']', input).ok_or(AddressError::Literal)?;
    let text = core::str::from_utf8(&input[1..end]).map_err(|_| AddressError::Literal)?;
    let octets = end + 1;
    if octets > Domain::OCTETS_MAX {
        return Err(AddressError::DomainTooLong);
    }
    parse(text).map(|_| octets).ok_or(AddressError::Literal)
}

/// What stands between the brackets.
pub(super) fn parse(text: &str) -> Option<Domain> {
    match text.split_once(':') {
        None => ipv4(text).map(Domain::Ipv4),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => ipv6(address).map(Domain::Ipv6),
        Some((tag, rest)) => is_general(tag, rest).then(|| Domain::General(GeneralLiteral(text.into()))),
    }
}

fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut numbers = text.split('.');
    for octet in &mut octets {
        let number = numbers.next()?;
        if !(1..=3).contains(&number.len()) || !number.bytes().all(|o| o.is_ascii_digit()) {
            return None;
        }
        *octet = number.parse().ok()?;
    }
    numbers.next().is_none().then(|| octets.into())
}

fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let (head, tail) = match text.split_once("::") {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let mut groups = [0u16; 8];
    let before = groups_of(head, tail.is_none(), &mut groups)?;
    let Some(tail) = tail else {
        return (before == groups.len()).then(|| groups.into());
    };
    let mut last = [0u16; 8];
    let after = groups_of(tail, true, &mut last)?;
    if before + after > groups.len() - 2 {
        return None;
    }
    groups[8 - after..].copy_from_slice(&last[..after]);
    Some(groups.into())
}

/// Reads groups of an IPv6 address, the last of which may be an IPv4 address; returns how many.
fn groups_of(text: &str, may_end_in_ipv4: bool, groups: &mut [u16; 8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    let mut parts = text.split(':').peekable();
    while let Some(part) = parts.next() {
        if may_end_in_ipv4 && parts.peek().is_none() && part.contains('.') {
            let [a, b, c, d] = ipv4(part)?.octets();
            *groups.get_mut(count)? = u16::from_be_bytes([a, b]);
            *groups.get_mut(count + 1)? = u16::from_be_bytes([c, d]);
            return Some(count + 2);
        }
        if !(1..=4).contains(&part.len()) || !part.bytes().all(|o| o.is_ascii_hexdigit()) {
            return None;
        }
        *groups.get_mut(count)? = u16::from_str_radix(part, 16).ok()?;
        count += 1;
    }
    Some(count)
}

fn is_general(tag: &str, text: &str) -> bool {
    let good_tag = tag.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-')
        && tag.ends_with(|c: char| c.is_ascii_alphanumeric());
    good_tag && !text.is_empty() && text.bytes().all(|o| matches!(o, b'!'..=b'Z' | b'^'..=b'~'))
}

//! Version 1: one line of text (proxy-protocol.txt section 2.1).

use super::{ProxyFault, ProxyHeader};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// The longest line of version 1 with its CR LF, in octets (section 2.1, worst case).
pub const LINE_OCTETS_MAX: usize = 107;

/// The shortest line there is.
pub(super) const SHORTEST: &[u8] = b"PROXY UNKNOWN\r\n";

const SIGNATURE: &[u8] = b"PROXY ";
const TCP4: &[u8] = b"PROXY TCP4 ";
const TCP6: &[u8] = b"PROXY TCP6 ";

/// A line so far, its `P` first.
#[derive(Debug, Clone)]
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn new() -> Self {
        Self(Vec::from(*b"P"))
    }

    /// Takes one octet; what the line says when it was the last.
    pub(super) fn take(&mut self, octet: u8) -> Option<Result<ProxyHeader, ProxyFault>> {
        let at = self.0.len();
        let after_cr = self.0.last() == Some(&b'\r');
        self.0.push(octet);
        if SIGNATURE.get(at).is_some_and(|expected| *expected != octet) {
            return Some(Err(ProxyFault::NoHeader));
        }
        // Neither may stand alone, nor end the line alone.
        if after_cr != (octet == b'\n') {
            return Some(Err(ProxyFault::MalformedLine));
        }
        if after_cr {
            let line = &self.0[SIGNATURE.len()..self.0.len() - 2];
            return Some(understand(line).ok_or(ProxyFault::MalformedLine));
        }
        (self.0.len() == LINE_OCTETS_MAX).then_some(Err(ProxyFault::LineTooLong))
    }

    pub(super) fn octets_wanted(&self) -> usize {
        let shortest = if self.0.starts_with(TCP4) {
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".len()
        } else if self.0.starts_with(TCP6) {
            b"PROXY TCP6 :: :: 1 1\r\n".len()
        } else {
            SHORTEST.len()
        };
        let ending = if self.0.last() == Some(&b'\r') { 1 } else { 2 };
        shortest.saturating_sub(self.0.len()).max(ending)
    }
}

/// What stands between `PROXY ` and CR LF.
fn understand(line: &[u8]) -> Option<ProxyHeader> {
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(ProxyHeader::Unknown);
    }
    let line = core::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let address = match words.next()? {
        "TCP4" => |word: &str| Ipv4Addr::from_str(word).ok().map(IpAddr::V4),
        "TCP6" => |word: &str| Ipv6Addr::from_str(word).ok().map(IpAddr::V6),
        _ => return None,
    };
    let (source, destination) = (address(words.next()?)?, address(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(ProxyHeader::Tcp {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// Decimal digits without a leading zero.
fn port(word: &str) -> Option<u16> {
    let canonical = word.bytes().all(|b| b.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
    canonical.then(|| word.parse().ok())?
}

//! Lists of networks: `mynetworks`, the clients that are trusted by where they are, and whoever else is named so.
//!
//! An entry is an address, `network/length`, either with IPv6 in brackets or not, and `!` before it to exclude it. The
//! first entry that matches decides, so exclusions stand first. An IPv4 address mapped into IPv6 is the IPv4 address.

use crate::table;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An ordered list of networks: addresses and `network/length`, IPv6 with or without brackets, `!` before an entry to
/// exclude it. The first entry that matches decides. An IPv4 address mapped into IPv6 is the IPv4 address.
#[derive(Debug, Clone, Default)]
pub struct NetworkList(Vec<Entry>);

/// Why a list of networks is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct NetworkError {
    /// The entry.
    pub entry: String,
    /// What is wrong with it, and what is to be written instead.
    pub what: String,
}

#[derive(Debug, Clone)]
struct Entry {
    excluded: bool,
    network: IpNet,
}

impl NetworkList {
    /// Parses a list.
    ///
    /// # Errors
    /// [`NetworkError`] for an entry that is neither an address nor a network, has bits beyond its length, or is the
    /// whole world.
    pub fn new(entries: &[String]) -> Result<Self, NetworkError> {
        entries
            .iter()
            .map(|entry| parse(entry).map_err(|what| NetworkError { entry: entry.clone(), what }))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this client is in it.
    pub fn contains(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.0.iter().find(|entry| entry.network.contains(&client)).is_some_and(|entry| !entry.excluded)
    }
}

/// Addresses all over the internet, of IPv4 and of IPv6: one of each /8 that has hosts, and of each /12 that is given out. Who
/// trusts all of either trusts the whole world, in whatever way that is written.
pub(crate) fn all_over() -> [Vec<IpAddr>; 2] {
    let has_hosts = |first: &u8| !matches!(first, 10 | 127);
    let four = (1..=223).filter(has_hosts).map(|first| Ipv4Addr::new(first, 77, 133, 201).into());
    let six = [0x2001, 0x2400, 0x2600, 0x2610, 0x2620, 0x2630, 0x2800, 0x2a00, 0x2a10, 0x2c00];
    let six = six.map(|first| Ipv6Addr::new(first, 0x4d5a, 0x85c9, 1, 2, 3, 4, 5).into());
    [four.collect(), six.into()]
}

/// The first address of the network that a client is in, which so many bits tell from others. An IPv4 address in IPv6 is
/// that IPv4 address.
pub fn network_prefix(client: IpAddr, ipv4_bits: u8, ipv6_bits: u8) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(ipv4_bits.into()).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & !host).into()
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(ipv6_bits.into()).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

/// The same network where IPv4 addresses that are mapped into IPv6 are what they stand for (RFC 4291 section 2.5.5.2).
pub(crate) fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpAddr::V4(address) = network.addr().to_canonical() else { return network };
    let bits = network.prefix_len();
    let ipv4_bits = if network.addr().is_ipv6() { bits.checked_sub(MAPPED_BITS) } else { Some(bits) };
    ipv4_bits.and_then(|bits| IpNet::new(address.into(), bits).ok()).unwrap_or(network)
}

fn parse(written: &str) -> Result<Entry, String> {
    let (excluded, word) = match written.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let network = canonical(table::network(word)?);
    if network.prefix_len() == 0 && !excluded {
        return Err(format!("{written}: this is the whole world: write the networks that are meant"));
    }
    Ok(Entry { excluded, network })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> NetworkList {
        NetworkList::new(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_first_match_decides() {
        let list = list(&["!192.0.2.66", "192.0.2.0/24", "[2001:db8::]/32", "::1"]);
        for (client, is_in) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.9", true),
            ("192.0.2.66", false),
            ("::ffff:203.0.113.9", false),
            ("2001:db8::5", true),
            ("::1", true),
            ("::2", false),
        ] {
            assert_eq!(list.contains(client.parse().unwrap()), is_in, "{client}");
        }
    }

    #[test]
    fn entries_of_mapped_addresses_are_of_ipv4() {
        let list =
            list(&["!::ffff:192.0.2.66", "![::ffff:192.0.2.128]/121", "192.0.2.0/24", "::fffe:0:0/95"]);
        for (client, is_in) in
            [("192.0.2.66", false), ("::ffff:192.0.2.200", false), ("192.0.2.67", true), ("::fffe:1:1", true)]
        {
            assert_eq!(list.contains(client.parse().unwrap()), is_in, "{client}");
        }
    }

    #[test]
    fn what_would_surprise_is_refused() {
        for entry in [
            "192.0.2.1/24",
            "0.0.0.0/0",
            "::/0",
            "::ffff:0:0/96",
            "host.test",
            "1.2.3.4/33",
            "",
            "[[192.0.2.1",
            "[192.0.2.1]",
            "2001:db8::1]",
        ] {
            assert!(NetworkList::new(&[entry.to_string()]).is_err(), "{entry}");
        }
    }

    #[test]
    fn what_is_to_be_written_instead_is_said() {
        for (entry, words) in [
            ("10.1.2.3/8", "\"10.1.2.3/8\" has bits set behind the network's length: write 10.0.0.0/8"),
            ("![2001:db8::1]/32", "has bits set behind the network's length: write 2001:db8::/32"),
            ("0.0.0.0/0", "0.0.0.0/0: this is the whole world"),
            ("10.0.0.0/33", "\"10.0.0.0/33\" is no address and no network: write 192.0.2.1, 192.0.2.0/24"),
            ("10.0.0.0/255.0.0.0", "no network"),
            ("10.0.0.0/+8", "no network"),
            ("::/129", "no network"),
            ("localhost", "\"localhost\" is no address and no network: write 192.0.2.1"),
        ] {
            let error = NetworkList::new(&[entry.to_string()]).unwrap_err().to_string();
            assert!(error.contains(words), "{error:?} lacks {words:?}");
        }
    }
}

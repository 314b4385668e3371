//! [`Fullness`]: whose entries make room in a full table.
//!
//! First those of the net with most that wait beyond as many as have passed from it, and of nets that are alike in this, of the one
//! with the oldest entry. So a crowd that does not come again drives out itself, not who has shown that he does, however much mail
//! that one sends; and who floods from many networks beside each other is one crowd.

use super::Age;
use crate::network_prefix;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a network has in the table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Pairs that wait.
    pub(super) waiting: u64,
    /// How many have passed.
    pub(super) passed: u64,
    /// Of what would make room first; none where nothing is known of the network.
    pub(super) oldest: Option<Age>,
}

/// The networks of the table by the nets that they lie in.
#[derive(Debug)]
pub(super) struct Fullness {
    /// Bits of IPv4 and IPv6 addresses that tell nets from each other.
    prefix_bits: (u8, u8),
    nets: BTreeMap<IpAddr, Net>,
    /// The last one makes room.
    order: BTreeSet<Place>,
}

#[derive(Debug, Default)]
struct Net {
    waiting: u64,
    passed: u64,
    networks: BTreeSet<(Age, IpAddr)>,
}

/// How many wait beyond those that have passed, how old the oldest entry is, and which net it is.
type Place = (u64, Reverse<Age>, IpAddr);

impl Fullness {
    /// For networks of so many bits; nets are as large or larger.
    pub(super) fn new(ipv4_prefix_bits: u8, ipv6_prefix_bits: u8) -> Self {
        Self {
            prefix_bits: (ipv4_prefix_bits.min(24), ipv6_prefix_bits.min(48)),
            nets: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// A network has another share.
    pub(super) fn change(&mut self, network: IpAddr, before: Share, after: Share) {
        if before == after {
            return;
        }
        let (ipv4, ipv6) = self.prefix_bits;
        let address = network_prefix(network, ipv4, ipv6);
        let net = self.nets.entry(address).or_default();
        if let Some(place) = net.place(address) {
            self.order.remove(&place);
        }
        net.waiting = net.waiting - before.waiting + after.waiting;
        net.passed = net.passed - before.passed + after.passed;
        if let Some(oldest) = before.oldest {
            net.networks.remove(&(oldest, network));
        }
        net.networks.extend(after.oldest.map(|oldest| (oldest, network)));
        match net.place(address) {
            Some(place) => _ = self.order.insert(place),
            None => _ = self.nets.remove(&address),
        }
    }

    /// The network whose oldest entry makes room; none in an empty table.
    pub(super) fn fullest(&self) -> Option<IpAddr> {
        let (.., net) = self.order.last()?;
        self.nets.get(net)?.networks.first().map(|(_, network)| *network)
    }
}

impl Net {
    fn place(&self, address: IpAddr) -> Option<Place> {
        let (oldest, _) = self.networks.first()?;
        Some((self.waiting.saturating_sub(self.passed), Reverse(*oldest), address))
    }
}

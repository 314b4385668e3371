//! [`Nets`]: whose entry makes room in a full table of clients.
//!
//! The net with most of them does (/24 of IPv4, /48 of IPv6, of which one customer may have a whole one): who has many addresses
//! drives out himself, and keeps nobody else out.

use crate::network_prefix;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Bits of IPv4 and IPv6 addresses that tell nets from each other.
const PREFIX_BITS: (u8, u8) = (24, 48);

/// Clients by the nets that they lie in, each with what puts it in its place among those: the smallest goes first.
#[derive(Debug)]
pub(crate) struct Nets<K> {
    nets: BTreeMap<IpAddr, BTreeSet<(K, IpAddr)>>,
    /// How many clients a net has, what the first of them has, and its address; the last net makes room.
    order: BTreeSet<(usize, Reverse<K>, IpAddr)>,
}

impl<K> Default for Nets<K> {
    fn default() -> Self {
        Self { nets: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Nets<K> {
    /// Takes a client in.
    pub(crate) fn insert(&mut self, client: IpAddr, key: K) {
        self.change(client, |clients| _ = clients.insert((key, client)));
    }

    /// Takes a client out, which is there with this key.
    pub(crate) fn remove(&mut self, client: IpAddr, key: K) {
        self.change(client, |clients| _ = clients.remove(&(key, client)));
    }

    /// The client that makes room, if there is any.
    pub(crate) fn first(&self) -> Option<IpAddr> {
        let (.., net) = self.order.last()?;
        self.nets.get(net)?.first().map(|(_, client)| *client)
    }

    fn change(&mut self, client: IpAddr, change: impl FnOnce(&mut BTreeSet<(K, IpAddr)>)) {
        let (ipv4, ipv6) = PREFIX_BITS;
        let address = network_prefix(client, ipv4, ipv6);
        let place = |clients: &BTreeSet<(K, IpAddr)>| {
            clients.first().map(|(key, _)| (clients.len(), Reverse(*key), address))
        };
        let clients = self.nets.entry(address).or_default();
        if let Some(before) = place(clients) {
            self.order.remove(&before);
        }
        change(clients);
        match place(clients) {
            Some(after) => _ = self.order.insert(after),
            None => _ = self.nets.remove(&address),
        }
    }
}

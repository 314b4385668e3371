//! What the clients of one net may have of the lookups at a time.
//!
//! Clients choose many of the names that are looked up: those of their addresses, of greetings, of senders. One that chooses names
//! of servers which do not answer would hold up the lookups for everybody. So a net has no more under way than places are free: one
//! alone gets half of them, eight get a ninth each, and who comes then still finds a place. Of those that wait, who is of the net
//! with fewest under way is next.
//!
//! # Limits
//! [`LOOKUPS_MAX`] for all; more wait. A net is a /24 of IPv4 or a /48 of IPv6, which are as a rule one customer's. What is
//! remembered of it is gone with its last lookup.

use crate::wall::{Later, Records, Resolver};
use proto_core::Backend;
use relay_policy::{RecordKind, network_prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// As many as a [`Cached`](super::Cached) resolver looks up at a time, unless it is told otherwise.
const LOOKUPS_MAX: usize = 256;

/// Bits of IPv4 and IPv6 addresses that tell nets from each other.
const NET_BITS: (u8, u8) = (24, 48);

/// A resolver for all clients.
#[derive(Debug)]
pub(crate) struct Shares {
    resolver: Arc<dyn Resolver>,
    lookups: Mutex<Lookups>,
}

/// Those under way and those that wait.
#[derive(Debug, Default)]
struct Lookups {
    under_way: usize,
    /// The next to come.
    number: u64,
    nets: BTreeMap<IpAddr, Net>,
    /// The nets of which some wait: how many are under way of them, which is the first that waits.
    order: BTreeSet<(usize, u64, IpAddr)>,
}

/// Those of one net.
#[derive(Debug, Default)]
struct Net {
    under_way: usize,
    /// By their numbers, so the first has waited longest.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Net {
    fn place(&self, address: IpAddr) -> Option<(usize, u64, IpAddr)> {
        let (number, _) = self.waiting.first_key_value()?;
        Some((self.under_way, *number, address))
    }
}

impl Lookups {
    /// Changes what there is of a net.
    fn change<T>(&mut self, address: IpAddr, change: impl FnOnce(&mut Net) -> T) -> T {
        let net = self.nets.entry(address).or_default();
        if let Some(place) = net.place(address) {
            self.order.remove(&place);
        }
        let before = net.under_way;
        let changed = change(net);
        self.under_way = self.under_way - before + net.under_way;
        self.order.extend(net.place(address));
        if net.under_way == 0 && net.waiting.is_empty() {
            self.nets.remove(&address);
        }
        changed
    }

    /// Has those begin that may.
    fn begin(&mut self) {
        while let Some(&(under_way, number, address)) = self.order.first()
            && under_way < LOOKUPS_MAX - self.under_way
        {
            self.change(address, |net| {
                if let Some(waiting) = net.waiting.remove(&number) {
                    net.under_way += 1;
                    // Whoever has gone meanwhile gives its place back.
                    let _ = waiting.send(());
                }
            });
        }
    }
}

impl Shares {
    pub(crate) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, lookups: Mutex::default() }
    }

    /// The resolver as this client has it.
    pub(crate) fn of(&self, client: IpAddr) -> Share<'_> {
        let (ipv4, ipv6) = NET_BITS;
        Share { shares: self, net: network_prefix(client, ipv4, ipv6) }
    }

    fn lookups(&self) -> MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resolver for one client.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    shares: &'a Shares,
    net: IpAddr,
}

impl Resolver for Share<'_> {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        Box::pin(async move {
            let (_counted, begins) = Counted::new(self);
            // Its sender is kept until it has its turn.
            let _ = begins.await;
            self.shares.resolver.records(name, kind).await
        })
    }
}

/// A lookup that waits or is under way, until it is dropped.
struct Counted<'a> {
    share: &'a Share<'a>,
    number: u64,
}

impl<'a> Counted<'a> {
    /// One more, and what tells that it may begin.
    fn new(share: &'a Share<'a>) -> (Self, oneshot::Receiver<()>) {
        let (sender, begins) = oneshot::channel();
        let mut lookups = share.shares.lookups();
        let number = lookups.number;
        lookups.number += 1;
        lookups.change(share.net, |net| net.waiting.insert(number, sender));
        lookups.begin();
        (Self { share, number }, begins)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut lookups = self.share.shares.lookups();
        lookups.change(self.share.net, |net| {
            if net.waiting.remove(&self.number).is_none() {
                net.under_way -= 1;
            }
        });
        lookups.begin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Never answers, and counts who asks.
    #[derive(Debug, Default)]
    struct Silent(AtomicUsize);

    impl Resolver for Silent {
        fn records<'a>(&'a self, _: &'a str, _: RecordKind) -> Later<'a, Result<Records, Backend>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(pending())
        }
    }

    fn silent() -> (Arc<Silent>, Shares) {
        let silent = Arc::new(Silent::default());
        let shares = Shares::new(Arc::clone(&silent) as Arc<dyn Resolver>);
        (silent, shares)
    }

    type Lookup<'a> = Later<'a, Result<Records, Backend>>;

    fn lookup<'a>(share: &'a Share<'_>) -> Lookup<'a> {
        let mut lookup = share.records("x.test", RecordKind::A);
        assert!((&mut lookup).now_or_never().is_none());
        lookup
    }

    #[test]
    fn a_net_has_no_more_than_are_free() {
        let (silent, shares) = silent();
        let asked = || silent.0.load(Ordering::Relaxed);
        let [one, same, other] = ["2001:db8::1", "2001:db8:0:ffff::2", "2001:db8:1::1"]
            .map(|client| shares.of(client.parse().unwrap()));
        let mut lookups: Vec<_> =
            (0..LOOKUPS_MAX).map(|n| lookup(if n % 2 == 0 { &one } else { &same })).collect();
        assert_eq!(asked(), LOOKUPS_MAX / 2);
        let of_other = lookup(&other);
        assert_eq!(asked(), LOOKUPS_MAX / 2 + 1, "another is not held up");
        // One that ends makes room for one that waits; one that waits and goes does not.
        drop(lookups.pop());
        drop(lookups.remove(0));
        assert!(lookups.iter_mut().all(|lookup| lookup.now_or_never().is_none()));
        assert_eq!(asked(), LOOKUPS_MAX / 2 + 2);
        drop((lookups, of_other));
        let left = shares.lookups();
        assert!(left.nets.is_empty() && left.order.is_empty() && left.under_way == 0, "{left:?}");
    }

    #[test]
    fn many_nets_that_ask_silent_servers_hold_up_nobody_else() {
        let (silent, shares) = silent();
        let asked = || silent.0.load(Ordering::Relaxed);
        let crowd: Vec<_> = (0..100).map(|net| shares.of(IpAddr::from([192, 0, net, 1]))).collect();
        let lookups: Vec<_> = (0..50).flat_map(|_| &crowd).map(lookup).collect();
        assert!(asked() < LOOKUPS_MAX, "all places are taken");
        let before = asked();
        let newcomer = shares.of("198.51.100.1".parse().unwrap());
        let _first = lookup(&newcomer);
        assert_eq!(asked(), before + 1);
        drop(lookups);
    }

    #[test]
    fn who_has_least_is_next() {
        let (silent, shares) = silent();
        let asked = || silent.0.load(Ordering::Relaxed);
        let crowd: Vec<_> = (0..=255).map(|net| shares.of(IpAddr::from([192, 0, net, 1]))).collect();
        let mut first: Vec<_> = crowd.iter().map(lookup).collect();
        assert_eq!(asked(), LOOKUPS_MAX);
        let mut again: Vec<_> = crowd[..255].iter().map(lookup).collect();
        let newcomer = shares.of("198.51.100.1".parse().unwrap());
        let mut new = lookup(&newcomer);
        drop(first.pop());
        assert!((&mut new).now_or_never().is_none());
        assert_eq!(asked(), LOOKUPS_MAX + 1, "though it came last");
        assert!(again.iter_mut().all(|lookup| lookup.now_or_never().is_none()));
        assert_eq!(asked(), LOOKUPS_MAX + 1);
    }
}

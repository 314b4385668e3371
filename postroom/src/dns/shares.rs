//! What one client may have of the lookups at a time.
//!
//! Clients choose many of the names that are looked up, and one that chooses those of servers which do not answer would
//! otherwise hold up the lookups for everybody else.
//!
//! # Limits
//! [`CLIENT_LOOKUPS_MAX`]; more wait for those. What is remembered of a client is gone with its last lookup.

use crate::wall::{Later, Records, Resolver};
use proto_core::Backend;
use relay_policy::RecordKind;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// An eighth of what a [`Cached`](super::Cached) resolver looks up at a time, unless it is told otherwise.
const CLIENT_LOOKUPS_MAX: usize = 32;

/// A resolver for all clients.
#[derive(Debug)]
pub(crate) struct Shares {
    resolver: Arc<dyn Resolver>,
    clients: Mutex<BTreeMap<IpAddr, Lookups>>,
}

/// Those of one client, the ones that wait included.
#[derive(Debug)]
struct Lookups {
    count: usize,
    places: Arc<Semaphore>,
}

impl Shares {
    pub(crate) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, clients: Mutex::default() }
    }

    /// The resolver as this client has it. One with IPv6 has a whole /64 network to come from (RFC 4291 section 2.5.4).
    pub(crate) fn of(&self, client: IpAddr) -> Share<'_> {
        let client = match client.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            ipv4 => ipv4,
        };
        Share { shares: self, client }
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Lookups>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resolver for one client.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    shares: &'a Shares,
    client: IpAddr,
}

impl Resolver for Share<'_> {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        Box::pin(async move {
            let counted = Counted::new(self);
            // It is never closed.
            let _place = counted.places.acquire().await.ok();
            self.shares.resolver.records(name, kind).await
        })
    }
}

/// A lookup, until it is dropped.
struct Counted<'a> {
    share: &'a Share<'a>,
    places: Arc<Semaphore>,
}

impl<'a> Counted<'a> {
    fn new(share: &'a Share<'a>) -> Self {
        let mut clients = share.shares.clients();
        let none = || Lookups { count: 0, places: Arc::new(Semaphore::new(CLIENT_LOOKUPS_MAX)) };
        let lookups = clients.entry(share.client).or_insert_with(none);
        lookups.count += 1;
        Self { share, places: Arc::clone(&lookups.places) }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut clients = self.share.shares.clients();
        if let Some(lookups) = clients.get_mut(&self.share.client) {
            lookups.count -= 1;
            if lookups.count == 0 {
                clients.remove(&self.share.client);
            }
        }
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

    #[test]
    fn a_client_has_so_many_and_no_more() {
        let silent = Arc::new(Silent::default());
        let shares = Shares::new(Arc::clone(&silent) as Arc<dyn Resolver>);
        let asked = || silent.0.load(Ordering::Relaxed);
        let [one, same, other] = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"]
            .map(|client| shares.of(client.parse().unwrap()));
        let mut lookups: Vec<_> = (0..CLIENT_LOOKUPS_MAX + 5)
            .map(|n| if n % 2 == 0 { &one } else { &same }.records("x.test", RecordKind::A))
            .collect();
        for lookup in &mut lookups {
            assert!(lookup.now_or_never().is_none());
        }
        assert_eq!(asked(), CLIENT_LOOKUPS_MAX);
        let mut of_other = other.records("x.test", RecordKind::A);
        assert!((&mut of_other).now_or_never().is_none());
        assert_eq!(asked(), CLIENT_LOOKUPS_MAX + 1, "another is not held up");
        // One that ends makes room for one that waits.
        drop(lookups.remove(0));
        assert!(lookups.last_mut().unwrap().now_or_never().is_none());
        let waiting = lookups.len() - 5;
        assert!((&mut lookups[waiting]).now_or_never().is_none());
        assert_eq!(asked(), CLIENT_LOOKUPS_MAX + 2);
        drop((lookups, of_other));
        assert!(shares.clients().is_empty(), "nothing is left of those who are gone");
    }
}

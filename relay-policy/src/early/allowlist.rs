//! Who has passed which tests, and until when that is believed.
//!
//! # Limits
//! A full list forgets whom it need not know any more; if that makes no room, the network with most clients does (/24 of IPv4,
//! /48 of IPv6): its client that would have to be tested first is forgotten. So one network cannot keep others out, whose
//! clients would be told to come again each time.

use super::{EarlyTest, TESTS};
use crate::nets::Nets;
use proto_core::UnixTime;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// What is known of a client. `Display` and `FromStr` are a line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowEntry {
    /// The client.
    pub client: IpAddr,
    /// Until when each test, in the order of [`EarlyTest::ALL`], need not be made again; 0 where it was not passed.
    expires: [UnixTime; TESTS],
}

impl AllowEntry {
    /// Nothing is known yet.
    pub(super) fn new(client: IpAddr) -> Self {
        Self { client: client.to_canonical(), expires: [UnixTime(0); TESTS] }
    }

    /// Whether it has passed a test, as far as that is still believed.
    pub fn has_passed(&self, test: EarlyTest, now: UnixTime) -> bool {
        self.expires[test as usize] > now
    }

    pub(super) fn pass(&mut self, test: EarlyTest, until: UnixTime) {
        let expires = &mut self.expires[test as usize];
        *expires = until.max(*expires);
    }

    /// When the last of it has expired.
    fn last(&self) -> UnixTime {
        self.expires.into_iter().max().unwrap_or(UnixTime(0))
    }
}

impl Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)?;
        self.expires.iter().try_for_each(|expires| write!(f, " {}", expires.0))
    }
}

/// A line that is not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an address, and a time for each of {TESTS} tests")]
pub struct NoEntry;

impl FromStr for AllowEntry {
    type Err = NoEntry;

    fn from_str(line: &str) -> Result<Self, NoEntry> {
        let mut words = line.split_ascii_whitespace();
        let mut entry = Self::new(words.next().and_then(|word| word.parse().ok()).ok_or(NoEntry)?);
        for expires in &mut entry.expires {
            *expires = words.next().and_then(|word| word.parse().ok()).map(UnixTime).ok_or(NoEntry)?;
        }
        words.next().is_none().then_some(entry).ok_or(NoEntry)
    }
}

/// The clients that have passed (`postscreen_cache_map`).
#[derive(Debug)]
pub struct Allowlist {
    clients: BTreeMap<IpAddr, AllowEntry>,
    /// The clients once more, with when the last of their tests expires.
    nets: Nets<UnixTime>,
    clients_max: usize,
    /// Before this, a full list is not gone through.
    clean_at: UnixTime,
}

impl Default for Allowlist {
    /// 100,000 clients at most.
    fn default() -> Self {
        Self::new(100_000)
    }
}

/// A full list is gone through no more often than this.
const CLEAN_SECONDS: i64 = 60;

impl Allowlist {
    /// Nobody is known yet, and never more than so many.
    pub fn new(clients_max: usize) -> Self {
        Self { clients: BTreeMap::new(), nets: Nets::default(), clients_max, clean_at: UnixTime(i64::MIN) }
    }

    /// What is known of a client, if anything is.
    pub fn find(&self, client: IpAddr) -> Option<&AllowEntry> {
        self.clients.get(&client.to_canonical())
    }

    /// Takes what a test has brought, or an entry of an earlier run.
    pub fn remember(&mut self, entry: AllowEntry, retention: Duration, now: UnixTime) {
        self.take(entry.client);
        if self.clients.len() >= self.clients_max && now >= self.clean_at {
            self.clean_at = UnixTime(now.0.saturating_add(CLEAN_SECONDS));
            self.clean(retention, now);
        }
        while self.clients.len() >= self.clients_max
            && let Some(first) = self.nets.first()
        {
            self.take(first);
        }
        if self.clients.len() < self.clients_max {
            self.clients.insert(entry.client, entry);
            self.nets.insert(entry.client, entry.last());
        }
    }

    /// Forgets who has nothing left that is believed, and for so long has not
    /// (`postscreen_cache_retention_time`).
    pub fn clean(&mut self, retention: Duration, now: UnixTime) {
        let retention = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
        let is_over = |entry: &&AllowEntry| entry.last().0.saturating_add(retention) <= now.0;
        let over: Vec<IpAddr> = self.clients.values().filter(is_over).map(|entry| entry.client).collect();
        over.into_iter().for_each(|client| self.take(client));
    }

    /// Takes a client out, if it is there.
    fn take(&mut self, client: IpAddr) {
        if let Some(entry) = self.clients.remove(&client) {
            self.nets.remove(client, entry.last());
        }
    }

    /// All who are known, by their addresses.
    pub fn entries(&self) -> impl Iterator<Item = &AllowEntry> {
        self.clients.values()
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

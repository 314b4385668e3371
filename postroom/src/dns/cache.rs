//! A resolver with a memory.
//!
//! An answer is kept for as long as its records hold, that there are none for as long as the zone says (RFC 2308), and a
//! failure for a moment, so that a server in trouble is not asked by each session anew (RFC 9520). Who asks what is just
//! being looked up waits for that one lookup. When everybody has lost interest, one that has begun goes on, since the next one
//! may be glad of it, until others wait for its place; one that has not begun is given up.
//!
//! # Limits
//! [`CacheLimits`]: entries and octets, beyond which those go that nobody has asked for the longest; lookups at a time,
//! beyond which others wait; the time that one takes, the waiting included; how many may wait, beyond which they fail at once.
//!
//! # Departures
//! RFC 2308 lets a negative answer be kept as long as its SOA says; nothing is kept longer than
//! [`ttl_max`](CacheLimits::ttl_max) here.

use super::normal;
use crate::wall::{Later, Records, Resolver};
use proto_core::Backend;
use relay_policy::{Record, RecordKind};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

/// How much is remembered, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheLimits {
    /// Names that are remembered, each kind of record counted. Default 50,000.
    pub entries_max: usize,
    /// What they may take in memory, about, in octets. Default 16 MiB.
    pub bytes_max: usize,
    /// The longest time for which anything is believed. Default 1 hour.
    pub ttl_max: Duration,
    /// How long it is remembered that something could not be found out. RFC 9520 asks for 1 second at least and allows 5
    /// minutes. Default 10 seconds.
    pub failure_ttl: Duration,
    /// Lookups at a time. Default 256.
    pub lookups_max: usize,
    /// Lookups that wait for others to end. Default 4,096.
    pub waiting_max: usize,
    /// After which a lookup has failed. Default 30 seconds.
    pub lookup_timeout: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            entries_max: 50_000,
            bytes_max: 16 << 20,
            ttl_max: Duration::from_secs(3600),
            failure_ttl: Duration::from_secs(10),
            lookups_max: 256,
            waiting_max: 4_096,
            lookup_timeout: Duration::from_secs(30),
        }
    }
}

/// A resolver that remembers what another one said. Clones share the memory.
#[derive(Debug, Clone)]
pub struct Cached(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    resolver: Box<dyn Resolver>,
    limits: CacheLimits,
    memory: Mutex<Memory>,
    lookups: Semaphore,
    /// Told when a lookup must wait for others.
    crowded: Notify,
}

/// What is asked.
type Key = Arc<(String, RecordKind)>;

/// What a resolver says.
type Told = Result<Records, Backend>;

#[derive(Debug, Default)]
struct Memory {
    known: HashMap<Key, Known>,
    /// The same in the order of their last use.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
    under_way: HashMap<Key, Arc<watch::Sender<Option<Told>>>>,
}

#[derive(Debug)]
struct Known {
    told: Result<Vec<Record>, Backend>,
    until: Instant,
    used: u64,
    bytes: usize,
}

impl Cached {
    /// Puts a memory before `resolver`.
    pub fn new(resolver: impl Resolver + 'static, limits: CacheLimits) -> Self {
        let lookups = Semaphore::new(limits.lookups_max.clamp(1, Semaphore::MAX_PERMITS));
        let (memory, crowded) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { resolver: Box::new(resolver), limits, memory, lookups, crowded }))
    }

    /// Forgets everything; lookups that are under way are still waited for.
    pub fn clear(&self) {
        let mut memory = self.0.memory();
        let under_way = std::mem::take(&mut memory.under_way);
        *memory = Memory { under_way, ..Memory::default() };
    }

    /// How many answers are remembered, those included that no longer hold.
    pub fn len(&self) -> usize {
        self.0.memory().known.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Resolver for Cached {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        let key: Key = Arc::new((normal(name), kind));
        let mut memory = self.0.memory();
        if let Some(told) = memory.find(&key, Instant::now()) {
            return Box::pin(std::future::ready(told));
        }
        let mut told = match memory.under_way.get(&key) {
            Some(sender) => sender.subscribe(),
            None => {
                let limits = &self.0.limits;
                if memory.under_way.len() >= limits.lookups_max.saturating_add(limits.waiting_max) {
                    tracing::warn!(name = key.0, "DNS lookup not made: too many others are under way");
                    return Box::pin(std::future::ready(Err(Backend::TEMPORARY)));
                }
                let (sender, told) = watch::channel(None);
                let sender = Arc::new(sender);
                memory.under_way.insert(Arc::clone(&key), Arc::clone(&sender));
                tokio::spawn(look_up(Arc::clone(&self.0), key, sender));
                told
            }
        };
        drop(memory);
        Box::pin(async move {
            match told.wait_for(Option::is_some).await {
                Ok(told) => told.clone().unwrap_or(Err(Backend::TEMPORARY)),
                // The lookup has panicked.
                Err(_) => Err(Backend::TEMPORARY),
            }
        })
    }
}

/// Looks one thing up, for all who wait.
async fn look_up(shared: Arc<Shared>, key: Key, sender: Arc<watch::Sender<Option<Told>>>) {
    let mut under_way = UnderWay { shared: &shared, key: &key, is_listed: true };
    let has_begun = AtomicBool::new(false);
    let lookup = async {
        let _one_of_them = shared.place().await;
        has_begun.store(true, Ordering::Relaxed);
        shared.resolver.records(&key.0, key.1).await
    };
    let lookup = tokio::time::timeout(shared.limits.lookup_timeout, lookup);
    let mut lookup = std::pin::pin!(lookup);
    let told = loop {
        let told = tokio::select! {
            biased;
            told = &mut lookup => told,
            () = shared.is_in_the_way(&sender, &has_begun) => {
                let mut memory = shared.memory();
                // Whoever asks anew does so under this lock.
                if sender.receiver_count() > 0 {
                    continue;
                }
                memory.under_way.remove(&key);
                under_way.is_listed = false;
                return;
            }
        };
        break told;
    };
    let told = match told {
        Ok(told) => told,
        Err(_) => {
            tracing::debug!(name = key.0, kind = ?key.1, "DNS lookup given up: it took too long");
            Err(Backend::TEMPORARY)
        }
    };
    shared.memory().keep(Arc::clone(&key), &told, &shared.limits);
    drop(under_way);
    sender.send_replace(Some(told));
}

/// A lookup that others can wait for, until it is dropped; also by a panic.
struct UnderWay<'a> {
    shared: &'a Shared,
    key: &'a Key,
    is_listed: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // Once it is not, the next one of this name may be.
        if self.is_listed {
            self.shared.memory().under_way.remove(self.key);
        }
    }
}

impl Shared {
    /// One of the places that lookups have.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.lookups.try_acquire() {
            return Some(place);
        }
        self.crowded.notify_waiters();
        // It is never closed.
        self.lookups.acquire().await.ok()
    }

    /// Ends when nobody waits for a lookup and it is no use to go on with it.
    async fn is_in_the_way(&self, sender: &watch::Sender<Option<Told>>, has_begun: &AtomicBool) {
        sender.closed().await;
        let mut crowded = std::pin::pin!(self.crowded.notified());
        // What is told from here on is heard.
        crowded.as_mut().enable();
        if has_begun.load(Ordering::Relaxed) && self.lookups.available_permits() > 0 {
            crowded.await;
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// What still holds.
    fn find(&mut self, key: &Key, now: Instant) -> Option<Told> {
        let known = self.known.get_mut(key)?;
        let ttl = known.until.saturating_duration_since(now);
        if ttl.is_zero() {
            self.forget(key);
            return None;
        }
        let told = known.told.clone().map(|records| Records { records, ttl });
        self.uses += 1;
        if let Some(key) = self.by_use.remove(&known.used) {
            self.by_use.insert(self.uses, key);
        }
        known.used = self.uses;
        Some(told)
    }

    fn keep(&mut self, key: Key, told: &Told, limits: &CacheLimits) {
        self.forget(&key);
        let ttl = told.as_ref().map_or(limits.failure_ttl, |records| records.ttl).min(limits.ttl_max);
        let bytes = bytes(&key, told);
        if ttl.is_zero() || bytes > limits.bytes_max || limits.entries_max == 0 {
            return;
        }
        while self.known.len() >= limits.entries_max || self.bytes + bytes > limits.bytes_max {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.forget(&oldest);
        }
        self.uses += 1;
        let told = told.clone().map(|records| records.records);
        let known = Known { told, until: Instant::now() + ttl, used: self.uses, bytes };
        self.by_use.insert(self.uses, Arc::clone(&key));
        self.known.insert(key, known);
        self.bytes += bytes;
    }

    fn forget(&mut self, key: &Key) {
        if let Some(known) = self.known.remove(key) {
            self.by_use.remove(&known.used);
            self.bytes -= known.bytes;
        }
    }
}

/// What an answer takes in memory, about.
fn bytes(key: &Key, told: &Told) -> usize {
    let text = |record: &Record| match record {
        Record::Name(text) | Record::Text(text) | Record::Mx { exchange: text, .. } => text.len(),
        _ => 0,
    };
    let records = told.as_ref().map_or(&[][..], |records| &records.records);
    let records: usize = records.iter().map(|record| size_of::<Record>() + text(record)).sum();
    size_of::<Known>() + key.0.len() + ENTRY_BYTES + records
}

/// What the tables take beside an entry.
const ENTRY_BYTES: usize = 128;

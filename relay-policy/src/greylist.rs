//! Greylisting: who is not known is asked to come again, which senders of junk seldom do (RFC 6647 describes the practice).
//!
//! [`Greylist::ask`] is told the client, the sender and the recipient. The first time that these three come, and until
//! [`delay_seconds`](GreylistOptions::delay_seconds) are over, the answer is [`Greylisted::Wait`]; from then on they pass. A client network
//! from which [`auto_allow_after`](GreylistOptions::auto_allow_after) of them have passed is not asked any more. It is to be
//! asked only behind `reject_unauth_destination`: strangers could fill it with recipients who are nobody here.
//!
//! [`Greylisted::action`] is what stands on the right-hand side of an access table, so a policy service can answer with it;
//! [`Greylist::decide`] does, from the attributes of a request ([`SERVICE`] is the name of the one that needs no other
//! program). What is known can be looked through
//! ([`Greylist::entries`]) and put back ([`Greylist::restore`]), so that it outlives the program.
//!
//! ```
//! use proto_core::UnixTime;
//! use relay_policy::greylist::{Greylist, GreylistOptions};
//!
//! let mut greylist = Greylist::new(GreylistOptions::default());
//! let mut ask = |seconds| {
//!     let client = "192.0.2.1".parse().expect("an address");
//!     greylist.ask(client, "a@sender.example", "b@example.com", UnixTime(seconds)).action()
//! };
//! assert_eq!(ask(0), "DEFER_IF_PERMIT Service temporarily unavailable");
//! assert_eq!(ask(59), "DEFER_IF_PERMIT Service temporarily unavailable");
//! assert_eq!(ask(60), "DUNNO");
//! ```
//!
//! # Limits
//! [`entries_max`](GreylistOptions::entries_max) entries are kept, and of those that still wait no more than
//! [`waiting_max`](GreylistOptions::waiting_max) for one client network. Whoever comes then waits all the same, and has the place
//! of the one that has waited longest: of his own network at its limit; where the table is full, of the net (/24 of IPv4, /48 of
//! IPv6, or as the options have it if that is larger) with most that wait beyond as many as have passed from it. So nobody passes by
//! filling it, and who comes again does not lose his place to who does not; but who shares a net with a flood may have to come again
//! more than once.

mod entry;
mod fullness;

pub use entry::{GreylistEntry, NoEntry};

use crate::delegation::Attributes;
use crate::network_prefix;
use fullness::{Fullness, Share};
use proto_core::UnixTime;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What a list of restrictions names behind `check_policy_service` when this server's own greylist is meant.
pub const SERVICE: &str = "greylist:";

/// How long, how often, how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreylistOptions {
    /// Seconds until those who come again may pass.
    pub delay_seconds: u32,
    /// Seconds in which they must have come again; after that they are unknown.
    pub retry_seconds: u32,
    /// Seconds after which those who passed, and networks that are allowed, are forgotten when they do not come.
    pub expiry_seconds: u32,
    /// So many that passed make their network allowed; 0 allows none.
    pub auto_allow_after: u32,
    /// Bits of an IPv4 address that tell networks from each other, at most 32.
    pub ipv4_prefix_bits: u8,
    /// The same of an IPv6 address, at most 128.
    pub ipv6_prefix_bits: u8,
    /// Entries of a network that may wait.
    pub waiting_max: usize,
    /// Entries in all, networks counted.
    pub entries_max: usize,
}

impl Default for GreylistOptions {
    fn default() -> Self {
        Self {
            delay_seconds: 60,
            retry_seconds: 2 * DAY_SECONDS,
            expiry_seconds: 35 * DAY_SECONDS,
            auto_allow_after: 10,
            ipv4_prefix_bits: 24,
            ipv6_prefix_bits: 64,
            waiting_max: 1_000,
            entries_max: 200_000,
        }
    }
}

const DAY_SECONDS: u32 = 24 * 60 * 60;

/// What is to be done with a client, a sender and a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greylisted {
    /// They are to come again.
    Wait {
        /// After so many seconds at least.
        seconds: u32,
    },
    /// They may pass: they came again, their network is allowed, or the limits are so small that nobody can be remembered.
    Pass,
}

impl Greylisted {
    /// The action that says so.
    pub fn action(self) -> &'static str {
        match self {
            Self::Wait { .. } => "DEFER_IF_PERMIT Service temporarily unavailable",
            Self::Pass => "DUNNO",
        }
    }
}

/// Who came, and when.
#[derive(Debug)]
pub struct Greylist {
    options: GreylistOptions,
    networks: BTreeMap<IpAddr, Network>,
    /// Which of them makes room.
    fullness: Fullness,
    /// Networks, and the pairs of all of them.
    entries: usize,
    /// Before this, a full table is not looked through for what has expired.
    look_at: UnixTime,
}

#[derive(Debug, Default)]
struct Network {
    passed: u32,
    last: Option<UnixTime>,
    waiting: usize,
    pairs: BTreeMap<Key, Pair>,
    /// The pairs once more: those that wait before those that passed, and the oldest of each first.
    by_age: BTreeSet<(Age, Key)>,
}

/// A sender and a recipient.
type Key = Arc<(String, String)>;

/// Whether a pair has passed, and when it last did; or else when it first came.
type Age = (bool, UnixTime);

#[derive(Debug, Clone, Copy)]
struct Pair {
    first: UnixTime,
    passed: Option<UnixTime>,
}

/// Seconds from one time to another; none when the clock went back.
fn seconds(from: UnixTime, to: UnixTime) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

/// A full table is looked through no more often than this.
const LOOK_SECONDS: i64 = 60;

impl Greylist {
    /// Nobody is known yet.
    pub fn new(options: GreylistOptions) -> Self {
        Self {
            fullness: Fullness::new(options.ipv4_prefix_bits, options.ipv6_prefix_bits),
            options,
            networks: BTreeMap::new(),
            entries: 0,
            look_at: UnixTime(i64::MIN),
        }
    }

    /// What is to be done with a recipient that this client wants to send mail to. `sender` is empty for the null sender.
    pub fn ask(&mut self, client: IpAddr, sender: &str, recipient: &str, now: UnixTime) -> Greylisted {
        let address = self.network(client);
        let options = &self.options;
        let key = Arc::new((sender.to_lowercase(), recipient.to_lowercase()));
        if let Some(network) = self.networks.get(&address) {
            if network.is_allowed(options, now) {
                self.change(address, |network| network.last = Some(now));
                return Greylisted::Pass;
            }
            let known = network.pairs.get(&key).filter(|pair| !pair.has_expired(options, now));
            if let Some(&Pair { first, passed }) = known {
                let waited = seconds(first, now);
                let delay = u64::from(options.delay_seconds);
                if passed.is_none() && waited < delay {
                    return Greylisted::Wait { seconds: u32::try_from(delay - waited).unwrap_or(u32::MAX) };
                }
                self.change(address, |network| {
                    network.passed = network.passed.saturating_add(u32::from(passed.is_none()));
                    network.last = Some(now);
                    network.put(key, Pair { first, passed: Some(now) });
                });
                return Greylisted::Pass;
            }
        }
        if self.remember(address, key, Pair { first: now, passed: None }, now) {
            Greylisted::Wait { seconds: self.options.delay_seconds }
        } else {
            Greylisted::Pass
        }
    }

    /// What is to be done about what a policy service is told (`smtpd_access_policy`): an action. It asks nobody to come again
    /// but at RCPT; and nobody who has logged in, nor anybody whose address is not told.
    pub fn decide(&mut self, attributes: &Attributes, now: UnixTime) -> &'static str {
        let value = |name| attributes.value(name);
        let is_known = !value("sasl_username").is_empty();
        match value("client_address").parse::<IpAddr>() {
            Ok(client) if value("protocol_state") == "RCPT" && !is_known && !client.is_unspecified() => {
                self.ask(client, value("sender"), value("recipient"), now).action()
            }
            _ => Greylisted::Pass.action(),
        }
    }

    /// Everything that is known, in no order.
    pub fn entries(&self) -> impl Iterator<Item = GreylistEntry> + '_ {
        self.networks.iter().flat_map(|(&address, network)| {
            let itself = network.last.map(|last| GreylistEntry::Network {
                network: address,
                passed: network.passed,
                last,
            });
            let pairs = network.pairs.iter().map(move |(key, pair)| GreylistEntry::Pair {
                network: address,
                sender: key.0.clone(),
                recipient: key.1.clone(),
                first: pair.first,
                passed: pair.passed,
            });
            itself.into_iter().chain(pairs)
        })
    }

    /// Puts back an entry of an earlier run. One that has expired is left out; where there is no room, others make it.
    pub fn restore(&mut self, entry: GreylistEntry, now: UnixTime) {
        match entry {
            GreylistEntry::Network { network, passed, last } => {
                let known = Network { passed, last: Some(last), ..Network::default() };
                let address = self.network(network);
                if !known.has_expired(&self.options, now) && self.make_room(address, 0, now) {
                    self.change(address, |network| {
                        (network.passed, network.last) = (known.passed, known.last);
                    });
                }
            }
            GreylistEntry::Pair { network, sender, recipient, first, passed } => {
                let pair = Pair { first, passed };
                if !pair.has_expired(&self.options, now) {
                    let address = self.network(network);
                    let key = Arc::new((sender.to_lowercase(), recipient.to_lowercase()));
                    self.remember(address, key, pair, now);
                }
            }
        }
    }

    /// How many entries are kept, networks counted.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether there was room, or some could be made.
    fn remember(&mut self, address: IpAddr, key: Key, pair: Pair, now: UnixTime) -> bool {
        let waits = pair.passed.is_none();
        if waits {
            if self.options.waiting_max == 0 {
                return false;
            }
            while let Some(network) = self.networks.get(&address)
                && network.waiting >= self.options.waiting_max
                && let Some((_, oldest)) = network.by_age.first().cloned()
            {
                self.change(address, |network| network.remove(&oldest));
            }
        }
        let has_room = self.make_room(address, 1, now);
        if has_room {
            self.change(address, |network| network.put(key, pair));
        }
        has_room
    }

    /// Changes what is known of a network, new if it was not known; there is room. It goes when nothing is known of it any more.
    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut Network)) {
        let network = self.networks.entry(address).or_default();
        let (before, entries) = (network.share(), network.entries());
        change(network);
        self.fullness.change(address, before, network.share());
        self.entries = self.entries - entries + network.entries();
        if network.entries() == 0 {
            self.networks.remove(&address);
        }
    }

    /// Whether a network and so many pairs of it can be kept, after those were forgotten that have expired, and then those that
    /// have waited longest.
    fn make_room(&mut self, address: IpAddr, pairs: usize, now: UnixTime) -> bool {
        let fits = |greylist: &Self| {
            let network = usize::from(!greylist.networks.contains_key(&address));
            greylist.entries + network + pairs <= greylist.options.entries_max
        };
        if !fits(self) && now >= self.look_at {
            self.look_at = UnixTime(now.0.saturating_add(LOOK_SECONDS));
            let all: Vec<IpAddr> = self.networks.keys().copied().collect();
            all.into_iter().for_each(|address| self.forget(address, now));
        }
        while !fits(self)
            && let Some(fullest) = self.fullness.fullest()
        {
            self.change(fullest, Network::make_room);
        }
        fits(self)
    }

    /// Forgets what of a network has expired.
    fn forget(&mut self, address: IpAddr, now: UnixTime) {
        let options = self.options.clone();
        self.change(address, |network| {
            let expired = network.pairs.iter().filter(|(_, pair)| pair.has_expired(&options, now));
            let expired: Vec<Key> = expired.map(|(key, _)| Arc::clone(key)).collect();
            expired.iter().for_each(|key| network.remove(key));
            if network.has_expired(&options, now) {
                (network.passed, network.last) = (0, None);
            }
        });
    }

    /// The network of a client.
    fn network(&self, client: IpAddr) -> IpAddr {
        network_prefix(client, self.options.ipv4_prefix_bits, self.options.ipv6_prefix_bits)
    }
}

impl Network {
    /// What it has in the table.
    fn share(&self) -> Share {
        let oldest = self.by_age.first().map(|(age, _)| *age);
        Share {
            waiting: self.waiting as u64,
            passed: self.passed.into(),
            oldest: oldest.or(self.last.map(|last| (true, last))),
        }
    }

    /// Its pairs and itself; none where nothing is known of it.
    fn entries(&self) -> usize {
        let is_known = self.last.is_some() || !self.pairs.is_empty();
        self.pairs.len() + usize::from(is_known)
    }

    fn put(&mut self, key: Key, pair: Pair) {
        self.remove(&key);
        self.by_age.insert((pair.age(), Arc::clone(&key)));
        self.waiting += usize::from(pair.passed.is_none());
        self.pairs.insert(key, pair);
    }

    /// Takes a pair away, if it is there.
    fn remove(&mut self, key: &Key) {
        if let Some(pair) = self.pairs.remove(key) {
            self.by_age.remove(&(pair.age(), Arc::clone(key)));
            self.waiting -= usize::from(pair.passed.is_none());
        }
    }

    /// Takes its oldest pair away, or what is known of it where it has none.
    fn make_room(&mut self) {
        match self.by_age.first().cloned() {
            Some((_, oldest)) => self.remove(&oldest),
            None => *self = Self::default(),
        }
    }

    fn has_expired(&self, options: &GreylistOptions, now: UnixTime) -> bool {
        self.last.is_some_and(|last| seconds(last, now) >= u64::from(options.expiry_seconds))
    }

    fn is_allowed(&self, options: &GreylistOptions, now: UnixTime) -> bool {
        let allow = options.auto_allow_after;
        allow > 0 && self.passed >= allow && !self.has_expired(options, now)
    }
}

impl Pair {
    fn age(&self) -> Age {
        (self.passed.is_some(), self.passed.unwrap_or(self.first))
    }

    fn has_expired(&self, options: &GreylistOptions, now: UnixTime) -> bool {
        match self.passed {
            Some(passed) => seconds(passed, now) >= u64::from(options.expiry_seconds),
            None => seconds(self.first, now) >= u64::from(options.retry_seconds),
        }
    }
}

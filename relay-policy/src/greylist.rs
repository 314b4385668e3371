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
//! [`waiting_max`](GreylistOptions::waiting_max) for one client network. Beyond that nobody is asked to come again: what
//! cannot be remembered would wait for ever, and whoever fills the table gains what he would have without it.

use crate::delegation::Attributes;
use crate::network;
use proto_core::UnixTime;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

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
    /// They may pass: they came again, their network is allowed, or there was no room to remember them.
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

/// One thing that is known. `Display` and `FromStr` are a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GreylistEntry {
    /// A sender and a recipient came from a network.
    Pair {
        /// The first address of the network.
        network: IpAddr,
        /// The sender, in lower case; empty for the null sender.
        sender: String,
        /// The recipient, in lower case.
        recipient: String,
        /// When they first came.
        first: UnixTime,
        /// When they last passed; none when they have not yet.
        passed: Option<UnixTime>,
    },
    /// Of a network so many have passed.
    Network {
        /// The first address of the network.
        network: IpAddr,
        /// How many.
        passed: u32,
        /// When one last did.
        last: UnixTime,
    },
}

impl Display for GreylistEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair { network, sender, recipient, first, passed } => {
                write!(f, "pair {network} {} ", first.0)?;
                match passed {
                    Some(passed) => passed.0.fmt(f)?,
                    None => f.write_str("-")?,
                }
                write!(f, " <{}> <{}>", Word(sender), Word(recipient))
            }
            Self::Network { network, passed, last } => write!(f, "network {network} {passed} {}", last.0),
        }
    }
}

/// An address without blanks in it, which a quoted one may have: they, line ends and `%` are `%` and two digits.
struct Word<'a>(&'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character == '%' || character.is_ascii_whitespace() || character.is_ascii_control() {
                write!(f, "%{:02x}", u32::from(character))?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// What a [`Word`] stands for, in its angle brackets.
fn unfold(word: &str) -> Option<String> {
    let mut parts = word.strip_prefix('<')?.strip_suffix('>')?.split('%');
    let mut address = parts.next()?.to_string();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let octet = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
        address.push(octet.into());
        address.push_str(rest);
    }
    Some(address)
}

/// A line that is not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `pair` or `network` with what is known of it")]
pub struct NoEntry;

impl FromStr for GreylistEntry {
    type Err = NoEntry;

    fn from_str(line: &str) -> Result<Self, NoEntry> {
        fn number<N: FromStr>(word: &str) -> Result<N, NoEntry> {
            word.parse().map_err(|_| NoEntry)
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["pair", network, first, passed, sender, recipient] => Ok(Self::Pair {
                network: number(network)?,
                sender: unfold(sender).ok_or(NoEntry)?,
                recipient: unfold(recipient).ok_or(NoEntry)?,
                first: UnixTime(number(first)?),
                passed: if passed == "-" { None } else { Some(UnixTime(number(passed)?)) },
            }),
            ["network", network, passed, last] => Ok(Self::Network {
                network: number(network)?,
                passed: number(passed)?,
                last: UnixTime(number(last)?),
            }),
            _ => Err(NoEntry),
        }
    }
}

/// Who came, and when.
#[derive(Debug)]
pub struct Greylist {
    options: GreylistOptions,
    networks: BTreeMap<IpAddr, Network>,
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
    pairs: BTreeMap<(String, String), Pair>,
}

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
        Self { options, networks: BTreeMap::new(), entries: 0, look_at: UnixTime(i64::MIN) }
    }

    /// What is to be done with a recipient that this client wants to send mail to. `sender` is empty for the null sender.
    pub fn ask(&mut self, client: IpAddr, sender: &str, recipient: &str, now: UnixTime) -> Greylisted {
        let address = self.network(client);
        let options = &self.options;
        let key = (sender.to_lowercase(), recipient.to_lowercase());
        if let Some(network) = self.networks.get_mut(&address) {
            if network.is_allowed(options, now) {
                network.last = Some(now);
                return Greylisted::Pass;
            }
            if let Some(pair) = network.pairs.get_mut(&key).filter(|pair| !pair.has_expired(options, now)) {
                let waited = seconds(pair.first, now);
                let delay = u64::from(options.delay_seconds);
                if pair.passed.is_none() && waited < delay {
                    return Greylisted::Wait { seconds: u32::try_from(delay - waited).unwrap_or(u32::MAX) };
                }
                if pair.passed.replace(now).is_none() {
                    network.waiting -= 1;
                    network.passed = network.passed.saturating_add(1);
                }
                network.last = Some(now);
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
            let pairs = network.pairs.iter().map(move |((sender, recipient), pair)| GreylistEntry::Pair {
                network: address,
                sender: sender.clone(),
                recipient: recipient.clone(),
                first: pair.first,
                passed: pair.passed,
            });
            itself.into_iter().chain(pairs)
        })
    }

    /// Puts back an entry of an earlier run. One that has expired, or for which there is no room, is left out.
    pub fn restore(&mut self, entry: GreylistEntry, now: UnixTime) {
        match entry {
            GreylistEntry::Network { network, passed, last } => {
                let known = Network { passed, last: Some(last), ..Network::default() };
                if !known.has_expired(&self.options, now) && self.has_room(1, now) {
                    let network = self.network_entry(self.network(network));
                    (network.passed, network.last) = (known.passed, known.last);
                }
            }
            GreylistEntry::Pair { network, sender, recipient, first, passed } => {
                let pair = Pair { first, passed };
                if !pair.has_expired(&self.options, now) {
                    let address = self.network(network);
                    self.remember(address, (sender.to_lowercase(), recipient.to_lowercase()), pair, now);
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

    /// Whether there was room.
    fn remember(&mut self, address: IpAddr, key: (String, String), pair: Pair, now: UnixTime) -> bool {
        let waits = pair.passed.is_none();
        let waiting_max = self.options.waiting_max;
        let is_full =
            |network: &Network| network.pairs.contains_key(&key) || (waits && network.waiting >= waiting_max);
        if self.networks.get(&address).is_some_and(is_full) {
            // Of what waits, some may have expired; and this very pair, if it is there.
            self.forget(address, now);
        }
        if self.networks.get(&address).is_some_and(|network| waits && network.waiting >= waiting_max) {
            return false;
        }
        if !self.has_room(1 + usize::from(!self.networks.contains_key(&address)), now) {
            return false;
        }
        let network = self.network_entry(address);
        let before = network.pairs.insert(key, pair);
        network.waiting += usize::from(waits);
        network.waiting -= usize::from(before.is_some_and(|pair| pair.passed.is_none()));
        self.entries += usize::from(before.is_none());
        true
    }

    /// The network, new if it was not known.
    fn network_entry(&mut self, address: IpAddr) -> &mut Network {
        let entries = &mut self.entries;
        self.networks.entry(address).or_insert_with(|| {
            *entries += 1;
            Network::default()
        })
    }

    /// Whether so many entries more can be kept, after those were forgotten that have expired.
    fn has_room(&mut self, entries: usize, now: UnixTime) -> bool {
        let fits = |greylist: &Self| greylist.entries + entries <= greylist.options.entries_max;
        if !fits(self) && now >= self.look_at {
            self.look_at = UnixTime(now.0.saturating_add(LOOK_SECONDS));
            let all: Vec<IpAddr> = self.networks.keys().copied().collect();
            all.into_iter().for_each(|address| self.forget(address, now));
        }
        fits(self)
    }

    /// Forgets what of a network has expired.
    fn forget(&mut self, address: IpAddr, now: UnixTime) {
        let options = &self.options;
        let Some(network) = self.networks.get_mut(&address) else { return };
        let before = network.pairs.len();
        network.pairs.retain(|_, pair| !pair.has_expired(options, now));
        network.waiting = network.pairs.values().filter(|pair| pair.passed.is_none()).count();
        self.entries -= before - network.pairs.len();
        if network.has_expired(options, now) {
            (network.passed, network.last) = (0, None);
        }
        if network.pairs.is_empty() && network.last.is_none() {
            self.networks.remove(&address);
            self.entries -= 1;
        }
    }

    /// The network of a client.
    fn network(&self, client: IpAddr) -> IpAddr {
        network::prefix(client, self.options.ipv4_prefix_bits, self.options.ipv6_prefix_bits)
    }
}

impl Network {
    fn has_expired(&self, options: &GreylistOptions, now: UnixTime) -> bool {
        self.last.is_some_and(|last| seconds(last, now) >= u64::from(options.expiry_seconds))
    }

    fn is_allowed(&self, options: &GreylistOptions, now: UnixTime) -> bool {
        let allow = options.auto_allow_after;
        allow > 0 && self.passed >= allow && !self.has_expired(options, now)
    }
}

impl Pair {
    fn has_expired(&self, options: &GreylistOptions, now: UnixTime) -> bool {
        match self.passed {
            Some(passed) => seconds(passed, now) >= u64::from(options.expiry_seconds),
            None => seconds(self.first, now) >= u64::from(options.retry_seconds),
        }
    }
}

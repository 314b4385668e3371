//! The servers of one next hop, found by questions (RFC 5321 section 5.1).

use super::failure::RouteFailure;
use super::next_hop::NextHop;
use super::policy::{RoutePolicy, may_loop};
use super::server::{Candidate, Endpoint, Server, in_order};
use crate::access::{SERVER_ADDRESSES_MAX, is_hostname};
use crate::domain;
use crate::question::{Answer, Question, Record, RecordKind};
use proto_core::CallerFault;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The servers of a next hop being found: [`step`](Self::step) it, [`answer`](Self::answer) what it needs, until it is done.
#[derive(Debug, Clone)]
pub struct ServerLookup<'p> {
    policy: &'p RoutePolicy,
    next_hop: NextHop,
    seed: u64,
    /// What was answered; none where it could not be found out.
    answers: BTreeMap<(String, RecordKind), Option<Vec<Record>>>,
    /// What was asked and is not answered.
    asked: BTreeSet<(String, RecordKind)>,
}

/// What a lookup says when it is stepped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupStep {
    /// It goes on when these are answered, in any order; all are [`Question::Dns`].
    Needs(Vec<Question>),
    /// It is over; the same is said again.
    Done(Result<Servers, LookupFailure>),
}

/// The servers of a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Servers {
    /// In the order in which they are tried; at least one.
    pub list: Vec<Server>,
    /// Whether this machine is one of the next hop's mail servers, and these are the better ones. Then mail goes to one of them
    /// and to nobody else.
    pub is_backup: bool,
}

/// That there is no server to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupFailure {
    /// What kind of reason it is.
    pub kind: LookupFailureKind,
    /// The reason.
    pub failure: RouteFailure,
}

/// Why there is no server to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupFailureKind {
    /// The next hop does not exist, has no address, or that could not be found out.
    NotFound,
    /// It says that it takes no mail (RFC 7505).
    NullMx,
    /// This machine is its best mail server.
    LoopsBack,
    /// This machine is one of its mail servers, and of no better one an address is known.
    NoPrimary,
}

/// What is said once all is known; before, what is to be asked.
type Known<T> = Result<T, BTreeSet<(String, RecordKind)>>;

type Found = Result<Servers, LookupFailure>;

/// The addresses of a host.
#[derive(Debug, Default)]
struct Addresses {
    list: Vec<IpAddr>,
    /// There may be more.
    failed: bool,
}

impl<'p> ServerLookup<'p> {
    pub(super) fn new(policy: &'p RoutePolicy, next_hop: NextHop, seed: u64) -> Self {
        Self { policy, next_hop, seed, answers: BTreeMap::new(), asked: BTreeSet::new() }
    }

    /// What it is about.
    pub fn next_hop(&self) -> &NextHop {
        &self.next_hop
    }

    /// Goes on as far as the answers reach.
    pub fn step(&mut self) -> LookupStep {
        match self.find() {
            Ok(found) => LookupStep::Done(found),
            Err(asked) => {
                let questions =
                    asked.iter().map(|(name, kind)| Question::Dns { name: name.clone(), kind: *kind });
                let questions = questions.collect();
                self.asked = asked;
                LookupStep::Needs(questions)
            }
        }
    }

    /// Answers a question that [`Self::step`] has put.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when it was not asked, or is answered.
    pub fn answer(&mut self, question: &Question, answer: Answer) -> Result<(), CallerFault> {
        let Question::Dns { name, kind } = question else {
            return Err(CallerFault::Misuse("answer: this was not asked"));
        };
        let key = (name.clone(), *kind);
        if !self.asked.remove(&key) {
            return Err(CallerFault::Misuse("answer: this was not asked"));
        }
        let records = match answer {
            Answer::Records(records) => Some(records),
            _ => None,
        };
        self.answers.insert(key, records);
        Ok(())
    }

    fn find(&self) -> Known<Found> {
        match &self.next_hop {
            NextHop::Domain { name, port } => self.of_domain(name, *port),
            NextHop::Host { name, port } => self.of_host(name, *port),
            NextHop::Address(address) => Ok(self.of_address(*address)),
            NextHop::Unix(path) => {
                let server =
                    Server { host: path.clone(), endpoint: Endpoint::Unix(path.clone()), preference: 0 };
                Ok(Ok(Servers { list: vec![server], is_backup: false }))
            }
        }
    }

    fn of_domain(&self, name: &str, port: u16) -> Known<Found> {
        let asked = (key(name), RecordKind::Mx);
        let records = match self.answers.get(&asked) {
            None => return Err([asked].into()),
            Some(Some(records)) => records,
            Some(None) => {
                let failure = RouteFailure::not_found((4, 4, 3), name, "MX", TRY_AGAIN);
                let failed = Err(LookupFailure { kind: LookupFailureKind::NotFound, failure });
                if !self.policy.ignore_mx_lookup_error {
                    return Ok(failed);
                }
                // That the name itself has no address does not say that it has no mail servers.
                let found = self.of_host(name, port)?;
                let is_not_found = |failure: &LookupFailure| failure.kind == LookupFailureKind::NotFound;
                return Ok(if found.as_ref().is_err_and(is_not_found) { failed } else { found });
            }
        };
        let exchanges = records.iter().filter_map(|record| match record {
            Record::Mx { preference, exchange } => {
                Some((*preference, exchange.strip_suffix('.').unwrap_or(exchange)))
            }
            _ => None,
        });
        let (null, mut exchanges): (Vec<_>, Vec<_>) =
            exchanges.partition(|(_, exchange)| exchange.is_empty());
        match (exchanges.is_empty(), null.is_empty()) {
            // The implicit MX record.
            (true, true) => self.of_host(name, port),
            (true, false) => Ok(Err(LookupFailure {
                kind: LookupFailureKind::NullMx,
                failure: RouteFailure::null_mx(name),
            })),
            (false, _) => {
                exchanges.sort_by_key(|(preference, _)| *preference);
                self.of_exchanges(name, port, &exchanges)
            }
        }
    }

    /// `exchanges` are sorted, and there is one.
    fn of_exchanges(&self, name: &str, port: u16, exchanges: &[(u16, &str)]) -> Known<Found> {
        let looks_for_itself = may_loop(port);
        let own_name =
            exchanges.iter().find(|(_, exchange)| looks_for_itself && self.policy.is_own_name(exchange));
        let mut own = own_name.map(|(preference, _)| *preference);
        // Those as good as this machine, and worse ones, are of no use.
        let better = exchanges.iter().filter(|(preference, _)| own.is_none_or(|own| *preference < own));
        let better: Vec<_> = better.take(SERVER_ADDRESSES_MAX).collect();
        let hosts = better.iter().map(|(_, exchange)| *exchange).filter(|exchange| is_usable(exchange));
        self.ask_for(hosts)?;
        // Of those without an address: one of which that may change, and the last.
        let (mut candidates, mut failed, mut last) = (Vec::new(), None, exchanges[0].1);
        for (preference, exchange) in better.into_iter().copied() {
            let known = if is_usable(exchange) { self.known(exchange) } else { Addresses::default() };
            if known.list.is_empty() {
                last = exchange;
                failed = failed.or(Some(exchange).filter(|_| known.failed));
            }
            if looks_for_itself && known.list.iter().any(|address| self.is_this_machine(*address)) {
                own = own.filter(|own| *own <= preference).or(Some(preference));
            }
            let room = SERVER_ADDRESSES_MAX - candidates.len();
            let host = exchange.to_string();
            candidates.extend(known.list.into_iter().take(room).map(|address| Candidate {
                host: host.clone(),
                address,
                preference,
            }));
        }
        candidates.retain(|candidate| own.is_none_or(|own| candidate.preference < own));
        if !candidates.is_empty() {
            let list = in_order(candidates, self.policy, port, self.seed);
            return Ok(Ok(Servers { list, is_backup: own.is_some() }));
        }
        let (kind, failure) = match (own, failed) {
            (Some(own), _) if exchanges[0].0 == own => {
                (LookupFailureKind::LoopsBack, RouteFailure::loops(name))
            }
            (Some(_), _) => (LookupFailureKind::NoPrimary, RouteFailure::no_primary(name)),
            (None, Some(host)) => {
                (LookupFailureKind::NotFound, RouteFailure::not_found((4, 4, 4), host, "AAAA", TRY_AGAIN))
            }
            (None, None) => {
                let failure = match is_usable(last) {
                    true => RouteFailure::not_found((5, 4, 4), last, "AAAA", NOT_FOUND),
                    false => RouteFailure::malformed(name),
                };
                let defers = self.policy.smtp_defer_if_no_mx_address_found;
                (LookupFailureKind::NotFound, if defers { failure.softened() } else { failure })
            }
        };
        Ok(Err(LookupFailure { kind, failure }))
    }

    fn of_host(&self, name: &str, port: u16) -> Known<Found> {
        if may_loop(port) && self.policy.is_own_name(name) {
            let failure = RouteFailure::loops(name);
            return Ok(Err(LookupFailure { kind: LookupFailureKind::LoopsBack, failure }));
        }
        self.ask_for([name])?;
        let known = self.known(name);
        let (kind, failure) = if known.list.is_empty() {
            let (status, said) = if known.failed { ((4, 4, 3), TRY_AGAIN) } else { ((5, 4, 4), NOT_FOUND) };
            (LookupFailureKind::NotFound, RouteFailure::not_found(status, name, "AAAA", said))
        } else if may_loop(port) && known.list.iter().any(|address| self.is_this_machine(*address)) {
            (LookupFailureKind::LoopsBack, RouteFailure::loops(name))
        } else {
            let candidate = |address| Candidate { host: name.into(), address, preference: 0 };
            let candidates = known.list.into_iter().take(SERVER_ADDRESSES_MAX).map(candidate).collect();
            let list = in_order(candidates, self.policy, port, self.seed);
            return Ok(Ok(Servers { list, is_backup: false }));
        };
        Ok(Err(LookupFailure { kind, failure }))
    }

    fn of_address(&self, address: SocketAddr) -> Found {
        let name = address.ip().to_string();
        if may_loop(address.port()) && self.policy.is_own_address(address.ip()) {
            let failure = RouteFailure::loops(&name);
            return Err(LookupFailure { kind: LookupFailureKind::LoopsBack, failure });
        }
        Ok(Servers { list: vec![Server::inet(name, address, 0)], is_backup: false })
    }

    /// Where strangers say who the mail servers are, what is reached on this machine alone is this machine, too.
    fn is_this_machine(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        let is_of_strangers = matches!(self.next_hop, NextHop::Domain { .. });
        self.policy.is_own_address(address)
            || (is_of_strangers && (canonical.is_loopback() || canonical.is_unspecified()))
    }

    /// Asks for the addresses of all these hosts at once.
    fn ask_for<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> Known<()> {
        let questions = hosts.into_iter().flat_map(questions);
        let missing: BTreeSet<_> =
            questions.filter(|question| !self.answers.contains_key(question)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    /// The addresses of a host that was asked about.
    fn known(&self, host: &str) -> Addresses {
        let mut known = Addresses::default();
        for question in questions(host) {
            match self.answers.get(&question) {
                Some(Some(records)) => known.list.extend(records.iter().filter_map(|record| match record {
                    Record::Address(address) => Some(address.to_canonical()),
                    _ => None,
                })),
                _ => known.failed = true,
            }
        }
        known
    }
}

/// What the DNS says, in the words of resolvers.
const TRY_AGAIN: &str = "Host not found, try again";
const NOT_FOUND: &str = "Host not found";

/// The questions for a host's addresses.
fn questions(host: &str) -> [(String, RecordKind); 2] {
    [RecordKind::A, RecordKind::Aaaa].map(|kind| (key(host), kind))
}

/// A name as it is asked for, so that it is asked for once.
fn key(name: &str) -> String {
    domain::key(name).map_or_else(|| name.into(), Into::into)
}

/// Whether an exchange is a host (RFC 5321 section 5.1: the data field MUST contain a domain name), and no address.
fn is_usable(exchange: &str) -> bool {
    domain::in_ascii(exchange).is_some_and(|name| is_hostname(&name))
}

//! How often a client may come, and how much it may send: what Postfix's `anvil` counts and its `smtpd_client_*_limit`
//! parameters bound.
//!
//! [`Rates`] counts for one server or for several that share it; the caller says what happened and when, and is told when it
//! was too much, with the words of the refusal ([`Exceeded::reply`]) and of the log ([`Exceeded::log_line`]). Clients are
//! counted by network prefix, since one of them may have a whole network of addresses. A rate begins with a client's first
//! event and ends a [`time_unit`](RateLimits::time_unit) later, when it begins anew with the next one. What is refused
//! counts, too.
//!
//! The [`RateLimits`] come with every call, so that a server may put others in place while it counts: whoever has
//! connected under some leaves under the same.
//!
//! # Limits
//! [`RateLimits::clients_max`] clients are known, and where no rate has a limit, only those with a connection. When there are more, those
//! are forgotten that have no connection and whose time is over; then one without a connection of the net with most (/24 of IPv4, /48 of
//! IPv6) makes room: whoever fills the table with his many addresses keeps nobody out. If all have connections, a new client is
//! refused as one that comes too often.
//!
//! # Departures
//! From Postfix: AUTH, TLS and all other rates are counted over one time unit that begins with the first of any of them. Connections at
//! a time are counted by no smaller network than a /64 of IPv6, which is what one client has
//! ([`RateLimits::connection_ipv6_prefix_bits`]).

mod statistics;

use crate::access::{AccessError, open_networks};
use crate::decision::Reply;
use crate::match_list::MatchList;
use crate::nets::Nets;
use crate::network_prefix;
use crate::parameters::Parameters;
use crate::request::UNKNOWN;
use crate::table::{Answers, Opener, Warning};
use proto_core::Instant;
use statistics::Statistics;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How much is too much; 0 switches a limit off. The defaults are Postfix's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RateLimits {
    /// Connections at a time (`smtpd_client_connection_count_limit`).
    pub connection_count_max: u32,
    /// Connections in a time unit (`smtpd_client_connection_rate_limit`).
    pub connection_rate_max: u32,
    /// MAIL commands in a time unit (`smtpd_client_message_rate_limit`).
    pub message_rate_max: u32,
    /// RCPT commands in a time unit (`smtpd_client_recipient_rate_limit`).
    pub recipient_rate_max: u32,
    /// TLS sessions that were not resumed, in a time unit (`smtpd_client_new_tls_session_rate_limit`).
    pub new_tls_session_rate_max: u32,
    /// AUTH commands in a time unit (`smtpd_client_auth_rate_limit`).
    pub auth_rate_max: u32,
    /// How long a rate is counted (`anvil_rate_time_unit`).
    pub time_unit: Duration,
    /// How often [`Rates::take_statistics`] is to be asked (`anvil_status_update_time`).
    pub status_update_time: Duration,
    /// Bits of an IPv4 address that tell clients from each other (`smtpd_client_ipv4_prefix_length`), at most 32.
    pub ipv4_prefix_bits: u8,
    /// The same of an IPv6 address (`smtpd_client_ipv6_prefix_length`), at most 128.
    pub ipv6_prefix_bits: u8,
    /// The same where connections at a time are counted, if it is less: with those one client can take all that there are, and it has a
    /// /64 to come from (RFC 4291 section 2.5.4).
    pub connection_ipv6_prefix_bits: u8,
    /// Who is not counted (`smtpd_client_event_limit_exceptions`). Nobody's name is known when he connects, so names in it
    /// match nobody; and while it cannot be gone through, everybody counts.
    pub exceptions: MatchList,
    /// How many clients are known at a time.
    pub clients_max: usize,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            connection_count_max: 50,
            connection_rate_max: 0,
            message_rate_max: 0,
            recipient_rate_max: 0,
            new_tls_session_rate_max: 0,
            auth_rate_max: 0,
            time_unit: Duration::from_secs(60),
            status_update_time: Duration::from_secs(600),
            ipv4_prefix_bits: 32,
            ipv6_prefix_bits: 84,
            connection_ipv6_prefix_bits: 64,
            exceptions: MatchList::default(),
            clients_max: 100_000,
        }
    }
}

impl RateLimits {
    /// The limits that the parameters set; what is to be said of tables is added to `warnings`.
    ///
    /// # Errors
    /// [`AccessError`] names what makes no sense in `smtpd_client_event_limit_exceptions`.
    pub fn compile(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, AccessError> {
        const EXCEPTIONS: &str = "smtpd_client_event_limit_exceptions";
        let default = Self::default();
        let entries = parameters.smtpd_client_event_limit_exceptions.iter().flat_map(|entry| {
            let is_networks = entry == "$mynetworks";
            if is_networks { &parameters.mynetworks[..] } else { std::slice::from_ref(entry) }
        });
        let text = entries.map(String::as_str).collect::<Vec<_>>().join(" ");
        let exceptions = open_networks(EXCEPTIONS, &text, parameters, opener, warnings)?;
        if let Some(name) = exceptions.written_names().next() {
            let what =
                format!("{name}: clients are counted before they have a name, so a name excepts nobody");
            warnings.push(Warning::of_configuration(EXCEPTIONS, &what));
        }
        Ok(Self {
            connection_count_max: parameters
                .smtpd_client_connection_count_limit
                .unwrap_or(default.connection_count_max),
            connection_rate_max: parameters.smtpd_client_connection_rate_limit,
            message_rate_max: parameters.smtpd_client_message_rate_limit,
            recipient_rate_max: parameters.smtpd_client_recipient_rate_limit,
            new_tls_session_rate_max: parameters.smtpd_client_new_tls_session_rate_limit,
            auth_rate_max: parameters.smtpd_client_auth_rate_limit,
            time_unit: parameters.anvil_rate_time_unit,
            status_update_time: parameters.anvil_status_update_time,
            ipv4_prefix_bits: parameters.smtpd_client_ipv4_prefix_length.bits(),
            ipv6_prefix_bits: parameters.smtpd_client_ipv6_prefix_length.bits(),
            exceptions,
            ..default
        })
    }

    /// Whether connections are counted.
    fn count_connections(&self) -> bool {
        self.connection_count_max > 0 || self.connection_rate_max > 0
    }

    /// Whether a client counts beyond its connections.
    fn count_rates(&self) -> bool {
        RATES.iter().any(|event| self.limit(*event) > 0)
    }

    fn except(&self, client: IpAddr) -> bool {
        !self.exceptions.is_empty()
            && matches!(self.exceptions.matches_host(UNKNOWN, client, &Answers::default()), Ok(Some(_)))
    }

    /// How often something may happen in a time unit; 0 is no limit, and it is not counted.
    pub fn limit(&self, event: RateEvent) -> u32 {
        match event {
            RateEvent::Connection => self.connection_rate_max,
            RateEvent::Message => self.message_rate_max,
            RateEvent::Recipient => self.recipient_rate_max,
            RateEvent::NewTlsSession => self.new_tls_session_rate_max,
            RateEvent::Auth => self.auth_rate_max,
        }
    }

    /// The network of a client, by which it is counted.
    fn prefix(&self, client: IpAddr) -> IpAddr {
        network_prefix(client, self.ipv4_prefix_bits, self.ipv6_prefix_bits)
    }

    /// That by which its connections at a time are counted.
    fn connection_prefix(&self, client: IpAddr) -> IpAddr {
        let ipv6_bits = self.ipv6_prefix_bits.min(self.connection_ipv6_prefix_bits);
        network_prefix(client, self.ipv4_prefix_bits, ipv6_bits)
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateEvent {
    /// A connection was made.
    Connection,
    /// MAIL was said.
    Message,
    /// RCPT was said.
    Recipient,
    /// A TLS session began that is no earlier one's resumption.
    NewTlsSession,
    /// AUTH was said.
    Auth,
}

/// All that is counted.
const RATES: [RateEvent; 5] = [
    RateEvent::Connection,
    RateEvent::Message,
    RateEvent::Recipient,
    RateEvent::NewTlsSession,
    RateEvent::Auth,
];

/// A full table is gone through so often in a time unit.
const FORGETTING_PART: u32 = 16;

/// It was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// What there was too much of.
    pub event: RateEvent,
    /// How often it was; for connections, how many there were at a time, if that was it.
    pub count: u32,
    /// How often it may be.
    pub limit: u32,
    /// Whether it is connections at a time that there are too many of.
    pub at_a_time: bool,
}

impl Exceeded {
    /// What the client is told. `server` is the server's name. After a reply of 421 the connection is to be closed.
    pub fn reply(&self, server: &str, client: IpAddr) -> Reply {
        let client = client.to_canonical();
        match self.event {
            RateEvent::Connection => {
                Reply::new(421, (4, 7, 0), format!("{server} Error: too many connections from {client}"))
            }
            RateEvent::Message => Reply::new(450, (4, 7, 1), format!("Error: too much mail from {client}")),
            RateEvent::Recipient => {
                Reply::new(450, (4, 7, 1), format!("Error: too many recipients from {client}"))
            }
            RateEvent::NewTlsSession => {
                Reply::new(421, (4, 7, 0), format!("{server} Error: too many new TLS sessions from {client}"))
            }
            RateEvent::Auth => {
                Reply::new(450, (4, 7, 1), format!("Error: too many AUTH commands from {client}"))
            }
        }
    }

    /// What the administrator is told. `client` is the client as the log has it (`name[address]`), `service` what it came to.
    pub fn log_line(&self, client: &str, service: &str) -> String {
        let what = match self.event {
            RateEvent::Connection if self.at_a_time => "Connection concurrency",
            RateEvent::Connection => "Connection rate",
            RateEvent::Message => "Message delivery request rate",
            RateEvent::Recipient => "Recipient address rate",
            RateEvent::NewTlsSession => "New TLS session rate",
            RateEvent::Auth => "AUTH command rate",
        };
        format!("{what} limit exceeded: {} from {client} for service {service}", self.count)
    }
}

/// The counts of every client.
#[derive(Debug)]
pub struct Rates {
    clients: BTreeMap<IpAddr, Client>,
    /// Those without a connection, with when their time has begun.
    idle: Nets<Instant>,
    /// Connections at a time.
    connections: BTreeMap<IpAddr, u32>,
    statistics: Statistics,
    /// Before this nobody is looked for who can be forgotten: a full table is not gone through for each client.
    forget_at: Instant,
}

/// The counts of one.
#[derive(Debug, Clone, Copy)]
struct Client {
    connections: u32,
    since: Instant,
    rates: [u32; RATES.len()],
}

impl Client {
    fn new(now: Instant) -> Self {
        Self { connections: 0, since: now, rates: [0; RATES.len()] }
    }

    /// Since when it has been known, where it has no connection.
    fn idle(&self) -> Option<Instant> {
        (self.connections == 0).then_some(self.since)
    }

    fn is_over(&self, now: Instant, time_unit: Duration) -> bool {
        now.saturating_since(self.since) >= time_unit
    }
}

impl Default for Rates {
    /// Nobody has come yet.
    fn default() -> Self {
        Self {
            clients: BTreeMap::new(),
            idle: Nets::default(),
            connections: BTreeMap::new(),
            statistics: Statistics::default(),
            forget_at: Instant::ORIGIN,
        }
    }
}

impl Rates {
    /// A client has connected. If it may, the connection counts until [`Rates::disconnected`] is told of it; one that was
    /// refused is over for the count already.
    ///
    /// # Errors
    /// [`Exceeded`]: the connection is to be refused.
    pub fn connected(&mut self, limits: &RateLimits, client: IpAddr, now: Instant) -> Result<(), Exceeded> {
        if !limits.count_connections() {
            return Ok(());
        }
        if !self.count(limits, client, RateEvent::Connection, now)? {
            return Ok(());
        }
        let connections = self.connections.entry(limits.connection_prefix(client)).or_default();
        let (count, limit) = (connections.saturating_add(1), limits.connection_count_max);
        self.statistics.connections(count, client, now);
        if limit > 0 && count > limit {
            let prefix = limits.prefix(client);
            // Of one that has only come to be refused nothing is kept.
            if !limits.count_rates() && self.clients.get(&prefix).is_some_and(|known| known.connections == 0)
            {
                self.forget(prefix);
            }
            return Err(Exceeded { event: RateEvent::Connection, count, limit, at_a_time: true });
        }
        *connections = count;
        self.change(limits.prefix(client), now, |client| {
            client.connections = client.connections.saturating_add(1);
        });
        Ok(())
    }

    /// A client's connection is over. The limits are those with which [`Rates::connected`] has said yes.
    pub fn disconnected(&mut self, limits: &RateLimits, client: IpAddr) {
        if !limits.count_connections() || limits.except(client) {
            return;
        }
        let (prefix, net) = (limits.prefix(client), limits.connection_prefix(client));
        if let Some(connections) = self.connections.get_mut(&net) {
            *connections = connections.saturating_sub(1);
            if *connections == 0 {
                self.connections.remove(&net);
            }
        }
        if let Some(client) = self.clients.get(&prefix) {
            let since = client.since;
            let left = self.change(prefix, since, |client| {
                client.connections = client.connections.saturating_sub(1);
            });
            if left.connections == 0 && !limits.count_rates() {
                self.forget(prefix);
            }
        }
    }

    /// Something else has happened in a client's session. ([`RateEvent::Connection`] is counted by [`Rates::connected`].)
    ///
    /// # Errors
    /// [`Exceeded`]: it is to be refused.
    pub fn happened(
        &mut self,
        limits: &RateLimits,
        client: IpAddr,
        event: RateEvent,
        now: Instant,
    ) -> Result<(), Exceeded> {
        if limits.limit(event) > 0 {
            self.count(limits, client, event, now)?;
        }
        Ok(())
    }

    /// How many clients are known.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The highest counts since this was last asked, in the words of `anvil`; `service` is what the clients came to, and `time` says when
    /// something was, as logs have it.
    pub fn take_statistics(
        &mut self,
        limits: &RateLimits,
        service: &str,
        time: impl Fn(Instant) -> String,
    ) -> Vec<String> {
        std::mem::take(&mut self.statistics).lines(limits, service, time)
    }

    /// Counts an event, unless the client is one that is not counted.
    fn count(
        &mut self,
        limits: &RateLimits,
        address: IpAddr,
        event: RateEvent,
        now: Instant,
    ) -> Result<bool, Exceeded> {
        if limits.except(address) {
            return Ok(false);
        }
        let (limit, prefix) = (limits.limit(event), limits.prefix(address));
        let exceeded = |count| Exceeded { event, count, limit, at_a_time: false };
        if !self.clients.contains_key(&prefix) && !self.has_room(limits, now) {
            return Err(exceeded(1));
        }
        let client = self.change(prefix, now, |client| {
            if client.is_over(now, limits.time_unit) {
                *client = Client { connections: client.connections, ..Client::new(now) };
            }
            let rate = &mut client.rates[event as usize];
            *rate = rate.saturating_add(1);
        });
        let rate = client.rates[event as usize];
        self.statistics.clients(self.clients.len(), now);
        if limit > 0 {
            self.statistics.rate(event, rate, address, now);
        }
        if limit > 0 && rate > limit {
            return Err(exceeded(rate));
        }
        Ok(true)
    }

    /// Changes a client, new if it was not known; what it is then.
    fn change(&mut self, prefix: IpAddr, now: Instant, change: impl FnOnce(&mut Client)) -> Client {
        if let Some(since) = self.clients.get(&prefix).and_then(Client::idle) {
            self.idle.remove(prefix, since);
        }
        let client = self.clients.entry(prefix).or_insert_with(|| Client::new(now));
        change(client);
        if let Some(since) = client.idle() {
            self.idle.insert(prefix, since);
        }
        *client
    }

    fn forget(&mut self, prefix: IpAddr) {
        if let Some(since) = self.clients.remove(&prefix).as_ref().and_then(Client::idle) {
            self.idle.remove(prefix, since);
        }
    }

    /// Whether one more client can be known, after those were forgotten who can be.
    fn has_room(&mut self, limits: &RateLimits, now: Instant) -> bool {
        let time_unit = limits.time_unit;
        if self.clients.len() >= limits.clients_max && now >= self.forget_at {
            let over = |client: &Client| client.connections == 0 && client.is_over(now, time_unit);
            let over: Vec<IpAddr> =
                self.clients.iter().filter(|(_, client)| over(client)).map(|(prefix, _)| *prefix).collect();
            over.into_iter().for_each(|prefix| self.forget(prefix));
            self.forget_at = now + time_unit / FORGETTING_PART;
        }
        while self.clients.len() >= limits.clients_max
            && let Some(first) = self.idle.first()
        {
            self.forget(first);
        }
        self.clients.len() < limits.clients_max
    }
}

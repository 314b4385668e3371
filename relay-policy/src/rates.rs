//! How often a client may come, and how much it may send: what Postfix's `anvil` counts and its `smtpd_client_*_limit`
//! parameters bound.
//!
//! [`Rates`] counts for one server or for several that share it; the caller says what happened and when, and is told when it
//! was too much, with the words of the refusal ([`Exceeded::reply`]). Clients are counted by network prefix, since one of them
//! may have a whole network of addresses. A rate begins with a client's first event and ends a
//! [`time_unit`](RateLimits::time_unit) later, when it begins anew with the next one. What is refused counts, too.
//!
//! # Limits
//! [`RateLimits::clients_max`] clients are known. When there are more, those are forgotten that have no connection and whose
//! time is over; if all are in the midst of theirs, a new client is refused as one that comes too often: whoever fills the
//! table must not be the one that gets in.
//!
//! # Departures
//! From Postfix: AUTH, TLS and all other rates are counted over one time unit that begins with the first of any of them.

use crate::decision::Reply;
use crate::network::{self, NetworkList};
use proto_core::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How much is too much; 0 switches a limit off. The defaults are Postfix's.
#[derive(Debug, Clone)]
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
    /// Bits of an IPv4 address that tell clients from each other (`smtpd_client_ipv4_prefix_length`), at most 32.
    pub ipv4_prefix_bits: u8,
    /// The same of an IPv6 address (`smtpd_client_ipv6_prefix_length`), at most 128.
    pub ipv6_prefix_bits: u8,
    /// Who is not counted (`smtpd_client_event_limit_exceptions`).
    pub exceptions: NetworkList,
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
            ipv4_prefix_bits: 32,
            ipv6_prefix_bits: 84,
            exceptions: NetworkList::default(),
            clients_max: 100_000,
        }
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

/// A full table is gone through so often in a time unit.
const FORGETTING_PART: u32 = 16;

/// Of [`RateEvent`].
const EVENTS: usize = 5;

/// It was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// What there was too much of.
    pub event: RateEvent,
    /// How often it was; for connections, how many there were at a time, if that was it.
    pub count: u32,
    /// How often it may be.
    pub limit: u32,
}

impl Exceeded {
    /// What the client is told. `server` is the server's name, `client` the client as the log has it (`name[address]`).
    /// After a reply of 421 the connection is to be closed.
    pub fn reply(&self, server: &str, client: &str) -> Reply {
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
}

/// The counts of every client.
#[derive(Debug)]
pub struct Rates {
    limits: RateLimits,
    clients: BTreeMap<IpAddr, Client>,
    /// Before this nobody is looked for who can be forgotten: a full table is not gone through for each client.
    forget_at: Instant,
}

/// The counts of one.
#[derive(Debug, Clone, Copy)]
struct Client {
    connections: u32,
    since: Instant,
    rates: [u32; EVENTS],
}

impl Client {
    fn new(now: Instant) -> Self {
        Self { connections: 0, since: now, rates: [0; EVENTS] }
    }

    fn is_over(&self, now: Instant, time_unit: Duration) -> bool {
        now.saturating_since(self.since) >= time_unit
    }
}

impl Rates {
    /// Nobody has come yet.
    pub fn new(limits: RateLimits) -> Self {
        Self { limits, clients: BTreeMap::new(), forget_at: Instant::ORIGIN }
    }

    /// A client has connected. If it may, the connection counts until [`Rates::disconnected`] is told of it; one that was
    /// refused is over for the count already.
    ///
    /// # Errors
    /// [`Exceeded`]: the connection is to be refused.
    pub fn connected(&mut self, client: IpAddr, now: Instant) -> Result<(), Exceeded> {
        let limit = self.limits.connection_count_max;
        if limit == 0 && self.limits.connection_rate_max == 0 {
            return Ok(());
        }
        let Some(client) = self.count(client, RateEvent::Connection, now)? else { return Ok(()) };
        let count = client.connections.saturating_add(1);
        if limit > 0 && count > limit {
            return Err(Exceeded { event: RateEvent::Connection, count, limit });
        }
        client.connections = count;
        Ok(())
    }

    /// A client's connection is over.
    pub fn disconnected(&mut self, client: IpAddr) {
        let prefix = self.prefix(client);
        if let Some(client) = self.clients.get_mut(&prefix) {
            client.connections = client.connections.saturating_sub(1);
        }
    }

    /// Something else has happened in a client's session. ([`RateEvent::Connection`] is counted by [`Rates::connected`].)
    ///
    /// # Errors
    /// [`Exceeded`]: it is to be refused.
    pub fn happened(&mut self, client: IpAddr, event: RateEvent, now: Instant) -> Result<(), Exceeded> {
        if self.limit(event) > 0 {
            self.count(client, event, now)?;
        }
        Ok(())
    }

    /// How many clients are known.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Counts an event; the client, unless it is one that is not counted.
    fn count(
        &mut self,
        address: IpAddr,
        event: RateEvent,
        now: Instant,
    ) -> Result<Option<&mut Client>, Exceeded> {
        let (limit, time_unit) = (self.limit(event), self.limits.time_unit);
        if self.limits.exceptions.contains(address) {
            return Ok(None);
        }
        let prefix = self.prefix(address);
        if !self.clients.contains_key(&prefix) && !self.has_room(now) {
            return Err(Exceeded { event, count: 1, limit });
        }
        let client = self.clients.entry(prefix).or_insert_with(|| Client::new(now));
        if client.is_over(now, time_unit) {
            *client = Client { connections: client.connections, ..Client::new(now) };
        }
        let rate = &mut client.rates[event as usize];
        *rate = rate.saturating_add(1);
        if limit > 0 && *rate > limit {
            return Err(Exceeded { event, count: *rate, limit });
        }
        Ok(Some(client))
    }

    /// Whether one more client can be known, after those were forgotten who can be.
    fn has_room(&mut self, now: Instant) -> bool {
        let (full, time_unit) = (self.limits.clients_max, self.limits.time_unit);
        if self.clients.len() >= full && now >= self.forget_at {
            self.clients.retain(|_, client| client.connections > 0 || !client.is_over(now, time_unit));
            self.forget_at = Instant::from_origin(now.since_origin() + time_unit / FORGETTING_PART);
        }
        self.clients.len() < full
    }

    fn limit(&self, event: RateEvent) -> u32 {
        let limits = &self.limits;
        match event {
            RateEvent::Connection => limits.connection_rate_max,
            RateEvent::Message => limits.message_rate_max,
            RateEvent::Recipient => limits.recipient_rate_max,
            RateEvent::NewTlsSession => limits.new_tls_session_rate_max,
            RateEvent::Auth => limits.auth_rate_max,
        }
    }

    /// The network of a client, by which it is counted.
    fn prefix(&self, client: IpAddr) -> IpAddr {
        network::prefix(client, self.limits.ipv4_prefix_bits, self.limits.ipv6_prefix_bits)
    }
}

//! What Postfix's parameters say of finding servers.

use super::attempts::Attempts;
use super::lookup::ServerLookup;
use super::next_hop::{NextHop, NextHops, Protocol};
use super::server::Server;
use crate::address::{RoutingError, Transport, interfaces};
use crate::domain;
use crate::parameters::Parameters;
use std::net::IpAddr;

/// The port at which a machine may come to itself; at others something else is listening that has its name.
const SMTP_PORT: u16 = 25;

/// Which addresses are asked first, of those that are equally good: `smtp_address_preference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AddressPreference {
    /// `any`: as chance has it.
    #[default]
    Any,
    /// `ipv4`.
    Ipv4,
    /// `ipv6`.
    Ipv6,
}

/// How servers are found and tried, under Postfix's names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RoutePolicy {
    /// This machine's name: a mail server of this name is this machine.
    pub myhostname: String,
    /// `inet_interfaces` and `proxy_interfaces`: a mail server with one of these addresses is this machine.
    pub interfaces: Vec<IpAddr>,
    /// `relayhost`, if there is one: that mail cannot go there is this machine's fault, and the mail waits.
    pub relayhost: Option<NextHops>,
    /// `smtp_fallback_relay`: where mail goes that SMTP could not deliver, unless this machine is one of the destination's mail
    /// servers.
    pub smtp_fallback_relay: Option<NextHops>,
    /// `best_mx_transport`: who gets mail for a domain of which this machine is the best mail server, and which it does not know;
    /// nobody: it is bounced.
    pub best_mx_transport: Option<Transport>,
    /// `ignore_mx_lookup_error`: where nobody can say who the mail servers are, the domain itself is tried, against RFC 5321 section 5.1.
    pub ignore_mx_lookup_error: bool,
    /// `smtp_defer_if_no_mx_address_found`: mail waits where no mail server has an address.
    pub smtp_defer_if_no_mx_address_found: bool,
    /// `smtp_address_preference`.
    pub smtp_address_preference: AddressPreference,
    /// `smtp_balance_inet_protocols`: of many addresses, those of IPv6 do not take the place of all those of IPv4, nor the reverse.
    pub smtp_balance_inet_protocols: bool,
    /// `smtp_randomize_addresses`: equally good servers are tried in an order that the seed makes.
    pub smtp_randomize_addresses: bool,
    /// `smtp_mx_address_limit`: how many addresses of a destination are tried; 0: all, up to
    /// [`SERVER_ADDRESSES_MAX`](crate::access::SERVER_ADDRESSES_MAX).
    pub smtp_mx_address_limit: usize,
    /// `smtp_mx_session_limit`: how many sessions with servers of a destination may come as far as MAIL; 0: any number.
    pub smtp_mx_session_limit: usize,
    /// `soft_bounce`: what would be bounced waits.
    pub soft_bounce: bool,
}

impl RoutePolicy {
    /// Takes what is needed from the parameters.
    ///
    /// # Errors
    /// [`RoutingError::Word`] for a next hop or an address that makes no sense.
    pub fn from_parameters(parameters: &Parameters) -> Result<Self, RoutingError> {
        let p = parameters;
        let hops = |parameter: &'static str, text: &str| match text.trim() {
            "" => Ok(None),
            text => NextHops::parse(text, Protocol::Smtp).map(Some).map_err(|error| RoutingError::Word {
                parameter,
                word: error.written,
                expected: error.expected,
            }),
        };
        let best = Some(p.best_mx_transport.trim()).filter(|transport| !transport.is_empty());
        Ok(Self {
            myhostname: p.myhostname.clone(),
            interfaces: interfaces(p)?,
            relayhost: hops("relayhost", &p.relayhost)?,
            smtp_fallback_relay: hops("smtp_fallback_relay", &p.smtp_fallback_relay.join(" "))?,
            best_mx_transport: best.map(Transport::parse),
            ignore_mx_lookup_error: p.ignore_mx_lookup_error,
            smtp_defer_if_no_mx_address_found: p.smtp_defer_if_no_mx_address_found,
            smtp_address_preference: p.smtp_address_preference,
            smtp_balance_inet_protocols: p.smtp_balance_inet_protocols,
            smtp_randomize_addresses: p.smtp_randomize_addresses,
            smtp_mx_address_limit: p.smtp_mx_address_limit,
            smtp_mx_session_limit: p.smtp_mx_session_limit,
            soft_bounce: p.soft_bounce,
        })
    }

    /// Begins to find the servers of a next hop. The seed decides the order of those that are equally good; each attempt to
    /// deliver a message should have another one.
    pub fn look_up(&self, next_hop: &NextHop, seed: u64) -> ServerLookup<'_> {
        ServerLookup::new(self, next_hop.clone(), seed)
    }

    /// Begins to deliver to the first of these next hops that takes it. The seed is as for [`Self::look_up`].
    pub fn deliver(&self, next_hops: &NextHops, seed: u64) -> Attempts<'_> {
        Attempts::new(self, next_hops, seed)
    }

    /// Whether a server is this machine by the name that it has in its greeting or in its reply to EHLO: mail would come in
    /// again. So it is at the port of SMTP only.
    pub fn greets_as_myself(&self, server: &Server, name: &str) -> bool {
        server.port() == Some(SMTP_PORT) && self.is_own_name(name)
    }

    pub(super) fn is_own_name(&self, name: &str) -> bool {
        domain::key(name).is_some_and(|name| Some(name) == domain::key(&self.myhostname))
    }

    pub(super) fn is_own_address(&self, address: IpAddr) -> bool {
        self.interfaces.contains(&address.to_canonical())
    }
}

/// Whether mail that goes to this port may come back.
pub(super) fn may_loop(port: u16) -> bool {
    port == SMTP_PORT
}

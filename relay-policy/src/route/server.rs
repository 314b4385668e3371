//! A server that is to be tried, and in which order several are.

use super::policy::{AddressPreference, RoutePolicy};
use crate::access::SERVER_ADDRESSES_MAX;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};

/// A server, at one of its addresses. `Display` gives it as logs have it: `mx.example.com[192.0.2.1]:25`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Its name, as the MX record or the next hop has it, also where that is an alias (CNAME) of another; the address where it
    /// has none; of a socket, the path.
    pub host: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The preference of its MX record, lower ones first; 0 where there is none.
    pub preference: u16,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An address and a port.
    Inet(SocketAddr),
    /// The path of a socket of this machine.
    Unix(String),
}

impl Server {
    pub(super) fn inet(host: impl Into<String>, address: SocketAddr, preference: u16) -> Self {
        Self { host: host.into(), endpoint: Endpoint::Inet(address), preference }
    }

    /// Its port, if it has one.
    pub fn port(&self) -> Option<u16> {
        match &self.endpoint {
            Endpoint::Inet(address) => Some(address.port()),
            Endpoint::Unix(_) => None,
        }
    }
}

impl Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Inet(address) => write!(f, "{}[{}]:{}", self.host, address.ip(), address.port()),
            Endpoint::Unix(path) => write!(f, "{}[{path}]", self.host),
        }
    }
}

/// An address of a host.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) preference: u16,
}

/// Those that are tried, in the order in which they are: by preference, then as the seed has it (RFC 5321 section 5.1: the sender
/// MUST randomize them), then by family. At most `smtp_mx_address_limit`.
pub(super) fn in_order(
    mut candidates: Vec<Candidate>,
    policy: &RoutePolicy,
    port: u16,
    seed: u64,
) -> Vec<Server> {
    if policy.smtp_randomize_addresses {
        fastrand::Rng::with_seed(seed).shuffle(&mut candidates);
    }
    let family = |candidate: &Candidate| match policy.smtp_address_preference {
        AddressPreference::Any => false,
        AddressPreference::Ipv4 => candidate.address.is_ipv6(),
        AddressPreference::Ipv6 => candidate.address.is_ipv4(),
    };
    candidates.sort_by_key(|candidate| (candidate.preference, family(candidate)));
    let limit = match policy.smtp_mx_address_limit {
        0 => SERVER_ADDRESSES_MAX,
        limit => limit.min(SERVER_ADDRESSES_MAX),
    };
    if policy.smtp_balance_inet_protocols && candidates.len() > limit {
        balance(&mut candidates, limit, policy.smtp_address_preference);
    }
    candidates.truncate(limit);
    let server = |Candidate { host, address, preference }| {
        Server::inet(host, SocketAddr::new(address, port), preference)
    };
    candidates.into_iter().map(server).collect()
}

/// Leaves so many of each family that either has half the places, or all that it needs.
fn balance(candidates: &mut Vec<Candidate>, limit: usize, preference: AddressPreference) {
    let sixes = candidates.iter().filter(|candidate| candidate.address.is_ipv6()).count();
    let fours = candidates.len() - sixes;
    // Of an odd number, IPv4 has one more unless the other is preferred.
    let half = match preference {
        AddressPreference::Ipv6 => limit.div_ceil(2),
        AddressPreference::Any | AddressPreference::Ipv4 => limit / 2,
    };
    let mut sixes_left = sixes.min(half.max(limit.saturating_sub(fours)));
    let mut fours_left = limit - sixes_left;
    candidates.retain(|candidate| {
        let left = if candidate.address.is_ipv6() { &mut sixes_left } else { &mut fours_left };
        let is_kept = *left > 0;
        *left -= usize::from(is_kept);
        is_kept
    });
}

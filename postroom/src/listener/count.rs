//! How many connections there are, in total and by client.

use crate::settings::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of one listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// One connection; counted until dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    connections: Connections,
    /// `None` until its client is known.
    client: Option<IpAddr>,
}

impl Connections {
    /// Counts one more connection, unless there are as many as may be.
    pub(crate) fn enter(&self, limits: &Limits) -> Option<Guard> {
        let mut counts = self.lock();
        if counts.total >= limits.connections_max {
            return None;
        }
        counts.total += 1;
        Some(Guard { connections: self.clone(), client: None })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// Counts it as one of this client's, unless the client has as many as may be.
    pub(crate) fn of(mut self, client: IpAddr, limits: &Limits) -> Option<Self> {
        let client = network(client);
        {
            let mut counts = self.connections.lock();
            let of_client = counts.by_client.get(&client).copied().unwrap_or(0);
            if of_client >= limits.connections_per_ip_max {
                return None;
            }
            counts.by_client.insert(client, of_client + 1);
        }
        self.client = Some(client);
        Some(self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.total -= 1;
        let Some(client) = self.client else { return };
        if let Some(of_client) = counts.by_client.get_mut(&client) {
            *of_client -= 1;
            if *of_client == 0 {
                counts.by_client.remove(&client);
            }
        }
    }
}

/// An IPv6 client has a whole /64 network to come from (RFC 4291 section 2.5.4), so that is what is counted.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_and_left_again() {
        let limits = Limits { connections_max: 3, connections_per_ip_max: 2, ..Limits::default() };
        let connections = Connections::default();
        let enter = |client: &str| connections.enter(&limits)?.of(client.parse().unwrap(), &limits);
        let one = enter("2001:db8::1");
        let two = enter("2001:db8::2");
        assert!(one.is_some() && two.is_some());
        assert!(enter("2001:db8::3").is_none(), "the third of one network");
        let three = enter("192.0.2.1");
        assert!(three.is_some());
        assert!(enter("192.0.2.2").is_none(), "the fourth of all");
        drop(one);
        assert!(enter("::ffff:192.0.2.1").is_some());
        drop((two, three));
        assert_eq!(connections.lock().by_client.len(), 0, "nothing is kept of those who left");
    }
}

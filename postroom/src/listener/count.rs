//! How many connections there are, in total and by client, and what else a client does that is counted.
//!
//! The counts of a listener are what Postfix's `anvil` keeps of a service; see [`relay_policy::rates`].

use crate::settings::Limits;
use proto_core::{Instant, Now, UnixTime};
use relay_policy::rates::{Exceeded, RateEvent, RateLimits, Rates};
use smtp_proto::parameter::DateTime;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of one listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    rates: Rates,
}

/// One connection; counted until dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    connections: Connections,
    /// Whose connection it is, and the limits under which it was counted; `None` until that is known.
    client: Option<(IpAddr, Arc<RateLimits>)>,
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

    /// Counts what a client does, unless it has done so too often.
    pub(crate) fn happened(
        &self,
        limits: &RateLimits,
        client: IpAddr,
        event: RateEvent,
        now: Instant,
    ) -> Result<(), Exceeded> {
        self.lock().rates.happened(limits, client, event, now)
    }

    /// The highest counts since this was last asked, in the words of `anvil`.
    pub(crate) fn take_statistics(&self, limits: &RateLimits, service: &str, now: Now) -> Vec<String> {
        let time = |at: Instant| {
            let ago = i64::try_from(now.instant.saturating_since(at).as_secs()).unwrap_or(i64::MAX);
            let utc = UnixTime(now.utc.0.saturating_sub(ago));
            DateTime::new(utc).map(|time| time.to_string()).unwrap_or_default()
        };
        self.lock().rates.take_statistics(limits, service, time)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// Counts it as one of this client's, unless the client has as many as may be.
    pub(crate) fn of(
        mut self,
        client: IpAddr,
        limits: &Arc<RateLimits>,
        now: Instant,
    ) -> Result<Self, Exceeded> {
        self.connections.lock().rates.connected(limits, client, now)?;
        self.client = Some((client, Arc::clone(limits)));
        Ok(self)
    }

    /// Where it is counted.
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.total -= 1;
        if let Some((client, limits)) = &self.client {
            counts.rates.disconnected(limits, *client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_and_left_again() {
        let limits = Limits { connections_max: 3, ..Limits::default() };
        let mut rates = RateLimits::default();
        rates.connection_count_max = 2;
        let rates = Arc::new(rates);
        let connections = Connections::default();
        let enter = |client: &str| {
            connections.enter(&limits)?.of(client.parse().unwrap(), &rates, Instant::ORIGIN).ok()
        };
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
        assert_eq!(connections.lock().rates.clients(), 0, "nothing is kept of those who left");
    }
}

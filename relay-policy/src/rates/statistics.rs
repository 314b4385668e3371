//! The highest counts since they were last told: what `anvil` of Postfix logs as `statistics:`.

use super::{RATES, RateEvent, RateLimits};
use proto_core::Instant;
use std::net::IpAddr;

/// The highest of each.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    at_a_time: Option<Highest>,
    rates: [Option<Highest>; RATES.len()],
    known: Option<(usize, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Highest {
    count: u32,
    client: IpAddr,
    at: Instant,
}

impl Highest {
    fn note(highest: &mut Option<Self>, count: u32, client: IpAddr, at: Instant) {
        if highest.is_none_or(|highest| highest.count < count) {
            *highest = Some(Self { count, client: client.to_canonical(), at });
        }
    }
}

impl Statistics {
    pub(super) fn connections(&mut self, count: u32, client: IpAddr, now: Instant) {
        Highest::note(&mut self.at_a_time, count, client, now);
    }

    pub(super) fn rate(&mut self, event: RateEvent, count: u32, client: IpAddr, now: Instant) {
        Highest::note(&mut self.rates[event as usize], count, client, now);
    }

    pub(super) fn clients(&mut self, count: usize, now: Instant) {
        if self.known.is_none_or(|(most, _)| most < count) {
            self.known = Some((count, now));
        }
    }

    /// In Postfix's words; `time` says when something was, as logs have it.
    pub(super) fn lines(
        &self,
        limits: &RateLimits,
        service: &str,
        time: impl Fn(Instant) -> String,
    ) -> Vec<String> {
        let unit = limits.time_unit.as_secs();
        let line = |what: &str, count: String, highest: Highest| {
            let Highest { client, at, .. } = highest;
            format!("statistics: max {what} {count} for ({service}:{client}) at {}", time(at))
        };
        let rates = RATES.iter().filter_map(|event| Some((event, self.rates[*event as usize]?)));
        let rates = rates.map(|(event, highest)| {
            let what = match event {
                RateEvent::Connection => "connection rate",
                RateEvent::Message => "message rate",
                RateEvent::Recipient => "recipient rate",
                RateEvent::NewTlsSession => "newtls rate",
                RateEvent::Auth => "auth rate",
            };
            line(what, format!("{}/{unit}s", highest.count), highest)
        });
        let mut lines: Vec<String> = rates.collect();
        lines.extend(
            self.at_a_time.map(|highest| line("connection count", highest.count.to_string(), highest)),
        );
        lines.extend(
            self.known.map(|(most, at)| format!("statistics: max cache size {most} at {}", time(at))),
        );
        lines
    }
}

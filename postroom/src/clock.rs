//! The two clocks that machines are handed: one for deadlines, one for what is written into mail.
//!
//! Deadlines run on tokio's clock, so that a test which pauses it runs the whole engine in virtual time. The
//! calendar is the system's, or, for such a test, a fixed start that advances with tokio's clock.

use proto_core::{Instant, Now, UnixTime};
use std::time::{SystemTime, UNIX_EPOCH};

/// A monotonic and a calendar clock. Clones share the origin, so their instants can be compared.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: tokio::time::Instant,
    calendar: Calendar,
}

#[derive(Debug, Clone, Copy)]
enum Calendar {
    System,
    Virtual(UnixTime),
}

impl Clock {
    /// Real time.
    pub fn system() -> Self {
        Self { origin: tokio::time::Instant::now(), calendar: Calendar::System }
    }

    /// A calendar that shows `start` now and goes on with tokio's clock, paused or not.
    pub fn starting_at(start: UnixTime) -> Self {
        Self { origin: tokio::time::Instant::now(), calendar: Calendar::Virtual(start) }
    }

    /// The present.
    pub fn now(&self) -> Now {
        let elapsed = tokio::time::Instant::now().saturating_duration_since(self.origin);
        let utc = match self.calendar {
            Calendar::System => system_utc(),
            Calendar::Virtual(UnixTime(start)) => {
                UnixTime(start.saturating_add(i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)))
            }
        };
        Now::new(Instant::from_origin(elapsed), utc)
    }

    /// A machine's deadline on tokio's clock; `None` when it lies beyond what that clock can tell.
    pub fn deadline(&self, at: Instant) -> Option<tokio::time::Instant> {
        self.origin.checked_add(at.since_origin())
    }
}

/// Before 1970 a clock is wrong; it then shows the epoch rather than stopping the mail.
fn system_utc() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_calendar_goes_with_the_paused_clock() {
        let clock = Clock::starting_at(UnixTime(1_000));
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        let after = clock.now();
        assert_eq!(after.utc, UnixTime(1_090));
        assert_eq!(after.instant.saturating_since(before.instant), Duration::from_secs(90));
        assert_eq!(clock.deadline(after.instant), Some(tokio::time::Instant::now()));
        assert_eq!(clock.deadline(Instant::from_origin(Duration::MAX)), None);
    }
}

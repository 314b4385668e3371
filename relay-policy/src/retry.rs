//! When mail that could not be delivered is tried again, and when no more (RFC 5321 section 4.5.4.1).
//!
//! A [`RetrySchedule`] is asked after each attempt that failed, and remembers nothing: what it says follows from when the message
//! arrived and when it was tried. The default is Postfix's, with its parameters' names.
//!
//! ```
//! use proto_core::UnixTime;
//! use relay_policy::retry::RetrySchedule;
//!
//! let schedule = RetrySchedule::default();
//! let (arrival, day) = (UnixTime(1_000_000_000), 86_400);
//! // The first attempt failed at once: the next is after five minutes.
//! assert_eq!(schedule.after_failure(arrival, arrival, false), Some(UnixTime(arrival.0 + 300)));
//! // It fails still, and the message is five days old: it goes back.
//! assert_eq!(schedule.after_failure(UnixTime(arrival.0 + 5 * day), arrival, false), None);
//! ```

use proto_core::UnixTime;
use std::time::Duration;

/// When a message is tried again after a failure, and how old it may become. Parts of a second do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetrySchedule {
    /// How the waits grow. Default: Postfix's, 300 and 4,000 seconds.
    pub backoff: Backoff,
    /// How old a message becomes: what fails then goes back to its sender; zero is one attempt. Default 5 days.
    pub maximal_queue_lifetime: Duration,
    /// The same for what has a null sender, such as a report: never longer than
    /// [`maximal_queue_lifetime`](Self::maximal_queue_lifetime). Default 5 days.
    pub bounce_queue_lifetime: Duration,
    /// Attempts are made at multiples of this alone, so that what is due at about the same time is tried together. Zero: whenever
    /// something is due. Default zero (Postfix: 300 seconds).
    pub queue_run_delay: Duration,
}

/// How the waits between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backoff {
    /// As Postfix: a message waits as long as it is old, within these two, so that waits double while they are short.
    Doubling {
        /// `minimal_backoff_time`.
        minimal: Duration,
        /// `maximal_backoff_time`; where it is less than the minimum, the minimum.
        maximal: Duration,
    },
    /// As qmail: the attempt number *n*, counted from 0, is made when the message is (*n* × `step`)² seconds old.
    Quadratic {
        /// 10 for local deliveries and 20 for others, in qmail.
        step: u32,
    },
}

impl Default for RetrySchedule {
    fn default() -> Self {
        const FIVE_DAYS: Duration = Duration::from_secs(5 * 86_400);
        Self {
            backoff: Backoff::Doubling {
                minimal: Duration::from_secs(300),
                maximal: Duration::from_secs(4_000),
            },
            maximal_queue_lifetime: FIVE_DAYS,
            bounce_queue_lifetime: FIVE_DAYS,
            queue_run_delay: Duration::ZERO,
        }
    }
}

impl RetrySchedule {
    /// qmail's for deliveries to other hosts, of which it gives up what is older than a week.
    pub fn qmail_remote() -> Self {
        Self::qmail(20)
    }

    /// qmail's for local deliveries.
    pub fn qmail_local() -> Self {
        Self::qmail(10)
    }

    fn qmail(step: u32) -> Self {
        const WEEK: Duration = Duration::from_secs(7 * 86_400);
        Self {
            backoff: Backoff::Quadratic { step },
            maximal_queue_lifetime: WEEK,
            bounce_queue_lifetime: WEEK,
            ..Self::default()
        }
    }

    /// When a message that arrived at `arrival` and could not be delivered `now` is tried again, at least a second later; `None`:
    /// it has been tried for long enough. A message that arrives later than now is one that arrives now.
    pub fn after_failure(&self, now: UnixTime, arrival: UnixTime, has_null_sender: bool) -> Option<UnixTime> {
        let age = u64::try_from(now.0.saturating_sub(arrival.0)).unwrap_or(0);
        let lifetime = self.lifetime(has_null_sender).as_secs();
        let (is_over, wait) = match self.backoff {
            Backoff::Doubling { minimal, maximal } => {
                (age >= lifetime, age.clamp(minimal.as_secs(), maximal.max(minimal).as_secs()))
            }
            Backoff::Quadratic { step } => {
                let next = age.isqrt().saturating_add(step.into());
                (age > lifetime, next.saturating_mul(next).saturating_sub(age))
            }
        };
        (!is_over).then(|| self.at_a_run(after(now, wait.max(1))))
    }

    /// How old a message becomes.
    pub fn lifetime(&self, has_null_sender: bool) -> Duration {
        match has_null_sender {
            true => self.bounce_queue_lifetime.min(self.maximal_queue_lifetime),
            false => self.maximal_queue_lifetime,
        }
    }

    /// The first moment from `due` on at which attempts are made.
    fn at_a_run(&self, due: UnixTime) -> UnixTime {
        let every = i64::try_from(self.queue_run_delay.as_secs()).unwrap_or(i64::MAX);
        match due.0.checked_rem_euclid(every) {
            None | Some(0) => due,
            Some(past) => UnixTime(due.0.saturating_add(every - past)),
        }
    }
}

fn after(now: UnixTime, seconds: u64) -> UnixTime {
    UnixTime(now.0.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

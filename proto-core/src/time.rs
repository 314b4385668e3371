//! Time as an input: no machine reads a clock.
//!
//! A driver keeps one monotonic clock for deadlines and one calendar clock for what is written into mail, and
//! hands both in as [`Now`] with every call. A test hands in whatever it likes.

use core::ops::Add;
use core::time::Duration;

/// A moment on the driver's monotonic clock: the time since an origin that only the driver knows.
///
/// Two instants of different origins must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Instant = Instant(Duration::ZERO);

    /// The moment `since_origin` after the driver's origin.
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How long after the driver's origin this moment is.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// How long this moment lies after `earlier`; zero when it does not.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time instead of overflowing.
    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(rhs))
    }
}

/// Seconds since 1970-01-01 00:00:00 UTC, leap seconds not counted; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

/// The present, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: deadlines are set and compared on it.
    pub instant: Instant,
    /// The calendar: what a `Received:` field or a log line shows.
    pub utc: UnixTime,
}

impl Now {
    /// The present from both clocks.
    pub const fn new(instant: Instant, utc: UnixTime) -> Self {
        Self { instant, utc }
    }
}

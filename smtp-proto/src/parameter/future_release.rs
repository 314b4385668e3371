//! The values of HOLDFOR and HOLDUNTIL: when the message may leave.
//!
//! RFC 4865; the date of HOLDUNTIL is RFC 3339's `date-time`, as its verified erratum 2040 has it.
//!
//! A time that is over already holds nothing, and is taken.
//!
//! # Limits
//! At most nine digits of seconds; and what the server announces, beyond which the parameter is malformed.

use super::{DateTime, ParameterFault};
use core::fmt::{self, Display};

/// What the server announces: how long it would hold a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FutureRelease {
    /// The most seconds.
    pub seconds_max: HoldSeconds,
    /// The latest time.
    pub until_max: DateTime,
}

/// Seconds to hold a message: 1 to 999,999,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldSeconds(u32);

impl HoldSeconds {
    /// The most that can be said: nearly 32 years.
    pub const MAX: Self = Self(999_999_999);

    /// So many seconds; `None` when they are zero or too many.
    pub const fn new(seconds: u32) -> Option<Self> {
        if matches!(seconds, 1..=999_999_999) { Some(Self(seconds)) } else { None }
    }

    /// The seconds.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// One of the HOLDFOR and HOLDUNTIL parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// HOLDFOR: so long.
    For(HoldSeconds),
    /// HOLDUNTIL: so long as it is not yet this time.
    Until(DateTime),
}

impl Hold {
    pub(super) fn parse_for(value: Option<&str>, with: &FutureRelease) -> Result<Self, ParameterFault> {
        let digits =
            value.filter(|v| v.len() <= 9 && !v.starts_with('0') && v.bytes().all(|b| b.is_ascii_digit()));
        let seconds = digits.and_then(|v| v.parse().ok()).and_then(HoldSeconds::new);
        match seconds {
            None => Err(ParameterFault::Malformed),
            Some(seconds) if seconds > with.seconds_max => Err(ParameterFault::HoldTooLong),
            Some(seconds) => Ok(Self::For(seconds)),
        }
    }

    pub(super) fn parse_until(value: Option<&str>, with: &FutureRelease) -> Result<Self, ParameterFault> {
        match value.and_then(DateTime::parse) {
            None => Err(ParameterFault::Malformed),
            Some(time) if time > with.until_max => Err(ParameterFault::HoldTooLong),
            Some(time) => Ok(Self::Until(time)),
        }
    }
}

/// Keyword and value: `HOLDFOR=60`.
impl Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(seconds) => write!(f, "HOLDFOR={}", seconds.0),
            Self::Until(time) => write!(f, "HOLDUNTIL={time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::UnixTime;

    #[test]
    fn what_is_announced_is_the_limit() {
        use ParameterFault::{HoldTooLong, Malformed};
        let announced = FutureRelease {
            seconds_max: HoldSeconds::new(3600).unwrap(),
            until_max: DateTime::new(UnixTime(3600)).unwrap(),
        };
        for (value, expected) in [
            ("1", Ok(1)),
            ("003600", Err(Malformed)),
            ("3601", Err(HoldTooLong)),
            ("999999999", Err(HoldTooLong)),
            ("1000000000", Err(Malformed)),
            ("0", Err(Malformed)),
            ("-1", Err(Malformed)),
            ("+1", Err(Malformed)),
            ("", Err(Malformed)),
        ] {
            let expected = expected.map(|seconds| Hold::For(HoldSeconds::new(seconds).unwrap()));
            assert_eq!(Hold::parse_for(Some(value), &announced), expected, "{value}");
        }
        for (value, expected) in [
            ("1970-01-01T01:00:00Z", Ok(3600)),
            ("1969-12-31T23:59:59Z", Ok(-1)),
            ("1970-01-01T01:00:01Z", Err(HoldTooLong)),
            ("1970-01-01T02:00:00+01:00", Ok(3600)),
            ("1970-01-01", Err(Malformed)),
        ] {
            let expected = expected.map(|second| Hold::Until(DateTime::new(UnixTime(second)).unwrap()));
            assert_eq!(Hold::parse_until(Some(value), &announced), expected, "{value}");
        }
    }
}

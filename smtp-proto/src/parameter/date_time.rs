//! A date and time, as HOLDUNTIL and RRVS write it.
//!
//! RFC 3339 section 5.6 (`date-time`).
//!
//! # Limits
//! The years 0000 to 9999 of UTC.
//!
//! # Departures
//! A fraction of a second is read and dropped. A leap second is the second after it.

use core::fmt::{self, Display};
use proto_core::UnixTime;
use time::{Date, Month, OffsetDateTime};

/// A second that RFC 3339 can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(UnixTime);

impl DateTime {
    /// The last second of the year 9999.
    pub const MAX: Self = Self(UnixTime(253_402_300_799));

    /// This second; `None` when its year has not four digits.
    pub fn new(time: UnixTime) -> Option<Self> {
        let date = OffsetDateTime::from_unix_timestamp(time.0).ok()?;
        (0..=9999).contains(&date.year()).then_some(Self(time))
    }

    /// The second, since 1970.
    pub const fn unix_time(self) -> UnixTime {
        self.0
    }

    /// Reads `2026-01-01T00:00:00Z` and its like.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.as_bytes().split_at_checked(10)?;
        let [date @ .., b'-', d1, d2] = date else { return None };
        let [year @ .., b'-', m1, m2] = date else { return None };
        let month = Month::try_from(u8::try_from(number(&[*m1, *m2])?).ok()?).ok()?;
        let day = u8::try_from(number(&[*d1, *d2])?).ok()?;
        let date = Date::from_calendar_date(i32::try_from(number(year)?).ok()?, month, day).ok()?;
        let [b'T' | b't', clock @ ..] = rest else { return None };
        let (clock, mut rest) = clock.split_at_checked(8)?;
        let [h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
        let hour = number(&[*h1, *h2]).filter(|hour| *hour < 24)?;
        let minute = number(&[*m1, *m2]).filter(|minute| *minute < 60)?;
        let second = number(&[*s1, *s2]).filter(|second| *second <= 60)?;
        if let [b'.', fraction @ ..] = rest {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            rest = fraction.get(digits..).filter(|_| digits > 0)?;
        }
        let offset = match rest {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let hour = number(&[*h1, *h2]).filter(|hour| *hour < 24)?;
                let minute = number(&[*m1, *m2]).filter(|minute| *minute < 60)?;
                (hour * 60 + minute) * if *sign == b'+' { 60 } else { -60 }
            }
            _ => return None,
        };
        let midnight = date.midnight().assume_utc().unix_timestamp();
        Self::new(UnixTime(midnight + hour * 3600 + minute * 60 + second - offset))
    }
}

/// Decimal digits and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// In UTC: `2026-01-01T00:00:00Z`.
impl Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = OffsetDateTime::from_unix_timestamp(self.0.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (hour, minute, second) = date.time().as_hms();
        write!(f, "{:04}-{:02}-{:02}T", date.year(), u8::from(date.month()), date.day())?;
        write!(f, "{hour:02}:{minute:02}:{second:02}Z")
    }
}

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

    /// Reads `2026-01-01T00:00:00Z` and its like; `None`: it is no such text.
    pub fn parse(text: &str) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn known_answers() {
        for (text, second) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1985-04-12T23:20:50.52Z", 482_196_050),
            ("1996-12-19T16:39:57-08:00", 851_042_397),
            ("1990-12-31T23:59:60Z", 662_688_000),
            ("1937-01-01t12:00:27.87+00:20", -1_041_337_173),
            ("2000-02-29T00:00:00z", 951_782_400),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", DateTime::MAX.unix_time().0),
        ] {
            assert_eq!(DateTime::parse(text).map(|time| time.unix_time().0), Some(second), "{text}");
        }
        assert_eq!(DateTime(UnixTime(482_196_050)).to_string(), "1985-04-12T23:20:50Z");
    }

    #[test]
    fn what_is_no_date_time() {
        for text in [
            "",
            "Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "2026-1-01T00:00:00Z",
            "26-01-01T00:00:00Z",
            "12026-01-01T00:00:00Z",
            "+026-01-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+00:60",
            "2026-01-01T00:00:00+0000",
            "2026-01-01T00:00:00UTC",
            "2026-01-01T00:00:00ZZ",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-01-0\u{661}T00:00:00Z",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
        assert_eq!(DateTime::new(UnixTime(DateTime::MAX.unix_time().0 + 1)), None);
        assert_eq!(DateTime::new(UnixTime(i64::MAX)), None);
    }
}

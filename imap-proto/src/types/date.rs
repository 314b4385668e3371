//! Dates: the day a search names and the moment a message arrived.
//!
//! RFC 3501 §9: `date-text` and `date-time`. Both are read strictly: a day that the month does not have, an hour
//! of 25 or a zone of `+9999` is a syntax error (I28).
//!
//! # Departures
//! The year must lie in 1–9999 (`4DIGIT` would allow 0000), and a zone must be less than a day from UTC. A second
//! of 60 is accepted and held as 59, since a leap second cannot be counted in [`UnixTime`].

use proto_core::UnixTime;
use time::{Month, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// A day of the calendar, without a zone (RFC 3501 §6.4.4: a search disregards time and timezone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(time::Date);

impl Date {
    /// The day, if the calendar has it.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        let month = Month::try_from(month).ok()?;
        time::Date::from_calendar_date(i32::from(year), month, day).ok().map(Self)
    }

    /// The year, 1–9999.
    pub fn year(self) -> u16 {
        u16::try_from(self.0.year()).unwrap_or(0)
    }

    /// The month, 1–12.
    pub fn month(self) -> u8 {
        self.0.month().into()
    }

    /// The day of the month, 1–31.
    pub fn day(self) -> u8 {
        self.0.day()
    }

    /// The month's name as the wire has it.
    pub fn month_name(self) -> &'static str {
        MONTHS[usize::from(self.month() - 1)]
    }
}

/// A moment with the zone it was told in: the INTERNALDATE of a message (RFC 3501 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(OffsetDateTime);

impl DateTime {
    /// A moment from its local date and time of day and the zone's distance east of UTC in minutes; `None` when
    /// the calendar or the clock has no such moment.
    pub fn new(date: Date, time: (u8, u8, u8), zone_minutes: i16) -> Option<Self> {
        let (hour, minute, second) = time;
        let second = if second == 60 { 59 } else { second };
        let time = time::Time::from_hms(hour, minute, second).ok()?;
        if zone_minutes.unsigned_abs() >= 24 * 60 {
            return None;
        }
        let zone = UtcOffset::from_whole_seconds(i32::from(zone_minutes) * 60).ok()?;
        Some(Self(PrimitiveDateTime::new(date.0, time).assume_offset(zone)))
    }

    /// The moment, told in UTC; `None` outside the years 1–9999, which the wire cannot tell.
    pub fn from_unix(at: UnixTime) -> Option<Self> {
        let at = OffsetDateTime::from_unix_timestamp(at.0).ok()?;
        (1..=9999).contains(&at.year()).then_some(Self(at))
    }

    /// The moment without its zone.
    pub fn to_unix(self) -> UnixTime {
        UnixTime(self.0.unix_timestamp())
    }

    /// The day it was, in its own zone: what BEFORE, ON and SINCE compare with.
    pub fn date(self) -> Date {
        Date(self.0.date())
    }

    /// How far east of UTC its zone lies, in minutes.
    pub fn zone_minutes(self) -> i16 {
        self.0.offset().whole_minutes()
    }
}

/// `date-text`: `1-Feb-1994`, as an encoder writes it.
impl core::fmt::Display for Date {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-{}-{:04}", self.day(), self.month_name(), self.year())
    }
}

/// The inside of `date-time`: ` 1-Feb-1994 12:00:00 +0100`, without the quotes.
impl core::fmt::Display for DateTime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let date = self.date();
        let (hour, minute, second) = self.0.to_hms();
        let zone = self.zone_minutes();
        let sign = if zone < 0 { '-' } else { '+' };
        let zone = zone.unsigned_abs();
        write!(f, "{:2}-{}-{:04} ", date.day(), date.month_name(), date.year())?;
        write!(f, "{hour:02}:{minute:02}:{second:02} {sign}{:02}{:02}", zone / 60, zone % 60)
    }
}

/// `date-month`, in order.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_moment_in_its_zone() {
        let date = Date::new(1996, 7, 17).unwrap();
        let at = DateTime::new(date, (2, 44, 25), -7 * 60).unwrap();
        assert_eq!(at.to_string(), "17-Jul-1996 02:44:25 -0700");
        assert_eq!(at.to_unix(), UnixTime(837_596_665));
        assert_eq!(at.date(), date);
        assert_eq!(DateTime::from_unix(UnixTime(0)).unwrap().to_string(), " 1-Jan-1970 00:00:00 +0000");
    }

    #[test]
    fn no_such_day_no_such_hour() {
        assert!(Date::new(2023, 2, 29).is_none());
        assert!(Date::new(2024, 1, 32).is_none());
        assert!(Date::new(2024, 13, 1).is_none());
        assert!(Date::new(0, 1, 1).is_none());
        let date = Date::new(2024, 2, 29).unwrap();
        assert!(DateTime::new(date, (24, 0, 0), 0).is_none());
        assert!(DateTime::new(date, (23, 60, 0), 0).is_none());
        assert!(DateTime::new(date, (23, 59, 61), 0).is_none());
        assert!(DateTime::new(date, (23, 59, 60), 0).is_some());
        assert!(DateTime::new(date, (0, 0, 0), 24 * 60).is_none());
        assert!(DateTime::from_unix(UnixTime(i64::MAX)).is_none());
    }
}

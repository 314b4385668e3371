//! The `Date:` field, for SEARCH's SENT keys and for sorting.
//!
//! RFC 5322 §3.3 and §4.3 (obsolete zones and years).
//!
//! # Departures
//! Read besides: `17-Jul-1996`, a missing time (midnight), a fraction of a second, a missing or unknown zone (as
//! `-0000`, UTC), a zone of three digits, and the order of C's `asctime`, all of which stand in real mail. The name of the day is not checked.

use alloc::vec::Vec;

/// A date and time as the sender wrote it, in the sender's zone.
///
/// SEARCH's SENTBEFORE, SENTON and SENTSINCE look at year, month and day as written, "disregarding time and
/// timezone" (RFC 3501 §6.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The year, such as 1996.
    pub year: u16,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month, from 1; it exists.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60 (a leap second).
    pub second: u8,
    /// Minutes east of UTC; 0 when the sender's zone is not known.
    pub zone_minutes: i16,
}

impl DateTime {
    /// Seconds since 1970-01-01 00:00 UTC, without leap seconds.
    ///
    /// ```
    /// use mail_message::header::parse_date;
    ///
    /// let date = parse_date(b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)").unwrap();
    /// assert_eq!((date.year, date.month, date.day), (1996, 7, 17));
    /// assert_eq!(date.unix_seconds(), 837_595_405);
    /// ```
    pub fn unix_seconds(&self) -> i64 {
        // Days of the years before, in a year that begins in March, so that the leap day is the last of it.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = 365 * year + leap_days + (153 * month + 2) / 5 + i64::from(self.day) - 1 - DAYS_TO_1970;
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute) - i64::from(self.zone_minutes);
        days * 86_400 + minutes * 60 + i64::from(self.second)
    }
}

/// From the first of March of year 0 to the first of January 1970.
const DAYS_TO_1970: i64 = 719_468;

/// Reads an unfolded `Date:`; `None` if it has no day, month and year that exist together.
pub fn parse_date(value: &[u8]) -> Option<DateTime> {
    let words = words(value);
    let mut words = words.iter().map(Vec::as_slice).peekable();
    // The name of the day, if there is one; in asctime's order the month comes first.
    words.next_if(|word| month(word).is_none() && word.first().is_some_and(u8::is_ascii_alphabetic));
    let (first, second) = (words.next()?, words.next()?);
    let (day, month, mut year) = match (month(first), month(second)) {
        (None, Some(month)) => (number(first, 2)?, month, year(words.next()?)),
        (Some(month), None) => (number(second, 2)?, month, None),
        _ => return None,
    };
    let mut time = Some((0, 0, 0));
    if let Some(word) = words.next_if(|word| word.contains(&b':')) {
        time = clock(word);
    }
    if year.is_none() {
        year = words.next().and_then(self::year);
    }
    let (year, (hour, minute, second)) = (year?, time?);
    let zone_minutes = words.next().map_or(0, zone);
    let day = u8::try_from(day).ok().filter(|day| (1..=days_of(month, year)).contains(day))?;
    Some(DateTime { year, month, day, hour, minute, second, zone_minutes })
}

/// Words without comments and commas. `17-Jul-1996` is three words, `-0700` is one.
fn words(value: &[u8]) -> Vec<Vec<u8>> {
    let mut words = alloc::vec![Vec::new()];
    let mut comment_depth = 0;
    for &octet in value {
        match octet {
            b'(' => comment_depth += 1,
            b')' if comment_depth > 0 => comment_depth -= 1,
            _ if comment_depth > 0 => {}
            b' ' | b'\t' | b',' => words.push(Vec::new()),
            // The zone may follow the time at once.
            b'+' | b'-' if words.last().is_some_and(|word| word.contains(&b':')) => {
                words.push(alloc::vec![octet])
            }
            b'-' if words.last().is_some_and(|word| !word.is_empty()) => words.push(Vec::new()),
            _ => words.last_mut().into_iter().for_each(|word| word.push(octet)),
        }
        // A date has seven words at most; what follows is no part of it.
        if words.len() > WORDS_MAX {
            break;
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Empty words, between a comma and a space, count too.
const WORDS_MAX: usize = 32;

fn number(word: &[u8], digits_max: usize) -> Option<u16> {
    let is_number = !word.is_empty() && word.len() <= digits_max && word.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(word).ok().filter(|_| is_number)?.parse().ok()
}

/// RFC 5322 §4.3: two digits up to 49 are of this century, all other short years count from 1900.
fn year(word: &[u8]) -> Option<u16> {
    let year = number(word, 4)?;
    Some(match word.len() {
        2 if year < 50 => year + 2000,
        2 | 3 => year + 1900,
        _ => year,
    })
}

fn month(word: &[u8]) -> Option<u8> {
    const NAMES: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let start = word.get(..3)?;
    NAMES.iter().zip(1..).find(|(name, _)| start.eq_ignore_ascii_case(&name[..])).map(|(_, number)| number)
}

fn days_of(month: u8, year: u16) -> u8 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn clock(word: &[u8]) -> Option<(u8, u8, u8)> {
    // A fraction of a second (RFC 3339's way) is passed over.
    let word = word.split(|&octet| octet == b'.').next().unwrap_or(word);
    let mut fields = word.splitn(3, |&octet| octet == b':').map(|field| number(field, 2));
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour as u8, minute as u8, second as u8))
}

/// Minutes east of UTC. Zones without a meaning of their own (RFC 5322 §4.3: the military ones) are UTC.
fn zone(word: &[u8]) -> i16 {
    if let Some((sign @ (b'+' | b'-'), digits)) = word.split_first() {
        let Some(offset) = number(digits, 4).filter(|offset| digits.len() >= 3 && offset % 100 < 60) else {
            return 0;
        };
        let minutes = (offset / 100 * 60 + offset % 100) as i16;
        return if *sign == b'-' { -minutes } else { minutes };
    }
    const NAMES: [(&[u8], i16); 8] = [
        (b"edt", -4),
        (b"est", -5),
        (b"cdt", -5),
        (b"cst", -6),
        (b"mdt", -6),
        (b"mst", -7),
        (b"pdt", -7),
        (b"pst", -8),
    ];
    NAMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map_or(0, |(_, hours)| hours * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn show(value: &str) -> Option<String> {
        let d = parse_date(value.as_bytes())?;
        let clock = alloc::format!("{:02}:{:02}:{:02}", d.hour, d.minute, d.second);
        Some(alloc::format!("{:04}-{:02}-{:02} {clock} {:+}", d.year, d.month, d.day, d.zone_minutes))
    }

    /// RFC 5322 appendix A, and what else is met.
    #[test]
    fn dates_of_every_age() {
        for (value, expected) in [
            ("Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21 09:55:06 -360"),
            ("Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01 10:52:37 +120"),
            ("Thu, 13 Feb 1969 23:32 -0330 (Newfoundland Time)", "1969-02-13 23:32:00 -210"),
            ("21 Nov 97 09:55:06 GMT", "1997-11-21 09:55:06 +0"),
            ("Thu, 13 Feb 1969 23:32:54 PST", "1969-02-13 23:32:54 -480"),
            ("1 Jan 00 00:00 Z", "2000-01-01 00:00:00 +0"),
            ("1 Jan 101 00:00:60 -0000", "2001-01-01 00:00:60 +0"),
            ("Wed Jul 17 02:23:25 1996", "1996-07-17 02:23:25 +0"),
            ("17-Jul-1996 02:23:25 -0700", "1996-07-17 02:23:25 -420"),
            ("Wed,17 Jul 1996", "1996-07-17 00:00:00 +0"),
            ("29 February 2000 1:2:3 +1400", "2000-02-29 01:02:03 +840"),
            ("1 Jan 2001 00:01+0000", "2001-01-01 00:01:00 +0"),
            ("1 Jan 2001 00:01:02-0130", "2001-01-01 00:01:02 -90"),
            ("17 Jul 2012 22:23:35.882 0000", "2012-07-17 22:23:35 +0"),
            ("21 Aug 95 13:30:57 -600", "1995-08-21 13:30:57 -360"),
            ("(c(d)) 1 (x) May 2020 (y) 10:00 what", "2020-05-01 10:00:00 +0"),
        ] {
            assert_eq!(show(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for value in [
            "",
            "today",
            "Wed, Jul 1996",
            "32 Jan 2000",
            "0 Jan 2000",
            "29 Feb 1900",
            "1 Foo 2000",
            "1 Jan",
            "1 Jan 20000",
            "1 Jan 2000 24:00",
            "1 Jan 2000 1:60",
            "1 Jan 2000 1:",
            "1 1 2000",
        ] {
            assert_eq!(show(value), None, "{value}");
        }
    }

    #[test]
    fn unix_seconds_known_answers() {
        for (value, seconds) in [
            ("1 Jan 1970 00:00:00 +0000", 0),
            ("1 Jan 1970 01:00:00 +0100", 0),
            ("31 Dec 1969 23:59:59 +0000", -1),
            ("29 Feb 2000 12:00:00 +0000", 951_825_600),
            ("1 Mar 2000 00:00:00 +0000", 951_868_800),
            ("19 Jan 2038 03:14:08 +0000", 2_147_483_648),
        ] {
            assert_eq!(
                parse_date(value.as_bytes()).map(|date| date.unix_seconds()),
                Some(seconds),
                "{value}"
            );
        }
    }
}

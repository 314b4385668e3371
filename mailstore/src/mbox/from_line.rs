//! The `From_` line: what begins a message in an mbox, `From SENDER DATE`.
//!
//! ```text
//! From alice@example.test Sun Nov 22 14:13:11 2026            written by us, always in UTC
//! From bob Sun Nov 22 14:13 CET 2026 remote from elsewhere    read as well
//! ```
//!
//! A line is one of these only with a date behind the sender: "From here we went on" is text. That a blank line must
//! stand before it is the scanner's to know.
//!
//! # Limits
//! A line of more than [`LINE_BYTES_MAX`] octets is text.
//!
//! # Departures
//! By tradition the date is in the zone of the machine that wrote it, which nobody can know later. Where no zone
//! stands in the line we read UTC; so a date of another program's may be wrong by the hours of its zone.

use proto_core::UnixTime;
use time::{Date, Month, OffsetDateTime, Time};

/// The longest line that is read as a `From_` line, in octets without its line end.
pub(super) const LINE_BYTES_MAX: usize = 1000;

/// Who stands in the line of a message with the null reverse-path (RFC 5321 §4.5.5).
const NULL_SENDER: &str = "MAILER-DAEMON";

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Zones by name, in hours east of Greenwich: those of RFC 5322 §4.3, and some that stand in old mailboxes.
const ZONES: [(&str, i64); 28] = [
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("WET", 0),
    ("BST", 1),
    ("CET", 1),
    ("MET", 1),
    ("MEZ", 1),
    ("WEST", 1),
    ("CEST", 2),
    ("MEST", 2),
    ("MESZ", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("JST", 9),
    ("AST", -4),
    ("ADT", -3),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("HST", -10),
];

/// What a `From_` line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FromLine<'a> {
    /// The envelope sender as it stands there; may be empty.
    pub(super) sender: &'a [u8],
    /// When the message arrived.
    pub(super) date: UnixTime,
}

/// Reads a line, without its line end. `None` when it is no `From_` line.
pub(super) fn parse(line: &[u8]) -> Option<FromLine<'_>> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let rest = line.strip_prefix(b"From ")?;
    let words = words(rest);
    (0..words.len()).find_map(|first| {
        let date = date(&words[first..])?;
        let sender = rest[..words[first].0].trim_ascii();
        Some(FromLine { sender, date })
    })
}

/// The `From_` line of a message from this sender that came at this time, with LF. A null sender becomes `MAILER-DAEMON`, what would part the line in another place
/// an underscore.
pub fn format(sender: &[u8], date: UnixTime) -> Vec<u8> {
    let mut line = b"From ".to_vec();
    match sender {
        b"" => line.extend_from_slice(NULL_SENDER.as_bytes()),
        sender => {
            let kept = &sender[..sender.len().min(LINE_BYTES_MAX / 2)];
            line.extend(kept.iter().map(|&octet| if octet <= b' ' || octet == 0x7f { b'_' } else { octet }));
        }
    }
    // What is before 1970 or after 9999 cannot be written so that others read it.
    let date = OffsetDateTime::from_unix_timestamp(date.0.max(0)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let day = DAYS[usize::from(date.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(date.month())) - 1];
    let (hour, minute, second) = date.to_hms();
    let text = format!(" {day} {month} {:2} {hour:02}:{minute:02}:{second:02} {}\n", date.day(), date.year());
    line.extend_from_slice(text.as_bytes());
    line
}

/// The words of a text and where they begin; those that are not UTF-8 can only be part of a sender.
fn words(text: &[u8]) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split(|&octet| octet == b' ' || octet == b'\t') {
        if !word.is_empty() {
            words.push((at, std::str::from_utf8(word).unwrap_or("")));
        }
        at += word.len() + 1;
    }
    words
}

/// Reads a date that all of the words make up.
fn date(words: &[(usize, &str)]) -> Option<UnixTime> {
    let mut words = words.iter().map(|(_, word)| *word).peekable();
    let first = words.next()?;
    let named_day = DAYS.iter().any(|day| first.trim_end_matches(',').eq_ignore_ascii_case(day));
    let next = if named_day { words.next()? } else { first };
    let (month_then, day) = match (month(next), next.parse::<u8>()) {
        (Some(month), _) => (month, words.next()?.trim_end_matches(',').parse::<u8>().ok()?),
        // As RFC 5322 §3.3 has it.
        (None, Ok(day)) if named_day => (month(words.next()?)?, day),
        _ => return None,
    };
    let (mut time, mut year, mut offset_minutes, mut zones) = (None, None, 0, 0);
    while let Some(word) = words.next() {
        if word == "remote" && words.peek() == Some(&"from") && time.is_some() && year.is_some() {
            words.next();
            words.next()?;
            if words.next().is_some() {
                return None;
            }
            break;
        }
        if time.is_none() && word.contains(':') {
            time = Some(clock(word)?);
        } else if let Some(offset) = numeric_zone(word) {
            (offset_minutes, zones) = (offset, zones + 1);
        } else if year.is_none() && word.bytes().all(|octet| octet.is_ascii_digit()) {
            year = Some(full_year(word, named_day)?);
        } else if word.len() <= 5 && word.bytes().all(|octet| octet.is_ascii_uppercase()) {
            zones += 1;
            match ZONES.iter().find(|(name, _)| *name == word) {
                Some((_, hours)) => offset_minutes = hours * 60,
                None if word == "DST" => offset_minutes += 60,
                None => {}
            }
        } else {
            return None;
        }
    }
    if zones > 2 {
        return None;
    }
    let date = Date::from_calendar_date(year?, month_then, day).ok()?;
    let at = date.with_time(time?).assume_utc().unix_timestamp();
    Some(UnixTime(at - offset_minutes * 60))
}

fn month(word: &str) -> Option<Month> {
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(word))?;
    Month::try_from(u8::try_from(at + 1).ok()?).ok()
}

/// `hh:mm` or `hh:mm:ss`; a leap second counts as the one before it.
fn clock(word: &str) -> Option<Time> {
    let mut parts = word.split(':').map(|part| match part.len() {
        1 | 2 if part.bytes().all(|octet| octet.is_ascii_digit()) => part.parse::<u8>().ok(),
        _ => None,
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || second > 60 {
        return None;
    }
    Time::from_hms(hour, minute, second.min(59)).ok()
}

/// Four digits; two only where a day of the week has shown that this is a date.
fn full_year(word: &str, named_day: bool) -> Option<i32> {
    let year: i32 = word.parse().ok()?;
    match word.len() {
        4 => Some(year),
        2 if named_day => Some(if year < 70 { 2000 + year } else { 1900 + year }),
        _ => None,
    }
}

/// `+hhmm` or `-hhmm`, in minutes.
fn numeric_zone(word: &str) -> Option<i64> {
    let digits = word.strip_prefix(['+', '-'])?;
    if digits.len() != 4 || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits[..2].parse::<i64>().ok()?, digits[2..].parse::<i64>().ok()?);
    let offset = hours * 60 + minutes;
    Some(if word.starts_with('-') { -offset } else { offset })
}

#[cfg(test)]
mod tests;

//! Dates.
//!
//! RFC 3501 §9 `date` (SEARCH) and `date-time` (APPEND).

use super::cursor::Cursor;
use super::{Fault, bad};
use crate::types::{Date, DateTime, MONTHS};

/// `date-text / DQUOTE date-text DQUOTE`, with `date-day = 1*2DIGIT`.
pub(super) fn date(c: &mut Cursor<'_>) -> Result<Date, Fault> {
    let quoted = c.eat(b'"');
    let day = c.take_while(|octet| octet.is_ascii_digit());
    let date = rest_of_date(c, &day)?;
    if quoted {
        c.expect(b'"', BAD_DATE)?;
    }
    Ok(date)
}

/// `DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`.
pub(super) fn date_time(c: &mut Cursor<'_>) -> Result<DateTime, Fault> {
    c.expect(b'"', BAD_DATE)?;
    let padded = c.eat(b' ');
    let day = c.take_while(|octet| octet.is_ascii_digit());
    if day.len() != if padded { 1 } else { 2 } {
        return Err(bad(BAD_DATE));
    }
    let date = rest_of_date(c, &day)?;
    c.expect(b' ', BAD_DATE)?;
    let hour = two_digits(c)?;
    c.expect(b':', BAD_DATE)?;
    let minute = two_digits(c)?;
    c.expect(b':', BAD_DATE)?;
    let second = two_digits(c)?;
    c.expect(b' ', BAD_DATE)?;
    let zone = zone(c)?;
    c.expect(b'"', BAD_DATE)?;
    DateTime::new(date, (hour, minute, second), zone).ok_or_else(|| bad(BAD_DATE))
}

/// `"-" date-month "-" date-year` after the digits of the day.
fn rest_of_date(c: &mut Cursor<'_>, day: &[u8]) -> Result<Date, Fault> {
    if day.len() > 2 {
        return Err(bad(BAD_DATE));
    }
    c.expect(b'-', BAD_DATE)?;
    let name = c.take_while(|octet| octet.is_ascii_alphabetic());
    let month = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(&name));
    c.expect(b'-', BAD_DATE)?;
    let year = c.take_while(|octet| octet.is_ascii_digit());
    let (Some(month), 4) = (month, year.len()) else { return Err(bad(BAD_DATE)) };
    let (year, month, day) = (value(&year), month as u8 + 1, value(day) as u8);
    Date::new(year, month, day).ok_or_else(|| bad(BAD_DATE))
}

/// `("+" / "-") 4DIGIT`, in minutes east of UTC.
fn zone(c: &mut Cursor<'_>) -> Result<i16, Fault> {
    let east = c.eat(b'+');
    if !east {
        c.expect(b'-', BAD_DATE)?;
    }
    let (hours, minutes) = (i16::from(two_digits(c)?), i16::from(two_digits(c)?));
    if minutes > 59 {
        return Err(bad(BAD_DATE));
    }
    let zone = hours * 60 + minutes;
    Ok(if east { zone } else { -zone })
}

fn two_digits(c: &mut Cursor<'_>) -> Result<u8, Fault> {
    let mut number = 0;
    for _ in 0..2 {
        let digit = c.peek().filter(u8::is_ascii_digit).ok_or_else(|| bad(BAD_DATE))?;
        c.eat(digit);
        number = number * 10 + (digit - b'0');
    }
    Ok(number)
}

/// The value of at most four digits.
fn value(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
}

const BAD_DATE: &str = "Not a date";

//! The kinds of values that parameters have.
//!
//! # Departures
//! From Postfix: a time has its unit with it, `6s` or `1d`; there a bare number is of the unit of the parameter's default.

use super::{PrefixBits, TempfailAction};
use crate::early::EarlyAction;
use crate::route::AddressPreference;
use crate::words::words;
use std::time::Duration;

/// How the value of a parameter is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterKind {
    /// Words with commas or blanks between them.
    List,
    /// Restrictions, each with what it takes behind its name, with commas or blanks between them.
    Restrictions,
    /// One text; blanks and commas part nothing in it.
    Text,
    /// `yes` or `no`.
    YesNo,
    /// A number.
    Number,
    /// A length of time.
    Time,
    /// One of a few words.
    Word,
}

/// Reads a length of time whose default is in seconds, so that a bare number is of them.
pub(crate) fn time(text: &str) -> Option<Duration> {
    Value::read(text).or_else(|| text.parse().ok().map(|seconds: u32| Duration::from_secs(seconds.into())))
}

/// A kind of value, as `main.cf` writes it.
pub(super) trait Value: Sized {
    const KIND: ParameterKind;
    const EXPECTED: &'static str;

    fn read(text: &str) -> Option<Self>;
}

impl Value for String {
    const KIND: ParameterKind = ParameterKind::Text;
    const EXPECTED: &'static str = "expected any text";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_string())
    }
}

impl Value for Vec<String> {
    const KIND: ParameterKind = ParameterKind::List;
    const EXPECTED: &'static str = "expected words with commas or blanks between them";

    fn read(text: &str) -> Option<Self> {
        Some(words(text).into_iter().map(String::from).collect())
    }
}

impl Value for bool {
    const KIND: ParameterKind = ParameterKind::YesNo;
    const EXPECTED: &'static str = "expected yes or no";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }
}

/// A choice of which it matters whether somebody has made it.
impl Value for Option<bool> {
    const KIND: ParameterKind = bool::KIND;
    const EXPECTED: &'static str = bool::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        bool::read(text).map(Some)
    }
}

/// The largest limit, as in Postfix: what is added to one does not overflow.
const LIMIT_MAX: usize = i32::MAX as usize;

/// A limit.
impl Value for usize {
    const KIND: ParameterKind = ParameterKind::Number;
    const EXPECTED: &'static str = "expected a number, at most 2147483647";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|limit| *limit <= LIMIT_MAX)
    }
}

/// A reply code. Those that stand for a refusal are 4yz or 5yz; 2yz turns some checks off.
impl Value for u16 {
    const KIND: ParameterKind = ParameterKind::Number;
    const EXPECTED: &'static str = "expected a reply code, 200 to 599";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|code| (200..600).contains(code))
    }
}

impl Value for Option<TempfailAction> {
    const KIND: ParameterKind = ParameterKind::Word;
    const EXPECTED: &'static str = "expected defer_if_permit or defer";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "defer_if_permit" => Some(Some(TempfailAction::DeferIfPermit)),
            "defer" => Some(Some(TempfailAction::Defer)),
            "$reject_tempfail_action" => Some(None),
            _ => None,
        }
    }
}

impl Value for u32 {
    const KIND: ParameterKind = ParameterKind::Number;
    const EXPECTED: &'static str = "expected a number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A limit that may be left to others.
impl Value for Option<u32> {
    const KIND: ParameterKind = ParameterKind::Number;
    const EXPECTED: &'static str = "expected a number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Some)
    }
}

/// A sum of weights.
impl Value for i32 {
    const KIND: ParameterKind = ParameterKind::Number;
    const EXPECTED: &'static str = "expected a number, which may be negative";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<const MAX: u8> Value for PrefixBits<MAX> {
    const KIND: ParameterKind = ParameterKind::Number;
    const EXPECTED: &'static str =
        if MAX == 32 { "expected a number, at most 32" } else { "expected a number, at most 128" };

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }
}

impl Value for Duration {
    const KIND: ParameterKind = ParameterKind::Time;
    const EXPECTED: &'static str = "expected a time with its unit (s, m, h, d or w), such as 6s or 1d";

    fn read(text: &str) -> Option<Self> {
        let unit_at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
        let (number, unit) = text.split_at(unit_at);
        let unit_seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            "w" => 7 * 24 * 60 * 60,
            _ => return (text == "0").then_some(Self::ZERO),
        };
        number.parse::<u64>().ok()?.checked_mul(unit_seconds).map(Self::from_secs)
    }
}

impl Value for EarlyAction {
    const KIND: ParameterKind = ParameterKind::Word;
    const EXPECTED: &'static str = "expected ignore, enforce or drop";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "ignore" => Some(Self::Ignore),
            "enforce" => Some(Self::Enforce),
            "drop" => Some(Self::Drop),
            _ => None,
        }
    }
}

impl Value for AddressPreference {
    const KIND: ParameterKind = ParameterKind::Word;
    const EXPECTED: &'static str = "expected any, ipv4 or ipv6";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "any" => Some(Self::Any),
            "ipv4" => Some(Self::Ipv4),
            "ipv6" => Some(Self::Ipv6),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_unit() {
        let seconds = |text| Duration::read(text).map(|time| time.as_secs());
        assert_eq!(seconds("6s"), Some(6));
        assert_eq!(seconds("2m"), Some(120));
        assert_eq!(seconds("12h"), Some(43_200));
        assert_eq!(seconds("30d"), Some(2_592_000));
        assert_eq!(seconds("1w"), Some(604_800));
        assert_eq!(seconds("0"), Some(0));
        for wrong in ["", "s", "6", "-1s", "1 s", "6é", "99999999999999999999s", "18446744073709551615w"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_have_only_so_many_bits() {
        assert_eq!(PrefixBits::<32>::read("32").map(PrefixBits::bits), Some(32));
        assert_eq!((PrefixBits::<32>::read("33"), PrefixBits::<128>::read("129")), (None, None));
    }
}

//! Quotas: what one user's mailboxes may hold, and what they do hold.
//!
//! [`QuotaLimits`] are written as Maildir++ has them (`1000000S,1000C`), [`QuotaRules`] are set as Dovecot's rules are
//! (`*:storage=1G`, `Trash:storage=+10%`, `Spam:ignore`). A [`Store`](crate::Store) that was given rules keeps to them
//! and tells by [`Store::quota`](crate::Store::quota) how things stand (RFC 9208 `STORAGE` and `MESSAGE`).
//!
//! # Limits
//! Counts are 64 bits wide; what would go beyond is the largest number, what would go below is 0.

mod rules;

use std::fmt;
use std::str::FromStr;

pub use rules::{Allowance, Deviation, MailboxQuota, QuotaRules, QuotaWarning, RuleError};

/// What mailboxes hold, or what comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaUsage {
    /// The length of the messages as they are stored, in octets.
    pub bytes: u64,
    /// How many messages there are.
    pub messages: u64,
}

impl QuotaUsage {
    /// One message of that length in octets.
    pub fn message(bytes: u64) -> Self {
        Self { bytes, messages: 1 }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// This without `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            messages: self.messages.saturating_sub(other.messages),
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for QuotaUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets in {} messages", self.bytes, self.messages)
    }
}

/// What mailboxes may hold. `None` is no limit.
///
/// As text it is the definition of Maildir++: `<octets>S` and `<messages>C`, parted by a comma, in any order. 0 is no
/// limit; other letters are passed over.
///
/// ```
/// use mailstore::QuotaLimits;
///
/// let limits: QuotaLimits = "4C,3000S".parse().unwrap();
/// assert_eq!((limits.bytes, limits.messages), (Some(3000), Some(4)));
/// assert_eq!(limits.to_string(), "3000S,4C");
/// assert_eq!("1000S,0C".parse::<QuotaLimits>().unwrap().messages, None);
/// assert!("much".parse::<QuotaLimits>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaLimits {
    /// Of their length as they are stored, in octets.
    pub bytes: Option<u64>,
    /// Of the number of messages.
    pub messages: Option<u64>,
}

impl QuotaLimits {
    /// Whether this is not over the limits. What reaches a limit exactly is not over it.
    pub fn admit(&self, usage: QuotaUsage) -> bool {
        self.bytes.is_none_or(|limit| usage.bytes <= limit)
            && self.messages.is_none_or(|limit| usage.messages <= limit)
    }
}

impl fmt::Display for QuotaLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.messages) {
            (Some(bytes), Some(messages)) => write!(f, "{bytes}S,{messages}C"),
            (None, Some(messages)) => write!(f, "{messages}C"),
            (bytes, None) => write!(f, "{}S", bytes.unwrap_or(0)),
        }
    }
}

/// A quota definition that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLimits(String);

impl fmt::Display for BadLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no quota: write octets and messages as \"1000000S,1000C\"", self.0)
    }
}

impl std::error::Error for BadLimits {}

impl FromStr for QuotaLimits {
    type Err = BadLimits;

    fn from_str(text: &str) -> Result<Self, BadLimits> {
        let mut limits = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let letters = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let digits = &part[..part.len() - letters.len()];
            let limit = digits.parse::<u64>().map_err(|_| BadLimits(text.to_owned()))?;
            let limit = Some(limit).filter(|&limit| limit > 0);
            match letters {
                "S" => limits.bytes = limit,
                "C" => limits.messages = limit,
                other if other.chars().count() == 1 => {}
                _ => return Err(BadLimits(text.to_owned())),
            }
        }
        Ok(limits)
    }
}

/// How a quota stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// What counts, in all mailboxes together.
    pub usage: QuotaUsage,
    /// What may be there.
    pub limits: QuotaLimits,
}

impl Quota {
    /// How much of the limits is used, in per cent rounded down; the higher of the two. `None` without a limit.
    pub fn percent(&self) -> Option<u64> {
        let of = |used: u64, limit: Option<u64>| {
            let percent = u128::from(used) * 100 / u128::from(limit?.max(1));
            Some(u64::try_from(percent).unwrap_or(u64::MAX))
        };
        of(self.usage.bytes, self.limits.bytes).max(of(self.usage.messages, self.limits.messages))
    }
}

/// Who adds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Adding {
    /// Somebody who sends mail here: may use the [grace](QuotaRules::grace).
    Delivery,
    /// The user, by APPEND or COPY.
    User,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> QuotaLimits {
        text.parse().unwrap()
    }

    #[test]
    fn definitions_read_in_any_order_and_pass_over_other_letters() {
        assert_eq!(limits("3000S,4C"), limits("4C, 3000S"));
        assert_eq!(limits("3000S,7X"), limits("3000S"));
        assert_eq!(limits(""), QuotaLimits::default());
        assert_eq!(limits("0S").to_string(), "0S");
        for bad in ["S", "-1S", "10", "10SC", "x", "10S;4C", "99999999999999999999S"] {
            assert!(bad.parse::<QuotaLimits>().is_err(), "{bad}");
        }
    }

    #[test]
    fn q20_q21_q22_a_limit_that_is_reached_is_not_exceeded() {
        let usage = |bytes| QuotaUsage { bytes, messages: 5 };
        assert!(limits("1000S").admit(usage(1000)));
        assert!(!limits("1000S").admit(usage(1001)));
        assert!(limits("1000S,0C").admit(QuotaUsage { bytes: 1, messages: u64::MAX }));
    }

    #[test]
    fn the_fuller_of_the_two_counts() {
        let quota =
            |bytes, messages, of: &str| Quota { usage: QuotaUsage { bytes, messages }, limits: limits(of) };
        assert_eq!(quota(500, 9, "1000S,10C").percent(), Some(90));
        assert_eq!(quota(999, 0, "1000S").percent(), Some(99));
        assert_eq!(quota(999, 7, "0S").percent(), None);
        assert_eq!(quota(u64::MAX, 0, "1S").percent(), Some(u64::MAX));
    }
}

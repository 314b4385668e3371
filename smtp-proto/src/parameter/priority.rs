//! The value of MT-PRIORITY: which message goes first.
//!
//! RFC 6710 sections 3 and 7.
//!
//! # Departures
//! A malformed value gets `501 5.5.4` as every other parameter does, where section 4.1 has 5.5.2 for an example.

use super::ParameterFault;
use alloc::borrow::Cow;
use core::fmt::{self, Display};

/// The MT-PRIORITY parameter: -9 to 9, the higher the sooner; a message without one has 0.
///
/// To be believed when it is positive only from a client that may ask for it (RFC 6710 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Priority(i8);

impl Priority {
    /// A checked priority; `None` when it is out of range.
    pub const fn new(level: i8) -> Option<Self> {
        if matches!(level, -9..=9) { Some(Self(level)) } else { None }
    }

    /// The level.
    pub const fn level(self) -> i8 {
        self.0
    }

    /// RFC 6710 section 7: `["-"] NZDIGIT / "0"`.
    pub(super) fn parse(value: Option<&[u8]>) -> Result<Self, ParameterFault> {
        match value {
            Some([digit @ b'0'..=b'9']) => Ok(Self((digit - b'0').cast_signed())),
            Some([b'-', digit @ b'1'..=b'9']) => Ok(Self(-(digit - b'0').cast_signed())),
            _ => Err(ParameterFault::Malformed),
        }
    }
}

/// The value as it stands after `MT-PRIORITY=`.
impl Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a Priority Assignment Policy, as EHLO shows it (RFC 6710 section 9.2): `MIXER`, `STANAG4406`, `NSEP`,
/// or one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityPolicy(Cow<'static, str>);

impl PriorityPolicy {
    /// Nothing is said of the policy (RFC 6710 section 3).
    pub const UNDISCLOSED: Self = Self(Cow::Borrowed(""));

    /// A policy by its name: 1 to 20 letters, digits, `-`, `_`, `.` (RFC 6710 section 10.1); `None` when it holds
    /// anything else.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Option<Self> {
        let name = name.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (matches!(name.len(), 1..=20) && name.bytes().all(plain)).then_some(Self(name))
    }

    /// The name; empty when it is not disclosed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nineteen_spellings_and_no_other() {
        let spelled = (-9..=9).map(|level| alloc::format!("{level}"));
        for (level, text) in (-9..=9).zip(spelled) {
            assert_eq!(Priority::parse(Some(text.as_bytes())), Ok(Priority(level)));
        }
        for text in ["", "-", "-0", "+1", "10", "-10", "00", "1.0", "a", "\u{661}"] {
            assert_eq!(Priority::parse(Some(text.as_bytes())), Err(ParameterFault::Malformed), "{text}");
        }
    }

    #[test]
    fn a_policy_has_a_name_that_fits_into_ehlo() {
        assert_eq!(
            PriorityPolicy::new("STANAG4406").as_ref().map(PriorityPolicy::as_str),
            Some("STANAG4406")
        );
        for name in ["", "a b", "a=b", "a\r\nb", "123456789012345678901"] {
            assert_eq!(PriorityPolicy::new(name), None, "{name:?}");
        }
    }
}

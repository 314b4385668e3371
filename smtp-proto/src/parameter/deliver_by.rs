//! The value of BY: until when the message must be delivered.
//!
//! RFC 2852 section 4: `by-time ";" by-mode [by-trace]`.
//!
//! # Limits
//! At most nine digits of seconds.

use super::ParameterFault;
use core::fmt::{self, Display};

/// What happens to a message that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByMode {
    /// `N`: its sender is told, and it stays in the queue.
    Notify,
    /// `R`: it goes back to its sender.
    Return,
}

/// The BY parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverBy {
    seconds: i32,
    mode: ByMode,
    trace: bool,
}

impl DeliverBy {
    /// The most seconds, either way.
    pub const SECONDS_MAX: i32 = 999_999_999;

    /// So many seconds from now, negative when the time is over. `None` when they are out of range, or not positive with
    /// [`ByMode::Return`].
    pub fn new(seconds: i32, mode: ByMode, trace: bool) -> Option<Self> {
        let in_range = (-Self::SECONDS_MAX..=Self::SECONDS_MAX).contains(&seconds);
        let sensible = mode == ByMode::Notify || seconds > 0;
        (in_range && sensible).then_some(Self { seconds, mode, trace })
    }

    /// The seconds that are left.
    pub const fn seconds(&self) -> i32 {
        self.seconds
    }

    /// What happens when they are over.
    pub const fn mode(&self) -> ByMode {
        self.mode
    }

    /// `T`: the sender wants a report from every host on the way that has the extension.
    pub const fn trace(&self) -> bool {
        self.trace
    }

    pub(super) fn parse(value: Option<&str>, seconds_min: u32) -> Result<Self, ParameterFault> {
        let (time, mode) = value.and_then(|v| v.split_once(';')).ok_or(ParameterFault::Malformed)?;
        let seconds = parse_time(time).ok_or(ParameterFault::Malformed)?;
        let (mode, trace) = match mode.as_bytes() {
            [b'N' | b'n'] => (ByMode::Notify, false),
            [b'N' | b'n', b'T' | b't'] => (ByMode::Notify, true),
            [b'R' | b'r'] => (ByMode::Return, false),
            [b'R' | b'r', b'T' | b't'] => (ByMode::Return, true),
            _ => return Err(ParameterFault::Malformed),
        };
        let by = Self::new(seconds, mode, trace).ok_or(ParameterFault::Malformed)?;
        if mode == ByMode::Return && i64::from(seconds) < i64::from(seconds_min) {
            return Err(ParameterFault::ByTimeTooShort);
        }
        Ok(by)
    }
}

/// `["-" / "+"] 1*9DIGIT`.
fn parse_time(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let nine = matches!(digits.len(), 1..=9) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<i32>().ok().filter(|_| nine).map(|seconds| sign * seconds)
}

/// The value as it stands after `BY=`.
impl Display for DeliverBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            ByMode::Notify => "N",
            ByMode::Return => "R",
        };
        write!(f, "{};{mode}{}", self.seconds, if self.trace { "T" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn rules_about_the_time() {
        use ParameterFault::{ByTimeTooShort, Malformed};
        let parse = |value| DeliverBy::parse(Some(value), 60).map(|by| by.to_string());
        for (value, written) in [
            ("120;R", "120;R"),
            ("+120;r", "120;R"),
            ("60;RT", "60;RT"),
            ("0;N", "0;N"),
            ("-0;N", "0;N"),
            ("-30;nt", "-30;NT"),
            ("000000001;N", "1;N"),
            ("999999999;R", "999999999;R"),
            ("-999999999;N", "-999999999;N"),
        ] {
            assert_eq!(parse(value).as_deref(), Ok(written), "{value}");
        }
        for (value, fault) in [
            ("59;R", ByTimeTooShort),
            ("1;RT", ByTimeTooShort),
            ("0;R", Malformed),
            ("-60;R", Malformed),
            ("0000000001;N", Malformed),
            ("1;T", Malformed),
            ("1;TN", Malformed),
            ("1 ;N", Malformed),
            ("1;", Malformed),
            (";N", Malformed),
            ("1", Malformed),
        ] {
            assert_eq!(parse(value), Err(fault), "{value}");
        }
        assert_eq!(DeliverBy::parse(None, 0), Err(Malformed));
        assert_eq!(DeliverBy::parse(Some("1;R"), 0), Ok(DeliverBy::new(1, ByMode::Return, false).unwrap()));
        assert_eq!(DeliverBy::new(1_000_000_000, ByMode::Notify, false), None);
        assert_eq!(DeliverBy::new(i32::MIN, ByMode::Notify, false), None);
        assert_eq!(DeliverBy::new(0, ByMode::Return, false), None);
    }
}

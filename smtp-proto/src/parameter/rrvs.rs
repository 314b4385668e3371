//! The value of RRVS: since when the mailbox must have been its present owner's.
//!
//! RFC 7293 section 3.1.

use super::{DateTime, ParameterFault};
use core::fmt::{self, Display};

/// What to do where the mail must go on to a host that does not have the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RrvsAction {
    /// `C`: continue without it.
    Continue,
    /// `R`: reject the message.
    Reject,
}

/// The RRVS parameter: deliver only if the mailbox has had the same owner since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rrvs {
    /// Since when.
    pub since: DateTime,
    /// What to do where it cannot be passed on, if the sender said.
    pub action: Option<RrvsAction>,
}

impl Rrvs {
    pub(super) fn parse(value: Option<&str>) -> Result<Self, ParameterFault> {
        let value = value.ok_or(ParameterFault::Malformed)?;
        let (since, action) = match value.split_once(';') {
            Some((since, "C" | "c")) => (since, Some(RrvsAction::Continue)),
            Some((since, "R" | "r")) => (since, Some(RrvsAction::Reject)),
            Some(_) => return Err(ParameterFault::Malformed),
            None => (value, None),
        };
        DateTime::parse(since).map(|since| Self { since, action }).ok_or(ParameterFault::Malformed)
    }
}

/// The value as it stands after `RRVS=`.
impl Display for Rrvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Some(RrvsAction::Continue) => ";C",
            Some(RrvsAction::Reject) => ";R",
            None => "",
        };
        write!(f, "{}{action}", self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_date_and_what_to_do() {
        for (value, written) in [
            ("2014-04-03T23:01:00Z", "2014-04-03T23:01:00Z"),
            ("2014-04-03T23:01:00Z;r", "2014-04-03T23:01:00Z;R"),
            ("2014-04-04T01:01:00+02:00;C", "2014-04-03T23:01:00Z;C"),
        ] {
            assert_eq!(Rrvs::parse(Some(value)).map(|rrvs| rrvs.to_string()).as_deref(), Ok(written));
        }
        for value in ["", ";R", "2014-04-03T23:01:00Z;", "2014-04-03T23:01:00Z;X", "2014-04-03T23:01:00Z;R;R"]
        {
            assert_eq!(Rrvs::parse(Some(value)), Err(ParameterFault::Malformed), "{value}");
        }
        assert_eq!(Rrvs::parse(None), Err(ParameterFault::Malformed));
    }
}

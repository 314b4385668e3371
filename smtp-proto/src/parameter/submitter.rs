//! The value of AUTH: who submitted the message first.
//!
//! RFC 4954 section 5.

use super::ParameterFault;
use crate::command::xtext;
use alloc::string::String;
use core::fmt::{self, Display};

/// The AUTH parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitter {
    /// `AUTH=<>`: not known, or not to be told.
    Unknown,
    /// The mailbox, decoded, as the client gave it.
    Mailbox(String),
}

impl Submitter {
    pub(super) fn parse(value: Option<&str>) -> Result<Self, ParameterFault> {
        let text = value.and_then(xtext::decode).ok_or(ParameterFault::Malformed)?;
        Ok(if text == "<>" { Self::Unknown } else { Self::Mailbox(text.into_owned()) })
    }
}

/// The value as it stands after `AUTH=`; an empty mailbox is not known.
impl Display for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) if !mailbox.is_empty() => xtext::Encoded(mailbox).fmt(f),
            _ => f.write_str("<>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_mailbox_that_says_nothing_is_not_known() {
        for (value, expected, written) in [
            ("<>", Submitter::Unknown, "<>"),
            ("+3C+3E", Submitter::Unknown, "<>"),
            ("e+3Dmc2@example.com", Submitter::Mailbox("e=mc2@example.com".into()), "e+3Dmc2@example.com"),
        ] {
            assert_eq!(Submitter::parse(Some(value)).as_ref(), Ok(&expected));
            assert_eq!(expected.to_string(), written);
        }
        assert_eq!(Submitter::Mailbox(String::new()).to_string(), "<>");
        assert_eq!(Submitter::Mailbox("a\r\nRSET".into()).to_string(), "a+0D+0ARSET");
        assert_eq!(Submitter::parse(Some("a+0D")), Err(ParameterFault::Malformed));
    }
}

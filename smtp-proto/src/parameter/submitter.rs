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
        Ok(if text == "<>" { Self::Unknown } else { Self::Mailbox(text) })
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

//! What may be wrong with parameters, and the replies it becomes.
//!
//! RFC 5321 section 4.1.1.11: `555` for what is not recognised; section 4.2.2: `501` for what is malformed.

use crate::reply::Reply;

/// Why parameters are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterFault {
    /// Its keyword, or its value, belongs to no extension of the session (`555 5.5.4`).
    #[error("unknown parameter")]
    Unknown,
    /// It is known, and wrong (`501 5.5.4`).
    #[error("malformed parameter")]
    Malformed,
    /// It stands twice, or beside one that excludes it (`501 5.5.4`).
    #[error("duplicate parameter")]
    Duplicate,
    /// SIZE is over the limit (`552 5.3.4`).
    #[error("message size exceeds the limit")]
    TooLarge,
    /// HOLDFOR or HOLDUNTIL is beyond what is announced (`501 5.5.4`).
    #[error("held for longer than the limit")]
    HoldTooLong,
    /// BY with the mode `R` asks for less time than the announced minimum (`555 5.5.4`).
    #[error("delivery time below the minimum")]
    ByTimeTooShort,
}

impl ParameterFault {
    /// The reply it becomes.
    pub(crate) const fn reply(self) -> Reply {
        match self {
            Self::Unknown => Reply::fixed(555, (5, 4), "Error: unsupported parameter"),
            Self::Malformed => Reply::fixed(501, (5, 4), "Error: bad parameter"),
            Self::Duplicate => Reply::fixed(501, (5, 4), "Error: duplicate parameter"),
            Self::TooLarge => Reply::fixed(552, (3, 4), "Error: message size exceeds fixed limit"),
            Self::HoldTooLong => Reply::fixed(501, (5, 4), "Error: cannot hold a message that long"),
            Self::ByTimeTooShort => Reply::fixed(555, (5, 4), "Error: cannot deliver that fast"),
        }
    }
}

//! The value of BODY: what kind of octets the message holds.
//!
//! RFC 6152 (`7BIT`, `8BITMIME`), RFC 3030 section 3 (`BINARYMIME`).

use super::{Extensions, ParameterFault};
use crate::command::word::Key;
use core::fmt::{self, Display};

/// The BODY parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BodyKind {
    /// `BODY=7BIT`, or no such parameter: ASCII lines.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`: lines with octets over 127.
    EightBitMime,
    /// `BODY=BINARYMIME`: any octets, with or without lines; travels by BDAT only.
    BinaryMime,
}

impl BodyKind {
    pub(super) fn parse(value: Option<&[u8]>, with: &Extensions) -> Result<Self, ParameterFault> {
        match Key::of(value.ok_or(ParameterFault::Malformed)?) {
            SEVEN_BIT => Ok(Self::SevenBit),
            EIGHT_BIT_MIME => Ok(Self::EightBitMime),
            BINARY_MIME if with.binary_mime => Ok(Self::BinaryMime),
            // Known to another extension than the session's.
            BINARY_MIME => Err(ParameterFault::Unknown),
            _ => Err(ParameterFault::Malformed),
        }
    }
}

const SEVEN_BIT: Key = Key::known(b"7BIT");
const EIGHT_BIT_MIME: Key = Key::known(b"8BITMIME");
const BINARY_MIME: Key = Key::known(b"BINARYMIME");

/// The value as it stands after `BODY=`.
impl Display for BodyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        })
    }
}

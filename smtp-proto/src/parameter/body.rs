//! The value of BODY: what kind of octets the message holds.
//!
//! RFC 6152 (`7BIT`, `8BITMIME`), RFC 3030 section 3 (`BINARYMIME`).

use super::{Extensions, ParameterFault};
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
    pub(super) fn parse(value: Option<&str>, with: &Extensions) -> Result<Self, ParameterFault> {
        let value = value.ok_or(ParameterFault::Malformed)?;
        let is = |name: &str| value.eq_ignore_ascii_case(name);
        match () {
            () if is("7BIT") => Ok(Self::SevenBit),
            () if is("8BITMIME") => Ok(Self::EightBitMime),
            () if is("BINARYMIME") && with.binary_mime => Ok(Self::BinaryMime),
            // Known to another extension than the session's.
            () if is("BINARYMIME") => Err(ParameterFault::Unknown),
            () => Err(ParameterFault::Malformed),
        }
    }
}

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

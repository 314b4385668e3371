//! The value of SIZE: how large the message is.
//!
//! RFC 1870 section 3.

use super::ParameterFault;

/// `1*20DIGIT`. Twenty digits may not fit, and are then as good as infinite.
pub(super) fn parse(value: Option<&[u8]>) -> Result<u64, ParameterFault> {
    let digits = value.filter(|digits| digits.len() <= 20).ok_or(ParameterFault::Malformed)?;
    digits.iter().try_fold(0, |size: u64, digit| match digit {
        b'0'..=b'9' => Ok(size.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
        _ => Err(ParameterFault::Malformed),
    })
}

//! The value of SIZE: how large the message is.
//!
//! RFC 1870 section 3.

use super::ParameterFault;

/// `1*20DIGIT`. Twenty digits may not fit, and are then as good as infinite.
pub(super) fn parse(value: Option<&str>) -> Result<u64, ParameterFault> {
    let digits = value.ok_or(ParameterFault::Malformed)?;
    if digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParameterFault::Malformed);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

//! ANONYMOUS, RFC 4505: one message of the client, by which it wants to be remembered, or nothing.

use super::saslprep::is_trace;
use super::{Credentials, SaslFault};

/// RFC 4505 section 2, in characters; held for a mail address too.
const TRACE_CHARS_MAX: usize = 255;

/// Reads the client's message.
pub(super) fn parse(message: &[u8]) -> Result<Credentials, SaslFault> {
    let trace = core::str::from_utf8(message).map_err(|_| SaslFault::Malformed)?;
    check(trace)?;
    Ok(Credentials::Anonymous { trace: (!trace.is_empty()).then(|| trace.into()) })
}

/// Whether a trace can be sent.
pub(super) fn check(trace: &str) -> Result<(), SaslFault> {
    let right = trace.chars().count() <= TRACE_CHARS_MAX && is_trace(trace);
    if right { Ok(()) } else { Err(SaslFault::Malformed) }
}

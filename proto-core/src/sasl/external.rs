//! EXTERNAL, RFC 4422 appendix A: one message of the client, whom it wants to act as, or nothing. Who it is, the TLS
//! handshake has shown.

use super::{Credentials, SaslFault, identity_or_none};

/// Reads the client's message.
pub(super) fn parse(message: &[u8]) -> Result<Credentials, SaslFault> {
    Ok(Credentials::External { authzid: identity_or_none(message)? })
}

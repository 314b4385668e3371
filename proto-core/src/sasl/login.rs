//! LOGIN: the server asks for the name, then for the password.
//!
//! Never standardised; the prompts below are the ones that clients are known to expect, and no client reads them.

use super::{Credentials, SaslFault, identity};
use alloc::string::String;

pub(super) const NAME_PROMPT: &[u8] = b"Username:";
pub(super) const PASSWORD_PROMPT: &[u8] = b"Password:";

/// Reads the client's second message, the name of the first in hand.
pub(super) fn credentials(authcid: String, password: &[u8]) -> Result<Credentials, SaslFault> {
    if password.is_empty() || password.contains(&0) {
        return Err(SaslFault::Malformed);
    }
    Ok(Credentials::Password { authzid: None, authcid, password: password.into() })
}

/// Reads the client's first message.
pub(super) fn name(message: &[u8]) -> Result<String, SaslFault> {
    identity(message)
}

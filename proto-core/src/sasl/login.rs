//! LOGIN: the server asks for the name, then for the password.
//!
//! Never standardised; the prompts below are the ones that clients are known to expect, and no client reads them.

pub(super) const NAME_PROMPT: &[u8] = b"Username:";
pub(super) const PASSWORD_PROMPT: &[u8] = b"Password:";

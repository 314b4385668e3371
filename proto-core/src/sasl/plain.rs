//! PLAIN, RFC 4616: one message of the client, `authzid NUL authcid NUL password`.

use super::{ClientCredentials, Credentials, SaslFault};
use crate::secret::Secret;
use alloc::vec::Vec;

/// Reads the client's message. RFC 4616 section 2: an empty password is none.
pub(super) fn parse(message: &[u8]) -> Result<Credentials, SaslFault> {
    let mut fields = message.split(|octet| *octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(SaslFault::Malformed);
    };
    Credentials::password(authzid, authcid, password)
}

/// Whose password the client's message has.
pub(super) fn authcid(message: &[u8]) -> &[u8] {
    message.split(|octet| *octet == 0).nth(1).unwrap_or_default()
}

/// Writes the client's message.
pub(super) fn message(credentials: &ClientCredentials, password: &Secret) -> Result<Secret, SaslFault> {
    let fields = [
        credentials.authzid.as_deref().unwrap_or_default().as_bytes(),
        credentials.authcid.as_bytes(),
        password.expose(),
    ];
    if fields.iter().any(|field| field.contains(&0)) {
        return Err(SaslFault::Malformed);
    }
    // The final size at once: growing would leave a copy of the password behind.
    let mut message = Vec::with_capacity(fields.iter().map(|field| field.len() + 1).sum());
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            message.push(0);
        }
        message.extend_from_slice(field);
    }
    Ok(Secret::new(message))
}

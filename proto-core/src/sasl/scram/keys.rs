//! What a server keeps of a password for SCRAM, and how it is made.
//!
//! RFC 5802 sections 2.2 and 3. Who steals the keys can pose as the server, and can try passwords at the price of the
//! iterations; he cannot log in with them.

use super::ScramHash;
use crate::sasl::saslprep::{SaslprepFault, saslprep};
use crate::secret::Secret;
use alloc::vec::Vec;

/// A user's keys for one hash function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramKeys {
    hash: ScramHash,
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Secret,
    server_key: Secret,
}

/// Keys that cannot be: an empty salt or one of more than [`SALT_BYTES_MAX`] octets, no iterations, or a key that is not
/// as long as its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the keys of a SCRAM user")]
pub struct BadScramKeys;

/// The longest salt, in octets.
pub const SALT_BYTES_MAX: usize = 1024;

impl ScramKeys {
    /// Keys as they were stored.
    ///
    /// # Errors
    /// [`BadScramKeys`].
    pub fn new(
        hash: ScramHash,
        salt: Vec<u8>,
        iterations: u32,
        stored_key: Secret,
        server_key: Secret,
    ) -> Result<Self, BadScramKeys> {
        let whole = [&stored_key, &server_key].iter().all(|key| key.expose().len() == hash.bytes());
        if !whole || iterations == 0 || !matches!(salt.len(), 1..=SALT_BYTES_MAX) {
            return Err(BadScramKeys);
        }
        Ok(Self::unchecked(hash, salt, iterations, stored_key, server_key))
    }

    pub(in crate::sasl) fn unchecked(
        hash: ScramHash,
        salt: Vec<u8>,
        iterations: u32,
        stored_key: Secret,
        server_key: Secret,
    ) -> Self {
        Self { hash, salt, iterations, stored_key, server_key }
    }

    /// Makes the keys of a password. The time it takes grows with `iterations` (RFC 7677 section 4 asks for 4,096 at
    /// least), so this belongs on a thread that may be busy. The salt is random, 16 octets or more.
    ///
    /// # Errors
    /// [`SaslprepFault`] when no client could ever send this password.
    pub fn derive(
        hash: ScramHash,
        password: &Secret,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, SaslprepFault> {
        let password = prepared(password)?;
        let salted = hash.salted_password(password.expose(), salt, iterations);
        let stored_key = hash.digest(hash.client_key(&salted).expose());
        let server_key = hash.server_key(&salted);
        Ok(Self::unchecked(hash, salt.to_vec(), iterations, stored_key, server_key))
    }

    /// The hash function.
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How often the hash function was iterated.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// `StoredKey`, which verifies the client.
    pub fn stored_key(&self) -> &Secret {
        &self.stored_key
    }

    /// `ServerKey`, with which the server shows that it knows the user.
    pub fn server_key(&self) -> &Secret {
        &self.server_key
    }

    /// Whether this is the password that the keys were made of; as slow as [`ScramKeys::derive`]. For the mechanisms
    /// that show the password.
    pub fn verify(&self, password: &Secret) -> bool {
        Self::derive(self.hash, password, &self.salt, self.iterations)
            .is_ok_and(|keys| keys.stored_key == self.stored_key)
    }
}

/// `Normalize(password)` of RFC 5802 section 2.2.
pub(super) fn prepared(password: &Secret) -> Result<Secret, SaslprepFault> {
    saslprep(password.expose_str().ok_or(SaslprepFault)?)
}

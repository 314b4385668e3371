//! The functions that RFC 5802 section 2.2 is written in: `H`, `HMAC`, `Hi`, and the keys made with them.

use crate::secret::Secret;
use hmac::digest::Digest as _;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The hash function of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ScramHash {
    /// SHA-1, RFC 5802.
    Sha1,
    /// SHA-256, RFC 7677.
    Sha256,
}

impl ScramHash {
    /// Its name in the mechanism's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The length of its result in octets.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// `H(str)`.
    pub(in crate::sasl) fn digest(self, octets: &[u8]) -> Secret {
        match self {
            Self::Sha1 => Secret::from(&Sha1::digest(octets)[..]),
            Self::Sha256 => Secret::from(&Sha256::digest(octets)[..]),
        }
    }

    /// `HMAC(key, str)`, `str` in parts.
    pub(in crate::sasl) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Sha1 => hmac::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => hmac::<Hmac<Sha256>>(key, parts),
        }
    }

    /// `SaltedPassword`, by `Hi(str, salt, i)`.
    pub(super) fn salted_password(self, password: &[u8], salt: &[u8], iterations: u32) -> Secret {
        match self {
            Self::Sha1 => hi::<Hmac<Sha1>>(password, salt, iterations),
            Self::Sha256 => hi::<Hmac<Sha256>>(password, salt, iterations),
        }
    }

    /// `ClientKey`.
    pub(super) fn client_key(self, salted_password: &Secret) -> Secret {
        self.hmac(salted_password.expose(), &[b"Client Key"])
    }

    /// `ServerKey`.
    pub(super) fn server_key(self, salted_password: &Secret) -> Secret {
        self.hmac(salted_password.expose(), &[b"Server Key"])
    }
}

/// HMAC of any hash function.
pub(in crate::sasl) fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut mac = keyed::<M>(key);
    parts.iter().for_each(|part| mac.update(part));
    Secret::from(&mac.finalize().into_bytes()[..])
}

fn hi<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Secret {
    let keyed = keyed::<M>(password);
    let mut step = keyed.clone().chain_update(salt).chain_update(1_u32.to_be_bytes()).finalize().into_bytes();
    let mut sum = step.clone();
    for _ in 1..iterations {
        step = keyed.clone().chain_update(&step).finalize().into_bytes();
        sum.iter_mut().zip(&step).for_each(|(sum, step)| *sum ^= step);
    }
    Secret::from(&sum[..])
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("invariant: HMAC takes keys of any length")
}

/// `a XOR b`, as long as the shorter.
pub(super) fn xor(a: &[u8], b: &[u8]) -> Secret {
    Secret::new(a.iter().zip(b).map(|(a, b)| a ^ b).collect())
}

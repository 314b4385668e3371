//! Password schemes: how a stored password is written and checked.

use crate::entropy::Entropy;
use argon2::Argon2;
use argon2::password_hash::phc;
use password_hash::{PasswordHasher as _, PasswordVerifier as _};
use proto_core::secret::Secret;
use sha_crypt::ShaCrypt;
use std::fmt;

/// A way to store a password, by the name that stands in braces before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `{PLAIN}`: as it is. For tests.
    Plain,
    /// `{SHA512-CRYPT}`: `$6$…`, as crypt(3) writes it.
    Sha512Crypt,
    /// `{ARGON2ID}`: `$argon2id$…`, the PHC string (RFC 9106).
    Argon2id,
    /// `{BLF-CRYPT}`: bcrypt, `$2y$…`. Octets after the 72nd do not count, which is how bcrypt is.
    BlfCrypt,
}

impl Scheme {
    /// All of them, the one for new passwords first.
    pub const ALL: [Scheme; 4] = [Scheme::Argon2id, Scheme::Sha512Crypt, Scheme::BlfCrypt, Scheme::Plain];

    /// The name in braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Sha512Crypt => "SHA512-CRYPT",
            Self::Argon2id => "ARGON2ID",
            Self::BlfCrypt => "BLF-CRYPT",
        }
    }

    /// The scheme of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }
}

/// Why a password field cannot be used. It shows nothing of the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// There is no `{SCHEME}` before it.
    #[error("the password has no {{SCHEME}} before it; known are {}", Known)]
    NoScheme,
    /// The scheme is not known.
    #[error("password scheme {{{name}}} is not known; known are {}", Known)]
    Unknown {
        /// Its name.
        name: String,
    },
    /// What follows is not what the scheme writes.
    #[error("the password is not written as {{{}}} has it", .0.name())]
    Malformed(Scheme),
    /// A new password is empty, or longer than its scheme heeds.
    #[error("a password for {{{}}} has 1 to {octets_max} octets", .scheme.name())]
    Length {
        /// The scheme.
        scheme: Scheme,
        /// The most octets.
        octets_max: usize,
    },
}

/// The known schemes, for messages.
struct Known;

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Scheme::ALL.map(|scheme| format!("{{{}}}", scheme.name()));
        f.write_str(&names.join(", "))
    }
}

/// A password as the file has it.
#[derive(Debug)]
pub(super) enum StoredPassword {
    Plain(Secret),
    Sha512Crypt(Secret),
    Argon2id(Secret),
    BlfCrypt(Secret),
}

impl StoredPassword {
    /// Reads `{SCHEME}hash`, and refuses what could never match.
    pub(super) fn parse(field: &str) -> Result<Self, SchemeError> {
        let (name, hash) =
            field.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(SchemeError::NoScheme)?;
        let scheme = Scheme::from_name(name).ok_or_else(|| SchemeError::Unknown { name: name.to_owned() })?;
        let stored = Secret::from(hash);
        let (well_formed, password) = match scheme {
            Scheme::Plain => (true, Self::Plain(stored)),
            Scheme::Sha512Crypt => (
                hash.starts_with("$6$") && sha_crypt::PasswordHashRef::new(hash).is_ok(),
                Self::Sha512Crypt(stored),
            ),
            Scheme::Argon2id => (
                phc::PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id"),
                Self::Argon2id(stored),
            ),
            Scheme::BlfCrypt => (hash.parse::<bcrypt::HashParts>().is_ok(), Self::BlfCrypt(stored)),
        };
        if well_formed { Ok(password) } else { Err(SchemeError::Malformed(scheme)) }
    }

    /// Whether this is the password. It takes as long as its scheme wants.
    pub(super) fn matches(&self, password: &Secret) -> bool {
        let octets = password.expose();
        match self {
            Self::Plain(stored) => stored == password,
            Self::Sha512Crypt(stored) => stored
                .expose_str()
                .is_some_and(|stored| ShaCrypt::SHA512.verify_password(octets, stored).is_ok()),
            Self::Argon2id(stored) => stored
                .expose_str()
                .and_then(|stored| phc::PasswordHash::new(stored).ok())
                .is_some_and(|stored| Argon2::default().verify_password(octets, &stored).is_ok()),
            Self::BlfCrypt(stored) => {
                stored.expose_str().is_some_and(|stored| bcrypt::verify(octets, stored).unwrap_or(false))
            }
        }
    }
}

/// Writes a password as a passwd-file has it, `{SCHEME}hash`, with a fresh salt.
///
/// # Errors
/// [`SchemeError::Malformed`] when the scheme cannot hold it: a plain password with `:` or a line break.
/// [`SchemeError::Length`] for one that is empty or longer than [`PASSWORD_BYTES_MAX`](super::PASSWORD_BYTES_MAX), with
/// bcrypt than the 72 octets that it heeds.
pub fn hash_password(
    scheme: Scheme,
    password: &Secret,
    entropy: &dyn Entropy,
) -> Result<String, SchemeError> {
    let malformed = || SchemeError::Malformed(scheme);
    let octets = password.expose();
    let octets_max = if scheme == Scheme::BlfCrypt { 72 } else { super::PASSWORD_BYTES_MAX };
    if octets.is_empty() || octets.len() > octets_max {
        return Err(SchemeError::Length { scheme, octets_max });
    }
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    let hash = match scheme {
        Scheme::Plain => password
            .expose_str()
            .filter(|text| !text.contains([':', '\r', '\n']))
            .ok_or_else(malformed)?
            .to_owned(),
        // Twelve octets are the sixteen characters of salt that the scheme takes.
        Scheme::Sha512Crypt => ShaCrypt::SHA512
            .hash_password_with_salt(octets, &salt[..12])
            .map_err(|_| malformed())?
            .as_str()
            .to_owned(),
        Scheme::Argon2id => {
            Argon2::default().hash_password_with_salt(octets, &salt).map_err(|_| malformed())?.to_string()
        }
        Scheme::BlfCrypt => bcrypt::hash_with_salt(octets, bcrypt::DEFAULT_COST, salt)
            .map_err(|_| malformed())?
            .format_for_version(bcrypt::Version::TwoY),
    };
    Ok(format!("{{{}}}{hash}", scheme.name()))
}

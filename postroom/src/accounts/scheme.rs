//! Password schemes: how a stored password is written.

use crate::entropy::Entropy;
use argon2::Argon2;
use password_hash::PasswordHasher as _;
use proto_core::sasl::saslprep::saslprep;
use proto_core::sasl::{ScramHash, ScramKeys, line};
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
    /// `{SCRAM-SHA-256}`: `iterations,salt,StoredKey,ServerKey`, the last three in base64 (RFC 5802 section 3 has their
    /// meaning, RFC 7677 the hash function): a login that never shows the password.
    ScramSha256,
    /// `{SCRAM-SHA-1}`: the same with SHA-1, for clients that know no better.
    ScramSha1,
}

impl Scheme {
    /// All of them, the one for new passwords first.
    pub const ALL: [Scheme; 6] = [
        Scheme::Argon2id,
        Scheme::Sha512Crypt,
        Scheme::BlfCrypt,
        Scheme::ScramSha256,
        Scheme::ScramSha1,
        Scheme::Plain,
    ];

    /// The name in braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Sha512Crypt => "SHA512-CRYPT",
            Self::Argon2id => "ARGON2ID",
            Self::BlfCrypt => "BLF-CRYPT",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
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
    /// A password is empty, or a new one longer than its scheme heeds.
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

/// Iterations of new SCRAM keys: the rule of thumb of RFC 7677 section 4. Clients pay for them at every login.
const SCRAM_ITERATIONS: u32 = 15_000;

/// Writes a password as a passwd-file has it, `{SCHEME}hash`, with a fresh salt.
///
/// It is prepared by SASLprep first (RFC 4013), as those are that clients send.
///
/// # Errors
/// [`SchemeError::Malformed`] when the scheme cannot hold it: a plain password with `:` or a line break; any that is not
/// UTF-8 or has characters that SASLprep prohibits.
/// [`SchemeError::Length`] for one that is empty or longer than [`PASSWORD_BYTES_MAX`](super::PASSWORD_BYTES_MAX), with
/// bcrypt than the 72 octets that it heeds.
pub fn hash_password(
    scheme: Scheme,
    password: &Secret,
    entropy: &dyn Entropy,
) -> Result<String, SchemeError> {
    let malformed = || SchemeError::Malformed(scheme);
    let octets_max = if scheme == Scheme::BlfCrypt { 72 } else { super::PASSWORD_BYTES_MAX };
    let fits = |password: &Secret| (1..=octets_max).contains(&password.expose().len());
    if !fits(password) {
        return Err(SchemeError::Length { scheme, octets_max });
    }
    let password = password.expose_str().and_then(|text| saslprep(text).ok()).ok_or_else(malformed)?;
    if !fits(&password) {
        return Err(SchemeError::Length { scheme, octets_max });
    }
    let octets = password.expose();
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
        Scheme::ScramSha256 => scram(ScramHash::Sha256, &password, &salt).ok_or_else(malformed)?,
        Scheme::ScramSha1 => scram(ScramHash::Sha1, &password, &salt).ok_or_else(malformed)?,
    };
    Ok(format!("{{{}}}{hash}", scheme.name()))
}

fn scram(hash: ScramHash, password: &Secret, salt: &[u8]) -> Option<String> {
    let keys = ScramKeys::derive(hash, password, salt, SCRAM_ITERATIONS).ok()?;
    let [salt, stored_key, server_key] =
        [keys.salt(), keys.stored_key().expose(), keys.server_key().expose()].map(line::encode);
    Some(format!("{},{salt},{stored_key},{server_key}", keys.iterations()))
}

//! A password as the file has it: read, checked, and given to the mechanisms that never see one.

use super::PASSWORD_BYTES_MAX;
use super::scheme::{Scheme, SchemeError};
use argon2::Argon2;
use argon2::password_hash::phc;
use password_hash::PasswordVerifier as _;
use proto_core::sasl::saslprep::saslprep;
use proto_core::sasl::scram::ITERATIONS_MIN;
use proto_core::sasl::{Decoys, ScramHash, ScramKeys, StoredSecret, Wanted, line};
use proto_core::secret::Secret;
use sha_crypt::ShaCrypt;

/// A password as the file has it.
#[derive(Debug)]
pub(super) enum StoredPassword {
    Plain(Secret),
    Sha512Crypt(Secret),
    Argon2id(Secret),
    BlfCrypt(Secret),
    Scram(ScramKeys),
}

impl StoredPassword {
    /// Reads `{SCHEME}hash`, and refuses what could never match. Of `{CRYPT}`, the hash says what wrote it.
    pub(super) fn parse(field: &str) -> Result<Self, SchemeError> {
        let (name, hash) =
            field.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(SchemeError::NoScheme)?;
        let known = if name.eq_ignore_ascii_case("CRYPT") { of_crypt(hash) } else { Scheme::from_name(name) };
        let scheme = known.ok_or_else(|| SchemeError::Unknown { name: name.to_owned() })?;
        let malformed = || SchemeError::Malformed(scheme);
        let stored = Secret::from(hash);
        let (well_formed, password) = match scheme {
            // What a client sends comes prepared, and so must be what it is compared with.
            Scheme::Plain if hash.is_empty() => {
                return Err(SchemeError::Length { scheme, octets_max: PASSWORD_BYTES_MAX });
            }
            Scheme::Plain => (true, Self::Plain(saslprep(hash).map_err(|_| malformed())?)),
            Scheme::Sha512Crypt => (
                hash.starts_with("$6$") && sha_crypt::PasswordHashRef::new(hash).is_ok(),
                Self::Sha512Crypt(stored),
            ),
            Scheme::Argon2id => (
                phc::PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id"),
                Self::Argon2id(stored),
            ),
            Scheme::BlfCrypt => (hash.parse::<bcrypt::HashParts>().is_ok(), Self::BlfCrypt(stored)),
            Scheme::ScramSha256 => (true, Self::Scram(scram(ScramHash::Sha256, hash).ok_or_else(malformed)?)),
            Scheme::ScramSha1 => (true, Self::Scram(scram(ScramHash::Sha1, hash).ok_or_else(malformed)?)),
        };
        if well_formed { Ok(password) } else { Err(malformed()) }
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
            Self::Scram(keys) => keys.verify(password),
        }
    }

    /// Whether [`StoredPassword::secret`] has what is wanted: a hash made for another purpose has not, and the password
    /// itself has everything.
    pub(super) fn serves(&self, wanted: Wanted) -> bool {
        match (self, wanted) {
            (Self::Plain(_), _) => true,
            (Self::Scram(keys), Wanted::ScramKeys(hash)) => keys.hash() == hash,
            _ => false,
        }
    }

    /// What a mechanism wants that never sees the password. Keys made of a plain password take their time; their salt is
    /// that of a decoy, so that it is the same at every login.
    pub(super) fn secret(&self, wanted: Wanted, name: &str, decoys: &Decoys) -> Option<StoredSecret> {
        match (self, wanted) {
            (Self::Plain(password), Wanted::Password) => Some(StoredSecret::Password(password.clone())),
            (Self::Plain(password), Wanted::ScramKeys(hash)) => {
                let salted = decoys.keys(hash, name);
                let keys = ScramKeys::derive(hash, password, salted.salt(), salted.iterations()).ok()?;
                Some(StoredSecret::ScramKeys(keys))
            }
            (Self::Scram(keys), Wanted::ScramKeys(hash)) if keys.hash() == hash => {
                Some(StoredSecret::ScramKeys(keys.clone()))
            }
            _ => None,
        }
    }

    /// What a name that nobody has gets in place of [`StoredPassword::secret`], if this were the password of a user who
    /// exists: keys with as long a salt and as many iterations, which no password has. It takes the same time.
    pub(super) fn decoy(&self, wanted: Wanted, name: &str, decoys: &Decoys) -> Option<StoredSecret> {
        let Wanted::ScramKeys(hash) = wanted else { return None };
        let decoys = match self.secret(wanted, name, decoys) {
            Some(StoredSecret::ScramKeys(keys)) => {
                decoys.clone().with_shape(keys.iterations(), keys.salt().len())
            }
            _ => decoys.clone(),
        };
        Some(StoredSecret::ScramKeys(decoys.keys(hash, name)))
    }
}

/// Which scheme a hash of crypt(3) is one of, by how it begins.
fn of_crypt(hash: &str) -> Option<Scheme> {
    let known = [
        ("$6$", Scheme::Sha512Crypt),
        ("$2a$", Scheme::BlfCrypt),
        ("$2b$", Scheme::BlfCrypt),
        ("$2y$", Scheme::BlfCrypt),
        ("$argon2id$", Scheme::Argon2id),
    ];
    known.into_iter().find(|(beginning, _)| hash.starts_with(beginning)).map(|(_, scheme)| scheme)
}

/// Reads `iterations,salt,StoredKey,ServerKey`. With fewer iterations no client goes on (RFC 5802 section 5.1), more are
/// a typing error.
fn scram(hash: ScramHash, field: &str) -> Option<ScramKeys> {
    let mut fields = field.split(',');
    let iterations = fields.next()?.parse().ok()?;
    let mut next = || line::decode(fields.next()?.as_bytes()).ok();
    let (salt, stored_key, server_key) = (next()?, next()?, next()?);
    if fields.next().is_some() || !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return None;
    }
    ScramKeys::new(hash, salt.expose().to_vec(), iterations, stored_key, server_key).ok()
}

/// Of SCRAM keys in the file.
const ITERATIONS_MAX: u32 = 1_000_000;

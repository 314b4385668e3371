//! [`Account`]: what a directory with one user answers to every kind of credentials.
//!
//! Its SCRAM keys have the salts and the iteration count of the examples in RFC 5802 section 5 and RFC 7677 section 3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto_core::Secret;
use proto_core::sasl::{
    AuthVerdict, Credentials, Decoys, LoginFailed, Mechanism, Nonces, ScramHash, ScramKeys, ServerEntropy,
    StoredSecret, Wanted,
};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// One user, who may act as himself. His token is his password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Who he is.
    pub user: String,
    /// His password.
    pub password: String,
}

impl Account {
    /// A user.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// What the directory says.
    pub fn judge(&self, credentials: &Credentials) -> AuthVerdict {
        let right = match credentials {
            Credentials::Lookup { authcid, wanted } if *authcid == self.user => {
                return self.secret(*wanted).map_or(AuthVerdict::Reject, AuthVerdict::Secret);
            }
            Credentials::Password { authcid, password, .. } => {
                *authcid == self.user && *password == Secret::from(&*self.password)
            }
            Credentials::Verified { authcid, .. } => *authcid == self.user,
            Credentials::Token { token, .. } => *token == Secret::from(&*self.password),
            Credentials::External { .. } | Credentials::Anonymous { .. } => true,
            _ => false,
        };
        let own = credentials.authzid().is_none_or(|authzid| authzid == self.user);
        if right && own { AuthVerdict::Accept } else { AuthVerdict::Reject }
    }

    fn secret(&self, wanted: Wanted) -> Option<StoredSecret> {
        match wanted {
            Wanted::Password => Some(StoredSecret::Password(Secret::from(&*self.password))),
            Wanted::ScramKeys(hash) => Some(StoredSecret::ScramKeys(scram_keys(hash, &self.password))),
            _ => None,
        }
    }
}

/// The keys of a password. A transcript asks for the same ones at every cut.
fn scram_keys(hash: ScramHash, password: &str) -> ScramKeys {
    static MADE: LazyLock<Mutex<HashMap<(ScramHash, String), ScramKeys>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let keys = made.entry((hash, password.into())).or_insert_with(|| {
        let salt = if hash == ScramHash::Sha1 { "QSXCR+Q6sek8bf92" } else { "W22ZaJ0SNY7soEsUEjb6gQ==" };
        let salt = STANDARD.decode(salt).expect("invariant: base64");
        ScramKeys::derive(hash, &password.into(), &salt, 4096)
            .expect("invariant: a password that can be typed")
    });
    keys.clone()
}

/// A login that the machine refused by itself, as a transcript notes it.
pub fn failed(failed: &LoginFailed) -> String {
    let method = failed.mechanism.map_or("password", Mechanism::name);
    format!("login failed {method} {}", failed.authcid.as_deref().unwrap_or("?"))
}

/// A server's randomness with this one nonce.
///
/// # Panics
/// When it cannot be a nonce.
pub fn entropy(nonce: &str) -> ServerEntropy {
    let nonces = Nonces::once(nonce).expect("invariant: a nonce");
    ServerEntropy { nonces, decoys: Decoys::new([7; 32]) }
}

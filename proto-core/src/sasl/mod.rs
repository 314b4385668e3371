//! SASL exchanges, both sides, without any protocol around them.
//!
//! RFC 4422. A server drives a [`ServerExchange`] with what the client sends and gets [`ServerStep`]s; when the
//! exchange needs to know whether credentials are good it yields them, and the machine puts the question
//! [`Authenticate`] to the application. A client drives a [`ClientExchange`]. How the messages travel, base64 in lines,
//! is the same in SMTP, IMAP and POP3 and is in [`mod@line`].
//!
//! ```
//! use proto_core::sasl::{AuthVerdict, Mechanism, ServerExchange, ServerStep};
//!
//! let mut exchange = ServerExchange::new(Mechanism::Plain);
//! let ServerStep::Ask(credentials) = exchange.start(Some(b"\0alice\0secret")) else { panic!() };
//! assert_eq!(credentials.authcid(), "alice");
//! assert_eq!(exchange.verdict(AuthVerdict::Accept), ServerStep::Done { server_final: None });
//! ```
//!
//! # Limits
//! What a peer sends is bounded by the line it comes in, [`line::OCTETS_MAX`].
//!
//! # Departures
//! Identities with control characters are refused, which RFC 4616 does not ask for: they end up in logs and in file
//! names. A password is any octets but NUL; whether it is UTF-8 is left to the directory.

mod client;
pub mod line;
mod login;
mod mechanism;
mod plain;
mod server;

#[cfg(test)]
mod tests;

pub use client::{ClientCredentials, ClientExchange};
pub use mechanism::Mechanism;
pub use server::{ServerExchange, ServerStep};

use crate::ask::Question;
use crate::fault::Backend;
use crate::secret::Secret;
use alloc::string::String;

/// The question whether somebody is who he says, put by every protocol's server machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// How the credentials came; `None` by a command of the protocol's own (IMAP LOGIN, POP3 USER and PASS).
    pub mechanism: Option<Mechanism>,
    /// What is to be judged.
    pub credentials: Credentials,
}

impl Question for Authenticate {
    type Verdict = AuthVerdict;
}

/// What a client has shown to prove an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// Whom the client wants to act as; `None` when that follows from `authcid`.
        authzid: Option<String>,
        /// Whose password it is.
        authcid: String,
        /// The password.
        password: Secret,
    },
}

impl Credentials {
    /// Who claims to be there.
    pub fn authcid(&self) -> &str {
        match self {
            Self::Password { authcid, .. } => authcid,
        }
    }

    /// Whom the client wants to act as, when it is somebody else than [`Credentials::authcid`]: that needs a permission
    /// of its own, and an application without such permissions answers [`AuthVerdict::Reject`].
    pub fn authzid_other(&self) -> Option<&str> {
        match self {
            Self::Password { authzid, authcid, .. } => {
                authzid.as_deref().filter(|authzid| authzid != authcid)
            }
        }
    }
}

/// The answer to [`Authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthVerdict {
    /// It is the one, and may act as asked.
    Accept,
    /// Wrong password, no such user, or no permission to act as asked: the client is not told which.
    Reject,
    /// It could not be found out.
    Backend(Backend),
}

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaslFault {
    /// A message breaks the mechanism's grammar, or came when none was due.
    #[error("malformed SASL message")]
    Malformed,
    /// The credentials were judged and found wrong.
    #[error("authentication failed")]
    Rejected,
    /// The credentials could not be judged.
    #[error(transparent)]
    Backend(#[from] Backend),
}

/// An identity in a message: UTF-8, not empty, without control characters.
fn identity(octets: &[u8]) -> Result<String, SaslFault> {
    match core::str::from_utf8(octets) {
        Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => Ok(text.into()),
        _ => Err(SaslFault::Malformed),
    }
}

//! SASL exchanges, both sides, without any protocol around them.
//!
//! RFC 4422. A server drives a [`ServerExchange`] with what the client sends and gets [`ServerStep`]s; when the
//! exchange needs to know something about credentials it yields them, and the machine puts the question
//! [`Authenticate`] to the application. A client drives a [`ClientExchange`]. How the messages travel, base64 in lines,
//! is the same in SMTP, IMAP and POP3 and is in [`mod@line`].
//!
//! | mechanism | the application is asked for |
//! | --- | --- |
//! | `PLAIN` (RFC 4616), `LOGIN` | [`Credentials::Password`] |
//! | `SCRAM-SHA-256`, `SCRAM-SHA-1` and their `-PLUS` (RFC 5802, 7677) | [`Credentials::Lookup`] of [`ScramKeys`], then [`Credentials::Verified`] |
//! | `CRAM-MD5` (RFC 2195) | [`Credentials::Lookup`] of the password, then [`Credentials::Verified`] |
//! | `OAUTHBEARER` (RFC 7628), `XOAUTH2` | [`Credentials::Token`] |
//! | `EXTERNAL` (RFC 4422 appendix A) | [`Credentials::External`] |
//! | `ANONYMOUS` (RFC 4505) | [`Credentials::Anonymous`] |
//!
//! ```
//! use proto_core::sasl::{AuthVerdict, Mechanism, ServerContext, ServerExchange, ServerStep};
//!
//! let mut exchange = ServerExchange::new(Mechanism::Plain, ServerContext::default());
//! let ServerStep::Ask(credentials) = exchange.start(Some(b"\0alice\0secret")) else { panic!() };
//! assert_eq!(credentials.authcid(), Some("alice"));
//! assert_eq!(exchange.verdict(AuthVerdict::Accept), ServerStep::Done { server_final: None });
//! ```
//!
//! # Limits
//! What a peer sends is bounded by the line it comes in, [`line::OCTETS_MAX`]. A name or a password has at most
//! [`saslprep::TEXT_BYTES_MAX`] octets, a message of SCRAM [`scram::MESSAGE_BYTES_MAX`]: a name that is longer is malformed, a
//! password that is longer nobody's. A token is as long as its line lets it be, and belongs to the question that is put about
//! it. So an exchange keeps less than 8 KiB between two messages, whatever the mechanism.
//!
//! # Departures
//! Names and passwords are prepared with SASLprep in every mechanism, so that a password is the same by each of them;
//! RFC 4616 section 2 recommends it, RFC 2195 does not know it, and [`mod@saslprep`] says what is different there. What
//! cannot be prepared, and so is no password, is not asked about. CRAM-MD5 takes the password as it is stored.

mod anonymous;
mod client;
mod context;
mod cram_md5;
mod credentials;
mod external;
pub mod line;
mod login;
mod mechanism;
mod oauth;
mod plain;
pub mod saslprep;
pub mod scram;
mod server;

#[cfg(test)]
mod tests;

pub use client::{ClientCredentials, ClientExchange};
pub use context::{ClientContext, Decoys, Nonces, ServerContext, ServerEntropy};
pub use credentials::{AuthVerdict, Authenticate, Credentials, LoginFailed, StoredSecret, Wanted};
pub use mechanism::{Conditions, Mechanism};
pub use scram::{ScramHash, ScramKeys};
pub use server::{ServerExchange, ServerStep};

use crate::fault::Backend;
use alloc::string::String;

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
    /// The mechanism cannot be used here: what it needs was not handed in.
    #[error("mechanism cannot be used here")]
    Unavailable,
    /// The server says that it is content and did not prove that it knows the password.
    #[error("the server proved nothing")]
    Unproved,
    /// The server asks for more iterations of SCRAM than this client computes. If `asked` may cost its time, raise
    /// [`ClientContext::scram_iterations_max`] to it.
    #[error(
        "SCRAM with {asked} iterations, over the {max} of scram_iterations_max: raise it if so many may be computed"
    )]
    TooManyIterations {
        /// What the server asks for; `u32::MAX` also for more.
        asked: u32,
        /// [`ClientContext::scram_iterations_max`].
        max: u32,
    },
    /// The credentials could not be judged.
    #[error(transparent)]
    Backend(#[from] Backend),
}

/// An identity in a message: UTF-8, not empty, without control characters, as SASLprep makes it.
fn identity(octets: &[u8]) -> Result<String, SaslFault> {
    let text = core::str::from_utf8(octets).map_err(|_| SaslFault::Malformed)?;
    let prepared = saslprep::saslprep(text).map_err(|_| SaslFault::Malformed)?;
    prepared.expose_str().map(Into::into).ok_or(SaslFault::Malformed)
}

/// An identity that may be absent.
fn identity_or_none(octets: &[u8]) -> Result<Option<String>, SaslFault> {
    if octets.is_empty() { Ok(None) } else { identity(octets).map(Some) }
}

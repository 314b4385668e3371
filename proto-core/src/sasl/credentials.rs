//! What an exchange asks of the application, and what it is answered.

use super::scram::{ScramHash, ScramKeys};
use super::{Mechanism, SaslFault, identity, identity_or_none, saslprep};
use crate::ask::Question;
use crate::fault::Backend;
use crate::secret::Secret;
use alloc::string::String;

/// The question about credentials, put by every protocol's server machine. SCRAM and CRAM-MD5 put two of them, the
/// second only when the client has proved that it knows the secret which the first was answered with.
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

/// What a client has shown to prove an identity. Names are as SASLprep makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A name and a password: is it right, and may he act as asked?
    Password {
        /// Whom the client wants to act as; `None` when that follows from `authcid`.
        authzid: Option<String>,
        /// Whose password it is.
        authcid: String,
        /// The password.
        password: Secret,
    },
    /// Which secret has this user? Answered with [`AuthVerdict::Secret`], or with [`AuthVerdict::Reject`] when there is
    /// no such user or no such secret; the exchange then takes its course with made-up keys, and fails.
    Lookup {
        /// The user.
        authcid: String,
        /// The secret that is wanted.
        wanted: Wanted,
    },
    /// The client has proved that it knows the secret of this user: may he act as asked? The secret was looked up at
    /// the beginning of the exchange; whether the user still may log in is this question's matter.
    Verified {
        /// Whom the client wants to act as; `None` when that follows from `authcid`.
        authzid: Option<String>,
        /// Whose secret it is.
        authcid: String,
    },
    /// A bearer token: is it good, and for this user?
    Token {
        /// Whom the client wants to act as. `None` when that follows from the token.
        authzid: Option<String>,
        /// The token, visible ASCII.
        token: Secret,
        /// The server's name as the client knows it (OAUTHBEARER). RFC 7628 section 3.2: an application that knows its
        /// name must see that it is this one.
        host: Option<String>,
        /// The server's port as the client knows it (OAUTHBEARER).
        port: Option<u16>,
    },
    /// The client showed a certificate in the TLS handshake
    /// ([`TlsInfo::peer_certificate`](crate::TlsInfo::peer_certificate)): may who is named there act as asked?
    External {
        /// Whom the client wants to act as; `None` when that follows from the certificate.
        authzid: Option<String>,
    },
    /// Nobody in particular: may he come in?
    Anonymous {
        /// A mail address or anything else that he wants to be remembered by; at most 255 characters, none of them a
        /// control. It proves nothing.
        trace: Option<String>,
    },
}

/// A login that the machine has refused by itself: no question about it was answered with a no, and yet somebody tried.
///
/// So it is when a proof of SCRAM or CRAM-MD5 is wrong, the user unknown or not; when the client is bound to another TLS
/// session, or was told that none can be bound to; and when a password has characters that no password has. What is
/// malformed, or given up, is no login.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginFailed {
    /// How it was tried; `None` by a command of the protocol's own (IMAP LOGIN, POP3 USER and PASS).
    pub mechanism: Option<Mechanism>,
    /// Who claimed to be there, as SASLprep makes it; `None` when it cannot be a name. At most
    /// [`TEXT_BYTES_MAX`](super::saslprep::TEXT_BYTES_MAX) octets.
    pub authcid: Option<String>,
}

impl LoginFailed {
    /// A login by a name as the client sent it.
    pub fn new(mechanism: Option<Mechanism>, authcid: &[u8]) -> Self {
        Self { mechanism, authcid: identity(authcid).ok() }
    }
}

/// The kind of secret that a [`Credentials::Lookup`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wanted {
    /// The password itself: CRAM-MD5.
    Password,
    /// SCRAM keys of this hash function. Who keeps passwords makes keys of them beforehand
    /// ([`ScramKeys::derive`]): a machine does not spend the time.
    ScramKeys(ScramHash),
}

/// A user's secret, as a directory keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredSecret {
    /// For [`Wanted::Password`].
    Password(Secret),
    /// For [`Wanted::ScramKeys`].
    ScramKeys(ScramKeys),
}

impl Credentials {
    /// A name and a password as a client sent them; an empty `authzid` is none.
    ///
    /// # Errors
    /// [`SaslFault::Malformed`] when a name cannot be one, or there is no password; [`SaslFault::Rejected`] when the
    /// password cannot be anybody's: it is not UTF-8, has characters that SASLprep prohibits (RFC 4616 section 2), or is longer
    /// than [`TEXT_BYTES_MAX`](super::saslprep::TEXT_BYTES_MAX). A name that is longer is malformed.
    pub fn password(authzid: &[u8], authcid: &[u8], password: &[u8]) -> Result<Self, SaslFault> {
        let authzid = identity_or_none(authzid)?;
        let authcid = identity(authcid)?;
        if password.is_empty() || password.contains(&0) {
            return Err(SaslFault::Malformed);
        }
        let password = core::str::from_utf8(password).map_err(|_| SaslFault::Rejected)?;
        let password = saslprep::saslprep(password).map_err(|_| SaslFault::Rejected)?;
        Ok(Self::Password { authzid, authcid, password })
    }

    /// Who claims to be there, where the client has said so.
    pub fn authcid(&self) -> Option<&str> {
        match self {
            Self::Password { authcid, .. }
            | Self::Lookup { authcid, .. }
            | Self::Verified { authcid, .. } => Some(authcid),
            Self::Token { .. } | Self::External { .. } | Self::Anonymous { .. } => None,
        }
    }

    /// Whom the client wants to act as, where it has said so.
    pub fn authzid(&self) -> Option<&str> {
        match self {
            Self::Password { authzid, .. }
            | Self::Verified { authzid, .. }
            | Self::Token { authzid, .. }
            | Self::External { authzid } => authzid.as_deref(),
            Self::Lookup { .. } | Self::Anonymous { .. } => None,
        }
    }

    /// Whom the client wants to act as, when it is somebody else than [`Credentials::authcid`]: that needs a permission
    /// of its own, and an application without such permissions answers [`AuthVerdict::Reject`].
    pub fn authzid_other(&self) -> Option<&str> {
        self.authzid().filter(|authzid| Some(*authzid) != self.authcid())
    }
}

/// The answer to [`Authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthVerdict {
    /// It is the one, and may act as asked. No answer to a [`Credentials::Lookup`], where it counts as a no.
    Accept,
    /// Wrong password, no such user, or no permission to act as asked: the client is not told which.
    Reject,
    /// The secret that a [`Credentials::Lookup`] asked for. To any other question it counts as a no.
    Secret(StoredSecret),
    /// It could not be found out.
    Backend(Backend),
}

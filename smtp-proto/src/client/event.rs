//! What a client session tells its application.

use super::outcome::{Failure, Outcome, Report, Stage};
use super::reply_parser::ReplyParseFault;
use crate::reply::Reply;
use alloc::sync::Arc;
use proto_core::sasl::SaslFault;

/// For the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Greeted, secured and logged in as configured: [`Client::send`](super::Client::send) or
    /// [`Client::quit`](super::Client::quit).
    Ready,
    /// At least one recipient was accepted and the server waits for the message:
    /// [`Client::write_body`](super::Client::write_body) it.
    SendBody,
    /// The verdict of an LMTP server for one recipient, by its place in the envelope, as soon as it is there (RFC 2033
    /// section 5); [`ClientEvent::Done`] has it once more, with all others. Not told under PRDR, where it counts only with
    /// the last reply.
    Verdict {
        /// The place in [`Envelope::recipients`](super::Envelope::recipients).
        recipient: usize,
        /// What became of the message for it.
        outcome: Outcome,
    },
    /// The server takes the mail for a recipient and says that it goes somewhere else from there, in words that have the
    /// new address (251, RFC 5321 section 3.4). Nothing need be done; what becomes of the message is told as for any other.
    Forwarded {
        /// The place in [`Envelope::recipients`](super::Envelope::recipients).
        recipient: usize,
        /// What the server said.
        reply: Arc<Reply>,
    },
    /// What became of a [`Client::send`](super::Client::send); told exactly once for each.
    Done(Report),
    /// The reply to [`Client::noop`](super::Client::noop), [`Client::vrfy`](super::Client::vrfy) and their like.
    Replied(Reply),
    /// The server ends the session: 421 (RFC 5321 section 3.8), or 521, it takes no mail at all (RFC 7504). The outcomes of a
    /// message under way share the reply.
    ServiceClosing(Arc<Reply>),
    /// The session cannot go on; it ends.
    Failed(ClientFailure),
}

/// Why a client that has something to log in with has no way to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoMechanism {
    /// The server offers no login (AUTH), here or before TLS.
    #[error("the server offers no login")]
    NotOffered,
    /// It offers none that the credentials are for and the configuration names.
    #[error("the server offers no mechanism that the credentials are for and the configuration names")]
    NotShared,
    /// All that they share would show the password or the token, or need a channel or a certificate, and there is no TLS;
    /// see [`ClientConfig::allow_plaintext_auth`](super::ClientConfig::allow_plaintext_auth).
    #[error("all shared mechanisms need TLS, and it is not on")]
    NeedsTls,
    /// Only SCRAM could be used, and [`Client::set_nonces`](super::Client::set_nonces) was not called, or what it was given
    /// is used up.
    #[error("all shared mechanisms need randomness that was not handed in")]
    NeedsNonces,
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFailure {
    /// The server did not greet us.
    #[error("instead of a greeting: {0}")]
    Greeting(Reply),
    /// It liked neither EHLO nor HELO.
    #[error("EHLO and HELO were refused: {0}")]
    Hello(Reply),
    /// TLS is required and not offered, or refused with this reply.
    #[error("TLS is required, and {}", .0.as_ref().map_or("not offered", |_| "was refused"))]
    TlsUnavailable(Option<Reply>),
    /// Octets in clear text followed the reply to STARTTLS: somebody injects (RFC 3207 section 6).
    #[error("clear text follows the reply to STARTTLS: somebody on the way injects commands")]
    PlaintextAfterStartTls,
    /// There are credentials and no way to use them here.
    #[error(transparent)]
    NoMechanism(NoMechanism),
    /// All mechanisms failed; the last reply.
    #[error("the login was refused: {0}")]
    Authentication(Reply),
    /// The client gave the last login up for what the server said or did not say in its exchange:
    /// [`SaslFault::Unproved`], it is content and has not shown that it knows the password;
    /// [`SaslFault::TooManyIterations`], over [`ClientLimits::scram_iterations_max`](super::ClientLimits);
    /// [`SaslFault::Malformed`], it does not keep to the mechanism.
    #[error("the login was given up: {0}")]
    Sasl(SaslFault),
    /// What the server sends is no reply.
    #[error("what the server sends is no reply: {0}")]
    Reply(ReplyParseFault),
    /// A reply that cannot be one to what was asked, or came when nothing had been.
    #[error("a reply that nothing was asked for: {0}")]
    Unexpected(Reply),
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The connection ended.
    #[error("the connection ended")]
    ConnectionLost,
}

impl ClientFailure {
    /// Whether trying again later makes sense: always, but after a 5yz. A server's TLS or mechanisms come back.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Greeting(reply) | Self::Hello(reply) | Self::Authentication(reply) => !reply.is_permanent(),
            _ => true,
        }
    }

    /// The failure as that of a message which was to be sent here.
    pub fn failure(&self) -> Failure {
        let said = |stage, reply: &Reply| Failure::of_reply(stage, &Arc::new(reply.clone()));
        match self {
            Self::Greeting(reply) => said(Stage::Greeting, reply),
            Self::Hello(reply) => said(Stage::Hello, reply),
            Self::TlsUnavailable(_) | Self::PlaintextAfterStartTls => Failure::of_policy(Stage::Tls),
            Self::NoMechanism(_) | Self::Sasl(_) => Failure::of_policy(Stage::Auth),
            Self::Authentication(reply) => said(Stage::Auth, reply),
            Self::Reply(_) | Self::Unexpected(_) | Self::Timeout | Self::ConnectionLost => {
                Failure::of_connection(Stage::Idle)
            }
        }
    }
}

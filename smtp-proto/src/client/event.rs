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

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFailure {
    /// The server did not greet us.
    Greeting(Reply),
    /// It liked neither EHLO nor HELO.
    Hello(Reply),
    /// TLS is required and not offered, or refused with this reply.
    TlsUnavailable(Option<Reply>),
    /// Octets in clear text followed the reply to STARTTLS: somebody injects (RFC 3207 section 6).
    PlaintextAfterStartTls,
    /// There are credentials and no common mechanism that may be used here.
    NoMechanism,
    /// All mechanisms failed; the last reply.
    Authentication(Reply),
    /// The client gave the last login up for what the server said or did not say in its exchange:
    /// [`SaslFault::Unproved`], it is content and has not shown that it knows the password;
    /// [`SaslFault::TooManyIterations`], over [`ClientLimits::scram_iterations_max`](super::ClientLimits);
    /// [`SaslFault::Malformed`], it does not keep to the mechanism.
    Sasl(SaslFault),
    /// What the server sends is no reply.
    Reply(ReplyParseFault),
    /// A reply that cannot be one to what was asked, or came when nothing had been.
    Unexpected(Reply),
    /// The server did not answer in time.
    Timeout,
    /// The connection ended.
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
            Self::NoMechanism | Self::Sasl(_) => Failure::of_policy(Stage::Auth),
            Self::Authentication(reply) => said(Stage::Auth, reply),
            Self::Reply(_) | Self::Unexpected(_) | Self::Timeout | Self::ConnectionLost => {
                Failure::of_connection(Stage::Idle)
            }
        }
    }
}

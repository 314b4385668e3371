//! What a client session tells its application.

use super::ReplyParseFault;
use crate::reply::Reply;
use alloc::vec::Vec;

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
    /// What became of a [`Client::send`](super::Client::send); told exactly once for each.
    Done(Report),
    /// The server announced its end without being asked (RFC 5321 section 3.8). The session ends.
    ServiceClosing(Reply),
    /// The session cannot go on; it ends.
    Failed(ClientFailure),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// One for each recipient, in the order in which they were given.
    pub outcomes: Vec<Outcome>,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The server has taken the responsibility.
    Accepted(Reply),
    /// Not now: try again later. Without a reply when the session ended first; the server may then have taken the
    /// message nevertheless, and trying again may make a second one (RFC 5321 section 6.1).
    Temporary(Option<Reply>),
    /// Never.
    Permanent(Reply),
    /// The application gave the message up.
    Aborted,
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
    /// What the server sends is no reply.
    Reply(ReplyParseFault),
    /// A reply that cannot be one to what was asked.
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
}

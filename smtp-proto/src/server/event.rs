//! What a server session tells and asks its application.

use super::question::{Command, Connect, Data, EndOfData, Etrn, Expand, Hello, Mail, Rcpt, Tls, Verify};
use bytes::Bytes;
use proto_core::sasl::{Authenticate, LoginFailed};
use proto_core::{Ask, AskId};

/// For the application. Those with an [`Ask`] stop the session until
/// [`Server::answer`](super::Server::answer).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A client connected, and on a listener with implicit TLS shook hands.
    Connect(Ask<Connect>),
    /// The handshake that STARTTLS asked for is done.
    Tls(Ask<Tls>),
    /// A command line, not yet looked at. Only with [`Config::ask_commands`](super::Config::ask_commands).
    Command(Ask<Command>),
    /// HELO or EHLO.
    Hello(Ask<Hello>),
    /// An AUTH exchange brought credentials. Rejected ones count against
    /// [`Limits::auth_failures_max`](super::Limits::auth_failures_max).
    Authenticate(Ask<Authenticate>),
    /// An AUTH exchange has failed, and no verdict has said so. It counts as a rejected one. Told once for each.
    LoginFailed(LoginFailed),
    /// MAIL.
    Mail(Ask<Mail>),
    /// RCPT.
    Rcpt(Ask<Rcpt>),
    /// DATA, or the first BDAT.
    Data(Ask<Data>),
    /// The next octets of the message, dots of transparency removed, line ends as the policy has it.
    Body(Bytes),
    /// No message comes of the octets so far: throw them away; the transaction is over. Told once for each accepted
    /// [`Event::Data`] that does not reach [`Event::EndOfData`].
    BodyAborted(BodyAbort),
    /// The message is complete.
    EndOfData(Ask<EndOfData>),
    /// VRFY.
    Verify(Ask<Verify>),
    /// EXPN.
    Expand(Ask<Expand>),
    /// ETRN.
    Etrn(Ask<Etrn>),
    /// The transaction that an accepted [`Event::Mail`] began is over before a message has begun: RSET, HELO or EHLO
    /// came, or a BDAT was refused. Not told when the session ends.
    TransactionReset,
    /// The session no longer waits for this answer; it would be stale.
    Cancelled(AskId),
    /// The client broke a rule that honest software keeps. What the session does about it is configured; policy
    /// may make more of it.
    Violation(Violation),
}

/// Why no message comes of an accepted DATA or BDAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyAbort {
    /// The session ended first.
    SessionEnded,
    /// RSET, HELO or EHLO came between two chunks.
    Reset,
    /// It is larger than [`Limits::message_bytes_max`](super::Limits::message_bytes_max). The rest is swallowed
    /// up to its true end, then refused; of a message in chunks, the chunk that goes beyond.
    TooLarge,
    /// A line is longer than [`Limits::text_line_bytes_max`](super::Limits::text_line_bytes_max); swallowed and
    /// refused likewise.
    LineTooLong,
    /// It holds a CR or an LF that stands alone; swallowed and refused likewise.
    BareLineEnd,
}

/// A rule broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// It talked before it was greeted (RFC 5321 section 3.1).
    EarlyTalker,
    /// It sent commands behind the first HELO or EHLO in one segment, before it could know PIPELINING.
    PipelinedBeforeCapability,
    /// It sent octets behind DATA without waiting for the 354 (RFC 2920 section 3.1).
    PipelinedAfterData,
    /// It sent octets behind STARTTLS, in clear text and without waiting for the 220 (RFC 3207 section 4). They are
    /// thrown away.
    PipelinedAfterStartTls,
    /// It sent octets behind another command where it was not told that it may: after HELO, before any hello, or where
    /// PIPELINING is not offered ([`Offer::pipelining`](super::Offer::pipelining)). Told once in a session.
    PipelinedUnoffered,
    /// Its first words are HTTP's: a browser was tricked into talking to us. The session ends.
    Http,
    /// It said what [`Config::forbidden_commands`](super::Config::forbidden_commands) tells of. The session ends.
    ForbiddenCommand,
}

/// Which rules a session has seen broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Violations(u8);

impl Violations {
    /// Whether none was.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one was.
    pub const fn contains(self, violation: Violation) -> bool {
        self.0 & 1 << violation as u8 != 0
    }

    pub(super) fn insert(&mut self, violation: Violation) {
        self.0 |= 1 << violation as u8;
    }
}

//! The questions of a server session, one for every stage, each with its verdict. The one about credentials is
//! [`proto_core::sasl::Authenticate`], which all protocols share.
//!
//! An [`Ask`](proto_core::Ask) of one of these types goes out in an [`Event`](super::Event); the application
//! answers it, at once or later and from any thread, with [`Server::answer`](super::Server::answer). A
//! [`Refusal`] with the code 421 or 521 closes the connection.

use super::config::Peer;
use super::extras::{Disposition, Extras};
use crate::parameter::{MailParameters, RcptParameters};
use crate::reply::{Refusal, ReplyText};
use crate::xforward::Xforward;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{DomainName, Question, TlsInfo};

/// An answer: yes, with what the question wants to know, or no, with the reply that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict<A = ()> {
    /// Yes; the machine words the reply.
    Accept(A),
    /// Yes, and more: words of one's own, header fields to add, what becomes of the message.
    AcceptWith(A, Box<Extras>),
    /// No; 4yz for not now, 5yz for never, and 421 or 521 to close as well.
    Refuse(Refusal),
}

impl<A> From<Refusal> for Verdict<A> {
    fn from(refusal: Refusal) -> Self {
        Verdict::Refuse(refusal)
    }
}

/// May this client talk to us at all? Accepted: the greeting. Refused with 421 or 521: the connection is closed after the reply;
/// with another code, the client may say QUIT and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// Who connected.
    pub peer: Peer,
    /// The TLS session, on a listener with implicit TLS; after XCLIENT, that with whoever speaks for the client.
    pub tls: Option<Arc<TlsInfo>>,
}

/// TLS is on (STARTTLS, RFC 3207); is it good enough? Refused: the reply is said, unasked for, and the connection closed,
/// whatever its code. With implicit TLS [`Connect`] asks that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// The TLS session.
    pub tls: Arc<TlsInfo>,
}

/// May the client say that? Asked of each command line before it is looked at, with
/// [`Config::ask_commands`](super::Config::ask_commands): for an application that judges a client by how it speaks, whatever it
/// wants. What came behind it is [`Server::sent_ahead`](super::Server::sent_ahead). Yes: it is carried out as if nobody had
/// been asked. No: the refusal is its reply, and counts as an error; that of a BDAT ends the session, since the octets it
/// announces could not be told from commands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The line without its end. Of AUTH the verb alone: the rest may be a password.
    pub line: Bytes,
    /// It ended in LF without CR.
    pub bare_newline: bool,
}

/// May it call itself that (HELO, EHLO, LHLO)?
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// The name or address literal as it was given: printable ASCII without spaces, not verified.
    pub name: Arc<str>,
    /// EHLO or LHLO, not HELO.
    pub extended: bool,
}

/// May this sender send (MAIL)?
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mail {
    /// The sender; null for reports (RFC 5321 section 4.5.5).
    pub reverse_path: ReversePath,
    /// What else MAIL said.
    pub parameters: MailParameters,
    /// Where the message came from before, says a client that was trusted to know (XFORWARD).
    pub xforward: Option<Arc<Xforward>>,
}

/// May this recipient receive (RCPT)?
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rcpt {
    /// The recipient.
    pub forward_path: ForwardPath,
    /// What else RCPT said.
    pub parameters: RcptParameters,
    /// How many recipients of this transaction were accepted before.
    pub accepted_before: usize,
}

/// May the message come (DATA, or the first BDAT)? Asked only when there is a recipient. A refused DATA leaves the
/// transaction as it was, a refused BDAT ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Data {
    /// How many recipients the transaction has.
    pub recipients: usize,
}

/// The message is complete; will you answer for it? Accept only when it would survive a power cut. The
/// [`EndOfDataVerdict`] may differ from recipient to recipient, and [`Server::answer_recipient`](super::Server) gives that
/// of one before the others are known: for who delivers to each on its own. Who stores a message once for all has nothing
/// to say before.
///
/// A message that the machine itself must refuse (too large, bare line ends under
/// [`DecodePolicy::Reject`](proto_core::dot::DecodePolicy::Reject)) is not asked about: it ends in
/// [`Event::BodyAborted`](super::Event::BodyAborted).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndOfData {
    /// The sum of all [`Event::Body`](super::Event::Body) octets.
    pub octets: u64,
    /// What is odd about the message and was let through.
    pub faults: BodyFaults,
    /// How many recipients the transaction has.
    pub recipients: usize,
    /// Whether each recipient is answered on its own, as in LMTP and under PRDR. If not, there is one reply for all: of
    /// an [`EndOfDataVerdict::Each`] the first yes is said, or else the first temporary no, or else the first; and
    /// the application owes a report for those who do not get the message (RFC 5321 section 6.1).
    pub per_recipient: bool,
    /// What the verdicts of the stages want done with it. The application obeys, or refuses what it cannot do.
    pub disposition: Disposition,
}

/// The verdict on a complete message: the same for all who were to get it, or one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndOfDataVerdict {
    /// The same for all.
    All(Verdict<QueueId>),
    /// One for each accepted recipient, in the order of the RCPT commands; a recipient that was named twice has two.
    /// Those that are missing get [`Refusal::TEMPORARY`], those too many are not looked at.
    Each(Vec<Verdict<QueueId>>),
}

impl From<Verdict<QueueId>> for EndOfDataVerdict {
    fn from(verdict: Verdict<QueueId>) -> Self {
        Self::All(verdict)
    }
}

impl From<Refusal> for EndOfDataVerdict {
    fn from(refusal: Refusal) -> Self {
        Self::All(Verdict::Refuse(refusal))
    }
}

/// What may be odd about a message that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BodyFaults {
    /// A CR or an LF stood alone: rewritten under `Normalize`, left under `Raw`.
    pub bare_line_end: bool,
    /// A line is longer than the 1,000 octets of RFC 5321 section 4.5.3.1.6.
    pub long_line: bool,
    /// Octets over 127, though MAIL said neither `BODY=8BITMIME` (RFC 6152) nor SMTPUTF8 (RFC 6531), nor
    /// `BODY=BINARYMIME` (RFC 3030).
    pub undeclared_8bit: bool,
}

/// Does this user or mailbox exist (VRFY)? Asked in [`VerifyMode::Ask`](super::VerifyMode::Ask).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verify {
    /// The argument as it was given: printable ASCII, or UTF-8 where [`Offer::smtp_utf8`](super::Offer::smtp_utf8) is
    /// on; without the parameter SMTPUTF8.
    pub argument: String,
    /// The client takes UTF-8 in the answer (RFC 6531 section 3.7.4.2). A text that holds some for one that does not
    /// is withheld: `252 2.6.8`.
    pub smtp_utf8: bool,
}

/// Who is on this list (EXPN)? Asked when [`Config::expand`](super::Config::expand) is on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expand {
    /// The argument as it was given, as [`Verify::argument`].
    pub argument: String,
    /// The client takes UTF-8 in the answer, as [`Verify::smtp_utf8`].
    pub smtp_utf8: bool,
}

/// What VRFY may say yes with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// `250 2.1.5` with this text, as `Full Name <mailbox@domain>`.
    Exists(ReplyText),
    /// `251 2.1.5` with this text, the mailbox in `<` and `>`: not here, but mail for it is forwarded there.
    WillForward(ReplyText),
    /// `252 2.0.0`: cannot tell, but will take mail for it.
    CannotTell,
    /// `551 5.1.6` with this text, the mailbox in `<` and `>`: not here; mail is to be sent there instead.
    NotLocal(ReplyText),
    /// `553 5.1.4`: it may be any of these mailboxes (RFC 5321 section 3.5.1), one a line.
    Ambiguous(Vec<ReplyText>),
}

/// May the mail that waits for this node be sent to it now (ETRN, RFC 1985)? Not: 458 when it cannot be, 459 when this
/// client may not ask for it. Asked when [`Offer::etrn`](super::Offer::etrn) is on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Etrn {
    /// Whose mail.
    pub target: EtrnTarget,
}

/// The argument of ETRN (RFC 1985 sections 5 and 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EtrnTarget {
    /// `name`: mail for this domain.
    Node(DomainName),
    /// `@name`: mail for this domain and all under it.
    Subdomains(DomainName),
    /// `#name`: this queue; what the name means is ours to say.
    Queue(String),
}

/// As it was written.
impl core::fmt::Display for EtrnTarget {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Node(name) => f.write_str(name.as_str()),
            Self::Subdomains(name) => write!(f, "@{}", name.as_str()),
            Self::Queue(name) => write!(f, "#{name}"),
        }
    }
}

/// What ETRN is answered (RFC 1985 section 5.1). Only the first is to be said by who cannot look into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EtrnStarted {
    /// `250`: it is being tried.
    Started,
    /// `251`: nothing waits for it.
    NothingWaits,
    /// `252`: what waits for it is being tried.
    Pending,
    /// `253`: so many messages wait for it and are being tried.
    PendingCount(u64),
}

/// The name under which a message is filed: 1 to 64 letters, digits, `-`, `_`, `.`, `=`, `+`, `@`.
///
/// Whoever answers gives each message another one: logs, `Received:` fields and stores tell messages by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(String);

impl QueueId {
    /// A checked queue id; `None` when it holds anything else.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.=+@".contains(&b);
        (matches!(id.len(), 1..=64) && id.bytes().all(plain)).then_some(Self(id))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Display for QueueId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Question for Connect {
    type Verdict = Verdict;
}

impl Question for Tls {
    type Verdict = Verdict;
}

impl Question for Etrn {
    type Verdict = Verdict<EtrnStarted>;
}

impl Question for Command {
    type Verdict = Result<(), Refusal>;
}

impl Question for Hello {
    type Verdict = Verdict;
}

impl Question for Mail {
    type Verdict = Verdict;
}

impl Question for Rcpt {
    type Verdict = Verdict;
}

impl Question for Data {
    type Verdict = Verdict;
}

impl Question for EndOfData {
    type Verdict = EndOfDataVerdict;
}

impl Question for Verify {
    type Verdict = Verdict<Verified>;
}

impl Question for Expand {
    /// The members, one a line; an empty list is answered as a list nobody knows.
    type Verdict = Verdict<Vec<ReplyText>>;
}

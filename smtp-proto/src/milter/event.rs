//! What a session with a milter tells its application.

use super::change::Change;
use super::options::Stage;
use super::verdict::Verdict;
use super::wire::PacketFault;

/// For the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MilterEvent {
    /// Both ends have agreed: [`MilterClient::connect`](super::MilterClient::connect).
    Ready,
    /// What is to be done to the message, while its end is being answered.
    Change(Change),
    /// The answer to the step that was asked.
    Answered(Verdict),
    /// The milter cannot be asked any more; the session ends. No answer comes to a step that was asked.
    Failed(MilterFailure),
}

/// Why a milter cannot be asked any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MilterFailure {
    /// It did not answer in time.
    #[error("no answer to {0} in time")]
    Timeout(Stage),
    /// It did not answer our offer in time.
    #[error("no answer to the negotiation in time")]
    NegotiationTimeout,
    /// It closed the connection.
    #[error("it closed the connection")]
    ConnectionLost,
    /// What it sends is none of the protocol.
    #[error(transparent)]
    Packet(#[from] PacketFault),
    /// It answers our offer with something else than one.
    #[error("it did not negotiate")]
    NoNegotiation,
    /// It speaks this version and none of ours.
    #[error("it speaks version {0} of the protocol")]
    Version(u32),
    /// It wants to do what was not offered to it, or did it.
    #[error("it wants to do what was not offered to it")]
    NotOffered,
    /// What it says is no answer to this step.
    #[error("what it says is no answer to {0}")]
    Unexpected(Stage),
    /// It says something though nothing was asked.
    #[error("it says something that nothing was asked for")]
    Unasked,
    /// It wants more changes than are allowed, or they are too large.
    #[error("it wants too many changes")]
    TooManyChanges,
    /// A reply of SMTP that it words is none, or none that refuses.
    #[error("the reply that it words is no refusal of SMTP")]
    ReplyCode,
    /// A header field that it names is none.
    #[error("it names a header field that cannot be")]
    HeaderField,
    /// An address that it names is none.
    #[error("it names an address that is none")]
    Address,
}

impl MilterFailure {
    /// Whether it keeps to the protocol and says what makes no sense, so that somebody has to change something here or
    /// there; see [`DefaultAction::consequence`](super::DefaultAction::consequence).
    pub const fn is_misconfiguration(&self) -> bool {
        matches!(self, Self::ReplyCode | Self::HeaderField | Self::Address)
    }
}

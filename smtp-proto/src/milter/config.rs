//! The configuration of a session with a milter.

use super::macros::MacroNames;
use super::options::{Actions, MilterVersion, Stage};
use alloc::string::String;
use core::time::Duration;
use proto_core::TimerKind;

/// The most octets that one piece of a body may have, as `libmilter` has it.
pub const BODY_CHUNK_BYTES_MAX: usize = 65_535;

/// The most octets that name and value of a header field may have together: with the NUL behind each `libmilter` takes no
/// more in one packet, and hangs up on who sends more.
pub const HEADER_FIELD_BYTES_MAX: usize = BODY_CHUNK_BYTES_MAX - 2;

/// The configuration of a session with a milter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MilterConfig {
    /// The highest version that is spoken. Default [`MilterVersion::V6`].
    pub version: MilterVersion,
    /// Whether a milter may leave header fields unanswered in a version that does not have this (`no_header_reply` of
    /// Postfix). Default false.
    pub no_header_reply: bool,
    /// What a milter may do at most. Default all. One that wants more, or does more, has failed.
    pub actions: Actions,
    /// Which macros are sent with which step, where the milter has no list of its own. Default: the lists of Postfix.
    pub macros: MacroNames,
    /// What bounds a milter.
    pub limits: MilterLimits,
    /// How long it may take.
    pub timeouts: MilterTimeouts,
    pub(super) origin: String,
}

impl MilterConfig {
    /// The defaults. `origin` is the domain of an address that a milter names without one.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            version: MilterVersion::default(),
            no_header_reply: false,
            actions: Actions::ALL,
            macros: MacroNames::default(),
            limits: MilterLimits::default(),
            timeouts: MilterTimeouts::default(),
            origin: origin.into(),
        }
    }
}

/// What bounds a milter. What it replaces a body by is not among it: those octets are not held, and the application that
/// writes them somewhere knows how large a message may be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MilterLimits {
    /// The longest packet that it may send, its length not counted, a new body excepted. Default 1 MiB.
    pub packet_bytes_max: usize,
    /// Changes to one message, a new body excepted. Default 10,000.
    pub changes_max: usize,
    /// Octets of all packets with changes to one message, a new body excepted. Default 4 MiB.
    pub change_bytes_max: usize,
}

impl Default for MilterLimits {
    fn default() -> Self {
        Self { packet_bytes_max: 1 << 20, changes_max: 10_000, change_bytes_max: 4 << 20 }
    }
}

/// How long a milter may take to answer. [`MilterReply::Progress`] at every step, and each change while a message ends, begins
/// the time anew, however often that is: who does not trust a milter so far has a deadline of his own for a whole message.
///
/// [`MilterReply::Progress`]: super::MilterReply::Progress
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MilterTimeouts {
    /// The negotiation, and each step up to DATA. Default 30 s, as `milter_command_timeout` of Postfix.
    pub command: Duration,
    /// Each step from the first header field to the end of the message. Default 300 s, as `milter_content_timeout`.
    pub content: Duration,
}

impl Default for MilterTimeouts {
    fn default() -> Self {
        Self { command: Duration::from_secs(30), content: Duration::from_secs(300) }
    }
}

impl MilterTimeouts {
    /// How long it may take over a step.
    pub(super) const fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Header | Stage::EndOfHeader | Stage::Body | Stage::EndOfMessage => self.content,
            _ => self.command,
        }
    }
}

/// The timers of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MilterTimer {
    /// An answer is due: [`MilterTimeouts`].
    Answer,
}

impl TimerKind for MilterTimer {
    const ALL: &'static [Self] = &[Self::Answer];

    fn index(self) -> usize {
        self as usize
    }
}

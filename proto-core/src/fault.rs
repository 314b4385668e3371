//! The three kinds of fault, kept apart by type.
//!
//! * The **peer's**: a wrong command, an over-long line. It never leaves a machine as an error; it becomes a
//!   reply and, when fatal, one `Closed(reason)` step.
//! * The **caller's**: the API was misused. It is an `Err` from a command ([`CallerFault`]).
//! * **Ours**: a disk, a directory or a resolver failed. It goes into a machine as part of a verdict
//!   ([`Backend`]), and each protocol has one table that makes a reply of it.

use alloc::borrow::Cow;

/// The application called a machine in a way its contract rules out. Nothing has changed in the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallerFault {
    /// The machine does not wait for this ask: it was cancelled meanwhile.
    #[error("this ask is no longer open: it was cancelled")]
    StaleAsk,
    /// The call is not legal in this state; the text says which call and why.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

/// Something behind the application failed: a store, a directory, DNS.
///
/// The text goes to the peer, so it must hold no secret and no path; an empty text means the standard one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Backend {
    /// Trying again later may help: a 4yz reply, `[UNAVAILABLE]`, `[SYS/TEMP]`.
    #[error("temporary failure: {0}")]
    Temporary(Cow<'static, str>),
    /// Trying again will not help: a 5yz reply, `[CONTACTADMIN]`, `[SYS/PERM]`.
    #[error("permanent failure: {0}")]
    Permanent(Cow<'static, str>),
}

impl Backend {
    /// A temporary failure with the protocol's standard text.
    pub const TEMPORARY: Backend = Backend::Temporary(Cow::Borrowed(""));
    /// A permanent failure with the protocol's standard text.
    pub const PERMANENT: Backend = Backend::Permanent(Cow::Borrowed(""));
}

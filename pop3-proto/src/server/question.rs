//! The questions of a server session, each with its verdict.
//!
//! An [`Ask`](proto_core::Ask) of one of these types goes out in an [`Event`](super::Event); the application answers
//! it, at once or later and from any thread, with [`Server::answer`](super::Server::answer). Who somebody is, is asked
//! with [`proto_core::sasl::Authenticate`], for PASS as for AUTH; a wrong password and an unknown user get the same
//! reply, and it is for the application to see that they take the same time.

use crate::maildrop::Message;
use alloc::vec::Vec;
use proto_core::{Backend, Question};

/// Open the maildrop of the user who was just accepted (RFC 1939 section 4).
///
/// What is answered is a snapshot: message numbers are positions in it plus one, for the whole session. With a policy
/// of exclusive drops the lock is taken here and held until the session is over, however it ends; also when this ask
/// is cancelled, and the answer therefore comes too late.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenMaildrop;

impl Question for OpenMaildrop {
    type Verdict = Result<Vec<Message>, OpenRefusal>;
}

/// Why a maildrop cannot be opened. The client stays where it was and may try again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenRefusal {
    /// Somebody else has it: `-ERR [IN-USE]` (RFC 2449 section 8.1.2).
    InUse,
    /// It failed.
    Backend(Backend),
}

/// Give a message (RETR), or its beginning (TOP).
///
/// After yes, its octets come by [`Server::write_body`](super::Server::write_body), from the first on and as they are
/// stored: line ends and dots are this crate's matter, and for TOP it takes no more than is wanted. RETR may count as
/// reading (`\Seen`), TOP must not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retrieve {
    /// The message's position in the answer to [`OpenMaildrop`].
    pub index: usize,
    /// For TOP, how many lines are wanted after the header and the empty line; `None` for RETR.
    pub top_lines: Option<u64>,
}

impl Question for Retrieve {
    type Verdict = Result<(), RetrieveRefusal>;
}

/// Why a message cannot be given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetrieveRefusal {
    /// It is gone: removed by somebody else since the maildrop was opened.
    Gone,
    /// It failed.
    Backend(Backend),
}

/// Remove messages for good: the UPDATE state (RFC 1939 section 6). Asked for QUIT and for nothing else, and only when
/// there is something to remove. Yes is said only when the removal would survive a power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Positions in the answer to [`OpenMaildrop`], ascending. Those that are gone already count as removed.
    pub deleted: Vec<usize>,
}

impl Question for Commit {
    type Verdict = Result<(), CommitRefusal>;
}

/// Some messages, or all, could not be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRefusal {
    /// Positions of those that are still there.
    pub not_removed: Vec<usize>,
    /// Why; of several reasons, the one that lasts longest.
    pub backend: Backend,
}

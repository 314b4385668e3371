//! Changes that happened and have not been told.
//!
//! They are kept merged: what came and went before it was told leaves no trace, and of several flag changes to one
//! message only the last stands.
//!
//! # Limits
//! New and vanished messages are ranges, so they cost no more than the mailbox itself. Flag changes cost an entry
//! a message; beyond `flag_changes_max` of them the queue refuses, and the session has to end: dropping one would
//! leave the client wrong for good.

use alloc::collections::BTreeMap;
use mail_message::{FlagSet, Uid, UidSet};

/// Something that happened to the selected mailbox, told by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Messages came. Their UIDs lie above all that this view was ever told of.
    New {
        /// Which.
        uids: UidSet,
        /// Whether this session is the one that sees them as `\Recent` (RFC 3501 section 2.3.2).
        recent: bool,
    },
    /// A message's flags changed.
    Flags {
        /// Which message.
        uid: Uid,
        /// All its flags, as they are when this is handed in: news that has been overtaken meanwhile, by this
        /// session's own STORE for one, must not be told.
        flags: FlagSet,
    },
    /// Messages are gone for good. UIDs that the view does not hold are passed over.
    Vanished {
        /// Which.
        uids: UidSet,
    },
}

/// A change that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeFault {
    /// New UIDs must ascend (RFC 3501 section 2.3.1.1): a message cannot come between two that are known.
    #[error("a new UID does not lie above those already known")]
    NotAscending,
    /// More flag changes wait than the limit allows.
    #[error("too many flag changes wait to be told")]
    TooMany,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Not told to exist.
    pub(super) new: UidSet,
    /// Those of `new` that are recent.
    pub(super) recent: UidSet,
    /// Told to exist, and gone.
    pub(super) vanished: UidSet,
    /// Of messages told to exist and not gone.
    pub(super) flags: BTreeMap<Uid, FlagSet>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.vanished.is_empty() && self.flags.is_empty()
    }
}

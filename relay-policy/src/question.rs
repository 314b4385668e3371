//! What an evaluation needs to know, and the answers.

use proto_core::Backend;
use proto_core::address::Mailbox;

/// Something that only the application can find out. Equal questions have equal answers, so they may be cached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// Whether a mailbox in one of the local domains exists; answered by [`Answer::Exists`]. The domain is in A-labels
    /// and lower case.
    RecipientExists {
        /// The mailbox.
        address: Mailbox,
    },
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Whether what was asked for exists.
    Exists(bool),
    /// It could not be found out. Either kind of failure gives a temporary refusal: nobody's mail is bounced because a
    /// lookup of ours failed.
    Failed(Backend),
}

//! What a client can ask of a server.
//!
//! RFC 3501 §6, with LITERAL+ (7888), UNSELECT (3691), UIDPLUS (4315), IDLE (2177), NAMESPACE (2342), ID (2971)
//! and SASL-IR (4959). A [`Command`] is a whole command, parsed. APPEND is none of them: its message is streamed, so
//! it is never whole; what stands before the message is an [`Append`], see [`crate::parse::literal`].

use super::{
    AString, Atom, DateTime, FetchItem, ListPattern, MailboxName, NameFault, SearchKey, StatusItem,
    StoreAction, Tag,
};
use alloc::vec::Vec;
use mail_message::{FlagSet, SequenceSet};
use proto_core::Secret;

/// A command with the tag that its answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its tag.
    pub tag: Tag,
    /// What is asked.
    pub body: CommandBody,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandBody {
    /// `CAPABILITY` (§6.1.1).
    Capability,
    /// `NOOP` (§6.1.2).
    Noop,
    /// `LOGOUT` (§6.1.3).
    Logout,
    /// `STARTTLS` (§6.2.1).
    StartTls,
    /// `AUTHENTICATE` (§6.2.2).
    Authenticate {
        /// The SASL mechanism.
        mechanism: Atom,
        /// The initial response, decoded; empty when it was `=` (RFC 4959 §3), `None` when there was none.
        initial_response: Option<Secret>,
    },
    /// `LOGIN` (§6.2.3).
    Login {
        /// The user's name.
        user: AString,
        /// The password.
        password: Secret,
    },
    /// `SELECT` (§6.3.1). Of a name that can be no mailbox's, too, since this fails as one does whose mailbox is
    /// missing: the mailbox selected before is left.
    Select(Result<MailboxName, NameFault>),
    /// `EXAMINE` (§6.3.2). As SELECT.
    Examine(Result<MailboxName, NameFault>),
    /// `CREATE` (§6.3.3). One separator at the end of the name, which promises children, is taken off.
    Create(MailboxName),
    /// `DELETE` (§6.3.4).
    Delete(MailboxName),
    /// `RENAME` (§6.3.5).
    Rename {
        /// The name it has.
        from: MailboxName,
        /// The name it gets.
        to: MailboxName,
    },
    /// `SUBSCRIBE` (§6.3.6).
    Subscribe(MailboxName),
    /// `UNSUBSCRIBE` (§6.3.7).
    Unsubscribe(MailboxName),
    /// `LIST` (§6.3.8).
    List(ListPattern),
    /// `LSUB` (§6.3.9).
    Lsub(ListPattern),
    /// `STATUS` (§6.3.10).
    Status {
        /// Of which mailbox.
        mailbox: MailboxName,
        /// What about it; at least one, each once.
        items: Vec<StatusItem>,
    },
    /// `CHECK` (§6.4.1).
    Check,
    /// `CLOSE` (§6.4.2).
    Close,
    /// `UNSELECT` (RFC 3691).
    Unselect,
    /// `EXPUNGE` (§6.4.3), or `UID EXPUNGE` with a set (RFC 4315 §2.1).
    Expunge {
        /// Only these UIDs; all that are `\Deleted` without.
        uids: Option<SequenceSet>,
    },
    /// `SEARCH` and `UID SEARCH` (§6.4.4).
    Search {
        /// `UID`: answer with UIDs.
        uid: bool,
        /// What to look for.
        key: SearchKey,
    },
    /// `FETCH` and `UID FETCH` (§6.4.5).
    Fetch {
        /// `UID`: the set is of UIDs, and `UID` is among the items of the answer, asked for or not (§6.4.8).
        uid: bool,
        /// Of which messages.
        set: SequenceSet,
        /// What; at least one item, macros expanded.
        items: Vec<FetchItem>,
    },
    /// `STORE` and `UID STORE` (§6.4.6).
    Store {
        /// `UID`: the set is of UIDs.
        uid: bool,
        /// Of which messages.
        set: SequenceSet,
        /// What to do with the flags.
        action: StoreAction,
        /// `.SILENT`: do not tell the new flags.
        silent: bool,
        /// The flags.
        flags: FlagSet,
    },
    /// `COPY` and `UID COPY` (§6.4.7).
    Copy {
        /// `UID`: the set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        to: MailboxName,
    },
    /// `IDLE` (RFC 2177): until a line `DONE`, which is no command.
    Idle,
    /// `NAMESPACE` (RFC 2342).
    Namespace,
    /// `ID` (RFC 2971): what the client says about itself; empty when it said `NIL`.
    Id(Vec<(AString, Option<AString>)>),
}

impl CommandBody {
    /// The command's name, `UID` included: for logs and texts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capability => "CAPABILITY",
            Self::Noop => "NOOP",
            Self::Logout => "LOGOUT",
            Self::StartTls => "STARTTLS",
            Self::Authenticate { .. } => "AUTHENTICATE",
            Self::Login { .. } => "LOGIN",
            Self::Select(_) => "SELECT",
            Self::Examine(_) => "EXAMINE",
            Self::Create(_) => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename { .. } => "RENAME",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::List(_) => "LIST",
            Self::Lsub(_) => "LSUB",
            Self::Status { .. } => "STATUS",
            Self::Check => "CHECK",
            Self::Close => "CLOSE",
            Self::Unselect => "UNSELECT",
            Self::Expunge { uids: None } => "EXPUNGE",
            Self::Expunge { uids: Some(_) } => "UID EXPUNGE",
            Self::Search { uid: false, .. } => "SEARCH",
            Self::Search { uid: true, .. } => "UID SEARCH",
            Self::Fetch { uid: false, .. } => "FETCH",
            Self::Fetch { uid: true, .. } => "UID FETCH",
            Self::Store { uid: false, .. } => "STORE",
            Self::Store { uid: true, .. } => "UID STORE",
            Self::Copy { uid: false, .. } => "COPY",
            Self::Copy { uid: true, .. } => "UID COPY",
            Self::Idle => "IDLE",
            Self::Namespace => "NAMESPACE",
            Self::Id(_) => "ID",
        }
    }
}

/// What an APPEND says before its message (§6.3.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: MailboxName,
    /// The flags it shall have.
    pub flags: FlagSet,
    /// Its internal date; the time of arrival without.
    pub date: Option<DateTime>,
}

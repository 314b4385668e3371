//! The questions of a server session, one for each thing only a store or a directory can know.
//!
//! An [`Ask`](proto_core::Ask) of one of these types goes out in an [`Event`](super::Event); the application
//! answers it, at once or later and from any thread, with [`Server::answer`](super::Server::answer). Three of
//! them take responses before the answer:
//!
//! | question | responses | then |
//! | --- | --- | --- |
//! | [`List`] | [`Server::listed`](super::Server::listed), one a mailbox | `answer` |
//! | [`Fetch`] | [`Server::fetch`](super::Server::fetch) or [`Server::gone`](super::Server::gone), one a message; sections stream | `answer` |
//! | [`Store`] | [`Server::stored`](super::Server::stored) or [`Server::gone`](super::Server::gone), one a message | `answer` |
//!
//! Before each response the application looks whether there is room ([`Server::room`](super::Server::room)); if
//! not, it lets the driver write first.
//!
//! Whether somebody is who he says is the question of every protocol, [`proto_core::sasl::Authenticate`].
//!
//! Later extensions add fields, so none of these can be made or taken apart field by field outside this crate.
//!
//! `Ok` is said to the client at once, so it must be true: what was changed would survive a power cut.

use super::refusal::Refusal;
use crate::types::{DateTime, FetchItem, ListPattern, MailboxName, SearchKey, StatusItem, StoreAction};
use crate::view::Messages;
use alloc::vec::Vec;
use mail_message::{FlagSet, Uid, UidSet, UidValidity};
use proto_core::Question;

/// An answer: yes, with what the question wants to know, or NO and why.
pub type Verdict<A = ()> = Result<A, Refusal>;

/// Which mailboxes are there (LIST), or subscribed to (LSUB)? Each goes to
/// [`Server::listed`](super::Server::listed), in any order, then the answer.
///
/// For LIST, a level that is no mailbox and has mailboxes below it is told as well, with
/// [`MailboxAttribute::NoSelect`](crate::types::MailboxAttribute::NoSelect) (RFC 3501 section 6.3.8), when the pattern
/// ends in `%` and matches it.
/// For LSUB, a name need not exist; and a pattern that ends in `%` must also list the levels above subscribed
/// names that match it, with [`MailboxAttribute::NoSelect`](crate::types::MailboxAttribute::NoSelect)
/// (RFC 3501 section 6.3.9). For LIST, whether a mailbox has children is told only when
/// [`Config::children`](super::Config::children) advertises it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// Reference and pattern together; [`ListPattern::matches`] says which names are meant.
    pub pattern: ListPattern,
    /// LSUB: those subscribed to.
    pub subscribed: bool,
}

impl Question for List {
    type Verdict = Verdict;
}

/// Shall this name be in LSUB from now on (RFC 3501 section 6.3.6)?
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscribe {
    /// The name; the mailbox need not exist.
    pub mailbox: MailboxName,
}

impl Question for Subscribe {
    type Verdict = Verdict;
}

/// Shall this name no longer be in LSUB (RFC 3501 section 6.3.7)?
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsubscribe {
    /// The name; the mailbox need not exist.
    pub mailbox: MailboxName,
}

impl Question for Unsubscribe {
    type Verdict = Verdict;
}

/// Make a mailbox, and the levels above it that are missing (RFC 3501 section 6.3.3).
///
/// A mailbox made under a name that was in use before must have a higher UIDVALIDITY than that one had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Create {
    /// The name; never INBOX, which exists.
    pub mailbox: MailboxName,
}

impl Question for Create {
    type Verdict = Verdict;
}

/// Remove a mailbox with its messages, not those below it (RFC 3501 section 6.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delete {
    /// The name; never INBOX.
    pub mailbox: MailboxName,
}

impl Question for Delete {
    type Verdict = Verdict;
}

/// Give a mailbox, and those below it, another name; UIDs stay (RFC 3501 section 6.3.5).
///
/// From INBOX: its messages move into a new mailbox, those below INBOX stay, and INBOX stays, empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rename {
    /// The name now.
    pub from: MailboxName,
    /// The name then; never INBOX.
    pub to: MailboxName,
}

impl Question for Rename {
    type Verdict = Verdict;
}

/// How is this mailbox (RFC 3501 section 6.3.10)? The answer has the value of each item. Asking must not make
/// messages lose `\Recent`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name.
    pub mailbox: MailboxName,
    /// What is wanted, each once.
    pub items: Vec<StatusItem>,
}

impl Question for Status {
    type Verdict = Verdict<Vec<(StatusItem, u64)>>;
}

/// Open a mailbox (SELECT, EXAMINE: RFC 3501 sections 6.3.1 and 6.3.2).
///
/// The mailbox selected before is no longer, whatever the answer. From the answer on, every change to the mailbox
/// goes to [`Server::notify`](super::Server::notify), also those between taking [`Selected`] and answering.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Select {
    /// The name.
    pub mailbox: MailboxName,
    /// EXAMINE: nothing may change, `\Recent` included.
    pub read_only: bool,
}

impl Question for Select {
    type Verdict = Verdict<Selected>;
}

/// A mailbox at the moment it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selected {
    /// The generation of the UIDs.
    pub uid_validity: UidValidity,
    /// The UID that the next message gets at the least; above all of `uids`.
    pub uid_next: Uid,
    /// The messages.
    pub uids: UidSet,
    /// Those that are `\Recent` in this session: no other read-write session was told so before.
    pub recent: UidSet,
    /// The message without `\Seen` that has the lowest UID.
    pub first_unseen: Option<Uid>,
    /// Keywords in use. The system flags are always there and need not be.
    pub flags: FlagSet,
    /// The flags that this session can change for good; for a read-only one they are not told.
    pub permanent_flags: FlagSet,
    /// Whether the client may make new keywords (`\*` among the permanent flags).
    pub new_keywords: bool,
    /// The mailbox can only be read. Always so after EXAMINE, whatever stands here.
    pub read_only: bool,
}

impl Selected {
    /// A mailbox with these messages, of which nothing more is known and no flag can be changed for good; the fields
    /// can say otherwise.
    pub fn new(uid_validity: UidValidity, uid_next: Uid, uids: UidSet) -> Self {
        Self {
            uid_validity,
            uid_next,
            uids,
            recent: UidSet::new(),
            first_unseen: None,
            flags: FlagSet::new(),
            permanent_flags: FlagSet::new(),
            new_keywords: false,
            read_only: false,
        }
    }
}

/// Tell of these messages (FETCH: RFC 3501 section 6.4.5).
///
/// For each message, ascending: [`Server::fetch`](super::Server::fetch), then every one of
/// [`Fetch::sections`] in order; or [`Server::gone`](super::Server::gone).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// Which messages; may be empty.
    pub messages: Messages,
    /// What to tell: each item once, those that are data before those that are octets of the message, macros
    /// resolved.
    pub items: Vec<FetchItem>,
    /// The messages get `\Seen` by this (a section was asked for without PEEK, and the mailbox is read-write).
    pub set_seen: bool,
    /// UID FETCH.
    pub by_uid: bool,
}

impl Question for Fetch {
    type Verdict = Verdict;
}

impl Fetch {
    /// Whether an item is wanted.
    pub fn wants(&self, item: &FetchItem) -> bool {
        self.items.contains(item)
    }

    /// The items that are octets of the message, in the order in which they have to be given.
    pub fn sections(&self) -> impl Iterator<Item = &FetchItem> {
        self.items.iter().filter(|item| super::fetch::is_octets(item))
    }
}

/// Change flags (STORE: RFC 3501 section 6.4.6).
///
/// For each message, ascending: [`Server::stored`](super::Server::stored) with the flags it now has, or
/// [`Server::gone`](super::Server::gone); also with [`Store::silent`], though little is told then.
/// The change must not come back to this session as a [`Change`](crate::view::Change); to others it must.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Store {
    /// Which messages; may be empty.
    pub messages: Messages,
    /// Add, take away, or put in place of all.
    pub action: StoreAction,
    /// The flags.
    pub flags: FlagSet,
    /// `.SILENT`: the client does not want to hear what the flags are now.
    pub silent: bool,
    /// UID STORE.
    pub by_uid: bool,
}

impl Question for Store {
    type Verdict = Verdict;
}

/// Copy messages into another mailbox, all or none, with flags and internal date (RFC 3501 section 6.4.7).
///
/// A mailbox that does not exist is [`Refusal::NonExistent`]; the client is told `[TRYCREATE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyMessages {
    /// Which messages; may be empty.
    pub messages: Messages,
    /// Where to.
    pub mailbox: MailboxName,
}

impl Question for CopyMessages {
    type Verdict = Verdict<Option<Copied>>;
}

/// What COPYUID tells (RFC 4315 section 3). The answer to [`CopyMessages`] is `None` when nothing was copied, or the
/// copies have no lasting UIDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The generation of the UIDs in the mailbox copied to.
    pub uid_validity: UidValidity,
    /// What was copied.
    pub from: UidSet,
    /// The copies; the first is that of the first, and so on, so there are as many.
    pub to: UidSet,
}

/// Which messages meet this condition (RFC 3501 section 6.4.4)? The answer may name messages that the session does
/// not know of yet: they are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Search {
    /// The condition. What only the session knows is resolved: no `Sequence`, `Recent`, `Old` or `New` occurs,
    /// and every `Uid` names plain numbers, without `*`. Numbers between those of messages that the session knows of
    /// may be among them, where no message is or one that is left out of the answer anyhow.
    pub key: SearchKey,
}

impl Question for Search {
    type Verdict = Verdict<UidSet>;
}

/// May a message of this size come (APPEND: RFC 3501 section 6.3.11)? Asked before the client sends it, so that a
/// refusal comes instead of the continuation, and asked also when it sends without waiting.
///
/// A mailbox that does not exist is [`Refusal::NonExistent`]; the client is told `[TRYCREATE]`. After yes come
/// [`Event::AppendChunk`](super::Event::AppendChunk)s, and [`AppendEnd`] or
/// [`Event::AppendAborted`](super::Event::AppendAborted).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendBegin {
    /// Where to.
    pub mailbox: MailboxName,
    /// The flags it gets.
    pub flags: FlagSet,
    /// Its internal date; now, when there is none.
    pub date: Option<DateTime>,
    /// How many octets will come; at least 1.
    pub octets: u64,
}

impl Question for AppendBegin {
    type Verdict = Verdict;
}

/// The message is complete: store it. The answer may come only when it would survive a power cut, and then says
/// which UID it has; `None` when it has no lasting one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendEnd {
    /// The sum of all [`Event::AppendChunk`](super::Event::AppendChunk) octets: as many as were announced.
    pub octets: u64,
}

impl Question for AppendEnd {
    type Verdict = Verdict<Option<Appended>>;
}

/// What APPENDUID tells (RFC 4315 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The generation of the UIDs in that mailbox.
    pub uid_validity: UidValidity,
    /// The message's UID.
    pub uid: Uid,
}

/// Remove the messages that have `\Deleted` (EXPUNGE: RFC 3501 section 6.4.3; UID EXPUNGE: RFC 4315
/// section 2.1). The answer is which ones were removed; they need not come as a
/// [`Change`](crate::view::Change) as well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expunge {
    /// Only these; `None` is all.
    pub uids: Option<UidSet>,
}

impl Question for Expunge {
    type Verdict = Verdict<UidSet>;
}

/// The mailbox is no longer selected (CLOSE: RFC 3501 section 6.4.2; UNSELECT: RFC 3691; a SELECT of a name that can
/// be no mailbox's: section 6.3.1). It is so whatever the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Close {
    /// Remove the messages that have `\Deleted` first; false after EXAMINE, and true for CLOSE alone.
    pub expunge: bool,
}

impl Question for Close {
    type Verdict = Verdict;
}

/// Do whatever housekeeping the selected mailbox needs (CHECK: RFC 3501 section 6.4.1), and look whether others have
/// changed it (also NOOP with a mailbox selected: section 6.1.2). What is told by
/// [`Server::notify`](super::Server::notify) before the answer reaches the client before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check;

impl Question for Check {
    type Verdict = Verdict;
}

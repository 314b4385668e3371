//! Mailboxes.
//!
//! The promises are those of [`mailstore::store`]: what returns `Ok` is durable, UIDs are never given twice, and
//! what returns `Err` has left everything acknowledged before as it was. A store tells *changes*; who shows which
//! of them to a client, and when, is the services' and the protocols' affair.

use super::{AccountId, Later};
use bytes::Bytes;
use mail_message::{FlagSet, ModSeq, Uid, UidSet, UidValidity};
use mailstore::{
    Access, Appended, Changes, Copied, Delivered, DeliveryId, Entry, ErrorKind, Expunge, FlagChange,
    MailboxInfo, MailboxName, MailboxStatus, Meta, PermanentFlags, StoreError, Stored, Summary, Tell, Watch,
};
use proto_core::UnixTime;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

/// What an operation of a store returns, later. The future borrows nothing.
pub type StoreResult<T> = Later<'static, Result<T, StoreError>>;

/// The mailboxes of all accounts.
pub trait Store: Send + Sync {
    /// All mailboxes of an account, INBOX among them, sorted by name.
    fn list(&self, account: &AccountId) -> StoreResult<Vec<MailboxInfo>>;

    /// Creates a mailbox.
    fn create(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()>;

    /// Deletes a mailbox, not those below it.
    fn delete(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()>;

    /// Renames a mailbox and those below it.
    fn rename(&self, account: &AccountId, from: &MailboxName, to: &MailboxName) -> StoreResult<()>;

    /// Puts a name among the subscriptions, or takes it out.
    fn subscribe(&self, account: &AccountId, name: &MailboxName, subscribed: bool) -> StoreResult<()>;

    /// The subscribed names, sorted.
    fn subscriptions(&self, account: &AccountId) -> StoreResult<Vec<MailboxName>>;

    /// Opens a mailbox.
    fn open(&self, account: &AccountId, name: &MailboxName, access: Access) -> StoreResult<Opened>;

    /// Counts a mailbox, taking `\Recent` from nobody.
    fn status(&self, account: &AccountId, name: &MailboxName) -> StoreResult<MailboxStatus>;

    /// Begins to append messages to a mailbox.
    fn append(&self, account: &AccountId, name: &MailboxName) -> StoreResult<Box<dyn Append>>;

    /// Whether one message of so many octets could be delivered now, as far as quotas go; `OverQuota` when not.
    fn check_quota(&self, account: &AccountId, name: &MailboxName, bytes: u64) -> StoreResult<()> {
        let _ = (account, name, bytes);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Delivers one message: the header of `delivery`, then `body`, which blocks and must be read where that is
    /// allowed. The same [`DeliveryId`] twice is one message.
    fn deliver(
        &self,
        account: &AccountId,
        name: &MailboxName,
        delivery: Delivery,
        body: Box<dyn mailstore::MessageReader>,
    ) -> StoreResult<Delivered>;

    /// When what was left to be done is done, as the closing of mailboxes that nobody has open any more. A server that stops
    /// waits for it ([`Server::shutdown`](crate::Server::shutdown)), within its patience.
    fn settled(&self) -> Later<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether messages can be delivered to files, which aliases may name: see
    /// [`deliver_to_file`](Self::deliver_to_file). Where not, who leads to one is refused.
    fn delivers_to_files(&self) -> bool {
        false
    }

    /// Delivers one message to the mbox at `path`, an absolute path, or to the Maildir there where it ends in `/`, as
    /// [`deliver`](Self::deliver) does to a mailbox.
    fn deliver_to_file(
        &self,
        path: &str,
        delivery: Delivery,
        body: Box<dyn mailstore::MessageReader>,
    ) -> StoreResult<Delivered> {
        drop((delivery, body));
        let why = "nothing is delivered to files here";
        let error = StoreError::new(ErrorKind::Denied, "delivering to a file", why).at(Path::new(path));
        Box::pin(std::future::ready(Err(error)))
    }

    /// Has `tell` called whenever a mailbox may have changed, whoever changed it, until the [`Watch`] is dropped. `None`
    /// from a store that does not tell; then who wants to know looks now and then.
    fn watch(&self, account: &AccountId, name: &MailboxName, tell: Tell) -> StoreResult<Option<Watch>> {
        let _ = (account, name, tell);
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A mailbox, opened: what it was then, and the means to see and make changes.
pub struct Opened {
    /// The generation of the UIDs.
    pub uid_validity: UidValidity,
    /// A number above every UID given so far.
    pub uid_next: Uid,
    /// The messages, ascending by UID.
    pub entries: Vec<Entry>,
    /// Which flags can be stored.
    pub permanent_flags: PermanentFlags,
    /// The highest mod-sequence; zero in a store that keeps none.
    pub highest_modseq: ModSeq,
    /// The means.
    pub mailbox: Arc<dyn Mailbox>,
}

/// What has changed in a mailbox since it was opened or last refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// What others did. One's own changes are returned by the calls that make them.
    pub changes: Changes,
    /// A number above every UID given so far.
    pub uid_next: Uid,
    /// Which flags can be stored.
    pub permanent_flags: PermanentFlags,
    /// The highest mod-sequence; zero in a store that keeps none.
    pub highest_modseq: ModSeq,
}

/// One opened mailbox.
pub trait Mailbox: Send + Sync {
    /// Looks for what others have changed.
    fn refresh(&self) -> StoreResult<Refreshed>;

    /// The messages that were removed after `modseq` and are not there any more; `None` when that is not remembered so
    /// far back.
    fn vanished_since(&self, modseq: ModSeq) -> StoreResult<Option<UidSet>>;

    /// Sizes and dates of those of the messages that are still there.
    fn meta(&self, uids: Vec<Uid>) -> StoreResult<Vec<(Uid, Meta)>>;

    /// Envelope, structure and common fields of those of the messages that are still there.
    fn summaries(&self, uids: Vec<Uid>) -> StoreResult<Vec<(Uid, Arc<Summary>)>>;

    /// Those of the messages that do not end in a line end. They are not read through for it.
    fn unterminated(&self, uids: Vec<Uid>) -> StoreResult<UidSet>;

    /// By what another server that has kept this mailbox before has told POP3 clients of messages, of those that have such
    /// an id. One that is none by the grammar, or comes twice, is passed over.
    fn pop3_uidls(&self) -> StoreResult<Vec<(Uid, String)>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Opens a message. It stays readable when it is expunged meanwhile.
    fn message(&self, uid: Uid) -> StoreResult<Arc<dyn MessageReader>>;

    /// Changes flags of those of `uids` that are there; returns what each has now. With `unchanged_since`, those whose
    /// mod-sequence is higher are left as they are, and named.
    fn set_flags(
        &self,
        uids: UidSet,
        change: FlagChange,
        flags: FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> StoreResult<Stored>;

    /// Removes those of `uids` that are there and that `which` allows; returns them, ascending.
    fn expunge(&self, uids: UidSet, which: Expunge) -> StoreResult<Vec<Uid>>;

    /// Copies those of `uids` that are there to another mailbox of the same account, all or none.
    fn copy(&self, uids: UidSet, target: &MailboxName) -> StoreResult<Copied>;
}

/// A message, read by ranges.
pub trait MessageReader: Send + Sync {
    /// Its length in octets, line ends counted as CRLF.
    fn size_bytes(&self) -> u64;

    /// The octets from `offset` on: `octets_max` of them, fewer only at the end of the message. Reading forward is
    /// cheap.
    fn read_at(&self, offset: u64, octets_max: usize) -> StoreResult<Bytes>;

    /// Shows a range of the message to `visitor`, piece by piece and in order, where blocking is allowed: for what
    /// has to see many octets and keeps few. It ends where the message ends, or when the visitor breaks off.
    fn visit(&self, range: Range<u64>, visitor: Visitor) -> StoreResult<()>;
}

/// Looks at pieces of a message until it has seen enough. It may take its time.
pub type Visitor = Box<dyn FnMut(&[u8]) -> ControlFlow<()> + Send>;

/// Messages on their way into a mailbox. Dropping it drops them.
pub trait Append: Send {
    /// Starts the next message; `date` is its INTERNALDATE, now when there is none.
    fn begin(&mut self, flags: FlagSet, date: Option<UnixTime>) -> StoreResult<()>;

    /// The next octets of the message. No more come before this is done.
    fn write(&mut self, octets: Bytes) -> StoreResult<()>;

    /// Makes all of them part of the mailbox, durably.
    fn commit(self: Box<Self>) -> StoreResult<Appended>;
}

/// A delivery, as [`mailstore::Delivery`].
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Which one it is.
    pub id: DeliveryId,
    /// Whether it may have been made already.
    pub maybe_delivered: bool,
    /// When the message was accepted.
    pub date: UnixTime,
    /// What stands before the message, CRLF included.
    pub header: Bytes,
}

//! The wall between what uses mail and what keeps it: [`Store`], [`Mailbox`], [`Append`], [`MessageReader`].
//!
//! All of it is synchronous and object-safe; an engine calls it from threads of its own. A [`Store`] is one
//! user's mail. A [`Mailbox`] is one opened mailbox as it was at the last [`refresh`](Mailbox::refresh): the
//! store tells *changes*, and when a client may hear of them is the protocol's affair, not the store's.
//!
//! # Promises
//! * What returns `Ok` has happened durably: it is there after a power cut.
//! * A UID is never given twice while UIDVALIDITY stands, and never seen before its message is durable.
//! * What returns `Err` has left everything acknowledged before as it was; it may have happened or not, but
//!   not half: no message is ever seen in part.
//! * A mailbox may be changed by other sessions and other programs at any time. A message that is gone is
//!   [`ErrorKind::NoSuchMessage`], never another message.

use std::sync::Arc;

use mail_message::{Flag, FlagSet, ModSeq, Uid, UidSet, UidValidity};
use proto_core::UnixTime;

use crate::batch::{Arrival, Staged};
use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;
use crate::quota::Quota;
use crate::special_use::SpecialUses;
use crate::spool::QueueId;
use crate::summary::Summary;
use crate::watch::{Tell, Watch};

/// One user's mailboxes.
pub trait Store: Send + Sync {
    /// All mailboxes, and names that only have mailboxes below them, sorted by name. INBOX is always there.
    fn list(&self) -> Result<Vec<MailboxInfo>>;

    /// Creates a mailbox. Mailboxes above it are not created; they show as names that cannot be selected.
    ///
    /// # Errors
    /// `MailboxExists`, `BadName`.
    fn create(&self, name: &MailboxName) -> Result<()>;

    /// Deletes a mailbox with its messages, but not the mailboxes below it (RFC 3501 §6.3.4).
    ///
    /// # Errors
    /// `NoSuchMailbox`; `BadName` for INBOX.
    fn delete(&self, name: &MailboxName) -> Result<()>;

    /// Renames a mailbox and those below it. Renaming INBOX moves its messages and leaves it empty
    /// (RFC 3501 §6.3.5).
    ///
    /// # Errors
    /// `NoSuchMailbox`, `MailboxExists`; `BadName` when `to` lies below `from`.
    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Result<()>;

    /// Adds a name to the subscriptions; the mailbox need not exist (RFC 3501 §6.3.6).
    fn subscribe(&self, name: &MailboxName) -> Result<()>;

    /// Takes a name out of the subscriptions; nothing happens when it is not in them.
    fn unsubscribe(&self, name: &MailboxName) -> Result<()>;

    /// The subscribed names, sorted.
    fn subscriptions(&self) -> Result<Vec<MailboxName>>;

    /// Says what a mailbox is for (RFC 6154 §2), durably, in place of what was said before. It goes along when the mailbox
    /// is renamed, and goes away with it. Several mailboxes may be for the same.
    ///
    /// # Errors
    /// `NoSuchMailbox`; `BadUse` in a store that does not keep this.
    fn set_special_use(&self, name: &MailboxName, uses: SpecialUses) -> Result<()> {
        let _ = (name, uses);
        Err(StoreError::new(ErrorKind::BadUse, "setting a special use", "this store does not keep any"))
    }

    /// Opens a mailbox.
    ///
    /// # Errors
    /// `NoSuchMailbox`.
    fn open(&self, name: &MailboxName, access: Access) -> Result<Box<dyn Mailbox>>;

    /// Counts a mailbox without taking `\Recent` away from anybody (RFC 3501 §6.3.10).
    fn status(&self, name: &MailboxName) -> Result<MailboxStatus> {
        Ok(MailboxStatus::of(&*self.open(name, Access::ReadOnly)?))
    }

    /// Begins to append one or several messages to a mailbox (APPEND, MULTIAPPEND).
    ///
    /// # Errors
    /// `NoSuchMailbox`.
    fn append(&self, name: &MailboxName) -> Result<Box<dyn Append>>;

    /// Delivers one message: [`Delivery::header`], then `body`, into `name`. Durable on return; the message
    /// gets its UID when the mailbox is next opened or refreshed. The same [`DeliveryId`] twice is one
    /// message, where the second is said to be [another attempt](Delivery::maybe_delivered).
    ///
    /// # Errors
    /// `NoSuchMailbox`, `OverQuota`, `DuplicateDelivery`, and whatever reading `body` returns.
    fn deliver(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> Result<Delivered>;

    /// How the user's quota stands; `None` where there is none.
    fn quota(&self) -> Result<Option<Quota>> {
        Ok(None)
    }

    /// Whether one message of so many octets could be delivered to `name` now, as far as the quota goes. What is in the
    /// mailboxes is not looked through for it.
    ///
    /// # Errors
    /// `OverQuota`, when not.
    fn check_quota(&self, name: &MailboxName, bytes: u64) -> Result<()> {
        let _ = (name, bytes);
        Ok(())
    }

    /// The first step of [`deliver`](Store::deliver): writes the message where no reader sees it. The second,
    /// [`commit`](crate::batch::commit), is made for many deliveries at once. A store that has nothing to share
    /// delivers at once.
    ///
    /// # Errors
    /// Those of [`deliver`](Store::deliver).
    fn stage(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> Result<Staged> {
        self.deliver(name, delivery, body).map(Staged::done)
    }

    /// [`stage`](Store::stage) for several; tells of each how it went, in their order. A store that locks a mailbox for each
    /// delivery makes here together those to one mailbox that stand side by side.
    fn stage_all(&self, arrivals: &mut [Arrival<'_>]) -> Vec<Result<Staged>> {
        arrivals.iter_mut().map(|it| self.stage(it.mailbox, &it.delivery, it.body)).collect()
    }

    /// Removes what crashes and failed writers left behind more than 36 hours ago. To be called now and then, a day apart
    /// is enough; it may run beside anything. A store that leaves nothing behind does nothing.
    ///
    /// # Errors
    /// When a directory cannot be read. A file that cannot be removed is left.
    fn sweep(&self) -> Result<()> {
        Ok(())
    }

    /// Has `tell` called whenever a mailbox may have changed, whoever changed it, until the [`Watch`] is dropped. What
    /// was changed before this returned may go untold. `None` from a store that does not tell, or not now.
    ///
    /// # Errors
    /// `NoSuchMailbox`.
    fn watch(&self, name: &MailboxName, tell: &Tell) -> Result<Option<Watch>> {
        let _ = (name, tell);
        Ok(None)
    }
}

/// One opened mailbox: a snapshot, and the means to change what it shows. All changes made here show in the
/// snapshot at once; those made by others after [`Mailbox::refresh`].
pub trait Mailbox: Send {
    /// The generation of the UIDs (RFC 3501 §2.3.1.1).
    fn uid_validity(&self) -> UidValidity;

    /// A number above every UID given so far (UIDNEXT). 2³²−1 is never given, so that this always exists.
    fn uid_next(&self) -> Uid;

    /// The messages of the snapshot, ascending by UID.
    fn entries(&self) -> &[Entry];

    /// Which flags can be stored (PERMANENTFLAGS).
    fn permanent_flags(&self) -> PermanentFlags;

    /// The highest mod-sequence of the snapshot, changes and expunges alike (RFC 7162 §3.1.2.1). Zero, in a store
    /// that keeps none (NOMODSEQ).
    fn highest_modseq(&self) -> ModSeq {
        ModSeq::ZERO
    }

    /// The messages that were removed after `modseq` and are not there any more (RFC 7162 §3.2.5.1), as far as the
    /// snapshot knows. `None` when that is not remembered so far back: then every UID that is not there may have been
    /// removed since.
    fn vanished_since(&self, modseq: ModSeq) -> Option<UidSet> {
        let _ = modseq;
        None
    }

    /// Looks for what others have changed, takes it into the snapshot, and tells it.
    fn refresh(&mut self) -> Result<Changes>;

    /// Size and dates of a message.
    ///
    /// # Errors
    /// `NoSuchMessage`.
    fn meta(&mut self, uid: Uid) -> Result<Meta>;

    /// What is asked of a message most often, without its octets: envelope, structure, offsets, some fields. A store
    /// that remembers summaries reads a message once for it; any other reads it each time.
    ///
    /// # Errors
    /// `NoSuchMessage`.
    fn summary(&mut self, uid: Uid) -> Result<Arc<Summary>> {
        Summary::read(&mut *self.message(uid)?).map(Arc::new)
    }

    /// Opens a message for reading. It stays readable when it is expunged meanwhile.
    ///
    /// # Errors
    /// `NoSuchMessage`.
    fn message(&mut self, uid: Uid) -> Result<Box<dyn MessageReader>>;

    /// Whether a message ends in a line end, as far as possible without reading the rest of it. An empty one counts as
    /// ended. POP3 has to know: it delivers a line end more where there is none.
    ///
    /// # Errors
    /// `NoSuchMessage`.
    fn is_terminated(&mut self, uid: Uid) -> Result<bool> {
        let mut reader = self.message(uid)?;
        let mut last = [b'\n'];
        if let Some(at) = reader.size_bytes().checked_sub(1) {
            reader.read_at(at, &mut last)?;
        }
        Ok(last == [b'\n'])
    }

    /// By what another server that has kept this mailbox before has told POP3 clients of messages (UIDL, RFC 1939 §7): of
    /// those that have such an id, ascending. It is as that server had it, and may not be one by the grammar.
    ///
    /// # Errors
    /// What the store says.
    fn pop3_uidls(&mut self) -> Result<Vec<(Uid, String)>> {
        Ok(Vec::new())
    }

    /// Changes flags of those of `uids` that are there, and returns what each has now: also what other
    /// sessions have set. A message that is gone is left out. With `unchanged_since`, messages whose mod-sequence is
    /// higher are left as they are and named (RFC 7162 §3.1.3).
    ///
    /// # Errors
    /// `ReadOnly`; `KeywordLimit`, in which case nothing was changed.
    fn set_flags(
        &mut self,
        uids: &UidSet,
        change: FlagChange,
        flags: &FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Stored>;

    /// Removes those of `uids` that are there and that `which` allows, and returns them, ascending. It is the
    /// flags in the store that count, not those of the snapshot.
    ///
    /// # Errors
    /// `ReadOnly`.
    fn expunge(&mut self, uids: &UidSet, which: Expunge) -> Result<Vec<Uid>>;

    /// Copies those of `uids` that are there, with flags and date, to another mailbox of the same user, and
    /// returns which became which, ascending. All or none are copied, also when the power fails meanwhile
    /// (RFC 3501 §6.4.7).
    ///
    /// # Errors
    /// `NoSuchMailbox` for the target; `NoSuchMessage` when one of them is gone.
    fn copy(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied>;

    /// Moves those of `uids` that are there, with flags and INTERNALDATE, to another mailbox of the same user or to the
    /// end of this one (RFC 6851 §3.3), and returns which became which, ascending. In the target each has a new UID and
    /// a SAVEDATE of now; here it is removed, as by [`expunge`](Mailbox::expunge). A message that somebody else has
    /// removed or moved away is left out.
    ///
    /// Each message moves by itself: after a power cut in the middle each is in the one mailbox or in the other, and the
    /// one that was being moved may be in both. It is never in neither, and never there in part.
    ///
    /// # Errors
    /// `ReadOnly`; `NoSuchMailbox` for the target; `OverQuota` and `KeywordLimit` of the target: nothing was moved.
    fn move_to(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied>;
}

/// Messages on their way into a mailbox. Dropping it is [`Append::abort`].
///
/// For each message [`begin`](Append::begin), any number of [`write`](Append::write)s, and in the end one
/// [`commit`](Append::commit) for all. More may be begun after it, and committed by themselves; the mailbox need not be
/// looked at again for them, unless others have changed it.
pub trait Append: Send {
    /// Starts the next message. `date` is its INTERNALDATE, now when there is none.
    fn begin(&mut self, flags: &FlagSet, date: Option<UnixTime>) -> Result<()>;

    /// Writes the next octets of the message. A write without `begin` starts a message without flags, dated
    /// now.
    fn write(&mut self, octets: &[u8]) -> Result<()>;

    /// Makes all of them part of the mailbox, durably, and returns their UIDs. All or none, also when the power fails
    /// meanwhile (RFC 3502). After an error all of them are dropped.
    fn commit(&mut self) -> Result<Appended>;

    /// Drops all of them.
    fn abort(self: Box<Self>);
}

/// A message, or the body of one in the spool, read by ranges. Lines end in CRLF, however they are stored.
pub trait MessageReader: Send {
    /// The length in octets; exact.
    fn size_bytes(&self) -> u64;

    /// Reads into `buf` from `offset`; fills it unless the message ends. Reading forward is cheap; reading
    /// backward may cost a second pass over what lies before.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize>;
}

/// What may be done with an opened mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// SELECT: new messages lose `\Recent` to this session.
    ReadWrite,
    /// EXAMINE: nothing changes.
    ReadOnly,
}

/// A line of the list of mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxInfo {
    /// Its name.
    pub name: MailboxName,
    /// Whether it exists; false for a name that only has mailboxes below it (`\NonExistent`).
    pub exists: bool,
    /// What it is for; of a name that is no mailbox, nothing.
    pub special_use: SpecialUses,
}

impl MailboxInfo {
    /// A line of the list, of a mailbox for nothing in particular.
    pub fn new(name: MailboxName, exists: bool) -> Self {
        Self { name, exists, special_use: SpecialUses::NONE }
    }
}

/// The numbers of a STATUS response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxStatus {
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// How many messages there are.
    pub messages: u32,
    /// How many no session has been told of yet.
    pub recent: u32,
    /// How many are without `\Seen`.
    pub unseen: u32,
    /// How many carry `\Deleted`.
    pub deleted: u32,
}

impl MailboxStatus {
    /// Counts the snapshot of an opened mailbox.
    pub fn of(mailbox: &dyn Mailbox) -> Self {
        let count = |wanted: &dyn Fn(&Entry) -> bool| {
            u32::try_from(mailbox.entries().iter().filter(|entry| wanted(entry)).count()).unwrap_or(u32::MAX)
        };
        Self {
            uid_validity: mailbox.uid_validity(),
            uid_next: mailbox.uid_next(),
            messages: count(&|_| true),
            recent: count(&|entry| entry.recent),
            unseen: count(&|entry| !entry.flags.contains(&Flag::Seen)),
            deleted: count(&|entry| entry.flags.contains(&Flag::Deleted)),
        }
    }
}

/// A message of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its UID.
    pub uid: Uid,
    /// Its flags.
    pub flags: FlagSet,
    /// `\Recent`: this is the first session to be told of it.
    pub recent: bool,
    /// When it last changed, among the changes of this mailbox (RFC 7162 §3.1); zero in a store that does not tell.
    pub modseq: ModSeq,
}

impl Entry {
    /// A message of a snapshot.
    pub fn new(uid: Uid, flags: FlagSet, recent: bool, modseq: ModSeq) -> Self {
        Self { uid, flags, recent, modseq }
    }
}

/// The flags of a message, and when they last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flagged {
    /// The message.
    pub uid: Uid,
    /// Its flags.
    pub flags: FlagSet,
    /// Its mod-sequence; zero in a store that does not tell.
    pub modseq: ModSeq,
}

impl Flagged {
    /// The flags of a message.
    pub fn new(uid: Uid, flags: FlagSet, modseq: ModSeq) -> Self {
        Self { uid, flags, modseq }
    }
}

/// What changing flags did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stored {
    /// The messages and what they have now, ascending by UID: also those that had it before.
    pub messages: Vec<Flagged>,
    /// Those that were left as they are because they had changed meanwhile (MODIFIED, RFC 7162 §3.1.3).
    pub modified: UidSet,
}

impl Stored {
    /// What changing flags did.
    pub fn new(messages: Vec<Flagged>, modified: UidSet) -> Self {
        Self { messages, modified }
    }
}

/// Facts of a message that never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Its length with CRLF line ends, in octets (RFC822.SIZE, POP3's LIST).
    pub size_bytes: u64,
    /// INTERNALDATE.
    pub internal_date: UnixTime,
    /// SAVEDATE: when it came into this mailbox (RFC 8514 §3); `None` in a store that does not tell, as mbox files.
    pub save_date: Option<UnixTime>,
}

impl Meta {
    /// Facts of a message, without SAVEDATE.
    pub fn new(size_bytes: u64, internal_date: UnixTime) -> Self {
        Self { size_bytes, internal_date, save_date: None }
    }

    /// The same with SAVEDATE.
    #[must_use]
    pub fn saved(mut self, date: UnixTime) -> Self {
        self.save_date = Some(date);
        self
    }
}

/// What others have changed since the last refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Changes {
    /// The UIDs have a new UIDVALIDITY: nothing known of this mailbox holds any more, sessions on it must
    /// end. The other lists are then empty, and the snapshot is the new state.
    pub invalidated: bool,
    /// New messages, ascending by UID.
    pub new: Vec<Entry>,
    /// Messages with other flags than before, ascending by UID; also one whose mod-sequence alone is another, because it was
    /// replaced where it lay.
    pub flags: Vec<Flagged>,
    /// Messages that are gone, ascending.
    pub vanished: Vec<Uid>,
    /// The store has lost its mod-sequences: every message that had a lower one has this one now. A client that asks
    /// what has changed since is told everything once more.
    pub modseq_floor: Option<ModSeq>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        !self.invalidated
            && self.new.is_empty()
            && self.flags.is_empty()
            && self.vanished.is_empty()
            && self.modseq_floor.is_none()
    }
}

/// Which flags a mailbox can store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermanentFlags {
    /// The flags that can be set: the system flags, and keywords known to the mailbox.
    pub flags: FlagSet,
    /// Whether further keywords can be made by using them (`\*`).
    pub new_keywords: bool,
}

impl PermanentFlags {
    /// The flags that can be stored, and whether new keywords can.
    pub fn new(flags: FlagSet, new_keywords: bool) -> Self {
        Self { flags, new_keywords }
    }
}

/// What STORE does with its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlagChange {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

impl FlagChange {
    /// What `old` becomes.
    pub fn apply(self, old: &FlagSet, flags: &FlagSet) -> FlagSet {
        let mut new = old.clone();
        match self {
            FlagChange::Add => new.insert_all(flags),
            FlagChange::Remove => new.remove_all(flags),
            FlagChange::Replace => new = flags.clone(),
        }
        new
    }
}

/// Which of the named messages are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expunge {
    /// Those that carry `\Deleted` (EXPUNGE, UID EXPUNGE, CLOSE).
    Deleted,
    /// All of them (POP3's UPDATE).
    Any,
}

/// The UIDs of appended messages (APPENDUID, RFC 4315 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The UIDVALIDITY they belong to.
    pub uid_validity: UidValidity,
    /// Their UIDs, in the order in which they were begun; ascending.
    pub uids: Vec<Uid>,
}

/// What a copy or a move made (COPYUID, RFC 4315 §3 and RFC 6851 §4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The UIDVALIDITY of the target.
    pub uid_validity: UidValidity,
    /// UID in the source, UID in the target; ascending in both.
    pub pairs: Vec<(Uid, Uid)>,
}

/// The name of one delivery: a message of the spool, to one of its recipients. It can be told from the stored
/// message, so that a delivery that a crash cut off is not made twice.
///
/// No two messages may have one queue id, also not after a restart: to a store they are one message that is delivered twice.
/// The spool sees to it; who delivers without one counts, or draws at random, and does not take the time alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The message.
    pub queue_id: QueueId,
    /// The place of the recipient in the envelope, from 0.
    pub recipient: u32,
}

/// A delivery.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// Which one it is.
    pub id: DeliveryId,
    /// Whether it may have been made already: an earlier attempt was cut off or failed. The store then looks. Where it is false
    /// and a message of this id is noticed, nothing is stored
    /// ([`ErrorKind::DuplicateDelivery`]).
    pub maybe_delivered: bool,
    /// When the message was accepted; its INTERNALDATE.
    pub date: UnixTime,
    /// What stands before the message: `Return-Path:` and `Delivered-To:`, CRLF included (RFC 5321 §4.4).
    pub header: &'a [u8],
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivered {
    /// The message is in the mailbox now.
    Stored,
    /// It was there already, of an earlier attempt.
    AlreadyThere,
}

/// Told by a store, before it removes the last trace of a delivery (a reader expunges the message or moves it
/// away), that the delivery has been made. The spool implements it.
pub trait Settle: Send + Sync {
    /// Records durably that `delivery` has been made. Cheap when the spool does not hold the message any
    /// more.
    ///
    /// # Errors
    /// When this cannot be recorded; the store then does not remove the message.
    fn settle(&self, delivery: &DeliveryId) -> Result<()>;
}

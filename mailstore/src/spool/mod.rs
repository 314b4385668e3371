//! The wall between accepting mail and delivering it: what is committed to the [`Spool`] is durable, and
//! stays until every recipient is done.
//!
//! A receiver calls [`Spool::begin`], writes the body while it arrives, and answers 250 when
//! [`commit`](SpoolWriter::commit) has called back. Deliverers take messages with [`Spool::next_ready`], record what
//! became of each recipient with [`Spool::record`], and [`Spool::release`] the message; when nobody is left to be
//! served it is gone. After a restart everything committed and not done is there again.
//!
//! What must wait for the disk calls back, so that a hundred receivers share one flush and hold no thread meanwhile;
//! who has a thread to spare calls it through [`wait`]. A callback runs on the thread that flushed: it passes a
//! message on, and does no work of its own.
//!
//! [`LogSpool`] is the spool on a disk: a log of segments, told in `log.rs`.
//!
//! # Promises
//! * A committed message is there after a power cut, whole; one that was not committed is not there at all.
//! * A recorded state is there after a power cut. A crash between a delivery and its record leads to a second
//!   attempt, with [`Job::maybe_delivered`] set; a [`Store`](crate::Store) recognises it by its
//!   [`DeliveryId`].
//! * One message is in the hands of one deliverer at a time.
//! * A message on hold is in no deliverer's hands, restarts included, until the hold is taken off.
//!
//! # What stays on the disk
//! Up to two files of the size of a segment are kept to be written over, besides those that are needed. The octets of a
//! message that has left the spool lie in them until then, and behind the end of a segment that was written over as long
//! as that is needed, readable for whoever may read the directory; as they lie in free blocks of the disk when a file is
//! removed.

mod compact;
mod envelope;
mod log;
mod log_spool;
mod messages;
mod queue;
mod reader;
mod record;
mod recover;
mod scan;
mod segment;
mod spare;
mod upkeep;
mod writer;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc;

use proto_core::UnixTime;

use crate::error::{ErrorKind, Result, StoreError};
use crate::store::{DeliveryId, MessageReader, Settle};

pub use envelope::{Envelope, Recipient};
pub use log_spool::{LogSpool, SpoolLimits};
pub use recover::Recovered;
#[doc(hidden)]
pub use scan::fuzz_spool_segment;
pub use upkeep::{OnSpoolNotice, SpoolNotice};

/// What is called when something has become durable, or has failed. It must neither block nor call the spool.
pub type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// Waits for what would call back.
///
/// # Errors
/// That of the operation; `Io` when it was given up without an answer.
pub fn wait<T: Send + 'static>(start: impl FnOnce(Done<T>)) -> Result<T> {
    let (send, receive) = mpsc::sync_channel(1);
    start(Box::new(move |result| {
        // The receiver is this function, which waits.
        let _ = send.send(result);
    }));
    receive.recv().unwrap_or_else(|_| {
        Err(StoreError::new(ErrorKind::Io, "waiting for the spool", "it has ended without an answer"))
    })
}

/// Accepted mail that waits for delivery. What does not take a [`Done`] does not wait for the disk, except
/// [`body`](Spool::body).
pub trait Spool: Settle {
    /// Begins a message.
    ///
    /// # Errors
    /// `Backlog` when the spool holds as much as it may (452 4.3.1).
    fn begin(&self, envelope: Envelope) -> Result<Box<dyn SpoolWriter>>;

    /// Begins a message with which another one ends, such as a report of its failure: there is room reserved for such, or a full spool
    /// could not empty itself.
    ///
    /// # Errors
    /// `Backlog` when that is full, too.
    fn begin_report(&self, envelope: Envelope) -> Result<Box<dyn SpoolWriter>>;

    /// Takes the message that has been due longest at `now`, if any. It is not given out again before it is
    /// [released](Spool::release).
    fn next_ready(&self, now: UnixTime) -> Result<Option<Job>>;

    /// When the next message that nobody holds falls due; it may lie in the past.
    fn next_due(&self) -> Option<UnixTime>;

    /// Opens the body of a message, in a deliverer's hands or not.
    ///
    /// # Errors
    /// `NoSuchQueueId`, also when its file was removed by another hand; the message is then forgotten.
    fn body(&self, id: &QueueId) -> Result<Box<dyn MessageReader>>;

    /// Opens the body of a message if that takes no disk, as it does for one that has just come; `None` when it takes
    /// one, or [`body`](Self::body) has something to say.
    fn body_at_hand(&self, id: &QueueId) -> Option<Box<dyn MessageReader>>;

    /// Records durably what became of recipients, of one message or of many, in one step. Of a recipient that is
    /// done already, and of a message that has left the spool, nothing is recorded.
    ///
    /// # Errors
    /// `NoSuchQueueId` when all of the messages have left, and for a recipient that an envelope does not have.
    fn record(&self, outcomes: Vec<Outcome>, done: Done<()>);

    /// Gives a message back. When every recipient is [done](RecipientState::is_done) it leaves the spool.
    fn release(&self, id: &QueueId);

    /// Puts a message on hold, or takes the hold off. One that is in a deliverer's hands stays there until released.
    ///
    /// # Errors
    /// `NoSuchQueueId`.
    fn hold(&self, id: &QueueId, hold: bool, done: Done<()>);

    /// Sets when a message expires. The spool keeps that time and acts on nothing: who delivers gives up a message
    /// that fails after it.
    ///
    /// # Errors
    /// `NoSuchQueueId`.
    fn expire(&self, id: &QueueId, expires: Option<UnixTime>, done: Done<()>);

    /// Makes deferred recipients due at once, of one message or of all, and returns of how many messages. It is
    /// forgotten at a restart: the time they were deferred to stands in the log.
    fn retry_now(&self, which: Option<&QueueId>) -> usize;

    /// Removes a message whatever its state (an administrator's command). One that is in a deliverer's hands leaves
    /// the spool too; its deliverer sees `NoSuchQueueId`.
    ///
    /// # Errors
    /// `NoSuchQueueId`.
    fn remove(&self, id: &QueueId, done: Done<()>);

    /// All messages, oldest first.
    fn list(&self) -> Vec<QueueEntry>;

    /// How many messages there are.
    fn backlog(&self) -> usize;
}

/// A message that is being accepted. Dropping it takes it back.
pub trait SpoolWriter: Send {
    /// The id the message will have; for its `Received:` field.
    fn id(&self) -> &QueueId;

    /// Writes the next octets of the body. It waits for the disk only when the message is large and so much of it is
    /// on the way that no more shall be held in memory: see [`when_ready`](SpoolWriter::when_ready).
    ///
    /// # Errors
    /// `Backlog` when the spool holds as many octets as it may. After an error the message can only be dropped.
    fn write(&mut self, octets: &[u8]) -> Result<()>;

    /// Calls `then` once, as soon as a write of no more than the spool holds of a message in memory
    /// (64 KiB by default) does not wait for the disk: at once, on this thread, if that is
    /// so now.
    fn when_ready(&mut self, then: Box<dyn FnOnce() + Send>);

    /// The message shall go to these, in place of those that its envelope had.
    ///
    /// # Errors
    /// `Refused` when the envelope is too long with them; the message can only be dropped then.
    fn set_recipients(&mut self, recipients: Vec<Recipient>) -> Result<()>;

    /// The message comes from this sender, in place of the one that its envelope had; empty is the null sender.
    ///
    /// # Errors
    /// As of [`set_recipients`](SpoolWriter::set_recipients).
    fn set_sender(&mut self, reverse_path: String) -> Result<()>;

    /// The message shall be on hold from the beginning.
    fn hold(&mut self);

    /// The message shall expire at that time.
    fn expire(&mut self, expires: UnixTime);

    /// The commit shall record this, too, as [`Spool::record`] does, in the same step: after a power cut both are there or neither.
    /// For a message that tells what became of another one. The commit fails with `NoSuchQueueId` when nothing is left of that to
    /// record, and is `Refused` when it is too much for one step: some thousand recipients.
    fn record(&mut self, outcomes: Vec<Outcome>);

    /// Makes the message durable and due at once. After an error it may or may not be there after the next
    /// start; its sender must be told that it was not taken (451), and will send it again.
    fn commit(self: Box<Self>, done: Done<QueueId>);
}

/// What became of one recipient, with what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The message, and the place of the recipient in its envelope.
    pub delivery: DeliveryId,
    /// What became of it.
    pub status: Status,
}

impl Outcome {
    /// An outcome without a reason.
    pub fn new(delivery: DeliveryId, state: RecipientState) -> Self {
        Self { delivery, status: Status { state, ..Status::default() } }
    }

    /// The outcome with its reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Arc<str>>) -> Self {
        self.status.reason = Some(reason.into());
        self
    }
}

/// How far a recipient has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The state.
    pub state: RecipientState,
    /// Why: the reply or the error of the last attempt, as a delivery status notification (RFC 3464) or the queue
    /// listing tells it.
    pub reason: Option<Arc<str>>,
    /// Whether the sender has been told that it takes long.
    pub delay_told: bool,
}

/// A message in the hands of a deliverer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: QueueId,
    /// Its envelope.
    pub envelope: Envelope,
    /// How far each recipient has come, in the order of the envelope.
    pub statuses: Vec<Status>,
    /// The length of the body in octets.
    pub body_bytes: u64,
    /// Whether a delivery that is not recorded may have been made: the message has been in a deliverer's
    /// hands before, in this life or an earlier one.
    pub maybe_delivered: bool,
    /// When it expires: whoever fails after that is not tried again.
    pub expires: Option<UnixTime>,
}

/// A line of the queue listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueEntry {
    /// Its id.
    pub id: QueueId,
    /// Its envelope.
    pub envelope: Envelope,
    /// How far each recipient has come, in the order of the envelope.
    pub statuses: Vec<Status>,
    /// The length of the body in octets.
    pub body_bytes: u64,
    /// Whether a deliverer has it in hands.
    pub active: bool,
    /// Whether it is on hold.
    pub hold: bool,
    /// When it expires.
    pub expires: Option<UnixTime>,
}

/// What became of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RecipientState {
    /// Not tried, or tried without a result.
    #[default]
    Pending,
    /// Failed for now; to be tried again at this time.
    Deferred(UnixTime),
    /// Delivered.
    Delivered,
    /// Failed for good.
    Bounced,
}

impl RecipientState {
    /// Whether nothing is left to be done for this recipient.
    pub fn is_done(self) -> bool {
        matches!(self, RecipientState::Delivered | RecipientState::Bounced)
    }
}

/// The name of a message in the spool: 1–40 letters and digits. Not given twice, restarts included.
///
/// ```
/// use mailstore::spool::QueueId;
///
/// assert!("3ZK0Q4N1XA".parse::<QueueId>().is_ok());
/// assert!("../passwd".parse::<QueueId>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(String);

impl QueueId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueId {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if (1..=40).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StoreError::new(
                ErrorKind::NoSuchQueueId,
                "reading a queue id",
                "not 1 to 40 letters and digits",
            ))
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

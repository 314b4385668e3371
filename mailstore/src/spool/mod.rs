//! The wall between accepting mail and delivering it: what is committed to the [`Spool`] is durable, and
//! stays until every recipient is done.
//!
//! A receiver calls [`Spool::begin`], writes the body while it arrives, and answers 250 after
//! [`commit`](SpoolWriter::commit). Deliverers take messages with [`Spool::next_ready`], record what became
//! of each recipient with [`Spool::record`], and [`Spool::release`] the message; when nobody is left to be
//! served it is removed. After a restart everything committed and not done is there again.
//!
//! # Promises
//! * A committed message is there after a power cut, whole; one that was not committed is not there at all.
//! * A recorded state is there after a power cut. A crash between a delivery and its record leads to a second
//!   attempt, with [`Job::maybe_delivered`] set; a [`Store`](crate::Store) recognises it by its
//!   [`DeliveryId`](crate::DeliveryId).
//! * One message is in the hands of one deliverer at a time.

mod envelope;
mod file;
mod format;
mod writer;

use std::fmt;
use std::str::FromStr;

use proto_core::UnixTime;

use crate::error::{ErrorKind, Result, StoreError};
use crate::store::{MessageReader, Settle};

pub use envelope::{Envelope, Recipient};
pub use file::{FileSpool, Recovered, SpoolLimits};
#[doc(hidden)]
pub use format::fuzz_queue_file;

/// Accepted mail that waits for delivery.
pub trait Spool: Settle {
    /// Begins a message.
    ///
    /// # Errors
    /// `Backlog` when the spool holds as many messages as it may (452 4.3.1).
    fn begin(&self, envelope: Envelope) -> Result<Box<dyn SpoolWriter>>;

    /// Takes the message that has been due longest at `now`, if any. It is not given out again before it is
    /// [released](Spool::release).
    fn next_ready(&self, now: UnixTime) -> Result<Option<Job>>;

    /// When the next message that nobody holds falls due; it may lie in the past.
    fn next_due(&self) -> Option<UnixTime>;

    /// Opens the body of a message, held or not.
    ///
    /// # Errors
    /// `NoSuchQueueId`, also when its file was removed by another hand; the message is then forgotten.
    fn body(&self, id: &QueueId) -> Result<Box<dyn MessageReader>>;

    /// Records durably what became of one recipient.
    ///
    /// # Errors
    /// `NoSuchQueueId`, as for [`body`](Spool::body), and for a recipient that the envelope does not have.
    fn record(&self, id: &QueueId, recipient: u32, state: RecipientState) -> Result<()>;

    /// Gives a message back. When every recipient is [done](RecipientState::is_done) it leaves the spool.
    ///
    /// # Errors
    /// When it cannot be removed; it is then removed at the next start, and not delivered again.
    fn release(&self, id: &QueueId) -> Result<()>;

    /// Removes a message whatever its state (an administrator's command). One that is held leaves the spool
    /// too; its deliverer sees `NoSuchQueueId`.
    ///
    /// # Errors
    /// `NoSuchQueueId`.
    fn remove(&self, id: &QueueId) -> Result<()>;

    /// All messages, oldest first.
    fn list(&self) -> Vec<QueueEntry>;

    /// How many messages there are.
    fn backlog(&self) -> usize;
}

/// A message that is being accepted. Dropping it is [`SpoolWriter::abort`].
pub trait SpoolWriter: Send {
    /// The id the message will have; for its `Received:` field.
    fn id(&self) -> &QueueId;

    /// Writes the next octets of the body. After an error only `abort` is left.
    fn write(&mut self, octets: &[u8]) -> Result<()>;

    /// Makes the message durable and due at once. After an error it may or may not be there after the next
    /// start; its sender must be told that it was not taken (451), and will send it again.
    fn commit(self: Box<Self>) -> Result<QueueId>;

    /// Drops the message.
    fn abort(self: Box<Self>);
}

/// A message in the hands of a deliverer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: QueueId,
    /// Its envelope.
    pub envelope: Envelope,
    /// What became of each recipient so far, in the order of the envelope.
    pub states: Vec<RecipientState>,
    /// The length of the body in octets.
    pub body_bytes: u64,
    /// Whether a delivery that is not recorded may have been made: the message has been in a deliverer's
    /// hands before, in this life or an earlier one.
    pub maybe_delivered: bool,
}

/// A line of the queue listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueEntry {
    /// Its id.
    pub id: QueueId,
    /// Its envelope.
    pub envelope: Envelope,
    /// What became of each recipient so far, in the order of the envelope.
    pub states: Vec<RecipientState>,
    /// The length of the body in octets.
    pub body_bytes: u64,
    /// Whether a deliverer has it in hands.
    pub held: bool,
}

/// What became of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecipientState {
    /// Not tried, or tried without a result.
    Pending,
    /// Failed for now; to be tried again at this time.
    Deferred(UnixTime),
    /// Delivered.
    Delivered,
    /// Failed for good.
    Failed,
}

impl RecipientState {
    /// Whether nothing is left to be done for this recipient.
    pub fn is_done(self) -> bool {
        matches!(self, RecipientState::Delivered | RecipientState::Failed)
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

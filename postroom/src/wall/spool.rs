//! Accepted mail, until it is delivered.

use super::Later;
use bytes::Bytes;
use mailstore::spool::{Envelope, Job, Outcome, QueueId, Recipient};
use mailstore::{ErrorKind, MessageReader, StoreError};
use proto_core::UnixTime;

/// Takes messages that SMTP accepts. A program that wants each message as a stream, and keeps no mailbox, has an
/// easier way in: [`Inbound`](crate::inbound::Inbound).
pub trait Intake: Send + Sync {
    /// A message begins; its recipients are known.
    ///
    /// # Errors
    /// Of the kind `Backlog` or `DiskFull`: the client gets 452; any other: 451.
    fn begin(&self, envelope: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>>;
}

/// A message on its way in. Dropping it takes it back: nothing of it may stay.
pub trait SpoolWriter: Send {
    /// The id it has, or will have: it is in the `Received:` field, in the 250 and in every log line.
    fn id(&self) -> &QueueId;

    /// The next octets: the trace field first, then the message, lines ended by CRLF. No more come before this
    /// is done.
    ///
    /// # Errors
    /// The client gets 452 or 451 at the end of the message; `commit` is not called.
    fn write(&mut self, octets: Bytes) -> Later<'_, Result<(), StoreError>>;

    /// The message shall be on hold: kept, and given to no deliverer until an administrator takes the hold off. It comes
    /// before `commit`.
    ///
    /// # Errors
    /// When that cannot be done; the client gets 451.
    fn hold(&mut self) -> Result<(), StoreError>;

    /// The message shall go to these, in place of those in the envelope that it began with: what its content says has
    /// changed them. It comes before `commit`.
    ///
    /// # Errors
    /// When that cannot be done; the client gets 451. So says who does not implement it.
    fn set_recipients(&mut self, recipients: Vec<Recipient>) -> Result<(), StoreError> {
        let _ = recipients;
        Err(StoreError::new(
            ErrorKind::Io,
            "changing the recipients",
            "whoever takes the message cannot do that",
        ))
    }

    /// The message comes from this sender, in place of the one in the envelope that it began with; empty is the null sender. It comes
    /// before `commit`.
    ///
    /// # Errors
    /// When that cannot be done; the client gets 451. So says who does not implement it.
    fn set_sender(&mut self, reverse_path: String) -> Result<(), StoreError> {
        let _ = reverse_path;
        Err(StoreError::new(ErrorKind::Io, "changing the sender", "whoever takes the message cannot do that"))
    }

    /// The commit shall record this of another message, too, in the same step: after a power cut both are there or neither. For a
    /// message that tells what became of that one. It comes before `commit`, which fails with `NoSuchQueueId` when nothing is left to
    /// record.
    ///
    /// # Errors
    /// When that cannot be done: the message is not sent. So says who does not implement it.
    fn record(&mut self, outcomes: Vec<Outcome>) -> Result<(), StoreError> {
        let _ = outcomes;
        Err(StoreError::new(
            ErrorKind::Refused,
            "recording with a message what became of another",
            "whoever takes the message cannot do that",
        ))
    }

    /// The message is complete. `Ok` is a 250 to the client: it says that the message would survive a power cut.
    ///
    /// # Errors
    /// 452 or 451, as for `write`: the client will send the message again. 554 for the kind `Refused`: it will not.
    fn commit(self: Box<Self>) -> Later<'static, Result<(), StoreError>>;
}

/// Keeps what was accepted until every recipient is done, restarts included. Its promises are those of
/// [`mailstore::Spool`].
pub trait Spool: Intake {
    /// Begins a message with which another one ends, such as a report of its failure. A spool that is full of messages which fail takes
    /// it, or it cannot empty itself; who does not implement it takes it as any message.
    ///
    /// # Errors
    /// Those of [`Intake::begin`].
    fn begin_report(&self, envelope: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        self.begin(envelope)
    }

    /// Takes the message that has been due longest at `now`, if any.
    ///
    /// # Errors
    /// When the spool cannot be read; deliverers try again later.
    fn next_ready(&self, now: UnixTime) -> Later<'_, Result<Option<Job>, StoreError>>;

    /// When the next message that nobody holds falls due.
    fn next_due(&self) -> Option<UnixTime>;

    /// Opens the body of a message. What it returns blocks: it is handed to [`Store::deliver`](super::Store::deliver),
    /// which reads it on a thread where blocking is allowed.
    ///
    /// # Errors
    /// `NoSuchQueueId` when the message is no longer there: it is not tried again.
    fn body(&self, id: &QueueId) -> Later<'static, Result<Box<dyn MessageReader>, StoreError>>;

    /// Records durably what became of recipients, of one message or of many.
    ///
    /// # Errors
    /// When it could not be recorded: the recipients may be served twice after a crash. `NoSuchQueueId` when none of
    /// the messages is in the spool any more.
    fn record(&self, outcomes: Vec<Outcome>) -> Later<'static, Result<(), StoreError>>;

    /// Gives a message back; done with all recipients, it leaves the spool.
    fn release(&self, id: &QueueId) -> Later<'static, ()>;

    /// Resolves when a message has been committed since the last call.
    fn arrival(&self) -> Later<'_, ()>;
}

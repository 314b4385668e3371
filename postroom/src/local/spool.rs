//! A spool of `mailstore` behind [`Intake`] and [`Spool`].
//!
//! It calls back when something is durable, so that a session waits without a thread. Only a body that is not at hand is
//! opened on a store thread, and what writes a message so large that it must wait for the disk goes on when there is room.

use super::on_thread;
use crate::blocking::Blocking;
use crate::wall::{Intake, Later, Spool, SpoolWriter, StoreResult};
use bytes::Bytes;
use mailstore::spool::{Done, Envelope, Job, Outcome, QueueEntry, QueueId, Recipient};
use mailstore::{ErrorKind, MessageReader, StoreError};
use proto_core::UnixTime;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// A `mailstore` spool.
#[derive(Clone)]
pub struct LocalSpool {
    spool: Arc<dyn mailstore::Spool>,
    blocking: Blocking,
    arrival: Arc<Notify>,
}

impl LocalSpool {
    /// The spool, and the threads on which bodies are opened.
    pub fn new(spool: Arc<dyn mailstore::Spool>, blocking: Blocking) -> Self {
        Self { spool, blocking, arrival: Arc::new(Notify::new()) }
    }
}

/// What an administrator does with the queue.
impl LocalSpool {
    /// All messages, oldest first.
    pub fn list(&self) -> Vec<QueueEntry> {
        self.spool.list()
    }

    /// Puts a message on hold, or lets it go: it is then due when it was. One that is in a deliverer's hands stays there until
    /// it is given back. `Ok` when that would survive a power cut.
    ///
    /// # Errors
    /// `NoSuchQueueId`; when it could not be recorded.
    pub async fn set_hold(&self, id: &QueueId, hold: bool) -> Result<(), StoreError> {
        called_back(|done| self.spool.hold(id, hold, done)).await?;
        self.arrival.notify_one();
        Ok(())
    }

    /// Removes a message, whatever its state; its sender hears nothing. What a deliverer is at, it may still complete.
    ///
    /// # Errors
    /// `NoSuchQueueId`; when it could not be recorded.
    pub async fn remove(&self, id: &QueueId) -> Result<(), StoreError> {
        called_back(|done| self.spool.remove(id, done)).await
    }

    /// Has deferred recipients tried again at once, of one message or of all; of how many messages.
    pub fn retry_now(&self, which: Option<&QueueId>) -> usize {
        let count = self.spool.retry_now(which);
        self.arrival.notify_one();
        count
    }
}

impl Intake for LocalSpool {
    fn begin(&self, envelope: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        Box::pin(std::future::ready(self.begun(self.spool.begin(envelope))))
    }
}

impl LocalSpool {
    fn begun(&self, begun: mailstore::Result<Box<dyn mailstore::spool::SpoolWriter>>) -> BegunWriter {
        let writer = begun?;
        Ok(Box::new(Writer { writer, arrival: Arc::clone(&self.arrival) }))
    }
}

type BegunWriter = Result<Box<dyn SpoolWriter>, StoreError>;

impl Spool for LocalSpool {
    fn begin_report(&self, envelope: Envelope) -> Later<'_, BegunWriter> {
        Box::pin(std::future::ready(self.begun(self.spool.begin_report(envelope))))
    }

    fn next_ready(&self, now: UnixTime) -> Later<'_, Result<Option<Job>, StoreError>> {
        Box::pin(std::future::ready(self.spool.next_ready(now)))
    }

    fn next_due(&self) -> Option<UnixTime> {
        self.spool.next_due()
    }

    fn body(&self, id: &QueueId) -> StoreResult<Box<dyn MessageReader>> {
        if let Some(body) = self.spool.body_at_hand(id) {
            return Box::pin(std::future::ready(Ok(body)));
        }
        let (spool, id) = (Arc::clone(&self.spool), id.clone());
        on_thread(&self.blocking, move || spool.body(&id))
    }

    fn record(&self, outcomes: Vec<Outcome>) -> StoreResult<()> {
        called_back(|done| self.spool.record(outcomes, done))
    }

    fn release(&self, id: &QueueId) -> Later<'static, ()> {
        self.spool.release(id);
        Box::pin(std::future::ready(()))
    }

    fn arrival(&self) -> Later<'_, ()> {
        Box::pin(self.arrival.notified())
    }
}

/// Starts something that calls back, and waits for that.
fn called_back<T: Send + 'static>(start: impl FnOnce(Done<T>)) -> StoreResult<T> {
    let (send, receive) = oneshot::channel();
    start(Box::new(move |result| {
        // Nobody waits any more when the session has ended meanwhile.
        let _ = send.send(result);
    }));
    Box::pin(async move {
        receive.await.unwrap_or_else(|_| {
            Err(StoreError::new(ErrorKind::Io, "waiting for the spool", "it has ended without an answer"))
        })
    })
}

struct Writer {
    writer: Box<dyn mailstore::spool::SpoolWriter>,
    arrival: Arc<Notify>,
}

/// The most that is written at once: how much of a message the spool holds in memory, and so never waits for once there is
/// room.
const PART_BYTES_MAX: usize = 16 << 10;

impl SpoolWriter for Writer {
    fn id(&self) -> &QueueId {
        self.writer.id()
    }

    fn write(&mut self, mut octets: Bytes) -> Later<'_, Result<(), StoreError>> {
        Box::pin(async move {
            while !octets.is_empty() {
                let (send, receive) = oneshot::channel();
                self.writer.when_ready(Box::new(move || {
                    // Nobody waits any more when the session has ended meanwhile.
                    let _ = send.send(());
                }));
                // A spool that ends meanwhile says so at the next write.
                let _ = receive.await;
                self.writer.write(&octets.split_to(octets.len().min(PART_BYTES_MAX)))?;
            }
            Ok(())
        })
    }

    fn set_recipients(&mut self, recipients: Vec<Recipient>) -> Result<(), StoreError> {
        self.writer.set_recipients(recipients)
    }

    fn set_sender(&mut self, reverse_path: String) -> Result<(), StoreError> {
        self.writer.set_sender(reverse_path)
    }

    fn record(&mut self, outcomes: Vec<Outcome>) -> Result<(), StoreError> {
        self.writer.record(outcomes);
        Ok(())
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        self.writer.hold();
        Ok(())
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        let Self { writer, arrival } = *self;
        called_back(|done| {
            writer.commit(Box::new(move |result| {
                arrival.notify_one();
                done(result.map(drop));
            }));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::sim::{SimFs, SimHost};
    use mailstore::spool::{LogSpool, SpoolLimits};
    use mailstore::{Env, Spool as _};
    use std::path::Path;

    #[tokio::test]
    async fn a_message_on_hold_is_kept_and_given_to_nobody() {
        let fs = SimFs::new();
        let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
        let (spool, _) = LogSpool::open(env.clone(), Path::new("/spool"), SpoolLimits::default()).unwrap();
        let local = LocalSpool::new(Arc::new(spool.clone()), Blocking::inline());
        for hold in [true, false] {
            let envelope = Envelope::new("s@x.test", UnixTime(1)).to("bob@example.test");
            let mut writer = local.begin(envelope).await.unwrap();
            writer.write(Bytes::from_static(b"x\r\n")).await.unwrap();
            if hold {
                writer.hold().unwrap();
            }
            writer.commit().await.unwrap();
        }
        let job = local.next_ready(UnixTime(1)).await.unwrap().unwrap();
        assert_eq!(local.next_ready(UnixTime(1)).await.unwrap(), None);
        assert!(spool.body_at_hand(&job.id).is_some(), "it has just come");
        let held: Vec<bool> = local.list().iter().map(|entry| entry.hold && entry.id != job.id).collect();
        assert_eq!(held, [true, false]);
        let id = local.list()[0].id.clone();
        local.set_hold(&id, false).await.unwrap();
        let let_go = local.next_ready(UnixTime(1)).await.unwrap().unwrap();
        assert_eq!(let_go.id, id);
        local.remove(&id).await.unwrap();
        assert_eq!(local.set_hold(&id, true).await.unwrap_err().kind(), ErrorKind::NoSuchQueueId);
        assert_eq!(local.list().len(), 1);
        drop((local, spool));
        let (spool, _) = LogSpool::open(env, Path::new("/spool"), SpoolLimits::default()).unwrap();
        assert!(spool.body_at_hand(&job.id).is_none(), "nothing is open yet");
        assert_eq!(spool.body(&job.id).unwrap().size_bytes(), 3);
    }

    #[tokio::test]
    async fn a_large_message_goes_to_the_disk_while_it_arrives() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) =
            LogSpool::open(Env::real("mail"), &dir.path().join("spool"), SpoolLimits::default()).unwrap();
        spool.start().unwrap();
        let local = LocalSpool::new(Arc::new(spool.clone()), Blocking::inline());
        let envelope = Envelope::new("s@x.test", UnixTime(1)).to("bob@example.test");
        let mut writer = local.begin(envelope).await.unwrap();
        let octets = Bytes::from(vec![b'x'; 3_000_000]);
        writer.write(octets.clone()).await.unwrap();
        assert!(spool.log_bytes() > 2_500_000, "{} octets are in the log", spool.log_bytes());
        writer.commit().await.unwrap();
        let job = local.next_ready(UnixTime(1)).await.unwrap().unwrap();
        let mut body = local.body(&job.id).await.unwrap();
        let mut read = vec![0; octets.len()];
        assert_eq!(body.read_at(0, &mut read).unwrap(), octets.len());
        assert!(read == octets);
    }
}

//! A blocking spool behind [`Intake`] and [`Spool`].

use super::{Shared, on_thread};
use crate::blocking::Blocking;
use crate::wall::{Intake, Later, Spool, SpoolWriter, StoreResult};
use bytes::Bytes;
use mailstore::spool::{Envelope, Job, QueueId, RecipientState};
use mailstore::{MessageReader, StoreError};
use proto_core::UnixTime;
use std::sync::Arc;
use tokio::sync::Notify;

/// A `mailstore` spool on store threads.
#[derive(Clone)]
pub struct LocalSpool {
    spool: Arc<dyn mailstore::Spool>,
    blocking: Blocking,
    arrival: Arc<Notify>,
}

impl LocalSpool {
    /// The spool, and the threads it may block.
    pub fn new(spool: Arc<dyn mailstore::Spool>, blocking: Blocking) -> Self {
        Self { spool, blocking, arrival: Arc::new(Notify::new()) }
    }
}

impl Intake for LocalSpool {
    fn begin(&self, envelope: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        let spool = Arc::clone(&self.spool);
        let begun = on_thread(&self.blocking, move || spool.begin(envelope));
        Box::pin(async move {
            let writer = begun.await?;
            let id = writer.id().clone();
            let writer = Shared::new(writer, self.blocking.clone());
            let arrival = Arc::clone(&self.arrival);
            Ok(Box::new(Writer { id, writer, pending: Vec::new(), pending_bytes: 0, arrival }) as _)
        })
    }
}

impl Spool for LocalSpool {
    fn next_ready(&self, now: UnixTime) -> Later<'_, Result<Option<Job>, StoreError>> {
        let spool = Arc::clone(&self.spool);
        on_thread(&self.blocking, move || spool.next_ready(now))
    }

    fn next_due(&self) -> Option<UnixTime> {
        self.spool.next_due()
    }

    fn body(&self, id: &QueueId) -> StoreResult<Box<dyn MessageReader>> {
        let (spool, id) = (Arc::clone(&self.spool), id.clone());
        on_thread(&self.blocking, move || spool.body(&id))
    }

    fn record(&self, id: &QueueId, recipient: u32, state: RecipientState) -> StoreResult<()> {
        let (spool, id) = (Arc::clone(&self.spool), id.clone());
        on_thread(&self.blocking, move || spool.record(&id, recipient, state))
    }

    fn release(&self, id: &QueueId) -> StoreResult<()> {
        let (spool, id) = (Arc::clone(&self.spool), id.clone());
        on_thread(&self.blocking, move || spool.release(&id))
    }

    fn arrival(&self) -> Later<'_, ()> {
        Box::pin(self.arrival.notified())
    }
}

/// Chunks are gathered, so that a small message crosses to a store thread once, with its commit.
struct Writer {
    id: QueueId,
    writer: Shared<dyn mailstore::spool::SpoolWriter>,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    arrival: Arc<Notify>,
}

/// How much is gathered before it goes to the disk.
const PENDING_BYTES_MAX: usize = 64 * 1024;

impl SpoolWriter for Writer {
    fn id(&self) -> &QueueId {
        &self.id
    }

    fn write(&mut self, octets: Bytes) -> Later<'_, Result<(), StoreError>> {
        self.pending_bytes += octets.len();
        self.pending.push(octets);
        if self.pending_bytes < PENDING_BYTES_MAX {
            return Box::pin(std::future::ready(Ok(())));
        }
        self.pending_bytes = 0;
        let chunks = std::mem::take(&mut self.pending);
        self.writer.run(move |writer| chunks.iter().try_for_each(|chunk| writer.write(chunk)))
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        let (chunks, arrival) = (self.pending, self.arrival);
        self.writer.finish(move |mut writer| {
            chunks.iter().try_for_each(|chunk| writer.write(chunk))?;
            writer.commit()?;
            arrival.notify_one();
            Ok(())
        })
    }
}

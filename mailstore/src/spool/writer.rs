//! [`FileWriter`]: one message on its way into the spool.

use std::path::PathBuf;
use std::sync::Arc;

use super::envelope::Envelope;
use super::file::{Inner, Message};
use super::{QueueId, RecipientState, SpoolWriter, format};
use crate::env::Env;
use crate::error::{Result, StoreError};
use crate::fs::{BufferedFile, OpenMode};

/// A file in `tmp/`. However it ends, the spool is told.
#[derive(Debug)]
pub(super) struct FileWriter {
    spool: Arc<Inner>,
    id: QueueId,
    tmp: PathBuf,
    file: BufferedFile,
    envelope: Envelope,
    body_offset: u64,
    body_bytes: u64,
    committed: Option<Message>,
}

impl FileWriter {
    /// Creates the file and writes the envelope.
    pub(super) fn begin(spool: Arc<Inner>, envelope: Envelope) -> Result<Box<dyn SpoolWriter>> {
        let id = new_id(&spool.env);
        let tmp = spool.tmp.join(id.as_str());
        let head = format::write_envelope(&envelope);
        let file = spool.env.fs().open(&tmp, OpenMode::CreateNew);
        let mut file = BufferedFile::new(file.map_err(|error| StoreError::io("creating", &tmp, &error))?);
        if let Err(error) = file.append(&head) {
            let _ = spool.env.fs().unlink(&tmp);
            return Err(StoreError::io("writing", &tmp, &error));
        }
        let body_offset = head.len() as u64;
        Ok(Box::new(Self { spool, id, tmp, file, envelope, body_offset, body_bytes: 0, committed: None }))
    }
}

impl SpoolWriter for FileWriter {
    fn id(&self) -> &QueueId {
        &self.id
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        self.file.append(octets).map_err(|error| StoreError::io("writing", &self.tmp, &error))?;
        self.body_bytes += octets.len() as u64;
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<QueueId> {
        let disk = self.spool.env.fs();
        let failed = |error| StoreError::io("writing", &self.tmp, &error);
        self.file.sync().map_err(failed)?;
        let path = self.spool.queue.join(format::file_name(&self.id, self.body_bytes));
        disk.rename(&self.tmp, &path).map_err(|error| StoreError::io("committing", &path, &error))?;
        if let Err(error) = disk.sync_dir(&self.spool.queue) {
            // The sender will be told 451 and come again: do not deliver this one as well, if we can help it.
            let _ = disk.unlink(&path);
            return Err(StoreError::io("syncing", &self.spool.queue, &error));
        }
        self.committed = Some(Message {
            path,
            states: vec![RecipientState::Pending; self.envelope.recipients.len()],
            envelope: self.envelope.clone(),
            body_offset: self.body_offset,
            body_bytes: self.body_bytes,
            held: false,
            attempted: false,
        });
        Ok(self.id.clone())
    }

    fn abort(self: Box<Self>) {}
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let committed = self.committed.take();
        if committed.is_none() {
            // What cannot be removed now is removed at the next start.
            let _ = self.spool.env.fs().unlink(&self.tmp);
        }
        self.spool.writer_done(committed.map(|message| (self.id.clone(), message)));
    }
}

/// Microseconds, process and a counter, in base 36: longer than the clock's steps back, and never the same
/// for two processes or two calls.
fn new_id(env: &Env) -> QueueId {
    let micros = u64::try_from(env.host().now().as_micros()).unwrap_or(u64::MAX);
    let text = base36(micros, 11) + &base36(u64::from(env.host().pid()), 4) + &base36(env.count(), 3);
    text.parse().expect("invariant: 18 letters and digits")
}

/// The last `width` digits of `number`.
fn base36(mut number: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(number % 36) as usize];
        number /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

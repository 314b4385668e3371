//! [`FileSpool`]: one synced file for each message.
//!
//! # Files
//! `tmp/ID` is being written. `queue/ID,LENGTH` is committed: its name says how long the body is, its content
//! is described in `format.rs`. `corrupt/` holds what recovery could not read; it is never looked at again.
//!
//! # Order of operations
//! * Accept: create `tmp/ID` (O_EXCL), write envelope and body, sync the file, rename it to
//!   `queue/ID,LENGTH`, sync `queue/`; only then is `commit` answered.
//! * State of a recipient: append one record to the file, sync the file; only then is `record` answered.
//! * Removal: unlink `queue/ID,LENGTH`. It is not synced: each recipient's last state is.
//!
//! # What a crash can leave
//!
//! | `tmp/ID` | `queue/ID,LENGTH` | when | recovery |
//! | --- | --- | --- | --- |
//! | absent | absent | before the file was created, after an abort, or after removal | nothing |
//! | any content | absent | before the rename: the sender has no 250 | `tmp/ID` is removed |
//! | same file | whole | the rename half on disk: the sender may or may not have its 250 | `tmp/ID` is removed, the message is in the queue |
//! | absent | whole, records whole or torn at the end | after the rename | in the queue; a torn record was never answered and is passed over |
//! | absent | every recipient done | the removal did not reach the disk | the file is removed |
//! | any | shorter than its name says, or with a wrong envelope sum | not by a crash: the file was synced before it got this name | moved to `corrupt/` and reported |
//!
//! A message whose sender got no answer may be in the queue (the crash came between rename and answer): the
//! sender sends it again, and the recipient has it twice. SMTP allows no better (RFC 1047).
//!
//! # Limits
//! [`SpoolLimits`]. Envelopes and states of all messages are held in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto_core::UnixTime;

use super::envelope::Envelope;
use super::format::{self, ENVELOPE_BYTES_MAX, Head};
use super::writer::FileWriter;
use super::{Job, QueueEntry, QueueId, RecipientState, Spool, SpoolWriter};
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, OpenMode};
use crate::store::{DeliveryId, MessageReader, Settle};

/// How much a spool takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Messages in the spool, those being written included; more get a `Backlog` error (452 4.3.1).
    pub messages_max: usize,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { messages_max: 20_000 }
    }
}

/// What was found when a spool was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Messages in the queue.
    pub messages: usize,
    /// Messages whose acceptance was cut off; they are gone.
    pub unfinished: usize,
    /// Messages that were done, and are now removed.
    pub done: usize,
    /// Files that could not be read, now in `corrupt/`, with what is wrong with them.
    pub corrupt: Vec<(PathBuf, &'static str)>,
}

/// A spool of one file a message. One process opens it at a time.
#[derive(Debug, Clone)]
pub struct FileSpool(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) env: Env,
    pub(super) tmp: PathBuf,
    pub(super) queue: PathBuf,
    limits: SpoolLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<QueueId, Message>,
    /// Messages that nobody holds, by the time they fall due.
    due: BTreeSet<(UnixTime, QueueId)>,
    /// How many are being written.
    writing: usize,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) path: PathBuf,
    pub(super) envelope: Envelope,
    pub(super) states: Vec<RecipientState>,
    pub(super) body_offset: u64,
    pub(super) body_bytes: u64,
    pub(super) held: bool,
    /// Whether it has been in a deliverer's hands, or may have been before a restart.
    pub(super) attempted: bool,
}

impl Message {
    /// When it falls due; `None` when every recipient is done.
    fn due(&self) -> Option<UnixTime> {
        let due = |state: &RecipientState| match state {
            RecipientState::Pending => Some(self.envelope.received_at),
            RecipientState::Deferred(until) => Some(*until),
            RecipientState::Delivered | RecipientState::Failed => None,
        };
        self.states.iter().filter_map(due).min()
    }
}

impl FileSpool {
    /// Opens the spool in `dir`, which is created if need be, and recovers what is in it.
    ///
    /// # Errors
    /// When a directory cannot be made or read. A single file that does not read is no error.
    pub fn open(env: Env, dir: &Path, limits: SpoolLimits) -> Result<(Self, Recovered)> {
        let (tmp, queue, corrupt) = (dir.join("tmp"), dir.join("queue"), dir.join("corrupt"));
        for sub in [&tmp, &queue, &corrupt] {
            fs::create_dir_durably(env.fs(), sub).map_err(|error| StoreError::io("creating", sub, &error))?;
        }
        let spool = Self(Arc::new(Inner { env, tmp, queue, limits, state: Mutex::default() }));
        let recovered = spool.recover(&corrupt)?;
        Ok((spool, recovered))
    }

    fn recover(&self, corrupt: &Path) -> Result<Recovered> {
        let inner = &*self.0;
        let disk = inner.env.fs();
        let list = |dir: &Path| disk.read_dir(dir).map_err(|error| StoreError::io("reading", dir, &error));
        let unlink =
            |path: &Path| disk.unlink(path).map_err(|error| StoreError::io("removing", path, &error));
        let mut recovered = Recovered::default();
        for entry in list(&inner.tmp)? {
            unlink(&inner.tmp.join(&entry.name))?;
            recovered.unfinished += 1;
        }
        // What is in the queue was renamed, but the rename may not be on disk yet when only the process died.
        disk.sync_dir(&inner.queue).map_err(|error| StoreError::io("syncing", &inner.queue, &error))?;
        for entry in list(&inner.queue)? {
            let path = inner.queue.join(&entry.name);
            let named = entry.name.to_str().and_then(format::read_file_name);
            let read = match named {
                Some((id, body_bytes)) => {
                    inner.read_message(path.clone(), body_bytes)?.map(|message| (id, message))
                }
                None => Err("not a name of ours"),
            };
            match read {
                Ok((_, message)) if message.due().is_none() => {
                    unlink(&path)?;
                    recovered.done += 1;
                }
                Ok((id, message)) => {
                    inner.lock().insert(id, message);
                    recovered.messages += 1;
                }
                Err(why) => {
                    let aside = corrupt.join(&entry.name);
                    disk.rename(&path, &aside)
                        .map_err(|error| StoreError::io("setting aside", &path, &error))?;
                    recovered.corrupt.push((aside, why));
                }
            }
        }
        Ok(recovered)
    }
}

impl State {
    fn insert(&mut self, id: QueueId, message: Message) {
        if let Some(due) = message.due() {
            self.due.insert((due, id.clone()));
        }
        self.messages.insert(id, message);
    }

    fn get(&self, id: &QueueId) -> Result<&Message> {
        self.messages.get(id).ok_or_else(|| {
            StoreError::new(ErrorKind::NoSuchQueueId, "looking for a message", "not in the queue")
        })
    }

    /// Takes a message out of all indexes.
    fn take(&mut self, id: &QueueId) -> Option<Message> {
        let message = self.messages.remove(id)?;
        if let Some(due) = message.due() {
            self.due.remove(&(due, id.clone()));
        }
        Some(message)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer is gone; `committed` is what it made.
    pub(super) fn writer_done(&self, committed: Option<(QueueId, Message)>) {
        let mut state = self.lock();
        state.writing -= 1;
        if let Some((id, message)) = committed {
            state.insert(id, message);
        }
    }

    /// Reads a queue file but for its body. The inner error is for a file that is not as we wrote it.
    fn read_message(&self, path: PathBuf, body_bytes: u64) -> Result<Result<Message, &'static str>> {
        let failed = |error: std::io::Error| StoreError::io("reading", &path, &error);
        let file = self.env.fs().open(&path, OpenMode::Read).map_err(failed)?;
        let (envelope, body_offset) = {
            let mut head = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                match format::read_envelope(&head) {
                    Head::Whole(envelope, body) => break (envelope, body as u64),
                    Head::Bad(why) => return Ok(Err(why)),
                    Head::NeedMore if head.len() > ENVELOPE_BYTES_MAX => {
                        return Ok(Err("no end of the envelope"));
                    }
                    Head::NeedMore => {}
                }
                match file.read_at(&mut chunk, head.len() as u64).map_err(failed)? {
                    0 => return Ok(Err("ends inside the envelope")),
                    n => head.extend_from_slice(&chunk[..n]),
                }
            }
        };
        let records = body_offset.saturating_add(body_bytes);
        let size = file.metadata().map_err(failed)?.size;
        if size < records {
            return Ok(Err("shorter than its name says"));
        }
        let mut tail = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match file.read_at(&mut chunk, records + tail.len() as u64).map_err(failed)? {
                0 => break,
                n => tail.extend_from_slice(&chunk[..n]),
            }
        }
        let mut states = vec![RecipientState::Pending; envelope.recipients.len()];
        format::read_records(&tail, &mut states);
        // A record that is read but was never synced must not be acted upon before it is.
        if !tail.is_empty() {
            file.sync().map_err(failed)?;
        }
        let message =
            Message { path, envelope, states, body_offset, body_bytes, held: false, attempted: true };
        Ok(Ok(message))
    }

    /// Opens the file of a message. One that was removed by another hand is forgotten, so that it does not stay
    /// first in the queue; a queue that is away as a whole (not mounted) is no such case.
    fn open_message(
        &self,
        id: &QueueId,
        path: &Path,
        mode: OpenMode,
        doing: &'static str,
    ) -> Result<Box<dyn File>> {
        self.env.fs().open(path, mode).map_err(|error| {
            let gone =
                error.kind() == std::io::ErrorKind::NotFound && self.env.fs().metadata(&self.queue).is_ok();
            if gone {
                self.lock().take(id);
                StoreError::new(ErrorKind::NoSuchQueueId, doing, "its file was removed").at(path)
            } else {
                StoreError::io(doing, path, &error)
            }
        })
    }

    fn append_record(&self, id: &QueueId, path: &Path, recipient: u32, state: RecipientState) -> Result<()> {
        const DOING: &str = "recording a delivery in";
        let failed = |error: std::io::Error| StoreError::io(DOING, path, &error);
        let mut file = self.open_message(id, path, OpenMode::Append, DOING)?;
        file.append(&format::write_record(recipient, state)).map_err(failed)?;
        file.sync().map_err(failed)
    }
}

impl Spool for FileSpool {
    fn begin(&self, envelope: Envelope) -> Result<Box<dyn SpoolWriter>> {
        {
            let mut state = self.0.lock();
            if state.messages.len() + state.writing >= self.0.limits.messages_max {
                return Err(StoreError::new(ErrorKind::Backlog, "accepting a message", "the spool is full")
                    .at(&self.0.queue));
            }
            state.writing += 1;
        }
        FileWriter::begin(self.0.clone(), envelope).inspect_err(|_| self.0.writer_done(None))
    }

    fn next_ready(&self, now: UnixTime) -> Result<Option<Job>> {
        let mut state = self.0.lock();
        let State { messages, due, .. } = &mut *state;
        let Some((time, id)) = due.first().cloned() else { return Ok(None) };
        if time > now {
            return Ok(None);
        }
        due.remove(&(time, id.clone()));
        let Some(message) = messages.get_mut(&id) else { return Ok(None) };
        message.held = true;
        let maybe_delivered = std::mem::replace(&mut message.attempted, true);
        Ok(Some(Job {
            id,
            envelope: message.envelope.clone(),
            states: message.states.clone(),
            body_bytes: message.body_bytes,
            maybe_delivered,
        }))
    }

    fn next_due(&self) -> Option<UnixTime> {
        self.0.lock().due.first().map(|(time, _)| *time)
    }

    fn body(&self, id: &QueueId) -> Result<Box<dyn MessageReader>> {
        let (path, start, size) = {
            let state = self.0.lock();
            let message = state.get(id)?;
            (message.path.clone(), message.body_offset, message.body_bytes)
        };
        let file = self.0.open_message(id, &path, OpenMode::Read, "opening")?;
        Ok(Box::new(Body { file, path, start, size }))
    }

    fn record(&self, id: &QueueId, recipient: u32, new: RecipientState) -> Result<()> {
        let path = {
            let state = self.0.lock();
            let message = state.get(id)?;
            match message.states.get(recipient as usize) {
                None => {
                    return Err(StoreError::new(
                        ErrorKind::NoSuchQueueId,
                        "recording a delivery",
                        "no such recipient",
                    ));
                }
                Some(known) if known.is_done() => return Ok(()),
                Some(_) => message.path.clone(),
            }
        };
        self.0.append_record(id, &path, recipient, new)?;
        let mut state = self.0.lock();
        let Some(mut message) = state.take(id) else { return Ok(()) };
        if let Some(known) = message.states.get_mut(recipient as usize)
            && !known.is_done()
        {
            *known = new;
        }
        if message.held {
            state.messages.insert(id.clone(), message);
        } else if message.due().is_some() {
            state.insert(id.clone(), message);
        } else {
            drop(state);
            // Nobody will release it. What cannot be removed now is removed at the next start.
            let _ = self.0.env.fs().unlink(&message.path);
        }
        Ok(())
    }

    fn release(&self, id: &QueueId) -> Result<()> {
        let done = {
            let mut state = self.0.lock();
            let Some(mut message) = state.take(id) else { return Ok(()) };
            message.held = false;
            if message.due().is_some() {
                state.insert(id.clone(), message);
                return Ok(());
            }
            message
        };
        let disk = self.0.env.fs();
        disk.unlink(&done.path).map_err(|error| StoreError::io("removing", &done.path, &error))
    }

    fn remove(&self, id: &QueueId) -> Result<()> {
        let disk = self.0.env.fs();
        let path = self.0.lock().get(id)?.path.clone();
        disk.unlink(&path).map_err(|error| StoreError::io("removing", &path, &error))?;
        self.0.lock().take(id);
        disk.sync_dir(&self.0.queue).map_err(|error| StoreError::io("syncing", &self.0.queue, &error))
    }

    fn list(&self) -> Vec<QueueEntry> {
        let entry = |(id, message): (&QueueId, &Message)| QueueEntry {
            id: id.clone(),
            envelope: message.envelope.clone(),
            states: message.states.clone(),
            body_bytes: message.body_bytes,
            held: message.held,
        };
        let mut list: Vec<_> = self.0.lock().messages.iter().map(entry).collect();
        list.sort_by_key(|entry| entry.envelope.received_at);
        list
    }

    fn backlog(&self) -> usize {
        self.0.lock().messages.len()
    }
}

impl Settle for FileSpool {
    fn settle(&self, delivery: &DeliveryId) -> Result<()> {
        match self.record(&delivery.queue_id, delivery.recipient, RecipientState::Delivered) {
            Err(error) if error.kind() == ErrorKind::NoSuchQueueId => Ok(()),
            result => result,
        }
    }
}

/// The body of a message, between envelope and records.
#[derive(Debug)]
struct Body {
    file: Box<dyn File>,
    path: PathBuf,
    start: u64,
    size: u64,
}

impl MessageReader for Body {
    fn size_bytes(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buf.len().min(left);
        fs::read_full(&*self.file, &mut buf[..wanted], self.start + offset.min(self.size))
            .map_err(|error| StoreError::io("reading", &self.path, &error))
    }
}

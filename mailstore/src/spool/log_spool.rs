//! [`LogSpool`]: the spool as an append-only log of segments.
//!
//! # Files
//! `log/` holds the segments: `segment.rs` tells their prelude, `record.rs` what stands in them, `log.rs` how they are
//! written, `recover.rs` what a crash can leave and what becomes of it, `compact.rs` when they go, `spare.rs` what is kept of them to be written over, `upkeep.rs` who sees to it. `corrupt/` holds
//! what recovery could not read; it is never looked at again.
//!
//! # Order of operations
//! * Accept: the message is one record, or chunks and a record that names them; `commit` is answered when the group it
//!   was written with is synced. Nothing is created, renamed or removed for it.
//! * State, hold, expiry, removal: one record; answered when its group is synced.
//! * A message whose recipients are all done is forgotten: the records say so. Its segment is dropped when nothing in it
//!   is needed any more.
//!
//! A message whose sender got no answer may be in the queue (the crash came between sync and answer): the
//! sender sends it again, and the recipient has it twice. SMTP allows no better (RFC 1047).
//!
//! # Limits
//! [`SpoolLimits`]. Envelopes and states of all messages are held in memory; bodies are not.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use proto_core::UnixTime;

use super::log::{Entry, EntryClass, Log, lock};
use super::messages::{Message, Messages};
use super::reader::Body;
use super::record::{self, Buffer, Extent, Subject, SubjectStates, Terms, aligned};
use super::recover::{Recovered, recover};
use super::segment::{CLOSING_BYTES, RECORDS_AT};
use super::spare::Spares;
use super::upkeep::{OnSpoolNotice, Upkeep};
use super::writer::LogWriter;
use super::{
    Done, Envelope, Job, Outcome, QueueEntry, QueueId, RecipientState, Spool, SpoolWriter, Status, wait,
};
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs;
use crate::store::{DeliveryId, MessageReader, Settle};

/// How much a spool takes. [`Spool::begin_report`] takes an eighth more of messages and of octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Messages in the spool, those being written included; more get a `Backlog` error (452 4.3.1). Default 100,000.
    pub messages_max: usize,
    /// Octets of bodies in the spool, those being written included; more get a `Backlog` error. Default 16 GiB.
    pub bytes_max: u64,
    /// Octets of a body that are held in memory until the message is committed, 1 to 1 MiB; a larger body goes to the disk
    /// while it arrives, in chunks of this size. Default 64 KiB.
    pub small_bytes_max: usize,
    /// Octets of a segment of the log, at most 1 GiB; one for a record that needs more is larger, and the first ones are
    /// smaller. Two files of this size are kept to be written over, as soon as so much mail comes. Default 64 MiB.
    pub segment_bytes: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            messages_max: 100_000,
            bytes_max: 16 << 30,
            small_bytes_max: 64 << 10,
            segment_bytes: 64 << 20,
        }
    }
}

impl SpoolLimits {
    /// With what is reserved for reports.
    fn of_reports(self) -> Self {
        Self {
            messages_max: self.messages_max.saturating_add(self.messages_max.div_ceil(8)),
            bytes_max: self.bytes_max.saturating_add(self.bytes_max.div_ceil(8)),
            ..self
        }
    }
}

/// The most a segment may have: what is said of an offset fits into 32 bits with room for one record of any size.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// The most that a body may have in memory, and a chunk on the disk.
const SMALL_BYTES_MAX: usize = 1 << 20;

/// The longest reason that is kept, in octets; what a server says in reply is shorter (RFC 5321 section 4.5.3.1.5).
const REASON_BYTES_MAX: usize = 2048;

/// A spool that is a log of segments. Cloning shares. One process opens it at a time.
#[derive(Debug, Clone)]
pub struct LogSpool(Arc<Handle>);

/// Ends the threads with the last clone.
#[derive(Debug)]
struct Handle {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) env: Env,
    pub(super) log: Log,
    pub(super) limits: SpoolLimits,
    messages: Mutex<Messages>,
    pub(super) upkeep: Upkeep,
    /// Segments of which something is not as it was written.
    pub(super) damaged: Mutex<BTreeSet<u64>>,
}

impl LogSpool {
    /// Opens the spool in `dir`, which is created if need be, and recovers what is in it. Whoever calls it then writes
    /// to the disk himself, one caller for all that wait; see [`LogSpool::start`].
    ///
    /// # Errors
    /// When a directory or file cannot be made or read; damage that is read is no error. `OldFormat` when there are
    /// messages of an earlier form.
    pub fn open(env: Env, dir: &Path, mut limits: SpoolLimits) -> Result<(Self, Recovered)> {
        limits.segment_bytes = limits.segment_bytes.min(SEGMENT_BYTES_MAX);
        limits.small_bytes_max = limits.small_bytes_max.clamp(1, SMALL_BYTES_MAX);
        let (log, corrupt, old) = (dir.join("log"), dir.join("corrupt"), dir.join("queue"));
        if env.fs().read_dir(&old).is_ok_and(|entries| !entries.is_empty()) {
            return Err(StoreError::new(
                ErrorKind::OldFormat,
                "opening the spool",
                "there are messages of a form that is no longer read",
            )
            .at(&old));
        }
        for sub in [&log, &corrupt] {
            fs::make_dir(env.fs(), sub)?;
        }
        let spare_bytes = aligned(limits.segment_bytes.max(RECORDS_AT + CLOSING_BYTES));
        let opened = recover(&env, &log, &corrupt, spare_bytes)?;
        let spares = Spares::new(env.clone(), &log, spare_bytes, &opened.spares);
        let inner = Arc::new(Inner {
            log: Log::new(env.clone(), log, spares, opened.segments),
            env,
            limits,
            messages: Mutex::new(opened.messages),
            upkeep: Upkeep::default(),
            damaged: Mutex::default(),
        });
        for subject in opened.lost {
            wait(|done| inner.append(record::gone(&subject), EntryClass::Outward, done))?;
        }
        inner.upkeep()?;
        Ok((Self(Arc::new(Handle { inner, threads: Mutex::default() })), opened.recovered))
    }

    /// Starts a thread that writes to the disk for everybody, and one that looks after the segments; from then on
    /// nothing but [`wait`], `body`, and the writing of large messages blocks. They end with the last clone of this.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(&self) -> Result<()> {
        let failed =
            |error: io::Error| StoreError::io("starting the threads of", &self.0.inner.log.dir, &error);
        let mut threads = lock(&self.0.threads);
        if !self.0.inner.log.queue.start() {
            return Ok(());
        }
        let inner = Arc::clone(&self.0.inner);
        let spawned = std::thread::Builder::new().name("spool-write".into()).spawn(move || inner.log.run());
        threads.push(spawned.map_err(|error| {
            self.0.inner.log.queue.stop();
            self.0.inner.log.run();
            failed(error)
        })?);
        self.0.inner.upkeep.set_thread(true);
        let inner = Arc::clone(&self.0.inner);
        let spawned = std::thread::Builder::new().name("spool-upkeep".into()).spawn(move || inner.keep_up());
        threads.push(spawned.map_err(|error| {
            self.0.inner.upkeep.set_thread(false);
            failed(error)
        })?);
        Ok(())
    }

    /// Who is told of what an administrator should know; the first who is named, nobody until then.
    pub fn on_notice(&self, notice: OnSpoolNotice) {
        self.0.inner.upkeep.on_notice(notice);
    }

    /// Looks after the segments: drops those that are not needed any more, and moves what is left in one that is mostly
    /// garbage, when there is too much of that. It happens by itself after [`LogSpool::start`], and when messages are
    /// released; it blocks.
    ///
    /// # Errors
    /// Those of the disk. Nothing is lost by them; it is done the next time.
    pub fn upkeep(&self) -> Result<()> {
        self.0.inner.upkeep()
    }

    /// How many octets the log has on the disk, reserved room not counted.
    pub fn log_bytes(&self) -> u64 {
        self.0.inner.log.segments().values().sum()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.log.queue.stop();
        self.inner.upkeep.set_thread(false);
        for thread in lock(&self.threads).drain(..) {
            // The last clone may have been in a callback, on the thread itself. One that panicked has said so.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Inner {
    pub(super) fn messages(&self) -> MutexGuard<'_, Messages> {
        lock(&self.messages)
    }

    /// Begins a message, of which and the others there may be so much.
    fn begin(self: &Arc<Self>, envelope: Envelope, limits: SpoolLimits) -> Result<Box<dyn SpoolWriter>> {
        {
            let mut messages = self.messages();
            if messages.len() + messages.writing >= limits.messages_max
                || messages.body_bytes >= limits.bytes_max
            {
                return Err(self.backlog());
            }
            messages.writing += 1;
        }
        Ok(Box::new(LogWriter::begin(Arc::clone(self), envelope, limits.bytes_max)?))
    }

    /// Counts octets of a body that arrives, while there are no more than so many.
    pub(super) fn take_bytes(&self, bytes: u64, bytes_max: u64) -> Result<()> {
        let mut messages = self.messages();
        if messages.body_bytes.saturating_add(bytes) > bytes_max {
            return Err(self.backlog());
        }
        messages.body_bytes += bytes;
        Ok(())
    }

    /// A writer is gone; `committed` is what it made.
    pub(super) fn writer_done(&self, bytes: u64, committed: Option<(QueueId, Message)>, pinned: &[Extent]) {
        let mut messages = self.messages();
        messages.writing -= 1;
        match committed {
            Some((id, message)) => messages.insert(id, message),
            None => messages.body_bytes -= bytes,
        }
        messages.unpin(pinned);
    }

    /// A record of these states has come to the disk, in that segment; or to none.
    pub(super) fn recorded(&self, states: &[SubjectStates], segment: Option<u64>) {
        let mut messages = self.messages();
        states.iter().for_each(|(subject, _)| messages.in_flight(&subject.id, false));
        if let Some(segment) = segment {
            messages.apply_states(segment, states);
        }
    }

    fn backlog(&self) -> StoreError {
        StoreError::new(ErrorKind::Backlog, "accepting a message", "the spool is full").at(&self.log.dir)
    }

    /// Brings one record to the log and writes it.
    fn append(&self, buffer: Buffer, class: EntryClass, done: Done<()>) {
        let done = Box::new(move |place: Result<_>| done(place.map(drop)));
        self.log.push([Entry { buffer, needs: Vec::new(), class, done }]);
        self.log.drive();
    }

    /// Records something about one message, and `apply`s it when it is durable.
    fn tell(
        self: &Arc<Self>,
        id: &QueueId,
        buffer: impl FnOnce(&mut Messages, &Subject) -> Buffer,
        apply: impl FnOnce(&mut Messages, u64, &Subject) + Send + 'static,
        done: Done<()>,
    ) {
        let mut messages = self.messages();
        let subject = match messages.subject(id) {
            Ok(subject) => subject,
            Err(error) => {
                drop(messages);
                return done(Err(error));
            }
        };
        let buffer = buffer(&mut messages, &subject);
        messages.in_flight(id, true);
        let inner = Arc::clone(self);
        let told = move |place: Result<super::log::Place>| {
            {
                let mut messages = inner.messages();
                messages.in_flight(&subject.id, false);
                if let Ok(place) = &place {
                    apply(&mut messages, place.segment, &subject);
                }
            }
            inner.want_upkeep();
            done(place.map(drop));
        };
        // Under the lock: what stands earlier in the log was said earlier.
        self.log.push([Entry {
            buffer,
            needs: Vec::new(),
            class: EntryClass::Outward,
            done: Box::new(told),
        }]);
        drop(messages);
        self.log.drive();
    }
}

impl Spool for LogSpool {
    fn begin(&self, envelope: Envelope) -> Result<Box<dyn SpoolWriter>> {
        self.0.inner.begin(envelope, self.0.inner.limits)
    }

    fn begin_report(&self, envelope: Envelope) -> Result<Box<dyn SpoolWriter>> {
        self.0.inner.begin(envelope, self.0.inner.limits.of_reports())
    }

    fn next_ready(&self, now: UnixTime) -> Result<Option<Job>> {
        Ok(self.0.inner.messages().next_ready(now))
    }

    fn next_due(&self) -> Option<UnixTime> {
        self.0.inner.messages().next_due()
    }

    fn body(&self, id: &QueueId) -> Result<Box<dyn MessageReader>> {
        let inner = &self.0.inner;
        let mut body = {
            let mut messages = inner.messages();
            let extents = messages.extents(id)?;
            Body::new(Arc::clone(inner), &extents)
        };
        match body.open() {
            Ok(()) => Ok(Box::new(body)),
            // A log that is away as a whole (not mounted) is no such case.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && inner.env.fs().metadata(&inner.log.dir).is_ok() =>
            {
                drop(body);
                inner.messages().remove(id);
                Err(StoreError::new(ErrorKind::NoSuchQueueId, "opening a message", "its segment was removed")
                    .at(&inner.log.dir))
            }
            Err(error) => Err(StoreError::io("opening a message in", &inner.log.dir, &error)),
        }
    }

    fn body_at_hand(&self, id: &QueueId) -> Option<Box<dyn MessageReader>> {
        let inner = &self.0.inner;
        // A message that is gone is told by `body`.
        let extents = inner.messages().extents(id).ok()?;
        let mut body = Body::new(Arc::clone(inner), &extents);
        body.is_at_hand().then(|| Box::new(body) as _)
    }

    fn record(&self, outcomes: Vec<Outcome>, done: Done<()>) {
        let inner = &self.0.inner;
        let mut messages = inner.messages();
        let states = match states(&messages, outcomes) {
            Ok(states) if !states.is_empty() => states,
            nothing => {
                drop(messages);
                return done(nothing.map(drop));
            }
        };
        states.iter().for_each(|(subject, _)| messages.in_flight(&subject.id, true));
        let buffer = record::states(&states);
        let of_inner = Arc::clone(inner);
        let recorded = move |place: Result<super::log::Place>| {
            of_inner.recorded(&states, place.as_ref().ok().map(|place| place.segment));
            of_inner.want_upkeep();
            done(place.map(drop));
        };
        // Under the lock: what stands earlier in the log was said earlier.
        inner.log.push([Entry {
            buffer,
            needs: Vec::new(),
            class: EntryClass::Outcome,
            done: Box::new(recorded),
        }]);
        drop(messages);
        inner.log.drive();
    }

    fn release(&self, id: &QueueId) {
        let inner = &self.0.inner;
        inner.messages().release(id);
        inner.want_upkeep();
        inner.upkeep_if_ours();
    }

    fn hold(&self, id: &QueueId, hold: bool, done: Done<()>) {
        self.set_terms(id, move |terms| terms.hold = hold, done);
    }

    fn expire(&self, id: &QueueId, expires: Option<UnixTime>, done: Done<()>) {
        self.set_terms(id, move |terms| terms.expires = expires, done);
    }

    fn retry_now(&self, which: Option<&QueueId>) -> usize {
        let mut messages = self.0.inner.messages();
        let ids = which.map_or_else(|| messages.ids(), |id| vec![id.clone()]);
        ids.iter().filter(|id| messages.retry_now(id)).count()
    }

    fn remove(&self, id: &QueueId, done: Done<()>) {
        self.0.inner.tell(
            id,
            |_, subject| record::gone(subject),
            |messages, segment, subject| {
                messages.note(segment, subject.birth.unwrap_or(segment));
                messages.remove(&subject.id);
            },
            done,
        );
    }

    fn list(&self) -> Vec<QueueEntry> {
        self.0.inner.messages().list()
    }

    fn backlog(&self) -> usize {
        self.0.inner.messages().len()
    }
}

impl LogSpool {
    /// The change shows at once, and is answered when it is durable. One that fails holds until the next start.
    fn set_terms(&self, id: &QueueId, change: impl FnOnce(&mut Terms), done: Done<()>) {
        self.0.inner.tell(
            id,
            |messages, subject| {
                record::terms(subject, messages.set_terms(&subject.id, change).unwrap_or_default())
            },
            |messages, segment, subject| messages.apply_terms(segment, subject),
            done,
        );
    }
}

/// What is to be recorded of these outcomes, by message.
///
/// # Errors
/// As of [`Spool::record`].
pub(super) fn states(messages: &Messages, outcomes: Vec<Outcome>) -> Result<Vec<SubjectStates>> {
    let mut states: Vec<SubjectStates> = Vec::new();
    let (mut left, mut here) = (None, false);
    for Outcome { delivery: DeliveryId { queue_id, recipient }, mut status } in outcomes {
        let subject = match messages.subject(&queue_id) {
            Ok(subject) => subject,
            Err(error) => {
                left = Some(error);
                continue;
            }
        };
        here = true;
        if messages.state(&queue_id, recipient)?.is_done() {
            continue;
        }
        status.reason = status.reason.map(|reason| match reason.floor_char_boundary(REASON_BYTES_MAX) {
            end if end < reason.len() => reason[..end].into(),
            _ => reason,
        });
        match states.iter_mut().rev().find(|(known, _)| *known == subject) {
            Some((_, states)) => states.push((recipient, status)),
            None => states.push((subject, vec![(recipient, status)])),
        }
    }
    match left {
        Some(error) if !here => Err(error),
        _ => Ok(states),
    }
}

impl Settle for LogSpool {
    fn settle(&self, delivery: &DeliveryId) -> Result<()> {
        let status = Status { state: RecipientState::Delivered, ..Status::default() };
        match wait(|done| self.record(vec![Outcome { delivery: delivery.clone(), status }], done)) {
            Err(error) if error.kind() == ErrorKind::NoSuchQueueId => Ok(()),
            result => result,
        }
    }
}

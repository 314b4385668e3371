//! [`LogWriter`]: one message on its way into the spool.
//!
//! A small message stays in memory, in the record that it will be, until it is committed. One that grows past
//! [`SpoolLimits::small_bytes_max`](super::SpoolLimits) goes to the log in chunks while it arrives, and its record
//! says where they stand.
//!
//! # Limits
//! In memory: what a small message may have, and of a large one at most [`CHUNKS_MAX`] chunks of the same size behind
//! the one that fills, and sixteen octets for each chunk written.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use proto_core::UnixTime;

use super::envelope::{Envelope, Recipient};
use super::log::{Entry, EntryClass, Place, lock};
use super::log_spool::{Inner, states};
use super::messages::Message;
use super::record::{self, Buffer, Extent, MessageRecord, Subject, Terms};
use super::{Done, Outcome, QueueId, SpoolWriter};
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};

/// Chunks of one message that are on their way to the disk.
const CHUNKS_MAX: usize = 2;

/// The longest envelope, as a record. RFC 5321 section 4.5.3.1.8 asks for 100 recipients of 256 octets; this is room
/// for thousands.
const ENVELOPE_BYTES_MAX: usize = 4 << 20;

/// However it ends, the spool is told.
pub(super) struct LogWriter {
    spool: Arc<Inner>,
    id: QueueId,
    envelope: Envelope,
    /// The message, or the chunk that fills.
    buffer: Buffer,
    /// Where the body begins in the payload of `buffer`.
    body_at: usize,
    body_bytes: u64,
    /// So many octets may be in the spool with this message.
    spool_bytes_max: u64,
    terms: Terms,
    outcomes: Vec<Outcome>,
    stream: Option<Arc<Stream>>,
    committed: bool,
}

/// What is done when all chunks are written: the error if one was not, and where they stand.
type Finish = Box<dyn FnOnce(Option<StoreError>, Vec<Extent>) + Send>;

/// The chunks of a large message.
#[derive(Default)]
struct Stream {
    state: Mutex<StreamState>,
    written: Condvar,
}

#[derive(Default)]
struct StreamState {
    in_flight: usize,
    /// Where the chunks stand that have been written; their segments are pinned.
    extents: Vec<Extent>,
    failed: Option<StoreError>,
    /// Called when fewer chunks are on their way.
    ready: VecDeque<Box<dyn FnOnce() + Send>>,
    /// Called when none is.
    finish: Option<Finish>,
    /// Nobody will commit: what is still written is of no use.
    abandoned: bool,
}

impl LogWriter {
    /// The envelope has changed: a small message, which is all in the buffer, gets it there.
    fn write_envelope(&mut self) -> Result<()> {
        let subject = Subject { id: self.id.clone(), birth: None };
        let mut buffer = record::message(&subject, &self.envelope, &[], &[]);
        let body_at = buffer.payload_bytes();
        check_envelope(body_at)?;
        // A large message has its envelope written when it is committed.
        if self.stream.is_none() {
            buffer.put(&self.buffer.payload()[self.body_at..]);
            (self.buffer, self.body_at) = (buffer, body_at);
        }
        Ok(())
    }

    /// A message that has been counted among those being written.
    pub(super) fn begin(spool: Arc<Inner>, envelope: Envelope, spool_bytes_max: u64) -> Result<Self> {
        let id = new_id(&spool.env);
        let buffer = record::message(&Subject { id: id.clone(), birth: None }, &envelope, &[], &[]);
        let body_at = buffer.payload_bytes();
        spool.log.queue.expect();
        let writer = Self {
            spool,
            id,
            envelope,
            buffer,
            body_at,
            body_bytes: 0,
            spool_bytes_max,
            terms: Terms::default(),
            outcomes: Vec::new(),
            stream: None,
            committed: false,
        };
        check_envelope(body_at)?;
        Ok(writer)
    }

    /// Sends what is in the buffer as a chunk, and begins another.
    fn send_chunk(&mut self, stream: &Arc<Stream>) {
        let (mut next, body_at) = begin_chunk(&self.id);
        std::mem::swap(&mut next, &mut self.buffer);
        let (spool, stream) = (Arc::clone(&self.spool), Arc::clone(stream));
        let start = u32::try_from(self.body_at).expect("invariant: what stands before a chunk is an id");
        let bytes = u32::try_from(next.payload_bytes() - self.body_at).expect("invariant: a chunk is small");
        self.body_at = body_at;
        lock(&stream.state).in_flight += 1;
        let entry = Entry {
            buffer: next,
            needs: Vec::new(),
            class: EntryClass::Chunk,
            done: Box::new({
                let spool = Arc::clone(&spool);
                move |result: Result<Place>| {
                    let written = result.map(|place| Extent {
                        segment: place.segment,
                        offset: place.offset + start,
                        bytes,
                    });
                    stream.chunk_written(&spool, written);
                }
            }),
        };
        spool.log.push([entry]);
        spool.log.drive();
    }

    /// The error that makes all writing useless.
    fn failure(&self) -> Option<StoreError> {
        self.stream.as_ref().and_then(|stream| lock(&stream.state).failed.clone())
    }
}

impl Stream {
    fn chunk_written(&self, spool: &Inner, written: Result<Extent>) {
        let mut state = lock(&self.state);
        state.in_flight -= 1;
        match written {
            Ok(extent) if !state.abandoned => {
                spool.messages().pin(&[extent]);
                state.extents.push(extent);
            }
            Ok(_) => {}
            Err(error) => state.failed = Some(error),
        }
        let ready = if state.in_flight < CHUNKS_MAX { state.ready.pop_front() } else { None };
        let finish = if state.in_flight == 0 { state.finish.take() } else { None };
        let result = finish.as_ref().map(|_| state.result());
        drop(state);
        self.written.notify_one();
        if let Some(ready) = ready {
            ready();
        }
        if let (Some(finish), Some((failed, extents))) = (finish, result) {
            finish(failed, extents);
        }
    }

    /// Calls `finish` when every chunk is written.
    fn when_written(&self, finish: Finish) {
        let mut state = lock(&self.state);
        if state.in_flight > 0 {
            state.finish = Some(finish);
            return;
        }
        let (failed, extents) = state.result();
        drop(state);
        finish(failed, extents);
    }
}

impl StreamState {
    fn result(&mut self) -> (Option<StoreError>, Vec<Extent>) {
        (self.failed.take(), std::mem::take(&mut self.extents))
    }
}

impl SpoolWriter for LogWriter {
    fn id(&self) -> &QueueId {
        &self.id
    }

    fn write(&mut self, mut octets: &[u8]) -> Result<()> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        self.spool.take_bytes(octets.len() as u64, self.spool_bytes_max)?;
        self.body_bytes += octets.len() as u64;
        let chunk_bytes = self.spool.limits.small_bytes_max;
        if self.stream.is_none() && self.buffer.payload_bytes() - self.body_at + octets.len() > chunk_bytes {
            let (mut first, body_at) = begin_chunk(&self.id);
            std::mem::swap(&mut first, &mut self.buffer);
            let begun_at = std::mem::replace(&mut self.body_at, body_at);
            let stream = Arc::new(Stream::default());
            self.stream = Some(Arc::clone(&stream));
            for part in first.payload()[begun_at..].chunks(chunk_bytes) {
                self.buffer.put(part);
                if part.len() == chunk_bytes {
                    self.send_chunk(&stream);
                }
            }
        }
        let Some(stream) = self.stream.clone() else {
            self.buffer.put(octets);
            self.buffer.sum();
            return Ok(());
        };
        while !octets.is_empty() {
            let room = chunk_bytes - (self.buffer.payload_bytes() - self.body_at);
            let (part, rest) = octets.split_at(octets.len().min(room));
            self.buffer.put(part);
            self.buffer.sum();
            octets = rest;
            if part.len() == room {
                let mut state = lock(&stream.state);
                while state.in_flight >= CHUNKS_MAX {
                    state = stream.written.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                drop(state);
                self.send_chunk(&stream);
            }
        }
        Ok(())
    }

    fn when_ready(&mut self, then: Box<dyn FnOnce() + Send>) {
        if let Some(stream) = &self.stream {
            let mut state = lock(&stream.state);
            if state.in_flight >= CHUNKS_MAX {
                state.ready.push_back(then);
                return;
            }
        }
        then();
    }

    fn set_recipients(&mut self, recipients: Vec<Recipient>) -> Result<()> {
        self.envelope.recipients = recipients;
        self.write_envelope()
    }

    fn set_sender(&mut self, reverse_path: String) -> Result<()> {
        self.envelope.reverse_path = reverse_path;
        self.write_envelope()
    }

    fn hold(&mut self) {
        self.terms.hold = true;
    }

    fn expire(&mut self, expires: UnixTime) {
        self.terms.expires = Some(expires);
    }

    fn record(&mut self, outcomes: Vec<Outcome>) {
        self.outcomes = outcomes;
    }

    fn commit(mut self: Box<Self>, done: Done<QueueId>) {
        self.committed = true;
        let (spool, id, terms) = (Arc::clone(&self.spool), self.id.clone(), self.terms);
        let outcomes = std::mem::take(&mut self.outcomes);
        let subject = Subject { id: id.clone(), birth: None };
        let body_bytes = self.body_bytes;
        match self.stream.clone() {
            None => {
                let bytes = self.buffer.payload_bytes() - self.body_at;
                let buffer = std::mem::replace(&mut self.buffer, Buffer::new(record::Kind::Void));
                let message = MessageRecord {
                    subject,
                    envelope: std::mem::replace(&mut self.envelope, Envelope::new("", UnixTime(0))),
                    statuses: Vec::new(),
                    extents: Vec::new(),
                    terms,
                    outcomes: Vec::new(),
                    body: (self.body_at, bytes),
                };
                commit(&spool, (buffer, message), outcomes, body_bytes, done);
            }
            Some(stream) => {
                if self.buffer.payload_bytes() > self.body_at {
                    self.send_chunk(&stream);
                }
                let envelope = std::mem::replace(&mut self.envelope, Envelope::new("", UnixTime(0)));
                let of_spool = Arc::clone(&spool);
                stream.when_written(Box::new(move |failed, extents| {
                    if let Some(error) = failed {
                        of_spool.log.queue.expect_no_more();
                        of_spool.writer_done(body_bytes, None, &extents);
                        return done(Err(error));
                    }
                    let buffer = record::message(&subject, &envelope, &[], &extents);
                    let message = MessageRecord {
                        subject,
                        envelope,
                        statuses: Vec::new(),
                        extents,
                        terms,
                        outcomes: Vec::new(),
                        body: (buffer.payload_bytes(), 0),
                    };
                    commit(&of_spool, (buffer, message), outcomes, body_bytes, done);
                }));
            }
        }
        spool.log.drive();
    }
}

/// Ends the record of a message and brings it to the log; when it is durable the message comes into the queue, and what it records
/// of others holds.
fn commit(
    spool: &Arc<Inner>,
    (mut buffer, mut message): (Buffer, MessageRecord),
    outcomes: Vec<Outcome>,
    body_bytes: u64,
    done: Done<QueueId>,
) {
    spool.log.queue.expect_no_more();
    if outcomes.is_empty() {
        record::end_message(&mut buffer, message.terms, &[]);
        return spool.log.push([entry(spool, buffer, message, body_bytes, done)]);
    }
    let mut messages = spool.messages();
    let states = states(&messages, outcomes).and_then(|states| {
        let from = buffer.payload_bytes();
        record::end_message(&mut buffer, message.terms, &states);
        check_envelope(buffer.payload_bytes() - from)?;
        if states.is_empty() { Err(nothing_to_record()) } else { Ok(states) }
    });
    match states {
        Ok(states) => {
            states.iter().for_each(|(subject, _)| messages.in_flight(&subject.id, true));
            message.outcomes = states;
            // Under the lock: what stands earlier in the log was said earlier.
            spool.log.push([entry(spool, buffer, message, body_bytes, done)]);
        }
        Err(error) => {
            drop(messages);
            spool.writer_done(body_bytes, None, &message.extents);
            done(Err(error));
        }
    }
}

fn entry(
    spool: &Arc<Inner>,
    buffer: Buffer,
    mut message: MessageRecord,
    body_bytes: u64,
    done: Done<QueueId>,
) -> Entry {
    let of_spool = Arc::clone(spool);
    let pinned = message.extents.clone();
    Entry {
        buffer,
        needs: message.extents.clone(),
        class: EntryClass::Inward,
        done: Box::new(move |result| {
            let id = message.subject.id.clone();
            let outcomes = std::mem::take(&mut message.outcomes);
            if !outcomes.is_empty() {
                of_spool.recorded(&outcomes, result.as_ref().ok().map(|place| place.segment));
            }
            let message = result.map(|place| Message::new(message, place, false));
            let (message, told) = match message {
                Ok(message) => (Some((id.clone(), message)), Ok(id)),
                Err(error) => (None, Err(error)),
            };
            of_spool.writer_done(body_bytes, message, &pinned);
            if of_spool.log.spares.is_wanted() {
                of_spool.want_upkeep();
            }
            done(told);
        }),
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.spool.log.queue.expect_no_more();
        let pinned = self.stream.as_ref().map(|stream| {
            let mut state = lock(&stream.state);
            state.abandoned = true;
            std::mem::take(&mut state.extents)
        });
        self.spool.writer_done(self.body_bytes, None, &pinned.unwrap_or_default());
    }
}

/// # Errors
/// When the record of an envelope is too long.
fn check_envelope(bytes: usize) -> Result<()> {
    if bytes <= ENVELOPE_BYTES_MAX {
        return Ok(());
    }
    Err(StoreError::new(ErrorKind::Refused, "accepting a message", "its envelope is too long"))
}

fn nothing_to_record() -> StoreError {
    StoreError::new(ErrorKind::NoSuchQueueId, "recording outcomes with a message", "all of them are done")
}

fn begin_chunk(id: &QueueId) -> (Buffer, usize) {
    let buffer = record::chunk(id);
    let body_at = buffer.payload_bytes();
    (buffer, body_at)
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

//! The log: records are appended in groups, and all that arrived while the last flush ran share the next one.
//!
//! Who has a record to write pushes it and is called back. One thread at a time leads: it takes all that has been
//! pushed, writes it in one piece, flushes once, and calls back. Who leads is said once: a thread of the spool's own
//! ([`Log::run`]), so that no flush waits for a pool whose threads all wait for a flush; or, without that thread,
//! whoever pushes while nobody leads ([`Log::drive`]), so that a program in one thread and virtual time sees the same
//! operations in the same order at every run.
//!
//! # Order of operations
//! * A group: write all its records at the end of the segment; call back chunks; sync the data; call back the others.
//! * A new segment: sync the old one if anything in it is not; take a spare (`spare.rs`) or create a file and reserve its
//!   room; write the prelude twice, sync it, sync `log/`; close the old one: a record at its very end says how much of it
//!   counts (`segment.rs`), or it is cut to that when it is not of the size of a spare. The new prelude says the same.
//! * A write or a sync that fails: everything in the group gets the error, the segment is cut to what was durable, and
//!   is not written to again. No sync is tried a second time: it would prove nothing. A chunk that was lost with it
//!   fails the message it belongs to.
//!
//! # Limits
//! A group is [`GROUP_BYTES_MAX`] octets, or one record. A segment that is a new file is no larger than
//! twice the one before, or one record. The last sixteenth of a segment is kept for what lets mail
//! out of the spool: when there is no room for a new segment, new mail is refused and deliveries are still recorded.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;
use super::record::{Buffer, Extent, HEADER_BYTES, aligned};
use super::segment::{self, CLOSING_BYTES, Prelude, RECORDS_AT, Source};
use super::spare::Spares;
use crate::env::Env;
use crate::error::{Result, StoreError};
use crate::fs::{File, OpenMode};

/// Octets in a group.
const GROUP_BYTES_MAX: u64 = 4 << 20;

/// The room that is reserved for the first segment that is a new file, if a spare has as much. Each later one has twice as much as
/// the one before, until it is what a spare has: then it becomes one.
const NEW_BYTES_MIN: u64 = 4 << 20;

/// Files of segments kept open for reading.
const FILES_MAX: usize = 16;

/// A record to be written.
pub(super) struct Entry {
    pub(super) buffer: Buffer,
    /// What a failure of the log must not have taken.
    pub(super) needs: Vec<Extent>,
    pub(super) class: EntryClass,
    pub(super) done: Box<dyn FnOnce(Result<Place>) + Send>,
}

/// How an entry is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryClass {
    /// Called back when it is written: some later entry makes it durable.
    Chunk,
    /// Called back when it is durable; brings mail in.
    Inward,
    /// Called back when it is durable; lets mail out, and may take the room that is kept for that.
    Outward,
    /// As `Outward`, and it may wait a little (`queue.rs`).
    Outcome,
}

/// Where a record came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    /// Where its payload begins.
    pub(super) offset: u32,
}

#[derive(Debug)]
pub(super) struct Log {
    env: Env,
    pub(super) dir: PathBuf,
    pub(super) spares: Spares,
    pub(super) queue: Queue,
    active: Mutex<Active>,
    /// The segments there are, and how many octets of each count.
    segments: Mutex<BTreeMap<u64, u64>>,
    /// Segments that failed, and how much of them counts. Not in `active`, which is held over every flush.
    failed: Mutex<BTreeMap<u64, u64>>,
    files: Mutex<Vec<(u64, Arc<dyn File>)>>,
}

#[derive(Debug)]
struct Active {
    open: Option<Open>,
    next: u64,
    /// The room for the next segment that is a new file.
    new_bytes: u64,
    /// The segment before the next one, and how much of it counts.
    previous: (u64, u64),
}

#[derive(Debug)]
struct Open {
    prelude: Prelude,
    file: Arc<dyn File>,
    /// Where the next record goes.
    end: u64,
    durable: u64,
    /// How long the file is.
    bytes: u64,
    /// Whether a spare was asked for to come after it.
    asked: bool,
}

impl Open {
    fn fits(&self, entry: &Entry, pending: u64) -> bool {
        let room = self.bytes - CLOSING_BYTES;
        let lets_out = matches!(entry.class, EntryClass::Outward | EntryClass::Outcome);
        let kept = if lets_out { 0 } else { room / 16 };
        // A record that needs a segment of its own has one that is as large as it.
        let empty = self.end + pending == RECORDS_AT;
        self.end + pending + entry.buffer.record_bytes() <= if empty { room } else { room - kept }
    }
}

impl Log {
    /// A log that goes on behind what was found: the segments, and how much of each counts.
    pub(super) fn new(env: Env, dir: PathBuf, spares: Spares, found: BTreeMap<u64, u64>) -> Self {
        let previous = found.last_key_value().map_or((0, 0), |(&number, &bytes)| (number, bytes));
        let new_bytes = spares.bytes.min(NEW_BYTES_MIN);
        Self {
            env,
            dir,
            spares,
            queue: Queue::default(),
            active: Mutex::new(Active { open: None, next: previous.0 + 1, new_bytes, previous }),
            segments: Mutex::new(found),
            failed: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Brings entries to the log, together and in this order. Without a thread of the log's own, the caller goes on
    /// with [`Log::drive`] when it holds no lock.
    pub(super) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        self.queue.push(entries);
    }

    /// Writes what has been pushed, unless somebody else does.
    pub(super) fn drive(&self) {
        if self.queue.lead() {
            while let Some(entries) = self.queue.take() {
                self.write(entries);
            }
        }
    }

    /// Writes what is pushed from now on, until [`Queue::stop`].
    pub(super) fn run(&self) {
        while let Some(entries) = self.queue.next() {
            self.write(entries);
        }
    }

    /// The segments there are, and how many octets of each count.
    pub(super) fn segments(&self) -> BTreeMap<u64, u64> {
        lock(&self.segments).clone()
    }

    /// Whether a segment is written to.
    pub(super) fn is_active(&self, number: u64) -> bool {
        // The last one may be full already, or have failed; it is then given back a segment later.
        lock(&self.segments).last_key_value().is_some_and(|(&last, _)| last == number)
    }

    /// Takes note that segments are gone, durably.
    pub(super) fn forget(&self, gone: &[u64]) {
        lock(&self.segments).retain(|number, _| !gone.contains(number));
    }

    /// Opens a segment for reading.
    pub(super) fn file(&self, number: u64) -> io::Result<Arc<dyn File>> {
        let mut files = lock(&self.files);
        let known = files.iter().position(|(known, _)| *known == number);
        let file = match known {
            Some(at) => files.remove(at).1,
            None => self.env.fs().open(&segment::path(&self.dir, number), OpenMode::Read)?.into(),
        };
        keep(&mut files, number, &file);
        Ok(file)
    }

    /// A segment that is open already.
    pub(super) fn file_at_hand(&self, number: u64) -> Option<Arc<dyn File>> {
        let files = lock(&self.files);
        files.iter().find(|(known, _)| *known == number).map(|(_, file)| Arc::clone(file))
    }

    /// Removes the file of a segment, or makes a spare of it, whose number it returns; durable when its directory is.
    pub(super) fn retire(&self, number: u64) -> Result<Option<usize>> {
        lock(&self.files).retain(|(known, _)| *known != number);
        let path = segment::path(&self.dir, number);
        // A file that has failed is not trusted with anything more.
        let failed = lock(&self.failed).contains_key(&number);
        if !failed && let Some(slot) = self.spares.keep(&path) {
            return Ok(Some(slot));
        }
        match self.env.fs().unlink(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("removing", &path, &error))
            }
            _ => Ok(None),
        }
    }

    fn write(&self, entries: Vec<Entry>) {
        let mut active = lock(&self.active);
        let mut entries = VecDeque::from(entries);
        let mut no_room: Option<StoreError> = None;
        let mut group = Vec::new();
        while let Some(entry) = entries.pop_front() {
            if self.has_lost(&entry.needs) {
                answer(
                    entry,
                    Err(self.error("writing", &io::Error::other("a part of the message was lost"))),
                );
                continue;
            }
            let open = active.open.as_ref();
            if open.is_some_and(|open| open.fits(&entry, 0)) {
                let mut bytes = entry.buffer.record_bytes();
                group.push(entry);
                while let Some(next) = entries.front()
                    && bytes < GROUP_BYTES_MAX
                    && open.is_some_and(|open| open.fits(next, bytes))
                    && !self.has_lost(&next.needs)
                {
                    bytes += next.buffer.record_bytes();
                    group.extend(entries.pop_front());
                }
                self.write_group(&mut active, &mut group);
                continue;
            }
            match no_room.clone().map_or_else(|| self.next_segment(&mut active, &entry), Err) {
                Ok(()) => entries.push_front(entry),
                Err(error) => {
                    no_room = Some(error.clone());
                    answer(entry, Err(error));
                }
            }
        }
    }

    /// Writes a group that fits, and empties it.
    fn write_group(&self, active: &mut Active, group: &mut Vec<Entry>) {
        let Some(open) = &mut active.open else { return };
        let (mut end, durable) = (open.end, offset(open.durable));
        let mut places = Vec::with_capacity(group.len());
        for entry in &mut *group {
            let spot = open.prelude.spot(offset(end));
            end += entry.buffer.place(spot, durable).len() as u64;
            places.push(Place { segment: spot.segment, offset: spot.offset + offset(HEADER_BYTES as u64) });
        }
        let parts: Vec<&[u8]> = group.iter().map(|entry| entry.buffer.record()).collect();
        let written = open.file.write_at(&parts, open.end);
        if written.is_ok() {
            open.end = end;
            lock(&self.segments).insert(open.prelude.number, end);
            if end > open.bytes / 2 && !std::mem::replace(&mut open.asked, true) {
                self.spares.want();
            }
        }
        let mut waiting = Vec::with_capacity(group.len());
        for (entry, place) in group.drain(..).zip(places) {
            if entry.class == EntryClass::Chunk && written.is_ok() {
                answer(entry, Ok(place));
            } else {
                waiting.push((entry, place));
            }
        }
        let synced = written.and_then(|()| if waiting.is_empty() { Ok(()) } else { open.sync() });
        let failed = synced.err().map(|error| self.fail(active, &error));
        for (entry, place) in waiting {
            answer(entry, failed.clone().map_or(Ok(place), Err));
        }
    }

    /// Gives up the segment that is written to.
    fn fail(&self, active: &mut Active, error: &io::Error) -> StoreError {
        if let Some(open) = active.open.take() {
            // Those who brought it are told that it failed: let it not come back, if we can help it.
            open.cut();
            let number = open.prelude.number;
            lock(&self.failed).insert(number, open.durable);
            active.previous = (number, open.durable);
            lock(&self.segments).insert(number, open.durable);
        }
        self.error("writing", error)
    }

    /// Begins a segment that has room for `entry`.
    fn next_segment(&self, active: &mut Active, entry: &Entry) -> Result<()> {
        if let Some(open) = &mut active.open
            && let Err(error) = open.sync()
        {
            self.fail(active, &error);
        }
        let needed = RECORDS_AT + entry.buffer.record_bytes() + CLOSING_BYTES;
        let spare = if needed <= self.spares.bytes {
            self.spares.use_one(|path| {
                let prelude = self.prelude(active, true);
                segment::create(&self.env, &self.dir, &prelude, Source::Spare(path))
                    .map(|file| (prelude, file, self.spares.bytes))
            })
        } else {
            None
        };
        let (prelude, file, bytes) = match spare {
            Some(made) => made,
            None => {
                let prelude = self.prelude(active, false);
                let bytes = aligned(needed.max(active.new_bytes));
                let file =
                    segment::create(&self.env, &self.dir, &prelude, Source::New(bytes)).map_err(|error| {
                        let needed = format!("{} KiB of room are needed", bytes.div_ceil(1024));
                        self.error("beginning a segment in", &error).with_detail(needed)
                    })?;
                active.new_bytes = (active.new_bytes * 2).min(self.spares.bytes);
                (prelude, file, bytes)
            }
        };
        if let Some(old) = active.open.take() {
            old.close(self.spares.bytes);
            active.previous = (old.prelude.number, old.durable);
        }
        lock(&self.segments).insert(prelude.number, RECORDS_AT);
        keep(&mut lock(&self.files), prelude.number, &file);
        active.open = Some(Open { prelude, file, end: RECORDS_AT, durable: RECORDS_AT, bytes, asked: false });
        Ok(())
    }

    /// The prelude of another segment.
    fn prelude(&self, active: &mut Active, reused: bool) -> Prelude {
        let (previous, previous_bytes) =
            active.open.as_ref().map_or(active.previous, |open| (open.prelude.number, open.durable));
        let number = active.next;
        active.next += 1;
        let host = self.env.host();
        let random = host.random();
        let tag = format!("{:?} {} {} {random}", host.now(), host.pid(), self.env.count());
        let tag = crc32c::crc32c(tag.as_bytes());
        let salt = (random >> 32) as u32;
        Prelude { number, tag, salt, reused, previous, previous_bytes: offset(previous_bytes) }
    }

    /// Whether a failure took any of these pieces.
    fn has_lost(&self, extents: &[Extent]) -> bool {
        // Most have none.
        if extents.is_empty() {
            return false;
        }
        let failed = lock(&self.failed);
        extents.iter().any(|extent| {
            failed
                .get(&extent.segment)
                .is_some_and(|&durable| u64::from(extent.offset) + u64::from(extent.bytes) > durable)
        })
    }

    fn error(&self, doing: &'static str, error: &io::Error) -> StoreError {
        StoreError::io(doing, &self.dir, error)
    }
}

impl Open {
    /// Makes durable what has been written.
    fn sync(&mut self) -> io::Result<()> {
        if self.durable < self.end {
            self.file.sync_data()?;
            self.durable = self.end;
        }
        Ok(())
    }

    /// Says how much of it counts, where the next segment's prelude says the same. Nothing is lost when it fails.
    fn close(&self, spare_bytes: u64) {
        if self.bytes != spare_bytes {
            return self.cut();
        }
        if let Some((at, closing)) = self.prelude.closing(self.bytes, offset(self.durable)) {
            let _ = self.file.write_at(&[&closing], at).and_then(|()| self.file.sync_data());
        }
    }

    /// Gives back what was reserved and not used. What counts of the segment the next one says; its length says the same
    /// when that one is gone. Nothing is lost when it fails.
    fn cut(&self) {
        let _ = self.file.set_len(self.durable).and_then(|()| self.file.sync_data());
    }
}

/// Calls back. A panic there must not take the log from everybody else; its message is in the log of the program.
fn answer(entry: Entry, result: Result<Place>) {
    let _ = catch_unwind(AssertUnwindSafe(|| (entry.done)(result)));
}

fn keep(files: &mut Vec<(u64, Arc<dyn File>)>, number: u64, file: &Arc<dyn File>) {
    if files.len() >= FILES_MAX {
        files.remove(0);
    }
    files.push((number, Arc::clone(file)));
}

fn offset(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("invariant: a segment is far smaller than 4 GiB")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The journal of an mbox: what a change will make of the file, durable before the file is touched.
//!
//! A mailbox is changed where it is, since other programs hold the file open, and since a new file would have another
//! owner and lose its other names. So a crash can leave it half changed; the journal then says what to do, and whoever
//! next takes the lock does it before anything else. A journal is never thrown away before what it asks for is durable.
//!
//! # Order of operations
//! * **Append**: an *intent* (old and new length, the checksum of what comes, its first octets) is written to the
//!   journal and synced. The file is extended, what comes is written, the file synced; the journal is emptied and
//!   synced. Only then is anything told.
//! * **Rewrite**: everything that changes is written to a new journal. The mailbox is synced, since the journal is to know it
//!   again by what stands in it; then the journal, which is renamed over the old one, and the directory. It is written into the
//!   file, the file cut, synced; the journal is emptied and synced.
//!
//! # What a crash can leave
//!
//! | journal | mailbox | when | next who takes the lock |
//! | --- | --- | --- | --- |
//! | empty, or in part | old | before the journal is durable | empties it |
//! | intent | old length | before the file is extended | empties it |
//! | intent | longer, the checksum holds | before the journal is emptied | empties it: the message is there, whole; nobody was told |
//! | intent | longer, zeros or the first octets of what was to come at the old end | while it was written | cuts the file to its old length |
//! | intent | longer, something else at the old end | another program has appended before we had | empties it |
//! | rewrite | any mixture of old and new | while it was written into the file | writes it again, all of it |
//! | rewrite | as above, and longer | besides, another program has appended, at the old end or the new | the same, and what was appended goes behind it |
//! | any | not the file it was, or shorter than it can be | another program has rewritten the mailbox meanwhile | sets the journal aside under another name, and says so |
//!
//! That another program has rewritten the file between a crash and our next look cannot be seen for certain. The
//! dotlock stands until it is stale and keeps away whoever respects it.

mod recover;

use std::io;

use super::lock::MboxLock;
use super::place::Place;
use crate::error::{Result, StoreError};
use crate::fs::{self, File, OpenMode};

pub(super) use recover::recover;

/// The most octets of the mailbox in one frame.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// How much of what is appended the intent holds, to know it again.
pub(super) const HEAD_BYTES_MAX: usize = 256;

/// How much before the first changed octet is summed, to know the file again.
const BEFORE_BYTES_MAX: u64 = 4096;

/// What is about to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    pub(super) inode: u64,
    pub(super) old_len: u64,
    pub(super) new_len: u64,
    /// Of all that is appended.
    pub(super) sum: u32,
    /// Its first octets.
    pub(super) head: Vec<u8>,
}

/// What is known of the file when a rewrite begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Before {
    inode: u64,
    old_len: u64,
    /// No octet before this changes.
    start: u64,
    /// Of up to [`BEFORE_BYTES_MAX`] octets before `start`.
    before_sum: u32,
}

/// The end of a rewrite: with it the journal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Commit {
    new_len: u64,
    /// Of the file from `new_len` to its old length, as it was.
    tail_sum: u32,
    /// Of the sums of all frames.
    frames_sum: u32,
}

/// A part of a journal. Each has a tag, its length, and its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Frame {
    Intent(Intent),
    Before(Before),
    /// What stands at an offset when all is done.
    Write(u64, Vec<u8>),
    Commit(Commit),
}

const HEADER_BYTES: usize = 9;

impl Frame {
    fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        let tag = match self {
            Frame::Intent(Intent { inode, old_len, new_len, sum, head }) => {
                [inode, old_len, new_len].iter().for_each(|number| payload.extend(number.to_le_bytes()));
                payload.extend(sum.to_le_bytes());
                payload.extend_from_slice(head);
                b'I'
            }
            Frame::Before(Before { inode, old_len, start, before_sum }) => {
                [inode, old_len, start].iter().for_each(|number| payload.extend(number.to_le_bytes()));
                payload.extend(before_sum.to_le_bytes());
                b'B'
            }
            Frame::Write(offset, octets) => {
                payload.extend(offset.to_le_bytes());
                payload.extend_from_slice(octets);
                b'W'
            }
            Frame::Commit(Commit { new_len, tail_sum, frames_sum }) => {
                payload.extend(new_len.to_le_bytes());
                payload.extend(tail_sum.to_le_bytes());
                payload.extend(frames_sum.to_le_bytes());
                b'C'
            }
        };
        let len = u32::try_from(payload.len()).expect("invariant: a frame holds a chunk at most");
        let mut frame = vec![tag];
        frame.extend(len.to_le_bytes());
        frame.extend(sum(tag, &payload).to_le_bytes());
        frame.append(&mut payload);
        frame
    }

    fn decode(tag: u8, payload: &[u8]) -> Option<Frame> {
        let mut rest = payload;
        let mut long = || {
            let (number, left) = rest.split_first_chunk()?;
            rest = left;
            Some(u64::from_le_bytes(*number))
        };
        match tag {
            b'I' => {
                let (inode, old_len, new_len) = (long()?, long()?, long()?);
                let (sum, head) = rest.split_first_chunk()?;
                let sum = u32::from_le_bytes(*sum);
                Some(Frame::Intent(Intent { inode, old_len, new_len, sum, head: head.to_vec() }))
            }
            b'B' => {
                let (inode, old_len, start) = (long()?, long()?, long()?);
                let before_sum = u32::from_le_bytes(rest.try_into().ok()?);
                Some(Frame::Before(Before { inode, old_len, start, before_sum }))
            }
            b'W' => {
                let offset = long()?;
                Some(Frame::Write(offset, rest.to_vec()))
            }
            b'C' => {
                let new_len = long()?;
                let (tail_sum, frames_sum) = rest.split_first_chunk()?;
                let tail_sum = u32::from_le_bytes(*tail_sum);
                let frames_sum = u32::from_le_bytes(frames_sum.try_into().ok()?);
                Some(Frame::Commit(Commit { new_len, tail_sum, frames_sum }))
            }
            _ => None,
        }
    }
}

fn sum(tag: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[tag]), payload)
}

/// Reads a journal frame by frame.
struct Frames<'a> {
    file: &'a dyn File,
    at: u64,
    /// Of the sums of all frames so far.
    sums: u32,
}

impl<'a> Frames<'a> {
    fn new(file: &'a dyn File) -> Self {
        Self { file, at: 0, sums: 0 }
    }

    /// The next frame; `None` at the end, and where it is torn.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut header = [0; HEADER_BYTES];
        if fs::read_full(self.file, &mut header, self.at)? < HEADER_BYTES {
            return Ok(None);
        }
        let [tag, l0, l1, l2, l3, told @ ..] = header;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if len > CHUNK_BYTES + HEAD_BYTES_MAX {
            return Ok(None);
        }
        let mut payload = vec![0; len];
        let n = fs::read_full(self.file, &mut payload, self.at + HEADER_BYTES as u64)?;
        if n < len || sum(tag, &payload).to_le_bytes() != told {
            return Ok(None);
        }
        if tag != b'C' {
            self.sums = crc32c::crc32c_append(self.sums, &told);
        }
        self.at += (HEADER_BYTES + len) as u64;
        Ok(Frame::decode(tag, &payload))
    }
}

/// Whether somebody is writing, or has died while writing.
pub(super) fn is_pending(place: &Place) -> Result<bool> {
    match place.env.fs().metadata(&place.journal()) {
        Ok(metadata) => Ok(metadata.size > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("reading", &place.journal(), &error)),
    }
}

/// The sum of a part of the mailbox.
fn sum_of(file: &dyn File, from: u64, until: u64) -> io::Result<u32> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut at, mut sum) = (from, 0);
    while at < until {
        let wanted = usize::try_from(until - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let n = fs::read_full(file, &mut chunk[..wanted], at)?;
        if n == 0 {
            break;
        }
        sum = crc32c::crc32c_append(sum, &chunk[..n]);
        at += n as u64;
    }
    Ok(sum)
}

fn before_sum(file: &dyn File, start: u64) -> io::Result<u32> {
    sum_of(file, start.saturating_sub(BEFORE_BYTES_MAX), start)
}

/// Empties the journal, durably: what it asked for is done.
fn clear(place: &Place, journal: Box<dyn File>) -> Result<()> {
    let cleared = journal.set_len(0).and_then(|()| place.env.syncs().sync_file(journal).1);
    cleared.map_err(|error| StoreError::io("writing", &place.journal(), &error))
}

/// Cuts the mailbox to a length, durably.
fn cut(place: &Place, lock: &mut MboxLock, len: u64) -> Result<()> {
    lock.file().set_len(len).map_err(|error| place.failed("cutting", &error))?;
    lock.sync(place)
}

/// An append of which the intent is durable.
#[derive(Debug)]
pub(super) struct Appending {
    journal: Box<dyn File>,
    intent: Intent,
}

impl Appending {
    /// Makes the intent durable. The journal is empty: the lock was taken.
    pub(super) fn begin(place: &Place, intent: Intent) -> Result<Self> {
        let path = place.journal();
        let failed = |error: io::Error| StoreError::io("writing", &path, &error);
        let disk = place.env.fs();
        let journal = match disk.open(&path, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = disk.open(&path, OpenMode::CreateWrite).map_err(failed)?;
                disk.sync_dir(&place.control).map_err(failed)?;
                made
            }
            opened => opened.map_err(failed)?,
        };
        let frame = Frame::Intent(intent.clone()).encode();
        let (journal, written) = match journal.write_at(&[&frame], 0) {
            Ok(()) => place.env.syncs().sync_file(journal),
            failed => (journal, failed),
        };
        if let Err(error) = written {
            // Whether it is durable is not known; the file has not been touched, so that it asks for nothing.
            let _ = journal.set_len(0);
            return Err(failed(error));
        }
        Ok(Self { journal, intent })
    }

    /// Ends it: all that was to be appended is durable.
    pub(super) fn done(self, place: &Place) -> Result<()> {
        clear(place, self.journal)
    }

    /// Takes back what was written. What fails here is done by whoever next takes the lock.
    pub(super) fn undo(self, place: &Place, lock: &mut MboxLock) {
        if cut(place, lock, self.intent.old_len).is_ok() {
            let _ = clear(place, self.journal);
        }
    }
}

/// A rewrite on its way into a new journal.
#[derive(Debug)]
pub(super) struct Rewriting {
    journal: Box<dyn File>,
    path: std::path::PathBuf,
    /// Where the next frame goes.
    at: u64,
    sums: u32,
    before: Before,
}

impl Rewriting {
    /// Begins. Nothing before `start` will change.
    pub(super) fn begin(place: &Place, mailbox: &dyn File, start: u64) -> Result<Self> {
        let metadata = mailbox.metadata().map_err(|error| place.failed("reading", &error))?;
        let before_sum = before_sum(mailbox, start).map_err(|error| place.failed("reading", &error))?;
        let before = Before { inode: metadata.inode, old_len: metadata.size, start, before_sum };
        let path = place.scratch();
        let journal = place.env.fs().open(&path, OpenMode::CreateWrite);
        let journal = journal.map_err(|error| StoreError::io("creating", &path, &error))?;
        let mut this = Self { journal, path, at: 0, sums: 0, before };
        this.put(place, &Frame::Before(before))?;
        Ok(this)
    }

    fn put(&mut self, place: &Place, frame: &Frame) -> Result<()> {
        let octets = frame.encode();
        if let Err(error) = self.journal.write_at(&[&octets], self.at) {
            let _ = place.env.fs().unlink(&self.path);
            return Err(StoreError::io("writing", &self.path, &error));
        }
        if !matches!(frame, Frame::Commit(_)) {
            self.sums = crc32c::crc32c_append(self.sums, &octets[5..HEADER_BYTES]);
        }
        self.at += octets.len() as u64;
        Ok(())
    }

    /// What will stand at `offset`; at most [`CHUNK_BYTES`].
    pub(super) fn write(&mut self, place: &Place, offset: u64, octets: Vec<u8>) -> Result<()> {
        self.put(place, &Frame::Write(offset, octets))
    }

    /// Makes the journal durable, and then the mailbox what it says. On an error before the journal counts nothing has
    /// changed; on one behind that, whoever next takes the lock goes on.
    pub(super) fn commit(mut self, place: &Place, lock: &mut MboxLock, new_len: u64) -> Result<()> {
        let old_len = self.before.old_len;
        let tail_sum = sum_of(lock.file(), new_len.min(old_len), old_len);
        let tail_sum = tail_sum.map_err(|error| place.failed("reading", &error))?;
        let commit = Commit { new_len, tail_sum, frames_sum: self.sums };
        self.put(place, &Frame::Commit(commit))?;
        let disk = place.env.fs();
        // What the sums are of may be in no more than memory: what another program has written, or we have changed in place.
        let synced = lock.sync(place);
        let journal = |error: io::Error| StoreError::io("writing", &self.path, &error);
        let placed = synced.and_then(|()| self.journal.sync().map_err(journal));
        let placed = placed.and_then(|()| disk.rename(&self.path, &place.journal()).map_err(journal));
        if let Err(error) = placed {
            let _ = disk.unlink(&self.path);
            return Err(error);
        }
        disk.sync_dir(&place.control).map_err(|error| StoreError::io("writing", &place.journal(), &error))?;
        if new_len > old_len
            && let Err(error) = lock.file().allocate(new_len)
        {
            // No room, and nothing written yet: everything stays as it was.
            if cut(place, lock, old_len).is_ok() {
                clear(place, self.journal)?;
            }
            return Err(place.failed("extending", &error));
        }
        apply(place, lock, self.journal, commit)
    }
}

/// Writes everything into the mailbox, and empties the journal.
fn apply(place: &Place, lock: &mut MboxLock, journal: Box<dyn File>, commit: Commit) -> Result<()> {
    let failed = |error: io::Error| place.failed("writing", &error);
    // Also when it shows this length already: what shows may be a cut that a failed flush has lost.
    lock.file().set_len(commit.new_len).map_err(failed)?;
    let mut frames = Frames::new(&*journal);
    loop {
        match frames.next().map_err(|error| StoreError::io("reading", &place.journal(), &error))? {
            Some(Frame::Write(offset, octets)) => {
                lock.file().write_at(&[&octets], offset).map_err(failed)?;
                lock.keep(&place.env);
            }
            Some(Frame::Before(_)) => {}
            _ => break,
        }
    }
    lock.sync(place)?;
    clear(place, journal)
}

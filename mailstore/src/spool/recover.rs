//! Opening a log that an earlier run left, in whatever state.
//!
//! # What a crash can leave
//!
//! | what stands in `log/` | when | recovery |
//! | --- | --- | --- |
//! | a file without records, with a prelude or without | while a segment was made, or before anything was in it | it is removed; one that was a spare is a segment with nothing in it |
//! | records up to a place, then nothing, zeros or a torn group | before the group's sync: nobody in it was answered | the segment is cut there |
//! | a torn group with whole records in it | the same; the system brought the later ones to the disk first | the whole ones count, the rest is made void |
//! | octets behind what the next segment says that counts | a write or sync failed, and who brought them was told | they are not read |
//! | the same, then octets of an earlier life of the file | before the group's sync, in a segment that was a spare | they are no records of this segment: as zeros |
//! | a message of a torn group, of which a part is missing | the same | it is made void |
//! | chunks, and no message they belong to | the message was not committed | nothing: they go with their segment |
//! | a segment that had been dropped | its removal did not reach the disk | its messages are done: the segments that say so are dropped only when the removal is durable |
//! | a spare that is shorter than a segment | while it was made | it is removed |
//! | a file that is a segment and a spare by its names | while it became the one or the other | it is the segment; the other name is removed |
//! | a message twice, in an old segment and moved to a new one | a crash while a segment was emptied | the later one counts, unless a part of it is missing |
//!
//! Not by a crash, but by a failing disk: records that were durable and cannot be read. That they were durable, a later
//! record of the segment says, its closing among them, or the next segment's prelude. Where nothing of these is left, a
//! damaged end looks like a torn one, unless the file was new, and something stands behind it in a segment that is not the last. What is damaged is copied to
//! `corrupt/` and made void; of a message that lost a part, what is left is written there too. All else is kept.
//!
//! Envelopes are held in memory, bodies are not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::log::Place;
use super::messages::{Message, Messages};
use super::record::{
    Extent, HEADER_BYTES, Header, Kind, MessageRecord, Record, Subject, SubjectStates, aligned,
};
use super::scan::{Found, Hole, Scanner};
use super::segment::{self, Prelude, RECORDS_AT};
use super::spare::SPARES_MAX;
use super::{Envelope, QueueId, Status};
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, Metadata, OpenMode};

/// What was found when a spool was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Messages in the queue.
    pub messages: usize,
    /// Large messages of which parts were written and which were never committed.
    pub unfinished: usize,
    /// Messages in the log that were done.
    pub done: usize,
    /// What could not be read, now in `corrupt/`, with what is wrong with it.
    pub corrupt: Vec<(PathBuf, String)>,
}

/// What recovery gives.
pub(super) struct Opened {
    pub(super) messages: Messages,
    /// The segments, and how much of each counts.
    pub(super) segments: BTreeMap<u64, u64>,
    /// Spares that can be used.
    pub(super) spares: Vec<usize>,
    /// Messages that are lost and stand in the log: it shall be told.
    pub(super) lost: Vec<Subject>,
    pub(super) recovered: Recovered,
}

/// Reads the log in `log`, mends it, and sets aside in `corrupt` what cannot be mended. A spare has `spare_bytes`.
pub(super) fn recover(env: &Env, log: &Path, corrupt: &Path, spare_bytes: u64) -> Result<Opened> {
    let disk = env.fs();
    // What is in the log may not be there durably yet when only the process died.
    disk.sync_dir(log).map_err(|error| StoreError::io("syncing", log, &error))?;
    let mut recovery = Recovery {
        env,
        log,
        corrupt,
        messages: Messages::default(),
        pieces: HashMap::new(),
        unfinished: HashSet::new(),
        seen: 0,
        lost: HashMap::new(),
        found: Recovered::default(),
        spares: Vec::new(),
        inodes: HashSet::new(),
    };
    let preludes = recovery.preludes()?;
    recovery.spares(spare_bytes)?;
    let mut segments = BTreeMap::new();
    for (index, (prelude, _)) in preludes.iter().enumerate() {
        let mut later = preludes[index + 1..].iter().filter(|(_, has_records)| *has_records);
        let is_last = later.clone().next().is_none();
        let next = later.rfind(|(next, _)| next.previous == prelude.number);
        let counts = next.map(|(next, _)| u64::from(next.previous_bytes));
        segments.insert(prelude.number, recovery.segment(prelude, counts, is_last)?);
    }
    recovery.set_lost_aside()?;
    let mut recovered = recovery.found;
    recovered.messages = recovery.messages.len();
    recovered.unfinished = recovery.unfinished.len();
    recovered.done = recovery.seen.saturating_sub(recovered.messages + recovery.lost.len());
    let lost = recovery.lost.into_values().map(|lost| lost.subject).collect();
    Ok(Opened { messages: recovery.messages, segments, spares: recovery.spares, lost, recovered })
}

struct Recovery<'a> {
    env: &'a Env,
    log: &'a Path,
    corrupt: &'a Path,
    messages: Messages,
    /// Pieces of bodies that are whole, by segment, ascending.
    pieces: HashMap<u64, Vec<(u32, u32)>>,
    /// Whose chunks have been read, and no message.
    unfinished: HashSet<QueueId>,
    /// Messages that have been read, each once.
    seen: usize,
    lost: HashMap<QueueId, Lost>,
    found: Recovered,
    spares: Vec<usize>,
    /// The files that are segments, or were set aside: no spares, whatever other name they have.
    inodes: HashSet<u64>,
}

/// A message of which a part is missing.
struct Lost {
    subject: Subject,
    envelope: Envelope,
    extents: Vec<Extent>,
    /// Which recipients are done: when all are, nothing is lost.
    done: Vec<bool>,
    place: Place,
    /// Where its record stands.
    record: Hole,
    /// Whether it was ever answered: what was not is none.
    answered: bool,
}

impl Recovery<'_> {
    /// The segments that have a prelude, ascending, and whether there is a record in each. Only of one with a record is it
    /// known that making it had not failed, and what it says of the one before it holds. What has nothing in it is
    /// removed, what has no prelude set aside.
    fn preludes(&mut self) -> Result<Vec<(Prelude, bool)>> {
        let disk = self.env.fs();
        let mut preludes = Vec::new();
        let mut entries =
            disk.read_dir(self.log).map_err(|error| StoreError::io("reading", self.log, &error))?;
        entries.sort();
        for entry in entries {
            let path = self.log.join(&entry.name);
            let failed = |error: io::Error| unreadable(&path, &error);
            if let Some(slot) = entry.name.to_str().and_then(segment::read_spare_name) {
                self.spares.push(slot);
                continue;
            }
            let Some(number) = entry.name.to_str().and_then(segment::read_name) else {
                self.set_aside(&path, "not a name of ours")?;
                continue;
            };
            let file = disk.open(&path, OpenMode::Read).map_err(failed)?;
            let prelude = Prelude::find(&*file, number).map_err(failed)?;
            let Metadata { size, inode, .. } = file.metadata().map_err(failed)?;
            let has_records = match prelude {
                Some(prelude) => Scanner::new(&*file, &prelude, size).next().map_err(failed)?.is_some(),
                None => false,
            };
            match prelude {
                _ if !has_records && is_blank(&*file, RECORDS_AT).map_err(failed)? => {
                    disk.unlink(&path).map_err(|error| StoreError::io("removing", &path, &error))?;
                }
                Some(prelude) => {
                    self.inodes.insert(inode);
                    preludes.push((prelude, has_records));
                }
                None => {
                    self.inodes.insert(inode);
                    self.set_aside(&path, "its first blocks are damaged")?;
                }
            }
        }
        Ok(preludes)
    }

    /// Keeps the spares that can be used, and removes the others.
    fn spares(&mut self, bytes: u64) -> Result<()> {
        let disk = self.env.fs();
        for slot in std::mem::take(&mut self.spares) {
            let path = segment::spare_path(self.log, slot);
            let known = disk.metadata(&path).map_err(|error| StoreError::io("looking at", &path, &error))?;
            if slot < SPARES_MAX && known.size == bytes && !self.inodes.contains(&known.inode) {
                self.spares.push(slot);
            } else {
                disk.unlink(&path).map_err(|error| StoreError::io("removing", &path, &error))?;
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, path: &Path, why: &str) -> Result<()> {
        let aside = self.corrupt.join(path.file_name().unwrap_or_default());
        self.env.fs().rename(path, &aside).map_err(|error| StoreError::io("setting aside", path, &error))?;
        self.found.corrupt.push((aside, why.to_owned()));
        Ok(())
    }

    /// Reads a segment, mends it, and says how much of it counts. `counts` is what the next segment says.
    fn segment(&mut self, prelude: &Prelude, counts: Option<u64>, is_last: bool) -> Result<u64> {
        let path = segment::path(self.log, prelude.number);
        let failed = |error: io::Error| unreadable(&path, &error);
        let file = self.env.fs().open(&path, OpenMode::Read).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.size;
        let mut scanner = Scanner::new(&*file, prelude, counts.unwrap_or(size).min(size));
        while let Some(found) = scanner.next().map_err(failed)? {
            let place = Place { segment: prelude.number, offset: found.offset };
            self.apply(found, place);
        }
        let (end, durable, mut holes) = (scanner.at(), scanner.durable, std::mem::take(&mut scanner.holes));
        let closed = scanner.closed;
        let counts = counts.or(closed);
        // Of a segment that is not the last, all that is there counts; its reserve may not have been given back. What stands
        // there from an earlier life does not.
        let whole =
            counts.is_some() || (!is_last && !prelude.reused && !is_blank(&*file, end).map_err(failed)?);
        // What was found in a segment behind which another was made was durable then.
        let answered = if whole || !is_last { u64::MAX } else { durable };
        let mut never = Vec::new();
        self.lost.retain(|_, lost| {
            if lost.place.segment == prelude.number {
                lost.answered |= u64::from(lost.place.offset) < answered;
                if !lost.answered {
                    never.push(lost.record);
                }
            }
            lost.answered
        });
        self.seen -= never.len();
        if whole && end < counts.unwrap_or(size) {
            holes.push(Hole { from: end, to: counts.unwrap_or(size) });
        }
        for hole in &holes {
            if whole || hole.from < durable {
                self.keep_damaged(&*file, prelude.number, hole)?;
            }
        }
        // Made void with what they lack, or they would look like a loss when the next segment says that they count.
        holes.extend(never);
        if !holes.is_empty() || (is_last && size > 0) {
            mend(self.env, &path, prelude, &holes, (is_last && closed.is_none()).then_some(end))
                .map_err(|error| StoreError::io("mending", &path, &error))?;
        }
        Ok(counts.unwrap_or(end))
    }

    /// Copies damaged octets to `corrupt/`.
    fn keep_damaged(&mut self, file: &dyn File, number: u64, hole: &Hole) -> Result<()> {
        let aside = self.corrupt.join(format!("{number:016x}-{:08x}", hole.from));
        let extent = |from: u64| {
            let bytes = (hole.to - from).min(1 << 20) as u32;
            Extent { segment: number, offset: from as u32, bytes }
        };
        let extents: Vec<Extent> = (hole.from..hole.to).step_by(1 << 20).map(extent).collect();
        write_aside(self.env, &aside, b"", extents.iter().map(|extent| (file, *extent)))
            .map_err(|error| StoreError::io("setting aside damage in", &aside, &error))?;
        self.found
            .corrupt
            .push((aside, format!("{} octets of segment {number:016x} are damaged", hole.to - hole.from)));
        Ok(())
    }

    fn apply(&mut self, found: Found, place: Place) {
        match found.record {
            Record::Message(record) => self.apply_message(record, place, found.payload_bytes),
            Record::Chunk { id, body } => {
                let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let piece = (place.offset + narrow(body), found.payload_bytes - narrow(body));
                self.pieces.entry(place.segment).or_default().push(piece);
                if self.messages.get(&id).is_err() {
                    self.unfinished.insert(id);
                }
            }
            Record::States(states) => self.apply_states(place.segment, &states),
            Record::Terms(subject, terms) => {
                self.messages.set_terms(&subject.id, |known| *known = terms);
                self.messages.apply_terms(place.segment, &subject);
            }
            Record::Gone(subject) => {
                self.messages.note(place.segment, subject.birth.unwrap_or(place.segment));
                self.messages.remove(&subject.id);
                self.seen -= usize::from(self.lost.remove(&subject.id).is_some());
            }
            Record::Void => {}
        }
    }

    fn apply_states(&mut self, segment: u64, states: &[SubjectStates]) {
        self.messages.apply_states(segment, states);
        states.iter().for_each(|(subject, states)| self.apply_to_lost(subject, states));
    }

    /// The pieces of a message that is done may be gone: it is not lost.
    fn apply_to_lost(&mut self, subject: &Subject, states: &[(u32, Status)]) {
        let Some(lost) = self.lost.get_mut(&subject.id) else { return };
        for (number, status) in states {
            if let Some(done) = lost.done.get_mut(*number as usize) {
                *done |= status.state.is_done();
            }
        }
        if lost.done.iter().all(|done| *done) {
            self.lost.remove(&subject.id);
        }
    }

    fn apply_message(&mut self, mut record: MessageRecord, place: Place, payload_bytes: u32) {
        let id = record.subject.id.clone();
        // Also of one that lacks a part: its chunks were durable before it was written, and have gone since.
        self.apply_states(place.segment, &std::mem::take(&mut record.outcomes));
        self.unfinished.remove(&id);
        let is_new = self.messages.get(&id).is_err();
        if record.extents.iter().all(|extent| self.is_whole(extent)) {
            let message = Message::new(record, place, true);
            for extent in message.extents() {
                if extent.segment == place.segment {
                    let piece = (extent.offset, extent.bytes);
                    let pieces = self.pieces.entry(place.segment).or_default();
                    if pieces.last().is_none_or(|last| *last < piece) {
                        pieces.push(piece);
                    }
                }
            }
            self.seen += usize::from(is_new && self.lost.remove(&id).is_none());
            if is_new {
                self.messages.body_bytes += message.body_bytes();
            }
            self.messages.insert(id, message);
        } else if is_new {
            let MessageRecord { subject, envelope, extents, statuses, .. } = record;
            let mut done: Vec<bool> = statuses.iter().map(|status| status.state.is_done()).collect();
            done.resize(envelope.recipients.len(), false);
            if done.iter().all(|done| *done) {
                // Written anew in the hands of a deliverer who had just served the last recipient.
                self.messages.note(place.segment, subject.birth.unwrap_or(place.segment));
                self.seen += usize::from(self.lost.remove(&id).is_none());
                return;
            }
            // One that is written anew was answered when it was written first.
            let answered = self.lost.get(&id).is_some_and(|lost| lost.answered);
            let start = u64::from(place.offset);
            let record =
                Hole { from: start - HEADER_BYTES as u64, to: aligned(start + u64::from(payload_bytes)) };
            let lost = Lost { subject, envelope, extents, done, place, record, answered };
            self.seen += usize::from(self.lost.insert(id, lost).is_none());
        } else {
            self.messages.note(place.segment, record.subject.birth.unwrap_or(place.segment));
        }
    }

    fn is_whole(&self, extent: &Extent) -> bool {
        self.pieces
            .get(&extent.segment)
            .is_some_and(|pieces| pieces.binary_search(&(extent.offset, extent.bytes)).is_ok())
    }

    /// Writes what is left of messages that lost a part to `corrupt/`.
    fn set_lost_aside(&mut self) -> Result<()> {
        for (id, lost) in &self.lost {
            let aside = self.corrupt.join(id.as_str());
            let to: Vec<&str> =
                lost.envelope.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
            let story = format!("from <{}> to <{}>", lost.envelope.reverse_path, to.join(">, <"));
            let mut pieces = Vec::new();
            for extent in lost.extents.iter().filter(|extent| self.is_whole(extent)) {
                let path = segment::path(self.log, extent.segment);
                let file = self.env.fs().open(&path, OpenMode::Read);
                pieces.push((file.map_err(|error| StoreError::io("reading", &path, &error))?, *extent));
            }
            let head = format!("X-Spool-Damaged: {story}\r\n");
            write_aside(
                self.env,
                &aside,
                head.as_bytes(),
                pieces.iter().map(|(file, extent)| (&**file, *extent)),
            )
            .map_err(|error| StoreError::io("setting aside a damaged message in", &aside, &error))?;
            self.found.corrupt.push((aside, format!("a part of the message {story} is missing")));
        }
        Ok(())
    }
}

/// The error of a segment that cannot be read. What else is in the spool is not delivered before somebody has decided whether
/// it may be read some day.
fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    let error = StoreError::io("reading", path, error);
    match error.kind() {
        ErrorKind::Io => error.with_detail(
            "where sectors cannot be read, put a copy in place of the file that has zeros there, of the same length; what is \
             damaged by that is set aside",
        ),
        _ => error,
    }
}

/// Whether nothing stands from a place on.
fn is_blank(file: &dyn File, mut at: u64) -> io::Result<bool> {
    let mut block = [0; 4096];
    loop {
        match fs::read_full(file, &mut block, at)? {
            0 => return Ok(true),
            n if block[..n].iter().any(|&octet| octet != 0) => return Ok(false),
            n => at += n as u64,
        }
    }
}

/// Writes a file of `corrupt/`, durably; one that an earlier recovery was writing is written anew.
fn write_aside<'f>(
    env: &Env,
    path: &Path,
    head: &[u8],
    pieces: impl Iterator<Item = (&'f dyn File, Extent)>,
) -> io::Result<()> {
    match env.fs().unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut aside = fs::BufferedFile::new(env.fs().open(path, OpenMode::CreateNew)?);
    aside.append(head)?;
    for (file, extent) in pieces {
        let mut octets = vec![0; extent.bytes as usize];
        let read = fs::read_full(file, &mut octets, extent.offset.into())?;
        aside.append(&octets[..read])?;
    }
    aside.sync()?;
    path.parent().map_or(Ok(()), |dir| env.fs().sync_dir(dir))
}

/// Makes holes void, and cuts the last segment to `end`; durable on return. What was read and perhaps never synced is
/// synced with it, because it is acted upon from now on.
fn mend(env: &Env, path: &Path, prelude: &Prelude, holes: &[Hole], end: Option<u64>) -> io::Result<()> {
    let file = env.fs().open(path, OpenMode::Write)?;
    for hole in holes {
        let Some(bytes) = (hole.to - hole.from).checked_sub(HEADER_BYTES as u64) else { continue };
        let offset = u32::try_from(hole.from).unwrap_or(u32::MAX);
        let header = Header {
            kind: Kind::Void,
            payload_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            payload_sum: 0,
            durable: 0,
        };
        file.write_at(&[&header.write(prelude.spot(offset))], hole.from)?;
    }
    if let Some(end) = end
        && file.metadata()?.size > end
    {
        file.set_len(end)?;
    }
    file.sync_data()
}

//! What becomes of old segments: dropped when nothing in them is needed, emptied when little is.
//!
//! # Order of operations
//! * Drop: unlink segments, or make spares of them (`spare.rs`), of which nothing is live, which nobody reads, and whose news of messages that are done nobody
//!   can miss (`messages.rs`), oldest first; sync `log/`; only then are they taken for gone, and later segments that
//!   waited for them looked at.
//! * Empty: each message that needs something in the segment is written anew at the end of the log, the pieces of its
//!   body that stand in the segment as chunks before it; of messages that are done and could be read again, a record
//!   says so anew. Then nothing in the segment is needed, and it is dropped. Accepting and delivering go on meanwhile: a
//!   message with a record on its way to the disk is left for the next time.
//!
//! What is damaged, or cannot be read, is not moved: its segment stays as it is, for recovery to set aside, and is not looked at
//! again. The next one is emptied instead.
//!
//! # Limits
//! A segment is emptied when more than half of it is garbage, and when the garbage of all segments is more than
//! what is live and [`GARBAGE_SEGMENTS`] segments. A batch of [`BATCH`] messages is under way at a time.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use super::log::{Entry, EntryClass, Place, lock};
use super::log_spool::Inner;
use super::record::{self, Extent, Record, Subject};
use super::scan::Scanner;
use super::segment::{self, Prelude};
use super::{QueueId, wait};
use crate::error::{Result, StoreError};
use crate::fs;

/// How many segments of garbage are let lie, beside as much as is live.
const GARBAGE_SEGMENTS: u64 = 4;

/// How many messages are moved in one step.
const BATCH: usize = 64;

impl Inner {
    /// Drops what can be dropped, empties one segment if that is worth it, and makes a spare if one is wanted. Nobody else
    /// does meanwhile.
    pub(super) fn compact(self: &Arc<Self>) -> Result<()> {
        let given_back = self.give_back();
        // Also when that failed: who commits asks for it until it was tried.
        self.log.spares.make_if_wanted();
        given_back
    }

    fn give_back(self: &Arc<Self>) -> Result<()> {
        self.drop_dead()?;
        let mut emptied = Ok(());
        while let Some(number) = self.worst() {
            let this = self.empty(number);
            let is_next_tried = this.is_err() && lock(&self.damaged).contains(&number);
            emptied = emptied.and(this);
            if !is_next_tried {
                break;
            }
        }
        self.drop_dead()?;
        emptied
    }

    /// What of a segment cannot be read as it was written, or at all; it is not looked at again. What fails for another reason, as for
    /// want of descriptors or memory, may be read the next time.
    fn damaged(&self, number: u64, error: &std::io::Error) -> StoreError {
        let is_bad_sector = error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
        let is_damage =
            matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) || is_bad_sector;
        if is_damage {
            lock(&self.damaged).insert(number);
        }
        StoreError::io("moving messages out of", &segment::path(&self.log.dir, number), error)
    }

    /// Drops segments until none can be dropped.
    fn drop_dead(&self) -> Result<()> {
        loop {
            let dead = {
                let segments = self.log.segments();
                let mut messages = self.messages();
                let is_dead = |number: &u64| {
                    let segment = messages.segment(*number);
                    let told =
                        segment.birth_min.is_none_or(|birth| segments.range(birth..*number).next().is_none());
                    segment.live == 0 && segment.pins == 0 && told && !self.log.is_active(*number)
                };
                segments.keys().copied().filter(is_dead).collect::<Vec<u64>>()
            };
            if dead.is_empty() {
                return Ok(());
            }
            let mut spares = Vec::new();
            let gone = dead.iter().try_for_each(|number| {
                spares.extend(self.log.retire(*number)?);
                Ok(())
            });
            let dir = &self.log.dir;
            let synced = gone.and_then(|()| {
                self.env.fs().sync_dir(dir).map_err(|error| StoreError::io("syncing", dir, &error))
            });
            if let Err(error) = synced {
                self.log.spares.remove(&spares);
                return Err(error);
            }
            self.log.spares.offer(&spares);
            self.log.forget(&dead);
            self.messages().drop_segments(&dead);
        }
    }

    /// The segment with the most garbage, when there is too much.
    fn worst(&self) -> Option<u64> {
        let segments = self.log.segments();
        let damaged = lock(&self.damaged);
        let mut messages = self.messages();
        let (mut live, mut garbage) = (0, 0);
        let mut worst = None;
        for (&number, &bytes) in segments.iter().filter(|(number, _)| !self.log.is_active(**number)) {
            let segment = messages.segment(number);
            let waste = bytes.saturating_sub(segment.live_bytes);
            live += segment.live_bytes.min(bytes);
            garbage += waste;
            let is_damaged = damaged.contains(&number);
            if waste > bytes / 2
                && segment.pins == 0
                && !is_damaged
                && worst.is_none_or(|(most, _)| waste > most)
            {
                worst = Some((waste, number));
            }
        }
        let let_lie = live + GARBAGE_SEGMENTS * self.limits.segment_bytes;
        worst.filter(|_| garbage > let_lie).map(|(_, number)| number)
    }

    /// Moves what is needed out of a segment.
    fn empty(self: &Arc<Self>, number: u64) -> Result<()> {
        let records = self.whole_records(number)?;
        let (mut after, mut all_whole): (Option<QueueId>, _) = (None, true);
        loop {
            let batch = self.messages().in_segment(number, after.as_ref(), BATCH);
            let Some(last) = batch.last().cloned() else { break };
            all_whole &= self.move_messages(number, &records, &batch)?;
            after = Some(last);
        }
        if !all_whole {
            return Err(self.damaged(number, &ErrorKind::InvalidData.into()));
        }
        // A message that could not be moved may be told of in this segment alone.
        if self.messages().segment(number).live > 0 { Ok(()) } else { self.move_news(number) }
    }

    /// Where the payloads of the records of a segment are that are as they were written. What has rotted must not be written
    /// anew: it would have a sum that is right, and nobody would ever know.
    fn whole_records(&self, number: u64) -> Result<Vec<Range<u32>>> {
        let failed = |error: std::io::Error| self.damaged(number, &error);
        let file = self.log.file(number).map_err(failed)?;
        let bytes = self.log.segments().get(&number).copied().unwrap_or(0);
        let mut records = Vec::new();
        if let Some(prelude) = Prelude::find(&*file, number).map_err(failed)? {
            let mut scanner = Scanner::new(&*file, &prelude, bytes);
            while let Some(found) = scanner.next().map_err(failed)? {
                records.push(found.offset..found.offset + found.payload_bytes);
            }
        }
        Ok(records)
    }

    /// Whether all of these messages are as they were written, and so were moved.
    fn move_messages(self: &Arc<Self>, number: u64, records: &[Range<u32>], ids: &[QueueId]) -> Result<bool> {
        let mut waiting = Vec::with_capacity(ids.len());
        let mut all_whole = true;
        for id in ids {
            let Ok(extents) = self.messages().extents(id) else { continue };
            // Each is copied under a pin, so that neither the old nor the new pieces go meanwhile.
            if extents.iter().any(|extent| extent.segment == number && !is_whole(records, extent)) {
                all_whole = false;
                self.messages().unpin(&extents);
                continue;
            }
            let moved = self.copy_pieces(number, id, &extents);
            let (send, receive) = std::sync::mpsc::sync_channel(1);
            match moved {
                Ok(moved) => {
                    self.rewrite(id, &extents, moved, send);
                    waiting.push(receive);
                }
                Err(error) => {
                    self.messages().unpin(&extents);
                    return Err(error);
                }
            }
        }
        self.log.drive();
        for receive in waiting {
            // A sender that was dropped without an answer left its message where it was.
            receive.recv().unwrap_or(Ok(()))?;
        }
        Ok(all_whole)
    }

    /// Writes the pieces that stand in a segment to the end of the log, and returns where the body stands then; new
    /// places are pinned.
    fn copy_pieces(self: &Arc<Self>, number: u64, id: &QueueId, extents: &[Extent]) -> Result<Vec<Extent>> {
        let failed = |error: std::io::Error| self.damaged(number, &error);
        let chunk_bytes = u32::try_from(self.limits.small_bytes_max).unwrap_or(u32::MAX);
        let mut moved = Vec::with_capacity(extents.len());
        for extent in extents {
            if extent.segment != number {
                self.messages().pin(&[*extent]);
                moved.push(*extent);
                continue;
            }
            let mut from = 0;
            while from < extent.bytes {
                let bytes = (extent.bytes - from).min(chunk_bytes);
                let mut octets = vec![0; bytes as usize];
                let copied = self
                    .log
                    .file(number)
                    .and_then(|file| fs::read_full(&*file, &mut octets, u64::from(extent.offset + from)));
                let copied = copied.and_then(|read| match read == octets.len() {
                    true => Ok(()),
                    false => Err(ErrorKind::UnexpectedEof.into()),
                });
                let written = copied.map_err(failed).and_then(|()| self.copy_piece(id, &octets));
                match written {
                    Ok(extent) => moved.push(extent),
                    Err(error) => {
                        self.messages().unpin(&moved);
                        return Err(error);
                    }
                }
                from += bytes;
            }
        }
        Ok(moved)
    }

    fn copy_piece(self: &Arc<Self>, id: &QueueId, octets: &[u8]) -> Result<Extent> {
        let mut buffer = record::chunk(id);
        let start = buffer.payload_bytes() as u32;
        buffer.put(octets);
        let bytes = octets.len() as u32;
        let inner = Arc::clone(self);
        wait(|done| {
            let written = move |place: Result<Place>| {
                let extent =
                    place.map(|place| Extent { segment: place.segment, offset: place.offset + start, bytes });
                if let Ok(extent) = &extent {
                    inner.messages().pin(&[*extent]);
                }
                done(extent);
            };
            self.log.push([Entry {
                buffer,
                needs: Vec::new(),
                class: EntryClass::Chunk,
                done: Box::new(written),
            }]);
            self.log.drive();
        })
    }

    /// Writes a message anew with its body at `moved`, unless it has changed since it was looked at. Unpins both.
    fn rewrite(
        self: &Arc<Self>,
        id: &QueueId,
        old: &[Extent],
        moved: Vec<Extent>,
        done: std::sync::mpsc::SyncSender<Result<()>>,
    ) {
        let mut messages = self.messages();
        let Some(buffer) = messages.rewritten(id, old, &moved) else {
            messages.unpin(&moved);
            return messages.unpin(old);
        };
        let (inner, id, old) = (Arc::clone(self), id.clone(), old.to_vec());
        let needs = moved.clone();
        let written = move |place: Result<Place>| {
            {
                let mut messages = inner.messages();
                messages.unpin(&old);
                messages.unpin(&moved);
                if let Ok(place) = &place {
                    messages.apply_move(&id, *place, moved);
                }
            }
            // The receiver waits, unless an earlier one failed.
            let _ = done.send(place.map(drop));
        };
        // Under the lock: what is said of the message later stands later in the log.
        self.log.push([Entry { buffer, needs, class: EntryClass::Outward, done: Box::new(written) }]);
    }

    /// Says anew which messages are done, where a record in the segment said so and one that could be read again is left.
    fn move_news(self: &Arc<Self>, number: u64) -> Result<()> {
        let failed = |error: std::io::Error| self.damaged(number, &error);
        let segments = self.log.segments();
        let birth_min = self.messages().segment(number).birth_min;
        if birth_min.is_none_or(|birth| segments.range(birth..number).next().is_none()) {
            return Ok(());
        }
        let file = self.log.file(number).map_err(failed)?;
        let prelude = Prelude::find(&*file, number).map_err(failed)?;
        let prelude = prelude.ok_or_else(|| failed(ErrorKind::InvalidData.into()))?;
        let bytes = segments.get(&number).copied().unwrap_or(0);
        let mut scanner = Scanner::new(&*file, &prelude, bytes);
        let mut told: Vec<Subject> = Vec::new();
        while let Some(found) = scanner.next().map_err(failed)? {
            let subjects: Vec<Subject> = match found.record {
                Record::Message(message) => {
                    let others = message.outcomes.into_iter().map(|(subject, _)| subject);
                    std::iter::once(message.subject).chain(others).collect()
                }
                Record::States(states) => states.into_iter().map(|(subject, _)| subject).collect(),
                Record::Terms(subject, _) | Record::Gone(subject) => vec![subject],
                Record::Chunk { .. } | Record::Void => Vec::new(),
            };
            let messages = self.messages();
            told.extend(subjects.into_iter().filter(|subject| {
                let birth = subject.birth.unwrap_or(number);
                segments.range(birth..number).next().is_some() && messages.subject(&subject.id).is_err()
            }));
        }
        // What has rotted may have said that a message is done, which would be delivered again.
        if !scanner.holes.is_empty() {
            return Err(failed(ErrorKind::InvalidData.into()));
        }
        told.sort_by(|one, other| one.id.cmp(&other.id));
        told.dedup_by(|one, other| one.id == other.id);
        for batch in told.chunks(BATCH) {
            self.tell_gone(batch)?;
        }
        // All that had to be said is said elsewhere.
        self.messages().segment(number).birth_min = None;
        Ok(())
    }

    fn tell_gone(self: &Arc<Self>, subjects: &[Subject]) -> Result<()> {
        let mut waiting = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let (send, receive) = std::sync::mpsc::sync_channel(1);
            let (inner, birth) = (Arc::clone(self), subject.birth);
            let done = move |place: Result<Place>| {
                if let Ok(place) = &place {
                    inner.messages().note(place.segment, birth.unwrap_or(place.segment));
                }
                // As above.
                let _ = send.send(place.map(drop));
            };
            self.log.push([Entry {
                buffer: record::gone(subject),
                needs: Vec::new(),
                class: EntryClass::Outward,
                done: Box::new(done),
            }]);
            waiting.push(receive);
        }
        self.log.drive();
        waiting.into_iter().try_for_each(|receive| receive.recv().unwrap_or(Ok(())))
    }
}

/// Whether a piece of a body stands in a record that is as it was written.
fn is_whole(records: &[Range<u32>], extent: &Extent) -> bool {
    let before = records.partition_point(|record| record.end < extent.offset + extent.bytes);
    records.get(before).is_some_and(|record| record.start <= extent.offset)
}

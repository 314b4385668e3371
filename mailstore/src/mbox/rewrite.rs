//! Changing what stands in an mbox: marks of messages, and messages that go.
//!
//! What fits into the place of what it replaces is written there; from the first change on that does not fit,
//! everything behind it moves. All of it goes through the [`journal`](super::journal).

use std::ops::Range;

use super::fields::{self, Marks, Own, Verdict};
use super::journal::{CHUNK_BYTES, Rewriting};
use super::lines::Lines;
use super::lock::MboxLock;
use super::message::Message;
use super::place::Place;
use super::snapshot::{Known, Snapshot};
use crate::error::Result;
use crate::fs::{self, File};

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Change {
    Keep,
    Drop,
    Mark(Box<Marks>),
}

/// Makes the changes, durably. The snapshot is up to date, and is again afterwards.
pub(super) fn rewrite(
    place: &Place,
    lock: &mut MboxLock,
    snapshot: &mut Snapshot,
    mut change: impl FnMut(usize, &Known) -> Result<Change>,
) -> Result<()> {
    let size = lock.file().metadata().map_err(|error| place.failed("reading", &error))?.size;
    let mut writer = Writer { place, file: lock.file(), rewriting: None, moved_to: None };
    let mut messages = Vec::with_capacity(snapshot.messages.len());
    let mut base = snapshot.base.clone();
    let mut must_scan = false;
    for (index, known) in snapshot.messages.iter().enumerate() {
        let next = snapshot.messages.get(index + 1).map_or(size, |next| next.message.start);
        let message = &known.message;
        match change(index, known)? {
            Change::Keep => {
                let start = writer.moved_to.unwrap_or(message.start);
                writer.keep(message.start..next)?;
                messages.push(Known { message: message.moved_same(start), flags: known.flags.clone() });
            }
            Change::Drop => writer.begin_moving(message.start)?,
            Change::Mark(marks) => {
                let start = writer.moved_to.unwrap_or(message.start);
                let bytes = writer.mark(message, next, &marks)?;
                if messages.is_empty() {
                    base.clone_from(&marks.base);
                }
                match bytes.and_then(|bytes| u32::try_from(bytes).ok()) {
                    Some(bytes) => {
                        let mut message = message.moved(start, bytes);
                        message.mark(&marks);
                        messages.push(Known { message, flags: marks.flags });
                    }
                    None => must_scan = true,
                }
            }
        }
    }
    let Writer { rewriting, moved_to, .. } = writer;
    if let Some(rewriting) = rewriting {
        let committed = rewriting.commit(place, lock, moved_to.unwrap_or(size));
        if committed.is_err() || must_scan {
            *snapshot = Snapshot::default();
        }
        committed?;
    }
    if must_scan {
        return snapshot.update(place, lock.file());
    }
    (snapshot.messages, snapshot.base) = (messages, base);
    if snapshot.messages.is_empty() {
        snapshot.base = None;
    }
    snapshot.stamp(place, lock.file())
}

/// All that the mailbox's own fields of a message say.
pub(super) fn marks_of(place: &Place, file: &dyn File, message: &Message) -> Result<Marks> {
    let failed = |error: std::io::Error| place.failed("reading", &error);
    if let Some(marks) = super::snapshot::look_at(file, message).map_err(failed)? {
        return Ok(marks);
    }
    let mut found = None;
    let end = message.end;
    super::scan::scan(file, message.start, end, place.options.format, &mut |_, marks| {
        found = Some(marks);
        std::ops::ControlFlow::Break(())
    })
    .map_err(failed)?;
    found.ok_or_else(|| place.corrupt("a message is not where it was"))
}

struct Writer<'a> {
    place: &'a Place,
    file: &'a dyn File,
    /// Begun with the first change.
    rewriting: Option<Rewriting>,
    /// Where the next octet goes, once things move.
    moved_to: Option<u64>,
}

impl Writer<'_> {
    /// The journal; nothing before `start` changes if this is the first change.
    fn rewriting(&mut self, start: u64) -> Result<&mut Rewriting> {
        let rewriting = match self.rewriting.take() {
            Some(rewriting) => rewriting,
            None => Rewriting::begin(self.place, self.file, start)?,
        };
        Ok(self.rewriting.insert(rewriting))
    }

    fn begin_moving(&mut self, start: u64) -> Result<()> {
        self.rewriting(start)?;
        self.moved_to.get_or_insert(start);
        Ok(())
    }

    /// Lets a part of the file stand behind what stands there already.
    fn keep(&mut self, part: Range<u64>) -> Result<()> {
        if self.moved_to.is_none() {
            return Ok(());
        }
        let mut at = part.start;
        while at < part.end {
            let wanted = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let mut chunk = vec![0; wanted];
            let n = fs::read_full(self.file, &mut chunk, at)
                .map_err(|error| self.place.failed("reading", &error))?;
            if n < wanted {
                return Err(self.place.corrupt("it became shorter under its lock"));
            }
            self.put(chunk)?;
            at += n as u64;
        }
        Ok(())
    }

    /// Lets new octets stand behind what stands there already.
    fn put(&mut self, octets: Vec<u8>) -> Result<()> {
        if let Some(to) = self.moved_to {
            self.moved_to = Some(to + octets.len() as u64);
            let place = self.place;
            self.rewriting(to)?.write(place, to, octets)?;
        }
        Ok(())
    }

    /// Writes a message with other marks; returns how long its block is now, unless it must be looked for.
    fn mark(&mut self, message: &Message, next: u64, marks: &Marks) -> Result<Option<usize>> {
        let crlf = message.is_crlf();
        let Some((at, bytes)) = message.block() else {
            self.begin_moving(message.start)?;
            self.gather(message, next, &marks.block(crlf))?;
            return Ok(None);
        };
        if self.moved_to.is_none()
            && let Some(block) = marks.block_of(crlf, bytes)
        {
            let place = self.place;
            self.rewriting(at)?.write(place, at, block)?;
            return Ok(Some(bytes));
        }
        self.begin_moving(message.start)?;
        self.keep(message.start..at)?;
        let block = marks.block(crlf);
        let mut before = [b'\n'];
        fs::read_full(self.file, &mut before, at - 1)
            .map_err(|error| self.place.failed("reading", &error))?;
        if before != [b'\n'] {
            // A header that ends with the file, in the middle of a line.
            self.put(b"\n".to_vec())?;
        }
        let length = block.len();
        self.put(block)?;
        self.keep(at + bytes as u64..next)?;
        Ok(Some(length).filter(|_| before == [b'\n']))
    }

    /// Writes a message whose own fields are scattered, with all of them at the end of its header.
    fn gather(&mut self, message: &Message, next: u64, block: &[u8]) -> Result<()> {
        self.keep(message.start..message.header_at())?;
        let mut lines = Lines::new(self.file, message.header_at());
        let mut is_own = false;
        let mut kept = message.header_at()..message.header_at();
        loop {
            let line = lines.next(message.end).map_err(|error| self.place.failed("reading", &error))?;
            let Some(line) = line.filter(|line| !line.is_blank()) else { break };
            match fields::judge(line.head, true) {
                Verdict::Own(Own::ContentLength) | Verdict::Message => is_own = false,
                Verdict::Own(_) => is_own = true,
                _ => {}
            }
            let (at, end) = (line.at, line.next_at());
            if is_own {
                self.keep(std::mem::replace(&mut kept, end..end))?;
            } else if kept.end == at {
                kept.end = end;
            } else {
                self.keep(std::mem::replace(&mut kept, at..end))?;
            }
        }
        let header_end = kept.end;
        self.keep(kept)?;
        self.put(block.to_vec())?;
        self.keep(header_end..next)
    }
}

//! [`Snapshot`]: the messages of an mbox as they were last found, and how they are found again.
//!
//! What was found before is only looked at, message by message, at the place where it was: the `From_` line, and the
//! mailbox's own fields, which hold UID and flags. From the first message that is not as it was, and from the last
//! message on, which may have grown, the file is scanned again. So a mailbox to which mail was appended costs what was
//! appended, and one small read a message.
//!
//! What is read without a lock may be read in the middle of a change: half of a message as it was before, half as it is
//! after. It counts when the file had rested before and has not changed by the time that a lock is held; else it is scanned
//! again, under the lock. Of a file that has not rested nothing is read without one.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use mail_message::FlagSet;

use super::fields::{self, Base, Marks, Own, Verdict};
use super::from_line;
use super::lines::Lines;
use super::message::Message;
use super::place::Place;
use super::scan::{self, Scanned};
use crate::error::Result;
use crate::fs::{self, File};
use crate::index::Stamp;

/// A message and what it is marked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) message: Message,
    pub(super) flags: FlagSet,
}

/// All messages of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    pub(super) messages: Vec<Known>,
    /// What the first message says of the mailbox.
    pub(super) base: Option<Base>,
    /// The file as it was.
    pub(super) stamp: Option<Stamp>,
    /// Nobody had changed the file for a while when it was looked at: a change since has given it another time.
    pub(super) is_settled: bool,
    /// The first message that was looked at without a lock, while that may have gone wrong.
    pub(super) loose: Option<usize>,
}

/// A file changed again within this time of a change may carry the same modification time.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

impl Snapshot {
    /// Looks at the file again, under a lock.
    ///
    /// # Errors
    /// `Corrupt` when it is no mbox; else what the disk says.
    pub(super) fn update(&mut self, place: &Place, file: &dyn File) -> Result<()> {
        let stamp = Stamp::of(&file.metadata().map_err(|error| place.failed("reading", &error))?);
        if let Some(loose) = self.loose.take()
            && (self.stamp != Some(stamp) || !self.is_settled)
        {
            self.messages.truncate(loose);
            self.distrust();
        }
        if self.stamp == Some(stamp) { Ok(()) } else { self.read(place, file, stamp).map(drop) }
    }

    /// Looks at the file again, if it has rested, so that less is left to be done under a lock.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub(super) fn prepare(&mut self, place: &Place, file: &dyn File) -> Result<()> {
        let stamp = Stamp::of(&file.metadata().map_err(|error| place.failed("reading", &error))?);
        if self.stamp != Some(stamp) && has_rested(place, &stamp) {
            let read = self.read(place, file, stamp);
            // What has failed half-way may have found messages before.
            let kept = *read.as_ref().unwrap_or(&0);
            self.loose = Some(self.loose.map_or(kept, |loose| loose.min(kept)));
            read?;
        }
        Ok(())
    }

    /// Returns how many messages are as they were.
    fn read(&mut self, place: &Place, file: &dyn File, stamp: Stamp) -> Result<usize> {
        let failed = |error: io::Error| place.failed("reading", &error);
        let is_settled = has_rested(place, &stamp);
        let kept = if self.stamp.is_some_and(|old| old.inode == stamp.inode) {
            self.look(file, stamp.size).map_err(failed)?
        } else {
            0
        };
        let at = match (kept, self.messages.get(kept)) {
            (1.., Some(known)) => known.message.start,
            _ => {
                self.base = None;
                0
            }
        };
        self.messages.truncate(kept);
        let (messages, base) = (&mut self.messages, &mut self.base);
        let mut found = |message: Message, marks: Marks| {
            if messages.is_empty() {
                *base = marks.base;
            }
            messages.push(Known { message, flags: marks.flags });
            ControlFlow::Continue(())
        };
        let scanned = scan::scan(file, at, stamp.size, place.options.format, &mut found).map_err(failed)?;
        if let Scanned::NoMbox(no_message_at) = scanned {
            *self = Self::default();
            if at > 0 {
                // Another message may have come to lie where one was, marks and all, and have another end.
                return self.read(place, file, stamp);
            }
            return Err(place.no_message(no_message_at));
        }
        (self.stamp, self.is_settled) = (Some(stamp), is_settled);
        Ok(kept)
    }

    /// Others have changed the file since, though its time may not tell: the next update looks at every message.
    pub(super) fn distrust(&mut self) {
        self.stamp = self.stamp.map(Stamp::distrusted);
    }

    /// Looks at every message but the last where it was, and takes in its marks. Returns how many are as they were.
    fn look(&mut self, file: &dyn File, size: u64) -> io::Result<usize> {
        let Some(last) = self.messages.len().checked_sub(1) else { return Ok(0) };
        for index in 0..last {
            let known = &mut self.messages[index];
            // The one before it may have another end than it had.
            let changed = index.saturating_sub(1);
            if known.message.end > size {
                return Ok(changed);
            }
            let Some(marks) = look_at(file, &known.message)? else { return Ok(changed) };
            known.message.mark(&marks);
            known.flags = marks.flags;
            if index == 0 {
                self.base = marks.base;
            }
        }
        Ok(last)
    }

    /// Takes a change of the file's by us for known.
    pub(super) fn stamp(&mut self, place: &Place, file: &dyn File) -> Result<()> {
        let stamp = file.metadata().map_err(|error| place.failed("reading", &error))?;
        (self.stamp, self.is_settled) = (Some(Stamp::of(&stamp)), false);
        Ok(())
    }
}

/// Whether nobody has changed the file for a while.
fn has_rested(place: &Place, stamp: &Stamp) -> bool {
    place.env.host().now().saturating_sub(stamp.mtime) > SETTLED_AFTER
}

/// What a message is marked with now; `None` when it is not where it was, or not as it was.
pub(super) fn look_at(file: &dyn File, message: &Message) -> io::Result<Option<Marks>> {
    let Some((block_at, block_bytes)) = message.block() else { return Ok(None) };
    let mut line = vec![0; (message.header_at() - message.start) as usize];
    if fs::read_full(file, &mut line, message.start)? < line.len() || line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line)).unwrap_or(&line);
    if from_line::parse(line).is_none_or(|from| from.date != message.date) {
        return Ok(None);
    }
    let block_end = block_at + block_bytes as u64;
    let mut marks = Marks::default();
    if block_bytes > 0 {
        let mut lines = Lines::small(file, block_at, block_bytes);
        let (mut own, mut value) = (None, Vec::new());
        while let Some(line) = lines.next(block_end)? {
            match fields::judge(line.head, true) {
                Verdict::Own(field) if field != Own::ContentLength => {
                    if let Some(own) = own.replace(field) {
                        marks.read(own, &value);
                    }
                    let colon = line.head.iter().position(|&octet| octet == b':').map_or(0, |at| at + 1);
                    value = line.head[colon..].to_vec();
                }
                Verdict::Continued if own.is_some() => value.extend_from_slice(line.head),
                _ => return Ok(None),
            }
            if line.end == super::lines::LineEnd::None {
                return Ok(None);
            }
        }
        if let Some(own) = own {
            marks.read(own, &value);
        }
    }
    Ok(Some(marks))
}

//! [`MboxAppend`]: APPEND, one or several messages.
//!
//! What comes from a client comes slowly, so it is put into a file of its own first; the mailbox is locked only when all
//! is there. Several messages become part of the mailbox together, also when the power fails (RFC 3502). The index is read,
//! so that the file need not be scanned; it is told of them by the next look. What was seen is kept for the next commit.

use std::path::{Path, PathBuf};

use mail_message::FlagSet;
use proto_core::UnixTime;

use super::add::{Item, Numbered, add};
use super::flags;
use super::lock::MboxLock;
use super::place::Place;
use super::sight::Sight;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, BufferedFile, File, OpenMode};
use crate::store::{Append, Appended, MessageReader};

const CHUNK_BYTES: usize = 64 << 10;

/// Messages on their way into a mailbox.
#[derive(Debug)]
pub(super) struct MboxAppend {
    place: Place,
    /// The mailbox as the last commit left it.
    sight: Option<Sight>,
    scratch: Option<Scratch>,
    messages: Vec<Waiting>,
}

/// The file in which they wait, one behind the other; removed on drop.
#[derive(Debug)]
struct Scratch {
    place: Place,
    path: PathBuf,
    file: BufferedFile,
    bytes: u64,
}

impl Scratch {
    fn create(place: &Place) -> Result<Self> {
        let path = place.scratch();
        let file = place.env.fs().open(&path, OpenMode::CreateNew);
        let file = BufferedFile::new(file.map_err(|error| StoreError::io("creating", &path, &error))?);
        Ok(Self { place: place.clone(), path, file, bytes: 0 })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // One that stays goes with the next sweep.
        let _ = self.place.env.fs().unlink(&self.path);
    }
}

#[derive(Debug)]
struct Waiting {
    /// Where it begins in the file.
    start: u64,
    bytes: u64,
    flags: FlagSet,
    date: UnixTime,
}

impl MboxAppend {
    pub(super) fn begin_at(place: Place) -> Result<Self> {
        place.stamp()?;
        Ok(Self { place, sight: None, scratch: None, messages: Vec::new() })
    }

    /// Makes all of them part of the mailbox, durably, for who holds its locks. The index is not told.
    pub(super) fn add(&mut self, sight: &mut Sight, lock: &mut MboxLock) -> Result<Appended> {
        let (messages, mut scratch) = (std::mem::take(&mut self.messages), self.scratch.take());
        let Some(Scratch { path, file, .. }) = &mut scratch else {
            return Ok(Appended { uid_validity: sight.state.uid_validity, uids: Vec::new() });
        };
        let file = file.written().map_err(|error| StoreError::io("writing", path, &error))?;
        let body = |message: &Waiting| Octets { path, file, start: message.start, bytes: message.bytes };
        let mut bodies: Vec<Octets<'_>> = messages.iter().map(body).collect();
        let mut items: Vec<Item<'_>> = bodies
            .iter_mut()
            .zip(&messages)
            .map(|(body, message)| Item {
                prefix: b"",
                body,
                date: message.date,
                flags: message.flags.clone(),
                delivery: None,
            })
            .collect();
        let numbered = Numbered { snapshot: &mut sight.disk, state: &mut sight.state };
        let uids = add(&self.place, lock, Some(numbered), &mut items)?;
        Ok(Appended { uid_validity: sight.state.uid_validity, uids })
    }

    /// The same for who does not hold them, with what is known of the mailbox.
    fn add_to(&mut self, sight: &mut Sight) -> Result<Appended> {
        let before = (sight.disk.stamp, sight.highest_modseq());
        let mut locked = sight.lock()?;
        if before.0.is_some() && sight.highest_modseq() != before.1 {
            // Another of ours has changed it; its time may not tell.
            sight.disk.distrust();
            sight.disk.update(&self.place, locked.lock.file())?;
        }
        if before.0.is_none() || (sight.disk.stamp, sight.highest_modseq()) != before {
            sight.give_uids(&mut locked.lock, false)?;
        }
        self.add(sight, &mut locked.lock)
    }

    /// Takes in a message whole.
    pub(super) fn take(
        &mut self,
        flags: &FlagSet,
        date: UnixTime,
        reader: &mut dyn MessageReader,
    ) -> Result<()> {
        self.begin(flags, Some(date))?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        while offset < reader.size_bytes() {
            let n = reader.read_at(offset, &mut chunk)?;
            if n == 0 {
                let cause = "what was to be stored ended early";
                return Err(StoreError::new(ErrorKind::Io, "reading a message", cause));
            }
            self.write(&chunk[..n])?;
            offset += n as u64;
        }
        Ok(())
    }
}

impl Append for MboxAppend {
    fn begin(&mut self, flags: &FlagSet, date: Option<UnixTime>) -> Result<()> {
        flags::check(&self.place, flags)?;
        let scratch = match &mut self.scratch {
            Some(scratch) => scratch,
            none => none.insert(Scratch::create(&self.place)?),
        };
        self.messages.push(Waiting {
            start: scratch.bytes,
            bytes: 0,
            flags: flags.clone(),
            date: date.unwrap_or_else(|| self.place.env.utc()),
        });
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        if self.messages.is_empty() {
            self.begin(&FlagSet::new(), None)?;
        }
        if let (Some(message), Some(scratch)) = (self.messages.last_mut(), &mut self.scratch) {
            message.bytes += octets.len() as u64;
            scratch.bytes += octets.len() as u64;
            let written = scratch.file.append(octets);
            written.map_err(|error| StoreError::io("writing", &scratch.path, &error))?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<Appended> {
        let mut sight = self.sight.take().unwrap_or_else(|| Sight::new(self.place.clone()));
        let appended = self.add_to(&mut sight);
        match appended {
            Ok(_) => self.sight = Some(sight),
            Err(_) => (self.messages, self.scratch) = (Vec::new(), None),
        }
        appended
    }

    fn abort(self: Box<Self>) {}
}

/// A part of a file as it is.
struct Octets<'a> {
    path: &'a Path,
    file: &'a dyn File,
    start: u64,
    bytes: u64,
}

impl MessageReader for Octets<'_> {
    fn size_bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.bytes.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let n = fs::read_full(self.file, &mut buf[..wanted], self.start + offset);
        n.map_err(|error| StoreError::io("reading", self.path, &error))
    }
}

//! [`MboxAppend`]: APPEND, one or several messages.
//!
//! What comes from a client comes slowly, so it is put into files of its own first; the mailbox is locked only when all
//! is there. Several messages become part of the mailbox together, also when the power fails (RFC 3502). The index is read,
//! so that the file need not be scanned; it is told of them by the next look.

use std::path::PathBuf;

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
    messages: Vec<Waiting>,
}

/// A message in a file of its own, which goes with it. However many there are, one file is open at a time.
#[derive(Debug)]
struct Waiting {
    place: Place,
    path: PathBuf,
    /// While it is being written.
    file: Option<BufferedFile>,
    bytes: u64,
    flags: FlagSet,
    date: UnixTime,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // One that stays goes with the next sweep.
        let _ = self.place.env.fs().unlink(&self.path);
    }
}

impl Waiting {
    /// Nothing more comes.
    fn close(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        file.into_file().map(drop).map_err(|error| StoreError::io("writing", &self.path, &error))
    }
}

impl MboxAppend {
    pub(super) fn begin_at(place: Place) -> Result<Self> {
        place.stamp()?;
        Ok(Self { place, messages: Vec::new() })
    }
}

impl MboxAppend {
    /// Makes all of them part of the mailbox, durably, for who holds its locks. The index is not told.
    pub(super) fn add(&mut self, sight: &mut Sight, lock: &mut MboxLock) -> Result<Appended> {
        self.messages.last_mut().map_or(Ok(()), Waiting::close)?;
        let mut bodies: Vec<Octets<'_>> =
            self.messages.iter().map(|message| Octets { message, file: None }).collect();
        let mut items: Vec<Item<'_>> = bodies
            .iter_mut()
            .zip(&self.messages)
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
        self.messages.last_mut().map_or(Ok(()), Waiting::close)?;
        let path = self.place.scratch();
        let file = self.place.env.fs().open(&path, OpenMode::CreateNew);
        let file = file.map_err(|error| StoreError::io("creating", &path, &error))?;
        self.messages.push(Waiting {
            place: self.place.clone(),
            path,
            file: Some(BufferedFile::new(file)),
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
        if let Some(message) = self.messages.last_mut() {
            message.bytes += octets.len() as u64;
            if let Some(file) = &mut message.file {
                file.append(octets).map_err(|error| StoreError::io("writing", &message.path, &error))?;
            }
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<Appended> {
        let mut sight = Sight::new(self.place.clone());
        let mut locked = sight.lock()?;
        sight.give_uids(&mut locked.lock, false)?;
        self.add(&mut sight, &mut locked.lock)
    }

    fn abort(self: Box<Self>) {}
}

/// What waits, as it is. Its file is opened when it is read, and closed at its end.
struct Octets<'a> {
    message: &'a Waiting,
    file: Option<Box<dyn File>>,
}

impl MessageReader for Octets<'_> {
    fn size_bytes(&self) -> u64 {
        self.message.bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let Waiting { place, path, .. } = self.message;
        let failed = |error: std::io::Error| StoreError::io("reading", path, &error);
        let file = match self.file.take() {
            Some(file) => file,
            None => place.env.fs().open(path, OpenMode::Read).map_err(failed)?,
        };
        let n = fs::read_full(&*file, buf, offset).map_err(failed)?;
        self.file = Some(file).filter(|_| n > 0);
        Ok(n)
    }
}

//! [`MboxMessage`]: a message read from the file it shares with all others.
//!
//! Each piece is read under a shared lock. When the file has changed since the last one, the message is looked for
//! where it was, and else by its UID; so it stays readable while others come and go.
//!
//! # Departures
//! A message that is expunged while it is read is gone: its octets may have been written over.

use std::ops::ControlFlow;

use mail_message::Uid;

use super::decode::Decoder;
use super::lock;
use super::message::Message;
use super::place::Place;
use super::scan;
use super::snapshot::look_at;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, Metadata};
use crate::store::MessageReader;

const CHUNK_BYTES: usize = 32 << 10;

/// An opened message.
#[derive(Debug)]
pub(super) struct MboxMessage {
    place: Place,
    file: Box<dyn File>,
    uid: Uid,
    message: Message,
    /// The file as it was when the message was last found.
    stamp: Option<Metadata>,
    cursor: Cursor,
    /// Whether whoever reads holds the locks of the mailbox.
    is_locked: bool,
}

/// How far the message has been turned into what is shown.
#[derive(Debug)]
struct Cursor {
    decoder: Decoder,
    /// How much of what is stored went in.
    stored: u64,
    /// What came out last, and where it is in what is shown.
    shown: Vec<u8>,
    shown_at: u64,
}

impl MboxMessage {
    pub(super) fn new(place: Place, file: Box<dyn File>, uid: Uid, message: Message) -> Self {
        let cursor = Cursor::new(&place, &message);
        Self { place, file, uid, message, stamp: None, cursor, is_locked: false }
    }

    /// The same for who holds the locks of the mailbox as long as this lives.
    pub(super) fn locked(place: Place, file: Box<dyn File>, uid: Uid, message: Message) -> Self {
        Self { is_locked: true, ..Self::new(place, file, uid, message) }
    }

    /// Makes sure that the message is where we take it to be. A shared lock is held.
    fn find(&mut self) -> Result<()> {
        let failed = |error: std::io::Error| self.place.failed("reading", &error);
        let stamp = self.file.metadata().map_err(failed)?;
        if self.stamp == Some(stamp) {
            return Ok(());
        }
        let is_there = |message: &Message| -> std::io::Result<bool> {
            let marks = look_at(&*self.file, message)?;
            Ok(marks.is_some_and(|marks| marks.uid == Some(self.uid))
                && scan::ends_there(&*self.file, message, stamp.size)?)
        };
        if !is_there(&self.message).map_err(failed)? {
            let mut found = None;
            scan::scan(&*self.file, 0, stamp.size, self.place.options.format, &mut |message, _| {
                if message.uid != Some(self.uid) {
                    return ControlFlow::Continue(());
                }
                found = Some(message);
                ControlFlow::Break(())
            })
            .map_err(failed)?;
            let gone = || {
                StoreError::new(ErrorKind::NoSuchMessage, "reading a message of", "it is gone")
                    .at(&self.place.path)
            };
            self.message = found.filter(|it| it.shown_bytes == self.message.shown_bytes).ok_or_else(gone)?;
            self.cursor = Cursor::new(&self.place, &self.message);
        }
        self.stamp = Some(stamp);
        Ok(())
    }

    /// Turns the next piece; false at the end.
    fn advance(&mut self) -> Result<bool> {
        let cursor = &mut self.cursor;
        cursor.shown_at += cursor.shown.len() as u64;
        cursor.shown.clear();
        let at = self.message.header_at() + cursor.stored;
        let wanted = usize::try_from(self.message.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; wanted.min(CHUNK_BYTES)];
        let n = fs::read_full(&*self.file, &mut chunk, at)
            .map_err(|error| self.place.failed("reading", &error))?;
        cursor.stored += n as u64;
        if n > 0 {
            cursor.decoder.write(&chunk[..n], &mut cursor.shown);
        } else {
            cursor.decoder.finish(&mut cursor.shown);
        }
        Ok(n > 0 || !cursor.shown.is_empty())
    }
}

impl Cursor {
    fn new(place: &Place, message: &Message) -> Self {
        let decoder = Decoder::new(message.unquote(place.options.format));
        Self { decoder, stored: 0, shown: Vec::new(), shown_at: 0 }
    }
}

impl MessageReader for MboxMessage {
    fn size_bytes(&self) -> u64 {
        self.message.shown_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if self.is_locked {
            return self.find().and_then(|()| self.read(offset, buf));
        }
        lock::share(&self.place, &*self.file)?;
        let read = self.find().and_then(|()| self.read(offset, buf));
        // It goes when the file is closed, at the latest.
        let _ = self.file.unlock();
        read
    }
}

impl MboxMessage {
    fn read(&mut self, mut offset: u64, buf: &mut [u8]) -> Result<usize> {
        if offset < self.cursor.shown_at {
            self.cursor = Cursor::new(&self.place, &self.message);
        }
        let mut filled = 0;
        while filled < buf.len() {
            let Cursor { shown, shown_at, .. } = &self.cursor;
            let skip = usize::try_from(offset - shown_at).unwrap_or(usize::MAX);
            match shown.get(skip..).filter(|rest| !rest.is_empty()) {
                Some(rest) => {
                    let n = rest.len().min(buf.len() - filled);
                    buf[filled..filled + n].copy_from_slice(&rest[..n]);
                    (filled, offset) = (filled + n, offset + n as u64);
                }
                None => {
                    if !self.advance()? {
                        break;
                    }
                }
            }
        }
        Ok(filled)
    }
}

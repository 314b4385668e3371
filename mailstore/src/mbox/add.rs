//! Putting messages at the end of an mbox: APPEND, COPY and [delivery](super::deliver).
//!
//! # Order of operations
//! Under the locks: what comes is encoded once to know its length and its checksum; the intent goes into the
//! [`journal`](super::journal); the file is extended, what comes is written, the last UID is raised in the first
//! message, the file synced; the journal is emptied. A crash before the journal is emptied leaves nothing of what came,
//! or all of it, also of several messages; a last UID that is raised for nothing, or not raised for something, does no
//! harm ([`uids`](super::uids)).

use std::ops::ControlFlow;

use mail_message::{FlagSet, Uid};
use proto_core::UnixTime;

use super::encode::Encoder;
use super::fields::{Base, Marks};
use super::journal::{Appending, HEAD_BYTES_MAX, Intent};
use super::lock::MboxLock;
use super::place::Place;
use super::rewrite::{Change, marks_of, rewrite};
use super::scan::{self, Scanned};
use super::snapshot::{Known, Snapshot};
use super::uids::UidState;
use super::{MboxFormat, from_line};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File};
use crate::store::{DeliveryId, MessageReader};

/// How much is encoded and written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A message that comes.
pub(super) struct Item<'a> {
    /// What stands before the body: the header fields of a delivery.
    pub(super) prefix: &'a [u8],
    pub(super) body: &'a mut dyn MessageReader,
    pub(super) date: UnixTime,
    pub(super) flags: FlagSet,
    pub(super) delivery: Option<DeliveryId>,
}

/// Takes the encoded octets of a message.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl Item<'_> {
    /// The envelope sender, as the first header field tells it.
    fn sender(&mut self) -> Result<Vec<u8>> {
        let mut head = self.prefix[..self.prefix.len().min(1024)].to_vec();
        if head.is_empty() {
            head = vec![0; 1024];
            let n = self.body.read_at(0, &mut head)?;
            head.truncate(n);
        }
        let field = b"return-path:";
        let line = head.split(|&octet| octet == b'\n').next().unwrap_or_default();
        let is_field = line.get(..field.len()).is_some_and(|name| name.eq_ignore_ascii_case(field));
        let value = line.get(field.len()..).filter(|_| is_field).unwrap_or_default().trim_ascii();
        Ok(value.strip_prefix(b"<").and_then(|path| path.strip_suffix(b">")).unwrap_or_default().to_vec())
    }

    /// Encodes the message; returns how long its body became.
    fn encode(
        &mut self,
        format: MboxFormat,
        marks: &Marks,
        body_bytes: u64,
        sink: &mut Sink<'_>,
    ) -> Result<u64> {
        let from = from_line::format(&self.sender()?, self.date);
        sink(&from)?;
        let mut encoder = Encoder::new(format, marks.block(false), body_bytes);
        let mut out = Vec::new();
        encoder.write(self.prefix, &mut out);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        loop {
            let n = self.body.read_at(offset, &mut chunk)?;
            if n == 0 {
                break;
            }
            offset += n as u64;
            encoder.write(&chunk[..n], &mut out);
            sink(&out)?;
            out.clear();
        }
        if offset < self.body.size_bytes() {
            let cause = "what was to be stored ended early";
            return Err(StoreError::new(ErrorKind::Io, "reading a message", cause));
        }
        let body_bytes = encoder.finish(&mut out);
        sink(&out)?;
        Ok(body_bytes)
    }
}

/// Which UIDs the messages get, and whose mailbox it is.
pub(super) struct Numbered<'a> {
    pub(super) snapshot: &'a mut Snapshot,
    pub(super) state: &'a mut UidState,
}

/// Adds messages, all or none, durably. With `known`, which is up to date, they get UIDs.
pub(super) fn add(
    place: &Place,
    lock: &mut MboxLock,
    mut known: Option<Numbered<'_>>,
    items: &mut [Item<'_>],
) -> Result<Vec<Uid>> {
    let failed = |error: std::io::Error| place.failed("reading", &error);
    let metadata = lock.file().metadata().map_err(failed)?;
    let lead = lead(lock.file(), metadata.size).map_err(failed)?;
    let marks = marks(place, &known, items)?;
    let uids = marks.iter().filter_map(|marks| marks.uid).collect::<Vec<_>>();
    let format = place.options.format;

    let mut bodies = Vec::new();
    for (item, marks) in items.iter_mut().zip(&marks) {
        bodies.push(match format {
            MboxFormat::Mboxo | MboxFormat::Mboxrd => 0,
            MboxFormat::Mboxcl | MboxFormat::Mboxcl2 => item.encode(format, marks, 0, &mut |_| Ok(()))?,
        });
    }
    let mut encode = |sink: &mut Sink<'_>| -> Result<()> {
        sink(lead)?;
        for ((item, marks), body_bytes) in items.iter_mut().zip(&marks).zip(&bodies) {
            item.encode(format, marks, *body_bytes, sink)?;
        }
        Ok(())
    };
    let (mut len, mut sum, mut head) = (0, 0, Vec::new());
    encode(&mut |octets| {
        len += octets.len() as u64;
        sum = crc32c::crc32c_append(sum, octets);
        let room = HEAD_BYTES_MAX - head.len();
        head.extend_from_slice(&octets[..octets.len().min(room)]);
        Ok(())
    })?;
    has_room(place, metadata.size, len)?;

    if let (Some(known), Some(last)) = (&mut known, uids.last()) {
        raise_by_rewriting(place, lock, known, last.get(), &marks)?;
    }
    if metadata.size == 0 {
        // Whoever made the file may have died before its name was durable.
        place.sync_dir()?;
    }
    // A rewrite above may have moved it.
    let old_len = lock.file().metadata().map_err(failed)?.size;
    let new_len = old_len + len;
    let appending = Appending::begin(place, Intent { inode: metadata.inode, old_len, new_len, sum, head })?;
    let written = write(place, lock, old_len, new_len, &mut encode).and_then(|()| {
        if let (Some(known), Some(last)) = (&mut known, uids.last()) {
            raise_in_place(place, lock, known, last.get())?;
        }
        lock.sync(place)
    });
    if let Err(error) = written {
        appending.undo(place, lock);
        if let Some(known) = known {
            *known.snapshot = Snapshot::default();
        }
        return Err(error);
    }
    appending.done(place)?;
    if let Some(known) = known {
        if let Some(last) = uids.last() {
            known.state.last_uid = last.get();
        }
        take_in(place, lock, known.snapshot, old_len, !lead.is_empty())?;
    }
    Ok(uids)
}

fn marks(place: &Place, known: &Option<Numbered<'_>>, items: &[Item<'_>]) -> Result<Vec<Marks>> {
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let last = match known {
        None => 0,
        Some(known) => {
            let last = known.state.last_uid.saturating_add(count);
            super::control::Control::cover(place, known.state.uid_validity, last)?;
            last
        }
    };
    let first = last.saturating_sub(count);
    let marks = (first..).zip(items).enumerate().map(|(index, (before, item))| {
        let begins = index == 0 && known.as_ref().is_some_and(|known| known.snapshot.messages.is_empty());
        let base = known.as_ref().filter(|_| begins).map(|known| {
            let mut base =
                Base { uid_validity: known.state.uid_validity, last_uid: last, keywords: String::new() };
            items.iter().for_each(|item| {
                base.learn(&item.flags);
            });
            base
        });
        let uid = known.as_ref().and_then(|_| Uid::new(before + 1));
        let delivery = item.delivery.clone();
        Marks { delivery, base, uid, flags: item.flags.clone(), ..Marks::default() }
    });
    Ok(marks.collect())
}

/// Whether so many octets may come to a file of a size.
///
/// # Errors
/// `OverQuota`.
fn has_room(place: &Place, size: u64, added: u64) -> Result<()> {
    match place.options.file_bytes_max {
        Some(max) if size.saturating_add(added) > max => {
            Err(StoreError::new(ErrorKind::OverQuota, "adding a message to", "the mailbox is full")
                .at(&place.path)
                .with_detail(format!("{added} octets more, beside {size}; it may hold {max}")))
        }
        _ => Ok(()),
    }
}

/// What has to stand between the last message and a new one, so that a blank line does.
fn lead(file: &dyn File, size: u64) -> std::io::Result<&'static [u8]> {
    let mut end = [0; 4];
    let n = fs::read_full(file, &mut end, size.saturating_sub(4))?;
    let end = &end[..n];
    let is_blank = end.ends_with(b"\n\n") || end.ends_with(b"\n\r\n") || matches!(end, b"\n" | b"\r\n");
    Ok(match end {
        [] => b"",
        _ if is_blank => b"",
        [.., b'\n'] => b"\n",
        _ => b"\n\n",
    })
}

fn write(
    place: &Place,
    lock: &mut MboxLock,
    old_len: u64,
    new_len: u64,
    encode: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>,
) -> Result<()> {
    let failed = |error: std::io::Error| place.failed("writing", &error);
    // To its full length first: whatever another program appends after a crash is behind it.
    lock.file().allocate(new_len).map_err(failed)?;
    if lock.file().metadata().map_err(failed)?.size != new_len {
        lock.file().set_len(new_len).map_err(failed)?;
    }
    let mut at = old_len;
    let mut pending = Vec::new();
    let file = lock.file();
    encode(&mut |octets| {
        if pending.len() + octets.len() > CHUNK_BYTES {
            file.write_at(&[&pending, octets], at).map_err(failed)?;
            at += (pending.len() + octets.len()) as u64;
            pending.clear();
        } else {
            pending.extend_from_slice(octets);
        }
        Ok(())
    })?;
    file.write_at(&[&pending], at).map_err(failed)
}

/// A block as it is and as it is to be, of one length.
struct InPlace {
    at: u64,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// The marks of the first message with a higher last UID, and how to write them in place if that can be done.
fn raised(
    place: &Place,
    lock: &MboxLock,
    snapshot: &Snapshot,
    last_uid: u32,
) -> Result<Option<(Marks, Option<InPlace>)>> {
    let Some(Known { message, .. }) = snapshot.messages.first() else { return Ok(None) };
    let old = marks_of(place, lock.file(), message)?;
    let mut marks = old.clone();
    match &mut marks.base {
        Some(base) => base.last_uid = last_uid,
        None => return Err(place.corrupt("the first message lost its X-IMAPbase under the lock")),
    }
    let in_place = message.block().and_then(|(at, bytes)| {
        let spelled = |marks: &Marks| marks.block_of(message.is_crlf(), bytes);
        Some(InPlace { at, old: spelled(&old)?, new: spelled(&marks)? })
    });
    let Some(in_place) = in_place else { return Ok(Some((marks, None))) };
    let mut found = vec![0; in_place.old.len()];
    fs::read_full(lock.file(), &mut found, in_place.at).map_err(|error| place.failed("reading", &error))?;
    // Another program may spell it in another way.
    let is_ours = found == in_place.old;
    Ok(Some((marks, Some(in_place).filter(|_| is_ours))))
}

fn raise_by_rewriting(
    place: &Place,
    lock: &mut MboxLock,
    known: &mut Numbered<'_>,
    last_uid: u32,
    items: &[Marks],
) -> Result<()> {
    let Some((mut marks, in_place)) = raised(place, lock, known.snapshot, last_uid)? else { return Ok(()) };
    let mut learned = false;
    if let Some(base) = &mut marks.base {
        items.iter().for_each(|item| learned |= base.learn(&item.flags));
    }
    if in_place.is_some() && !learned {
        return Ok(());
    }
    let mut marks = Some(Box::new(marks));
    rewrite(place, lock, known.snapshot, |index, _| {
        Ok(marks.take_if(|_| index == 0).map_or(Change::Keep, Change::Mark))
    })
}

fn raise_in_place(place: &Place, lock: &mut MboxLock, known: &mut Numbered<'_>, last_uid: u32) -> Result<()> {
    if let Some((marks, Some(InPlace { at, old, new }))) = raised(place, lock, known.snapshot, last_uid)? {
        super::flags::write_difference(place, lock.file(), at, &old, &new)?;
        known.snapshot.base = marks.base;
    }
    Ok(())
}

/// Takes what was added into the snapshot.
fn take_in(
    place: &Place,
    lock: &MboxLock,
    snapshot: &mut Snapshot,
    old_len: u64,
    was_mended: bool,
) -> Result<()> {
    if was_mended || snapshot.messages.is_empty() {
        *snapshot = Snapshot::default();
        return snapshot.update(place, lock.file());
    }
    let size = lock.file().metadata().map_err(|error| place.failed("reading", &error))?.size;
    let messages = &mut snapshot.messages;
    let scanned = scan::scan(lock.file(), old_len, size, place.options.format, &mut |message, marks| {
        messages.push(Known { message, flags: marks.flags });
        ControlFlow::Continue(())
    });
    match scanned.map_err(|error| place.failed("reading", &error))? {
        Scanned::Mbox => snapshot.stamp(place, lock.file()),
        Scanned::NoMbox(_) | Scanned::Stopped => Err(place.corrupt("what was written does not read")),
    }
}

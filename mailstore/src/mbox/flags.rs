//! STORE: flags of messages in an mbox.
//!
//! # Order of operations
//! A message whose block is ours, every flag in its column, and whose keywords stay as they are, is changed in place:
//! one octet a flag, without a journal. A crash before the answer leaves each flag as it was or as it is to be.
//! All others go through a [`rewrite`](super::rewrite), which is all or nothing. Then the file is synced.

use std::collections::BTreeMap;

use mail_message::{FlagSet, Uid, UidSet};

use super::fields::{Marks, VALUE_BYTES_MAX};
use super::lock::MboxLock;
use super::message::Message;
use super::place::Place;
use super::rewrite::{Change, marks_of, rewrite};
use super::snapshot::Snapshot;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File};
use crate::store::FlagChange;

/// Whether a message can have so many keywords: what is not read of a long field would be lost.
///
/// # Errors
/// `KeywordLimit`.
pub(super) fn check(place: &Place, flags: &FlagSet) -> Result<()> {
    let bytes: usize = flags.keywords().iter().map(|keyword| keyword.as_str().len() + 1).sum();
    if bytes < VALUE_BYTES_MAX {
        return Ok(());
    }
    let cause = "the keywords of one message are too long together";
    Err(StoreError::new(ErrorKind::KeywordLimit, "changing flags in", cause).at(&place.path))
}

/// Changes flags, durably, and returns what each message has now. The snapshot is up to date.
pub(super) fn set(
    place: &Place,
    lock: &mut MboxLock,
    snapshot: &mut Snapshot,
    wanted: &UidSet,
    change: FlagChange,
    flags: &FlagSet,
) -> Result<Vec<(Uid, FlagSet)>> {
    let mut base = snapshot.base.clone();
    let mut learned = false;
    for known in &snapshot.messages {
        if known.message.uid.is_some_and(|uid| wanted.contains(uid)) {
            let new = change.apply(&known.flags, flags);
            check(place, &new)?;
            learned |= base.as_mut().is_some_and(|base| base.learn(&new));
        }
    }
    let mut results = Vec::new();
    let mut rest: BTreeMap<usize, Marks> = BTreeMap::new();
    if let (true, Some(first)) = (learned, snapshot.messages.first()) {
        let marks = marks_of(place, lock.file(), &first.message)?;
        rest.insert(0, Marks { base, ..marks });
    }
    for (index, known) in snapshot.messages.iter_mut().enumerate() {
        let Some(uid) = known.message.uid.filter(|uid| wanted.contains(*uid)) else { continue };
        let new = change.apply(&known.flags, flags);
        if new != known.flags {
            let old = marks_of(place, lock.file(), &known.message)?;
            let mut marks = Marks { flags: new.clone(), is_old: true, ..old.clone() };
            marks.is_pseudo &= index == 0;
            if let Some(first) = rest.remove(&index) {
                marks.base = first.base;
                rest.insert(index, marks);
                results.push((uid, new));
                continue;
            }
            if marks.flags.keywords() == old.flags.keywords()
                && set_in_place(place, lock.file(), &known.message, &old, &marks)?
            {
                known.message.mark(&marks);
                known.flags.clone_from(&new);
            } else {
                rest.insert(index, marks);
            }
        }
        results.push((uid, new));
    }
    if !rest.is_empty() {
        rewrite(place, lock, snapshot, |index, _| {
            Ok(rest.remove(&index).map_or(Change::Keep, |marks| Change::Mark(Box::new(marks))))
        })?;
    } else {
        // Also when nothing was changed: what another session has set, it may not have synced yet.
        lock.sync(place)?;
    }
    snapshot.stamp(place, lock.file())?;
    Ok(results)
}

/// Changes the letters of a block that is spelled as we spell it; false when it is not.
pub(super) fn set_in_place(
    place: &Place,
    file: &dyn File,
    message: &Message,
    old: &Marks,
    new: &Marks,
) -> Result<bool> {
    let Some((at, bytes)) = message.block() else { return Ok(false) };
    let spelled = |marks: &Marks| marks.block_in_columns(message.is_crlf(), bytes);
    let (Some(old), Some(new)) = (spelled(old), spelled(new)) else { return Ok(false) };
    let mut found = vec![0; bytes];
    let n = fs::read_full(file, &mut found, at).map_err(|error| place.failed("reading", &error))?;
    if n < bytes || found != old {
        return Ok(false);
    }
    write_difference(place, file, at, &old, &new)?;
    Ok(true)
}

/// Writes the octets that differ between two texts of one length.
pub(super) fn write_difference(
    place: &Place,
    file: &dyn File,
    at: u64,
    old: &[u8],
    new: &[u8],
) -> Result<()> {
    let differs = |(old, new): (&u8, &u8)| old != new;
    let Some(first) = old.iter().zip(new).position(differs) else { return Ok(()) };
    let last = old.iter().zip(new).rposition(differs).unwrap_or(first);
    file.write_at(&[&new[first..=last]], at + first as u64).map_err(|error| place.failed("writing", &error))
}

//! What the next one who takes the lock does with a journal; the table is in [`journal`](super).

use std::io;

use super::{
    Before, CHUNK_BYTES, Commit, Frame, Frames, Intent, Rewriting, apply, before_sum, clear, cut, sum_of,
};
use crate::error::{Result, StoreError};
use crate::fs::{self, File, OpenMode};
use crate::mbox::Notice;
use crate::mbox::lock::MboxLock;
use crate::mbox::place::Place;

/// Brings a mailbox into order whose last change was cut off. To be called with every new lock.
pub(in crate::mbox) fn recover(place: &Place, lock: &mut MboxLock) -> Result<()> {
    let path = place.journal();
    let failed = |error: io::Error| StoreError::io("reading", &path, &error);
    if !super::is_pending(place)? {
        return Ok(());
    }
    let journal = place.env.fs().open(&path, OpenMode::Write).map_err(failed)?;
    // Whoever wrote it may have died before it was durable; what we do on its word must not outlive it.
    let (journal, synced) = place.env.syncs().sync_file(journal);
    synced.map_err(failed)?;
    let first = Frames::new(&*journal).next().map_err(failed)?;
    match first {
        Some(Frame::Intent(intent)) => recover_append(place, lock, journal, &intent),
        Some(Frame::Before(before)) => match committed(&*journal).map_err(failed)? {
            Some(commit) => recover_rewrite(place, lock, journal, before, commit),
            None => clear(place, journal),
        },
        _ => clear(place, journal),
    }
}

/// The end of a rewrite, if all of it is there.
fn committed(journal: &dyn File) -> io::Result<Option<Commit>> {
    let mut frames = Frames::new(journal);
    while let Some(frame) = frames.next()? {
        if let Frame::Commit(commit) = frame {
            return Ok(Some(commit).filter(|commit| commit.frames_sum == frames.sums));
        }
    }
    Ok(None)
}

fn recover_append(place: &Place, lock: &mut MboxLock, journal: Box<dyn File>, intent: &Intent) -> Result<()> {
    let failed = |error: io::Error| place.failed("reading", &error);
    let now = lock.file().metadata().map_err(failed)?;
    let Intent { old_len, new_len, .. } = *intent;
    let is_whole = |file: &dyn File| -> io::Result<bool> {
        Ok(now.size >= new_len && sum_of(file, old_len, new_len)? == intent.sum)
    };
    let is_ours = |file: &dyn File| -> io::Result<bool> {
        let mut found = vec![0; intent.head.len()];
        let n = fs::read_full(file, &mut found, old_len)?;
        Ok(found[..n].iter().zip(&intent.head).all(|(found, meant)| found == meant || *found == 0))
    };
    let is_torn = now.inode == intent.inode
        && now.size > old_len
        && !is_whole(lock.file()).map_err(failed)?
        && is_ours(lock.file()).map_err(failed)?;
    if !is_torn {
        // It may be whole and not durable.
        lock.sync(place)?;
        return clear(place, journal);
    }
    let bytes = now.size.min(new_len) - old_len;
    if now.size > new_len {
        // Somebody has appended behind it: that moves down.
        let mut rewriting = Rewriting::begin(place, lock.file(), old_len)?;
        let new_len = copy(place, lock.file(), new_len..now.size, &mut rewriting, old_len)?;
        rewriting.commit(place, lock, new_len)?;
    } else {
        cut(place, lock, old_len)?;
        clear(place, journal)?;
    }
    place.options.tell(Notice::TornAppendCut { path: place.path.clone(), bytes });
    Ok(())
}

/// Puts a part of the mailbox into a journal, to stand at `to`; returns where it ends.
fn copy(
    place: &Place,
    file: &dyn File,
    part: std::ops::Range<u64>,
    rewriting: &mut Rewriting,
    mut to: u64,
) -> Result<u64> {
    let mut at = part.start;
    while at < part.end {
        let wanted = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let mut chunk = vec![0; wanted];
        let n = fs::read_full(file, &mut chunk, at).map_err(|error| place.failed("reading", &error))?;
        if n == 0 {
            break;
        }
        chunk.truncate(n);
        rewriting.write(place, to, chunk)?;
        (at, to) = (at + n as u64, to + n as u64);
    }
    Ok(to)
}

fn recover_rewrite(
    place: &Place,
    lock: &mut MboxLock,
    journal: Box<dyn File>,
    before: Before,
    commit: Commit,
) -> Result<()> {
    let failed = |error: io::Error| place.failed("reading", &error);
    let now = lock.file().metadata().map_err(failed)?;
    let (old_len, new_len) = (before.old_len, commit.new_len);
    let is_it = now.inode == before.inode
        && now.size >= old_len.min(new_len)
        && before_sum(lock.file(), before.start).map_err(failed)? == before.before_sum;
    if !is_it {
        let aside = place.control.join(format!("{}.journal.{}", place.key, place.env.unique_name()));
        let moved = place.env.fs().rename(&place.journal(), &aside);
        moved.map_err(|error| StoreError::io("setting aside", &place.journal(), &error))?;
        place.options.tell(Notice::JournalSetAside { path: place.path.clone(), aside });
        return Ok(());
    }
    // Where the file ended when nobody else had appended yet.
    let ended = if new_len <= old_len {
        let is_uncut =
            now.size >= old_len && sum_of(lock.file(), new_len, old_len).map_err(failed)? == commit.tail_sum;
        if is_uncut { old_len } else { new_len }
    } else if now.size > old_len
        && is_new_or_zero(lock.file(), &*journal, old_len..now.size.min(new_len)).map_err(failed)?
    {
        now.size.min(new_len)
    } else {
        old_len
    };
    if ended == new_len {
        // What was appended behind the new end, if anything, stays where it is.
        let commit = Commit { new_len: new_len.max(now.size), ..commit };
        apply(place, lock, journal, commit)?;
    } else if now.size <= ended {
        apply(place, lock, journal, commit)?;
    } else {
        // The same again, with what was appended behind it, in one step.
        let mut rewriting = Rewriting::begin(place, lock.file(), before.start)?;
        let mut frames = Frames::new(&*journal);
        while let Some(frame) = frames.next().map_err(failed)? {
            if let Frame::Write(offset, octets) = frame {
                rewriting.write(place, offset, octets)?;
            }
        }
        let end = copy(place, lock.file(), ended..now.size, &mut rewriting, new_len)?;
        rewriting.commit(place, lock, end)?;
    }
    place.options.tell(Notice::JournalApplied { path: place.path.clone() });
    Ok(())
}

/// Whether a part of the mailbox holds nothing but zeros and what the journal puts there.
fn is_new_or_zero(file: &dyn File, journal: &dyn File, part: std::ops::Range<u64>) -> io::Result<bool> {
    let mut frames = Frames::new(journal);
    while let Some(frame) = frames.next()? {
        let Frame::Write(offset, octets) = frame else { continue };
        let end = offset + octets.len() as u64;
        let (from, until) = (offset.max(part.start), end.min(part.end));
        if from >= until {
            continue;
        }
        let octets = &octets[(from - offset) as usize..(until - offset) as usize];
        let mut found = vec![0; octets.len()];
        let n = fs::read_full(file, &mut found, from)?;
        if !found[..n].iter().zip(octets).all(|(found, new)| found == new || *found == 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

//! [`Index`]: what is known of the messages of one mailbox, so that they need not be opened: names, mod-sequences, sizes
//! and dates, summaries, and which messages were removed.
//!
//! A file of the mailbox, `postroom.index` in a Maildir, holds it: records one behind the other, appended in batches. It is
//! a cache. Names and UIDs have their authority elsewhere (in a Maildir its directories and `dovecot-uidlist`, in an mbox
//! the file itself); whoever keeps an index holds it against them and writes down what is different. Any octet of the file
//! may be lost or wrong: that is noticed, and what was lost is found out again. Only mod-sequences cannot be: then all
//! messages get a new one, above any that was ever given, and what was removed before is forgotten.
//!
//! # INTERNALS
//! **In what order.** A change is made to the mailbox first and written here after it. Who dies in between leaves an
//! index that does not know the change; the next look finds it and gives it a mod-sequence. Nobody had been told one.
//!
//! **What is synced.** No change is, for its mod-sequence alone. The file is *clean* or *dirty*. Before the first change
//! to a clean file is told to anybody, the mark `dirty` and the machine's boot are durable in it; when the mailbox is
//! closed, the file is synced and a clean mark put behind. So a file that is dirty by an earlier boot may have lost
//! changes with the power, and is treated as spoilt. Facts that only save time are written without any of it. A new
//! file is dirty from its birth and not synced at all: what may come back in its place is spoilt too, or was dirty.
//!
//! **Spoilt** is a file with an octet wrong anywhere but in a summary, one that does not end where its last batch says
//! (`file.rs`), one that is dirty by another boot, and one that is gone. Rows and summaries that read well are kept.
//! All mod-sequences are raised to a *floor*: the time in microseconds, or one above the highest known, whichever is
//! more. A change takes longer than a microsecond and numbers go up by one, so the clock is ahead of every number, as
//! long as it is not set back.
//!
//! **Several processes.** Whoever writes holds a lock, the file's name and `.lock` (see `lock.rs`), and takes in what others have
//! written before. Who looks compares length and time of the file with what it knows, without a lock. When the file
//! cannot be written, it is removed, and the removal made durable: an index that others would believe must not miss a
//! change. If even that fails, so does the operation; on a file system that is read-only or not ours to write, nobody
//! else writes either, and the index goes on in memory.
//!
//! **Rewriting.** When what was appended is half of what the file began with, and 256 KiB, a new one is written beside
//! it and renamed over it: summaries first, then all rows.
//!
//! | found | taken for |
//! | --- | --- |
//! | nothing | spoilt |
//! | whole, clean, or dirty by this boot | the truth |
//! | whole, dirty by another boot | spoilt; facts are kept |
//! | batches missing at the end, a torn or zeroed batch | spoilt; what stands before it is kept |
//! | the old file, after a new one was renamed over it | dirty by another boot, hence spoilt |
//! | the new file, empty or in part | spoilt |
//! | a file for another UIDVALIDITY | nothing |
//! | a file in `tmp/` | the sweep's |
//!
//! # Limits
//! In memory a message costs 56 octets and its name; on disk about 55, its name, and its summary (up to 1 MiB, else it
//! is found out each time). A batch is at most 4 GiB.
//!
//! # Departures
//! Where times of files are coarser than microseconds the file looks as if it missed something, and is made anew each
//! time. An index that was put back from a backup is believed: its mod-sequences have gone back.

mod file;
mod fuzz;
mod known;
mod record;
mod state;
mod structure;
mod vanished;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mail_message::{ModSeq, Uid, UidValidity};

use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{BufferedFile, File, Metadata, OpenMode};
use crate::lock::DotLock;
use crate::summary::Summary;
use file::{HEADER_BYTES, Header, Window};
#[doc(hidden)]
pub use fuzz::fuzz_index;
pub(crate) use known::Learned;
pub(crate) use record::{Facts, FileStamp, Name, Record, Records, Stamp, Stamps};
pub(crate) use state::{Row, State};
pub(crate) use vanished::Vanished;

/// A file is not rewritten for less than this, appended.
const APPENDED_BYTES_MIN: u64 = 256 << 10;

/// The index of one opened mailbox.
#[derive(Debug)]
pub(crate) struct Index {
    env: Env,
    path: PathBuf,
    scratch: PathBuf,
    boot: u64,
    uid_validity: Option<UidValidity>,
    state: State,
    /// The file that `state` was read from or written to; without, it is in memory alone.
    file: Option<Known>,
    /// What was found out and is not written yet.
    pending: Records,
    /// The summaries among it.
    recent: BTreeMap<Uid, Arc<Summary>>,
    /// For summaries, until the next turn.
    reader: Option<Box<dyn File>>,
    raised: Option<ModSeq>,
    /// The file is of another mailbox, or of UIDs that nobody has told us of: it is not ours to write.
    detached: bool,
    /// Whether this mailbox has written changes since the file was clean.
    changed: bool,
}

/// A file, as far as it was taken in.
#[derive(Debug, Clone, Copy)]
struct Known {
    inode: u64,
    generation: u64,
    end: u64,
    last: Duration,
    /// When it is this long, it is rewritten.
    rewrite_at: u64,
}

/// The right to write; what others have written is taken in.
#[derive(Debug)]
pub(crate) struct Turn {
    /// None, where there can be no lock; then nothing is written either.
    lock: Option<DotLock>,
}

impl Index {
    /// The index whose file is `path`; `scratch` is a directory on the same file system for what is being written. It is
    /// empty until the first [turn](Index::turn).
    pub(crate) fn new(env: &Env, path: PathBuf, scratch: PathBuf) -> Self {
        Self {
            env: env.clone(),
            path,
            scratch,
            boot: boot(env),
            uid_validity: None,
            state: State::new(ModSeq::ZERO),
            file: None,
            pending: Records::default(),
            recent: BTreeMap::new(),
            reader: None,
            raised: None,
            detached: false,
            changed: false,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Which UIDs these are; `None` when that is not known yet.
    pub(crate) fn uid_validity(&self) -> Option<UidValidity> {
        self.uid_validity
    }

    /// The stamps of what the index says, if they were taken in this boot.
    pub(crate) fn stamps(&self) -> Option<Stamps> {
        self.state.stamps().filter(|stamps| stamps.boot == self.boot)
    }

    /// The one file of the mailbox as the index has it; nothing is certain of it in another boot.
    pub(crate) fn file_stamp(&self) -> Option<FileStamp> {
        let is_of_this_boot = |stamp: &FileStamp| stamp.boot == self.boot;
        self.state
            .file_stamp()
            .map(|stamp| FileStamp { is_settled: stamp.is_settled && is_of_this_boot(&stamp), ..stamp })
    }

    pub(crate) fn boot(&self) -> u64 {
        self.boot
    }

    /// To which mod-sequence all messages were raised since this was asked last.
    pub(crate) fn take_raised(&mut self) -> Option<ModSeq> {
        self.raised.take()
    }

    /// Whether the file is the one that was taken in, if there is any, and nothing is left to write.
    pub(crate) fn is_current(&self) -> bool {
        let is_same = self.file.is_none_or(|known| {
            let found = self.env.fs().metadata(&self.path);
            found.is_ok_and(|found| is_same(&found, &known))
        });
        is_same && self.pending.is_empty()
    }

    /// The UIDs are these from now on: messages known under others are forgotten. To be called in a turn.
    pub(crate) fn set_uid_validity(&mut self, uid_validity: UidValidity) {
        if self.uid_validity != Some(uid_validity) {
            (self.state, self.file, self.reader) = (State::new(ModSeq::ZERO), None, None);
            (self.pending, self.recent) = (Records::default(), BTreeMap::new());
            self.uid_validity = Some(uid_validity);
            if self.catch_up().is_err() {
                self.spoilt(None);
            }
            (self.raised, self.detached) = (None, false);
        }
    }

    /// Takes the lock, and takes in what others have written.
    ///
    /// # Errors
    /// `Locked` when another process holds it all the time. An index that cannot be read or locked is no error.
    pub(crate) fn turn(&mut self) -> Result<Turn> {
        let lock = match DotLock::take(&self.env, &self.path, &self.scratch) {
            Err(error) if error.kind() == ErrorKind::Locked => return Err(error),
            lock => lock.ok(),
        };
        self.reader = None;
        let before = self.state.highest();
        if self.catch_up().is_err() {
            self.spoilt(None);
        }
        if self.state.highest() != before {
            self.sift();
        }
        Ok(Turn { lock })
    }

    fn catch_up(&mut self) -> io::Result<()> {
        self.detached = false;
        let file = match self.env.fs().open(&self.path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.spoilt(None);
                return Ok(());
            }
            file => file?,
        };
        let found = file.metadata()?;
        if self.file.is_some_and(|known| is_same(&found, &known)) {
            return Ok(());
        }
        let header = file::read_header(&*file)?;
        if let Some(known) = &mut self.file
            && header.is_some_and(|header| header.generation == known.generation)
            && known.inode == found.inode
            && known.end < found.size
        {
            let read = file::read_batches(&*file, known.generation, known.end, found.size, &mut self.state)?;
            self.state.settle();
            (known.end, known.last) = (read.end, read.last);
            if !is_same(&found, known) {
                self.spoilt(None);
            }
            return Ok(());
        }
        let Some(header) = header else {
            self.spoilt(None);
            return Ok(());
        };
        let mut state = State::resume(header.highest, header.vanished_floor, Some(header.boot));
        state.reserve(usize::try_from(u64::from(header.rows).min(found.size / 32)).unwrap_or(0));
        let read = file::read_batches(&*file, header.generation, header.body_at, found.size, &mut state)?;
        state.settle();
        let known = Known {
            inode: found.inode,
            generation: header.generation,
            end: read.end,
            last: read.last,
            rewrite_at: rewrite_at(header.body_at.saturating_add(header.body_bytes)),
        };
        let is_other = self.uid_validity.is_some_and(|uid_validity| uid_validity != header.uid_validity);
        if is_other {
            self.spoilt(None);
            self.detached = true;
            return Ok(());
        }
        self.uid_validity = Some(header.uid_validity);
        let told = self.state.highest();
        let is_whole = is_same(&found, &known) && state.dirty().is_none_or(|boot| boot == self.boot);
        if !is_whole || state.highest() < self.state.highest() {
            self.spoilt(Some(state));
            // For the summaries.
            self.reader = Some(file);
            return Ok(());
        }
        if told > ModSeq::ZERO && state.vanished().floor() > told {
            // Another process has raised all.
            self.raised = Some(state.vanished().floor());
        }
        (self.state, self.file) = (state, Some(known));
        Ok(())
    }

    /// The file is not to be believed; `kept` is what of it is worth keeping. Without a file there is nothing new to be
    /// lost.
    fn spoilt(&mut self, kept: Option<State>) {
        if self.file.is_none() && kept.is_none() && self.state.highest() > ModSeq::ZERO {
            return;
        }
        let known = self.state.highest();
        if let Some(kept) = kept {
            self.state = kept;
        } else {
            self.state.forget_summaries();
        }
        self.state.raise(floor(&self.env, known.max(self.state.highest())));
        (self.file, self.raised) = (None, Some(self.state.highest()));
    }

    /// Takes records in and writes them, with all that is pending. Without a file a new one is written.
    ///
    /// # Errors
    /// When they can be neither written, nor the file removed that does not have them.
    pub(crate) fn commit(&mut self, turn: &Turn, records: &Records) -> Result<()> {
        let mut batch = std::mem::take(&mut self.pending);
        let is_change = records.has_changes();
        batch.extend(records);
        self.recent.clear();
        if turn.lock.is_none() || self.detached {
            self.apply(&batch, None);
            return if is_change && !self.detached { self.abandon() } else { Ok(()) };
        }
        let Some(known) = self.file else {
            self.apply(&batch, None);
            return self.rewrite();
        };
        if batch.is_empty() {
            return Ok(());
        }
        if is_change && self.state.dirty().is_none() {
            batch.push(&Record::Mark { dirty: true, boot: self.boot });
        }
        let was_clean = self.state.dirty().is_none();
        match self.append(known, &batch, is_change && was_clean) {
            Ok(at) => {
                self.apply(&batch, Some(at));
                self.changed |= is_change;
            }
            Err(_) => {
                self.apply(&batch, None);
                return self.abandon();
            }
        }
        if self.file.is_some_and(|known| known.end > known.rewrite_at) {
            return self.rewrite();
        }
        Ok(())
    }

    /// Takes records in. `at` is where in the file they begin; without, there are no summaries among them.
    fn apply(&mut self, records: &Records, at: Option<u64>) {
        for (record, end) in Records::read(records.octets()).map_while(|record| record.ok()) {
            if at.is_none() && matches!(record, Record::Summary { .. } | Record::Mark { .. }) {
                continue;
            }
            let followed = self.state.apply(&record, at.unwrap_or(0) + end as u64);
            debug_assert!(followed.is_ok(), "{record:?} does not follow");
        }
        self.state.settle();
    }

    /// Writes a batch at the end; returns where its records begin.
    fn append(&mut self, mut known: Known, records: &Records, durable: bool) -> io::Result<u64> {
        let time = self.next_time(known.last);
        let octets = file::batch(known.generation, known.end, time, records);
        let mut file = self.env.fs().open(&self.path, OpenMode::Append)?;
        file.append(&octets)?;
        file.set_mtime(time)?;
        if durable {
            file.sync()?;
        }
        let at = known.end + file::FRAME_BYTES as u64;
        known.end += octets.len() as u64;
        known.last = time;
        self.file = Some(known);
        Ok(at)
    }

    fn next_time(&self, last: Duration) -> Duration {
        let now = Duration::from_micros(u64::try_from(self.env.host().now().as_micros()).unwrap_or(0));
        now.max(last + Duration::from_micros(1))
    }

    /// The file does not have what it should: takes it away.
    fn abandon(&mut self) -> Result<()> {
        self.file = None;
        self.state.forget_summaries();
        let removed = self
            .env
            .fs()
            .unlink(&self.path)
            .and_then(|()| self.env.syncs().sync_dir(self.path.parent().unwrap_or(Path::new("/"))));
        match removed {
            Err(error) if !is_out_of_reach(&error) => Err(StoreError::io("removing", &self.path, &error)),
            _ => Ok(()),
        }
    }

    /// Writes a new file, and keeps the old one if that fails.
    fn rewrite(&mut self) -> Result<()> {
        if self.write_new().is_ok() {
            return Ok(());
        }
        // The old one still has all that was appended to it.
        if self.file.is_some() { Ok(()) } else { self.abandon() }
    }

    fn write_new(&mut self) -> io::Result<()> {
        let Some(uid_validity) = self.uid_validity else { return Ok(()) };
        let scratch = self.scratch.join(self.env.unique_name());
        let written = self.write_scratch(&scratch, uid_validity);
        let renamed = written.and_then(|written| {
            self.env.fs().rename(&scratch, &self.path)?;
            Ok(written)
        });
        match renamed {
            Ok((known, state)) => {
                (self.file, self.state, self.reader) = (Some(known), state, None);
                self.changed = true;
                Ok(())
            }
            Err(error) => {
                // Best effort: the sweep takes what stays.
                let _ = self.env.fs().unlink(&scratch);
                Err(error)
            }
        }
    }

    fn write_scratch(&mut self, scratch: &Path, uid_validity: UidValidity) -> io::Result<(Known, State)> {
        self.reader();
        let old = self.reader.take();
        let old_size = old.as_ref().map_or(Ok(0), |old| old.metadata().map(|found| found.size))?;
        let mut summaries = old.as_deref().map(|old| Window::new(old, old_size));
        let mut state = self.state.clone();
        state.mark_dirty(self.boot);
        // What is moved must be sound: where it will lie is known from its length alone.
        let mut lengths = 0;
        let mut moved: Vec<(Uid, u64, usize)> = Vec::new();
        for row in self.state.rows() {
            let sound = row.facts.summary().filter(|&(at, len)| {
                let octets = summaries.as_mut().and_then(|old| old.get(at, len).ok().flatten());
                octets.is_some_and(|octets| file::unsealed(uid_validity, row.uid, octets).is_some())
            });
            if let Some((at, len)) = sound {
                moved.push((row.uid, at, len));
                lengths += len as u64;
            }
        }
        state.forget_summaries();
        let mut body_bytes = 0;
        file::dump(&state, |records| {
            body_bytes += (file::FRAME_BYTES + records.octets().len()) as u64;
            Ok::<(), io::Error>(())
        })?;
        let header = Header {
            uid_validity,
            rows: u32::try_from(state.rows().len()).unwrap_or(u32::MAX),
            generation: self.generation(),
            highest: state.highest(),
            vanished_floor: state.vanished().floor(),
            boot: self.boot,
            body_at: HEADER_BYTES as u64 + lengths,
            body_bytes,
        };
        let mut file = BufferedFile::new(self.env.fs().open(scratch, OpenMode::CreateNew)?);
        file.append(&header.octets())?;
        let mut end = HEADER_BYTES as u64;
        for (uid, at, len) in moved {
            let octets = summaries.as_mut().map_or(Ok(None), |old| old.get(at, len))?;
            file.append(octets.ok_or(io::ErrorKind::UnexpectedEof)?)?;
            state.place_summary(uid, end, len);
            end += len as u64;
        }
        let mut last = self.file.map_or(Duration::ZERO, |known| known.last);
        file::dump(&state, |records| {
            last = self.next_time(last);
            let octets = file::batch(header.generation, end, last, records);
            end += octets.len() as u64;
            file.append(&octets)
        })?;
        let file = file.into_file()?;
        file.set_mtime(last)?;
        let inode = file.metadata()?.inode;
        let known = Known { inode, generation: header.generation, end, last, rewrite_at: rewrite_at(end) };
        Ok((known, state))
    }

    /// A number that no other file of this mailbox has.
    fn generation(&self) -> u64 {
        let now = self.env.host().now().as_nanos().to_le_bytes();
        let whose = [self.env.host().pid().to_le_bytes(), (self.env.count() as u32).to_le_bytes()].concat();
        u64::from(file::sum(&[&now, &whose])) << 32 | u64::from(file::sum(&[&whose, &now]))
    }

    fn reader(&mut self) -> Option<&dyn File> {
        if self.reader.is_none() && self.file.is_some() {
            self.reader = self.env.fs().open(&self.path, OpenMode::Read).ok();
        }
        self.reader.as_deref()
    }

    /// Makes the file durable and marks it clean, if changes were written to it.
    fn close(&mut self) -> Result<()> {
        if !self.changed && self.pending.is_empty() {
            return Ok(());
        }
        let turn = self.turn()?;
        self.commit(&turn, &Records::default())?;
        let (Some(known), true, true) = (self.file, self.changed, turn.lock.is_some()) else { return Ok(()) };
        let synced = self
            .env
            .fs()
            .open(&self.path, OpenMode::Read)
            .and_then(|file| self.env.syncs().sync_file(file).1);
        if synced.is_ok() {
            let mut clean = Records::default();
            clean.push(&Record::Mark { dirty: false, boot: self.boot });
            // One that is torn makes the file spoilt, which costs time.
            let _ = self.append(known, &clean, false);
        }
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // What fails here leaves the file dirty, or gone.
        let _ = self.close();
    }
}

/// A mod-sequence above all that were ever given, of which `known` is one.
fn floor(env: &Env, known: ModSeq) -> ModSeq {
    let now = u64::try_from(env.host().now().as_micros()).ok().and_then(ModSeq::new).unwrap_or(ModSeq::MAX);
    now.max(known.next().unwrap_or(ModSeq::MAX))
}

/// A number for this boot of this machine; where boots cannot be told apart, for this process.
fn boot(env: &Env) -> u64 {
    let id = env.host().boot_id();
    let text = if id.is_empty() { format!("{:?}{}", env.started(), env.host().pid()) } else { id.to_owned() };
    let (text, name) = (text.as_bytes(), env.host().name().as_bytes());
    u64::from(file::sum(&[text])) << 32 | u64::from(file::sum(&[name, text]))
}

/// How long a file may become that was written with this length.
fn rewrite_at(written: u64) -> u64 {
    written.saturating_add((written / 2).max(APPENDED_BYTES_MIN))
}

fn is_same(found: &Metadata, known: &Known) -> bool {
    found.inode == known.inode && found.size == known.end && found.mtime == known.last
}

/// Whether nobody can write there, or nothing is there.
fn is_out_of_reach(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

//! [`MaildirMailbox`]: one opened Maildir.
//!
//! Three things are told apart: the files, as they are on disk; the *index*, which says what was found there last, and
//! when each message last changed; and the *entries*, which is what the user of this object has been told. `look.rs`
//! takes the files into the index and the index into the entries. A file that is not where the index has it was renamed
//! by somebody since: it is found again by its base, and noted in `moved` until the next look.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail_message::{Flag, FlagSet, ModSeq, Uid, UidSet, UidValidity};
use proto_core::UnixTime;

use super::filename;
use super::keywords::Keywords;
use super::message::{self, MessageFile};
use super::paths::{MailboxPaths, Sub};
use super::quota::Shift;
use super::recount;
use super::scan::{self, Place, Scan};
use super::store::Inner;
use super::uids::{UidHead, UidLock, Uids};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, Metadata, OpenMode};
use crate::index::{Facts, Index, Record, Records, Row, Stamp, Turn};
use crate::name::MailboxName;
use crate::store::{
    Access, Changes, Copied, Entry, Expunge, FlagChange, Flagged, Mailbox, MessageReader, Meta,
    PermanentFlags, Stored,
};
use crate::summary::Summary;

/// How often a message is looked for under a new name before it is given up: each time, somebody else renamed
/// it between our look and our step.
const ATTEMPTS_MAX: u32 = 16;

/// An opened mailbox of a [`MaildirStore`](super::MaildirStore).
#[derive(Debug)]
pub(super) struct MaildirMailbox {
    pub(super) store: Arc<Inner>,
    pub(super) paths: MailboxPaths,
    pub(super) access: Access,
    pub(super) uids: UidHead,
    pub(super) keywords: Keywords,
    pub(super) index: Index,
    pub(super) entries: Vec<Entry>,
    /// The change up to which `entries` are what the index says.
    pub(super) told: ModSeq,
    /// The keywords with which they are.
    pub(super) told_keywords: Keywords,
    /// Messages that are not where the index has them; `None` for those that are nowhere.
    pub(super) moved: HashMap<Uid, Option<Place>>,
    /// The files as they were looked at, when they had not changed for a while by then.
    pub(super) settled: Option<[Stamp; 3]>,
    /// When they are looked at again all the same, by the clock that never goes back.
    pub(super) look_again: Option<Duration>,
    /// How many files were left out when that was told last.
    pub(super) told_left_out: usize,
}

impl MaildirMailbox {
    pub(super) fn open(store: Arc<Inner>, paths: MailboxPaths, access: Access) -> Result<Self> {
        paths.check_exists()?;
        let mut mailbox = Self {
            index: Index::new(&paths.env, paths.index(), paths.tmp()),
            store,
            paths,
            access,
            uids: UidHead::NONE,
            keywords: Keywords::default(),
            entries: Vec::new(),
            told: ModSeq::ZERO,
            told_keywords: Keywords::default(),
            moved: HashMap::new(),
            settled: None,
            look_again: None,
            told_left_out: 0,
        };
        mailbox.look()?;
        Ok(mailbox)
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => {
                Err(StoreError::new(ErrorKind::ReadOnly, "changing the mailbox", "it was opened for reading")
                    .at(&self.paths.dir))
            }
        }
    }

    /// Lists the directories, and mends what stands there under two names.
    pub(super) fn scan(&self) -> Result<Scan> {
        let scan = scan::scan(&self.paths, self.index.state())?;
        if self.access == Access::ReadWrite {
            for &(first, second) in &scan.doubles {
                scan::mend_double(&self.paths, &scan.files[first as usize], &scan.files[second as usize])?;
            }
        }
        Ok(scan)
    }

    /// Finds the messages of the index again, after one was not where it was last seen.
    fn find_again(&mut self) -> Result<()> {
        let scan = self.scan()?;
        // The new names may carry letters that were given since; each is in the file before it is in a name.
        self.keywords = Keywords::load(&self.paths)?;
        self.moved.clear();
        for (at, row) in self.index.state().rows().iter().enumerate() {
            let place = scan.file_of(at);
            if place.map(Place::as_name) != Some(self.index.state().name(row)) {
                self.moved.insert(row.uid, place.cloned());
            }
        }
        Ok(())
    }

    /// Takes the right to change the index. What others have changed may carry letters that were given since.
    pub(super) fn turn(&mut self) -> Result<Turn> {
        let before = self.index.state().highest();
        let turn = self.index.turn()?;
        if self.index.state().highest() != before {
            self.keywords = Keywords::load(&self.paths)?;
        }
        Ok(turn)
    }

    /// Where a message was last seen.
    fn place(&self, uid: Uid) -> Option<Place> {
        match self.moved.get(&uid) {
            Some(place) => place.clone(),
            None => self.index.state().row(uid).map(|row| Place::of(self.index.state().name(row))),
        }
    }

    fn facts(&self, uid: Uid) -> Facts {
        self.index.state().row(uid).map(|row| row.facts).unwrap_or_default()
    }

    /// Does one step at the file of a message, wherever others move it meanwhile. `Ok(None)` when it is gone.
    pub(super) fn with_file<T>(
        &mut self,
        uid: Uid,
        doing: &'static str,
        mut step: impl FnMut(&Self, &Place, PathBuf) -> io::Result<T>,
    ) -> Result<Option<T>> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(place) = self.place(uid) else { return Ok(None) };
            let path = self.paths.sub(place.sub).join(&place.name);
            match step(self, &place, path.clone()) {
                Ok(done) => return Ok(Some(done)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.find_again()?,
                Err(error) => return Err(StoreError::io(doing, &path, &error)),
            }
        }
        Ok(None)
    }

    /// The UIDs of `uids` that are in the snapshot.
    pub(super) fn select(&self, uids: &UidSet) -> Vec<Uid> {
        self.entries.iter().map(|entry| entry.uid).filter(|&uid| uids.contains(uid)).collect()
    }

    pub(super) fn gone(&self) -> StoreError {
        StoreError::new(ErrorKind::NoSuchMessage, "reading a message of", "it is gone").at(&self.paths.dir)
    }

    /// Opens a message and counts it, unless that was done before.
    fn open_counted(&mut self, uid: Uid) -> Result<(Box<dyn File>, PathBuf, Facts)> {
        let known = self.facts(uid);
        let opened = self.with_file(uid, "reading", |mailbox, _, path| {
            let file = mailbox.paths.env.fs().open(&path, OpenMode::ReadItself)?;
            let mut facts = known;
            if facts.counted().is_none() {
                let counted = message::count(&*file)?;
                facts.set_counted(counted.sizes.stored_bytes, counted.sizes.crlf_bytes, date(&*file)?);
                facts.set_terminated(counted.is_terminated);
            }
            Ok((file, path, facts))
        })?;
        let (file, path, facts) = opened.ok_or_else(|| self.gone())?;
        if facts != known {
            self.index.learn(uid, facts, None);
        }
        Ok((file, path, facts))
    }

    fn entry_mut(&mut self, uid: Uid) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()?;
        self.entries.get_mut(at)
    }
}

fn date(file: &dyn File) -> io::Result<i64> {
    Ok(seconds(&file.metadata()?))
}

fn seconds(metadata: &Metadata) -> i64 {
    i64::try_from(metadata.mtime.as_secs()).unwrap_or(i64::MAX)
}

/// What became of one message whose flags were to be changed.
enum Change {
    /// Its file has this name now.
    Made(Place),
    /// Somebody had changed them: it has this name.
    Refused(Place),
}

impl Mailbox for MaildirMailbox {
    fn uid_validity(&self) -> UidValidity {
        self.uids.uid_validity
    }

    fn uid_next(&self) -> Uid {
        self.uids.next
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn permanent_flags(&self) -> PermanentFlags {
        match self.access {
            Access::ReadOnly => PermanentFlags { flags: FlagSet::new(), new_keywords: false },
            Access::ReadWrite => PermanentFlags {
                flags: Flag::SYSTEM.into_iter().chain(self.keywords.all()).collect(),
                new_keywords: self.keywords.has_room(),
            },
        }
    }

    fn highest_modseq(&self) -> ModSeq {
        self.told
    }

    fn vanished_since(&self, modseq: ModSeq) -> Option<UidSet> {
        let mut uids = self.index.state().vanished().after(modseq)?;
        if !uids.is_empty() {
            // Those that the user has not heard of yet.
            let present: UidSet = self.entries.iter().map(|entry| entry.uid).collect();
            uids = uids.difference(&present);
        }
        Some(uids)
    }

    fn refresh(&mut self) -> Result<Changes> {
        self.look()
    }

    fn meta(&mut self, uid: Uid) -> Result<Meta> {
        let mut facts = self.facts(uid);
        if facts.meta().is_none() {
            let found = self.with_file(uid, "looking at", |mailbox, place, path| {
                let metadata = mailbox.paths.env.fs().metadata(&path)?;
                // Another program's may be wrong, and a size once told must stay.
                let named = filename::sizes(place.base()).filter(|_| filename::is_own(place.base()));
                Ok((metadata, named.filter(|sizes| sizes.stored_bytes == metadata.size)))
            })?;
            let (metadata, named) = found.ok_or_else(|| self.gone())?;
            match named {
                Some(sizes) => {
                    facts.set_meta(sizes.crlf_bytes, seconds(&metadata));
                    self.index.learn(uid, facts, None);
                }
                None => (_, _, facts) = self.open_counted(uid)?,
            }
        }
        let (size_bytes, date) = facts.meta().ok_or_else(|| self.gone())?;
        let state = self.index.state();
        let saved = state.row(uid).and_then(|row| filename::saved(state.base(row)));
        Ok(Meta::new(size_bytes, UnixTime(date)).saved(UnixTime(saved.unwrap_or(date))))
    }

    fn message(&mut self, uid: Uid) -> Result<Box<dyn MessageReader>> {
        let (file, path, facts) = self.open_counted(uid)?;
        let sizes = match facts.counted() {
            Some((stored_bytes, crlf_bytes)) => filename::Sizes { stored_bytes, crlf_bytes },
            None => {
                let counted = message::count(&*file);
                counted.map_err(|error| StoreError::io("reading", &path, &error))?.sizes
            }
        };
        Ok(Box::new(MessageFile::new(file, path, sizes)))
    }

    fn summary(&mut self, uid: Uid) -> Result<Arc<Summary>> {
        if let Some(summary) = self.index.summary(uid) {
            return Ok(summary);
        }
        let known = self.facts(uid);
        let read = self.with_file(uid, "reading", |mailbox, _, path| {
            let file = mailbox.paths.env.fs().open(&path, OpenMode::ReadItself)?;
            let date = date(&*file)?;
            message::summarise(file, path).map(|(counted, summary)| (counted, summary, date))
        })?;
        let (counted, summary, date) = read.ok_or_else(|| self.gone())?;
        let (mut facts, summary) = (known, Arc::new(summary));
        facts.set_counted(counted.sizes.stored_bytes, counted.sizes.crlf_bytes, date);
        facts.set_terminated(counted.is_terminated);
        self.index.learn(uid, facts, Some(&summary));
        Ok(summary)
    }

    fn is_terminated(&mut self, uid: Uid) -> Result<bool> {
        if let Some(is_terminated) = self.facts(uid).terminated() {
            return Ok(is_terminated);
        }
        let last = self.with_file(uid, "reading", |mailbox, _, path| {
            let file = mailbox.paths.env.fs().open(&path, OpenMode::ReadItself)?;
            let mut last = [b'\n'];
            if let Some(at) = file.metadata()?.size.checked_sub(1) {
                fs::read_full(&*file, &mut last, at)?;
            }
            Ok(last)
        })?;
        let is_terminated = last.ok_or_else(|| self.gone())? == [b'\n'];
        let mut facts = self.facts(uid);
        facts.set_terminated(is_terminated);
        self.index.learn(uid, facts, None);
        Ok(is_terminated)
    }

    fn pop3_uidls(&mut self) -> Result<Vec<(Uid, String)>> {
        let list = Uids::load(&self.paths)?.filter(|uids| uids.list.uid_validity == self.uids.uid_validity);
        let told = list.iter().flat_map(|uids| uids.list.pop3_uidls());
        Ok(told.map(|(uid, uidl)| (uid, uidl.to_owned())).collect())
    }

    fn set_flags(
        &mut self,
        uids: &UidSet,
        change: FlagChange,
        flags: &FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Stored> {
        self.check_writable()?;
        if change != FlagChange::Remove {
            self.keywords.ensure(&self.paths, flags)?;
        }
        let turn = self.turn()?;
        let is_told = self.told == self.index.state().highest();
        let modseq = self.index.state().next_modseq();
        let (mut stored, mut records) = (Stored::default(), Records::default());
        // Told when all is durable.
        let mut shift = Shift::new(&self.paths);
        let mut lock = UidLock::for_renames(&self.paths);
        for uid in self.select(uids) {
            let Some(row) = self.index.state().row(uid).copied() else { continue };
            lock.iter_mut().for_each(UidLock::keep);
            if unchanged_since.is_some_and(|since| row.modseq > since) {
                stored.modified.insert(uid);
                continue;
            }
            let changed = self.with_file(uid, "changing the flags of", |mailbox, place, path| {
                let old = place.letters();
                if unchanged_since.is_some() && !mailbox.has_letters(&row, old) {
                    return Ok(Change::Refused(place.clone()));
                }
                let new = change.apply(&mailbox.keywords.flags(old), flags);
                let letters = mailbox.keywords.letters(&new, old);
                let name = filename::with_letters(place.base(), &letters);
                let (counted, counts) = (mailbox.paths.counts(old), mailbox.paths.counts(&letters));
                let disk = mailbox.paths.env.fs();
                let size = || recount::message(disk, &path, place.base());
                let rename = || {
                    if place.sub == Sub::Cur && place.name == name {
                        // Nothing to change, if it still is as it was.
                        disk.metadata(&path).map(drop)
                    } else {
                        disk.rename(&path, &mailbox.paths.sub(Sub::Cur).join(&name))
                    }
                };
                match (counted, counts) {
                    (true, false) => shift.remove(size, rename)?,
                    (false, true) => shift.add(size, rename)?,
                    (true, true) | (false, false) => rename()?,
                }
                Ok(Change::Made(Place { sub: Sub::Cur, name }))
            })?;
            let Some(Change::Made(place) | Change::Refused(place)) = &changed else { continue };
            let now = if self.has_letters(&row, place.letters()) { row.modseq } else { modseq };
            if place.as_name() != self.index.state().name(&row) {
                records.push(&Record::Renamed { uid, modseq: now, name: place.as_name() });
            }
            self.moved.remove(&uid);
            if let Some(Change::Refused(_)) = changed {
                stored.modified.insert(uid);
            } else {
                stored.messages.push(Flagged::new(uid, self.keywords.flags(place.letters()), now));
            }
        }
        drop(lock);
        let recorded = self.index.commit(&turn, &records);
        // Also when no name was changed: the session that did may not have synced it yet.
        self.paths.sync(&self.paths.sub(Sub::Cur))?;
        recorded?;
        for changed in &stored.messages {
            if let Some(entry) = self.entry_mut(changed.uid) {
                entry.flags = changed.flags.clone();
                entry.modseq = changed.modseq;
            }
        }
        if is_told && stored.modified.is_empty() {
            self.told = self.index.state().highest();
        }
        Ok(stored)
    }

    fn expunge(&mut self, uids: &UidSet, which: Expunge) -> Result<Vec<Uid>> {
        self.check_writable()?;
        // Messages may have been moved out of `new/` not durably. They must not be found there again, with
        // the flags they had then, when they are gone from `cur/`.
        self.paths.sync(&self.paths.sub(Sub::New))?;
        let turn = self.turn()?;
        let (mut removed, mut subs) = (Vec::new(), BTreeSet::from([Sub::Cur]));
        let mut shift = Shift::new(&self.paths);
        for uid in self.select(uids) {
            self.settle(uid)?;
            let gone = self.with_file(uid, "removing", |mailbox, place, path| {
                // The name holds the flags, so removing it by name checks them in the same step.
                if which == Expunge::Deleted && !place.letters().contains('T') {
                    // Unless somebody has set it meanwhile, and with it the name.
                    mailbox.paths.env.fs().metadata(&path)?;
                    return Ok(None);
                }
                let disk = mailbox.paths.env.fs();
                let size = || recount::message(disk, &path, place.base());
                if mailbox.paths.counts(place.letters()) {
                    shift.remove(size, || disk.unlink(&path))?;
                } else {
                    disk.unlink(&path)?;
                }
                Ok(Some(place.sub))
            })?;
            if let Some(Some(sub)) = gone {
                subs.insert(sub);
                removed.push(uid);
            }
        }
        self.record_gone(&turn, &removed, subs)?;
        Ok(removed)
    }

    fn copy(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        super::copy::copy(self, uids, target)
    }

    fn move_to(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        super::moves::move_to(self, uids, target)
    }
}

impl MaildirMailbox {
    /// Tells the spool, before a message goes, that it was delivered: it is here, so it was, whether it goes or not.
    pub(super) fn settle(&self, uid: Uid) -> Result<()> {
        let state = self.index.state();
        if let (Some(settle), Some(row)) = (&self.store.settle, state.row(uid))
            && let Some(delivery) = filename::delivery(state.base(row))
        {
            settle.settle(&delivery)?;
        }
        Ok(())
    }

    /// Records that messages are gone, and makes it durable in the directories they were in.
    pub(super) fn record_gone(&mut self, turn: &Turn, gone: &[Uid], subs: BTreeSet<Sub>) -> Result<()> {
        let is_told = self.told == self.index.state().highest();
        let modseq = self.index.state().next_modseq();
        let mut records = Records::default();
        for uids in gone.iter().copied().collect::<UidSet>().ranges() {
            records.push(&Record::Gone { modseq, uids });
        }
        let recorded = self.index.commit(turn, &records);
        for sub in subs {
            self.paths.sync(&self.paths.sub(sub))?;
        }
        recorded?;
        self.entries.retain(|entry| gone.binary_search(&entry.uid).is_err());
        if is_told {
            self.told = self.index.state().highest();
        }
        Ok(())
    }

    /// Whether the index has a message with these letters.
    fn has_letters(&self, row: &Row, letters: &str) -> bool {
        let name = self.index.state().name(row);
        filename::parse(name.text).map_or("", |name| name.letters) == letters
    }
}

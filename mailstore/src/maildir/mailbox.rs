//! [`MaildirMailbox`]: one opened Maildir.
//!
//! The snapshot (`entries`) is what the user of this object has been told; `files` is where the messages were
//! last seen on disk. They differ when another session changed a flag: the file is found again under its new
//! name, and the next refresh tells the flag.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail_message::{Flag, FlagSet, Uid, UidSet, UidValidity};
use proto_core::UnixTime;

use super::filename::{self, Sizes};
use super::keywords::Keywords;
use super::message::{self, MessageFile};
use super::paths::{MailboxPaths, Sub};
use super::scan::{self, Place, Scan};
use super::store::Inner;
use super::uids::{UidLock, Uids};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, Metadata, OpenMode};
use crate::name::MailboxName;
use crate::store::{
    Access, Changes, Copied, Entry, Expunge, FlagChange, Mailbox, MessageReader, Meta, PermanentFlags,
};

/// How often a message is looked for under a new name before it is given up: each time, somebody else renamed
/// it between our look and our step.
const ATTEMPTS_MAX: u32 = 16;

/// A directory changed again within this time of a change may carry the same modification time.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// An opened mailbox of a [`MaildirStore`](super::MaildirStore).
#[derive(Debug)]
pub(super) struct MaildirMailbox {
    pub(super) store: Arc<Inner>,
    pub(super) paths: MailboxPaths,
    access: Access,
    uids: Uids,
    pub(super) keywords: Keywords,
    entries: Vec<Entry>,
    files: BTreeMap<Uid, MessageInfo>,
    /// The directories as they were listed, when they had not changed for a while by then.
    settled: Option<[Metadata; 2]>,
}

/// A message of the snapshot, on disk.
#[derive(Debug, Clone)]
struct MessageInfo {
    base: Arc<str>,
    place: Place,
    /// Date and sizes, once they have been looked up.
    meta: Option<Meta>,
    /// Sizes, once the file has been read through.
    counted: Option<Sizes>,
}

impl MaildirMailbox {
    pub(super) fn open(store: Arc<Inner>, paths: MailboxPaths, access: Access) -> Result<Self> {
        paths.check_exists()?;
        let uids = match Uids::load(&paths, None)? {
            Some(uids) => uids,
            None => Uids::load_or_create(&paths, &UidLock::take(&paths)?, None)?,
        };
        let keywords = Keywords::load(&paths)?;
        let (entries, files) = (Vec::new(), BTreeMap::new());
        let mut mailbox = Self { store, paths, access, uids, keywords, entries, files, settled: None };
        mailbox.refresh()?;
        Ok(mailbox)
    }

    fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => {
                Err(StoreError::new(ErrorKind::ReadOnly, "changing the mailbox", "it was opened for reading")
                    .at(&self.paths.dir))
            }
        }
    }

    fn scan(&self) -> Result<Scan> {
        let known = || self.files.values().map(|info| &info.base);
        let scan = scan::scan(&self.paths, |scan| known().all(|base| scan.files.contains_key(base)))?;
        if self.access == Access::ReadWrite {
            for (base, second) in &scan.doubles {
                scan::mend_double(&self.paths, &scan.files[base], second)?;
            }
        }
        Ok(scan)
    }

    /// Brings `self.uids` up to date and gives UIDs to all files in `scan`, which is renewed if need be.
    fn give_uids(&mut self, scan: &mut Scan) -> Result<()> {
        let loaded = Uids::load(&self.paths, Some(&self.uids))?;
        let current = loaded.filter(|uids| {
            uids.list.uid_validity != self.uids.list.uid_validity || uids.list.next() >= self.uids.list.next()
        });
        if let Some(uids) = current {
            let all_known = scan.files.keys().all(|base| uids.list.uid(base).is_some());
            if all_known && !(self.access == Access::ReadWrite && uids.has_garbage(scan.files.len())) {
                self.uids = uids;
                return Ok(());
            }
        }
        let lock = UidLock::take(&self.paths)?;
        let mut uids = Uids::load_or_create(&self.paths, &lock, Some(&self.uids))?;
        *scan = self.scan()?;
        let mut new: Vec<Arc<str>> =
            scan.files.keys().filter(|base| uids.list.uid(base).is_none()).cloned().collect();
        new.sort_by(|a, b| (filename::arrival(a), a).cmp(&(filename::arrival(b), b)));
        self.make_durable(scan, &mut new)?;
        uids.assign(&self.paths, &lock, &new, Some(&|base| scan.files.contains_key(base)))?;
        self.uids = uids;
        Ok(())
    }

    /// Syncs files that are to get UIDs: another program may have delivered them without. What has vanished
    /// meanwhile is taken out of `new`.
    fn make_durable(&self, scan: &Scan, new: &mut Vec<Arc<str>>) -> Result<()> {
        let mut failed = None;
        let mut synced = [false; 2];
        new.retain(|base| {
            let place = &scan.files[base];
            let path = self.paths.sub(place.sub).join(&place.name);
            let result = self.paths.env.fs().open(&path, OpenMode::Read).and_then(|file| file.sync());
            match result {
                Ok(()) => {
                    synced[place.sub as usize] = true;
                    true
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => {
                    failed.get_or_insert(StoreError::io("syncing", &path, &error));
                    false
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        for sub in [Sub::New, Sub::Cur] {
            if synced[sub as usize] {
                self.paths.sync(&self.paths.sub(sub))?;
            }
        }
        Ok(())
    }

    /// Moves what is in `new/` to `cur/`; returns what was, as recent.
    fn take_new(&self, scan: &mut Scan) -> Result<BTreeSet<Arc<str>>> {
        let mut recent = BTreeSet::new();
        for (base, place) in &mut scan.files {
            if place.sub != Sub::New {
                continue;
            }
            if self.access == Access::ReadOnly {
                recent.insert(base.clone());
                continue;
            }
            let from = self.paths.sub(Sub::New).join(&place.name);
            let name = filename::with_letters(base, place.letters());
            let to = self.paths.sub(Sub::Cur).join(&name);
            match self.paths.env.fs().rename(&from, &to) {
                Ok(()) => {
                    *place = Place { sub: Sub::Cur, name };
                    recent.insert(base.clone());
                }
                // Another session took it, or somebody removed it: the next step at it finds out.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("moving a new message to", &to, &error)),
            }
        }
        Ok(recent)
    }

    /// Finds the messages of the snapshot again, after one was not where it was last seen.
    fn find_again(&mut self) -> Result<()> {
        let mut scan = self.scan()?;
        // The new names may carry letters that were given since; each is in the file before it is in a name.
        self.keywords = Keywords::load(&self.paths)?;
        self.files.retain(|_, info| match scan.files.remove(&info.base) {
            Some(place) => {
                info.place = place;
                true
            }
            None => false,
        });
        Ok(())
    }

    /// Does one step at the file of a message, wherever others move it meanwhile. `Ok(None)` when it is gone.
    pub(super) fn with_file<T>(
        &mut self,
        uid: Uid,
        doing: &'static str,
        mut step: impl FnMut(&Self, &Place, PathBuf) -> io::Result<T>,
    ) -> Result<Option<T>> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(info) = self.files.get(&uid) else { return Ok(None) };
            let path = self.paths.sub(info.place.sub).join(&info.place.name);
            match step(self, &info.place, path.clone()) {
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
    fn open_counted(&mut self, uid: Uid) -> Result<(Box<dyn File>, PathBuf, Sizes)> {
        let counted = self.files.get(&uid).and_then(|info| info.counted);
        let opened = self.with_file(uid, "reading", |mailbox, _, path| {
            let file = mailbox.paths.env.fs().open(&path, OpenMode::Read)?;
            let sizes = match counted {
                Some(sizes) => sizes,
                None => message::count(&*file)?,
            };
            let date = date(&*file)?;
            Ok((file, path, sizes, date))
        })?;
        let (file, path, sizes, internal_date) = opened.ok_or_else(|| self.gone())?;
        if let Some(info) = self.files.get_mut(&uid) {
            info.counted = Some(sizes);
            info.meta = Some(Meta { size_bytes: sizes.crlf_bytes, internal_date });
        }
        Ok((file, path, sizes))
    }

    fn entry_mut(&mut self, uid: Uid) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()?;
        self.entries.get_mut(at)
    }
}

fn date(file: &dyn File) -> io::Result<UnixTime> {
    Ok(UnixTime(i64::try_from(file.metadata()?.mtime.as_secs()).unwrap_or(i64::MAX)))
}

impl Mailbox for MaildirMailbox {
    fn uid_validity(&self) -> UidValidity {
        self.uids.list.uid_validity
    }

    fn uid_next(&self) -> Uid {
        self.uids.list.next()
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

    fn refresh(&mut self) -> Result<Changes> {
        self.paths.check_exists()?;
        let stamps = scan::stamps(&self.paths)?;
        if self.settled == Some(stamps) && self.uids.is_current(&self.paths)? {
            return Ok(Changes::default());
        }
        let newest = stamps[0].mtime.max(stamps[1].mtime);
        let quiet = self.paths.env.host().now().saturating_sub(newest) > QUIET_AFTER;
        self.settled = quiet.then_some(stamps);
        let old_validity = self.uid_validity();
        let mut scan = self.scan()?;
        self.give_uids(&mut scan)?;
        let recent = self.take_new(&mut scan)?;
        self.keywords = Keywords::load(&self.paths)?;

        let mut changes = Changes { invalidated: self.uid_validity() != old_validity, ..Changes::default() };
        if changes.invalidated {
            self.entries.clear();
            self.files.clear();
        }
        let mut files = BTreeMap::new();
        let mut entries = BTreeMap::new();
        for (base, place) in scan.files {
            // A file that appeared after the UIDs were given is for the next refresh.
            let Some(uid) = self.uids.list.uid(&base) else { continue };
            let flags = self.keywords.flags(place.letters());
            let known = self.files.remove(&uid).filter(|info| info.base == base);
            let old =
                self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok().map(|at| &self.entries[at]);
            let entry = match old {
                Some(old) => {
                    if old.flags != flags {
                        changes.flags.push((uid, flags.clone()));
                    }
                    Entry { uid, flags, recent: old.recent }
                }
                None => {
                    let entry = Entry { uid, flags, recent: recent.contains(&base) };
                    changes.new.push(entry.clone());
                    entry
                }
            };
            entries.insert(uid, entry);
            let (meta, counted) = known.map_or((None, None), |info| (info.meta, info.counted));
            files.insert(uid, MessageInfo { base, place, meta, counted });
        }
        changes.vanished =
            self.entries.iter().map(|entry| entry.uid).filter(|uid| !entries.contains_key(uid)).collect();
        changes.new.sort_by_key(|entry| entry.uid);
        changes.flags.sort_by_key(|(uid, _)| *uid);
        self.entries = entries.into_values().collect();
        self.files = files;
        if changes.invalidated {
            changes = Changes { invalidated: true, ..Changes::default() };
        }
        Ok(changes)
    }

    fn meta(&mut self, uid: Uid) -> Result<Meta> {
        if let Some(meta) = self.files.get(&uid).and_then(|info| info.meta) {
            return Ok(meta);
        }
        let found = self.with_file(uid, "looking at", |mailbox, place, path| {
            let metadata = mailbox.paths.env.fs().metadata(&path)?;
            let named = filename::parse(&place.name).and_then(|name| filename::sizes(name.base));
            Ok((metadata, named.filter(|sizes| sizes.stored_bytes == metadata.size)))
        })?;
        let (metadata, named) = found.ok_or_else(|| self.gone())?;
        let Some(sizes) = named else {
            self.open_counted(uid)?;
            return self.files.get(&uid).and_then(|info| info.meta).ok_or_else(|| self.gone());
        };
        let internal_date = UnixTime(i64::try_from(metadata.mtime.as_secs()).unwrap_or(i64::MAX));
        let meta = Meta { size_bytes: sizes.crlf_bytes, internal_date };
        if let Some(info) = self.files.get_mut(&uid) {
            info.meta = Some(meta);
        }
        Ok(meta)
    }

    fn message(&mut self, uid: Uid) -> Result<Box<dyn MessageReader>> {
        let (file, path, sizes) = self.open_counted(uid)?;
        Ok(Box::new(MessageFile::new(file, path, sizes)))
    }

    fn is_terminated(&mut self, uid: Uid) -> Result<bool> {
        let last = self.with_file(uid, "reading", |mailbox, _, path| {
            let file = mailbox.paths.env.fs().open(&path, OpenMode::Read)?;
            let mut last = [b'\n'];
            if let Some(at) = file.metadata()?.size.checked_sub(1) {
                fs::read_full(&*file, &mut last, at)?;
            }
            Ok(last)
        })?;
        Ok(last.ok_or_else(|| self.gone())? == [b'\n'])
    }

    fn set_flags(
        &mut self,
        uids: &UidSet,
        change: FlagChange,
        flags: &FlagSet,
    ) -> Result<Vec<(Uid, FlagSet)>> {
        self.check_writable()?;
        if change != FlagChange::Remove {
            self.keywords.ensure(&self.paths, flags)?;
        }
        let mut results = Vec::new();
        for uid in self.select(uids) {
            let placed = self.with_file(uid, "changing the flags of", |mailbox, place, path| {
                let old = place.letters();
                let new = change.apply(&mailbox.keywords.flags(old), flags);
                let letters = mailbox.keywords.letters(&new, old);
                let base = filename::parse(&place.name).map_or("", |name| name.base);
                let name = filename::with_letters(base, &letters);
                if place.sub == Sub::Cur && place.name == name {
                    // Nothing to change, if it still is as it was.
                    mailbox.paths.env.fs().metadata(&path)?;
                } else {
                    mailbox.paths.env.fs().rename(&path, &mailbox.paths.sub(Sub::Cur).join(&name))?;
                }
                Ok((Place { sub: Sub::Cur, name }, mailbox.keywords.flags(&letters)))
            })?;
            if let (Some((place, flags)), Some(info)) = (placed, self.files.get_mut(&uid)) {
                info.place = place;
                results.push((uid, flags));
            }
        }
        // Also when no name was changed: the session that did may not have synced it yet.
        self.paths.sync(&self.paths.sub(Sub::Cur))?;
        for (uid, flags) in &results {
            if let Some(entry) = self.entry_mut(*uid) {
                entry.flags = flags.clone();
            }
        }
        Ok(results)
    }

    fn expunge(&mut self, uids: &UidSet, which: Expunge) -> Result<Vec<Uid>> {
        self.check_writable()?;
        // Messages may have been moved out of `new/` not durably. They must not be found there again, with
        // the flags they had then, when they are gone from `cur/`.
        self.paths.sync(&self.paths.sub(Sub::New))?;
        let (mut removed, mut from_new) = (Vec::new(), false);
        for uid in self.select(uids) {
            if let (Some(settle), Some(info)) = (&self.store.settle, self.files.get(&uid))
                && let Some(delivery) = filename::delivery(&info.base)
            {
                // It is here, so it was delivered, whether it is removed or not.
                settle.settle(&delivery)?;
            }
            let gone = self.with_file(uid, "removing", |mailbox, place, path| {
                // The name holds the flags, so removing it by name checks them in the same step.
                if which == Expunge::Deleted && !place.letters().contains('T') {
                    // Unless somebody has set it meanwhile, and with it the name.
                    mailbox.paths.env.fs().metadata(&path)?;
                    return Ok(None);
                }
                mailbox.paths.env.fs().unlink(&path).map(|()| Some(place.sub))
            })?;
            if let Some(Some(sub)) = gone {
                from_new |= sub == Sub::New;
                removed.push(uid);
            }
        }
        if from_new {
            self.paths.sync(&self.paths.sub(Sub::New))?;
        }
        self.paths.sync(&self.paths.sub(Sub::Cur))?;
        for uid in &removed {
            self.files.remove(uid);
        }
        self.entries.retain(|entry| removed.binary_search(&entry.uid).is_err());
        Ok(removed)
    }

    fn copy(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        super::copy::copy(self, uids, target)
    }
}

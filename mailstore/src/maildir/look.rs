//! Looking for what others have changed: from the files into the index, and from the index into the entries.
//!
//! A directory listing tells names, and names tell flags. What the index does not have is a new message and gets a UID;
//! what only the index has is gone; what has another name has other flags. All that one look finds gets one
//! mod-sequence, above all before.
//!
//! The list of UIDs is the authority for which message a UID names: when it has changed, every row of the index is held
//! against it, and one that it gainsays counts as gone.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use mail_message::{Uid, UidSet};

use super::filename;
use super::keywords::Keywords;
use super::mailbox::MaildirMailbox;
use super::paths::Sub;
use super::scan::{self, Place, Scan};
use super::uids::{UidLock, Uids};
use crate::error::{Result, StoreError};
use crate::fs::OpenMode;
use crate::index::{Record, Records};
use crate::store::{Access, Changes, Entry, Flagged};

/// A directory changed again within this time of a change may carry the same modification time.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// So many new messages are open at a time while they are made durable.
const SYNCED_TOGETHER_MAX: usize = 64;

impl MaildirMailbox {
    /// Looks, and tells what is new to the user.
    pub(super) fn look(&mut self) -> Result<Changes> {
        self.paths.check_exists()?;
        let stamps = scan::stamps(&self.paths)?;
        let is_told = self.told == self.index.state().highest();
        if self.settled == Some(stamps) && is_told && self.uids.is_current(&self.paths)? {
            return Ok(Changes::default());
        }
        let newest = stamps[0].mtime.max(stamps[1].mtime);
        let quiet = self.paths.env.host().now().saturating_sub(newest) > QUIET_AFTER;
        self.settled = quiet.then_some(stamps);
        let old_validity = self.uids.list.uid_validity;
        let mut scan = self.scan()?;
        self.give_uids(&mut scan)?;
        let recent = self.take_new(&mut scan)?;
        let recent = self.take_in(&scan, &recent);
        let keywords = Keywords::load(&self.paths)?;
        let same_keywords = keywords == self.keywords;
        self.keywords = keywords;
        let invalidated = self.uids.list.uid_validity != old_validity;
        if invalidated {
            self.entries.clear();
        }
        let changes = self.tell(&recent, same_keywords);
        Ok(if invalidated { Changes { invalidated, ..Changes::default() } } else { changes })
    }

    /// Brings `self.uids` up to date and gives UIDs to all files in `scan`, which is renewed if need be.
    fn give_uids(&mut self, scan: &mut Scan) -> Result<()> {
        let loaded = Uids::load(&self.paths, Some(&self.uids))?;
        let current = loaded.filter(|uids| {
            uids.list.uid_validity != self.uids.list.uid_validity || uids.list.next() >= self.uids.list.next()
        });
        if let Some(uids) = current {
            let is_known = |file: u32| uids.list.uid(scan.files[file as usize].base()).is_some();
            let files = scan.numbers().count();
            if scan.numbers().all(is_known) && !(self.access == Access::ReadWrite && uids.has_garbage(files))
            {
                self.adopt(uids, scan);
                return Ok(());
            }
        }
        let lock = UidLock::take(&self.paths)?;
        let mut uids = Uids::load_or_create(&self.paths, &lock, Some(&self.uids))?;
        *scan = self.scan()?;
        let mut new: Vec<u32> = scan.numbers().collect();
        new.retain(|&file| uids.list.uid(scan.files[file as usize].base()).is_none());
        new.sort_by_cached_key(|&file| {
            let base = scan.files[file as usize].base();
            (filename::arrival(base), base.to_owned())
        });
        self.make_durable(scan, &mut new)?;
        let bases: Vec<_> = new.iter().map(|&file| scan.files[file as usize].base().into()).collect();
        let alive: BTreeSet<&str> = scan.numbers().map(|file| scan.files[file as usize].base()).collect();
        uids.assign(&self.paths, &lock, &bases, Some(&|base| alive.contains(base)))?;
        self.adopt(uids, scan);
        Ok(())
    }

    /// Goes by this list from now on.
    fn adopt(&mut self, uids: Uids, scan: &mut Scan) {
        if uids.list.uid_validity != self.uids.list.uid_validity {
            self.index.reset();
            (0..scan.found.len()).for_each(|at| scan.disown(at));
            scan.found.clear();
        }
        let state = self.index.state();
        for (at, row) in state.rows().iter().enumerate() {
            if uids.list.uid(state.base(row)).is_some_and(|uid| uid != row.uid) {
                scan.disown(at);
            }
        }
        self.uids = uids;
    }

    /// Syncs files that are to get UIDs: another program may have delivered them without. What has vanished
    /// meanwhile is taken out of `new`.
    fn make_durable(&self, scan: &Scan, new: &mut Vec<u32>) -> Result<()> {
        let (mut dirs, mut vanished) = (BTreeSet::new(), BTreeSet::new());
        for some in new.chunks(SYNCED_TOGETHER_MAX) {
            let (mut files, mut paths) = (Vec::new(), Vec::new());
            for &number in some {
                let place = &scan.files[number as usize];
                let path = self.paths.sub(place.sub).join(&place.name);
                match self.paths.env.fs().open(&path, OpenMode::Read) {
                    Ok(file) => {
                        dirs.insert(place.sub);
                        files.push(file);
                        paths.push(path);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        vanished.insert(number);
                    }
                    Err(error) => return Err(StoreError::io("syncing", &path, &error)),
                }
            }
            for ((_, result), path) in self.paths.env.syncs().sync_files(files).into_iter().zip(paths) {
                result.map_err(|error| StoreError::io("syncing", &path, &error))?;
            }
        }
        new.retain(|number| !vanished.contains(number));
        for sub in dirs {
            self.paths.sync(&self.paths.sub(sub))?;
        }
        Ok(())
    }

    /// Moves what is in `new/` to `cur/`; returns the numbers of what was, as recent.
    fn take_new(&self, scan: &mut Scan) -> Result<BTreeSet<u32>> {
        let mut recent = BTreeSet::new();
        let numbers: Vec<u32> = scan.numbers().collect();
        for number in numbers {
            let place = &mut scan.files[number as usize];
            if place.sub != Sub::New {
                continue;
            }
            if self.access == Access::ReadOnly {
                recent.insert(number);
                continue;
            }
            let from = self.paths.sub(Sub::New).join(&place.name);
            let name = filename::with_letters(place.base(), place.letters());
            let to = self.paths.sub(Sub::Cur).join(&name);
            match self.paths.env.fs().rename(&from, &to) {
                Ok(()) => {
                    *place = Place { sub: Sub::Cur, name };
                    recent.insert(number);
                }
                // Another session took it, or somebody removed it: the next step at it finds out.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("moving a new message to", &to, &error)),
            }
        }
        Ok(recent)
    }

    /// Takes what was found into the index; returns the UIDs of what is recent.
    fn take_in(&mut self, scan: &Scan, recent: &BTreeSet<u32>) -> UidSet {
        let state = self.index.state();
        let modseq = state.next_modseq();
        let mut records = Records::default();
        let (mut gone, mut recent_uids) = (UidSet::new(), UidSet::new());
        for (at, row) in state.rows().iter().enumerate() {
            let Some(place) = scan.file_of(at) else {
                gone.insert(row.uid);
                continue;
            };
            let known = state.name(row);
            if place.as_name() != known {
                let old = filename::parse(known.text).map_or("", |name| name.letters);
                let modseq = if place.letters() == old { row.modseq } else { modseq };
                records.push(&Record::Renamed { uid: row.uid, modseq, name: place.as_name() });
            }
            if recent.contains(&scan.found[at]) {
                recent_uids.insert(row.uid);
            }
        }
        let mut new: Vec<(Uid, u32)> = Vec::with_capacity(scan.new.len());
        // A file that appeared after the UIDs were given is for the next look.
        let uid_of = |file: u32| self.uids.list.uid(scan.files[file as usize].base());
        new.extend(scan.new.iter().filter_map(|&file| Some((uid_of(file)?, file))));
        new.sort_unstable();
        for uids in gone.ranges() {
            records.push(&Record::Gone { modseq, uids });
        }
        for (uid, file) in new {
            if state.row(uid).is_some() && !gone.contains(uid) {
                continue;
            }
            let (name, facts) = (scan.files[file as usize].as_name(), state.early(uid));
            records.push(&Record::Row { uid, modseq, name, facts });
            if recent.contains(&file) {
                recent_uids.insert(uid);
            }
        }
        self.index.commit(&records);
        self.moved.clear();
        recent_uids
    }

    /// Takes the index into the entries, and tells what has changed by that.
    fn tell(&mut self, recent: &UidSet, same_keywords: bool) -> Changes {
        let state = self.index.state();
        let mut changes = Changes::default();
        let mut old = std::mem::take(&mut self.entries).into_iter().peekable();
        let mut entries = Vec::with_capacity(state.rows().len());
        for row in state.rows() {
            while let Some(gone) = old.next_if(|entry| entry.uid < row.uid) {
                changes.vanished.push(gone.uid);
            }
            let known = old.next_if(|entry| entry.uid == row.uid);
            if let Some(entry) = &known
                && entry.modseq == row.modseq
                && same_keywords
            {
                entries.extend(known);
                continue;
            }
            let flags =
                self.keywords.flags(filename::parse(state.name(row).text).map_or("", |name| name.letters));
            let (uid, modseq) = (row.uid, row.modseq);
            let recent = match &known {
                Some(known) => {
                    if known.flags != flags {
                        changes.flags.push(Flagged::new(uid, flags.clone(), modseq));
                    }
                    known.recent
                }
                None => recent.contains(uid),
            };
            let entry = Entry { uid, flags, recent, modseq };
            if known.is_none() {
                changes.new.push(entry.clone());
            }
            entries.push(entry);
        }
        changes.vanished.extend(old.map(|entry| entry.uid));
        self.entries = entries;
        self.told = state.highest();
        changes
    }
}

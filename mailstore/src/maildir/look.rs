//! Looking for what others have changed: from the files into the index, and from the index into the entries.
//!
//! A directory listing tells names, and names tell flags. What the index does not have is a new message and gets a UID;
//! what only the index has is gone; what has another name has other flags. All that one look finds gets one
//! mod-sequence, above all before.
//!
//! The list of UIDs is the authority for which message a UID names: when it has changed, every row of the index is held
//! against it, and one that it gainsays counts as gone.
//!
//! All that was found is known only where nobody adds or renames meanwhile: under the lock of the list, where it matters.
//!
//! A file that comes back after its message was told to be gone (put back from a backup, or delivered once more) is a
//! new message, though the list may still have its name: UIDs only ascend (RFC 3501 §2.3.1.1).

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::time::Duration;

use mail_message::{ModSeq, Uid, UidSet};

use super::filename;
use super::keywords::Keywords;
use super::mailbox::MaildirMailbox;
use super::notice::MaildirNotice;
use super::paths::Sub;
use super::scan::{self, LeftOut, Place, Scan};
use super::uids::{UidHead, UidLock, Uids};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::OpenMode;
use crate::index::{Record, Records, Row, Stamp, Stamps};
use crate::store::{Access, Changes, Entry, Flagged};

/// A directory changed again within this time of a change may carry the same modification time.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// A file that may not be opened is tried again when a directory changes, or after this time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// So many new messages are open at a time while they are made durable.
const SYNCED_TOGETHER_MAX: usize = 64;

impl MaildirMailbox {
    /// Looks, and tells what is new to the user.
    pub(super) fn look(&mut self) -> Result<Changes> {
        self.paths.check_exists()?;
        let found = self.stamps()?;
        let is_told = self.told == self.index.state().highest();
        let now = self.paths.env.host().monotonic();
        let is_settled = self.settled == found && self.look_again.is_none_or(|at| now < at);
        if found.is_some() && is_settled && is_told && self.index.is_current() {
            return Ok(Changes::default());
        }
        let turn = self.index.turn()?;
        let old_validity = self.uids.uid_validity;
        let keywords = Keywords::load(&self.paths)?;
        let mut recent = UidSet::new();
        if self.is_known(found) {
            self.look_again = None;
            if self.access == Access::ReadOnly {
                recent = self.in_new().collect();
            }
            self.index.commit(&turn, &Records::default())?;
        } else {
            let mut scan = self.scan()?;
            self.give_uids(&mut scan, found.map(|found| found[2]))?;
            self.tell_left_out(&scan.left_out);
            let taken = self.take_new(&mut scan)?;
            let mut records;
            (records, recent) = self.take_in(&scan, &taken);
            self.settled = None;
            // What has no UID yet is tried again, whether a directory changes or not; what may not be opened, now and then.
            let has_all = scan.uids.iter().all(Option::is_some);
            self.look_again = (!has_all).then(|| now + LOOK_AGAIN_AFTER);
            if let Some(files) = found
                && (has_all || scan.left_out.files > 0)
                && self.is_quiet()?
                && self.stamps()? == found
            {
                self.settled = found;
                let (boot, UidHead { next: uid_next, listed, .. }) = (self.index.boot(), self.uids);
                if has_all {
                    records.push(&Record::Stamps(Stamps { boot, files, uid_next, listed }));
                }
            }
            self.index.commit(&turn, &records)?;
            self.moved.clear();
        }
        let same_keywords = keywords == self.told_keywords;
        (self.told_keywords, self.keywords) = (keywords.clone(), keywords);
        let is_first = self.told == ModSeq::ZERO;
        let invalidated = !is_first && self.uids.uid_validity != old_validity;
        if invalidated {
            self.entries.clear();
        }
        let mut changes = self.tell(&recent, same_keywords, is_first);
        changes.modseq_floor = self.index.take_raised().filter(|_| !is_first);
        Ok(if invalidated { Changes { invalidated, ..Changes::default() } } else { changes })
    }

    /// The two directories and the list of UIDs; `None` without a list.
    fn stamps(&self) -> Result<Option<[Stamp; 3]>> {
        let [new, cur] = scan::stamps(&self.paths)?;
        let path = self.paths.uidlist();
        let list = match self.paths.env.fs().metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            list => list.map_err(|error| StoreError::io("reading", &path, &error))?,
        };
        Ok(Some([&new, &cur, &list].map(Stamp::of)))
    }

    /// Whether a directory that changes from now on gets another modification time.
    fn is_quiet(&self) -> Result<bool> {
        let [new, cur] = scan::stamps(&self.paths)?;
        let newest = new.mtime.max(cur.mtime);
        Ok(self.paths.env.host().now().saturating_sub(newest) > QUIET_AFTER)
    }

    /// Whether the index says all that there is to say, so that no directory has to be listed.
    fn is_known(&mut self, found: Option<[Stamp; 3]>) -> bool {
        let (Some(stamps), Some(uid_validity)) = (self.index.stamps(), self.index.uid_validity()) else {
            return false;
        };
        if found.is_some_and(|found| found[2] == stamps.files[2]) {
            // Then the list need not be read, unless there is something that it does not name.
            let (next, listed) = (stamps.uid_next, stamps.listed);
            self.uids = UidHead { uid_validity, next, listed, stamp: Some(stamps.files[2]) };
        }
        let is_known = Some(stamps.files) == found
            && (self.access == Access::ReadOnly || self.in_new().next().is_none());
        if is_known {
            self.settled = found;
        }
        is_known
    }

    /// The messages that the index has in `new/`.
    fn in_new(&self) -> impl Iterator<Item = Uid> + '_ {
        let state = self.index.state();
        let is_new = |row: &&Row| state.name(row).place == Sub::New as u8;
        state.rows().iter().filter(is_new).map(|row| row.uid)
    }

    /// Brings `self.uids` up to date and gives UIDs to all files in `scan`, which is renewed if need be. `found` is the
    /// list as it was before the scan.
    fn give_uids(&mut self, scan: &mut Scan, found: Option<Stamp>) -> Result<()> {
        let files = scan.numbers().count();
        let may_rewrite = self.access == Access::ReadWrite;
        let is_current = found.is_some()
            && self.uids.stamp == found
            && self.index.uid_validity() == Some(self.uids.uid_validity);
        if is_current && scan.new.is_empty() && !(may_rewrite && self.uids.has_garbage(files)) {
            return Ok(());
        }
        let loaded = Uids::load(&self.paths)?;
        let current = loaded.filter(|uids| {
            uids.list.uid_validity != self.uids.uid_validity || uids.list.next() >= self.uids.next
        });
        if let Some(uids) = &current {
            let is_known = |file: u32| self.listed(uids, scan.files[file as usize].base()).is_some();
            let has_garbage = may_rewrite && uids.head().has_garbage(files);
            if scan.numbers().all(is_known) && !has_garbage && self.sees_all(uids, scan) {
                self.adopt(uids, scan);
                return Ok(());
            }
        }
        match self.give_new(scan, current.as_ref()) {
            // Whoever makes room must get at what is there already.
            Err(error) if is_unwritable(&error) => {
                let as_it_is = Uids::load(&self.paths)?.filter(|uids| {
                    uids.list.uid_validity != self.uids.uid_validity || uids.list.next() >= self.uids.next
                });
                let Some(mut uids) = as_it_is else { return Err(error) };
                self.unlist(&mut uids, scan);
                self.adopt(&uids, scan);
                Ok(())
            }
            given => given,
        }
    }

    /// Whether every new message was found that the list has before the newest that was found. What comes while directories
    /// are listed may be seen, and what came before it not; but whoever was told of a UID is told of none below it later.
    fn sees_all(&self, uids: &Uids, scan: &Scan) -> bool {
        let found = scan.new.iter().filter_map(|&file| self.listed(uids, scan.files[file as usize].base()));
        let Some(newest) = found.clone().max() else { return true };
        let mut first = Uid::MIN;
        if self.index.uid_validity() == Some(uids.list.uid_validity) {
            let last = self.index.state().rows().last().and_then(|row| row.uid.next());
            first = self.uids.next.max(last.unwrap_or(first));
        }
        found.filter(|&uid| uid >= first).count() == uids.list.count(first, newest)
    }

    /// The numbers of the files that a list does not list.
    fn unlisted(&self, uids: &Uids, scan: &Scan) -> Vec<u32> {
        let is_unlisted = |&file: &u32| self.listed(uids, scan.files[file as usize].base()).is_none();
        scan.numbers().filter(is_unlisted).collect()
    }

    /// Takes files out of the list that it does not list; returns their numbers.
    fn unlist(&self, uids: &mut Uids, scan: &Scan) -> Vec<u32> {
        let new = self.unlisted(uids, scan);
        uids.forget(new.iter().map(|&file| scan.files[file as usize].base()));
        new
    }

    /// Gives UIDs to what has none, under the lock. `before` is the list as it was before that was taken.
    fn give_new(&mut self, scan: &mut Scan, before: Option<&Uids>) -> Result<()> {
        // Nobody is to wait for what the disk is busy with: under the lock only what has come since is made durable.
        let mut new = before.map_or_else(|| scan.numbers().collect(), |before| self.unlisted(before, scan));
        let mut durable = HashSet::new();
        self.make_durable(scan, &mut new, &mut durable, || {})?;
        let mut lock = UidLock::take(&self.paths)?;
        let mut uids = Uids::load_or_create(&self.paths, &lock, Some(&self.uids))?;
        *scan = self.scan()?;
        let mut new = self.unlist(&mut uids, scan);
        new.sort_by_cached_key(|&file| {
            let base = scan.files[file as usize].base();
            (filename::arrival(base), base.to_owned())
        });
        self.make_durable(scan, &mut new, &mut durable, || lock.keep())?;
        let bases: Vec<_> = new.iter().map(|&file| scan.files[file as usize].base().into()).collect();
        let alive: BTreeSet<&str> = scan.numbers().map(|file| scan.files[file as usize].base()).collect();
        uids.assign(&self.paths, &lock, &bases, Some(&|base| alive.contains(base)))?;
        self.adopt(&uids, scan);
        Ok(())
    }

    /// The UID that a list has for a file, unless it was told to be gone.
    fn listed(&self, uids: &Uids, base: &str) -> Option<Uid> {
        let uid = uids.list.uid(base)?;
        let is_same = self.index.uid_validity() == Some(uids.list.uid_validity);
        let was_told_gone = is_same && self.index.state().vanished().contains(uid);
        (!was_told_gone).then_some(uid)
    }

    /// Goes by this list from now on. What is in `scan` and not on the list appeared later, and is left for the next
    /// look.
    fn adopt(&mut self, uids: &Uids, scan: &mut Scan) {
        if self.index.uid_validity() != Some(uids.list.uid_validity) {
            self.index.set_uid_validity(uids.list.uid_validity);
            scan.pair(self.index.state());
        }
        let state = self.index.state();
        for (at, row) in state.rows().iter().enumerate() {
            if uids.list.uid(state.base(row)) != Some(row.uid) {
                scan.disown(at);
            }
        }
        scan.uids = scan.new.iter().map(|&file| uids.list.uid(scan.files[file as usize].base())).collect();
        self.uids = uids.head();
    }

    /// Syncs files that are to get UIDs: another program may have delivered them without. What has vanished
    /// meanwhile is taken out of `new`, and so is what may not be opened. What is in `durable` already is passed over, and
    /// the others are added to it. `keep` is called often.
    fn make_durable(
        &self,
        scan: &mut Scan,
        new: &mut Vec<u32>,
        durable: &mut HashSet<Place>,
        mut keep: impl FnMut(),
    ) -> Result<()> {
        let (mut dirs, mut unopened) = (BTreeSet::new(), BTreeSet::new());
        let volatile: Vec<u32> =
            new.iter().copied().filter(|&file| !durable.contains(&scan.files[file as usize])).collect();
        for some in volatile.chunks(SYNCED_TOGETHER_MAX) {
            keep();
            let (mut files, mut paths) = (Vec::new(), Vec::new());
            for &number in some {
                let place = &scan.files[number as usize];
                let path = self.paths.sub(place.sub).join(&place.name);
                match self.paths.env.fs().open(&path, OpenMode::ReadItself) {
                    Ok(file) => {
                        dirs.insert(place.sub);
                        files.push(file);
                        paths.push(path);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        unopened.insert(number);
                    }
                    Err(error) => match StoreError::io("syncing", &path, &error) {
                        error if error.kind() == ErrorKind::Denied => {
                            unopened.insert(number);
                            scan.left_out.add(error);
                        }
                        error => return Err(error),
                    },
                }
            }
            for ((_, result), path) in self.paths.env.syncs().sync_files(files).into_iter().zip(paths) {
                result.map_err(|error| StoreError::io("syncing", &path, &error))?;
            }
        }
        new.retain(|number| !unopened.contains(number));
        for sub in dirs {
            self.paths.sync(&self.paths.sub(sub))?;
        }
        let opened = volatile.into_iter().filter(|number| !unopened.contains(number));
        durable.extend(opened.map(|number| scan.files[number as usize].clone()));
        Ok(())
    }

    /// Tells of files that are not shown, when their number has changed.
    fn tell_left_out(&mut self, left_out: &LeftOut) {
        if std::mem::replace(&mut self.told_left_out, left_out.files) != left_out.files
            && let Some(first) = &left_out.first
        {
            let (mailbox, files, first) = (self.paths.name.clone(), left_out.files, first.clone());
            self.paths.notices.tell(&MaildirNotice::LeftOut { mailbox, files, first });
        }
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
                Err(error) => match StoreError::io("moving a new message to", &to, &error) {
                    // It stays where it is, and is new to the next session, too.
                    error if is_unwritable(&error) => drop(recent.insert(number)),
                    error => return Err(error),
                },
            }
        }
        Ok(recent)
    }

    /// What of all that was found the index has to be told, and the UIDs of what is recent.
    fn take_in(&self, scan: &Scan, recent: &BTreeSet<u32>) -> (Records, UidSet) {
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
        for uids in gone.ranges() {
            records.push(&Record::Gone { modseq, uids });
        }
        let uids = scan.new.iter().zip(&scan.uids);
        let mut new: Vec<(Uid, u32)> = uids.filter_map(|(&file, uid)| Some(((*uid)?, file))).collect();
        new.sort_unstable();
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
        (records, recent_uids)
    }

    /// Takes the index into the entries, and tells what has changed by that.
    fn tell(&mut self, recent: &UidSet, same_keywords: bool, is_first: bool) -> Changes {
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
            if known.is_none() && !is_first {
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

/// Whether nothing can be written at present; what is there can be read all the same, and removed.
fn is_unwritable(error: &StoreError) -> bool {
    matches!(error.kind(), ErrorKind::DiskFull | ErrorKind::Denied)
}

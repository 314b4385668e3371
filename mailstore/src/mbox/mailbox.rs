//! [`MboxMailbox`]: one opened mbox.
//!
//! The snapshot on disk (`disk`) is what was last found in the file; `entries` is what the user of this object has been
//! told. An operation that changes something takes the locks, brings `disk` up to date, and does it there; the next
//! refresh tells what others did.
//!
//! # Expunge
//! The spool is told of deliveries that go ([`Settle`](crate::Settle)); the messages that stay close up
//! ([`rewrite`](super::rewrite)). What the first message says of the mailbox goes to the one that is first then. When
//! none is left, it goes beside the mailbox before the file is emptied.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail_message::{Flag, FlagSet, Keyword, ModSeq, Uid, UidSet, UidValidity};

use super::append::MboxAppend;
use super::fields::Marks;
use super::journal;
use super::lock::{self, MboxLock};
use super::place::Place;
use super::reader::MboxMessage;
use super::rewrite::{Change, marks_of, rewrite};
use super::snapshot::{Known, Snapshot};
use super::store::Inner;
use super::uids::{self, UidState};
use super::{control, flags};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::OpenMode;
use crate::name::MailboxName;
use crate::store::{
    Access, Append, Changes, Copied, Entry, Expunge, FlagChange, Flagged, Mailbox, MessageReader, Meta,
    PermanentFlags, Stored,
};

const CHUNK_BYTES: usize = 64 << 10;

/// An opened mailbox of an [`MboxStore`](super::MboxStore).
#[derive(Debug)]
pub(super) struct MboxMailbox {
    store: Arc<Inner>,
    place: Place,
    access: Access,
    disk: Snapshot,
    state: UidState,
    /// Messages of which this session is the first to be told.
    recent: BTreeSet<Uid>,
    entries: Vec<Entry>,
}

/// A snapshot under the locks, up to date.
pub(super) fn lock_and_look(place: &Place, disk: &mut Snapshot) -> Result<MboxLock> {
    let mut lock = MboxLock::take(place)?;
    journal::recover(place, &mut lock)?;
    disk.update(place, &*lock.file)?;
    Ok(lock)
}

impl MboxMailbox {
    pub(super) fn open(store: Arc<Inner>, place: Place, access: Access) -> Result<Self> {
        let state = UidState { uid_validity: UidValidity::MIN, last_uid: 0 };
        let (disk, recent, entries) = (Snapshot::default(), BTreeSet::new(), Vec::new());
        let mut mailbox = Self { store, place, access, disk, state, recent, entries };
        mailbox.look()?;
        mailbox.entries = mailbox.shown().map(|(uid, known)| mailbox.entry(uid, known)).collect();
        Ok(mailbox)
    }

    /// The messages that have a UID: all but the one that is none, and what came since the last look.
    fn shown(&self) -> impl Iterator<Item = (Uid, &Known)> {
        self.disk.messages.iter().filter_map(|known| Some((known.message.uid?, known)))
    }

    fn entry(&self, uid: Uid, known: &Known) -> Entry {
        let recent = match self.access {
            Access::ReadWrite => self.recent.contains(&uid),
            Access::ReadOnly => !known.message.is_old(),
        };
        Entry::new(uid, known.flags.clone(), recent, ModSeq::ZERO)
    }

    fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => {
                Err(StoreError::new(ErrorKind::ReadOnly, "changing the mailbox", "it was opened for reading")
                    .at(&self.place.path))
            }
        }
    }

    fn gone(&self) -> StoreError {
        StoreError::new(ErrorKind::NoSuchMessage, "reading a message of", "it is gone").at(&self.place.path)
    }

    /// Those of `uids` that the user has been told of.
    fn select(&self, uids: &UidSet) -> UidSet {
        self.entries.iter().map(|entry| entry.uid).filter(|uid| uids.contains(*uid)).collect()
    }

    fn find(&self, uid: Uid) -> Result<&Known> {
        // The message that is none has no UID, and is the first.
        let found = self.disk.messages.binary_search_by_key(&Some(uid), |known| known.message.uid);
        found.map(|at| &self.disk.messages[at]).map_err(|_| self.gone())
    }

    /// Brings the snapshot up to date, and gives UIDs to all messages.
    fn look(&mut self) -> Result<()> {
        self.place.stamp()?;
        if !journal::is_pending(&self.place)? {
            // Without a lock, so that a long look holds up nobody; what was found is checked under one.
            let file = self.place.open(OpenMode::Read)?;
            match self.disk.update(&self.place, &*file) {
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                _ => {}
            }
            lock::share(&self.place, &*file)?;
            if !journal::is_pending(&self.place)? {
                self.disk.update(&self.place, &*file)?;
                let is_taken = self.shown().all(|(_, known)| known.message.is_old());
                if (is_taken || self.access == Access::ReadOnly)
                    && let Some(state) = uids::state(&self.place, &self.disk)?
                {
                    self.state = state;
                    // Whoever wrote them may have died before they were durable, and now they are told.
                    return file.sync().map_err(|error| self.place.failed("syncing", &error));
                }
            }
        }
        let mut lock = lock_and_look(&self.place, &mut self.disk)?;
        self.give_uids(&mut lock)?;
        lock.file.sync().map_err(|error| self.place.failed("syncing", &error))
    }

    /// Gives every message a UID, and takes new ones for this session.
    fn give_uids(&mut self, lock: &mut MboxLock) -> Result<()> {
        let is_new: Vec<bool> = self.disk.messages.iter().map(|known| !known.message.is_old()).collect();
        let mark_old = self.access == Access::ReadWrite;
        self.state = uids::give(&self.place, lock, &mut self.disk, mark_old)?;
        if mark_old {
            let messages = self.disk.messages.iter_mut().zip(is_new).filter(|(_, is_new)| *is_new);
            for (known, _) in messages {
                self.recent.extend(known.message.uid);
                if !known.message.is_old() {
                    take_recent(&self.place, lock, known)?;
                }
            }
            self.disk.stamp(&self.place, &*lock.file)?;
        }
        Ok(())
    }

    /// Takes the locks for a change. What others have added gets UIDs first: what their headers say of UIDs may be a lie.
    fn lock(&mut self) -> Result<MboxLock> {
        let mut lock = lock_and_look(&self.place, &mut self.disk)?;
        let old = self.state.uid_validity;
        self.give_uids(&mut lock)?;
        if self.state.uid_validity != old {
            // The UIDs that were named are of another mailbox than this one is now.
            return Err(self.gone());
        }
        Ok(lock)
    }

    /// Takes messages out, durably. The state of the mailbox goes to the first that stays.
    fn drop_messages(&mut self, lock: &mut MboxLock, wanted: &UidSet, which: Expunge) -> Result<Vec<Uid>> {
        let goes = |known: &Known| {
            let is_deleted = which == Expunge::Any || known.flags.contains(&Flag::Deleted);
            known.message.uid.filter(|uid| is_deleted && wanted.contains(*uid))
        };
        let removed: Vec<Uid> = self.disk.messages.iter().filter_map(goes).collect();
        if removed.is_empty() {
            return Ok(removed);
        }
        let file = self.place.open(OpenMode::Read)?;
        if let Some(settle) = &self.store.settle {
            for known in self.disk.messages.iter().filter(|known| goes(known).is_some()) {
                if let Some(delivery) = marks_of(&self.place, &*file, &known.message)?.delivery {
                    // It is here, so it was delivered, whether it is removed or not.
                    settle.settle(&delivery)?;
                }
            }
        }
        let mut base = self.disk.base.clone();
        if removed.len() == self.disk.messages.len() {
            let ceiling = base.as_ref().map_or(self.state.last_uid, |base| base.last_uid);
            control::Control { uid_validity: self.state.uid_validity, ceiling }.save(&self.place)?;
        }
        let place = &self.place;
        rewrite(place, lock, &mut self.disk, |index, known| {
            if goes(known).is_some() {
                return Ok(Change::Drop);
            }
            match base.take() {
                Some(base) if index > 0 => {
                    let mut marks = marks_of(place, &*file, &known.message)?;
                    (marks.base, marks.is_pseudo) = (Some(base), false);
                    Ok(Change::Mark(Box::new(marks)))
                }
                _ => Ok(Change::Keep),
            }
        })?;
        Ok(removed)
    }
}

/// Marks a message as told, where there is room for that; where there is none, the next session is told as well.
fn take_recent(place: &Place, lock: &MboxLock, known: &mut Known) -> Result<()> {
    let old = marks_of(place, &*lock.file, &known.message)?;
    let new = Marks { is_old: true, ..old.clone() };
    if flags::set_in_place(place, &*lock.file, &known.message, &old, &new)? {
        known.message.mark(&new);
    }
    Ok(())
}

impl Mailbox for MboxMailbox {
    fn uid_validity(&self) -> UidValidity {
        self.state.uid_validity
    }

    fn uid_next(&self) -> Uid {
        self.state.next()
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn permanent_flags(&self) -> PermanentFlags {
        if self.access == Access::ReadOnly {
            return PermanentFlags::new(FlagSet::new(), false);
        }
        let mut flags: FlagSet = Flag::SYSTEM.into_iter().collect();
        let listed = self.disk.base.iter().flat_map(|base| base.keywords.split(' '));
        flags.extend(listed.filter_map(|word| Keyword::new(word).ok()).map(Flag::Keyword));
        for (_, known) in self.shown() {
            flags.extend(known.flags.keywords().iter().cloned().map(Flag::Keyword));
        }
        PermanentFlags::new(flags, true)
    }

    fn refresh(&mut self) -> Result<Changes> {
        if self.disk.stamp != Some(self.place.stamp()?) || journal::is_pending(&self.place)? {
            let old = self.state.uid_validity;
            self.look()?;
            if self.state.uid_validity != old {
                self.entries = self.shown().map(|(uid, known)| self.entry(uid, known)).collect();
                return Ok(Changes { invalidated: true, ..Changes::default() });
            }
        }
        let mut changes = Changes::default();
        let mut told = std::mem::take(&mut self.entries).into_iter().peekable();
        let mut entries = Vec::with_capacity(self.disk.messages.len());
        for (uid, known) in self.shown() {
            while let Some(gone) = told.next_if(|entry| entry.uid < uid) {
                changes.vanished.push(gone.uid);
            }
            match told.next_if(|entry| entry.uid == uid) {
                Some(mut entry) => {
                    if entry.flags != known.flags {
                        entry.flags.clone_from(&known.flags);
                        changes.flags.push(Flagged::new(uid, entry.flags.clone(), ModSeq::ZERO));
                    }
                    entries.push(entry);
                }
                None => {
                    let entry = self.entry(uid, known);
                    changes.new.push(entry.clone());
                    entries.push(entry);
                }
            }
        }
        changes.vanished.extend(told.map(|entry| entry.uid));
        self.entries = entries;
        Ok(changes)
    }

    fn meta(&mut self, uid: Uid) -> Result<Meta> {
        let message = &self.find(uid)?.message;
        Ok(Meta::new(message.shown_bytes, message.date))
    }

    fn message(&mut self, uid: Uid) -> Result<Box<dyn MessageReader>> {
        let message = self.find(uid)?.message;
        let file = self.place.open(OpenMode::Read)?;
        let mut reader = MboxMessage::new(self.place.clone(), file, uid, message);
        // Whether it is still there is found out now, not in the middle of an answer.
        reader.read_at(0, &mut [])?;
        Ok(Box::new(reader))
    }

    fn set_flags(
        &mut self,
        uids: &UidSet,
        change: FlagChange,
        flags: &FlagSet,
        _: Option<ModSeq>,
    ) -> Result<Stored> {
        self.check_writable()?;
        let wanted = self.select(uids);
        let mut lock = self.lock()?;
        let results = flags::set(&self.place, &mut lock, &mut self.disk, &wanted, change, flags)?;
        for (uid, flags) in &results {
            if let Ok(at) = self.entries.binary_search_by_key(uid, |entry| entry.uid) {
                self.entries[at].flags.clone_from(flags);
            }
        }
        let messages = results.into_iter().map(|(uid, flags)| Flagged::new(uid, flags, ModSeq::ZERO));
        Ok(Stored::new(messages.collect(), UidSet::new()))
    }

    fn expunge(&mut self, uids: &UidSet, which: Expunge) -> Result<Vec<Uid>> {
        self.check_writable()?;
        let wanted = self.select(uids);
        let mut lock = self.lock()?;
        let removed = self.drop_messages(&mut lock, &wanted, which)?;
        self.entries.retain(|entry| removed.binary_search(&entry.uid).is_err());
        Ok(removed)
    }

    fn copy(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        let wanted = self.select(uids);
        let mut append = MboxAppend::begin_at(self.store.place(target))?;
        self.look()?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut sources = Vec::new();
        for uid in wanted.iter() {
            let known = self.find(uid)?;
            append.begin(&known.flags, Some(known.message.date))?;
            let mut reader = self.message(uid)?;
            let mut offset = 0;
            while offset < reader.size_bytes() {
                let n = reader.read_at(offset, &mut chunk)?;
                if n == 0 {
                    return Err(self.gone());
                }
                append.write(&chunk[..n])?;
                offset += n as u64;
            }
            sources.push(uid);
        }
        let appended = Box::new(append).commit()?;
        let pairs = sources.into_iter().zip(appended.uids).collect();
        Ok(Copied { uid_validity: appended.uid_validity, pairs })
    }
}

//! [`MboxMailbox`]: one opened mbox.
//!
//! What was last found in the file, and what the index says of it, is the [`Sight`]; `entries` is what the user of this
//! object has been told. An operation that changes something takes the locks, brings the sight up to date, and does it
//! there; the next refresh tells what others did.
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
use super::lock::{self, MboxLock};
use super::place::Place;
use super::reader::MboxMessage;
use super::rewrite::{Change, marks_of, rewrite};
use super::sight::{Locked, Sight};
use super::snapshot::Known;
use super::store::Inner;
use super::{control, flags, journal};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{File, OpenMode};
use crate::index::Stamp;
use crate::name::MailboxName;
use crate::store::{
    Access, Append, Changes, Copied, Entry, Expunge, FlagChange, Flagged, Mailbox, MessageReader, Meta,
    PermanentFlags, Stored,
};
use crate::summary::Summary;

/// An opened mailbox of an [`MboxStore`](super::MboxStore).
#[derive(Debug)]
pub(super) struct MboxMailbox {
    pub(super) store: Arc<Inner>,
    access: Access,
    pub(super) sight: Sight,
    /// Messages of which this session is the first to be told.
    recent: BTreeSet<Uid>,
    pub(super) entries: Vec<Entry>,
    /// The change up to which `entries` are what the index says.
    pub(super) told: ModSeq,
}

impl MboxMailbox {
    pub(super) fn open(store: Arc<Inner>, place: Place, access: Access) -> Result<Self> {
        let (sight, recent, entries) = (Sight::new(place), BTreeSet::new(), Vec::new());
        let mut mailbox = Self { store, access, sight, recent, entries, told: ModSeq::ZERO };
        mailbox.look()?;
        mailbox.tell_all();
        Ok(mailbox)
    }

    pub(super) fn place(&self) -> &Place {
        &self.sight.place
    }

    /// Forgets what was told, and tells everything.
    fn tell_all(&mut self) {
        self.entries = self.shown().map(|(uid, known)| self.entry(uid, known)).collect();
        self.told = self.sight.highest_modseq();
        let _ = self.sight.index.take_raised();
    }

    /// The messages that have a UID: all but the one that is none, and what came since the last look.
    fn shown(&self) -> impl Iterator<Item = (Uid, &Known)> {
        self.sight.disk.messages.iter().filter_map(|known| Some((known.message.uid?, known)))
    }

    fn entry(&self, uid: Uid, known: &Known) -> Entry {
        let recent = match self.access {
            Access::ReadWrite => self.recent.contains(&uid),
            Access::ReadOnly => !known.message.is_old(),
        };
        Entry::new(uid, known.flags.clone(), recent, self.sight.modseq(uid))
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => {
                Err(StoreError::new(ErrorKind::ReadOnly, "changing the mailbox", "it was opened for reading")
                    .at(&self.place().path))
            }
        }
    }

    fn gone(&self) -> StoreError {
        StoreError::new(ErrorKind::NoSuchMessage, "reading a message of", "it is gone").at(&self.place().path)
    }

    /// Those of `uids` that the user has been told of.
    pub(super) fn select(&self, uids: &UidSet) -> UidSet {
        self.entries.iter().map(|entry| entry.uid).filter(|uid| uids.contains(*uid)).collect()
    }

    pub(super) fn find(&self, uid: Uid) -> Result<&Known> {
        // The message that is none has no UID, and is the first.
        let messages = &self.sight.disk.messages;
        let found = messages.binary_search_by_key(&Some(uid), |known| known.message.uid);
        found.map(|at| &messages[at]).map_err(|_| self.gone())
    }

    /// Brings the snapshot up to date, gives UIDs to all messages, and tells the index.
    fn look(&mut self) -> Result<()> {
        self.place().stamp()?;
        if !journal::is_pending(self.place())? {
            // Without a lock, so that a long look holds up nobody; what was found is checked under one.
            let file = self.place().open(OpenMode::Read)?;
            let Sight { place, .. } = &self.sight;
            let place = place.clone();
            self.sight.recall(&*file)?;
            match self.sight.disk.prepare(&place, &*file) {
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                _ => {}
            }
            lock::share(&place, &*file)?;
            if !journal::is_pending(&place)? {
                let turn = if self.sight.index.is_current() { None } else { Some(self.sight.turn(&*file)?) };
                self.sight.disk.update(&place, &*file)?;
                let is_taken = self.shown().all(|(_, known)| known.message.is_old());
                if (is_taken || self.access == Access::ReadOnly)
                    && let Some(state) = self.sight.uid_state()?
                {
                    self.sight.state = state;
                    // Whoever wrote them may have died before they were durable, and now they are told.
                    file.sync().map_err(|error| place.failed("syncing", &error))?;
                    return self.sight.note(turn.as_ref(), &*file);
                }
            }
        }
        let Locked { turn, mut lock } = self.sight.lock()?;
        self.give_uids(&mut lock)?;
        lock.sync(self.place())?;
        self.sight.note(Some(&turn), lock.file())
    }

    /// Gives every message a UID, and takes new ones for this session.
    fn give_uids(&mut self, lock: &mut MboxLock) -> Result<()> {
        let is_new: Vec<bool> =
            self.sight.disk.messages.iter().map(|known| !known.message.is_old()).collect();
        let mark_old = self.access == Access::ReadWrite;
        self.sight.give_uids(lock, mark_old)?;
        let Sight { place, disk, .. } = &mut self.sight;
        if mark_old && is_new.contains(&true) {
            let messages = disk.messages.iter_mut().zip(is_new).filter(|(_, is_new)| *is_new);
            for (known, _) in messages {
                self.recent.extend(known.message.uid);
                if !known.message.is_old() {
                    take_recent(place, lock, known)?;
                }
            }
            disk.stamp(place, lock.file())?;
        }
        Ok(())
    }

    /// Takes the locks for a change. What others have added gets UIDs first: what their headers say of UIDs may be a lie.
    /// What others have changed gets another mod-sequence than the change.
    pub(super) fn lock(&mut self) -> Result<Locked> {
        let mut locked = self.sight.lock()?;
        let old = self.sight.state.uid_validity;
        self.give_uids(&mut locked.lock)?;
        if self.sight.state.uid_validity != old {
            // The UIDs that were named are of another mailbox than this one is now.
            return Err(self.gone());
        }
        self.sight.note(Some(&locked.turn), locked.lock.file())?;
        Ok(locked)
    }

    /// Tells the index of a change that was made here. `told` is what it had before.
    pub(super) fn note(&mut self, locked: &Locked, before: ModSeq) -> Result<()> {
        let is_told = self.told == before;
        self.sight.changed();
        self.sight.note(Some(&locked.turn), locked.lock.file())?;
        if is_told {
            self.told = self.sight.highest_modseq();
        }
        Ok(())
    }

    /// Reads a message through, and remembers what was found.
    fn read_through(&mut self, uid: Uid) -> Result<(Arc<Summary>, bool)> {
        let (summary, is_terminated) = Summary::read_to_end(&mut *self.message(uid)?)?;
        let summary = Arc::new(summary);
        if let Some(row) = self.sight.row(uid) {
            let mut facts = row.facts;
            facts.set_terminated(is_terminated);
            self.sight.index.learn(uid, facts, Some(&summary));
        }
        Ok((summary, is_terminated))
    }

    /// Tells the spool, before messages go, that they were delivered: they are here, so they were, whether they go or not.
    pub(super) fn settle(&self, file: &dyn File, going: &[Uid]) -> Result<()> {
        let Some(settle) = &self.store.settle else { return Ok(()) };
        for &uid in going {
            if let Some(delivery) = marks_of(self.place(), file, &self.find(uid)?.message)?.delivery {
                settle.settle(&delivery)?;
            }
        }
        Ok(())
    }

    /// Takes messages out, durably. The state of the mailbox goes to the first that stays.
    pub(super) fn drop_messages(
        &mut self,
        lock: &mut MboxLock,
        wanted: &UidSet,
        which: Expunge,
    ) -> Result<Vec<Uid>> {
        let goes = |known: &Known| {
            let is_deleted = which == Expunge::Any || known.flags.contains(&Flag::Deleted);
            known.message.uid.filter(|uid| is_deleted && wanted.contains(*uid))
        };
        let removed: Vec<Uid> = self.sight.disk.messages.iter().filter_map(goes).collect();
        if removed.is_empty() {
            return Ok(removed);
        }
        let file = self.place().open(OpenMode::Read)?;
        self.settle(&*file, &removed)?;
        let Sight { place, disk, state, .. } = &mut self.sight;
        let mut base = disk.base.clone();
        if removed.len() == disk.messages.len() {
            let ceiling = base.as_ref().map_or(state.last_uid, |base| base.last_uid);
            control::Control { uid_validity: state.uid_validity, ceiling }.save(place)?;
        }
        let place = &*place;
        rewrite(place, lock, disk, |index, known| {
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
    let old = marks_of(place, lock.file(), &known.message)?;
    let new = Marks { is_old: true, ..old.clone() };
    if flags::set_in_place(place, lock.file(), &known.message, &old, &new)? {
        known.message.mark(&new);
    }
    Ok(())
}

impl Mailbox for MboxMailbox {
    fn uid_validity(&self) -> UidValidity {
        self.sight.state.uid_validity
    }

    fn uid_next(&self) -> Uid {
        self.sight.state.next()
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn permanent_flags(&self) -> PermanentFlags {
        if self.access == Access::ReadOnly {
            return PermanentFlags::new(FlagSet::new(), false);
        }
        let mut flags: FlagSet = Flag::SYSTEM.into_iter().collect();
        let listed = self.sight.disk.base.iter().flat_map(|base| base.keywords.split(' '));
        flags.extend(listed.filter_map(|word| Keyword::new(word).ok()).map(Flag::Keyword));
        for (_, known) in self.shown() {
            flags.extend(known.flags.keywords().iter().cloned().map(Flag::Keyword));
        }
        PermanentFlags::new(flags, true)
    }

    fn highest_modseq(&self) -> ModSeq {
        self.told
    }

    fn vanished_since(&self, modseq: ModSeq) -> Option<UidSet> {
        let mut uids = self.sight.index.state().vanished().after(modseq)?;
        if !uids.is_empty() {
            // Those that the user has not heard of yet.
            let present: UidSet = self.entries.iter().map(|entry| entry.uid).collect();
            uids = uids.difference(&present);
        }
        Some(uids)
    }

    fn refresh(&mut self) -> Result<Changes> {
        let is_same = self.sight.disk.stamp == Some(Stamp::of(&self.place().stamp()?));
        if !is_same || journal::is_pending(self.place())? || !self.sight.is_noted() {
            let old = self.sight.state.uid_validity;
            self.look()?;
            if self.sight.state.uid_validity != old {
                self.tell_all();
                return Ok(Changes { invalidated: true, ..Changes::default() });
            }
        }
        let mut changes = Changes { modseq_floor: self.sight.index.take_raised(), ..Changes::default() };
        if let Some(floor) = changes.modseq_floor {
            self.entries.iter_mut().for_each(|entry| entry.modseq = entry.modseq.max(floor));
        }
        if self.told == self.sight.highest_modseq() {
            return Ok(changes);
        }
        let mut told = std::mem::take(&mut self.entries).into_iter().peekable();
        let mut entries = Vec::with_capacity(self.sight.disk.messages.len());
        for (uid, known) in self.shown() {
            while let Some(gone) = told.next_if(|entry| entry.uid < uid) {
                changes.vanished.push(gone.uid);
            }
            match told.next_if(|entry| entry.uid == uid) {
                Some(mut entry) => {
                    let before = std::mem::replace(&mut entry.modseq, self.sight.modseq(uid));
                    // A message that was replaced has changed as well, and is told with the flags that it has.
                    if entry.flags != known.flags || entry.modseq > before {
                        entry.flags.clone_from(&known.flags);
                        changes.flags.push(Flagged::new(uid, entry.flags.clone(), entry.modseq));
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
        (self.entries, self.told) = (entries, self.sight.highest_modseq());
        Ok(changes)
    }

    fn meta(&mut self, uid: Uid) -> Result<Meta> {
        let message = &self.find(uid)?.message;
        Ok(Meta::new(message.shown_bytes, message.date))
    }

    fn summary(&mut self, uid: Uid) -> Result<Arc<Summary>> {
        self.find(uid)?;
        match self.sight.index.summary(uid) {
            Some(summary) => Ok(summary),
            None => self.read_through(uid).map(|(summary, _)| summary),
        }
    }

    fn is_terminated(&mut self, uid: Uid) -> Result<bool> {
        self.find(uid)?;
        match self.sight.row(uid).and_then(|row| row.facts.terminated()) {
            Some(is_terminated) => Ok(is_terminated),
            None => self.read_through(uid).map(|(_, is_terminated)| is_terminated),
        }
    }

    fn message(&mut self, uid: Uid) -> Result<Box<dyn MessageReader>> {
        let message = self.find(uid)?.message;
        let file = self.place().open(OpenMode::Read)?;
        let mut reader = MboxMessage::new(self.place().clone(), file, uid, message);
        // Whether it is still there is found out now, not in the middle of an answer.
        reader.read_at(0, &mut [])?;
        Ok(Box::new(reader))
    }

    fn set_flags(
        &mut self,
        uids: &UidSet,
        change: FlagChange,
        flags: &FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Stored> {
        self.check_writable()?;
        let mut wanted = self.select(uids);
        let mut locked = self.lock()?;
        let before = self.sight.highest_modseq();
        let mut modified = UidSet::new();
        if let Some(since) = unchanged_since {
            let rows = self.sight.index.state().rows().iter();
            let newer = rows.filter(|row| row.modseq > since && wanted.contains(row.uid));
            modified = newer.map(|row| row.uid).collect();
            wanted = wanted.difference(&modified);
        }
        let Sight { place, disk, .. } = &mut self.sight;
        let results = flags::set(place, &mut locked.lock, disk, &wanted, change, flags)?;
        self.note(&locked, before)?;
        let mut messages = Vec::with_capacity(results.len());
        for (uid, flags) in results {
            let modseq = self.sight.modseq(uid);
            if let Ok(at) = self.entries.binary_search_by_key(&uid, |entry| entry.uid) {
                self.entries[at].flags.clone_from(&flags);
                self.entries[at].modseq = modseq;
            }
            messages.push(Flagged::new(uid, flags, modseq));
        }
        Ok(Stored::new(messages, modified))
    }

    fn expunge(&mut self, uids: &UidSet, which: Expunge) -> Result<Vec<Uid>> {
        self.check_writable()?;
        let wanted = self.select(uids);
        let mut locked = self.lock()?;
        let before = self.sight.highest_modseq();
        let removed = self.drop_messages(&mut locked.lock, &wanted, which)?;
        self.note(&locked, before)?;
        self.entries.retain(|entry| removed.binary_search(&entry.uid).is_err());
        Ok(removed)
    }

    fn copy(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        let wanted = self.select(uids);
        let mut append = MboxAppend::begin_at(self.store.place(target))?;
        self.look()?;
        let mut sources = Vec::new();
        for uid in wanted.iter() {
            let Known { message, flags } = self.find(uid)?.clone();
            append.take(&flags, message.date, &mut *self.message(uid)?)?;
            sources.push(uid);
        }
        let appended = append.commit()?;
        let pairs = sources.into_iter().zip(appended.uids).collect();
        Ok(Copied { uid_validity: appended.uid_validity, pairs })
    }

    fn move_to(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        super::moves::move_to(self, uids, target)
    }
}

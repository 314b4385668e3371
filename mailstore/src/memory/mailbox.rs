//! [`MemoryMailbox`]: one opened mailbox in memory.

use std::sync::Arc;

use mail_message::{Flag, FlagSet, ModSeq, Uid, UidSet, UidValidity};

use super::Inner;
use super::state::{MailboxState, Message, State};
use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;
use crate::store::{
    Access, Changes, Copied, Entry, Expunge, FlagChange, Flagged, Mailbox, MessageReader, Meta,
    PermanentFlags, Stored,
};
use crate::summary::Summary;

/// A snapshot of a mailbox, and the way to the mailbox itself.
pub(super) struct MemoryMailbox {
    store: Arc<Inner>,
    name: MailboxName,
    access: Access,
    uid_validity: UidValidity,
    uid_next: Uid,
    entries: Vec<Entry>,
    /// The change up to which `entries` are what the mailbox is.
    told: ModSeq,
    /// Other sessions' keywords are told with everything else.
    keywords: FlagSet,
}

impl MemoryMailbox {
    pub(super) fn open(store: Arc<Inner>, name: &MailboxName, access: Access) -> Result<Self> {
        let uid_validity = store.lock().mailbox(name)?.uid_validity;
        let mut mailbox = Self {
            store,
            name: name.clone(),
            access,
            uid_validity,
            uid_next: Uid::MIN,
            entries: Vec::new(),
            told: ModSeq::ZERO,
            keywords: FlagSet::new(),
        };
        mailbox.refresh()?;
        Ok(mailbox)
    }

    fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => {
                Err(StoreError::new(ErrorKind::ReadOnly, "changing the mailbox", "it was opened for reading"))
            }
        }
    }

    /// The mailbox itself, while it still is the one that was opened.
    ///
    /// # Errors
    /// `NoSuchMailbox` when there is none of that name; `NoSuchMessage` when another stands there.
    fn current<'a>(&self, state: &'a State) -> Result<&'a MailboxState> {
        let mailbox = state.mailbox(&self.name)?;
        if mailbox.uid_validity == self.uid_validity { Ok(mailbox) } else { Err(gone()) }
    }

    /// The same, to be changed.
    fn current_mut<'a>(&self, state: &'a mut State) -> Result<&'a mut MailboxState> {
        self.current(state)?;
        state.mailbox_mut(&self.name)
    }

    fn with_message<T>(&self, uid: Uid, look: impl FnOnce(&mut Message) -> T) -> Result<T> {
        self.entries.binary_search_by_key(&uid, |entry| entry.uid).map_err(|_| gone())?;
        let mut state = self.store.lock();
        self.current_mut(&mut state)?.messages.get_mut(&uid).map(look).ok_or_else(gone)
    }

    /// The UIDs of `uids` that are in the snapshot.
    fn select(&self, uids: &UidSet) -> impl Iterator<Item = Uid> {
        self.entries.iter().map(|entry| entry.uid).filter(|&uid| uids.contains(uid))
    }
}

fn gone() -> StoreError {
    StoreError::new(ErrorKind::NoSuchMessage, "reading a message", "it is gone")
}

impl Mailbox for MemoryMailbox {
    fn uid_validity(&self) -> UidValidity {
        self.uid_validity
    }

    fn uid_next(&self) -> Uid {
        self.uid_next
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn permanent_flags(&self) -> PermanentFlags {
        match self.access {
            Access::ReadOnly => PermanentFlags::new(FlagSet::new(), false),
            Access::ReadWrite => {
                let mut flags: FlagSet = Flag::SYSTEM.into_iter().collect();
                flags.insert_all(&self.keywords);
                PermanentFlags::new(flags, self.keywords.len() < self.store.limits.keywords_max)
            }
        }
    }

    fn highest_modseq(&self) -> ModSeq {
        self.told
    }

    fn vanished_since(&self, modseq: ModSeq) -> Option<UidSet> {
        let state = self.store.lock();
        let vanished = self.current(&state).ok()?.vanished.after(modseq)?;
        // Those that the user has not heard of yet.
        let present: UidSet = self.entries.iter().map(|entry| entry.uid).collect();
        Some(vanished.difference(&present))
    }

    fn refresh(&mut self) -> Result<Changes> {
        let mut state = self.store.lock();
        let mailbox = state.mailbox_mut(&self.name)?;
        let invalidated = mailbox.uid_validity != self.uid_validity;
        if invalidated {
            self.uid_validity = mailbox.uid_validity;
            self.entries.clear();
        } else if mailbox.highest == self.told {
            return Ok(Changes::default());
        }
        let mut changes = Changes::default();
        let mut told = std::mem::take(&mut self.entries).into_iter().peekable();
        for (&uid, message) in &mailbox.messages {
            while let Some(gone) = told.next_if(|entry| entry.uid < uid) {
                changes.vanished.push(gone.uid);
            }
            if let Some(mut entry) = told.next_if(|entry| entry.uid == uid) {
                if entry.modseq != message.modseq {
                    (entry.flags, entry.modseq) = (message.flags.clone(), message.modseq);
                    changes.flags.push(Flagged::new(uid, message.flags.clone(), message.modseq));
                }
                self.entries.push(entry);
            } else {
                let entry = Entry::new(uid, message.flags.clone(), uid >= mailbox.recent, message.modseq);
                changes.new.push(entry.clone());
                self.entries.push(entry);
            }
        }
        changes.vanished.extend(told.map(|entry| entry.uid));
        if self.access == Access::ReadWrite {
            mailbox.recent = mailbox.uid_next;
        }
        (self.uid_next, self.told) = (mailbox.uid_next, mailbox.highest);
        self.keywords.clone_from(&mailbox.keywords);
        Ok(if invalidated { Changes { invalidated, ..Changes::default() } } else { changes })
    }

    fn meta(&mut self, uid: Uid) -> Result<Meta> {
        self.with_message(uid, |message| {
            Meta::new(message.octets.len() as u64, message.date).saved(message.saved)
        })
    }

    fn summary(&mut self, uid: Uid) -> Result<Arc<Summary>> {
        let (octets, known) =
            self.with_message(uid, |message| (message.octets.clone(), message.summary.clone()))?;
        if let Some(known) = known {
            return Ok(known);
        }
        let summary = Arc::new(Summary::read(&mut octets.clone())?);
        // One that is gone meanwhile needs no summary any more.
        let _ = self.with_message(uid, |message| message.summary = Some(Arc::clone(&summary)));
        Ok(summary)
    }

    fn message(&mut self, uid: Uid) -> Result<Box<dyn MessageReader>> {
        let octets = self.with_message(uid, |message| message.octets.clone())?;
        Ok(Box::new(octets))
    }

    fn set_flags(
        &mut self,
        uids: &UidSet,
        change: FlagChange,
        flags: &FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Stored> {
        self.check_writable()?;
        let mut state = self.store.lock();
        let limits = self.store.limits;
        let mailbox = self.current_mut(&mut state)?;
        if change != FlagChange::Remove {
            mailbox.check_keywords(flags, limits)?;
            mailbox.keep_keywords(flags);
        }
        let is_told = self.told == mailbox.highest;
        let modseq = mailbox.next_modseq();
        let (mut stored, mut changed) = (Stored::default(), false);
        for entry in self.entries.iter_mut().filter(|entry| uids.contains(entry.uid)) {
            let Some(message) = mailbox.messages.get_mut(&entry.uid) else { continue };
            if unchanged_since.is_some_and(|since| message.modseq > since) {
                stored.modified.insert(entry.uid);
                continue;
            }
            let new = change.apply(&message.flags, flags);
            if new != message.flags {
                (message.flags, message.modseq, changed) = (new, modseq, true);
            }
            (entry.flags, entry.modseq) = (message.flags.clone(), message.modseq);
            stored.messages.push(Flagged::new(entry.uid, message.flags.clone(), message.modseq));
        }
        if changed {
            mailbox.highest = modseq;
        }
        if is_told {
            self.told = mailbox.highest;
            self.keywords.clone_from(&mailbox.keywords);
        }
        Ok(stored)
    }

    fn expunge(&mut self, uids: &UidSet, which: Expunge) -> Result<Vec<Uid>> {
        self.check_writable()?;
        let going = |state: &State| -> Result<Vec<Uid>> {
            let mailbox = self.current(state)?;
            let goes = |uid: &Uid| {
                mailbox
                    .messages
                    .get(uid)
                    .is_some_and(|message| which == Expunge::Any || message.flags.contains(&Flag::Deleted))
            };
            Ok(self.select(uids).filter(goes).collect())
        };
        let (removed, told) = self.store.settled(
            |state| {
                let messages = &self.current(state)?.messages;
                let uids = going(state)?;
                Ok(uids.iter().filter_map(|uid| messages[uid].delivery.clone()).collect())
            },
            |state| {
                let is_told = self.told == self.current(state)?.highest;
                let removed = going(state)?;
                state.remove(&self.name, &removed.iter().copied().collect())?;
                Ok((removed, if is_told { state.mailbox(&self.name)?.highest } else { self.told }))
            },
        )?;
        self.told = told;
        self.entries.retain(|entry| removed.binary_search(&entry.uid).is_err());
        Ok(removed)
    }

    fn copy(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        let now = self.store.utc();
        let mut state = self.store.lock();
        state.mailbox(target)?;
        let mailbox = self.current(&state)?;
        let (mut sources, mut copies) = (Vec::new(), Vec::new());
        for uid in self.select(uids) {
            let message = mailbox.messages.get(&uid).ok_or_else(gone)?;
            sources.push(uid);
            // The copy is no delivery: the spool asks for the original.
            copies.push(Message { saved: now, delivery: None, ..message.clone() });
        }
        let appended = state.add(target, copies)?;
        let pairs = sources.into_iter().zip(appended.uids).collect();
        Ok(Copied { uid_validity: appended.uid_validity, pairs })
    }

    fn move_to(&mut self, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
        self.check_writable()?;
        let now = self.store.utc();
        let going = |state: &State| -> Result<Vec<Uid>> {
            state.mailbox(target)?;
            let mailbox = self.current(state)?;
            Ok(self.select(uids).filter(|uid| mailbox.messages.contains_key(uid)).collect())
        };
        let (moved, appended, told) = self.store.settled(
            |state| state.check_transfer(&self.name, &going(state)?, target),
            |state| {
                let is_told = self.told == self.current(state)?.highest && *target != self.name;
                let moved = going(state)?;
                let appended = state.transfer(&self.name, &moved, target, now)?;
                let told = if is_told { state.mailbox(&self.name)?.highest } else { self.told };
                Ok((moved, appended, told))
            },
        )?;
        self.told = told;
        self.entries.retain(|entry| moved.binary_search(&entry.uid).is_err());
        let pairs = moved.into_iter().zip(appended.uids).collect();
        Ok(Copied { uid_validity: appended.uid_validity, pairs })
    }
}

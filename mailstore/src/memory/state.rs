//! [`State`]: all mailboxes of a [`MemoryStore`](super::MemoryStore), behind one lock.
//!
//! Every change is made in one step under that lock, after all that can refuse it was looked at: so it happens whole or
//! not at all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use mail_message::{Flag, FlagSet, ModSeq, Uid, UidSet, UidValidity};
use proto_core::UnixTime;

use super::MemoryLimits;
use crate::error::{ErrorKind, Result, StoreError};
use crate::index::Vanished;
use crate::name::MailboxName;
use crate::quota::{Quota, QuotaLimits, QuotaUsage};
use crate::special_use::SpecialUses;
use crate::store::{Appended, DeliveryId, MailboxInfo};
use crate::summary::Summary;

/// A message; its octets are shared by its copies and readers.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) octets: Bytes,
    pub(super) flags: FlagSet,
    pub(super) date: UnixTime,
    pub(super) saved: UnixTime,
    pub(super) modseq: ModSeq,
    pub(super) delivery: Option<DeliveryId>,
    pub(super) summary: Option<Arc<Summary>>,
}

impl Message {
    /// A message that is not in a mailbox yet.
    pub(super) fn new(octets: Bytes, date: UnixTime, saved: UnixTime) -> Self {
        let (flags, modseq) = (FlagSet::new(), ModSeq::ZERO);
        Self { octets, flags, date, saved, modseq, delivery: None, summary: None }
    }
}

/// One mailbox.
#[derive(Debug)]
pub(super) struct MailboxState {
    pub(super) uid_validity: UidValidity,
    pub(super) uid_next: Uid,
    pub(super) messages: BTreeMap<Uid, Message>,
    /// All keywords that were ever used in it.
    pub(super) keywords: FlagSet,
    pub(super) highest: ModSeq,
    pub(super) vanished: Vanished,
    /// The first UID that no session was told of.
    pub(super) recent: Uid,
    pub(super) special_use: SpecialUses,
    deliveries: HashSet<DeliveryId>,
}

impl MailboxState {
    fn new(uid_validity: UidValidity) -> Self {
        let first = ModSeq::ZERO.next().unwrap_or(ModSeq::MAX);
        Self {
            uid_validity,
            uid_next: Uid::MIN,
            messages: BTreeMap::new(),
            keywords: FlagSet::new(),
            highest: first,
            vanished: Vanished::since(first),
            recent: Uid::MIN,
            special_use: SpecialUses::NONE,
            deliveries: HashSet::new(),
        }
    }

    pub(super) fn has_delivery(&self, id: &DeliveryId) -> bool {
        self.deliveries.contains(id)
    }

    /// The mod-sequence of the next change.
    pub(super) fn next_modseq(&self) -> ModSeq {
        self.highest.next().unwrap_or(ModSeq::MAX)
    }

    /// # Errors
    /// `KeywordLimit` when `flags` hold more keywords than there is room for.
    pub(super) fn check_keywords(&self, flags: &FlagSet, limits: MemoryLimits) -> Result<()> {
        let known = self.keywords.keywords();
        let is_new = |keyword: &&mail_message::Keyword| !known.contains(keyword);
        let new = flags.keywords().iter().filter(is_new).count();
        if new > 0 && known.len() + new > limits.keywords_max {
            return Err(StoreError::new(ErrorKind::KeywordLimit, "adding a keyword", "there are too many"));
        }
        Ok(())
    }

    /// Remembers the keywords of `flags`.
    pub(super) fn keep_keywords(&mut self, flags: &FlagSet) {
        self.keywords.extend(flags.keywords().iter().cloned().map(Flag::Keyword));
    }

    /// # Errors
    /// `UidsExhausted` when there are no `count` UIDs left; the last is never given.
    fn check_uids(&self, count: usize) -> Result<()> {
        let left = (Uid::MAX.get() - self.uid_next.get()) as usize;
        if count > left {
            let cause = "the mailbox needs a new UIDVALIDITY";
            return Err(StoreError::new(ErrorKind::UidsExhausted, "adding a message", cause));
        }
        Ok(())
    }

    /// Puts messages in, which must have been checked; one change.
    fn insert(&mut self, messages: Vec<Message>) -> Vec<Uid> {
        if messages.is_empty() {
            return Vec::new();
        }
        self.highest = self.next_modseq();
        let mut uids = Vec::with_capacity(messages.len());
        for mut message in messages {
            message.modseq = self.highest;
            self.keep_keywords(&message.flags);
            self.deliveries.extend(message.delivery.clone());
            uids.push(self.uid_next);
            self.messages.insert(self.uid_next, message);
            self.uid_next = self.uid_next.next().unwrap_or(Uid::MAX);
        }
        uids
    }

    /// Takes messages out; one change.
    pub(super) fn remove(&mut self, uids: &UidSet) -> Vec<Message> {
        let mut removed = Vec::new();
        let mut gone = UidSet::new();
        for uid in uids.iter() {
            if let Some(message) = self.messages.remove(&uid) {
                gone.insert(uid);
                if let Some(delivery) = &message.delivery {
                    self.deliveries.remove(delivery);
                }
                removed.push(message);
            }
        }
        if !gone.is_empty() {
            self.highest = self.next_modseq();
            gone.ranges().for_each(|range| self.vanished.push(self.highest, range));
        }
        removed
    }

    fn bytes(&self) -> u64 {
        self.messages.values().map(|message| message.octets.len() as u64).sum()
    }

    /// Every delivery that the spool would not find any more, were the mailbox gone.
    fn deliveries(&self) -> Vec<DeliveryId> {
        self.deliveries.iter().cloned().collect()
    }
}

/// All mailboxes of a user.
#[derive(Debug)]
pub(super) struct State {
    limits: MemoryLimits,
    mailboxes: BTreeMap<MailboxName, MailboxState>,
    pub(super) subscriptions: BTreeSet<MailboxName>,
    /// The highest UIDVALIDITY given: no two mailboxes ever have the same.
    last_validity: u32,
    /// Octets of all messages.
    pub(super) stored_bytes: u64,
}

impl State {
    pub(super) fn new(now_secs: u64, limits: MemoryLimits) -> Self {
        let mut state = Self {
            limits,
            mailboxes: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            last_validity: 0,
            stored_bytes: 0,
        };
        let inbox = MailboxState::new(state.next_validity(now_secs));
        state.mailboxes.insert(MailboxName::inbox(), inbox);
        state
    }

    fn next_validity(&mut self, now_secs: u64) -> UidValidity {
        let now = u32::try_from(now_secs).unwrap_or(0);
        self.last_validity = now.max(self.last_validity.saturating_add(1));
        UidValidity::new(self.last_validity).unwrap_or(UidValidity::MIN)
    }

    /// # Errors
    /// `NoSuchMailbox`.
    pub(super) fn mailbox(&self, name: &MailboxName) -> Result<&MailboxState> {
        self.mailboxes.get(name).ok_or_else(missing)
    }

    /// # Errors
    /// `NoSuchMailbox`.
    pub(super) fn mailbox_mut(&mut self, name: &MailboxName) -> Result<&mut MailboxState> {
        self.mailboxes.get_mut(name).ok_or_else(missing)
    }

    /// What all mailboxes hold, and may hold.
    pub(super) fn quota(&self) -> Quota {
        let messages = self.mailboxes.values().map(|mailbox| mailbox.messages.len() as u64).sum();
        let limits = QuotaLimits { bytes: Some(self.limits.stored_bytes_max), messages: None };
        Quota { usage: QuotaUsage { bytes: self.stored_bytes, messages }, limits }
    }

    /// # Errors
    /// `OverQuota` when there is no room for so many octets more.
    pub(super) fn check_room(&self, bytes: u64) -> Result<()> {
        if bytes > self.limits.stored_bytes_max.saturating_sub(self.stored_bytes) {
            return Err(StoreError::new(ErrorKind::OverQuota, "adding a message", "the store is full"));
        }
        Ok(())
    }

    /// # Errors
    /// `NoSuchMailbox`, `KeywordLimit`.
    pub(super) fn check_keywords(&self, name: &MailboxName, flags: &FlagSet) -> Result<()> {
        self.mailbox(name)?.check_keywords(flags, self.limits)
    }

    /// Adds messages to a mailbox, all or none.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `OverQuota`, `KeywordLimit`, `UidsExhausted`.
    pub(super) fn add(&mut self, name: &MailboxName, messages: Vec<Message>) -> Result<Appended> {
        let bytes = messages.iter().map(|message| message.octets.len() as u64).sum();
        self.check_room(bytes)?;
        let mut flags = FlagSet::new();
        messages.iter().for_each(|message| flags.insert_all(&message.flags));
        self.check_keywords(name, &flags)?;
        let mailbox = self.mailbox_mut(name)?;
        mailbox.check_uids(messages.len())?;
        let appended = Appended { uid_validity: mailbox.uid_validity, uids: mailbox.insert(messages) };
        self.stored_bytes += bytes;
        Ok(appended)
    }

    /// Removes messages of a mailbox.
    pub(super) fn remove(&mut self, name: &MailboxName, uids: &UidSet) -> Result<()> {
        let removed = self.mailbox_mut(name)?.remove(uids);
        self.stored_bytes -= removed.iter().map(|message| message.octets.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Which deliveries go when these messages, as far as they are there, are moved to another mailbox.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `KeywordLimit`, `UidsExhausted`, as [`transfer`](Self::transfer) would.
    pub(super) fn check_transfer(
        &self,
        from: &MailboxName,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Vec<DeliveryId>> {
        let source = self.mailbox(from)?;
        let mut flags = FlagSet::new();
        let going = || uids.iter().filter_map(|uid| source.messages.get(uid));
        going().for_each(|message| flags.insert_all(&message.flags));
        self.check_keywords(to, &flags)?;
        self.mailbox(to)?.check_uids(uids.len())?;
        Ok(going().filter_map(|message| message.delivery.clone()).collect())
    }

    /// Moves messages of one mailbox, which are there, to another or to its end, all or none.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `KeywordLimit`, `UidsExhausted`.
    pub(super) fn transfer(
        &mut self,
        from: &MailboxName,
        uids: &[Uid],
        to: &MailboxName,
        now: UnixTime,
    ) -> Result<Appended> {
        self.check_transfer(from, uids, to)?;
        let removed = self.mailbox_mut(from)?.remove(&uids.iter().copied().collect());
        // What was moved is no delivery: the spool was told.
        let come = removed.into_iter().map(|message| Message { saved: now, delivery: None, ..message });
        let target = self.mailbox_mut(to)?;
        Ok(Appended { uid_validity: target.uid_validity, uids: target.insert(come.collect()) })
    }

    pub(super) fn list(&self) -> Vec<MailboxInfo> {
        let mut names: BTreeMap<MailboxName, bool> =
            self.mailboxes.keys().map(|name| (name.clone(), true)).collect();
        for name in self.mailboxes.keys() {
            for above in std::iter::successors(name.parent(), MailboxName::parent) {
                names.entry(above).or_insert(false);
            }
        }
        let info = |(name, exists)| {
            let mut info = MailboxInfo::new(name, exists);
            info.special_use = self.mailboxes.get(&info.name).map_or(SpecialUses::NONE, |it| it.special_use);
            info
        };
        names.into_iter().map(info).collect()
    }

    pub(super) fn create(&mut self, name: &MailboxName, now_secs: u64) -> Result<()> {
        self.check_free(name)?;
        let mailbox = MailboxState::new(self.next_validity(now_secs));
        self.mailboxes.insert(name.clone(), mailbox);
        Ok(())
    }

    /// Which deliveries go when a mailbox is deleted.
    ///
    /// # Errors
    /// `BadName`, `NoSuchMailbox`.
    pub(super) fn check_delete(&self, name: &MailboxName) -> Result<Vec<DeliveryId>> {
        if name.is_inbox() {
            return Err(bad_name("deleting a mailbox", "INBOX cannot be deleted"));
        }
        Ok(self.mailbox(name)?.deliveries())
    }

    pub(super) fn delete(&mut self, name: &MailboxName) -> Result<()> {
        self.check_delete(name)?;
        self.stored_bytes -= self.mailbox(name)?.bytes();
        self.mailboxes.remove(name);
        Ok(())
    }

    /// Which deliveries are no longer where the spool would find them when a mailbox is renamed.
    ///
    /// # Errors
    /// `BadName`, `NoSuchMailbox`, `MailboxExists`.
    pub(super) fn check_rename(&self, from: &MailboxName, to: &MailboxName) -> Result<Vec<DeliveryId>> {
        let mailbox = self.mailbox(from)?;
        if from.is_inbox() {
            self.check_free(to)?;
            return Ok(mailbox.deliveries());
        }
        let renamed = self.renamed(from, to)?;
        Ok(renamed.iter().flat_map(|(name, _)| self.mailboxes[name].deliveries()).collect())
    }

    /// The names that change, and what they become.
    fn renamed(&self, from: &MailboxName, to: &MailboxName) -> Result<Vec<(MailboxName, MailboxName)>> {
        if to.below(from).is_some() {
            return Err(bad_name("renaming a mailbox", "the new name lies below the old"));
        }
        let mut moves = Vec::new();
        for name in self.mailboxes.keys() {
            let new = match name.below(from) {
                Some(rest) => MailboxName::new(&format!("{to}/{rest}"))?,
                None if name == from => to.clone(),
                None => continue,
            };
            self.check_free(&new)?;
            moves.push((name.clone(), new));
        }
        Ok(moves)
    }

    pub(super) fn rename(&mut self, from: &MailboxName, to: &MailboxName, now_secs: u64) -> Result<()> {
        self.mailbox(from)?;
        if from.is_inbox() {
            return self.rename_inbox(to, now_secs);
        }
        for (old, new) in self.renamed(from, to)? {
            if let Some(mailbox) = self.mailboxes.remove(&old) {
                self.mailboxes.insert(new, mailbox);
            }
        }
        Ok(())
    }

    fn rename_inbox(&mut self, to: &MailboxName, now_secs: u64) -> Result<()> {
        self.create(to, now_secs)?;
        let inbox = self.mailbox_mut(&MailboxName::inbox())?;
        let all = inbox.messages.keys().copied().collect();
        let messages = inbox.remove(&all);
        self.mailbox_mut(to)?.insert(messages);
        Ok(())
    }

    fn check_free(&self, name: &MailboxName) -> Result<()> {
        if self.mailboxes.contains_key(name) {
            return Err(StoreError::new(
                ErrorKind::MailboxExists,
                "making a mailbox",
                "there is one of that name",
            ));
        }
        Ok(())
    }
}

fn missing() -> StoreError {
    StoreError::new(ErrorKind::NoSuchMailbox, "opening the mailbox", "there is none")
}

fn bad_name(doing: &'static str, why: &'static str) -> StoreError {
    StoreError::new(ErrorKind::BadName, doing, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_uid_is_never_given_and_nothing_happens_instead() {
        let mut state = State::new(1, MemoryLimits::default());
        let inbox = MailboxName::inbox();
        state.mailbox_mut(&inbox).unwrap().uid_next = Uid::new(u32::MAX - 1).unwrap();
        let message = || Message::new(Bytes::from_static(b"x"), UnixTime(0), UnixTime(0));
        let two = state.add(&inbox, vec![message(), message()]).unwrap_err();
        assert_eq!(two.kind(), ErrorKind::UidsExhausted);
        assert!(state.mailbox(&inbox).unwrap().messages.is_empty());
        let one = state.add(&inbox, vec![message()]).unwrap();
        assert_eq!(one.uids, [Uid::new(u32::MAX - 1).unwrap()]);
        assert_eq!(state.mailbox(&inbox).unwrap().uid_next, Uid::MAX);
        assert_eq!(state.add(&inbox, vec![message()]).unwrap_err().kind(), ErrorKind::UidsExhausted);
        assert_eq!(state.stored_bytes, 1);
    }
}

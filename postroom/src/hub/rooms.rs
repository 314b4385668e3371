//! Which mailboxes are open, so that a session finds those who are there already.

use super::room::Room;
use crate::wall::{AccountId, Opened, StoreResult};
use mailstore::{Access, ErrorKind, MailboxName, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;
use tracing::Instrument as _;

/// The open mailboxes. One that nobody is at any more is forgotten.
#[derive(Default)]
pub(super) struct Rooms {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    /// The last one was forgotten.
    emptied: Notify,
}

/// What a room is found by. A mailbox opened in two ways is two rooms: what EXAMINE does must leave `\Recent` and the
/// files alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) account: AccountId,
    pub(super) name: MailboxName,
    pub(super) access: Access,
}

/// All rooms that a mailbox may have.
fn keys(account: &AccountId, name: &MailboxName) -> [Key; 2] {
    [Access::ReadWrite, Access::ReadOnly].map(|access| Key {
        account: account.clone(),
        name: name.clone(),
        access,
    })
}

/// The place of a room, there before it is open; the lock is held while it is opened, so that this happens once.
type Slot = tokio::sync::Mutex<Weak<Room>>;

/// Somebody at a slot. When nobody is in its room as the last one leaves, be it that the visit was given up, the slot is forgotten.
struct Visit<'a> {
    rooms: &'a Rooms,
    key: &'a Key,
    slot: Arc<Slot>,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut slots = self.rooms.lock();
        // Left while the table is locked, so that of two who leave at a time one is the last.
        drop(std::mem::take(&mut self.slot));
        self.rooms.forget_in(&mut slots, self.key);
    }
}

impl Rooms {
    /// The room of that name, opened by `open` if nobody is there, refreshed if somebody is.
    pub(super) async fn enter(
        self: &Arc<Self>,
        key: Key,
        open: impl FnOnce() -> StoreResult<Opened>,
    ) -> Result<Arc<Room>, StoreError> {
        let slot = Arc::clone(self.lock().entry(key.clone()).or_default());
        let visit = Visit { rooms: self, key: &key, slot };
        let mut place = visit.slot.lock().await;
        if let Some(room) = place.upgrade().filter(|room| !room.is_over()) {
            room.refresh().await?;
            if !room.is_over() {
                return Ok(room);
            }
        }
        let room = Room::new(Arc::clone(self), key.clone(), open().await?);
        *place = Arc::downgrade(&room);
        Ok(room)
    }

    /// Refreshes every room of a mailbox, after it was changed through the store.
    pub(super) async fn changed(&self, account: &AccountId, name: &MailboxName) {
        for key in keys(account, name) {
            self.refresh(&key).await;
        }
    }

    /// Whether anybody is at a mailbox, or about to open it.
    pub(super) fn is_open(&self, account: &AccountId, name: &MailboxName) -> bool {
        let slots = self.lock();
        !slots.is_empty() && keys(account, name).iter().any(|key| slots.contains_key(key))
    }

    /// The names of open mailboxes that are, or lie below, this one.
    pub(super) fn at_or_below(&self, account: &AccountId, name: &MailboxName) -> BTreeSet<MailboxName> {
        let slots = self.lock();
        let there = slots.keys().filter(|key| key.account == *account);
        let there = there.filter(|key| key.name == *name || key.name.below(name).is_some());
        there.map(|key| key.name.clone()).collect()
    }

    /// Refreshes the other room of a mailbox, some time, after a change in this one.
    pub(super) fn changed_beside(self: &Arc<Self>, key: &Key) {
        let access = match key.access {
            Access::ReadWrite => Access::ReadOnly,
            Access::ReadOnly => Access::ReadWrite,
        };
        let other = Key { access, ..key.clone() };
        if self.lock().contains_key(&other) {
            let rooms = Arc::clone(self);
            tokio::spawn(async move { rooms.refresh(&other).await }.in_current_span());
        }
    }

    async fn refresh(&self, key: &Key) {
        let Some(slot) = self.lock().get(key).cloned() else { return };
        let visit = Visit { rooms: self, key, slot };
        let room = visit.slot.lock().await.upgrade();
        if let Some(room) = room
            && let Err(error) = room.refresh().await
            // Those who are there hear of that one by the end of their sessions.
            && error.kind() != ErrorKind::NoSuchMailbox
        {
            tracing::warn!(account = %key.account, mailbox = %key.name, %error, "mailbox not refreshed");
        }
    }

    /// Forgets a room that nobody is in any more.
    pub(super) fn forget(&self, key: &Key) {
        self.forget_in(&mut self.lock(), key);
    }

    /// Forgets a slot without a room, unless somebody is at it, who forgets it when he leaves.
    fn forget_in(&self, slots: &mut HashMap<Key, Arc<Slot>>, key: &Key) {
        let slot = slots.get_mut(key).and_then(Arc::get_mut);
        if slot.is_some_and(|slot| slot.get_mut().strong_count() == 0) {
            slots.remove(key);
            if slots.is_empty() {
                self.emptied.notify_waiters();
            }
        }
    }

    /// When no mailbox is open: what a session began in one may outlast it.
    pub(super) async fn empty(&self) {
        loop {
            // Before looking, so that whatever is forgotten now is heard of.
            let emptied = self.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// How many rooms there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

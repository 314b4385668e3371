//! One opened mailbox with everybody who is at it.
//!
//! Whatever asks the store for changes or makes some goes through [`Room::act`]: one at a time, each in a task of its
//! own that also takes the result into the snapshot and tells the seats. So the snapshot follows the store in its
//! order, and a session that ends in the middle leaves nothing half known.

use super::rooms::{Key, Rooms};
use super::seat::{Desk, Over, Seat, SeatId, Waiting};
use super::snapshot::Snapshot;
use super::watch::Watching;
use crate::blocking::JobLost;
use crate::wall::{Mailbox, Opened, Refreshed, StoreResult};
use mail_message::{FlagSet, Uid, UidSet};
use mailstore::{Access, Entry, ErrorKind, Expunge, FlagChange, Flagged, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;

/// An opened mailbox, shared by the sessions that have it selected in the same way.
pub(crate) struct Room {
    pub(super) rooms: Arc<Rooms>,
    pub(super) key: Key,
    mailbox: Arc<dyn Mailbox>,
    /// Held while the store is asked and its answer is taken in.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    pub(super) watching: Watching,
    /// The last field: it is forgotten after its mailbox was closed.
    _open: Open,
}

/// What is found among the open mailboxes until it is dropped.
struct Open {
    rooms: Arc<Rooms>,
    key: Key,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.rooms.forget(&self.key);
    }
}

struct State {
    snapshot: Arc<Snapshot>,
    /// Longest here first.
    seats: Vec<Taken>,
    /// `\Recent` messages that no session was told of as such.
    unclaimed: UidSet,
    /// The highest UID ever seen here, gone or not.
    highest: Option<Uid>,
    refreshed: Instant,
    over: Option<Over>,
}

/// A seat somebody sits on.
struct Taken {
    desk: Arc<Desk>,
    /// Its client is shown `\Recent`.
    claims: bool,
}

impl Room {
    pub(super) fn new(rooms: Arc<Rooms>, key: Key, opened: Opened) -> Arc<Self> {
        let Opened { uid_validity, uid_next, entries, permanent_flags, mailbox, .. } = opened;
        let unclaimed = entries.iter().filter(|entry| entry.recent).map(|entry| entry.uid).collect();
        let highest = entries.last().map(|entry| entry.uid);
        let snapshot = Arc::new(Snapshot { uid_validity, uid_next, permanent_flags, entries });
        let state =
            State { snapshot, seats: Vec::new(), unclaimed, highest, refreshed: Instant::now(), over: None };
        Arc::new(Self {
            rooms: Arc::clone(&rooms),
            key: key.clone(),
            mailbox,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            watching: Watching::default(),
            _open: Open { rooms, key },
        })
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().snapshot)
    }

    pub(super) fn mailbox(&self) -> &Arc<dyn Mailbox> {
        &self.mailbox
    }

    /// Whether nobody may come in any more.
    pub(super) fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }

    /// Sits down: the seat, what is there, and which of it is `\Recent` for this session. `claims` says that the
    /// session shows `\Recent` to its client; one that does not leaves it to the next.
    pub(super) fn sit(self: &Arc<Self>, claims: bool) -> (Seat, Arc<Snapshot>, UidSet) {
        let desk = Arc::new(Desk::default());
        let mut state = self.lock();
        if state.over.is_some() {
            // It ended after the door was passed; those who sat here by then were told.
            desk.put(|waiting| waiting.over = state.over);
        }
        state.seats.push(Taken { desk: Arc::clone(&desk), claims });
        let recent = match (claims, self.key.access) {
            (false, _) => UidSet::new(),
            (true, Access::ReadWrite) => std::mem::take(&mut state.unclaimed),
            // EXAMINE takes nothing from anybody.
            (true, Access::ReadOnly) => state.unclaimed.clone(),
        };
        let snapshot = Arc::clone(&state.snapshot);
        drop(state);
        (Seat::new(Arc::clone(self), desk), snapshot, recent)
    }

    #[cfg(test)]
    pub(super) fn end(&self, over: Over) {
        self.lock().end(over);
    }

    pub(super) fn leave(&self, seat: &Seat) {
        self.lock().seats.retain(|taken| !Arc::ptr_eq(&taken.desk, seat.desk()));
    }

    /// Looks for what others have changed, and tells everybody here.
    pub(crate) fn refresh(self: &Arc<Self>) -> StoreResult<()> {
        let asked = Instant::now();
        let room = Arc::clone(self);
        self.act(move |mailbox| async move {
            // Another look that began after this one was asked for has seen all that this one could.
            if room.lock().refreshed > asked {
                return Ok(());
            }
            let looked = Instant::now();
            let refreshed = mailbox.refresh().await;
            room.lock().take_in(refreshed, looked, room.key.access)
        })
    }

    /// Refreshes unless that was done within `interval`.
    pub(crate) async fn refresh_after(self: &Arc<Self>, interval: Duration) -> Result<(), StoreError> {
        if self.lock().refreshed.elapsed() < interval {
            return Ok(());
        }
        self.refresh().await
    }

    /// Changes flags; all seats but `by` hear of those that became others.
    pub(crate) fn set_flags(
        self: &Arc<Self>,
        by: SeatId,
        uids: UidSet,
        change: FlagChange,
        flags: FlagSet,
    ) -> StoreResult<Vec<Flagged>> {
        let room = Arc::clone(self);
        self.act(move |mailbox| async move {
            let results = mailbox.set_flags(uids, change, flags, None).await?.messages;
            room.lock().set_flags(by, &results);
            room.rooms.changed_beside(&room.key);
            Ok(results)
        })
    }

    /// Removes messages; all seats but `by` hear of it.
    pub(crate) fn expunge(self: &Arc<Self>, by: SeatId, uids: UidSet, which: Expunge) -> StoreResult<UidSet> {
        let room = Arc::clone(self);
        self.act(move |mailbox| async move {
            let removed: UidSet = mailbox.expunge(uids, which).await?.into_iter().collect();
            room.lock().remove(Some(by), &removed);
            room.rooms.changed_beside(&room.key);
            Ok(removed)
        })
    }

    /// Does something that reads or changes the mailbox's state, in its turn and to its end, whether or not anybody
    /// waits for it.
    fn act<T, F>(
        self: &Arc<Self>,
        action: impl FnOnce(Arc<dyn Mailbox>) -> F + Send + 'static,
    ) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let room = Arc::clone(self);
        let acting = async move {
            let _turn = room.turn.lock().await;
            action(Arc::clone(&room.mailbox)).await
        };
        let task = tokio::spawn(acting.in_current_span());
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(JobLost.into())) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the answer of a refresh in.
    fn take_in(
        &mut self,
        refreshed: Result<Refreshed, StoreError>,
        looked: Instant,
        access: Access,
    ) -> Result<(), StoreError> {
        let Refreshed { changes, uid_next, permanent_flags, .. } = match refreshed {
            Ok(refreshed) => refreshed,
            Err(error) => {
                if error.kind() == ErrorKind::NoSuchMailbox {
                    self.end(Over::Gone);
                }
                return Err(error);
            }
        };
        self.refreshed = looked;
        if changes.invalidated {
            self.end(Over::Invalidated);
            return Ok(());
        }
        if self.snapshot.uid_next == uid_next && changes.is_empty() {
            return Ok(());
        }
        let snapshot = Arc::make_mut(&mut self.snapshot);
        snapshot.merge(&changes);
        snapshot.uid_next = uid_next;
        snapshot.permanent_flags = permanent_flags;
        self.came(&changes.new, access);
        let flags: UidSet = changes.flags.iter().map(|changed| changed.uid).collect();
        self.tell(None, |waiting| waiting.flags = waiting.flags.union(&flags));
        self.remove(None, &changes.vanished.into_iter().collect());
        Ok(())
    }

    /// Tells of new messages; one seat is told that they are recent, the one that has been here longest.
    fn came(&mut self, new: &[Entry], access: Access) {
        // A message that comes back under an old UID cannot be told to those who are here: their sequence numbers
        // ascend with the UIDs (RFC 3501 section 2.3.1.2). Who comes later finds it.
        let above = |entry: &&Entry| self.highest.is_none_or(|highest| highest < entry.uid);
        let told: UidSet = new.iter().filter(above).map(|entry| entry.uid).collect();
        let recent: UidSet = new.iter().filter(|entry| entry.recent).map(|entry| entry.uid).collect();
        self.highest = self.highest.max(told.last());
        self.tell(None, |waiting| waiting.new = waiting.new.union(&told));
        match access {
            Access::ReadWrite => match self.seats.iter().find(|seat| seat.claims) {
                Some(seat) => seat.desk.put(|waiting| waiting.recent = waiting.recent.union(&recent)),
                None => self.unclaimed = self.unclaimed.union(&recent),
            },
            Access::ReadOnly => {
                self.unclaimed = self.unclaimed.union(&recent);
                self.tell(None, |waiting| waiting.recent = waiting.recent.union(&recent));
            }
        }
    }

    fn set_flags(&mut self, by: SeatId, flags: &[Flagged]) {
        let is_other = |flagged: &&Flagged| self.snapshot.flags(flagged.uid) != Some(&flagged.flags);
        let changed: Vec<_> = flags.iter().filter(is_other).cloned().collect();
        if changed.is_empty() {
            return;
        }
        Arc::make_mut(&mut self.snapshot).set_flags(&changed);
        let changed: UidSet = changed.iter().map(|changed| changed.uid).collect();
        self.tell(Some(by), |waiting| waiting.flags = waiting.flags.union(&changed));
    }

    fn remove(&mut self, by: Option<SeatId>, uids: &UidSet) {
        if uids.is_empty() {
            return;
        }
        Arc::make_mut(&mut self.snapshot).remove(uids);
        self.unclaimed = self.unclaimed.difference(uids);
        self.tell(by, |waiting| waiting.vanished = waiting.vanished.union(uids));
    }

    fn end(&mut self, over: Over) {
        self.over = Some(over);
        self.tell(None, |waiting| waiting.over = Some(over));
    }

    fn tell(&self, but: Option<SeatId>, add: impl Fn(&mut Waiting)) {
        for seat in &self.seats {
            if !but.is_some_and(|but| but.is(&seat.desk)) {
                seat.desk.put(&add);
            }
        }
    }
}

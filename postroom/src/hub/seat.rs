//! A session's place at an opened mailbox, and the news that wait for it.
//!
//! # Limits
//! News are sets of UIDs, merged: a session that does not fetch them costs no more than the mailbox has ranges. Which
//! flags a message has is looked up when the news are fetched, so of several changes the last one is told.

use super::room::Room;
use super::snapshot::Snapshot;
use crate::wall::Mailbox;
use mail_message::{FlagSet, Uid, UidSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A session at an opened mailbox, until dropped.
pub(crate) struct Seat {
    room: Arc<Room>,
    desk: Arc<Desk>,
}

/// Where a room leaves news for one session.
#[derive(Debug, Default)]
pub(super) struct Desk {
    waiting: Mutex<Waiting>,
    arrival: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) new: UidSet,
    /// Those of `new` that are `\Recent` here.
    pub(super) recent: UidSet,
    pub(super) flags: UidSet,
    pub(super) vanished: UidSet,
    pub(super) over: Option<Over>,
}

/// Why nothing holds any more that a session knows of its mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// It was deleted or renamed.
    Gone,
    /// Its UIDs have a new UIDVALIDITY.
    Invalidated,
}

/// What others have done since the last look.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Messages that came, ascending, and whether they are `\Recent` in this session.
    pub(crate) new: Vec<(RangeInclusive<Uid>, bool)>,
    /// Messages with the flags they have now.
    pub(crate) flags: Vec<(Uid, FlagSet)>,
    /// Messages that are gone.
    pub(crate) vanished: UidSet,
    /// The end.
    pub(crate) over: Option<Over>,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts news on it and wakes the session.
    pub(super) fn put(&self, add: impl FnOnce(&mut Waiting)) {
        add(&mut self.lock());
        self.arrival.notify_one();
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.flags.is_empty() && self.vanished.is_empty() && self.over.is_none()
    }
}

impl Seat {
    pub(super) fn new(room: Arc<Room>, desk: Arc<Desk>) -> Self {
        Self { room, desk }
    }

    /// The mailbox as it is now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.room.snapshot()
    }

    /// The way to the messages. What changes them goes through the seat.
    pub(crate) fn mailbox(&self) -> Arc<dyn Mailbox> {
        Arc::clone(self.room.mailbox())
    }

    /// The room, for changes: those made there are news to all seats but this one.
    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }

    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Names this seat to [`Room`] as the one whose session makes a change.
    pub(crate) fn id(&self) -> SeatId {
        SeatId(Arc::as_ptr(&self.desk) as usize)
    }

    /// Resolves when there are news. Cancel-safe.
    pub(crate) async fn arrival(&self) {
        while self.desk.lock().is_empty() {
            self.desk.arrival.notified().await;
        }
    }

    /// The news, once; `None` when there are none.
    pub(crate) fn take_news(&self) -> Option<News> {
        let waiting = std::mem::take(&mut *self.desk.lock());
        if waiting.is_empty() {
            return None;
        }
        let snapshot = self.snapshot();
        let flags = waiting.flags.iter();
        let flags = flags.filter_map(|uid| Some((uid, snapshot.flags(uid)?.clone()))).collect();
        Some(News {
            new: runs(&waiting.new, &waiting.recent),
            flags,
            vanished: waiting.vanished,
            over: waiting.over,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.leave(self);
    }
}

/// Which session makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeatId(usize);

impl SeatId {
    pub(super) fn is(self, desk: &Arc<Desk>) -> bool {
        self.0 == Arc::as_ptr(desk) as usize
    }
}

/// All of `uids` in ascending ranges that are wholly recent, or not at all.
fn runs(uids: &UidSet, recent: &UidSet) -> Vec<(RangeInclusive<Uid>, bool)> {
    let recent = uids.intersect(recent);
    let plain = uids.difference(&recent);
    let mut runs: Vec<_> = recent.ranges().map(|range| (range, true)).collect();
    runs.extend(plain.ranges().map(|range| (range, false)));
    runs.sort_by_key(|(range, _)| *range.start());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_ascend_whoever_has_them_as_recent() {
        let uids = |raw: &[u32]| raw.iter().filter_map(|&raw| Uid::new(raw)).collect::<UidSet>();
        let told: Vec<_> = runs(&uids(&[4, 5, 6, 8]), &uids(&[5, 8, 9]))
            .into_iter()
            .map(|(range, recent)| (range.start().get(), range.end().get(), recent))
            .collect();
        assert_eq!(told, [(4, 4, false), (5, 5, true), (6, 6, false), (8, 8, true)]);
    }
}

//! [`Lanes`]: how many deliveries to one mailbox or file are under way, so that one that is slow does not hold the others.
//!
//! A mailbox begins with a few ([`INITIAL`]), as a destination of Postfix's queue manager does; each that succeeds lets
//! one more be under way, each that fails takes the room away again. Who waits for longer than
//! [`Deliverers::patience`](super::Deliverers::patience) is told that the mailbox is busy, and so is everybody who comes
//! until one of those under way has ended: his message is deferred, and its place is free for another mailbox's. Where too many
//! wait, wherever they do, that is told sooner ([`Seats`]).
//!
//! # Limits
//! A lane is there while a delivery waits or is under way in it.

use super::deliverer::Target;
use super::room::{Busy, Place, Room, Seats};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many deliveries to one mailbox are under way before one of them has succeeded
/// (`initial_destination_concurrency` of Postfix is 5).
const INITIAL: usize = 8;

/// The mailboxes to which something is being delivered.
pub(super) struct Lanes {
    lanes: Mutex<HashMap<Target, Lane>>,
    width_max: usize,
    seats: Seats,
    patience: Duration,
}

struct Lane {
    room: Arc<Room>,
    /// How many may be under way.
    width: usize,
    /// How many wait or are under way.
    there: usize,
}

impl Lanes {
    /// `width_max` is how many may be under way to one mailbox at most; the seats are for those that wait.
    pub(super) fn new(width_max: usize, seats: Seats, patience: Duration) -> Self {
        Self { lanes: Mutex::default(), width_max: width_max.max(INITIAL), seats, patience }
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// [`Busy`] when it does not come.
    pub(super) async fn turn(&self, target: &Target) -> Result<Turn<'_>, Busy> {
        let room = {
            let mut lanes = self.lock();
            let lane = lanes.entry(target.clone()).or_insert_with(|| Lane {
                room: Arc::new(Room::new(INITIAL, self.seats.clone(), self.patience)),
                width: INITIAL,
                there: 0,
            });
            lane.there += 1;
            Arc::clone(&lane.room)
        };
        let mut turn = Turn { lanes: self, target: target.clone(), place: None };
        turn.place = Some(room.place().await?);
        Ok(turn)
    }

    fn with(&self, target: &Target, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lock().get_mut(target) {
            change(lane);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery under way, or one that waits for it. It ends when it is dropped.
pub(super) struct Turn<'a> {
    lanes: &'a Lanes,
    target: Target,
    place: Option<Place>,
}

impl Turn<'_> {
    /// Tells how the delivery ended.
    pub(super) fn end(mut self, succeeded: bool) {
        let Some(place) = self.place.take() else { return };
        let width_max = self.lanes.width_max;
        self.lanes.with(&self.target, |lane| {
            lane.room.ended();
            if succeeded && lane.width < width_max {
                lane.width += 1;
                lane.room.widen();
            } else if !succeeded && lane.width > INITIAL {
                lane.width -= 1;
                place.remove();
            }
        });
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get_mut(&self.target) {
            lane.there -= 1;
            if lane.there == 0 {
                lanes.remove(&self.target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wall::AccountId;

    fn account(user: &str) -> Target {
        Target::Account(AccountId::new(user, "example.test").unwrap())
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn fill<'a>(lanes: &'a Lanes, user: &str) -> Vec<Turn<'a>> {
        let mut turns = Vec::new();
        while let Ok(Ok(turn)) =
            tokio::time::timeout(Duration::from_millis(1), lanes.turn(&account(user))).await
        {
            turns.push(turn);
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn who_succeeds_gets_more_room_and_who_fails_less() {
        let lanes = Lanes::new(20, Seats::new(100), PATIENCE);
        assert_eq!(fill(&lanes, "bob").await.len(), INITIAL);
        let first = lanes.turn(&account("bob")).await.unwrap();
        for _ in 0..100 {
            lanes.turn(&account("bob")).await.unwrap().end(true);
        }
        assert_eq!(fill(&lanes, "bob").await.len() + 1, 20);
        for _ in 0..100 {
            lanes.turn(&account("bob")).await.unwrap().end(false);
        }
        assert_eq!(fill(&lanes, "bob").await.len() + 1, INITIAL);
        drop(first);
        assert!(lanes.lock().is_empty(), "a lane goes with the last one in it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mailbox_that_hangs_is_busy_until_something_ends() {
        let lanes = Lanes::new(20, Seats::new(100), PATIENCE);
        let mut hang = fill(&lanes, "alice").await;
        let begun = tokio::time::Instant::now();
        assert_eq!(lanes.turn(&account("alice")).await.err(), Some(Busy));
        assert_eq!(begun.elapsed(), PATIENCE);
        assert_eq!(lanes.turn(&account("alice")).await.err(), Some(Busy));
        assert_eq!(begun.elapsed(), PATIENCE, "nobody else waits");
        assert!(lanes.turn(&account("bob")).await.is_ok(), "and no other mailbox is busy");
        hang.pop().unwrap().end(false);
        assert!(lanes.turn(&account("alice")).await.is_ok());
    }
}

//! [`Room`]: for so many at a time, with an end to waiting.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Who has no seat waits only while [`BRISK`] deliveries end in each of these.
const HURRY: Duration = Duration::from_secs(2);

/// So many end where many at a time is no sign that something hangs.
const BRISK: usize = 8;

/// Room for some deliveries, and for some that wait.
///
/// Who waits for longer than the patience is told that those before it take too long, and so is everybody who comes until one of
/// them has ended.
pub(super) struct Room {
    free: Arc<Semaphore>,
    seats: Seats,
    /// How many have ended, wrapping.
    ended: AtomicUsize,
    patience: Duration,
    /// Somebody lost patience, and nothing has ended since.
    is_busy: AtomicBool,
}

/// For those that wait in any of several rooms. Whoever finds no seat stands, and is soon told that the room is busy where it is
/// slow: so many messages at one place are a rush as long as they go through, and else keep others from being taken in hand.
#[derive(Clone)]
pub(super) struct Seats(Arc<Semaphore>);

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))))
    }
}

/// The deliveries before this one take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Room {
    /// For `size` at a time, while others wait on these seats.
    pub(super) fn new(size: usize, seats: Seats, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS))),
            seats,
            ended: AtomicUsize::new(0),
            patience,
            is_busy: AtomicBool::new(false),
        }
    }

    /// Waits for a place. Dropped, it is free again.
    ///
    /// # Errors
    /// [`Busy`] when none becomes free, or hardly any ends while too many wait.
    pub(super) async fn place(&self) -> Result<Place, Busy> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(Place(permit));
        }
        if self.is_busy.load(Ordering::Relaxed) {
            return Err(Busy);
        }
        let seat = self.seats.0.try_acquire().ok();
        let end = Instant::now() + self.patience;
        let mut acquired = pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            let ended = self.ended.load(Ordering::Relaxed);
            let until = if seat.is_some() { end } else { end.min(Instant::now() + HURRY) };
            if let Ok(permit) = tokio::time::timeout_at(until, &mut acquired).await {
                return Ok(Place(permit.expect("invariant: it is never closed")));
            }
            let is_brisk = self.ended.load(Ordering::Relaxed).wrapping_sub(ended) >= BRISK;
            if until == end || !is_brisk {
                self.is_busy.store(true, Ordering::Relaxed);
                return Err(Busy);
            }
        }
    }

    /// One of those that had a place has come to its end.
    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.is_busy.store(false, Ordering::Relaxed);
    }

    /// There is room for one more.
    pub(super) fn widen(&self) {
        self.free.add_permits(1);
    }
}

/// A place in a [`Room`].
pub(super) struct Place(OwnedSemaphorePermit);

impl Place {
    /// Takes it out of the room.
    pub(super) fn remove(self) {
        self.0.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_has_no_seat_does_not_wait_long_in_a_slow_room() {
        let seats = Seats::new(2);
        let (room, other) = (Room::new(1, seats.clone(), PATIENCE), Room::new(1, seats.clone(), PATIENCE));
        let first = room.place().await.ok();
        let _others_first = other.place().await.ok();
        let begun = Instant::now();
        let comes = async {
            // Behind those that sit, of whom one waits elsewhere.
            tokio::task::yield_now().await;
            let third = room.place().await.err();
            assert_eq!((third, begun.elapsed()), (Some(Busy), HURRY));
            drop(first);
        };
        let sits = async { room.place().await.map(drop) };
        let sits_elsewhere = async { other.place().await.map(drop) };
        let (sat, sat_elsewhere, ()) = tokio::join!(sits, sits_elsewhere, comes);
        assert_eq!((sat, sat_elsewhere, begun.elapsed()), (Ok(()), Err(Busy), PATIENCE));
        assert_eq!(seats.0.available_permits(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rush_that_goes_through_waits_without_seats() {
        let room = Room::new(1, Seats::new(0), PATIENCE);
        let begun = Instant::now();
        let rush = (0..100).map(|_| async {
            let place = room.place().await?;
            tokio::time::sleep(HURRY / 10).await;
            drop(place);
            room.ended();
            Ok::<(), Busy>(())
        });
        assert!(futures_util::future::join_all(rush).await.iter().all(Result::is_ok));
        assert!(begun.elapsed() >= HURRY * 10);
    }

    #[tokio::test(start_paused = true)]
    async fn when_somebody_has_lost_patience_nobody_waits_until_something_ends() {
        let room = Room::new(1, Seats::new(9), PATIENCE);
        let _hangs = room.place().await.ok();
        let begun = Instant::now();
        for _ in 0..2 {
            assert_eq!(room.place().await.err(), Some(Busy));
            assert_eq!(begun.elapsed(), PATIENCE);
        }
        room.ended();
        assert_eq!(room.place().await.err(), Some(Busy));
        assert_eq!(begun.elapsed(), 2 * PATIENCE);
    }
}

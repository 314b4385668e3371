//! [`Room`]: for so many at a time, with an end to waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for some deliveries, and for some that wait.
///
/// Who waits for longer than the patience is told that those before it take too long, and so is everybody who comes until one of
/// them has ended.
pub(super) struct Room {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    patience: Duration,
    /// Somebody lost patience, and nothing has ended since.
    is_busy: AtomicBool,
}

/// The deliveries before this one take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Room {
    /// For `size` at a time, while up to `waiting_max` wait.
    pub(super) fn new(size: usize, waiting_max: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            waiting_max,
            patience,
            is_busy: AtomicBool::new(false),
        }
    }

    /// Waits for a place. Dropped, it is free again.
    ///
    /// # Errors
    /// [`Busy`] when none becomes free, or too many wait.
    pub(super) async fn place(&self) -> Result<Place, Busy> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(Place(permit));
        }
        if self.is_busy.load(Ordering::Relaxed) {
            return Err(Busy);
        }
        let _waiting = Waiting::among(&self.waiting, self.waiting_max).ok_or(Busy)?;
        let acquired = tokio::time::timeout(self.patience, Arc::clone(&self.free).acquire_owned()).await;
        match acquired {
            Ok(permit) => Ok(Place(permit.expect("invariant: it is never closed"))),
            Err(_) => {
                self.is_busy.store(true, Ordering::Relaxed);
                Err(Busy)
            }
        }
    }

    /// One of those that had a place has come to its end.
    pub(super) fn ended(&self) {
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

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicUsize, waiting_max: usize) -> Option<Self> {
        let one = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < waiting_max).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_too_many_wait_does_not() {
        let room = Room::new(1, 2, PATIENCE);
        let first = room.place().await.ok();
        let begun = tokio::time::Instant::now();
        let comes = async {
            // Behind the two that wait.
            tokio::task::yield_now().await;
            let third = room.place().await.err();
            assert_eq!((third, begun.elapsed()), (Some(Busy), Duration::ZERO));
            drop(first);
        };
        let waits = async { room.place().await.map(drop) };
        let waits_too = async { room.place().await.map(drop) };
        let (waited, waited_too, ()) = tokio::join!(waits, waits_too, comes);
        assert_eq!((waited, waited_too), (Ok(()), Ok(())));
        assert_eq!(room.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn when_somebody_has_lost_patience_nobody_waits_until_something_ends() {
        let room = Room::new(1, 9, PATIENCE);
        let _hangs = room.place().await.ok();
        let begun = tokio::time::Instant::now();
        for _ in 0..2 {
            assert_eq!(room.place().await.err(), Some(Busy));
            assert_eq!(begun.elapsed(), PATIENCE);
        }
        room.ended();
        assert_eq!(room.place().await.err(), Some(Busy));
        assert_eq!(begun.elapsed(), 2 * PATIENCE);
    }
}

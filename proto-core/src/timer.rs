//! All deadlines of a machine in one table.
//!
//! A machine lists its timers in one documented enum, each with the clause its default comes from, and keeps
//! them in one [`TimerTable`]. `poll_timeout` is then the table's minimum and nothing can be forgotten.

use crate::time::Instant;

/// The enum of a machine's timers. `N` of the table is the number of its values.
pub trait TimerKind: Copy + 'static {
    /// All values, in the order in which timers that expire together are reported.
    const ALL: &'static [Self];

    /// The place of this value in [`TimerKind::ALL`].
    fn index(self) -> usize;
}

/// Deadlines by timer; `N` is `K::ALL.len()`.
#[derive(Debug, Clone)]
pub struct TimerTable<K, const N: usize> {
    deadlines: [Option<Instant>; N],
    kind: core::marker::PhantomData<K>,
}

impl<K: TimerKind, const N: usize> Default for TimerTable<K, N> {
    fn default() -> Self {
        const { assert!(N == K::ALL.len(), "one place for each timer") };
        Self { deadlines: [None; N], kind: core::marker::PhantomData }
    }
}

impl<K: TimerKind, const N: usize> TimerTable<K, N> {
    /// Sets a timer, in place of what it was set to.
    pub fn set(&mut self, kind: K, deadline: Instant) {
        self.deadlines[kind.index()] = Some(deadline);
    }

    /// Stops a timer; no matter when it is not set.
    pub fn stop(&mut self, kind: K) {
        self.deadlines[kind.index()] = None;
    }

    /// Stops all of them.
    pub fn stop_all(&mut self) {
        self.deadlines = [None; N];
    }

    /// When a timer expires, if it is set.
    pub fn deadline(&self, kind: K) -> Option<Instant> {
        self.deadlines[kind.index()]
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// Stops and returns one timer whose deadline is at or before `now`; call until there is none.
    pub fn expire(&mut self, now: Instant) -> Option<K> {
        let kind = K::ALL.iter().copied().find(|k| self.deadlines[k.index()].is_some_and(|at| at <= now))?;
        self.stop(kind);
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum T {
        Idle,
        Command,
    }

    impl TimerKind for T {
        const ALL: &'static [T] = &[T::Idle, T::Command];
        fn index(self) -> usize {
            self as usize
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn the_next_deadline_is_the_earliest_and_expiry_is_in_order() {
        let mut timers: TimerTable<T, 2> = TimerTable::default();
        assert_eq!(timers.next(), None);
        timers.set(T::Command, at(5));
        timers.set(T::Idle, at(9));
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.expire(at(4)), None);
        assert_eq!(timers.expire(at(9)), Some(T::Idle));
        assert_eq!(timers.expire(at(9)), Some(T::Command));
        assert_eq!(timers.expire(at(9)), None);
    }
}

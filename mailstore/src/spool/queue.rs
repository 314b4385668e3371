//! What has been brought to the log and not been written yet, and when a thread that does nothing else takes it.
//!
//! A flush for many costs what it costs for one: processor time, and a thread that is woken, besides the disk's. So that
//! thread does not take each record as it comes:
//!
//! * A commit waits until an eighth as many are there as messages are still on their way in, [`LINGER_MAX`] at most. An
//!   eighth of them come in about an eighth of the time that a message takes, so nobody's mail takes longer for it by more,
//!   and where few messages come at a time none waits.
//! * An outcome goes with the next group. Nobody waits for it but who delivers, and he has others in hands: one that a
//!   crash takes is found out when the message is delivered again. When no message is on its way in, it is
//!   written at once, else after [`LAG_MAX`] at the latest.
//! * Everything else is written at once, with all that is there.
//!
//! Who leads without such a thread takes what there is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::log::{Entry, EntryClass, lock};

/// The longest that a commit waits for others. A session that brings one message after the other takes longer than this for
/// each even where nothing holds it up.
const LINGER_MAX: Duration = Duration::from_millis(1);

/// The longest that an outcome waits for a commit.
const LAG_MAX: Duration = Duration::from_millis(2);

/// A commit waits for one in so many of the messages that are on their way in.
const AWAITED: usize = 8;

/// The entries that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    due: Condvar,
    /// Messages that have been begun, and neither been brought here nor given up.
    coming: AtomicUsize,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// How many of them are commits.
    commits: usize,
    /// One of them waits for no other.
    is_urgent: bool,
    /// Somebody leads.
    led: bool,
    /// The leader is a thread of its own, which stays.
    thread: bool,
    /// What that thread sleeps for.
    asleep: Option<Awaited>,
}

/// What a thread sleeps for when it does not write what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// Nothing is there.
    Anything,
    /// An outcome is there.
    Commit,
    /// A commit is there.
    MoreCommits,
}

impl Awaited {
    /// How long it is waited for.
    fn patience(self) -> Duration {
        match self {
            Self::Anything => Duration::MAX,
            Self::Commit => LAG_MAX,
            Self::MoreCommits => LINGER_MAX,
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("entries", &self.entries.len()).field("led", &self.led).finish()
    }
}

impl State {
    fn take(&mut self) -> Vec<Entry> {
        (self.commits, self.is_urgent) = (0, false);
        std::mem::take(&mut self.entries)
    }

    /// Whether what is there is to be written now.
    fn is_due(&self, coming: usize) -> bool {
        let is_enough = if self.commits > 0 { self.commits * AWAITED >= coming } else { coming == 0 };
        self.is_urgent || !self.entries.is_empty() && is_enough
    }

    /// What is waited for, when nothing is due.
    fn awaited(&self) -> Awaited {
        match self.commits {
            0 if self.entries.is_empty() => Awaited::Anything,
            0 => Awaited::Commit,
            _ => Awaited::MoreCommits,
        }
    }
}

impl Queue {
    /// Brings entries, together and in this order.
    pub(super) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut state = lock(&self.state);
        for entry in entries {
            match entry.class {
                EntryClass::Inward => state.commits += 1,
                EntryClass::Outcome => {}
                EntryClass::Chunk | EntryClass::Outward => state.is_urgent = true,
            }
            state.entries.push(entry);
        }
        // It is woken also when it waits less long for what is there now.
        if let Some(awaited) = state.asleep
            && (awaited != state.awaited() || state.is_due(self.coming()))
        {
            // Once.
            state.asleep = None;
            drop(state);
            self.due.notify_one();
        }
    }

    /// A message has been begun.
    pub(super) fn expect(&self) {
        self.coming.fetch_add(1, Ordering::Relaxed);
    }

    /// It is brought now, or was given up. Who waits for one that was given up does so to the end, which is not far.
    pub(super) fn expect_no_more(&self) {
        self.coming.fetch_sub(1, Ordering::Relaxed);
    }

    fn coming(&self) -> usize {
        self.coming.load(Ordering::Relaxed)
    }

    /// Takes the lead, unless somebody has it.
    pub(super) fn lead(&self) -> bool {
        !std::mem::replace(&mut lock(&self.state).led, true)
    }

    /// What is there; when that is nothing, nobody leads any more.
    pub(super) fn take(&self) -> Option<Vec<Entry>> {
        let mut state = lock(&self.state);
        state.led = !state.entries.is_empty();
        state.led.then(|| state.take())
    }

    /// Waits for what is to be written next; `None` when the thread is to end, and leads no more.
    pub(super) fn next(&self) -> Option<Vec<Entry>> {
        let mut state = lock(&self.state);
        while state.thread && !state.is_due(self.coming()) {
            let awaited = state.awaited();
            let sleeps_on = |state: &mut State| {
                // Again after each look: who woke it has taken that away.
                state.asleep = Some(awaited);
                state.thread && awaited == state.awaited() && !state.is_due(self.coming())
            };
            let waited = self.due.wait_timeout_while(state, awaited.patience(), sleeps_on);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() {
                break;
            }
        }
        state.asleep = None;
        if state.entries.is_empty() {
            state.led = false;
            return None;
        }
        Some(state.take())
    }

    /// Says that a thread calls [`Queue::next`]; false when somebody leads already.
    pub(super) fn start(&self) -> bool {
        let mut state = lock(&self.state);
        let free = !state.led;
        if free {
            (state.led, state.thread) = (true, true);
        }
        free
    }

    /// Lets [`Queue::next`] end when everything is taken; who pushes later leads.
    pub(super) fn stop(&self) {
        lock(&self.state).thread = false;
        self.due.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::record::{Buffer, Kind};

    fn entry(class: EntryClass) -> Entry {
        Entry { buffer: Buffer::new(Kind::Void), needs: Vec::new(), class, done: Box::new(|_| {}) }
    }

    fn classes(entries: Option<Vec<Entry>>) -> Option<Vec<EntryClass>> {
        entries.map(|entries| entries.iter().map(|entry| entry.class).collect())
    }

    #[test]
    fn commits_wait_for_one_in_eight_and_outcomes_for_commits() {
        use EntryClass::{Chunk, Inward, Outcome, Outward};
        let cases: [(&[EntryClass], usize, bool); 12] = [
            (&[], 0, false),
            (&[], 100, false),
            (&[Inward], 0, true),
            (&[Inward], 8, true),
            (&[Inward], 9, false),
            (&[Inward, Outcome], 9, false),
            (&[Inward, Inward], 16, true),
            (&[Outcome], 0, true),
            (&[Outcome, Outcome], 1, false),
            (&[Outcome, Inward], 1, true),
            (&[Chunk], 100, true),
            (&[Inward, Outward], 100, true),
        ];
        for (there, coming, is_due) in cases {
            let queue = Queue::default();
            queue.push(there.iter().copied().map(entry));
            assert_eq!(lock(&queue.state).is_due(coming), is_due, "{there:?}, {coming} on their way");
        }
    }

    #[test]
    fn what_waits_is_taken_when_nobody_comes() {
        let queue = Queue::default();
        assert!(queue.start());
        (0..100).for_each(|_| queue.expect());
        for class in [EntryClass::Outcome, EntryClass::Inward] {
            std::thread::scope(|scope| {
                let taken = scope.spawn(|| classes(queue.next()));
                queue.push([entry(class)]);
                assert_eq!(taken.join().unwrap(), Some(vec![class]));
            });
        }
    }

    #[test]
    fn a_thread_that_sleeps_for_ever_is_woken_by_each_class_and_by_the_end() {
        let queue = Queue::default();
        assert!(queue.start() && !queue.start() && !queue.lead());
        std::thread::scope(|scope| {
            let (send, taken) = std::sync::mpsc::channel();
            let queue = &queue;
            scope.spawn(move || {
                while let Some(entries) = queue.next() {
                    send.send(classes(Some(entries))).unwrap();
                }
            });
            for class in [EntryClass::Chunk, EntryClass::Inward, EntryClass::Outward, EntryClass::Outcome] {
                queue.push([entry(class)]);
                assert_eq!(taken.recv().unwrap(), Some(vec![class]));
            }
            queue.stop();
            assert!(taken.recv().is_err(), "it has ended");
        });
        assert!(queue.lead(), "nobody leads");
        queue.push([entry(EntryClass::Outcome)]);
        assert_eq!(
            classes(queue.take()),
            Some(vec![EntryClass::Outcome]),
            "who leads himself waits for nothing"
        );
        assert_eq!(classes(queue.take()), None);
    }

    #[test]
    fn what_is_there_at_the_end_is_taken_before_it() {
        let queue = Queue::default();
        assert!(queue.start());
        queue.expect();
        queue.push([entry(EntryClass::Outcome)]);
        queue.stop();
        assert_eq!(classes(queue.next()), Some(vec![EntryClass::Outcome]));
        assert_eq!(classes(queue.next()), None);
    }
}

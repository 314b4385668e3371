//! [`Watcher`] itself: who listens to what, and the two threads that tell.
//!
//! # INTERNALS
//! A mailbox is *listened to* by its numbers in the queue, or *polled* by its stamps. One lock guards who is which; it is
//! never held while anybody is told, nor while a disk is asked for more than a local file's number.
//!
//! A file time has a unit, and a second change within it does not show. So what was found changed is told once more at
//! the next turn, which is later than a unit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::mem::{Discriminant, discriminant};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::{Tell, Told, Watch, WatchNotice, WatchOptions};
use crate::env::Host;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{Change, ChangeQueue, Fs, Interest};

/// Watches the mailboxes of a process; an [`Env`](crate::Env) has one. Until it is started, nothing is watched. Dropping
/// it ends its threads.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
}

/// Something on the disk that a mailbox consists of.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    path: PathBuf,
    interest: Interest,
}

impl Target {
    pub(crate) fn new(path: PathBuf, interest: Interest) -> Self {
        Self { path, interest }
    }
}

#[derive(Debug)]
struct Shared {
    fs: Arc<dyn Fs>,
    host: Arc<dyn Host>,
    state: Mutex<State>,
    /// There is something to poll, or nothing more at all.
    roused: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Arc<Running>>,
    stopped: bool,
    count: u64,
    watched: BTreeMap<u64, Watched>,
    /// By number in the queue: who wants to hear of it.
    listeners: HashMap<u64, BTreeSet<u64>>,
    said: Vec<Discriminant<WatchNotice>>,
}

#[derive(Debug)]
struct Running {
    options: WatchOptions,
    queue: Option<Box<dyn ChangeQueue>>,
}

/// A watched mailbox.
struct Watched {
    tell: Tell,
    targets: Arc<[Target]>,
    stamps: Vec<Stamp>,
    how: How,
}

enum How {
    /// By these numbers of the queue.
    Listened(Vec<u64>),
    /// `again`: to be told once more at the next turn.
    Polled { again: bool },
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// What was heard of a mailbox that is listened to; the greater says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Changed,
    /// Whether it is still there has to be looked at.
    Moved,
    Gone,
}

/// What a target looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    /// Time and length, where they matter.
    content: Option<(Duration, u64)>,
}

impl Stamp {
    fn is_same_file(&self, other: &Stamp) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl Watcher {
    pub(crate) fn new(fs: Arc<dyn Fs>, host: Arc<dyn Host>) -> Self {
        Self { shared: Arc::new(Shared { fs, host, state: Mutex::default(), roused: Condvar::new() }) }
    }

    /// Begins to watch, with two threads; nothing happens when it has begun already.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(&self, options: WatchOptions) -> Result<()> {
        let (queue, refused) = match self.shared.fs.changes() {
            Ok(Some(queue)) => (Some(queue), None),
            Ok(None) => (None, Some("there is no queue of changes on this system".to_owned())),
            Err(error) => (None, Some(error.to_string())),
        };
        let Some(running) = self.run(options, queue) else { return Ok(()) };
        if let Some(cause) = refused {
            self.shared.say(&running, WatchNotice::NoQueue { cause });
        }
        let failed = |error: io::Error| {
            self.shared.stop();
            StoreError::new(ErrorKind::Io, "starting to watch mailboxes", error.to_string())
        };
        let shared = Arc::clone(&self.shared);
        let poll = std::thread::Builder::new().name("watch-poll".into());
        poll.spawn(move || shared.poll_in_turn(running.options.interval)).map_err(failed)?;
        let running = self.shared.lock().running.clone();
        if let Some(running) = running.filter(|running| running.queue.is_some()) {
            let shared = Arc::clone(&self.shared);
            let listen = std::thread::Builder::new().name("watch-listen".into());
            listen.spawn(move || shared.listen(&running)).map_err(failed)?;
        }
        Ok(())
    }

    /// Begins to watch without threads: whoever calls [`poll`](Watcher::poll) looks at everything. For a simulated disk,
    /// and for programs that have their own turns.
    pub fn start_without_threads(&self, options: WatchOptions) {
        self.run(options, None);
    }

    fn run(&self, options: WatchOptions, queue: Option<Box<dyn ChangeQueue>>) -> Option<Arc<Running>> {
        let mut state = self.shared.lock();
        if state.running.is_some() {
            return None;
        }
        let running = Arc::new(Running { options, queue });
        state.running = Some(Arc::clone(&running));
        Some(running)
    }

    /// Looks at every mailbox of which the system does not tell, and tells of those that have changed.
    pub fn poll(&self) {
        self.shared.poll();
    }

    /// Watches a mailbox that consists of `targets`; `None` when the watcher was not started.
    ///
    /// # Errors
    /// `NoSuchMailbox` when one of them is not there.
    pub(crate) fn watch(&self, targets: Vec<Target>, tell: &Tell) -> Result<Option<Watch>> {
        let shared = &self.shared;
        let Some(running) = shared.running() else { return Ok(None) };
        let stamps = shared.stamps(&targets).map_err(|(path, error)| match error.kind() {
            io::ErrorKind::NotFound => {
                StoreError::new(ErrorKind::NoSuchMailbox, "watching the mailbox", "there is none").at(path)
            }
            _ => StoreError::io("watching", path, &error),
        })?;
        // Before the lock is taken: it may last.
        let (queue, mut notice) = match running.queue.as_deref() {
            Some(queue) => match targets.iter().find(|target| !queue.covers(&target.path).unwrap_or(false)) {
                None => (Some(queue), None),
                Some(target) => (None, Some(WatchNotice::NotLocal { path: target.path.clone() })),
            },
            None => (None, None),
        };
        let mut state = shared.lock();
        state.count += 1;
        let number = state.count;
        // The queue may have broken meanwhile: then nobody hears it any more.
        let is_heard = state.running.as_ref().is_some_and(|running| running.queue.is_some());
        let listened = queue.filter(|_| is_heard).map(|queue| state.listen(queue, number, &targets));
        let how = match listened {
            Some(Ok(numbers)) => How::Listened(numbers),
            Some(Err((path, error))) => {
                let cause = error.to_string();
                notice = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::OutOfMemory => {
                        Some(WatchNotice::TooMany { path, cause })
                    }
                    // It went just now, as the first turn will find.
                    io::ErrorKind::NotFound => None,
                    _ => Some(WatchNotice::Refused { path, cause }),
                };
                How::Polled { again: true }
            }
            None => How::Polled { again: true },
        };
        let watched = Watched { tell: Arc::clone(tell), targets: targets.into(), stamps, how };
        state.watched.insert(number, watched);
        drop(state);
        shared.roused.notify_all();
        if let Some(notice) = notice {
            shared.say(&running, notice);
        }
        Ok(Some(Watch::new(Registration { shared: Arc::downgrade(shared), number })))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// A watch, as its user holds it.
struct Registration {
    shared: Weak<Shared>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let gone = shared.lock().forget(self.number);
            drop(gone);
        }
    }
}

impl State {
    /// Listens to all targets, or to none.
    fn listen(
        &mut self,
        queue: &dyn ChangeQueue,
        number: u64,
        targets: &[Target],
    ) -> std::result::Result<Vec<u64>, (PathBuf, io::Error)> {
        let mut numbers = Vec::with_capacity(targets.len());
        for target in targets {
            match queue.add(&target.path, target.interest) {
                Ok(listened) => {
                    self.listeners.entry(listened).or_default().insert(number);
                    numbers.push(listened);
                }
                Err(error) => {
                    self.unlisten(Some(queue), number, &numbers);
                    return Err((target.path.clone(), error));
                }
            }
        }
        Ok(numbers)
    }

    fn unlisten(&mut self, queue: Option<&dyn ChangeQueue>, number: u64, listened: &[u64]) {
        for id in listened {
            let Some(who) = self.listeners.get_mut(id) else { continue };
            who.remove(&number);
            if who.is_empty() {
                self.listeners.remove(id);
                if let Some(queue) = queue {
                    queue.remove(*id);
                }
            }
        }
    }

    /// Watches it no longer. What is returned is to be dropped without the lock: who was told may hold other watches.
    #[must_use]
    fn forget(&mut self, number: u64) -> Option<Watched> {
        let watched = self.watched.remove(&number)?;
        if let How::Listened(listened) = &watched.how {
            let running = self.running.clone();
            let queue = running.as_ref().and_then(|running| running.queue.as_deref());
            self.unlisten(queue, number, listened);
        }
        Some(watched)
    }

    fn is_polled(&self) -> bool {
        self.watched.values().any(|watched| matches!(watched.how, How::Polled { .. }))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How mailboxes are watched; `None` when they are not.
    fn running(&self) -> Option<Arc<Running>> {
        let state = self.lock();
        state.running.clone().filter(|_| !state.stopped)
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let running = state.running.clone();
        drop(state);
        self.roused.notify_all();
        if let Some(queue) = running.as_ref().and_then(|running| running.queue.as_deref()) {
            queue.wake();
        }
    }

    /// Says something to the administrator, once.
    fn say(&self, running: &Running, notice: WatchNotice) {
        let mut state = self.lock();
        let kind = discriminant(&notice);
        if state.said.contains(&kind) {
            return;
        }
        state.said.push(kind);
        drop(state);
        if let Some(say) = &running.options.notice {
            say(&notice);
        }
    }

    fn stamps<'a>(&self, targets: &'a [Target]) -> std::result::Result<Vec<Stamp>, (&'a Path, io::Error)> {
        let stamp = |target: &'a Target| {
            let found = self.fs.metadata(&target.path).map_err(|error| (target.path.as_path(), error))?;
            let content = match target.interest {
                Interest::Entries | Interest::Content => Some((found.mtime, found.size)),
                Interest::Itself => None,
            };
            Ok(Stamp { device: found.device, inode: found.inode, content })
        };
        targets.iter().map(stamp).collect()
    }

    /// The listening thread.
    fn listen(&self, running: &Running) {
        let Some(queue) = running.queue.as_deref() else { return };
        loop {
            let taken = queue.wait().and_then(|()| {
                if !self.lock().stopped {
                    self.host.pause(running.options.settle);
                }
                queue.take()
            });
            if self.lock().stopped {
                return;
            }
            match taken {
                Ok(changes) => self.hear(running, &changes),
                Err(error) => {
                    self.give_up_listening(running);
                    return self.say(running, WatchNotice::NoQueue { cause: error.to_string() });
                }
            }
        }
    }

    /// Tells everybody whom these changes concern, each once.
    fn hear(&self, running: &Running, changes: &[Change]) {
        let mut concerned = BTreeMap::new();
        let state = self.lock();
        let of = |id: u64| state.listeners.get(&id).into_iter().flatten().copied();
        let mut note = |number: u64, heard: Heard| {
            let known = concerned.entry(number).or_insert(heard);
            *known = heard.max(*known);
        };
        for change in changes {
            match *change {
                Change::Changed(id) => of(id).for_each(|number| note(number, Heard::Changed)),
                Change::Moved(id) => of(id).for_each(|number| note(number, Heard::Moved)),
                Change::Gone(id) => of(id).for_each(|number| note(number, Heard::Gone)),
                Change::Lost => {
                    for (&number, watched) in &state.watched {
                        if matches!(watched.how, How::Listened(_)) {
                            note(number, Heard::Moved);
                        }
                    }
                }
            }
        }
        let mut tells = Vec::with_capacity(concerned.len());
        for (number, heard) in concerned {
            let Some(watched) = state.watched.get(&number) else { continue };
            let suspect =
                (heard == Heard::Moved).then(|| (Arc::clone(&watched.targets), watched.stamps.clone()));
            tells.push((number, Arc::clone(&watched.tell), heard, suspect));
        }
        drop(state);
        if changes.contains(&Change::Lost) {
            self.say(running, WatchNotice::Overflow);
        }
        for (number, tell, heard, suspect) in tells {
            let is_there = suspect.is_none_or(|(targets, stamps)| {
                let found = self.stamps(&targets).unwrap_or_default();
                found.len() == stamps.len()
                    && found.iter().zip(&stamps).all(|(found, known)| found.is_same_file(known))
            });
            self.tell(number, &tell, heard != Heard::Gone && is_there);
        }
    }

    fn tell(&self, number: u64, tell: &Tell, stays: bool) {
        let gone = if stays { None } else { self.lock().forget(number) };
        drop(gone);
        let told = if stays { Told::Changed } else { Told::Ended };
        // A panic of one must not take the thread from the others; its message is on stderr.
        let _ = catch_unwind(AssertUnwindSafe(|| tell(told)));
    }

    /// From now on everything is polled, also what is yet to be watched.
    fn give_up_listening(&self, running: &Running) {
        let mut state = self.lock();
        state.running = Some(Arc::new(Running { options: running.options.clone(), queue: None }));
        state.listeners.clear();
        for watched in state.watched.values_mut() {
            watched.how = How::Polled { again: true };
        }
        drop(state);
        self.roused.notify_all();
    }

    /// The polling thread.
    fn poll_in_turn(&self, interval: Duration) {
        loop {
            let mut state = self.lock();
            while !state.stopped && !state.is_polled() {
                state = self.roused.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let waited = self.roused.wait_timeout_while(state, interval, |state| !state.stopped);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return;
            }
            drop(state);
            self.poll();
        }
    }

    fn poll(&self) {
        let polled: Vec<_> = {
            let state = self.lock();
            let polled = state.watched.iter().filter(|(_, it)| matches!(it.how, How::Polled { .. }));
            polled.map(|(&number, watched)| (number, Arc::clone(&watched.targets))).collect()
        };
        for (number, targets) in polled {
            let found = match self.stamps(&targets) {
                Ok(found) => Some(found),
                Err((_, error)) if error.kind() == io::ErrorKind::NotFound => None,
                // A disk that does not answer has told nothing.
                Err(_) => continue,
            };
            let mut state = self.lock();
            let Some(watched) = state.watched.get_mut(&number) else { continue };
            let How::Polled { again } = &mut watched.how else { continue };
            let stays = match found {
                None => false,
                Some(found) => {
                    let has_changed = found != watched.stamps;
                    watched.stamps = found;
                    if !std::mem::replace(again, has_changed) && !has_changed {
                        continue;
                    }
                    true
                }
            };
            let tell = Arc::clone(&watched.tell);
            drop(state);
            self.tell(number, &tell, stays);
        }
    }
}

//! [`Syncs`]: whoever needs files and directories durable at the same time shares the flushes that make them so.
//!
//! A caller [submits](Syncs::submit) what it needs and [waits](Ticket::wait). The first who waits while nobody is at
//! it *leads*: it takes everything that has been submitted by then and makes it durable; what is submitted meanwhile
//! is the next group, led by one of those who wait for it. So nobody waits for more than the flush that is under way
//! and his own, and however many there are, two flushes serve them all. Each is woken once, when his own things are
//! done or when he is to lead.
//!
//! Those whom a flush has served are likely to need the next one together. So who leads lingers until as many wait again,
//! but no later than half the time the flush took after its end, and 20 ms at most: what is lost by waiting in vain is less
//! than what a flush for few costs, one that a disk held up for long tells nothing of the next, and one who is alone waits
//! for nobody.
//!
//! # Order of operations
//! For one group:
//! 1. A directory that several asked for counts once.
//! 2. Of a file system on which more than two things wait, and which was [attached](Syncs::attach), all
//!    are made durable by one [`Volume::sync`].
//! 3. Everything else is synced one by one, files before directories.
//! 4. Everybody is told what became of his own things.
//!
//! # What an error means
//! It is told to everybody whose octets it may concern, and no sync is ever tried again: after a failure the kernel has
//! forgotten what it could not write, and a second success would prove nothing.
//!
//! | failed | told to |
//! | --- | --- |
//! | sync of a file | who submitted it |
//! | sync of a directory | all who submitted it |
//! | sync of a file system | all in the group with something on it. What others have written and not submitted yet may be lost as well, and the file system would tell it no second time: from then on, until the process is started again, each file of it is synced by itself, which tells of every loss since that file was opened. |
//!
//! # Limits
//! A group holds what those who wait have submitted. One descriptor for each file system stays open, so that it cannot
//! be unmounted meanwhile.
//!
//! A file system is flushed with all that other programs have written to it: on one that it shares with something
//! that writes a great deal, mail waits for that too.

mod group;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::env::Host;
use crate::fs::{File, Fs, Volume};
use group::Request;

/// This many things on one file system are synced one by one. From three on, one flush of the whole takes less time
/// (measured on ext4: for two about the same, for four clearly less, for 64 a twentieth).
const SINGLE_MAX: usize = 2;

/// The longest that who leads lingers. Many flushes for few cost less than a mailbox that is locked meanwhile.
const LINGER_MAX: Duration = Duration::from_millis(20);

/// The flushes of one disk. Cloning shares; an [`Env`](crate::Env) has one.
#[derive(Debug, Clone)]
pub struct Syncs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fs: Arc<dyn Fs>,
    host: Arc<dyn Host>,
    state: Mutex<State>,
    /// As many wait as who leads lingers for.
    gathered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Request>,
    /// Somebody makes a group durable, or has been told to.
    led: bool,
    /// Threads that wait for what is in `waiting`, besides the one that leads.
    asleep: usize,
    /// So many threads the last flush has served, about, with the one that led.
    served: usize,
    /// Until then they are expected to come again, on the clock of the host.
    expected_until: Duration,
    /// The file systems that were attached, by device number; `None` for one that is not flushed as a whole.
    volumes: BTreeMap<u64, Option<Arc<dyn Volume>>>,
}

/// Where a request is answered, and where its owner sleeps.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<SlotState>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct SlotState {
    flushed: Option<Flushed>,
    /// Its owner sleeps.
    asleep: bool,
    /// Its owner is to lead.
    leads: bool,
}

impl Slot {
    /// Answers, unless that has been done.
    fn answer(&self, flushed: Flushed) {
        let mut state = guard(&self.state);
        state.flushed.get_or_insert(flushed);
        if state.asleep {
            self.woken.notify_one();
        }
    }

    /// Sleeps until it is answered, or its owner is to lead (`None`).
    fn sleep(&self) -> Option<Flushed> {
        let mut state = guard(&self.state);
        loop {
            if state.flushed.is_some() || state.leads {
                (state.asleep, state.leads) = (false, false);
                return state.flushed.take();
            }
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What became of the things that were submitted together, in their order.
#[derive(Debug)]
pub struct Flushed {
    /// The files, given back, each with its result.
    pub files: Vec<(Box<dyn File>, io::Result<()>)>,
    /// The directories.
    pub dirs: Vec<io::Result<()>>,
}

impl Flushed {
    /// Success when everything is durable, else the first error.
    ///
    /// # Errors
    /// Of the first file or directory that is not durable.
    pub fn all(self) -> io::Result<()> {
        let files = self.files.into_iter().map(|(_, result)| result);
        files.chain(self.dirs).collect()
    }
}

/// Something that was submitted. Dropped, it is made durable some time or not at all.
#[derive(Debug)]
#[must_use = "nothing is durable before it was waited for"]
pub struct Ticket {
    syncs: Syncs,
    slot: Arc<Slot>,
}

impl Syncs {
    /// The flushes of a disk. By the time of `host` it is judged how long they take.
    pub fn new(fs: Arc<dyn Fs>, host: Arc<dyn Host>) -> Self {
        Self(Arc::new(Shared { fs, host, state: Mutex::default(), gathered: Condvar::new() }))
    }

    /// Opens the file system of a directory, so that it can be flushed as a whole, if that can be trusted. To be called
    /// before the first octet is written that is to be made durable here: only what is lost from then on is told.
    ///
    /// # Errors
    /// When the directory cannot be looked at.
    pub fn attach(&self, dir: &Path) -> io::Result<()> {
        let device = self.0.fs.metadata(dir)?.device;
        if self.lock().volumes.contains_key(&device) {
            return Ok(());
        }
        let volume = self.0.fs.volume(dir)?.map(Arc::from);
        self.lock().volumes.entry(device).or_insert(volume);
        Ok(())
    }

    /// Asks for files and directories to be made durable. Nothing happens before somebody waits.
    pub fn submit(&self, files: Vec<Box<dyn File>>, dirs: Vec<PathBuf>) -> Ticket {
        let slot = Arc::new(Slot::default());
        if files.is_empty() && dirs.is_empty() {
            slot.answer(Flushed { files: Vec::new(), dirs: Vec::new() });
        } else {
            let request = Request { files, dirs, slot: Arc::clone(&slot) };
            self.lock().waiting.push(request);
        }
        Ticket { syncs: self.clone(), slot }
    }

    /// Makes files durable, together with what others wait for.
    ///
    /// # Errors
    /// Each file's own.
    pub fn sync_files(&self, files: Vec<Box<dyn File>>) -> Vec<(Box<dyn File>, io::Result<()>)> {
        self.submit(files, Vec::new()).wait().files
    }

    /// Makes one file durable, together with what others wait for, and gives it back.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn sync_file(&self, file: Box<dyn File>) -> (Box<dyn File>, io::Result<()>) {
        self.sync_files(vec![file]).pop().expect("invariant: as many results as files")
    }

    /// Makes the entries of a directory durable, together with what others wait for.
    ///
    /// # Errors
    /// When they are not durable.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.submit(Vec::new(), vec![dir.to_path_buf()]).wait().all()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        guard(&self.0.state)
    }

    /// Makes everything durable that waits, and tells everybody. It is called by who leads.
    fn lead(&self) {
        let lead = Lead(self);
        let (group, served) = self.gather();
        let begun = self.0.host.monotonic();
        group::flush(self, group);
        let mut state = self.lock();
        let ended = self.0.host.monotonic();
        let took = ended.saturating_sub(begun);
        (state.served, state.expected_until) = (served, ended + linger_after(took));
        drop(state);
        drop(lead);
    }

    /// What waits, and how many threads wait for it, when as many do as before, or no more are expected.
    fn gather(&self) -> (Vec<Request>, usize) {
        let state = self.lock();
        // A host whose time goes back must not make anybody wait for it to come again.
        let patience = state.expected_until.saturating_sub(self.0.host.monotonic()).min(LINGER_MAX);
        let is_awaited = |state: &mut State| state.asleep + 1 < state.served;
        let waited = self.0.gathered.wait_timeout_while(state, patience, is_awaited);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let served = std::mem::take(&mut state.asleep) + 1;
        (std::mem::take(&mut state.waiting), served)
    }
}

impl Ticket {
    /// Waits until it is durable, or known not to be.
    pub fn wait(self) -> Flushed {
        let Self { syncs, slot } = self;
        loop {
            let mut state = syncs.lock();
            {
                let mut slot = guard(&slot.state);
                if let Some(flushed) = slot.flushed.take() {
                    return flushed;
                }
                // Under both locks, so that who leads hands over to it or has served it.
                slot.asleep = state.led;
            }
            if !state.led {
                state.led = true;
                drop(state);
                syncs.lead();
                continue;
            }
            state.asleep += 1;
            if state.asleep + 1 >= state.served {
                syncs.0.gathered.notify_one();
            }
            drop(state);
            match slot.sleep() {
                Some(flushed) => return flushed,
                None => syncs.lead(),
            }
        }
    }
}

/// How long those are expected again whom a flush has served that took so long.
fn linger_after(took: Duration) -> Duration {
    (took / 2).min(LINGER_MAX)
}

/// Who leads; ends also by a panic of the disk, so that the others do not wait for ever.
struct Lead<'a>(&'a Syncs);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        for request in &state.waiting {
            let mut slot = guard(&request.slot.state);
            if slot.asleep {
                slot.leads = true;
                request.slot.woken.notify_one();
                drop(slot);
                state.asleep -= 1;
                return;
            }
        }
        state.led = false;
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

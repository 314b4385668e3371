//! Deliveries into the mailboxes and files of this machine: staged on store threads, one place after the other, and committed
//! together.
//!
//! A delivery waits in the lane of its [`Place`] until a *stager* takes it: a job on a store thread that writes a run of
//! messages, all that wait for one place, together; into an mbox that delivers them. What is staged waits for the
//! *committer*, which takes all there is and makes it durable at once ([`mailstore::batch`]). While it does, the next ones
//! are staged.
//!
//! Whoever sends mail waits for the spool, and for a delivery nobody does; but both need the disk. So while mail comes in
//! fast, deliveries lag a little, and take few flushes: there is one committer at a time, which begins no sooner than
//! [`PAUSE`] after the batch before, unless a batch of [`BATCH`] is there. A message that comes alone waits for nothing.
//!
//! A mailbox that does not answer keeps one stager, and nobody else's mail. Stagers and the committer give their thread
//! back after every run, so that other work on the store threads gets its turn.
//!
//! # Limits
//! [`STAGERS_MAX`] jobs at a time, and one that commits. How many deliveries wait is the caller's to bound.

use crate::blocking::{Blocking, JobLost};
use crate::wall::{AccountId, Delivery};
use mailstore::batch::{self, Arrival, Staged};
use mailstore::{Delivered, MailboxName, MessageReader, Store, StoreError};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// So many places are written to at a time: as many mailboxes may hang before all mail waits for them.
const STAGERS_MAX: usize = 8;

/// So long after a batch the next one begins. It keeps a thread waiting, and is less than a reader notices.
const PAUSE: Duration = Duration::from_millis(20);

/// For so many deliveries a flush costs each of them next to nothing: they wait for no others.
const BATCH: usize = 64;

/// So many messages a stager takes at a time.
const RUN_MAX: usize = 32;

type Result<T, E = StoreError> = std::result::Result<T, E>;
type Answer = oneshot::Sender<Result<Delivered>>;

/// Where a delivery goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// To the mailboxes of an account.
    Account(AccountId),
    /// To a file, or a Maildir where its path ends in `/`.
    File(String),
}

/// Finds the store at a place; it may block.
type Find = dyn Fn(&Place) -> Result<Arc<dyn Store>> + Send + Sync;

/// Shared by all who deliver.
pub(super) struct Deliveries {
    find: Box<Find>,
    blocking: Blocking,
    state: Mutex<State>,
    /// A whole batch is staged.
    whole: Condvar,
}

#[derive(Default)]
struct State {
    /// What waits for each place; there while something does, or while a stager is at it.
    lanes: HashMap<Place, VecDeque<Waiting>>,
    /// Places that something waits for and no stager is at, in the order in which they get one.
    ready: VecDeque<Place>,
    stagers: usize,
    staged: Vec<(Staged, Answer)>,
    /// A committer has been sent out.
    commits: bool,
    /// When the last one was done.
    committed: Option<Instant>,
}

struct Waiting {
    name: MailboxName,
    delivery: Delivery,
    body: Box<dyn MessageReader>,
    answer: Answer,
}

impl Waiting {
    fn arrival(&mut self) -> Arrival<'_> {
        let delivery = mailstore::Delivery {
            id: self.delivery.id.clone(),
            maybe_delivered: self.delivery.maybe_delivered,
            date: self.delivery.date,
            header: &self.delivery.header,
        };
        Arrival { mailbox: &self.name, delivery, body: &mut *self.body }
    }
}

impl Deliveries {
    /// `find` is called on a store thread, for each run of messages.
    pub(super) fn new(
        find: impl Fn(&Place) -> Result<Arc<dyn Store>> + Send + Sync + 'static,
        blocking: Blocking,
    ) -> Arc<Self> {
        let find = Box::new(find);
        Arc::new(Self { find, blocking, state: Mutex::default(), whole: Condvar::new() })
    }

    /// Delivers one message. It goes on to its end when nobody waits for it any more.
    pub(super) async fn deliver(
        self: Arc<Self>,
        place: Place,
        name: MailboxName,
        delivery: Delivery,
        body: Box<dyn MessageReader>,
    ) -> Result<Delivered> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.lock();
            let waiting = Waiting { name, delivery, body, answer };
            match state.lanes.get_mut(&place) {
                Some(lane) => lane.push_back(waiting),
                None => {
                    state.lanes.insert(place.clone(), VecDeque::from([waiting]));
                    state.ready.push_back(place);
                }
            }
        }
        self.start_stagers();
        answered.await.map_err(|_| JobLost)?
    }

    /// Sends out stagers while there is work for them.
    fn start_stagers(self: &Arc<Self>) {
        loop {
            let place = {
                let mut state = self.lock();
                if state.stagers == STAGERS_MAX {
                    return;
                }
                let Some(place) = state.ready.pop_front() else { return };
                state.stagers += 1;
                place
            };
            let stager = Stager { deliveries: Arc::clone(self), place, has_run: false };
            self.blocking.detach(move || stager.run());
        }
    }

    /// Sends out the committer while there is work for it.
    fn start_committer(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            if state.commits || state.staged.is_empty() {
                return;
            }
            state.commits = true;
        }
        let committer = Committer { deliveries: Arc::clone(self), has_run: false };
        self.blocking.detach(move || committer.run());
    }

    /// What is to be committed together.
    fn batch(&self) -> Vec<(Staged, Answer)> {
        let mut state = self.lock();
        // Where work is done at once nothing is staged meanwhile.
        if let Some(committed) = state.committed.filter(|_| !self.blocking.is_inline()) {
            let left = PAUSE.saturating_sub(committed.elapsed());
            let is_awaited = |state: &mut State| state.staged.len() < BATCH;
            let waited = self.whole.wait_timeout_while(state, left, is_awaited);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut state.staged)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run of messages to one place. Dropped, it leaves the lane to the next: also when a store panics. When it never
/// got a thread, none will come any more, and all that waits for the place is given up.
struct Stager {
    deliveries: Arc<Deliveries>,
    place: Place,
    has_run: bool,
}

impl Stager {
    fn run(mut self) {
        self.has_run = true;
        let mut run: Vec<Waiting> = {
            let mut state = self.deliveries.lock();
            let Some(lane) = state.lanes.get_mut(&self.place) else { return };
            lane.drain(..lane.len().min(RUN_MAX)).collect()
        };
        // After they were taken, so that a store that panics is not asked about them again.
        let staged = match (self.deliveries.find)(&self.place) {
            Ok(store) => store.stage_all(&mut run.iter_mut().map(Waiting::arrival).collect::<Vec<_>>()),
            Err(error) => run.iter().map(|_| Err(error.clone())).collect(),
        };
        for (staged, Waiting { answer, .. }) in staged.into_iter().zip(run) {
            match staged {
                Ok(staged) => {
                    let is_whole = {
                        let mut state = self.deliveries.lock();
                        state.staged.push((staged, answer));
                        state.staged.len() >= BATCH
                    };
                    if is_whole {
                        self.deliveries.whole.notify_one();
                    }
                }
                // Nobody waits any more when the deliverer has been cut off.
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        self.deliveries.start_committer();
    }
}

impl Drop for Stager {
    fn drop(&mut self) {
        let mut state = self.deliveries.lock();
        state.stagers -= 1;
        let is_empty = state.lanes.get(&self.place).is_some_and(VecDeque::is_empty);
        if is_empty || !self.has_run {
            let given_up = state.lanes.remove(&self.place);
            drop(state);
            drop(given_up);
        } else {
            state.ready.push_back(self.place.clone());
            drop(state);
        }
        if self.has_run {
            self.deliveries.start_stagers();
        }
    }
}

/// One batch made durable; given up as a [`Stager`] is.
struct Committer {
    deliveries: Arc<Deliveries>,
    has_run: bool,
}

impl Committer {
    fn run(mut self) {
        self.has_run = true;
        let (staged, answers): (Vec<Staged>, Vec<Answer>) = self.deliveries.batch().into_iter().unzip();
        for (result, answer) in batch::commit(staged).into_iter().zip(answers) {
            // As above.
            drop(answer.send(result));
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let mut state = self.deliveries.lock();
        state.commits = false;
        state.committed = Some(Instant::now());
        let given_up = if self.has_run { Vec::new() } else { std::mem::take(&mut state.staged) };
        drop(state);
        drop(given_up);
        if self.has_run {
            self.deliveries.start_committer();
        }
    }
}

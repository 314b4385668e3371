//! Threads for work that blocks: disks and password hashes never run on the reactor.
//!
//! # Limits
//! At most as many jobs run as there are threads, and at most as many wait as the queue holds; who brings one
//! more waits until there is room. What a job leaves behind to be done has its place beyond that: the job ends, and nobody waits.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// Where blocking work is done. Clones share the threads; they end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Blocking {
    place: Place,
    /// How many jobs may run at a time that are brought here and to other clones with this share.
    share: Option<Arc<Semaphore>>,
}

#[derive(Debug, Clone)]
enum Place {
    Inline,
    Threads(Arc<Handle>),
}

/// What is true of all jobs of somebody who may not have all threads.
pub(crate) type Share = Arc<Semaphore>;

/// What all clones hold, and no thread does. Dropped, it lets the threads end when they have done what waits.
struct Handle {
    queue: Arc<Queue>,
    threads: usize,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.brought.notify_all();
    }
}

struct Queue {
    state: Mutex<QueueState>,
    /// There is a job for one more thread, or none will come any more.
    brought: Condvar,
    /// For jobs that wait.
    room: Arc<Semaphore>,
    /// One that was brought has ended.
    ended: Notify,
}

#[derive(Default)]
struct QueueState {
    /// The numbers of the jobs that were brought and have not ended, with those that wait for room.
    open: BTreeSet<u64>,
    /// The next one's.
    number: u64,
    /// What waits, each with its room.
    jobs: VecDeque<(Job, Option<OwnedSemaphorePermit>)>,
    ended: bool,
}

type Job = Box<dyn FnOnce() + Send>;

/// A job that was brought and has not ended, until dropped.
struct Open {
    queue: Arc<Queue>,
    number: u64,
}

impl Open {
    fn new(queue: &Arc<Queue>) -> Self {
        let mut state = queue.lock();
        let number = state.number;
        state.number += 1;
        state.open.insert(number);
        drop(state);
        Self { queue: Arc::clone(queue), number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.queue.lock().open.remove(&self.number);
        self.queue.ended.notify_waiters();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bring(&self, job: Job, room: Option<OwnedSemaphorePermit>) {
        self.lock().jobs.push_back((job, room));
        self.brought.notify_one();
    }

    /// The next job; none when none will come.
    fn next(&self) -> Option<Job> {
        let idle = |state: &mut QueueState| state.jobs.is_empty() && !state.ended;
        let waited = self.brought.wait_while(self.lock(), idle);
        let (job, _room) = waited.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()?;
        Some(job)
    }
}

const NEVER_CLOSED: &str = "invariant: it is never closed";

/// Waits until one more job may wait.
async fn room(queue: &Queue) -> OwnedSemaphorePermit {
    let room = Arc::clone(&queue.room).acquire_owned().await;
    room.expect(NEVER_CLOSED)
}

/// A job did not come to its end: it panicked, or its thread could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job failed inside; the log has its panic message")]
pub struct JobLost;

impl From<JobLost> for mailstore::StoreError {
    fn from(lost: JobLost) -> Self {
        Self::new(mailstore::ErrorKind::Io, "working on a store thread", lost.to_string())
    }
}

impl From<JobLost> for proto_core::Backend {
    fn from(_: JobLost) -> Self {
        Self::TEMPORARY
    }
}

impl Blocking {
    /// Work is done where it is asked for, before anything else happens: for tests that run the whole engine in
    /// one thread and virtual time.
    pub fn inline() -> Self {
        Self { place: Place::Inline, share: None }
    }

    /// Whether work is done where it is asked for.
    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.place, Place::Inline)
    }

    /// `threads` threads (at least one) of this name, and a queue of `queue` jobs (at least one) before them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn threads(name: &str, threads: usize, queue: usize) -> std::io::Result<Self> {
        let room = Arc::new(Semaphore::new(queue.clamp(1, Semaphore::MAX_PERMITS)));
        let queue =
            Arc::new(Queue { state: Mutex::default(), brought: Condvar::new(), room, ended: Notify::new() });
        // Before the first thread, so that those there are end when one cannot be had.
        let threads = threads.max(1);
        let handle = Handle { queue: Arc::clone(&queue), threads };
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                while let Some(job) = queue.next() {
                    job();
                }
            })?;
        }
        Ok(Self { place: Place::Threads(Arc::new(handle)), share: None })
    }

    /// Room for so many jobs at a time as leave most threads to others; at least one.
    pub(crate) fn share(&self) -> Share {
        let threads = match &self.place {
            Place::Threads(handle) => handle.threads,
            Place::Inline => 1,
        };
        Arc::new(Semaphore::new((threads / 4).max(1)))
    }

    /// The same threads, for somebody who has this share of them: what is run here waits for it on the reactor.
    pub(crate) fn of(&self, share: Share) -> Self {
        Self { place: self.place.clone(), share: Some(share) }
    }

    /// Runs one job. Giving up waiting does not stop it once it has begun.
    ///
    /// # Errors
    /// [`JobLost`] when the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        let Place::Threads(handle) = &self.place else {
            return Ok(job());
        };
        let (send, receive) = oneshot::channel();
        let open = Open::new(&handle.queue);
        let share = match &self.share {
            Some(share) => Some(Arc::clone(share).acquire_owned().await.expect(NEVER_CLOSED)),
            None => None,
        };
        let job = Box::new(move || {
            // Given back when the job has ended, whether or not anybody waits for it.
            let (_open, _share) = (open, share);
            // A panic in one job must not take the thread from the others. What it left behind is dropped with
            // it: jobs share state only through locks that poison.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(job)) {
                // Nobody waits any more when the session has ended meanwhile.
                let _ = send.send(result);
            }
        });
        let room = room(&handle.queue).await;
        handle.queue.bring(job, Some(room));
        receive.await.map_err(|_| JobLost)
    }

    /// When all that was brought before, here and to other clones, has ended: a program that ends sooner cuts its threads
    /// off in the middle of a job. What is brought later is not waited for, so that it ends also where others go on.
    pub async fn settled(&self) {
        let Place::Threads(handle) = &self.place else {
            return;
        };
        let queue = &handle.queue;
        let before = queue.lock().number;
        loop {
            // Before looking, so that whatever ends now is heard of.
            let ended = queue.ended.notified();
            if queue.lock().open.first().is_none_or(|&first| first >= before) {
                return;
            }
            ended.await;
        }
    }

    /// Runs one job some time, with nobody waiting for it.
    pub fn detach(&self, job: impl FnOnce() + Send + 'static) {
        let Place::Threads(handle) = &self.place else {
            return job();
        };
        let open = Open::new(&handle.queue);
        let job: Job = Box::new(move || {
            let _open = open;
            // As in `run`; the panic is in the log.
            let _ = catch_unwind(AssertUnwindSafe(job));
        });
        if let Ok(room) = Arc::clone(&handle.queue.room).try_acquire_owned() {
            return handle.queue.bring(job, Some(room));
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let handle = Arc::clone(handle);
                runtime.spawn(async move {
                    let room = room(&handle.queue).await;
                    handle.queue.bring(job, Some(room));
                });
            }
            // A job brings it, mostly. Done at once, it would be done within that one, and its own within it.
            Err(_) => handle.queue.bring(job, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_panic_loses_one_job_and_no_thread() {
        let blocking = Blocking::threads("test", 1, 1).unwrap();
        assert_eq!(blocking.run(|| -> u8 { panic!("on purpose") }).await, Err(JobLost));
        assert_eq!(blocking.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn jobs_run_beside_the_reactor_or_inline() {
        let here = std::thread::current().id();
        let blocking = Blocking::threads("test", 2, 4).unwrap();
        assert_ne!(blocking.run(move || std::thread::current().id()).await, Ok(here));
        assert_eq!(Blocking::inline().run(move || std::thread::current().id()).await, Ok(here));
    }

    /// One after the other, and not one within the other: the stack would end.
    #[test]
    fn jobs_that_bring_jobs_do_not_pile_up() {
        fn chain(blocking: &Blocking, left: u32, done: std::sync::mpsc::Sender<()>) {
            let next = blocking.clone();
            blocking.detach(move || match left {
                0 => done.send(()).unwrap(),
                left => chain(&next, left - 1, done),
            });
        }
        let blocking = Blocking::threads("test", 1, 1).unwrap();
        let (begin, begun) = std::sync::mpsc::sync_channel::<()>(0);
        let (done, all) = std::sync::mpsc::channel();
        let first = blocking.clone();
        blocking.detach(move || {
            begun.recv().unwrap();
            begun.recv().unwrap();
            chain(&first, 1_000_000, done);
        });
        begin.send(()).unwrap();
        // The queue is full while the first one brings the next.
        blocking.detach(|| {});
        begin.send(()).unwrap();
        all.recv().unwrap();
    }

    #[test]
    fn what_waits_is_done_when_nobody_brings_more() {
        let blocking = Blocking::threads("test", 1, 4).unwrap();
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let (done, all) = std::sync::mpsc::channel();
        blocking.detach(move || begun.recv().unwrap());
        for job in 0..3 {
            let done = done.clone();
            blocking.detach(move || done.send(job).unwrap());
        }
        drop((blocking, done));
        begin.send(()).unwrap();
        assert_eq!(all.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn what_was_brought_before_is_waited_for_and_what_comes_later_is_not() {
        fn go_on(blocking: &Blocking, done: std::sync::mpsc::Sender<()>) {
            let next = blocking.clone();
            blocking.detach(move || {
                if done.send(()).is_ok() {
                    go_on(&next, done);
                }
            });
        }
        let blocking = Blocking::threads("test", 1, 1).unwrap();
        blocking.settled().await;
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let (done, all) = std::sync::mpsc::channel();
        blocking.detach(move || begun.recv().unwrap());
        // One waits in the queue, the others for room in it.
        for job in 0..3 {
            let done = done.clone();
            blocking.detach(move || done.send(job).unwrap());
        }
        let settled = blocking.settled();
        tokio::pin!(settled);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut settled).await.is_err());
        let (others, theirs) = std::sync::mpsc::channel();
        go_on(&blocking, others);
        begin.send(()).unwrap();
        settled.await;
        let mut done: Vec<u8> = all.try_iter().collect();
        done.sort_unstable();
        assert_eq!(done, [0, 1, 2]);
        blocking.settled().await;
        assert!(theirs.recv().is_ok(), "others go on");
    }
}

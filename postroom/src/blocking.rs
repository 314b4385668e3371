//! Threads for work that blocks: disks and password hashes never run on the reactor.
//!
//! # Limits
//! At most as many jobs run as there are threads, and at most as many wait as the queue holds; who brings one
//! more waits until there is room.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Where blocking work is done. Clones share the threads; they end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Blocking(Place);

#[derive(Debug, Clone)]
enum Place {
    Inline,
    Threads(mpsc::Sender<Job>),
}

type Job = Box<dyn FnOnce() + Send>;

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
        Self(Place::Inline)
    }

    /// Whether work is done where it is asked for.
    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.0, Place::Inline)
    }

    /// `threads` threads (at least one) of this name, and a queue of `queue` jobs (at least one) before them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn threads(name: &str, threads: usize, queue: usize) -> std::io::Result<Self> {
        let (send, receive) = mpsc::channel::<Job>(queue.max(1));
        let receive = Arc::new(Mutex::new(receive));
        for number in 0..threads.max(1) {
            let receive = Arc::clone(&receive);
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                // The lock is held while waiting, so that jobs are taken one by one, and not while working.
                while let Some(job) = next_job(&receive) {
                    job();
                }
            })?;
        }
        Ok(Self(Place::Threads(send)))
    }

    /// Runs one job. Giving up waiting does not stop it once it has begun.
    ///
    /// # Errors
    /// [`JobLost`] when the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        let Place::Threads(queue) = &self.0 else {
            return Ok(job());
        };
        let (send, receive) = oneshot::channel();
        let job = Box::new(move || {
            // A panic in one job must not take the thread from the others. What it left behind is dropped with
            // it: jobs share state only through locks that poison.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(job)) {
                // Nobody waits any more when the session has ended meanwhile.
                let _ = send.send(result);
            }
        });
        queue.send(job).await.map_err(|_| JobLost)?;
        receive.await.map_err(|_| JobLost)
    }

    /// Runs one job some time, with nobody waiting for it.
    pub fn detach(&self, job: impl FnOnce() + Send + 'static) {
        let Place::Threads(queue) = &self.0 else {
            return job();
        };
        let job: Job = Box::new(move || {
            // As in `run`; the panic is in the log.
            let _ = catch_unwind(AssertUnwindSafe(job));
        });
        let Err(mpsc::error::TrySendError::Full(job)) = queue.try_send(job) else {
            return;
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let queue = queue.clone();
                runtime.spawn(async move { queue.send(job).await });
            }
            // Outside a runtime there is no reactor to hold up.
            Err(_) => job(),
        }
    }
}

fn next_job(receive: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    receive.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

//! What a driver talks to: the answers of one protocol.

use futures_util::future::{BoxFuture, FutureExt as _};
use proto_core::{CloseReason, Machine, Now, TlsInfo};

/// Answers what one machine asks. One value serves one session.
///
/// No method but [`Service::wait`] may wait: an event starts work, `wait` resolves when some of it is done, and
/// `resume` hands the result to the machine.
pub trait Service<M: Machine>: Send {
    /// Acts on one event: answers at once, or starts work that `resume` answers with.
    fn event(&mut self, machine: &mut M, now: Now, event: M::Event);

    /// Whether events may be given. While it is false no octets are read either: a service that writes an
    /// incoming body says so until the chunk is down.
    fn is_ready(&self) -> bool {
        true
    }

    /// Resolves when `resume` has something to hand in; never, when there is nothing to wait for. It must be
    /// cancel-safe: it is dropped and called again whenever something else happens first.
    fn wait(&mut self) -> impl Future<Output = ()> + Send;

    /// Hands results, body octets and notifications into the machine. It is called after every event and every
    /// write and before the driver waits, also when `wait` was not what woke it, so it must be cheap when there
    /// is nothing.
    fn resume(&mut self, machine: &mut M, now: Now);

    /// A TLS handshake is done. The machine is told next.
    fn tls(&mut self, _info: &TlsInfo) {}

    /// The session is over. Work under way is dropped with the service.
    fn ended(&mut self, _reason: &CloseReason) {}
}

/// At most one piece of work under way, and its result until it is taken: what most services consist of.
pub struct Work<T> {
    running: Option<BoxFuture<'static, T>>,
    done: Option<T>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { running: None, done: None }
    }
}

impl<T: Send> Work<T> {
    /// Starts work, and goes as far with it as that takes no waiting: what needs none is done when this returns. What was
    /// under way is dropped: its question was cancelled.
    pub fn start(&mut self, work: impl Future<Output = T> + Send + 'static) {
        (self.running, self.done) = (None, None);
        let mut work: BoxFuture<'static, T> = Box::pin(work);
        // Whoever waits for it looks at it again, so nobody needs to be woken now.
        match (&mut work).now_or_never() {
            Some(done) => self.done = Some(done),
            None => self.running = Some(work),
        }
    }

    /// Whether work is under way or its result waits.
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || self.done.is_some()
    }

    /// Resolves when a result waits; never, when nothing is under way.
    pub async fn wait(&mut self) {
        if self.done.is_some() {
            return;
        }
        match &mut self.running {
            Some(running) => {
                self.done = Some(running.await);
                self.running = None;
            }
            None => std::future::pending().await,
        }
    }

    /// The result, once.
    pub fn take(&mut self) -> Option<T> {
        self.done.take()
    }

    /// Drops what is under way and its result.
    pub fn cancel(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_needs_no_waiting_is_done_at_once() {
        let mut work = Work::default();
        work.start(async { 7 });
        assert_eq!(work.take(), Some(7));
        work.start(std::future::pending());
        assert_eq!((work.is_busy(), work.take()), (true, None));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_may_be_given_up_and_taken_up_again() {
        let mut work = Work::default();
        work.start(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            7
        });
        assert!(tokio::time::timeout(Duration::from_secs(1), work.wait()).await.is_err());
        assert!(work.is_busy());
        assert_eq!(work.take(), None);
        work.wait().await;
        assert_eq!((work.is_busy(), work.take(), work.is_busy()), (true, Some(7), false));
    }
}

//! The signal that a server stops, told to every session and worker.

use tokio::sync::watch;

/// The side that gives the signal. Dropping it gives it too.
#[derive(Debug)]
pub struct ShutdownSignal(watch::Sender<bool>);

/// The side that hears it.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl ShutdownSignal {
    /// A signal not yet given, and one listener to clone.
    pub fn new() -> (Self, Shutdown) {
        let (send, receive) = watch::channel(false);
        (Self(send), Shutdown(receive))
    }

    /// Gives the signal.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// One more listener.
    pub fn listen(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Shutdown {
    /// Resolves once the signal has been given, at once if it was given before.
    pub async fn begun(&mut self) {
        // An error means that the sender is gone, and then the server is.
        let _ = self.0.wait_for(|begun| *begun).await;
    }

    /// Whether the signal has been given.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

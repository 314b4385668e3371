//! One connection to a policy service.

use super::PolicyServiceError;
use crate::endpoint::Socket;
use futures_util::FutureExt as _;
use relay_policy::delegation::{self, Reader, ServiceLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

/// A connection, and how much of it was used.
pub(super) struct Connection {
    socket: Box<dyn Socket>,
    born: Instant,
    requests: usize,
}

/// An answer is read in pieces of so many octets; nearly all come in one.
const READ_BYTES: usize = 1024;

impl Connection {
    pub(super) fn new(socket: Box<dyn Socket>) -> Self {
        Self { socket, born: Instant::now(), requests: 0 }
    }

    /// Asks; the action, and whether the connection may be used again.
    ///
    /// # Errors
    /// [`PolicyServiceError::Closed`] where it was closed before there was an answer; it may have been closed long ago.
    pub(super) async fn ask(
        &mut self,
        limits: &ServiceLimits,
        question: &[u8],
    ) -> Result<(String, bool), PolicyServiceError> {
        self.requests += 1;
        if self.socket.write_all(question).await.is_err() || self.socket.flush().await.is_err() {
            return Err(PolicyServiceError::Closed);
        }
        let mut reader = Reader::new();
        let mut octets = [0; READ_BYTES];
        loop {
            let length = match self.socket.read(&mut octets).await {
                Ok(length) if length > 0 => length,
                _ => return Err(PolicyServiceError::Closed),
            };
            let (taken, answer) = reader.read(&octets[..length])?;
            if let Some(answer) = answer {
                let action = delegation::action(&answer)?.to_string();
                let is_used_up = limits.requests_max != 0 && self.requests >= limits.requests_max;
                let said_more = taken < length;
                if said_more {
                    tracing::warn!("a policy service says more than it was asked");
                }
                return Ok((action, !is_used_up && !said_more));
            }
        }
    }

    /// Whether nothing has come that nobody asked for, nor an end.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.socket.read(&mut [0]).now_or_never().is_none()
    }

    /// When it is to be closed if nobody uses it.
    pub(super) fn closes(&self, limits: &ServiceLimits) -> Instant {
        let of_age = self.born.checked_add(limits.age_max);
        let idle = Instant::now().checked_add(limits.idle_max);
        // Limits that reach beyond the clock's end are none; a day is long enough.
        let never = || Instant::now() + DAY;
        of_age.into_iter().chain(idle).min().unwrap_or_else(never)
    }
}

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

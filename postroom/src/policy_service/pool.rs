//! The connections to one policy service.

use super::connection::Connection;
use super::{CONNECTIONS_MAX, PolicyServiceError};
use crate::endpoint::Endpoint;
use relay_policy::delegation::ServiceLimits;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The connections to one service: those in use are with who uses them.
pub(super) struct Pool {
    endpoint: Endpoint,
    asking: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// With the time at which each is closed; the last used one is the last.
    connections: Vec<(Instant, Connection)>,
    /// Whether somebody closes them in time.
    is_watched: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, asking: Semaphore::new(CONNECTIONS_MAX), idle: Mutex::default() }
    }

    /// Asks once.
    pub(super) async fn ask(
        self: &Arc<Self>,
        limits: &ServiceLimits,
        question: &[u8],
    ) -> Result<String, PolicyServiceError> {
        let asked = tokio::time::timeout(limits.timeout, self.ask_in_turn(limits, question)).await;
        asked.unwrap_or(Err(PolicyServiceError::Timeout))
    }

    async fn ask_in_turn(
        self: &Arc<Self>,
        limits: &ServiceLimits,
        question: &[u8],
    ) -> Result<String, PolicyServiceError> {
        let _turn = self.asking.acquire().await;
        if let Some(connection) = self.take() {
            match self.ask_over(connection, limits, question).await {
                // The service was started anew: none of the others will do, either.
                Err(PolicyServiceError::Closed) => self.idle().connections.clear(),
                told => return told,
            }
        }
        let connection = Connection::new(self.endpoint.connect().await?);
        self.ask_over(connection, limits, question).await
    }

    async fn ask_over(
        self: &Arc<Self>,
        mut connection: Connection,
        limits: &ServiceLimits,
        question: &[u8],
    ) -> Result<String, PolicyServiceError> {
        let (action, may_stay) = connection.ask(limits, question).await?;
        let closes = connection.closes(limits);
        if may_stay && closes > Instant::now() {
            self.keep(closes, connection);
        }
        Ok(action)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if it can still be used.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some((closes, mut connection)) = idle.connections.pop() {
            if closes > Instant::now() && connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(self: &Arc<Self>, closes: Instant, connection: Connection) {
        let mut idle = self.idle();
        idle.connections.push((closes, connection));
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes what is to be closed by now; when to do so again.
    fn close_in_time(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let now = Instant::now();
        idle.connections.retain(|(closes, _)| *closes > now);
        let next = idle.connections.iter().map(|(closes, _)| *closes).min();
        idle.is_watched = next.is_some();
        next
    }
}

/// Closes connections in time, until there are none.
async fn watch(pool: Weak<Pool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.close_in_time()) {
        tokio::time::sleep_until(next).await;
    }
}

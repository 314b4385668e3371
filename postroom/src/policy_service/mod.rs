//! Policy services: other programs that are asked what is to be done (`check_policy_service`), as Postfix asks them.
//!
//! A connection carries many questions, one after another. Those that are open and not in use are kept for the next question;
//! one that turns out to be closed, because the service was started anew, costs no attempt. An answer is believed only when
//! it came after its question and alone: octets that nobody asked for end the connection.
//!
//! # Limits
//! [`CONNECTIONS_MAX`] questions at a time to one service, and as many connections; a question more waits, and its attempt's
//! time runs. The octets of an answer are limited by [`relay_policy::delegation`].
//!
//! # Departures
//! From Postfix: connections are shared by all sessions, where there each process has its own.

mod connection;
mod pool;

use crate::endpoint::Endpoint;
use pool::Pool;
use relay_policy::PolicyService;
use relay_policy::delegation::{Attributes, DelegationError, ServiceLimits};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Questions to one service at a time.
pub const CONNECTIONS_MAX: usize = 100;

/// Asks policy services, and keeps the connections to them.
#[derive(Debug)]
pub struct PolicyServices {
    directory: PathBuf,
    pools: Mutex<BTreeMap<String, Arc<Pool>>>,
}

/// Why a policy service gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyServiceError {
    /// Its name says no place.
    #[error("{0}: expected unix:path or inet:host:port")]
    BadServer(String),
    /// It is not there, or went away.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has closed the connection without an answer, as one does that is in trouble.
    #[error("it closed the connection without an answer")]
    Closed,
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// What it said is no answer.
    #[error(transparent)]
    Answer(#[from] DelegationError),
}

impl PolicyServices {
    /// Nobody is connected to. Sockets in `unix:` whose path is relative are looked for in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), pools: Mutex::default() }
    }

    /// Asks a service what is to be done: what may stand on the right-hand side of an access table.
    ///
    /// # Errors
    /// The last attempt's [`PolicyServiceError`]. Each that is not the last is in the log.
    pub async fn ask(
        &self,
        service: &PolicyService,
        limits: &ServiceLimits,
        question: &Attributes,
    ) -> Result<String, PolicyServiceError> {
        let pool = self.pool(&service.server)?;
        let mut octets = Vec::new();
        question.write_to(&mut octets);
        let mut attempt = 1;
        loop {
            match pool.ask(limits, &octets).await {
                Err(error) if attempt < limits.tries_max => {
                    tracing::warn!(%error, attempt, "problem talking to server {}", service.server);
                    tokio::time::sleep(limits.retry_delay).await;
                    attempt += 1;
                }
                told => return told,
            }
        }
    }

    fn pool(&self, server: &str) -> Result<Arc<Pool>, PolicyServiceError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(server) {
            return Ok(Arc::clone(pool));
        }
        let endpoint = Endpoint::read(server, &self.directory)
            .ok_or_else(|| PolicyServiceError::BadServer(server.into()))?;
        let pool = Arc::new(Pool::new(endpoint));
        pools.insert(server.into(), Arc::clone(&pool));
        Ok(pool)
    }
}

//! Who is served: the facts of one connection, as services and logs need them.

use crate::entropy::Entropy;
use proto_core::sasl::{Decoys, Nonces, ServerEntropy};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Its name in every log line.
    pub(crate) id: SessionId,
    /// The listener's name.
    pub(crate) listener: Arc<str>,
    /// Where the client is.
    pub(crate) peer: SocketAddr,
    /// The proxy that told so.
    pub(crate) proxy: Option<SocketAddr>,
    /// The randomness of its logins.
    pub(crate) sasl: ServerEntropy,
}

impl Session {
    /// A connection that begins.
    pub(crate) fn new(
        listener: Arc<str>,
        peer: SocketAddr,
        proxy: Option<SocketAddr>,
        entropy: &dyn Entropy,
        decoys: &Decoys,
    ) -> Self {
        let mut seed = [0; 32];
        entropy.fill(&mut seed);
        let sasl = ServerEntropy { nonces: Nonces::seeded(seed), decoys: decoys.clone() };
        Self { id: SessionId(entropy.next_u64()), listener, peer, proxy, sasl }
    }

    /// The span that all its log lines stand in.
    pub(crate) fn span(&self) -> tracing::Span {
        let proxy = self.proxy.map(tracing::field::display);
        tracing::info_span!("session", id = %self.id, listener = &*self.listener, peer = %self.peer, proxy)
    }
}

/// The name of one connection in logs: random, so that it is not used twice across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

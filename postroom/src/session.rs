//! Who is served: the facts of one connection, as services and logs need them.

use crate::entropy::Entropy;
use crate::listener::Connections;
use proto_core::sasl::{Decoys, Nonces, ServerEntropy};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Its name in every log line.
    pub(crate) id: SessionId,
    /// The listener's name.
    pub(crate) listener: Arc<str>,
    /// Where the client is, or the proxy that does not tell.
    pub(crate) peer: SocketAddr,
    /// What may be allowed to a client by its address; `None` when a proxy does not tell it: the client has none of the
    /// proxy's rights.
    pub(crate) client: Option<IpAddr>,
    /// The address of ours that the client came to, where it is known; apart, since few sessions keep it.
    pub(crate) server: Option<Box<SocketAddr>>,
    /// The proxy that told so.
    pub(crate) proxy: Option<SocketAddr>,
    /// Where it and what it does are counted; `None` where nothing is.
    pub(crate) counted: Option<Connections>,
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
        let client = Some(peer.ip().to_canonical());
        Self {
            id: SessionId(entropy.next_u64()),
            listener,
            peer,
            client,
            server: None,
            proxy,
            counted: None,
            sasl,
        }
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

//! Sockets: accept, count, serve, drain.
//!
//! A listener never stops because of one client or one error: when the process has no descriptor left, it waits a
//! little and goes on, and the backlog keeps those who come meanwhile.
//!
//! # Limits
//! The backlog is 1,024 (RFC 9293 leaves it to us; the kernel's `somaxconn` may lower it). Connections are counted
//! for each listener, in total and by client as `smtpd_client_connection_count_limit` and its like have it; one over the
//! limit gets its protocol's goodbye in one write, without a task or a buffer of its own, and is closed.
//!
//! Behind proxies (a listener that names some) a connection counts in the total at once, and by the client's address
//! when the header of the PROXY protocol has told it; see [`Arrival`].

mod arrival;
mod count;
mod early;
mod sockets;

pub(crate) use arrival::Arrival;
pub(crate) use count::{Connections, Guard};
pub(crate) use early::{Begun, teaser};
pub use sockets::Sockets;

use crate::connection;
use crate::server::Shared;
use crate::settings::{Profile, Protocols};
use relay_policy::rates::Exceeded;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How often statistics are told at most and at least, whatever `anvil_status_update_time` says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long accepting rests when the system refuses to give a connection (EMFILE, ENFILE, ENOBUFS, ENOMEM).
const REST: Duration = Duration::from_millis(100);

/// One listening socket at work.
pub(crate) struct Acceptor {
    pub(crate) name: Arc<str>,
    pub(crate) listener: TcpListener,
    pub(crate) shared: Arc<Shared>,
    pub(crate) connections: Connections,
}

impl Acceptor {
    /// Accepts until the server stops; then waits until every session has ended.
    pub(crate) async fn run(self) {
        let mut shutdown = self.shared.shutdown.clone();
        let mut sessions = JoinSet::new();
        let mut tell_at = self.tell_again_at();
        loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => break,
                Some(ended) = sessions.join_next() => log_panic(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.begin(stream, peer, &mut sessions),
                    Err(error) => self.failed(&error).await,
                },
                () = tokio::time::sleep_until(tell_at) => {
                    self.tell_statistics();
                    tell_at = self.tell_again_at();
                }
            }
        }
        self.tell_statistics();
        let Self { listener, .. } = self;
        drop(listener);
        while let Some(ended) = sessions.join_next().await {
            log_panic(ended);
        }
    }

    /// When statistics are due again.
    fn tell_again_at(&self) -> tokio::time::Instant {
        let profile = self.shared.profile(&self.name);
        let interval = profile.map_or(LONGEST, |profile| profile.rates.status_update_time);
        tokio::time::Instant::now() + interval.clamp(SHORTEST, LONGEST)
    }

    /// Logs the highest counts since the last time; of clients that read mail nobody asks for them.
    fn tell_statistics(&self) {
        if let Some(profile) = self.shared.profile(&self.name)
            && matches!(profile.protocol, Protocols::Smtp(_))
        {
            let now = self.shared.backends.clock.now();
            for line in self.connections.take_statistics(&profile.rates, &self.name, now) {
                tracing::info!("{line}");
            }
        }
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr, sessions: &mut JoinSet<()>) {
        let Some(profile) = self.shared.profile(&self.name) else {
            // A reload took this listener away; its socket stays until the restart that the reload asked for.
            return;
        };
        let now = self.shared.backends.clock.now().instant;
        let guard = match self.connections.enter(&profile.limits) {
            Some(guard) if profile.proxies.is_empty() => {
                guard.of(peer.ip(), &profile.rates, now).map_err(Some)
            }
            entered => entered.ok_or(None),
        };
        let guard = match guard {
            Ok(guard) => guard,
            Err(exceeded) => return self.refuse(stream, peer, &profile, exceeded),
        };
        // Replies are whole when they are written; waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "TCP_NODELAY not set");
        }
        let (listener, shared) = (Arc::clone(&self.name), Arc::clone(&self.shared));
        let server = stream.local_addr().ok().map(Box::new);
        let arrival = Arrival { listener, profile, shared, peer, server, guard: Some(guard) };
        sessions.spawn(arrival.serve(stream));
    }

    /// One attempt to write, into a socket buffer that is still empty.
    fn refuse(&self, stream: TcpStream, peer: SocketAddr, profile: &Profile, exceeded: Option<Exceeded>) {
        match exceeded {
            Some(exceeded) => tracing::warn!("{}", told(exceeded, peer.ip(), &self.name)),
            None => tracing::warn!(listener = &*self.name, %peer, "too many connections"),
        }
        let goodbye = connection::refusal(profile, &self.shared.backends.clock, peer.ip(), exceeded);
        // A client that does not get it is closed all the same.
        let _ = stream.try_write(goodbye.as_slice());
    }

    async fn failed(&self, error: &io::Error) {
        let gone =
            [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];
        if gone.contains(&error.kind()) {
            return;
        }
        tracing::error!(listener = &*self.name, %error, "cannot accept; check the limit of open files");
        tokio::time::sleep(REST).await;
    }
}

/// What the log says of a client whose name nobody has looked for.
fn told(exceeded: Exceeded, client: IpAddr, listener: &str) -> String {
    exceeded.log_line(&format!("unknown[{}]", client.to_canonical()), listener)
}

/// A session that panicked has taken nobody with it; the message is in the log already.
fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a session ended by a fault of ours");
    }
}

//! A connection from its acceptance to its end: who it is from, then the session.
//!
//! Where a listener names proxies, a connection is from one of them or it is closed at once; it begins with the header
//! of the PROXY protocol within [`Timeouts::proxy_header`](crate::driver::Timeouts::proxy_header) or it is closed; and
//! everything after that (counts, policy, logs, trace fields) knows the client by the address in the header.
//!
//! # Departures
//! A proxy that names no client (`UNKNOWN`, `LOCAL`) leaves the connection's own address in place, says the text of the
//! PROXY protocol (sections 2.1 and 2.2). So it does in counts and logs. What the address would allow is another thing:
//! the rights of a proxy (`mynetworks`, `xclient_clients`, `xforward_clients`) are not those of whoever comes through it,
//! and so policy has no address in place of the proxy's, and the trace field names none. A health check needs none.

use super::{Begun, Guard, early};
use crate::connection;
use crate::driver::proxy_header;
use crate::server::Shared;
use crate::session::Session;
use crate::settings::Profile;
use proto_core::proxy::ProxyHeader;
use relay_policy::rates::Exceeded;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tracing::Instrument as _;

/// A connection on which nothing has been read or written.
pub(crate) struct Arrival {
    /// The listener's name.
    pub(crate) listener: Arc<str>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) shared: Arc<Shared>,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// This end, where there is an address.
    pub(crate) server: Option<Box<SocketAddr>>,
    /// The connection, counted until it ends; `None` where connections do not count.
    pub(crate) guard: Option<Guard>,
}

impl Arrival {
    /// Serves the connection to its end.
    pub(crate) async fn serve<S>(self, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { listener, profile, shared, peer, mut server, mut guard } = self;
        let (mut client, mut known, mut proxy) = (peer, true, None);
        if !profile.proxies.is_empty() {
            // Boxed, because the session that follows needs none of it.
            let told = Box::pin(client_behind(peer, &mut stream, &listener, &profile, &shared)).await;
            let Some(told) = told else { return };
            (client, proxy) = (told.map_or(peer, |(source, _)| source), Some(peer));
            server = told.map_or(server, |(_, destination)| Some(Box::new(destination)));
            known = told.is_some();
            if let Some(counted) = guard.take() {
                match counted.of(client.ip(), &profile.rates, shared.backends.clock.now().instant) {
                    Ok(counted) => guard = Some(counted),
                    Err(exceeded) => {
                        tracing::warn!(proxy = %peer, "{}", super::told(exceeded, client.ip(), &listener));
                        return Box::pin(refuse(stream, client, &profile, &shared, exceeded)).await;
                    }
                }
            }
        }
        let mut session = Session::new(listener, client, proxy, &*shared.entropy, &shared.decoys);
        session.client = session.client.filter(|_| known);
        session.server = server;
        session.counted = guard.as_ref().map(|guard| guard.connections().clone());
        let span = session.span();
        async move {
            tracing::info!("connected");
            let begun = match session.client {
                // Boxed, because the session that follows needs none of it.
                Some(_) => Box::pin(early::test(&mut stream, &session, &profile, &shared)).await,
                None => Some(Begun::default()),
            };
            let Some(begun) = begun else { return };
            let environment = shared.environment(&profile);
            let ended =
                connection::serve(stream, profile, shared.backends.clone(), environment, session, begun)
                    .await;
            tracing::info!(
                reason = %ended.reason,
                octets_in = ended.octets_in,
                octets_out = ended.octets_out,
                "disconnected"
            );
            drop(guard);
        }
        .instrument(span)
        .await;
    }
}

/// The client that the proxy at the other end speaks for and where it came to, if the proxy names them. `None` when the connection is to be closed:
/// nothing that was said could be believed.
async fn client_behind<S: AsyncRead + Unpin>(
    peer: SocketAddr,
    stream: &mut S,
    listener: &str,
    profile: &Profile,
    shared: &Shared,
) -> Option<Option<(SocketAddr, SocketAddr)>> {
    if !profile.proxies.contains(peer.ip()) {
        tracing::warn!(listener, %peer, "refused: none of the proxies that this listener names");
        return None;
    }
    let mut shutdown = shared.shutdown.clone();
    let header = tokio::select! {
        biased;
        () = shutdown.begun() => return None,
        header = tokio::time::timeout(shared.timeouts.proxy_header, proxy_header(stream)) => header,
    };
    match header {
        Ok(Ok(ProxyHeader::Tcp { source, destination })) => Some(Some((source, destination))),
        Ok(Ok(_)) => Some(None),
        Ok(Err(error)) => {
            tracing::warn!(listener, proxy = %peer, %error, "closed: it did not say for whom it speaks");
            None
        }
        Err(_) => {
            tracing::warn!(listener, proxy = %peer, "closed: no PROXY header in time");
            None
        }
    }
}

/// Says goodbye to a client that is one too many.
async fn refuse<S: AsyncWrite + Unpin>(
    mut stream: S,
    client: SocketAddr,
    profile: &Profile,
    shared: &Shared,
    exceeded: Exceeded,
) {
    let goodbye = connection::refusal(profile, &shared.backends.clock, client.ip(), Some(exceeded));
    // A client that does not get it is closed all the same.
    let _ = tokio::time::timeout(shared.timeouts.close, async {
        stream.write_all(goodbye.as_slice()).await?;
        stream.shutdown().await
    })
    .await;
}

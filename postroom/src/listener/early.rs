//! Clients of a listener with `postscreen` wait for their greeting while they are tested; see [`relay_policy::early`].
//!
//! A client that waits has a task and a small buffer, and no session yet. DNS lists are asked about it all at once. What it
//! says too early is handed to its session, if it comes to one.
//!
//! # Limits
//! Clients that wait count among the connections of their listener (`connections_max`, and those of one client) as sessions do;
//! there is no limit for them alone (`postscreen_pre_queue_limit`).
//!
//! # Departures
//! Behind a proxy that does not tell the client, there is nobody to be tested.

use crate::connection;
use crate::policy;
use crate::server::Shared;
use crate::service::worded;
use crate::session::Session;
use crate::settings::{Profile, Protocols, Screen, SmtpProfile};
use crate::wall::Resolver as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use proto_core::{Backend, OutBuf};
use relay_policy::early::{self, Greeted, Screened, Screening, Watch};
use relay_policy::{Answer, Question};
use smtp_proto::server::Config;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

/// The octets that are taken of what a client says before it is greeted; more are left to its session.
const SAID_OCTETS_MAX: usize = 512;

/// What a session begins with when its client was tested.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// What the client has said already.
    pub(crate) said: Vec<u8>,
    /// It is not let through: its session leads nowhere, and its commands are watched.
    pub(crate) watch: Option<Box<Watch>>,
}

/// Tests a client that has connected. `None`: it was sent away, or has gone.
pub(super) async fn test<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    session: &Session,
    profile: &Profile,
    shared: &Shared,
) -> Option<Begun> {
    let Protocols::Smtp(smtp) = &profile.protocol else { return Some(Begun::default()) };
    let Some(Screen { early, .. }) = &smtp.screen else { return Some(Begun::default()) };
    let (client, server) = (session.peer, session.server.as_deref().copied());
    let memory = &shared.backends.walls.memory;
    let now = shared.backends.clock.now().utc;
    let (arrival, log) = early.arrive(client, server, memory.find(client.ip()).as_ref(), now);
    policy::write(&log);
    let refused = match arrival {
        early::Arrival::Pass => return Some(Begun::default()),
        early::Arrival::Refuse(reply) => reply,
        early::Arrival::Test(screening) => {
            let (screened, said) = wait(stream, screening, client.ip(), smtp, shared).await?;
            let now = shared.backends.clock.now().utc;
            let Screened { greeted, entry, log } = screened;
            policy::write(&log);
            if let Some(entry) = entry {
                memory.remember(entry, early.retention(), now);
            }
            match greeted {
                Greeted::Serve => return Some(Begun { said, watch: None }),
                Greeted::Watch(watch) => return Some(Begun { said, watch: Some(watch) }),
                Greeted::Refuse(reply) => reply,
            }
        }
    };
    let goodbye =
        connection::in_place_of_greeting(smtp, &shared.backends.clock, client.ip(), worded(refused));
    // A client that does not get it is closed all the same.
    let _ = tokio::time::timeout(shared.timeouts.close, async {
        stream.write_all(goodbye.as_slice()).await?;
        stream.shutdown().await
    })
    .await;
    None
}

/// Lets the client wait for its greeting, and finds out what can be. `None`: it has gone, or the server stops.
async fn wait<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut screening: Box<Screening>,
    client: IpAddr,
    smtp: &SmtpProfile,
    shared: &Shared,
) -> Option<(Screened, Vec<u8>)> {
    let mut shutdown = shared.shutdown.clone();
    let begun = Instant::now();
    if let Some(teaser) = screening.teaser().and_then(|text| teaser(&smtp.config, text)) {
        let written = tokio::time::timeout(screening.wait(), stream.write_all(teaser.as_slice()));
        if !matches!(written.await, Ok(Ok(()))) {
            policy::write(&screening.hung_up(begun.elapsed()));
            return None;
        }
    }
    let resolver = &shared.backends.walls.resolver.of(client);
    let mut lookups: FuturesUnordered<_> = screening
        .questions()
        .into_iter()
        .map(|question| async move {
            let Question::Dns { name, kind } = &question else {
                return (question, Answer::Failed(Backend::TEMPORARY), None);
            };
            match resolver.records(name, *kind).await {
                Ok(found) => (question, Answer::Records(found.records), Some(found.ttl)),
                Err(fault) => (question, Answer::Failed(fault), None),
            }
        })
        .collect();
    let deadline = tokio::time::sleep_until(begun + screening.wait());
    let mut deadline = std::pin::pin!(deadline);
    let (mut said, mut buffer) = (Vec::new(), [0; SAID_OCTETS_MAX]);
    while !screening.is_settled() {
        tokio::select! {
            biased;
            () = shutdown.begun() => return None,
            () = &mut deadline => break,
            Some((question, answer, ttl)) = lookups.next() => screening.answer(&question, answer, ttl),
            read = stream.read(&mut buffer), if said.is_empty() => match read {
                Ok(0) | Err(_) => {
                    policy::write(&screening.hung_up(begun.elapsed()));
                    return None;
                }
                Ok(count) => {
                    said.extend_from_slice(&buffer[..count]);
                    screening.talked(&said, begun.elapsed());
                }
            },
        }
    }
    Some((screening.finish(shared.backends.clock.now().utc), said))
}

/// The first line of the greeting; the server's own where that is meant.
pub(crate) fn teaser(config: &Config, text: &str) -> Option<OutBuf> {
    config.teaser(Some(text).filter(|text| *text != SMTPD_BANNER)).ok()
}

/// What stands for the server's own greeting.
const SMTPD_BANNER: &str = "$smtpd_banner";

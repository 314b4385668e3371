//! One connection from its first octet to its last: the right machine, the right service, the driver.

use crate::clock::Clock;
use crate::driver::{Driver, Ended, Environment, Service};
use crate::listener::Begun;
use crate::service::{
    Backends, DelegationService, ImapService, Pop3Service, ScreenService, SmtpService, worded,
};
use crate::session::Session;
use crate::settings::{Profile, Protocols, SmtpProfile, TlsMode};
use futures_util::future::BoxFuture;
use proto_core::{Machine, Now, OutBuf, Step};
use relay_policy::delegation;
use relay_policy::rates::Exceeded;
use smtp_proto::reply::{EnhancedCode, Refusal};
use smtp_proto::server as smtp;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves one connection to its end.
///
/// Machine and service are moved once, into the one allocation that a session is.
pub(crate) fn serve<S>(
    stream: S,
    profile: Arc<Profile>,
    backends: Backends,
    environment: Environment,
    session: Session,
    begun: Begun,
) -> BoxFuture<'static, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let now = backends.clock.now();
    match &profile.protocol {
        Protocols::Smtp(smtp) => {
            let mut peer = smtp::Peer::default();
            if let Some(client) = session.client {
                peer = smtp::Peer::new(client);
                peer.port = Some(session.peer.port());
                peer.destination = session.server.as_ref().map(|server| server.ip().to_canonical());
                peer.destination_port = session.server.as_ref().map(|server| server.port());
                peer.xclient = smtp.xclient_clients.contains(client);
                peer.xforward = smtp.xforward_clients.contains(client);
            }
            if let (Some(watch), Some(screen)) = (begun.watch, &smtp.screen) {
                (peer.xclient, peer.xforward) = (false, false);
                let machine = smtp::Server::new(now, Arc::clone(&screen.config), peer);
                let service = ScreenService::new(watch, backends);
                let driver = Driver::new(machine, service, stream, environment).having_read(begun.said);
                return drive(driver, profile.listener.tls);
            }
            let mut machine = smtp::Server::new(now, Arc::clone(&smtp.config), peer);
            machine.set_entropy(session.sasl.clone());
            let service = SmtpService::new(Arc::clone(smtp), backends, session);
            let driver = Driver::new(machine, service, stream, environment).having_read(begun.said);
            drive(driver, profile.listener.tls)
        }
        Protocols::Policy(policy) => {
            let machine = delegation::Server::new(now, delegation::Timeouts::default());
            let service = DelegationService::new(Arc::clone(policy), backends);
            drive(Driver::new(machine, service, stream, environment), profile.listener.tls)
        }
        Protocols::Imap(imap) => {
            let mut machine = imap_proto::server::Server::new(Arc::clone(&imap.config));
            machine.set_entropy(session.sasl.clone());
            let service = ImapService::new(Arc::clone(imap), backends);
            drive(Driver::new(machine, service, stream, environment), profile.listener.tls)
        }
        Protocols::Pop3(config) => {
            let mut machine = pop3_proto::server::Server::new(now, Arc::clone(config));
            machine.set_entropy(session.sasl.clone());
            let service = Pop3Service::new(backends);
            drive(Driver::new(machine, service, stream, environment), profile.listener.tls)
        }
    }
}

fn drive<M, V, S>(driver: Driver<M, V, S>, tls: TlsMode) -> BoxFuture<'static, Ended>
where
    M: Machine + Send + 'static,
    V: Service<M> + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match tls {
        TlsMode::Implicit => Box::pin(driver.run_implicit_tls()),
        TlsMode::None | TlsMode::StartTls => Box::pin(driver.run()),
    }
}

/// What is said to a client that cannot be served, in its protocol; nothing where TLS would have to come first.
pub(crate) fn refusal(
    profile: &Profile,
    clock: &Clock,
    client: IpAddr,
    exceeded: Option<Exceeded>,
) -> OutBuf {
    let mut out = OutBuf::new();
    if profile.listener.tls == TlsMode::Implicit {
        return out;
    }
    let now = clock.now();
    match &profile.protocol {
        Protocols::Smtp(smtp) => {
            let hostname = smtp.config.hostname();
            let refusal = match exceeded {
                Some(exceeded) => worded(exceeded.reply(hostname, client)),
                None => too_many(hostname),
            };
            out = in_place_of_greeting(smtp, clock, client, refusal);
        }
        // There is nothing to say but by hanging up.
        Protocols::Policy(_) => {}
        Protocols::Imap(imap) => {
            goodbye(imap_proto::server::Server::new(Arc::clone(&imap.config)), now, &mut out);
        }
        Protocols::Pop3(config) => {
            goodbye(pop3_proto::server::Server::new(now, Arc::clone(config)), now, &mut out);
        }
    }
    out
}

/// What an SMTP server says in place of a greeting.
pub(crate) fn in_place_of_greeting(
    smtp: &SmtpProfile,
    clock: &Clock,
    client: IpAddr,
    refusal: Refusal,
) -> OutBuf {
    let (now, mut out) = (clock.now(), OutBuf::new());
    let mut machine =
        smtp::Server::new(now, Arc::clone(&smtp.config), smtp::Peer::new(client.to_canonical()));
    while let Some(step) = machine.poll_event(now) {
        if let Step::App(smtp::Event::Connect(ask)) = step {
            // Only a machine that does not wait for it refuses an answer.
            let _ = machine.answer(now, ask, refusal.clone().into());
        }
    }
    machine.poll_transmit(&mut out);
    out
}

/// What a machine says when it is told to stop before it has begun.
fn goodbye(mut machine: impl Machine, now: Now, out: &mut OutBuf) {
    machine.handle_shutdown(now);
    while machine.poll_event(now).is_some() {}
    machine.poll_transmit(out);
}

/// RFC 5321 section 4.2: what comes in place of the greeting begins with our name, too.
fn too_many(hostname: &str) -> Refusal {
    EnhancedCode::new(4, 7, 0)
        .and_then(|code| Refusal::new(421, code, format!("{hostname} Error: too many connections")).ok())
        .unwrap_or(Refusal::TEMPORARY)
}

//! One driver for every protocol machine, over any byte stream.
//!
//! It keeps the loop that [`proto_core::machine`] describes: hand in what happened, take steps, write, wait. It
//! knows no protocol. What a machine asks is answered by a [`Service`], one type for each protocol, which never
//! waits while it handles an event.
//!
//! * Octets are read only while the machine wants them and the service has room; what the machine did not take
//!   stays in the driver, and nothing more is read until it is gone. That is the whole back-pressure.
//! * Replies that become ready together leave in one write; while a write is under way nothing else happens.
//! * After STARTTLS the driver drops its own remainder (RFC 3207 section 4.2, RFC 9051 section 6.2.1, RFC 2595
//!   section 4): no plaintext octet survives.
//! * On a listener behind proxies, [`proxy_header`] comes first, and takes no octet more than the header.
//! * An idle session holds no read buffer: octets land on the stack and go straight into the machine.
//!
//! # Limits
//! A read takes at most 16 KiB. A write that makes no progress for [`Timeouts::write`] ends the session, as does
//! a TLS handshake that takes longer than [`Timeouts::handshake`]. All other deadlines are the machine's.
//!
//! # Departures
//! A peer that goes away while an ask is out is noticed when the answer is written, not before: reading ahead
//! to find out would cancel the last command of a client that half-closes after pipelining it.

mod proxy;
mod service;
mod shutdown;
mod stream;
#[cfg(test)]
mod tests;

pub use proxy::{ProxyHeaderError, proxy_header};
pub use service::{Service, Work};
pub use shutdown::{Shutdown, ShutdownSignal};
pub use stream::Stream;

use crate::clock::Clock;
use proto_core::{CloseReason, Machine, Now, OutBuf, Step, TlsInfo};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// The driver's own deadlines.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// How long the header of the PROXY protocol may take to come. Default: 5 seconds; proxy-protocol.txt section 2
    /// asks for 3 at least.
    pub proxy_header: Duration,
    /// How long a write may make no progress. Default: 5 minutes, what RFC 5321 section 4.5.3.2.7 gives a peer
    /// to act.
    pub write: Duration,
    /// How long a TLS handshake may take. Default: 1 minute.
    pub handshake: Duration,
    /// How long the goodbye of TLS and TCP may take. Default: 5 seconds.
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            proxy_header: Duration::from_secs(5),
            write: Duration::from_secs(300),
            handshake: Duration::from_secs(60),
            close: Duration::from_secs(5),
        }
    }
}

/// What a driver needs besides machine, service and stream.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Time.
    pub clock: Clock,
    /// Tells when the server stops.
    pub shutdown: Shutdown,
    /// The certificate for [`Step::StartTls`] and implicit TLS; `None` where the listener has no TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The driver's deadlines.
    pub timeouts: Timeouts,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: CloseReason,
    /// Octets read from the peer, inside TLS.
    pub octets_in: u64,
    /// Octets written to the peer, inside TLS.
    pub octets_out: u64,
}

/// Runs one session to its end.
pub struct Driver<M, V, S> {
    machine: M,
    service: V,
    stream: Stream<S>,
    environment: Environment,
    /// Read and not yet taken by the machine.
    rest: Vec<u8>,
    out: OutBuf,
    eof: bool,
    told_shutdown: bool,
    octets_in: u64,
    octets_out: u64,
}

/// What the steps of one round came to.
enum Round {
    Blocked,
    StartTls,
    Closed(CloseReason),
}

const READ_BYTES: usize = 16 * 1024;

impl<M, V, S> Driver<M, V, S>
where
    M: Machine,
    V: Service<M>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// A session of `machine` over `stream`, its questions answered by `service`.
    pub fn new(machine: M, service: V, stream: S, environment: Environment) -> Self {
        Self {
            machine,
            service,
            stream: Stream::Plain(stream),
            environment,
            rest: Vec::new(),
            out: OutBuf::new(),
            eof: false,
            told_shutdown: false,
            octets_in: 0,
            octets_out: 0,
        }
    }

    /// The same for a stream of which these octets were read before; they are the first that the machine is handed, in clear
    /// text.
    #[must_use]
    pub fn having_read(mut self, octets: Vec<u8>) -> Self {
        self.octets_in += octets.len() as u64;
        self.rest = octets;
        self
    }

    /// Does the TLS handshake first (RFC 8314 section 3), then runs the session.
    pub async fn run_implicit_tls(mut self) -> Ended {
        let reason = match self.handshake().await {
            Ok(()) => self.session().await,
            Err(reason) => reason,
        };
        self.end(reason).await
    }

    /// Runs the session until the machine closes it or the stream fails.
    pub async fn run(mut self) -> Ended {
        let reason = self.session().await;
        self.end(reason).await
    }

    async fn session(&mut self) -> CloseReason {
        loop {
            let round = self.round();
            let wrote = match self.transmit().await {
                Ok(wrote) => wrote,
                Err(reason) => return reason,
            };
            match round {
                Round::Closed(reason) => return reason,
                Round::StartTls => {
                    if let Err(reason) = self.handshake().await {
                        return reason;
                    }
                }
                // A write makes room, so that a service which streams a body out can go on before we wait.
                Round::Blocked if wrote => {}
                Round::Blocked => self.wait().await,
            }
        }
    }

    /// Hands in what the service has ready and the octets that wait, and takes every step there is.
    fn round(&mut self) -> Round {
        let now = self.environment.clock.now();
        loop {
            // Again after every event: what an event began may have something to hand in at once.
            self.service.resume(&mut self.machine, now);
            let step = if self.service.is_ready() { self.machine.poll_event(now) } else { None };
            match step {
                Some(Step::App(event)) => self.service.event(&mut self.machine, now, event),
                Some(Step::StartTls) => return Round::StartTls,
                // No machine of this engine is configured to offer compression.
                Some(Step::Compress) => {
                    return Round::Closed(CloseReason::Aborted("compression is not offered".into()));
                }
                Some(Step::Closed(reason)) => return Round::Closed(reason),
                None if self.feed(now) => {}
                None => return Round::Blocked,
            }
        }
    }

    /// Offers the machine what was read before; whether it took any.
    fn feed(&mut self, now: Now) -> bool {
        if self.rest.is_empty() || !self.machine.wants_input() || !self.service.is_ready() {
            return false;
        }
        let taken = self.machine.handle_input(now, &self.rest);
        self.rest.drain(..taken);
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        taken > 0
    }

    /// Writes everything that is ready; whether there was anything.
    async fn transmit(&mut self) -> Result<bool, CloseReason> {
        while self.machine.poll_transmit(&mut self.out) {}
        if self.out.is_empty() {
            return Ok(false);
        }
        while !self.out.is_empty() {
            let written = within(self.environment.timeouts.write, "write", async {
                self.stream.write(self.out.as_slice()).await
            })
            .await?;
            if written == 0 {
                return Err(CloseReason::PeerClosed);
            }
            self.octets_out += written as u64;
            self.out.consume(written);
        }
        within(self.environment.timeouts.write, "write", self.stream.flush()).await?;
        Ok(true)
    }

    /// Waits for the first thing to happen and hands it in.
    async fn wait(&mut self) {
        let clock = &self.environment.clock;
        let deadline = self.machine.poll_timeout().and_then(|at| clock.deadline(at));
        let reading =
            !self.eof && self.rest.is_empty() && self.machine.wants_input() && self.service.is_ready();
        let Self { machine, service, stream, environment, rest, eof, told_shutdown, octets_in, .. } = self;
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // The order is fixed so that a run in virtual time can be replayed; deadlines come first so that no
        // flood of octets can put them off.
        tokio::select! {
            biased;
            () = timer => machine.handle_timeout(environment.clock.now()),
            () = environment.shutdown.begun(), if !*told_shutdown => {
                *told_shutdown = true;
                machine.handle_shutdown(environment.clock.now());
            }
            () = service.wait() => {}
            read = read_into(stream, machine, &environment.clock, rest), if reading => match read {
                Ok(0) | Err(_) => {
                    *eof = true;
                    machine.handle_eof(environment.clock.now());
                }
                Ok(n) => *octets_in += n as u64,
            },
        }
    }

    /// The TLS handshake on the plain stream. Whatever was read before it is gone.
    async fn handshake(&mut self) -> Result<(), CloseReason> {
        self.rest = Vec::new();
        let Some(config) = self.environment.tls.clone() else {
            return Err(CloseReason::Aborted("TLS is not configured on this listener".into()));
        };
        // Boxed, because a handshake is large and most of a session is without one.
        let handshake = Box::pin(self.stream.accept_tls(config));
        let info = tokio::select! {
            biased;
            // There is no way to say goodbye in the middle of a handshake, and nothing that would be lost.
            () = self.environment.shutdown.begun() => return Err(CloseReason::Shutdown),
            info = within(self.environment.timeouts.handshake, "TLS handshake", handshake) => info?,
        };
        self.told_tls(info);
        Ok(())
    }

    fn told_tls(&mut self, info: TlsInfo) {
        tracing::debug!(version = info.version, cipher = info.cipher, "TLS established");
        self.service.tls(&info);
        self.machine.handle_tls(self.environment.clock.now(), info);
    }

    /// Says the goodbye of the transport. A peer that does not listen to it costs a few seconds at most.
    ///
    /// Octets that nobody reads would make the system reset the connection, and the peer could lose the last reply
    /// to that: they are thrown away until the peer has seen our end and closes its own.
    async fn end(&mut self, reason: CloseReason) -> Ended {
        self.service.ended(&reason);
        let linger = !self.eof && !self.told_shutdown;
        let goodbye = async {
            self.stream.shutdown().await?;
            if !linger {
                return Ok(());
            }
            loop {
                tokio::select! {
                    // A server that stops does not wait for a peer that has had its answer.
                    () = self.environment.shutdown.begun() => break,
                    octets = discard(&mut self.stream) => if octets? == 0 { break },
                }
            }
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(self.environment.timeouts.close, goodbye).await;
        Ended { reason, octets_in: self.octets_in, octets_out: self.octets_out }
    }
}

/// Reads once, straight into the machine; what it does not take goes to `rest`. Returns the octets read.
async fn read_into<M: Machine, S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut Stream<S>,
    machine: &mut M,
    clock: &Clock,
    rest: &mut Vec<u8>,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut space);
        std::task::ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
        let octets = buf.filled();
        let taken = machine.handle_input(clock.now(), octets);
        rest.extend_from_slice(&octets[taken..]);
        std::task::Poll::Ready(Ok(octets.len()))
    })
    .await
}

/// Reads once and forgets it. Returns the octets read.
async fn discard<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut Stream<S>) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut space);
        std::task::ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
        std::task::Poll::Ready(Ok(buf.filled().len()))
    })
    .await
}

/// Runs I/O under a deadline; a failure of the stream is a peer that has gone.
async fn within<T>(
    limit: Duration,
    what: &'static str,
    io: impl Future<Output = io::Result<T>>,
) -> Result<T, CloseReason> {
    match tokio::time::timeout(limit, io).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::debug!(%error, what, "connection failed");
            Err(CloseReason::PeerClosed)
        }
        Err(_) => Err(CloseReason::Timeout(what)),
    }
}

//! A server session: what it knows, and the steps every command shares.

use super::config::{Config, TlsMode};
use super::event::Event;
use super::limits::COMMAND_LINE_BYTES_MIN;
use super::question::{Commit, OpenMaildrop, Retrieve};
use super::reply;
use super::retrieve::Body;
use super::sasl::Exchange;
use super::timers::{TIMERS, Timer};
use super::transaction::Listing;
use crate::maildrop::Maildrop;
use alloc::string::String;
use alloc::sync::Arc;
use proto_core::sasl::{self, Authenticate, Conditions, ServerEntropy};
use proto_core::{
    Ask, AskSlot, Backend, CallerFault, CloseReason, InBuf, Now, OutBuf, Question, TimerTable, TlsInfo,
};

/// The server end of one connection. See the [module](super).
#[derive(Debug)]
pub struct Server {
    pub(super) config: Arc<Config>,
    pub(super) input: InBuf,
    pub(super) output: OutBuf,
    pub(super) asks: AskSlot,
    pub(super) timers: TimerTable<Timer, TIMERS>,
    /// What the application has to hear before anything more happens.
    pub(super) event: Option<Event>,
    pub(super) phase: Phase,
    pub(super) tls: Option<Arc<TlsInfo>>,
    /// Randomness for the exchanges of AUTH.
    pub(super) entropy: Option<ServerEntropy>,
    /// What USER said, until PASS.
    pub(super) user: Option<String>,
    /// There from login on: the TRANSACTION state.
    pub(super) maildrop: Option<Maildrop>,
    pub(super) bad_commands: u32,
    pub(super) auth_failures: u32,
    pub(super) eof: bool,
    pub(super) stopping: bool,
}

/// What the session is doing.
#[derive(Debug)]
pub(super) enum Phase {
    /// STLS was answered; the driver is to be told.
    StartTls,
    /// The handshake is the driver's; no octet is taken.
    Handshake { greeted: bool },
    /// The greeting is due.
    Greet,
    /// A command is awaited, or a verdict about one.
    Command,
    /// A line of an AUTH exchange is awaited, or a verdict about its credentials.
    Exchange(Exchange),
    /// LIST or UIDL is being written.
    Listing(Listing),
    /// The application writes a message.
    Body(Body),
    /// Over; the driver is to be told why.
    Closing(CloseReason),
    /// Over.
    Closed,
}

impl Server {
    /// A session with a client that has just connected.
    ///
    /// On a listener with [`TlsMode::Implicit`] nothing happens before
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls).
    pub fn new(now: Now, config: Arc<Config>) -> Self {
        let implicit = config.tls == TlsMode::Implicit;
        let mut timers = TimerTable::default();
        if implicit {
            timers.set(Timer::Handshake, now.instant + config.timeouts.handshake);
        }
        Self {
            input: InBuf::with_capacity(line_bytes_max(&config, true).max(line_bytes_max(&config, false))),
            output: OutBuf::with_high_water(config.limits.output_bytes_max),
            asks: AskSlot::new(),
            timers,
            event: None,
            phase: if implicit { Phase::Handshake { greeted: false } } else { Phase::Greet },
            tls: None,
            entropy: None,
            user: None,
            maildrop: None,
            bad_commands: 0,
            auth_failures: 0,
            eof: false,
            stopping: false,
            config,
        }
    }

    /// Hands in the randomness for SCRAM and CRAM-MD5, which are not offered without it.
    pub fn set_entropy(&mut self, entropy: ServerEntropy) {
        self.entropy = Some(entropy);
    }

    pub(super) fn conditions(&self) -> Conditions {
        let entropy = self.entropy.as_ref().is_some_and(|entropy| !entropy.nonces.is_empty());
        Conditions::new(self.tls.as_deref(), entropy)
    }

    /// Whether the user is logged in: the TRANSACTION state.
    pub fn is_logged_in(&self) -> bool {
        self.maildrop.is_some()
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`] when the session no longer waits for it.
    pub fn answer<Q: ServerQuestion>(
        &mut self,
        now: Now,
        ask: Ask<Q>,
        verdict: Q::Verdict,
    ) -> Result<(), CallerFault> {
        let detail = self.asks.close(ask)?;
        self.timers.stop(Timer::Verdict);
        detail.settle(self, now, verdict);
        if matches!(self.phase, Phase::Command | Phase::Exchange(_)) && !self.asks.is_open() {
            self.timers.set(Timer::Idle, now.instant + self.config.timeouts.idle);
        }
        Ok(())
    }

    /// Puts a question; the session waits for its verdict.
    pub(super) fn ask<Q>(&mut self, now: Now, detail: Q, event: impl FnOnce(Ask<Q>) -> Event) {
        self.timers.stop(Timer::Idle);
        self.timers.set(Timer::Verdict, now.instant + self.config.timeouts.verdict);
        self.event = Some(event(self.asks.open(detail)));
    }

    /// The command is dealt with; the next one has its own deadline.
    pub(super) fn await_command(&mut self, now: Now) {
        self.phase = Phase::Command;
        self.timers.set(Timer::Idle, now.instant + self.config.timeouts.idle);
    }

    pub(super) fn refuse_backend(&mut self, backend: &Backend, standard: &str) {
        reply::write_backend(&mut self.output, backend, standard);
    }

    /// The longest line that may come now.
    pub(super) fn line_bytes_max(&self) -> usize {
        line_bytes_max(&self.config, matches!(self.phase, Phase::Exchange(_)))
    }

    /// Ends the session. What is waiting in the output is still sent.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if matches!(self.phase, Phase::Closing(_) | Phase::Closed) {
            return;
        }
        if let Some(id) = self.asks.cancel() {
            // An ask that was not told yet need not be cancelled.
            self.event = match self.event.take() {
                Some(_) => None,
                None => Some(Event::Cancelled(id)),
            };
        }
        self.timers.stop_all();
        self.input.clear();
        self.user = None;
        self.maildrop = None;
        self.phase = Phase::Closing(reason);
    }
}

fn line_bytes_max(config: &Config, in_exchange: bool) -> usize {
    if in_exchange {
        config.limits.auth_line_bytes_max.max(sasl::line::OCTETS_MAX)
    } else {
        config.limits.command_line_bytes_max.max(COMMAND_LINE_BYTES_MIN)
    }
}

/// A question that a [`Server`] puts. Not to be implemented elsewhere.
pub trait ServerQuestion: Question + settle::Settle {}

impl<Q: Question + settle::Settle> ServerQuestion for Q {}

mod settle {
    use super::Server;
    use proto_core::{Now, Question};

    pub trait Settle: Question + Sized {
        fn settle(self, server: &mut Server, now: Now, verdict: Self::Verdict);
    }
}

impl settle::Settle for Authenticate {
    fn settle(self, server: &mut Server, now: Now, verdict: Self::Verdict) {
        match self.mechanism {
            None => server.pass_verdict(now, verdict),
            Some(_) => server.exchange_verdict(now, verdict),
        }
    }
}

impl settle::Settle for OpenMaildrop {
    fn settle(self, server: &mut Server, _now: Now, verdict: Self::Verdict) {
        server.open_verdict(verdict);
    }
}

impl settle::Settle for Retrieve {
    fn settle(self, server: &mut Server, now: Now, verdict: Self::Verdict) {
        server.retrieve_verdict(now, &self, verdict);
    }
}

impl settle::Settle for Commit {
    fn settle(self, server: &mut Server, _now: Now, verdict: Self::Verdict) {
        server.commit_verdict(verdict);
    }
}

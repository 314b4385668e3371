//! A server session: what it knows, and the steps every command shares.
//!
//! Session and transaction are two structs: RSET throws the second away and leaves the first alone.

use super::admission::Asked;
use super::auth::Exchange;
use super::bdat::{Chunk, ChunkedMessage};
use super::body::Body;
use super::capabilities::Capabilities;
use super::config::{Config, Peer, Protocol, TlsMode};
use super::end_of_data::Answered;
use super::event::{BodyAbort, Event, Violation, Violations};
use super::extras::{Collected, SessionCollected};
use super::footer::RejectFooter;
use super::state::{Stage, Standing};
use super::timers::{TIMERS, Timer};
use super::xclient::Told;
use crate::parameter::{BodyKind, Extensions, MailParameters};
use crate::reply::{Approval, Refusal, Reply};
use crate::xforward::Xforward;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::sasl::{Conditions, ServerEntropy};
use proto_core::{Ask, AskSlot, CloseReason, InBuf, Instant, Now, OutBuf, TimerTable, TlsInfo};

/// The server end of one connection. See the [module](super).
#[derive(Debug)]
pub struct Server {
    pub(super) config: Arc<Config>,
    pub(super) peer: Peer,
    pub(super) input: InBuf,
    pub(super) output: OutBuf,
    pub(super) asks: AskSlot,
    /// When the last question was put.
    pub(super) asked_at: Instant,
    pub(super) timers: TimerTable<Timer, TIMERS>,
    /// What the application has to hear before anything more is parsed.
    pub(super) events: VecDeque<Event>,
    pub(super) phase: Phase,
    pub(super) hello: Option<HelloSaid>,
    pub(super) tls: Option<Arc<TlsInfo>>,
    /// Randomness for the exchanges of AUTH.
    pub(super) entropy: Option<ServerEntropy>,
    pub(super) authenticated: bool,
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) session_collected: SessionCollected,
    /// The recipients of a transaction that a failed chunk ended, until the chunk that was to be its last.
    pub(super) failed_recipients: Option<usize>,
    /// XCLIENT was said: the other end of TLS is whoever speaks for the client, not the client.
    pub(super) spoken_for: Option<Told>,
    /// What XFORWARD has told about the next message.
    pub(super) xforward: Option<Arc<Xforward>>,
    pub(super) violations: Violations,
    /// The client was refused when it connected.
    pub(super) denied: bool,
    /// The greeting was said once: XCLIENT has it said again, and not late.
    pub(super) greeted: bool,
    pub(super) counts: Counts,
    /// The next command was sent before the client could know that it may pipeline.
    pub(super) refuse_next: bool,
    /// The line under way begins with BDAT: cannot be told where the next one does, if it is not understood.
    pub(super) in_bdat_line: bool,
    pub(super) eof: bool,
    pub(super) stopping: bool,
    /// What stands behind refusals.
    pub(super) reject_footer: Option<RejectFooter>,
}

/// What the session is doing.
#[derive(Debug)]
pub(super) enum Phase {
    /// STARTTLS was answered; the driver is to be told.
    StartTls,
    /// The handshake is the driver's; no octet is taken. Not greeted yet: the listener is one of implicit TLS.
    Handshake { greeted: bool },
    /// TLS was begun by STARTTLS; the application has not been asked about it yet.
    Secured,
    /// The application has not been asked about the connection yet, or about whom XCLIENT put in its place.
    Connect,
    /// The greeting is held back, with the application's words for it.
    Greet { own: Option<Approval> },
    /// A command is awaited, or a verdict about one.
    Command,
    /// The application is asked about a command line, or has let it through.
    Asked(Asked),
    /// A line of an AUTH exchange is awaited.
    Exchange(Exchange),
    /// The message is coming.
    Body(Body),
    /// The octets that a BDAT announced are coming.
    Chunk(Chunk),
    /// The verdict about a complete message is awaited.
    EndOfData,
    /// Over; the driver is to be told why.
    Closing(CloseReason),
    /// Over.
    Closed,
}

/// HELO, EHLO or LHLO, as it was accepted.
#[derive(Debug, Clone)]
pub(super) struct HelloSaid {
    pub(super) name: Arc<str>,
    pub(super) extended: bool,
}

/// From an accepted MAIL to its end.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) reverse_path: ReversePath,
    pub(super) parameters: MailParameters,
    pub(super) recipients: usize,
    /// Recipients that were refused only because there were enough.
    pub(super) recipients_over: usize,
    /// The recipient, while there is only one: the trace field may name no more (RFC 5321 section 7.2).
    pub(super) only_recipient: Option<ForwardPath>,
    /// What its verdicts brought.
    pub(super) collected: Collected,
    /// The verdicts on the complete message that came before the rest.
    pub(super) answered: Answered,
    /// The message, from its first chunk to its last.
    pub(super) chunks: Option<Box<ChunkedMessage>>,
}

/// What is legal but abusable, counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) errors: u32,
    pub(super) idle_commands: u32,
    pub(super) transactions: u32,
    pub(super) auth_failures: u32,
}

impl Server {
    /// A session with a client that has just connected.
    ///
    /// On a listener with [`TlsMode::Implicit`] nothing happens before
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls).
    pub fn new(now: Now, config: Arc<Config>, peer: Peer) -> Self {
        let longest = Capabilities::new(&config, Conditions::ALL);
        let longest = longest.command_line_bytes_max().max(longest.auth_line_bytes_max());
        let implicit = config.tls == TlsMode::Implicit;
        let mut timers = TimerTable::default();
        if implicit {
            timers.set(Timer::Handshake, now.instant + config.timeouts.handshake);
        }
        Self {
            input: InBuf::with_capacity(config.limits.input_bytes_max.max(longest)),
            // A mark of zero would be reached before anything is said.
            output: OutBuf::with_high_water(config.limits.output_bytes_max.max(1)),
            asks: AskSlot::new(),
            asked_at: now.instant,
            timers,
            events: VecDeque::new(),
            phase: if implicit { Phase::Handshake { greeted: false } } else { Phase::Connect },
            hello: None,
            tls: None,
            entropy: None,
            authenticated: peer.login.is_some(),
            transaction: None,
            session_collected: SessionCollected::default(),
            failed_recipients: None,
            spoken_for: None,
            xforward: None,
            violations: Violations::default(),
            denied: false,
            greeted: false,
            counts: Counts::default(),
            refuse_next: false,
            in_bdat_line: false,
            eof: false,
            stopping: false,
            reject_footer: None,
            config,
            peer,
        }
    }

    /// Hands in the randomness for SCRAM and CRAM-MD5, which are not offered without it.
    pub fn set_entropy(&mut self, entropy: ServerEntropy) {
        self.entropy = Some(entropy);
    }

    /// The name of the peer's address, looked up and verified meanwhile ([`Peer::name`](super::Peer::name)); shown in the
    /// `Received:` field. It holds until XCLIENT says for whom the peer speaks.
    pub fn set_peer_name(&mut self, name: impl Into<String>) {
        self.peer.name = Some(name.into());
    }

    /// The TLS session, if TLS is on.
    pub fn tls(&self) -> Option<&Arc<TlsInfo>> {
        self.tls.as_ref()
    }

    /// Whether an AUTH was accepted.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// The name of the last accepted HELO or EHLO, or the one that XCLIENT put in its place.
    pub fn hello_name(&self) -> Option<&str> {
        self.peer.hello.as_deref().or(self.hello.as_ref().map(|hello| &*hello.name))
    }

    /// Who is at the other end, or for whom it speaks, if XCLIENT has said so.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Which rules this session has seen broken so far, since XCLIENT if that was said. (In what [`Event::Violation`]
    /// tells as well.)
    pub fn violations(&self) -> Violations {
        self.violations
    }

    pub(super) fn report(&mut self, violation: Violation) {
        self.violations.insert(violation);
        self.events.push_back(Event::Violation(violation));
    }

    pub(super) fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::new(&self.config, self.conditions())
    }

    pub(super) fn conditions(&self) -> Conditions {
        let entropy = self.entropy.as_ref().is_some_and(|entropy| !entropy.nonces.is_empty());
        let known = Conditions::new(self.tls.as_deref(), entropy);
        if self.spoken_for.is_some() {
            Conditions { channel_binding: false, peer_certificate: false, ..known }
        } else {
            known
        }
    }

    /// The extensions that this session may use: none after HELO.
    pub(super) fn extensions(&self, now: Now) -> Extensions {
        match &self.hello {
            Some(hello) if hello.extended => self.capabilities().extensions(now),
            _ => Extensions::default(),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let stage = match (&self.transaction, &self.hello) {
            (Some(transaction), _) if transaction.chunks.is_some() => Stage::Chunks,
            (Some(transaction), _) if transaction.recipients > 0 => Stage::Recipients,
            (Some(_), _) => Stage::Sender,
            (None, Some(_)) => Stage::Ready,
            (None, None) => Stage::Start,
        };
        Standing {
            stage,
            extended: self.hello.as_ref().is_some_and(|hello| hello.extended),
            lmtp: self.config.protocol == Protocol::Lmtp,
            chunking: self.config.offer.chunking,
            binary: self.transaction.as_ref().is_some_and(|t| t.parameters.body == BodyKind::BinaryMime),
            tls: self.tls.is_some(),
            starttls: self.config.tls != TlsMode::None,
            tls_required: self.config.tls == TlsMode::Required,
            auth: !self.config.mechanisms.is_empty(),
            authenticated: self.authenticated,
            auth_required: self.config.is_auth_required(),
            hello_required: self.config.hello_required || self.config.protocol == Protocol::Lmtp,
            etrn: self.config.offer.etrn,
            xclient: self.peer.xclient,
            xforward: self.peer.xforward,
        }
    }

    /// Puts a question; the session waits for its verdict.
    pub(super) fn ask<Q>(&mut self, now: Now, detail: Q, event: impl FnOnce(Ask<Q>) -> Event) {
        self.ask_within(now, self.config.timeouts.command_verdict, detail, event);
    }

    /// Puts a question that is to be answered in this time.
    pub(super) fn ask_within<Q>(
        &mut self,
        now: Now,
        time: Duration,
        detail: Q,
        event: impl FnOnce(Ask<Q>) -> Event,
    ) {
        self.timers.stop(Timer::Command);
        self.timers.stop(Timer::BodyRate);
        self.timers.set(Timer::Verdict, now.instant + time);
        self.asked_at = now.instant;
        let ask = self.asks.open(detail);
        self.events.push_back(event(ask));
    }

    /// The command is dealt with; the next one has its own deadline.
    pub(super) fn await_command(&mut self, now: Now) {
        self.phase = Phase::Command;
        self.start_command_timer(now);
    }

    /// The client has its time for a command from now on; while it is made to wait, from the end of that.
    pub(super) fn start_command_timer(&mut self, now: Now) {
        if self.timers.deadline(Timer::ErrorPause).is_none() {
            self.timers.set(Timer::Command, now.instant + self.config.timeouts.command);
        }
    }

    /// The pause after an error is over.
    pub(super) fn end_error_pause(&mut self, now: Now) {
        if matches!(self.phase, Phase::Command | Phase::Exchange(_)) && !self.asks.is_open() {
            self.start_command_timer(now);
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        self.write(reply, true);
    }

    /// Says no. Every no counts, ours and the application's; too many end the session.
    pub(super) fn refuse(&mut self, now: Now, reply: &Reply) {
        self.reply(reply);
        self.count_error(now);
    }

    /// Says the application's no; 421 and 521 close.
    pub(super) fn refuse_by_verdict(&mut self, now: Now, refusal: &Refusal) {
        if refusal.closes() {
            self.reply(refusal.reply());
            self.close(CloseReason::Policy);
        } else {
            self.refuse(now, refusal.reply());
        }
    }

    /// Counts an error: first they are free, then they cost time, then they cost the session.
    pub(super) fn count_error(&mut self, now: Now) {
        self.counts.errors = self.counts.errors.saturating_add(1);
        let limits = &self.config.limits;
        if self.counts.errors >= limits.errors_max {
            self.close_with(
                421,
                (7, 0),
                "Error: too many errors",
                CloseReason::Protocol("too many errors".into()),
            );
        } else if self.counts.errors > limits.errors_before_pause {
            let over = self.counts.errors - limits.errors_before_pause;
            let pause = self.config.timeouts.error_pause.saturating_mul(over);
            if pause > Duration::ZERO {
                self.timers.set(Timer::ErrorPause, now.instant + pause);
                self.timers.stop(Timer::Command);
                self.excuse(now, pause);
            }
        }
    }

    /// Counts a command that brings no mail.
    pub(super) fn count_idle_command(&mut self, now: Now) {
        self.counts.idle_commands = self.counts.idle_commands.saturating_add(1);
        if self.counts.idle_commands > self.config.limits.idle_commands_max {
            self.count_error(now);
        }
    }

    /// Whether nothing more may be said.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closing(_) | Phase::Closed)
    }

    /// Says why and ends the session. The host name stands first, as in the greeting (RFC 5321 section 4.2).
    pub(super) fn close_with(&mut self, code: u16, enhanced: (u16, u16), text: &str, reason: CloseReason) {
        let enhanced = Reply::fixed(code, enhanced, "").enhanced();
        let text = format!("{} {text}", self.config.hostname());
        self.write(&Reply::received(code, enhanced, text), true);
        self.close(reason);
    }

    /// Ends the session. What is waiting in the output is still sent.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.is_over() {
            return;
        }
        if self.is_in_message() {
            self.events.push_back(Event::BodyAborted(BodyAbort::SessionEnded));
        }
        if let Some(id) = self.asks.cancel() {
            self.events.push_back(Event::Cancelled(id));
        }
        self.timers.stop_all();
        self.input.clear();
        self.transaction = None;
        self.phase = Phase::Closing(reason);
    }

    /// Whether a message has begun and is not complete.
    pub(super) fn is_in_message(&self) -> bool {
        matches!(self.phase, Phase::Body(_)) || self.transaction.as_ref().is_some_and(|t| t.chunks.is_some())
    }

    /// Ends a transaction that became no message, if there is one.
    pub(super) fn reset_transaction(&mut self) {
        self.failed_recipients = None;
        self.end_transaction(BodyAbort::Reset);
    }

    /// Ends a transaction that became no message, if there is one; why, if its message has begun.
    pub(super) fn end_transaction(&mut self, why: BodyAbort) {
        self.timers.stop(Timer::BodyRate);
        if let Some(transaction) = self.transaction.take() {
            self.events.push_back(match transaction.chunks {
                Some(_) => Event::BodyAborted(why),
                None => Event::TransactionReset,
            });
        }
    }
}

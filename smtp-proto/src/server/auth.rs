//! AUTH and its exchange.
//!
//! RFC 4954. The mechanisms are [`proto_core::sasl`]'s; this file is the framing around them.
//!
//! # Departures
//! An AUTH command may be as long as an exchange line, not only as a command line: clients that put a long initial
//! response there instead of waiting for `334` mean no harm.

use super::event::Event;
use super::machine::BARE_LF;
use super::session::{Phase, Server};
use crate::reply::{Refusal, Reply};
use proto_core::sasl::{
    AuthVerdict, Authenticate, Mechanism, SaslFault, ServerContext, ServerExchange, ServerStep, line,
};
use proto_core::{Backend, CloseReason, LineFault, Now};

/// An exchange under way.
#[derive(Debug)]
pub(super) enum Exchange {
    /// The mechanism has more to hear.
    Running(ServerExchange),
    /// The mechanism is content; its last message went out as a challenge, to be answered with an empty line.
    Finishing,
}

impl Server {
    pub(super) fn auth(&mut self, now: Now, arguments: &mut [u8]) {
        let mut words = arguments.split_mut(|b| *b == b' ').filter(|word| !word.is_empty());
        let (Some(name), initial, None) = (words.next(), words.next(), words.next()) else {
            return self.refuse(now, &SYNTAX_AUTH);
        };
        let configured = |m: &Mechanism| self.config.mechanisms.contains(m);
        let Some(mechanism) = Mechanism::from_name(name).filter(configured) else {
            return self.refuse(now, &UNKNOWN_MECHANISM);
        };
        if !self.capabilities().mechanisms().any(|offered| offered == mechanism) {
            let needs_tls = self.conditions().need_tls(mechanism, self.config.allow_plaintext_auth);
            return self.refuse(now, if needs_tls { &NEEDS_ENCRYPTION } else { &UNKNOWN_MECHANISM });
        }
        if initial.is_some() && !mechanism.takes_initial_response() {
            return self.refuse(now, &SYNTAX_AUTH);
        }
        let Ok(initial) = initial.map(line::decode_initial_in_place).transpose() else {
            return self.refuse(now, &BAD_BASE64);
        };
        let plus_offered = self.capabilities().mechanisms().any(Mechanism::is_plus);
        let context = ServerContext {
            plus_offered,
            entropy: self.entropy.as_mut(),
            tls: self.tls.as_ref(),
            host_name: self.config.hostname(),
        };
        let mut exchange = ServerExchange::new(mechanism, context);
        let step = exchange.start(initial);
        self.follow(now, exchange, step);
    }

    /// A line of the exchange, or what is wrong with it.
    pub(super) fn exchange_line(
        &mut self,
        now: Now,
        exchange: Exchange,
        received: Result<&mut [u8], LineFault>,
    ) {
        self.await_command(now);
        let received = match received {
            Ok(received) => received,
            Err(LineFault::TooLong) => return self.break_off(now, &exchange, &LINE_TOO_LONG),
            Err(LineFault::BareLf) => return self.break_off(now, &exchange, &BARE_LF),
        };
        match (exchange, line::Response::parse(received)) {
            (exchange, Err(_)) => self.break_off(now, &exchange, &BAD_BASE64),
            (exchange, Ok(line::Response::Cancel)) => self.break_off(now, &exchange, &ABORTED),
            (Exchange::Running(mut exchange), Ok(line::Response::Message(message))) => {
                let step = exchange.respond(message);
                self.follow(now, exchange, step);
            }
            (Exchange::Finishing, Ok(line::Response::Message(b""))) => self.authenticated(),
            (Exchange::Finishing, Ok(line::Response::Message(_))) => self.refuse(now, &MALFORMED),
        }
    }

    pub(super) fn settle_authenticate(&mut self, now: Now, verdict: AuthVerdict) {
        // The question is out only while its exchange runs.
        if let Phase::Exchange(Exchange::Running(mut exchange)) =
            core::mem::replace(&mut self.phase, Phase::Command)
        {
            let step = exchange.verdict(verdict);
            self.follow(now, exchange, step);
        }
    }

    /// Whatever exchange is under way is over.
    pub(super) fn end_exchange(&mut self) {
        if matches!(self.phase, Phase::Exchange(_)) {
            self.phase = Phase::Command;
        }
    }

    fn follow(&mut self, now: Now, exchange: ServerExchange, step: ServerStep) {
        match step {
            ServerStep::Challenge(challenge) => {
                self.challenge(&challenge);
                self.phase = Phase::Exchange(Exchange::Running(exchange));
            }
            ServerStep::Ask(credentials) => {
                let mechanism = Some(exchange.mechanism());
                self.phase = Phase::Exchange(Exchange::Running(exchange));
                self.ask(now, Authenticate { mechanism, credentials }, Event::Authenticate);
            }
            ServerStep::Done { server_final: None } => self.authenticated(),
            ServerStep::Done { server_final: Some(last) } => {
                self.challenge(&last);
                self.phase = Phase::Exchange(Exchange::Finishing);
            }
            ServerStep::Failed(SaslFault::Rejected) => self.reject(now),
            ServerStep::LoginFailed(failed) => {
                self.events.push_back(Event::LoginFailed(failed));
                self.reject(now);
            }
            ServerStep::Failed(SaslFault::Backend(Backend::Permanent(text))) => {
                self.refuse(now, Refusal::from(Backend::Permanent(text)).reply());
            }
            ServerStep::Failed(SaslFault::Backend(_)) => self.refuse(now, &UNAVAILABLE),
            _ => self.refuse(now, &MALFORMED),
        }
    }

    /// RFC 4954 section 4: `334`, a space even when nothing follows, and base64.
    fn challenge(&mut self, challenge: &[u8]) {
        self.output.extend(b"334 ");
        self.output.extend(line::encode(challenge).as_bytes());
        self.output.extend(b"\r\n");
    }

    fn authenticated(&mut self) {
        self.authenticated = true;
        self.reply(&SUCCESS);
    }

    /// The client ends the exchange. When it had been refused before, that was a login and has failed.
    fn break_off(&mut self, now: Now, exchange: &Exchange, reply: &Reply) {
        match exchange {
            Exchange::Running(exchange) if exchange.is_refused() => self.reject_with(now, reply),
            _ => self.refuse(now, reply),
        }
    }

    fn reject(&mut self, now: Now) {
        self.reject_with(now, &FAILED);
    }

    fn reject_with(&mut self, now: Now, reply: &Reply) {
        self.counts.auth_failures = self.counts.auth_failures.saturating_add(1);
        self.refuse(now, reply);
        if self.counts.auth_failures >= self.config.limits.auth_failures_max && !self.is_over() {
            let reason = CloseReason::Protocol("too many failed logins".into());
            self.close_with(421, (7, 0), "Error: too many failed logins", reason);
        }
    }
}

static SUCCESS: Reply = Reply::fixed(235, (7, 0), "Authentication successful");
static FAILED: Reply = Reply::fixed(535, (7, 8), "Error: authentication failed");
static UNAVAILABLE: Reply = Reply::fixed(454, (7, 0), "Temporary authentication failure");
static ABORTED: Reply = Reply::fixed(501, (7, 0), "Authentication aborted");
static MALFORMED: Reply = Reply::fixed(501, (5, 2), "Error: malformed authentication message");
static BAD_BASE64: Reply = Reply::fixed(501, (5, 2), "Error: malformed base64");
static SYNTAX_AUTH: Reply = Reply::fixed(501, (5, 4), "Syntax: AUTH mechanism [initial-response]");
static UNKNOWN_MECHANISM: Reply = Reply::fixed(504, (5, 4), "Error: mechanism not offered");
static NEEDS_ENCRYPTION: Reply =
    Reply::fixed(538, (7, 11), "Encryption required for requested authentication mechanism");
static LINE_TOO_LONG: Reply = Reply::fixed(500, (5, 6), "Error: line too long");

//! LOGIN, AUTHENTICATE and STARTTLS.
//!
//! RFC 3501 sections 6.2.1–6.2.3, RFC 4959 (initial response), RFC 5530 (PRIVACYREQUIRED, AUTHENTICATIONFAILED).
//!
//! Before login every command is in memory of its own and is overwritten when it is done with, since it may hold a password; a
//! LOGIN that comes after a login, and is refused, is not.
//!
//! A password is not looked at on a connection where it may not be shown: `NO [PRIVACYREQUIRED]`. STARTTLS drops
//! every octet that came before the handshake, read or not (RFC 9051 section 6.2.1 tells of servers that did not).

use super::answer::Answer;
use super::capability::{capabilities, mechanism_allowed, password_allowed, starttls_offered};
use super::phase::{Doing, Phase, Progress};
use super::refusal::Refusal;
use super::{Event, Server, Timer};
use crate::types::{AString, ResponseCode, StatusResponse, Tag};
use crate::view::Moment;
use proto_core::sasl::line::{OCTETS_MAX, Response, encode};
use proto_core::sasl::{
    AuthVerdict, Authenticate, Credentials, LoginFailed, Mechanism, SaslFault, ServerContext, ServerExchange,
    ServerStep,
};
use proto_core::{DomainName, LineEnding, Now, Secret, Step};

/// An AUTHENTICATE under way.
#[derive(Debug)]
pub(super) struct Exchange {
    tag: Tag,
    sasl: ServerExchange,
    /// The server's last message is out; the client has to confirm it with an empty one (RFC 4422 section 3.6).
    confirming: bool,
}

impl Server {
    /// `STARTTLS`.
    pub(super) fn starttls(&mut self, now: Now, tag: Tag) {
        if !starttls_offered(&self.config, &self.session) {
            return self.bad(now, &tag, "STARTTLS is not available.");
        }
        self.tagged(&tag, &StatusResponse::ok("Begin TLS negotiation now."));
        self.drop_input();
        self.phase = Phase::AwaitTls;
        self.timers.set(Timer::Handshake, now.instant + self.config.timeouts.handshake);
        self.queue.push_back(Step::StartTls);
    }

    /// `LOGIN`.
    pub(super) fn login(&mut self, now: Now, tag: Tag, user: &AString, password: &Secret) {
        if !self.config.login_command {
            let reply = StatusResponse::no("LOGIN is not available.").with_code(ResponseCode::Cannot);
            return self.finish(now, tag, reply, Moment::Silent);
        }
        if !password_allowed(&self.config, &self.session) {
            return self.finish(now, tag, privacy_required(), Moment::Silent);
        }
        // A name that no directory can have is answered as one that it does not have.
        let credentials = match Credentials::password(b"", user.as_bytes(), password.expose()) {
            Ok(credentials) => credentials,
            Err(SaslFault::Rejected) => {
                return self.login_failed(now, tag, LoginFailed::new(None, user.as_bytes()));
            }
            Err(_) => return self.auth_failed(now, tag),
        };
        let doing = Doing { tag, name: "LOGIN", moment: Moment::Silent, progress: Progress::None };
        self.ask(now, doing, Authenticate { mechanism: None, credentials }, Event::Authenticate);
    }

    /// `AUTHENTICATE`.
    pub(super) fn authenticate(&mut self, now: Now, tag: Tag, mechanism: &str, initial: Option<&Secret>) {
        let known = Mechanism::from_name(mechanism.as_bytes()).filter(|m| self.config.mechanisms.contains(m));
        let conditions = self.session.conditions();
        let needs_tls = known.is_some_and(|m| conditions.need_tls(m, self.config.allow_plaintext_auth));
        if needs_tls {
            return self.finish(now, tag, privacy_required(), Moment::Silent);
        }
        let Some(mechanism) = known.filter(|m| mechanism_allowed(&self.config, &self.session, *m)) else {
            let reply =
                StatusResponse::no("Unsupported authentication mechanism.").with_code(ResponseCode::Cannot);
            return self.finish(now, tag, reply, Moment::Silent);
        };
        let offered = |m: &Mechanism| mechanism_allowed(&self.config, &self.session, *m);
        let context = ServerContext {
            plus_offered: self.config.mechanisms.iter().filter(|m| offered(m)).any(|m| m.is_plus()),
            entropy: self.session.entropy.as_mut(),
            tls: self.session.tls.as_ref(),
            host_name: self.config.host_name.as_ref().map_or("", DomainName::as_str),
        };
        let mut sasl = ServerExchange::new(mechanism, context);
        let step = sasl.start(initial.map(Secret::expose));
        self.exchange_step(now, Exchange { tag, sasl, confirming: false }, step);
    }

    /// The client's next line of an AUTHENTICATE; false when it is not there yet.
    pub(super) fn exchange_line(&mut self, now: Now) -> bool {
        let Some(line) = self.input.next_secret_line(OCTETS_MAX, LineEnding::CrlfOrLf) else { return false };
        let Phase::Exchange(mut exchange) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return false;
        };
        let mut line = match line {
            Ok(line) => line,
            Err(_) => {
                self.break_off(now, &exchange, "Authentication response too long.");
                return true;
            }
        };
        match Response::parse(&mut line) {
            Ok(Response::Cancel) => self.break_off(now, &exchange, "Authentication cancelled."),
            Ok(Response::Message(message)) if exchange.confirming => {
                if message.is_empty() {
                    self.logged_in(now, exchange.tag);
                } else {
                    self.bad(now, &exchange.tag, "Nothing more was asked.");
                }
            }
            Ok(Response::Message(message)) => {
                let step = exchange.sasl.respond(message);
                self.exchange_step(now, exchange, step);
            }
            Err(_) => self.break_off(now, &exchange, "Authentication response is not base64."),
        }
        true
    }

    /// The client ends the exchange. When it had been refused before, that was a login and has failed.
    fn break_off(&mut self, now: Now, exchange: &Exchange, why: &'static str) {
        self.bad(now, &exchange.tag, why);
        if exchange.sasl.is_refused() {
            self.count_auth_failure();
        }
    }

    fn exchange_step(&mut self, now: Now, mut exchange: Exchange, step: ServerStep) {
        match step {
            ServerStep::Challenge(challenge) => {
                self.continuation(&encode(&challenge));
                self.phase = Phase::Exchange(exchange);
            }
            ServerStep::Ask(credentials) => {
                let Exchange { tag, sasl, .. } = exchange;
                let question = Authenticate { mechanism: Some(sasl.mechanism()), credentials };
                let progress = Progress::Authenticate(sasl);
                let doing = Doing { tag, name: "AUTHENTICATE", moment: Moment::Silent, progress };
                self.ask(now, doing, question, Event::Authenticate);
            }
            ServerStep::Done { server_final: None } => self.logged_in(now, exchange.tag),
            // RFC 3501 section 6.2.2: the tagged OK cannot carry it.
            ServerStep::Done { server_final: Some(last) } => {
                self.continuation(&encode(&last));
                exchange.confirming = true;
                self.phase = Phase::Exchange(exchange);
            }
            ServerStep::Failed(SaslFault::Backend(backend)) => {
                let doing = Doing {
                    tag: exchange.tag,
                    name: "AUTHENTICATE",
                    moment: Moment::Silent,
                    progress: Progress::None,
                };
                self.refuse(now, doing, Refusal::Backend(backend));
            }
            ServerStep::LoginFailed(failed) => self.login_failed(now, exchange.tag, failed),
            _ => self.auth_failed(now, exchange.tag),
        }
    }

    fn logged_in(&mut self, now: Now, tag: Tag) {
        self.session.authenticated = true;
        self.session.bad_commands = 0;
        self.timers.stop(Timer::PreAuth);
        self.use_limits_of_state();
        let list = capabilities(&self.config, &self.session);
        let reply = StatusResponse::ok("Logged in.").with_code(ResponseCode::Capability(list));
        self.finish(now, tag, reply, Moment::Silent);
    }

    /// Nobody was asked, so that somebody has to be told.
    fn login_failed(&mut self, now: Now, tag: Tag, failed: LoginFailed) {
        self.queue.push_back(Step::App(Event::LoginFailed(failed)));
        self.auth_failed(now, tag);
    }

    fn auth_failed(&mut self, now: Now, tag: Tag) {
        let reply =
            StatusResponse::no("Authentication failed.").with_code(ResponseCode::AuthenticationFailed);
        self.finish(now, tag, reply, Moment::Silent);
        self.count_auth_failure();
    }

    fn count_auth_failure(&mut self) {
        self.session.auth_failures += 1;
        if self.session.auth_failures >= self.config.limits.auth_failures_max {
            self.close_protocol("too many failed logins", "Too many failed logins.");
        }
    }
}

impl Answer for Authenticate {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: AuthVerdict) {
        if let Progress::Authenticate(mut sasl) = doing.progress {
            let step = sasl.verdict(verdict);
            let exchange = Exchange { tag: doing.tag, sasl, confirming: false };
            return server.exchange_step(now, exchange, step);
        }
        match verdict {
            AuthVerdict::Accept => server.logged_in(now, doing.tag),
            AuthVerdict::Backend(backend) => server.refuse(now, doing, Refusal::Backend(backend)),
            _ => server.auth_failed(now, doing.tag),
        }
    }
}

fn privacy_required() -> StatusResponse {
    StatusResponse::no("Use TLS first.").with_code(ResponseCode::PrivacyRequired)
}

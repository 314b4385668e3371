//! LOGIN, AUTHENTICATE and STARTTLS.
//!
//! RFC 3501 sections 6.2.1–6.2.3, RFC 4959 (initial response), RFC 5530 (PRIVACYREQUIRED, AUTHENTICATIONFAILED).
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
use alloc::string::String;
use proto_core::sasl::line::{OCTETS_MAX, Response, encode};
use proto_core::sasl::{AuthVerdict, Authenticate, Credentials, Mechanism, ServerExchange, ServerStep};
use proto_core::{LineEnding, Now, Secret, Step};

/// An AUTHENTICATE under way.
#[derive(Debug)]
pub(super) struct Exchange {
    tag: Tag,
    sasl: ServerExchange,
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
    pub(super) fn login(&mut self, now: Now, tag: Tag, user: &AString, password: Secret) {
        if !password_allowed(&self.config, &self.session) {
            return self.finish(now, tag, privacy_required(), Moment::Silent);
        }
        // A name that no directory can have is answered as one that it does not have.
        let name = user.to_str().filter(|name| !name.is_empty() && !name.chars().any(char::is_control));
        let Some(name) = name else { return self.auth_failed(now, tag) };
        let credentials = Credentials::Password { authzid: None, authcid: String::from(name), password };
        self.ask_credentials(now, tag, None, credentials);
    }

    /// `AUTHENTICATE`.
    pub(super) fn authenticate(&mut self, now: Now, tag: Tag, mechanism: &str, initial: Option<&Secret>) {
        let known = Mechanism::from_name(mechanism.as_bytes()).filter(|m| self.config.mechanisms.contains(m));
        let Some(mechanism) = known else {
            let reply =
                StatusResponse::no("Unsupported authentication mechanism.").with_code(ResponseCode::Cannot);
            return self.finish(now, tag, reply, Moment::Silent);
        };
        if !mechanism_allowed(&self.config, &self.session, mechanism) {
            return self.finish(now, tag, privacy_required(), Moment::Silent);
        }
        let mut sasl = ServerExchange::new(mechanism);
        let step = sasl.start(initial.map(Secret::expose));
        self.exchange_step(now, Exchange { tag, sasl }, step);
    }

    /// The client's next line of an AUTHENTICATE; false when it is not there yet.
    pub(super) fn exchange_line(&mut self, now: Now) -> bool {
        let Some(line) = self.input.next_line(OCTETS_MAX, LineEnding::CrlfOrLf) else { return false };
        let Phase::Exchange(mut exchange) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return false;
        };
        let response = match line {
            Ok(line) => Response::parse(&line),
            Err(_) => {
                self.bad(now, &exchange.tag, "Authentication response too long.");
                return true;
            }
        };
        match response {
            Ok(Response::Cancel) => self.bad(now, &exchange.tag, "Authentication cancelled."),
            Ok(Response::Message(message)) => {
                let step = exchange.sasl.respond(message.expose());
                self.exchange_step(now, exchange, step);
            }
            Err(_) => self.bad(now, &exchange.tag, "Authentication response is not base64."),
        }
        true
    }

    fn exchange_step(&mut self, now: Now, exchange: Exchange, step: ServerStep) {
        match step {
            ServerStep::Challenge(challenge) => {
                self.continuation(&encode(&challenge));
                self.phase = Phase::Exchange(exchange);
            }
            ServerStep::Ask(credentials) => {
                let mechanism = exchange.sasl.mechanism();
                self.ask_credentials(now, exchange.tag, Some(mechanism), credentials);
            }
            // Neither PLAIN nor LOGIN is content before the application is, nor has a last message.
            _ => self.auth_failed(now, exchange.tag),
        }
    }

    fn ask_credentials(
        &mut self,
        now: Now,
        tag: Tag,
        mechanism: Option<Mechanism>,
        credentials: Credentials,
    ) {
        let name = if mechanism.is_some() { "AUTHENTICATE" } else { "LOGIN" };
        let doing = Doing { tag, name, moment: Moment::Silent, progress: Progress::None };
        self.ask(now, doing, Authenticate { mechanism, credentials }, Event::Authenticate);
    }

    fn logged_in(&mut self, now: Now, doing: Doing) {
        self.session.authenticated = true;
        self.session.bad_commands = 0;
        self.timers.stop(Timer::PreAuth);
        self.use_limits_of_state();
        let list = capabilities(&self.config, &self.session);
        let reply = StatusResponse::ok("Logged in.").with_code(ResponseCode::Capability(list));
        self.finish(now, doing.tag, reply, Moment::Silent);
    }

    fn auth_failed(&mut self, now: Now, tag: Tag) {
        self.session.auth_failures += 1;
        let reply =
            StatusResponse::no("Authentication failed.").with_code(ResponseCode::AuthenticationFailed);
        self.finish(now, tag, reply, Moment::Silent);
        if self.session.auth_failures >= self.config.limits.auth_failures_max {
            self.close_protocol("too many failed logins", "Too many failed logins.");
        }
    }
}

impl Answer for Authenticate {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: AuthVerdict) {
        match verdict {
            AuthVerdict::Accept => server.logged_in(now, doing),
            AuthVerdict::Backend(backend) => server.refuse(now, doing, Refusal::Backend(backend)),
            _ => server.auth_failed(now, doing.tag),
        }
    }
}

fn privacy_required() -> StatusResponse {
    StatusResponse::no("Use TLS first.").with_code(ResponseCode::PrivacyRequired)
}

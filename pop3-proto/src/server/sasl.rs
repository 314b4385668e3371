//! AUTH (RFC 5034): a SASL exchange in lines of base64.
//!
//! `+ ` and base64 from the server, base64 or `*` from the client; an initial response may stand in the command, `=`
//! for an empty one. AUTH alone lists the mechanisms, as servers did before CAPA.

use super::event::Event;
use super::reply;
use super::session::{Phase, Server};
use proto_core::sasl::line::{self, Response};
use proto_core::sasl::{
    AuthVerdict, Authenticate, Mechanism, SaslFault, ServerContext, ServerExchange, ServerStep,
};
use proto_core::{DomainName, LineFault, Now};

/// An AUTH under way.
#[derive(Debug)]
pub(super) struct Exchange {
    sasl: ServerExchange,
    /// The server's last message is out; the client has to confirm it with an empty one (RFC 4422 section 3.6).
    confirming: bool,
}

impl Server {
    pub(super) fn auth_list(&mut self) {
        reply::write_ok(&mut self.output, format_args!("Mechanisms"));
        let mechanisms = super::Capabilities::new(&self.config, self.conditions()).mechanisms();
        for mechanism in mechanisms {
            self.output.extend(mechanism.name().as_bytes());
            self.output.extend(b"\r\n");
        }
        self.output.extend(b".\r\n");
    }

    pub(super) fn auth(&mut self, now: Now, name: &[u8], initial: Option<&[u8]>) {
        let Some(mechanism) = Mechanism::from_name(name) else {
            return self.bad_command(&reply::NO_MECHANISM);
        };
        if !self.config.mechanisms.contains(&mechanism) {
            return self.bad_command(&reply::NO_MECHANISM);
        }
        if !self.capabilities().mechanisms().any(|offered| offered == mechanism) {
            if self.conditions().need_tls(mechanism, self.config.allow_plaintext_auth) {
                return reply::NEEDS_TLS.write(&mut self.output);
            }
            return self.bad_command(&reply::NO_MECHANISM);
        }
        if initial.is_some() && !mechanism.takes_initial_response() {
            return self.bad_command(&reply::BAD_ARGUMENTS);
        }
        let Ok(initial) = initial.map(line::decode_initial).transpose() else {
            return self.bad_command(&reply::BAD_BASE64);
        };
        self.user = None;
        let plus_offered = self.capabilities().mechanisms().any(Mechanism::is_plus);
        let context = ServerContext {
            plus_offered,
            entropy: self.entropy.as_mut(),
            tls: self.tls.as_ref(),
            host_name: self.config.host_name.as_ref().map_or("", DomainName::as_str),
        };
        let mut sasl = ServerExchange::new(mechanism, context);
        let step = sasl.start(initial.as_ref().map(|message| message.expose()));
        self.exchange_step(now, Exchange { sasl, confirming: false }, step);
    }

    /// A line of an exchange has come.
    pub(super) fn exchange_line(&mut self, now: Now, line: Result<&mut [u8], LineFault>) {
        let Phase::Exchange(mut exchange) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return;
        };
        let response = match line {
            Err(LineFault::TooLong) => return self.break_off(&exchange, &reply::TOO_LONG),
            Err(LineFault::BareLf) => return self.break_off(&exchange, &reply::BARE_LF),
            Ok(line) => Response::parse(line),
        };
        match response {
            Err(_) => self.break_off(&exchange, &reply::BAD_BASE64),
            // Counted: each exchange may have cost the application a lookup.
            Ok(Response::Cancel) => self.break_off(&exchange, &reply::CANCELLED),
            Ok(Response::Message(message)) if exchange.confirming => {
                if message.is_empty() {
                    self.open_maildrop(now);
                } else {
                    self.bad_command(&reply::BAD_MESSAGE);
                }
            }
            Ok(Response::Message(message)) => {
                let step = exchange.sasl.respond(message);
                self.exchange_step(now, exchange, step);
            }
        }
    }

    /// The client ends the exchange. When it had been refused before, that was a login and has failed.
    fn break_off(&mut self, exchange: &Exchange, reply: &reply::Refusal) {
        if exchange.sasl.is_refused() {
            self.reject_credentials(reply);
        } else {
            self.bad_command(reply);
        }
    }

    /// The verdict about an exchange's credentials.
    pub(super) fn exchange_verdict(&mut self, now: Now, verdict: AuthVerdict) {
        let Phase::Exchange(mut exchange) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return;
        };
        let step = exchange.sasl.verdict(verdict);
        self.exchange_step(now, exchange, step);
    }

    fn exchange_step(&mut self, now: Now, mut exchange: Exchange, step: ServerStep) {
        match step {
            ServerStep::Challenge(message) => self.challenge(exchange, &message),
            ServerStep::Ask(credentials) => {
                let mechanism = Some(exchange.sasl.mechanism());
                self.phase = Phase::Exchange(exchange);
                self.ask(now, Authenticate { mechanism, credentials }, Event::Authenticate);
            }
            ServerStep::Done { server_final: None } => self.open_maildrop(now),
            ServerStep::Done { server_final: Some(message) } => {
                exchange.confirming = true;
                self.challenge(exchange, &message);
            }
            ServerStep::Failed(SaslFault::Rejected) => self.reject_credentials(&reply::AUTH_FAILED),
            ServerStep::LoginFailed(failed) => self.login_failed(failed),
            ServerStep::Failed(SaslFault::Backend(backend)) => {
                self.refuse_backend(&backend, "Authentication failed");
            }
            // Nothing else is a yes.
            _ => self.bad_command(&reply::BAD_MESSAGE),
        }
    }

    fn challenge(&mut self, exchange: Exchange, message: &[u8]) {
        self.output.extend(b"+ ");
        self.output.extend(line::encode(message).as_bytes());
        self.output.extend(b"\r\n");
        self.phase = Phase::Exchange(exchange);
    }
}

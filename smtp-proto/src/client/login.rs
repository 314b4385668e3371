//! AUTH from the client's side.
//!
//! RFC 4954. The mechanisms that both ends know are tried one after the other, in our order of preference.

use super::event::ClientFailure;
use super::session::{Awaited, Client};
use crate::reply::Reply;
use alloc::string::String;
use proto_core::sasl::{ClientExchange, Mechanism, line};

/// A login under way.
#[derive(Debug)]
pub(super) struct Login {
    /// The next mechanism to try, as an index into [`Mechanism::ALL`].
    next: usize,
    exchange: Option<ClientExchange>,
}

impl Client {
    /// Logs in if there is something to log in with, else is ready.
    pub(super) fn log_in(&mut self) {
        if self.config.credentials.is_none() {
            return self.become_idle();
        }
        self.login = Some(Login { next: 0, exchange: None });
        self.try_mechanism(ClientFailure::NoMechanism);
    }

    /// Starts the next mechanism; `otherwise` is what to say when none is left.
    fn try_mechanism(&mut self, otherwise: ClientFailure) {
        let (Some(credentials), Some(login)) = (&self.config.credentials, &mut self.login) else {
            return self.become_idle();
        };
        let in_clear = self.tls || self.config.allow_plaintext_auth;
        while let Some(mechanism) = Mechanism::ALL.get(login.next).copied() {
            login.next += 1;
            let usable = self.capabilities.mechanisms.contains(&mechanism);
            if !usable || (mechanism.is_plaintext() && !in_clear) {
                continue;
            }
            let mut exchange = ClientExchange::new(mechanism, credentials.clone());
            let Ok(initial) = exchange.initial_response() else { continue };
            let initial = initial.map(|message| line::encode_initial(message.expose()));
            let fits =
                |text: &String| "AUTH  ".len() + mechanism.name().len() + text.len() <= COMMAND_BYTES_MAX;
            self.output.extend(b"AUTH ");
            self.output.extend(mechanism.name().as_bytes());
            // RFC 4954 section 4: what does not fit a command line waits for the challenge.
            if let Some(text) = initial.as_ref().filter(|text| fits(text)) {
                self.output.extend(b" ");
                self.output.extend(text.as_bytes());
            } else {
                exchange = ClientExchange::new(mechanism, credentials.clone());
            }
            login.exchange = Some(exchange);
            return self.say(b"\r\n", Awaited::Auth);
        }
        self.login = None;
        self.fail(otherwise);
    }

    pub(super) fn on_auth(&mut self, reply: Reply) {
        let exchange = self.login.as_mut().and_then(|login| login.exchange.as_mut());
        match (reply.code(), exchange) {
            (235, Some(_)) => {
                let exchange = self.login.take().and_then(|login| login.exchange);
                match exchange.map(|exchange| exchange.finish(None)) {
                    Some(Ok(())) => self.become_idle(),
                    // It says yes though the exchange is not over: not to be believed.
                    _ => self.fail(ClientFailure::Unexpected(reply)),
                }
            }
            (334, Some(exchange)) => {
                let response = line::decode(reply.text().as_bytes())
                    .ok()
                    .and_then(|challenge| exchange.respond(challenge.expose()).ok());
                match response {
                    Some(message) => self.output.extend(line::encode(message.expose()).as_bytes()),
                    None => {
                        // Nothing but a refusal can follow.
                        self.login = self.login.take().map(|login| Login { exchange: None, ..login });
                        self.output.extend(b"*");
                    }
                }
                self.say(b"\r\n", Awaited::Auth);
            }
            _ if reply.is_permanent() => self.try_mechanism(ClientFailure::Authentication(reply)),
            _ if reply.is_temporary() => self.fail(ClientFailure::Authentication(reply)),
            _ => self.fail(ClientFailure::Unexpected(reply)),
        }
    }
}

/// RFC 5321 section 4.5.3.1.4, without CR LF.
const COMMAND_BYTES_MAX: usize = 510;

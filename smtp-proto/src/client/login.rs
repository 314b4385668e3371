//! AUTH from the client's side.
//!
//! RFC 4954. Of the mechanisms that both ends know, that the credentials suit and that may be used here, the strongest
//! is tried first, or the first of [`ClientConfig::mechanisms`](super::ClientConfig::mechanisms); after a 5yz the next.
//! A server that says that it is content is believed only when the exchange says so too; and one that did not keep to an
//! exchange which hides the password, or could not prove that it knows it, is not shown it by the next mechanism.

use super::event::{ClientFailure, NoMechanism};
use super::session::{Awaited, Client};
use crate::reply::Reply;
use alloc::vec;
use alloc::vec::Vec;
use proto_core::Secret;
use proto_core::sasl::{ClientContext, ClientExchange, Conditions, Mechanism, Nonces, SaslFault, line};

/// A login under way.
#[derive(Debug)]
pub(super) struct Login {
    /// The mechanisms that were not tried yet.
    left: vec::IntoIter<Mechanism>,
    exchange: Option<ClientExchange>,
    /// What to say when the challenge asks for it: an initial response that did not fit the command.
    held_back: Option<Secret>,
    /// Why the client gave the last exchange up.
    given_up: Option<SaslFault>,
}

impl Client {
    /// Hands in the randomness for SCRAM, which is not used without it.
    pub fn set_nonces(&mut self, nonces: Nonces) {
        self.nonces = Some(nonces);
    }

    /// Logs in if there is something to log in with, else is ready.
    pub(super) fn log_in(&mut self) {
        let Some(credentials) = &self.config.credentials else { return self.become_idle() };
        let entropy = self.nonces.as_ref().is_some_and(|nonces| !nonces.is_empty());
        let conditions = Conditions::new(self.tls.as_deref(), entropy);
        // Whether we showed a certificate is the driver's matter; that the server offers EXTERNAL says enough.
        let conditions = Conditions { peer_certificate: self.tls.is_some(), entropy, ..conditions };
        let in_clear = self.config.allow_plaintext_auth;
        let (offered, wanted) = (&self.capabilities.mechanisms, self.config.mechanisms.as_deref());
        let wanted = wanted.unwrap_or(Mechanism::ALL).iter().copied();
        let shared = wanted.filter(|mechanism| offered.contains(mechanism) && credentials.suit(*mechanism));
        let usable = shared.clone().filter(|mechanism| conditions.permit(*mechanism, in_clear));
        let left = usable.collect::<Vec<_>>().into_iter();
        let none = match () {
            () if offered.is_empty() => NoMechanism::NotOffered,
            () if shared.clone().next().is_none() => NoMechanism::NotShared,
            () if shared.clone().any(|m| Conditions { entropy: true, ..conditions }.permit(m, in_clear)) => {
                NoMechanism::NeedsNonces
            }
            () => NoMechanism::NeedsTls,
        };
        self.login = Some(Login { left, exchange: None, held_back: None, given_up: None });
        self.try_mechanism(ClientFailure::NoMechanism(none));
    }

    /// Starts the next mechanism; `otherwise` is what to say when none is left.
    fn try_mechanism(&mut self, otherwise: ClientFailure) {
        let (Some(credentials), Some(login)) = (&self.config.credentials, &mut self.login) else {
            return self.become_idle();
        };
        for mechanism in login.left.by_ref() {
            let context = ClientContext {
                nonces: self.nonces.as_mut(),
                tls: self.tls.as_ref(),
                plus_offered: self.capabilities.mechanisms.iter().any(|m| m.is_plus()),
                host: self.config.server_host.as_deref(),
                port: self.config.server_port,
                scram_iterations_max: self.config.limits.scram_iterations_max,
            };
            let begun = ClientExchange::new(mechanism, credentials, context);
            let Ok((exchange, initial)) = begun.and_then(|mut exchange| {
                let initial = exchange.initial_response()?;
                Ok((exchange, initial))
            }) else {
                continue;
            };
            self.output.extend(b"AUTH ");
            self.output.extend(mechanism.name().as_bytes());
            login.held_back = initial;
            if let Some(message) = &login.held_back {
                let bytes = line::encoded_bytes(message.expose().len()).max("=".len());
                // RFC 4954 section 4: what does not fit a command line waits for the challenge.
                if "AUTH  ".len() + mechanism.name().len() + bytes <= COMMAND_BYTES_MAX {
                    self.output.extend(b" ");
                    line::write_initial(message, &mut self.output);
                    login.held_back = None;
                }
            }
            login.exchange = Some(exchange);
            return self.say(b"\r\n", Awaited::Auth);
        }
        self.login = None;
        self.fail(otherwise);
    }

    pub(super) fn on_auth(&mut self, reply: Reply) {
        let login = self.login.as_mut();
        let waiting = login.map(|login| (login.held_back.take(), login.exchange.as_mut()));
        match (reply.code(), waiting) {
            (235, Some((None, Some(_)))) => {
                let exchange = self.login.take().and_then(|login| login.exchange);
                match exchange.map(|exchange| exchange.finish(None)) {
                    Some(Ok(())) => self.become_idle(),
                    Some(Err(SaslFault::Unproved)) => self.fail(ClientFailure::Sasl(SaslFault::Unproved)),
                    // It says yes though the exchange is not over: not to be believed.
                    _ => self.fail(ClientFailure::Unexpected(reply)),
                }
            }
            (334, Some((Some(message), Some(_)))) => {
                line::write(&message, &mut self.output);
                self.say(b"\r\n", Awaited::Auth);
            }
            (334, Some((None, Some(exchange)))) => {
                let response = line::decode(reply.text().as_bytes())
                    .map_err(|_| SaslFault::Malformed)
                    .and_then(|challenge| exchange.respond(challenge.expose()));
                match response {
                    Ok(message) => line::write(&message, &mut self.output),
                    Err(fault) => {
                        let hidden = !exchange.mechanism().is_plaintext();
                        if let Some(login) = &mut self.login {
                            // Nothing but a refusal can follow. A server's own is told in its words.
                            login.exchange = None;
                            login.given_up = Some(fault).filter(|fault| *fault != SaslFault::Rejected);
                            if hidden {
                                login.left = Vec::new().into_iter();
                            }
                        }
                        self.output.extend(b"*");
                    }
                }
                self.say(b"\r\n", Awaited::Auth);
            }
            _ if reply.is_permanent() || reply.is_temporary() => {
                let permanent = reply.is_permanent();
                let given_up = self.login.as_mut().and_then(|login| login.given_up.take());
                let failure = given_up.map_or(ClientFailure::Authentication(reply), ClientFailure::Sasl);
                if permanent { self.try_mechanism(failure) } else { self.fail(failure) }
            }
            _ => self.fail(ClientFailure::Unexpected(reply)),
        }
    }
}

/// RFC 5321 section 4.5.3.1.4, without CR LF.
const COMMAND_BYTES_MAX: usize = 510;

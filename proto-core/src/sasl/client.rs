//! The client's side of an exchange.

use super::{Mechanism, SaslFault, plain};
use crate::secret::Secret;
use alloc::string::String;

/// What a client proves its identity with.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Whom to act as; `None` for oneself.
    pub authzid: Option<String>,
    /// Who one is.
    pub authcid: String,
    /// The password.
    pub password: Secret,
}

/// One exchange: the initial response, if the mechanism has one and the protocol can carry it, then an answer to each
/// challenge, then [`finish`](Self::finish) once the server says that it is content.
#[derive(Debug)]
pub struct ClientExchange {
    mechanism: Mechanism,
    credentials: ClientCredentials,
    sent: u8,
}

impl ClientExchange {
    /// An exchange of this mechanism, nothing said yet.
    pub fn new(mechanism: Mechanism, credentials: ClientCredentials) -> Self {
        Self { mechanism, credentials, sent: 0 }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The message to send with the command; `None` when the server speaks first. A client that is not allowed to send
    /// it with the command does not call this: the first, empty challenge then asks for it.
    ///
    /// # Errors
    /// [`SaslFault::Malformed`] when the credentials cannot be written in this mechanism.
    pub fn initial_response(&mut self) -> Result<Option<Secret>, SaslFault> {
        match self.mechanism {
            Mechanism::Plain => self.respond(b"").map(Some),
            Mechanism::Login => Ok(None),
        }
    }

    /// The answer to a challenge.
    ///
    /// # Errors
    /// [`SaslFault::Malformed`] when the server asks for more than the mechanism has, or the credentials cannot be
    /// written in this mechanism. The client cancels the exchange.
    pub fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, SaslFault> {
        let message = match (self.mechanism, self.sent) {
            (Mechanism::Plain, 0) => plain::message(&self.credentials)?,
            // LOGIN has no place for an authzid, and acting as somebody else than was meant is no way out.
            (Mechanism::Login, 0) if self.credentials.authzid.is_none() => {
                self.credentials.authcid.as_str().into()
            }
            (Mechanism::Login, 1) => self.credentials.password.clone(),
            _ => return Err(SaslFault::Malformed),
        };
        self.sent += 1;
        Ok(message)
    }

    /// Checks that the server, which says that it is content, may be: all of the exchange took place, and its last
    /// message, if the mechanism has one, is right.
    ///
    /// # Errors
    /// [`SaslFault::Malformed`]; the client must not go on as if it had authenticated.
    pub fn finish(self, server_final: Option<&[u8]>) -> Result<(), SaslFault> {
        let due = match self.mechanism {
            Mechanism::Plain => 1,
            Mechanism::Login => 2,
        };
        let nothing_more = server_final.is_none_or(<[u8]>::is_empty);
        if self.sent == due && nothing_more { Ok(()) } else { Err(SaslFault::Malformed) }
    }
}

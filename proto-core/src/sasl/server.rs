//! The server's side of an exchange.

use super::{AuthVerdict, Credentials, Mechanism, SaslFault, login, plain};
use alloc::string::String;
use alloc::vec::Vec;

/// What a server does next.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerStep {
    /// Send this, which may be empty, and call [`ServerExchange::respond`] with what comes back.
    Challenge(Vec<u8>),
    /// Find out whether these are good and call [`ServerExchange::verdict`].
    Ask(Credentials),
    /// The client is who it says.
    Done {
        /// The server's last message, for mechanisms that have one. Where the protocol's success reply cannot carry
        /// it, it is sent as a challenge that the client answers with an empty message (RFC 4422 section 3.6).
        server_final: Option<Vec<u8>>,
    },
    /// It is not; the exchange is over.
    Failed(SaslFault),
}

/// One exchange. Call [`start`](Self::start), then follow the steps. A client's cancel is the protocol's matter: it
/// drops the exchange.
#[derive(Debug)]
pub struct ServerExchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The mechanism's first message is due.
    First,
    LoginPassword {
        authcid: String,
    },
    Verdict,
    Over,
}

impl ServerExchange {
    /// An exchange of this mechanism, nothing said yet.
    pub fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, state: State::First }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Begins. An empty initial response is one; absent is another thing (RFC 4422 section 3.3).
    pub fn start(&mut self, initial_response: Option<&[u8]>) -> ServerStep {
        match initial_response {
            Some(message) => self.respond(message),
            None => ServerStep::Challenge(match self.mechanism {
                Mechanism::Plain => Vec::new(),
                Mechanism::Login => login::NAME_PROMPT.to_vec(),
            }),
        }
    }

    /// Goes on with the client's answer to a challenge.
    pub fn respond(&mut self, message: &[u8]) -> ServerStep {
        let credentials = match (core::mem::replace(&mut self.state, State::Over), self.mechanism) {
            (State::First, Mechanism::Plain) => plain::parse(message),
            (State::First, Mechanism::Login) => match login::name(message) {
                Ok(authcid) => {
                    self.state = State::LoginPassword { authcid };
                    return ServerStep::Challenge(login::PASSWORD_PROMPT.to_vec());
                }
                Err(fault) => Err(fault),
            },
            (State::LoginPassword { authcid }, _) => login::credentials(authcid, message),
            (State::Verdict | State::Over, _) => Err(SaslFault::Malformed),
        };
        match credentials {
            Ok(credentials) => {
                self.state = State::Verdict;
                ServerStep::Ask(credentials)
            }
            Err(fault) => ServerStep::Failed(fault),
        }
    }

    /// Goes on with what was found out about the credentials.
    pub fn verdict(&mut self, verdict: AuthVerdict) -> ServerStep {
        let asked = matches!(core::mem::replace(&mut self.state, State::Over), State::Verdict);
        match verdict {
            _ if !asked => ServerStep::Failed(SaslFault::Malformed),
            AuthVerdict::Accept => ServerStep::Done { server_final: None },
            AuthVerdict::Reject => ServerStep::Failed(SaslFault::Rejected),
            AuthVerdict::Backend(backend) => ServerStep::Failed(SaslFault::Backend(backend)),
        }
    }
}

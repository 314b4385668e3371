//! The server's side of an exchange.

use super::{AuthVerdict, Credentials, LoginFailed, Mechanism, SaslFault, ServerContext};
use super::{anonymous, cram_md5, external, login, oauth, plain, scram};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a server does next.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerStep {
    /// Send this, which may be empty, and call [`ServerExchange::respond`] with what comes back.
    Challenge(Vec<u8>),
    /// Find out about these and call [`ServerExchange::verdict`]; it may happen twice in an exchange.
    Ask(Credentials),
    /// The client is who it says.
    Done {
        /// The server's last message, for mechanisms that have one. Where the protocol's success reply cannot carry
        /// it, it is sent as a challenge that the client answers with an empty message (RFC 4422 section 3.6).
        server_final: Option<Vec<u8>>,
    },
    /// It is not; the exchange is over. [`SaslFault::Rejected`] says what a verdict has said before.
    Failed(SaslFault),
    /// Nor this time, and no verdict has said so: the exchange is over, the application is to be told, and the client
    /// gets the answer to [`SaslFault::Rejected`].
    LoginFailed(LoginFailed),
}

/// One exchange. Call [`start`](Self::start), then follow the steps. A client's cancel is the protocol's matter: it
/// drops the exchange, and counts a failed login if it [was refused](Self::is_refused) already.
#[derive(Debug)]
pub struct ServerExchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The client's one message is due.
    Message(fn(&[u8]) -> Result<Credentials, SaslFault>),
    LoginName,
    LoginPassword {
        authcid: Vec<u8>,
    },
    /// The one question is out.
    Verdict,
    CramMd5(Box<cram_md5::Server>),
    Scram(Box<scram::Server>),
    Oauth(oauth::Server),
    Unavailable,
    Over,
}

impl ServerExchange {
    /// An exchange of this mechanism, nothing said yet. When the context lacks what the mechanism needs, it fails at
    /// its start with [`SaslFault::Unavailable`]; [`Conditions`](super::Conditions) tell beforehand.
    pub fn new(mechanism: Mechanism, context: ServerContext<'_>) -> Self {
        Self { mechanism, state: State::new(mechanism, context) }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether a verdict has said no and only the client's last message, which means nothing, is still due (OAUTHBEARER and
    /// XOAUTH2: RFC 7628 section 3.2.3). However the exchange ends then, by a cancel too, it is a failed login.
    pub fn is_refused(&self) -> bool {
        matches!(&self.state, State::Oauth(exchange) if exchange.is_refused())
    }

    /// Begins. An empty initial response is one; absent is another thing (RFC 4422 section 3.3).
    pub fn start(&mut self, initial_response: Option<&[u8]>) -> ServerStep {
        match (&self.state, initial_response) {
            (State::Unavailable, _) => ServerStep::Failed(SaslFault::Unavailable),
            // The server speaks first, and must.
            (State::CramMd5(_), Some(_)) => {
                self.state = State::Over;
                ServerStep::Failed(SaslFault::Malformed)
            }
            (_, Some(message)) => self.respond(message),
            (State::CramMd5(exchange), None) => ServerStep::Challenge(exchange.challenge()),
            (State::LoginName, None) => ServerStep::Challenge(login::NAME_PROMPT.to_vec()),
            (_, None) => ServerStep::Challenge(Vec::new()),
        }
    }

    /// Goes on with the client's answer to a challenge.
    pub fn respond(&mut self, message: &[u8]) -> ServerStep {
        let name;
        let (credentials, authcid) = match core::mem::replace(&mut self.state, State::Over) {
            State::CramMd5(mut exchange) => {
                let step = exchange.respond(message);
                self.state = State::CramMd5(exchange);
                return step;
            }
            State::Scram(mut exchange) => {
                let step = exchange.respond(message);
                self.state = State::Scram(exchange);
                return step;
            }
            State::Oauth(mut exchange) => {
                let step = exchange.respond(message);
                self.state = State::Oauth(exchange);
                return step;
            }
            // Of these only PLAIN has a password that could be nobody's.
            State::Message(parse) => (parse(message), plain::authcid(message)),
            State::LoginName => match super::identity(message) {
                Ok(_) => {
                    self.state = State::LoginPassword { authcid: message.to_vec() };
                    return ServerStep::Challenge(login::PASSWORD_PROMPT.to_vec());
                }
                Err(fault) => return ServerStep::Failed(fault),
            },
            State::LoginPassword { authcid } => {
                name = authcid;
                (Credentials::password(b"", &name, message), &*name)
            }
            State::Unavailable => return ServerStep::Failed(SaslFault::Unavailable),
            State::Verdict | State::Over => return ServerStep::Failed(SaslFault::Malformed),
        };
        match credentials {
            Ok(credentials) => {
                self.state = State::Verdict;
                ServerStep::Ask(credentials)
            }
            Err(SaslFault::Rejected) => {
                ServerStep::LoginFailed(LoginFailed::new(Some(self.mechanism), authcid))
            }
            Err(fault) => ServerStep::Failed(fault),
        }
    }

    /// Goes on with what was found out about the credentials.
    pub fn verdict(&mut self, verdict: AuthVerdict) -> ServerStep {
        match core::mem::replace(&mut self.state, State::Over) {
            State::CramMd5(mut exchange) => {
                let step = exchange.verdict(verdict);
                self.state = State::CramMd5(exchange);
                step
            }
            State::Scram(mut exchange) => {
                let step = exchange.verdict(verdict);
                self.state = State::Scram(exchange);
                step
            }
            State::Oauth(mut exchange) => {
                let step = exchange.verdict(verdict);
                self.state = State::Oauth(exchange);
                step
            }
            State::Verdict => match verdict {
                AuthVerdict::Accept => ServerStep::Done { server_final: None },
                AuthVerdict::Backend(backend) => ServerStep::Failed(SaslFault::Backend(backend)),
                // A secret says nothing about these credentials.
                AuthVerdict::Reject | AuthVerdict::Secret(_) => ServerStep::Failed(SaslFault::Rejected),
            },
            _ => ServerStep::Failed(SaslFault::Malformed),
        }
    }
}

impl State {
    fn new(mechanism: Mechanism, context: ServerContext<'_>) -> Self {
        match mechanism {
            Mechanism::Plain => Self::Message(plain::parse),
            Mechanism::Login => Self::LoginName,
            Mechanism::External if context.tls.is_some_and(|tls| tls.peer_certificate.is_some()) => {
                Self::Message(external::parse)
            }
            Mechanism::External => Self::Unavailable,
            Mechanism::Anonymous => Self::Message(anonymous::parse),
            Mechanism::OauthBearer | Mechanism::Xoauth2 => Self::Oauth(oauth::Server::new(mechanism)),
            Mechanism::CramMd5
            | Mechanism::ScramSha256Plus
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1 => Self::with_entropy(mechanism, context).unwrap_or(Self::Unavailable),
        }
    }

    fn with_entropy(mechanism: Mechanism, context: ServerContext<'_>) -> Option<Self> {
        let entropy = context.entropy?;
        let nonce = entropy.nonces.draw()?;
        let Some(hash) = mechanism.scram_hash() else {
            return Some(Self::CramMd5(Box::new(cram_md5::Server::new(&nonce, context.host_name))));
        };
        Some(Self::Scram(Box::new(scram::Server {
            mechanism,
            hash,
            plus_offered: context.plus_offered,
            tls: context.tls.map(Arc::clone),
            nonce,
            decoys: entropy.decoys.clone(),
            phase: scram::Phase::First,
        })))
    }
}

//! The client's side of an exchange.

use super::{ClientContext, Mechanism, SaslFault, anonymous, cram_md5, oauth, plain, scram};
use crate::secret::Secret;
use alloc::boxed::Box;
use alloc::string::String;

/// What a client proves its identity with: one thing or several. Each mechanism takes what it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCredentials {
    /// Whom to act as; `None` for oneself.
    pub authzid: Option<String>,
    /// Who one is; not said by EXTERNAL and ANONYMOUS. With a token, whose mailbox it is.
    pub authcid: String,
    /// The password, for PLAIN, LOGIN, CRAM-MD5 and SCRAM.
    pub password: Option<Secret>,
    /// The bearer token, for OAUTHBEARER and XOAUTH2.
    pub token: Option<Secret>,
    /// The certificate shown in the TLS handshake says who one is: EXTERNAL.
    pub external: bool,
    /// By what one wants to be remembered, which may be empty: ANONYMOUS (RFC 4505 section 2).
    pub anonymous: Option<String>,
}

impl ClientCredentials {
    /// A name and a password.
    pub fn password(authcid: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { authcid: authcid.into(), password: Some(password.into()), ..Self::default() }
    }

    /// A bearer token, and the user whom it lets in.
    pub fn token(authcid: impl Into<String>, token: impl Into<Secret>) -> Self {
        Self { authcid: authcid.into(), token: Some(token.into()), ..Self::default() }
    }

    /// The certificate of the TLS handshake.
    pub fn external() -> Self {
        Self { external: true, ..Self::default() }
    }

    /// None.
    pub fn anonymous(trace: impl Into<String>) -> Self {
        Self { anonymous: Some(trace.into()), ..Self::default() }
    }

    /// The same, to act as somebody else.
    #[must_use]
    pub fn acting_as(self, authzid: impl Into<String>) -> Self {
        Self { authzid: Some(authzid.into()), ..self }
    }

    /// Whether there is what this mechanism needs.
    pub fn suit(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::External => self.external,
            Mechanism::Anonymous => self.anonymous.is_some(),
            Mechanism::OauthBearer | Mechanism::Xoauth2 => self.token.is_some(),
            // These have no place for an authzid, and acting as somebody else than was meant is no way out.
            Mechanism::Login | Mechanism::CramMd5 => self.password.is_some() && self.authzid.is_none(),
            _ => self.password.is_some(),
        }
    }
}

/// One exchange: the initial response, if the mechanism has one and the protocol can carry it, then an answer to each
/// challenge, then [`finish`](Self::finish) once the server says that it is content.
#[derive(Debug)]
pub struct ClientExchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    /// One message, which answers an empty challenge or none.
    Message(Secret),
    LoginName {
        name: Secret,
        password: Secret,
    },
    LoginPassword(Secret),
    CramMd5 {
        authcid: String,
        password: Secret,
    },
    Scram(Box<scram::Client>),
    /// All is said.
    Said,
    Over,
}

impl ClientExchange {
    /// An exchange of this mechanism, nothing said yet.
    ///
    /// # Errors
    /// [`SaslFault::Unavailable`] when credentials or context lack what the mechanism needs, [`SaslFault::Malformed`]
    /// when the credentials cannot be written in it.
    pub fn new(
        mechanism: Mechanism,
        credentials: &ClientCredentials,
        context: ClientContext<'_>,
    ) -> Result<Self, SaslFault> {
        if !credentials.suit(mechanism) {
            return Err(SaslFault::Unavailable);
        }
        let missing = SaslFault::Unavailable;
        let password = || credentials.password.as_ref().ok_or(missing.clone());
        let token = || credentials.token.as_ref().ok_or(missing.clone());
        let authzid = credentials.authzid.as_deref();
        let authcid = &*credentials.authcid;
        let state = match (mechanism, mechanism.scram_hash()) {
            (_, Some(hash)) => {
                let names = (authzid, authcid);
                let client = scram::Client::new(mechanism, hash, names, password()?, context)?;
                State::Scram(Box::new(client))
            }
            (Mechanism::Plain, _) => State::Message(plain::message(credentials, password()?)?),
            (Mechanism::Login, _) => State::LoginName { name: authcid.into(), password: password()?.clone() },
            (Mechanism::CramMd5, _) => {
                State::CramMd5 { authcid: authcid.into(), password: password()?.clone() }
            }
            (Mechanism::OauthBearer | Mechanism::Xoauth2, _) => {
                let user = authzid.unwrap_or(authcid);
                State::Message(oauth::message(mechanism, user, token()?, context.host, context.port)?)
            }
            (Mechanism::External, _) => State::Message(authzid.unwrap_or_default().into()),
            (Mechanism::Anonymous, _) => {
                let trace = credentials.anonymous.as_deref().unwrap_or_default();
                anonymous::check(trace)?;
                State::Message(trace.into())
            }
            _ => return Err(missing),
        };
        Ok(Self { mechanism, state })
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The message to send with the command; `None` when the server speaks first. A client that is not allowed to send
    /// it with the command does not call this: the first, empty challenge then asks for it.
    ///
    /// # Errors
    /// [`SaslFault::Malformed`] when something was said already.
    pub fn initial_response(&mut self) -> Result<Option<Secret>, SaslFault> {
        match self.mechanism {
            Mechanism::Login | Mechanism::CramMd5 => Ok(None),
            _ => self.respond(b"").map(Some),
        }
    }

    /// The answer to a challenge.
    ///
    /// # Errors
    /// When the server asks for more than the mechanism has, or for what cannot be right. The client cancels the
    /// exchange.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslFault> {
        let (message, next) = match core::mem::replace(&mut self.state, State::Over) {
            State::Message(message) => (message, State::Said),
            State::LoginName { name, password } => (name, State::LoginPassword(password)),
            State::LoginPassword(password) => (password, State::Said),
            State::CramMd5 { authcid, password } => {
                (cram_md5::message(&authcid, &password, challenge), State::Said)
            }
            State::Scram(mut exchange) => {
                let message = exchange.respond(challenge)?;
                (message, State::Scram(exchange))
            }
            State::Said if matches!(self.mechanism, Mechanism::OauthBearer | Mechanism::Xoauth2) => {
                (oauth::after_refusal(self.mechanism), State::Over)
            }
            State::Said | State::Over => return Err(SaslFault::Malformed),
        };
        self.state = next;
        Ok(message)
    }

    /// Checks that the server, which says that it is content, may be: all of the exchange took place, and its last
    /// message, if the mechanism has one, is right.
    ///
    /// # Errors
    /// [`SaslFault::Malformed`], or [`SaslFault::Unproved`]; the client must not go on as if it had authenticated.
    pub fn finish(self, server_final: Option<&[u8]>) -> Result<(), SaslFault> {
        match self.state {
            State::Scram(exchange) => exchange.finish(server_final),
            State::Said if server_final.is_none_or(<[u8]>::is_empty) => Ok(()),
            _ => Err(SaslFault::Malformed),
        }
    }
}

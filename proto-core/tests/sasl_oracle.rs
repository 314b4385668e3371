//! SASL exchanges against `rsasl`, which shares no code with ours: our client with its server, its client with our
//! server, with what opens the account and with what does not.
//!
//! Its server takes the word "Bearer" of OAUTHBEARER (RFC 7628 section 3.1) for a part of the token.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto_core::TlsInfo;
use proto_core::sasl::{
    ClientContext, ClientCredentials, ClientExchange, Decoys, Mechanism, Nonces, ScramHash, ScramKeys,
    ServerContext, ServerEntropy, ServerExchange, ServerStep,
};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::anonymous::{ANONYMOUS, AnonymousToken};
use rsasl::mechanisms::external::EXTERNAL;
use rsasl::mechanisms::login::LOGIN;
use rsasl::mechanisms::oauthbearer::OAUTHBEARER;
use rsasl::mechanisms::oauthbearer::properties::{OAuthBearerError, OAuthBearerErrored, OAuthBearerValidate};
use rsasl::mechanisms::plain::PLAIN;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechanisms::scram::{SCRAM_SHA1, SCRAM_SHA1_PLUS, SCRAM_SHA256, SCRAM_SHA256_PLUS};
use rsasl::mechanisms::xoauth2::XOAUTH2;
use rsasl::mechanisms::xoauth2::properties::{XOAuth2Error, XOAuth2Validate};
use rsasl::prelude::{
    Mechanism as TheirMechanism, Mechname, Registry, SASLClient, SASLConfig, SASLServer, SessionError, State,
    Validation,
};
use rsasl::property::{AuthId, AuthzId, ChannelBindings, OAuthBearerToken, OverrideCBType, Password};
use rsasl::validate::{Validate, ValidationError};
use std::sync::Arc;
use testkit::Account;

/// What opens the account by a mechanism, and what does not.
const ROWS: [(Mechanism, &str, Option<&str>); 10] = [
    (Mechanism::ScramSha256Plus, PASSWORD, Some("wrong")),
    (Mechanism::ScramSha1Plus, PASSWORD, Some("wrong")),
    (Mechanism::ScramSha256, PASSWORD, Some("wrong")),
    (Mechanism::ScramSha1, PASSWORD, Some("wrong")),
    (Mechanism::Plain, PASSWORD, Some("wrong")),
    (Mechanism::Login, PASSWORD, Some("wrong")),
    (Mechanism::OauthBearer, TOKEN, Some("forged")),
    (Mechanism::Xoauth2, TOKEN, Some("forged")),
    (Mechanism::External, USER, Some("somebody.else")),
    (Mechanism::Anonymous, "sirhc@x.test", None),
];

static THEIRS: [TheirMechanism; 10] = [
    SCRAM_SHA256_PLUS,
    SCRAM_SHA1_PLUS,
    SCRAM_SHA256,
    SCRAM_SHA1,
    PLAIN,
    LOGIN,
    OAUTHBEARER,
    XOAUTH2,
    EXTERNAL,
    ANONYMOUS,
];

const USER: &str = "\u{fc}ser";
const PASSWORD: &str = "pen, cil=\u{fc}";
const TOKEN: &str = "eyJ.h-_~+/09==";
const BINDING: [u8; 32] = [0xab; 32];

/// The other library's application, of a server and of a client.
struct Other {
    mechanism: Mechanism,
    /// The password, the token, whom he wants to act as, or what he wants to be remembered by.
    secret: &'static str,
    keys: [ScramKeys; 2],
}

impl Other {
    fn config(mechanism: Mechanism, secret: &'static str) -> Arc<SASLConfig> {
        let keys = [ScramHash::Sha1, ScramHash::Sha256]
            .map(|hash| ScramKeys::derive(hash, &secret.into(), b"saltsaltsaltsalt", 4096).unwrap());
        let registry = Registry::with_mechanisms(&THEIRS);
        SASLConfig::builder().with_registry(registry).with_callback(Self { mechanism, secret, keys }).unwrap()
    }

    /// Whether its server was told who we are and what is right.
    fn is_right(&self, context: &Context<'_>) -> bool {
        let user = context.get_ref::<AuthId>();
        let authzid = context.get_ref::<AuthzId>();
        let token = context.get_ref::<OAuthBearerToken>();
        match self.mechanism {
            Mechanism::External => authzid == Some(self.secret),
            Mechanism::Anonymous => context.get_ref::<AnonymousToken>() == Some(self.secret),
            Mechanism::Xoauth2 => user == Some(USER) && token == Some(self.secret),
            Mechanism::OauthBearer => {
                authzid == Some(USER)
                    && token.and_then(|token| token.strip_prefix("Bearer ")) == Some(self.secret)
            }
            // SCRAM has checked the proof before.
            _ => {
                user == Some(USER)
                    && context
                        .get_ref::<Password>()
                        .is_none_or(|password| prepared(password) == prepared(self.secret.as_bytes()))
            }
        }
    }
}

/// What its server says about a login.
struct Right;

impl Validation for Right {
    type Value = bool;
}

impl SessionCallback for Other {
    fn enable_channel_binding(&self) -> bool {
        true
    }

    fn callback(
        &self,
        session: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        let sha1 = session.mechanism().mechanism.as_str().contains("SHA-1");
        let keys = &self.keys[usize::from(!sha1)];
        if context.get_ref::<AuthId>().is_none_or(|user| user == USER) {
            request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
                keys.iterations(),
                keys.salt(),
                keys.stored_key().expose(),
                keys.server_key().expose(),
            ))?;
        }
        let is_right = self.is_right(context);
        let refused = OAuthBearerError::new("invalid_token", None, None);
        request
            .satisfy::<OAuthBearerValidate>(&if is_right { Ok(()) } else { Err(refused) })?
            .satisfy::<XOAuth2Validate>(&if is_right { Ok(()) } else { Err(r#"{"status":"401"}"#) })?;
        // Its clients want somebody to have read why they were refused.
        let _ = request.get_action::<OAuthBearerErrored>();
        let _ = request.get_action::<XOAuth2Error>();
        match self.mechanism {
            Mechanism::External => request.satisfy::<AuthzId>(self.secret)?,
            Mechanism::OauthBearer => request.satisfy::<AuthzId>(USER)?,
            _ => request,
        };
        request
            .satisfy::<AuthId>(USER)?
            .satisfy::<Password>(self.secret.as_bytes())?
            .satisfy::<OAuthBearerToken>(self.secret)?
            .satisfy::<AnonymousToken>(self.secret)?
            .satisfy::<OverrideCBType>("tls-exporter")?
            .satisfy::<ChannelBindings>(&BINDING)?;
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        validate.with::<Right, _>(|| Ok(self.is_right(context)))?;
        Ok(())
    }
}

fn prepared(password: &[u8]) -> proto_core::Secret {
    proto_core::sasl::saslprep::saslprep(core::str::from_utf8(password).unwrap()).unwrap()
}

fn tls() -> Arc<TlsInfo> {
    let mut tls = TlsInfo::default();
    tls.exporter = Some(BINDING.to_vec());
    tls.peer_certificate = Some(b"a certificate".to_vec());
    Arc::new(tls)
}

fn credentials(mechanism: Mechanism, secret: &'static str) -> ClientCredentials {
    match mechanism {
        Mechanism::OauthBearer | Mechanism::Xoauth2 => ClientCredentials::token(USER, secret),
        Mechanism::External => ClientCredentials::external().acting_as(secret),
        Mechanism::Anonymous => ClientCredentials::anonymous(secret),
        _ => ClientCredentials::password(USER, secret),
    }
}

/// Our client, its server, which knows what is right: what each makes of it.
fn our_client(mechanism: Mechanism, right: &'static str, secret: &'static str) -> (bool, bool) {
    let (tls, mut nonces) = (tls(), Nonces::seeded([5; 32]));
    let context = ClientContext {
        nonces: Some(&mut nonces),
        tls: Some(&tls),
        plus_offered: true,
        ..Default::default()
    };
    let mut client = ClientExchange::new(mechanism, &credentials(mechanism, secret), context).unwrap();
    let name = Mechname::parse(mechanism.name().as_bytes()).unwrap();
    let mut server = SASLServer::<Right>::new(Other::config(mechanism, right)).start_suggested(name).unwrap();
    let mut message = client.initial_response().unwrap();
    loop {
        let mut challenge = Vec::new();
        let state = server.step(message.as_ref().map(proto_core::Secret::expose), &mut challenge);
        match state {
            Ok(State::Running) => match client.respond(&challenge) {
                Ok(answer) => message = Some(answer),
                Err(_) => return (false, false),
            },
            Ok(State::Finished(_)) => {
                let right = server.validation() == Some(true);
                return (right, client.finish(Some(&challenge)).is_ok());
            }
            Err(_) => return (false, client.finish(None).is_ok()),
        }
    }
}

/// Its client, our server. A client that is shown no -PLUS says so, and is believed only when there was none.
fn our_server(mechanism: Mechanism, right: &'static str, secret: &'static str) -> (bool, bool) {
    let tls = tls();
    let account = Account::new(USER, prepared(right.as_bytes()).expose_str().unwrap());
    let mut entropy = ServerEntropy { nonces: Nonces::seeded([6; 32]), decoys: Decoys::new([7; 32]) };
    let context = ServerContext {
        entropy: Some(&mut entropy),
        tls: Some(&tls),
        plus_offered: mechanism.is_plus(),
        ..Default::default()
    };
    let mut server = ServerExchange::new(mechanism, context);
    let name = Mechname::parse(mechanism.name().as_bytes()).unwrap();
    let mut client = SASLClient::new(Other::config(mechanism, secret)).start_suggested(&[name]).unwrap();
    let mut message = Vec::new();
    let mut finished = false;
    let mut step = if client.are_we_first() {
        finished = matches!(client.step(None, &mut message), Ok(State::Finished(_)));
        server.start(Some(&message))
    } else {
        server.start(None)
    };
    loop {
        step = match step {
            ServerStep::Challenge(challenge) => {
                message.clear();
                match client.step(Some(&challenge), &mut message) {
                    Ok(state) => finished = matches!(state, State::Finished(_)),
                    Err(_) => return (false, false),
                }
                server.respond(&message)
            }
            ServerStep::Ask(credentials) => server.verdict(account.judge(&credentials)),
            ServerStep::Done { server_final } => {
                // A client with a token takes the end of the exchange for a yes.
                if server_final.is_some() || !finished {
                    message.clear();
                    let last = client.step(server_final.as_deref(), &mut message);
                    finished = matches!(last, Ok(State::Finished(_)));
                }
                return (true, finished);
            }
            _ => return (false, finished && mechanism.is_plaintext()),
        };
    }
}

#[test]
fn our_client_with_its_server() {
    for (mechanism, right, wrong) in ROWS {
        assert_eq!(our_client(mechanism, right, right), (true, true), "{mechanism}");
        if let Some(wrong) = wrong {
            assert!(!our_client(mechanism, right, wrong).0, "{mechanism}");
        }
    }
}

#[test]
fn its_client_with_our_server() {
    for (mechanism, right, wrong) in ROWS {
        assert_eq!(our_server(mechanism, right, right), (true, true), "{mechanism}");
        if let Some(wrong) = wrong {
            assert!(!our_server(mechanism, right, wrong).0, "{mechanism}");
        }
    }
}

//! SASL exchanges against `rsasl`, which shares no code with ours: our client with its server, its client with our
//! server, the right password and a wrong one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto_core::TlsInfo;
use proto_core::sasl::{
    ClientContext, ClientCredentials, ClientExchange, Decoys, Mechanism, Nonces, ScramHash, ScramKeys,
    ServerContext, ServerEntropy, ServerExchange, ServerStep,
};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::login::LOGIN;
use rsasl::mechanisms::plain::PLAIN;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechanisms::scram::{SCRAM_SHA1, SCRAM_SHA1_PLUS, SCRAM_SHA256, SCRAM_SHA256_PLUS};
use rsasl::prelude::{
    Mechanism as TheirMechanism, Mechname, Registry, SASLClient, SASLConfig, SASLServer, SessionError, State,
    Validation,
};
use rsasl::property::{AuthId, ChannelBindings, OverrideCBType, Password};
use rsasl::validate::{Validate, ValidationError};
use std::sync::Arc;
use testkit::Account;

const MECHANISMS: [Mechanism; 6] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1,
    Mechanism::Plain,
    Mechanism::Login,
];

static THEIRS: [TheirMechanism; 6] =
    [SCRAM_SHA256_PLUS, SCRAM_SHA1_PLUS, SCRAM_SHA256, SCRAM_SHA1, PLAIN, LOGIN];

const USER: &str = "\u{fc}ser";
const PASSWORD: &str = "pen, cil=\u{fc}";
const BINDING: [u8; 32] = [0xab; 32];

/// The other library's application, of a server and of a client.
struct Other {
    password: &'static str,
    keys: [ScramKeys; 2],
}

impl Other {
    fn config(password: &'static str) -> Arc<SASLConfig> {
        let keys = [ScramHash::Sha1, ScramHash::Sha256]
            .map(|hash| ScramKeys::derive(hash, &password.into(), b"saltsaltsaltsalt", 4096).unwrap());
        let registry = Registry::with_mechanisms(&THEIRS);
        SASLConfig::builder().with_registry(registry).with_callback(Self { password, keys }).unwrap()
    }
}

/// What its server says about a password.
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
        request
            .satisfy::<AuthId>(USER)?
            .satisfy::<Password>(self.password.as_bytes())?
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
        let user = context.get_ref::<AuthId>() == Some(USER);
        // SCRAM has checked the proof before.
        let password = context.get_ref::<Password>();
        validate.with::<Right, _>(|| {
            Ok(user && password.is_none_or(|p| prepared(p) == prepared(self.password.as_bytes())))
        })?;
        Ok(())
    }
}

fn prepared(password: &[u8]) -> proto_core::Secret {
    proto_core::sasl::saslprep::saslprep(core::str::from_utf8(password).unwrap()).unwrap()
}

fn tls() -> Arc<TlsInfo> {
    let mut tls = TlsInfo::default();
    tls.exporter = Some(BINDING.to_vec());
    Arc::new(tls)
}

/// Our client, its server: what each makes of it.
fn our_client(mechanism: Mechanism, password: &'static str) -> (bool, bool) {
    let (tls, mut nonces) = (tls(), Nonces::seeded([5; 32]));
    let context = ClientContext {
        nonces: Some(&mut nonces),
        tls: Some(&tls),
        plus_offered: true,
        ..Default::default()
    };
    let credentials = ClientCredentials::password(USER, password);
    let mut client = ClientExchange::new(mechanism, &credentials, context).unwrap();
    let name = Mechname::parse(mechanism.name().as_bytes()).unwrap();
    let mut server = SASLServer::<Right>::new(Other::config(PASSWORD)).start_suggested(name).unwrap();
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
fn our_server(mechanism: Mechanism, password: &'static str) -> (bool, bool) {
    let tls = tls();
    let account = Account::new(USER, prepared(PASSWORD.as_bytes()).expose_str().unwrap());
    let mut entropy = ServerEntropy { nonces: Nonces::seeded([6; 32]), decoys: Decoys::new([7; 32]) };
    let context = ServerContext {
        entropy: Some(&mut entropy),
        tls: Some(&tls),
        plus_offered: mechanism.is_plus(),
        ..Default::default()
    };
    let mut server = ServerExchange::new(mechanism, context);
    let name = Mechname::parse(mechanism.name().as_bytes()).unwrap();
    let mut client = SASLClient::new(Other::config(password)).start_suggested(&[name]).unwrap();
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
                if let Some(last) = server_final {
                    message.clear();
                    finished = matches!(client.step(Some(&last), &mut message), Ok(State::Finished(_)));
                }
                return (true, finished);
            }
            _ => return (false, finished && mechanism.is_plaintext()),
        };
    }
}

#[test]
fn our_client_with_its_server() {
    for mechanism in MECHANISMS {
        assert_eq!(our_client(mechanism, PASSWORD), (true, true), "{mechanism}");
        assert!(!our_client(mechanism, "wrong").0, "{mechanism}");
    }
}

#[test]
fn its_client_with_our_server() {
    for mechanism in MECHANISMS {
        assert_eq!(our_server(mechanism, PASSWORD), (true, true), "{mechanism}");
        assert!(!our_server(mechanism, "wrong").0, "{mechanism}");
    }
}

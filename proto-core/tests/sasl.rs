//! SASL exchanges: the vectors of the RFCs, and every mechanism with our two sides.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto_core::sasl::{
    AuthVerdict, ClientContext, ClientCredentials, ClientExchange, Credentials, Decoys, LoginFailed,
    Mechanism, Nonces, SaslFault, ServerContext, ServerEntropy, ServerExchange, ServerStep,
};
use proto_core::{Secret, TlsInfo};
use std::sync::Arc;
use testkit::Account;
use testkit::account::entropy;

fn tls() -> Arc<TlsInfo> {
    let mut tls = TlsInfo::default();
    tls.exporter = Some(vec![0xab; 32]);
    tls.server_end_point = Some(vec![0xcd; 32]);
    tls.peer_certificate = Some(vec![1, 2, 3]);
    Arc::new(tls)
}

/// Answers the questions of a step for an account, up to the next step that is none.
fn settle(server: &mut ServerExchange, account: &Account, mut step: ServerStep) -> ServerStep {
    while let ServerStep::Ask(credentials) = step {
        step = server.verdict(account.judge(&credentials));
    }
    step
}

fn scram_server(mechanism: Mechanism, nonce: &str) -> ServerExchange {
    let mut entropy = entropy(nonce);
    ServerExchange::new(mechanism, ServerContext { entropy: Some(&mut entropy), ..Default::default() })
}

fn scram_client(mechanism: Mechanism, nonce: &str) -> ClientExchange {
    let mut nonces = Nonces::once(nonce).unwrap();
    let context = ClientContext { nonces: Some(&mut nonces), ..Default::default() };
    ClientExchange::new(mechanism, &ClientCredentials::password("user", "pencil"), context).unwrap()
}

/// An example of an RFC, both of our sides saying what it says.
fn vector(mechanism: Mechanism, client_nonce: &str, server_nonce: &str, messages: [&str; 4]) {
    let account = Account::new("user", "pencil");
    let (mut client, mut server) =
        (scram_client(mechanism, client_nonce), scram_server(mechanism, server_nonce));
    let [client_first, server_first, client_final, server_final] = messages.map(str::as_bytes);
    assert_eq!(client.initial_response().unwrap().unwrap().expose(), client_first);
    let step = server.start(Some(client_first));
    let step = settle(&mut server, &account, step);
    assert_eq!(step, ServerStep::Challenge(server_first.to_vec()));
    assert_eq!(client.respond(server_first).unwrap().expose(), client_final);
    let ServerStep::Ask(credentials) = server.respond(client_final) else { panic!("the proof is wrong") };
    assert_eq!(credentials, Credentials::Verified { authzid: None, authcid: "user".into() });
    let done = ServerStep::Done { server_final: Some(server_final.to_vec()) };
    assert_eq!(server.verdict(AuthVerdict::Accept), done);
    assert_eq!(client.respond(server_final).unwrap().expose(), b"");
    assert_eq!(client.finish(None), Ok(()));
}

#[test]
fn rfc_5802_section_5() {
    vector(
        Mechanism::ScramSha1,
        "fyko+d2lbbFgONRv9qkxdawL",
        "3rfcNHYJY1ZVvWVs7j",
        [
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ],
    );
}

#[test]
fn rfc_7677_section_3() {
    vector(
        Mechanism::ScramSha256,
        "rOprNGfwEbeRWgbNEkqO",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
    );
}

#[test]
fn rfc_2195_section_2() {
    let account = Account::new("tim", "tanstaaftanstaaf");
    let mut entropy = entropy("1896.697170952");
    let context = ServerContext {
        entropy: Some(&mut entropy),
        host_name: "postoffice.reston.mci.net",
        ..Default::default()
    };
    let mut server = ServerExchange::new(Mechanism::CramMd5, context);
    let ServerStep::Challenge(challenge) = server.start(None) else { panic!("no challenge") };
    assert_eq!(challenge, b"<1896.697170952@postoffice.reston.mci.net>");
    let credentials = ClientCredentials::password("tim", "tanstaaftanstaaf");
    let mut client = ClientExchange::new(Mechanism::CramMd5, &credentials, ClientContext::default()).unwrap();
    assert_eq!(client.initial_response(), Ok(None));
    let response = client.respond(&challenge).unwrap();
    assert_eq!(response.expose(), b"tim b913a602c7eda7a495b4e6e7334d3890");
    let done = ServerStep::Done { server_final: None };
    let step = server.respond(response.expose());
    assert_eq!(settle(&mut server, &account, step), done);
    assert_eq!(client.finish(None), Ok(()));
}

#[test]
fn rfc_4616_section_4() {
    let start =
        |message: &[u8]| ServerExchange::new(Mechanism::Plain, ServerContext::default()).start(Some(message));
    let password = |authzid: Option<&str>, authcid: &str, password: &str| {
        let (authzid, authcid) = (authzid.map(Into::into), authcid.into());
        ServerStep::Ask(Credentials::Password { authzid, authcid, password: password.into() })
    };
    assert_eq!(start(b"\0tim\0tanstaaftanstaaf"), password(None, "tim", "tanstaaftanstaaf"));
    assert_eq!(start(b"Ursel\0Kurt\0xipj3plmq"), password(Some("Ursel"), "Kurt", "xipj3plmq"));
    // Section 2: SASLprep; a password that it prohibits is wrong.
    assert_eq!(start("\0u\u{308}\0\u{2168}".as_bytes()), password(None, "\u{fc}", "IX"));
    let failed = || ServerStep::LoginFailed(LoginFailed::new(Some(Mechanism::Plain), b"u"));
    assert_eq!(start(b"\0u\0p\x07"), failed());
    assert_eq!(start(b"x\0u\0p\xff"), failed());
}

#[test]
fn rfc_4505_section_4() {
    let start = |message: &[u8]| {
        ServerExchange::new(Mechanism::Anonymous, ServerContext::default()).start(Some(message))
    };
    let anonymous =
        |trace: Option<&str>| ServerStep::Ask(Credentials::Anonymous { trace: trace.map(Into::into) });
    assert_eq!(start(b"sirhc"), anonymous(Some("sirhc")));
    assert_eq!(start(b""), anonymous(None));
    assert_eq!(start("\u{e9}".repeat(255).as_bytes()), anonymous(Some(&"\u{e9}".repeat(255))));
    assert_eq!(start(&b"x".repeat(256)), ServerStep::Failed(SaslFault::Malformed));
    assert_eq!(start(b"a\r\nb"), ServerStep::Failed(SaslFault::Malformed));
}

#[test]
fn rfc_7628_section_4() {
    let message = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
    let start = |message: &[u8]| {
        let mut server = ServerExchange::new(Mechanism::OauthBearer, ServerContext::default());
        (server.start(Some(message)), server)
    };
    let (step, mut server) = start(message);
    let token = Credentials::Token {
        authzid: Some("user@example.com".into()),
        token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==".into(),
        host: Some("server.example.com".into()),
        port: Some(143),
    };
    assert_eq!(step, ServerStep::Ask(token));
    // Section 3.2.3: the refusal, the dummy, the outcome.
    assert_eq!(
        server.verdict(AuthVerdict::Reject),
        ServerStep::Challenge(br#"{"status":"invalid_token"}"#.into())
    );
    assert_eq!(server.respond(b"\x01"), ServerStep::Failed(SaslFault::Rejected));
    // Section 4.3: without a token, to ask what it takes.
    let (step, _) = start(b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=\x01\x01");
    assert!(matches!(step, ServerStep::Challenge(_)));

    let credentials =
        ClientCredentials::token("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    let context = ClientContext { host: Some("server.example.com"), port: Some(143), ..Default::default() };
    let mut client = ClientExchange::new(Mechanism::OauthBearer, &credentials, context).unwrap();
    assert_eq!(client.initial_response().unwrap().unwrap().expose(), message);
    assert_eq!(client.respond(b"{}").unwrap().expose(), b"\x01");
    assert_eq!(client.finish(None), Err(SaslFault::Malformed));
}

/// One exchange, to what the server and the client make of it.
fn exchange(
    mechanism: Mechanism,
    account: &Account,
    credentials: &ClientCredentials,
    with_initial_response: bool,
) -> (Result<(), SaslFault>, Result<(), SaslFault>) {
    let tls = tls();
    let mut entropy = ServerEntropy { nonces: Nonces::seeded([1; 32]), decoys: Decoys::new([2; 32]) };
    let mut nonces = Nonces::seeded([3; 32]);
    let mut server = ServerExchange::new(
        mechanism,
        ServerContext {
            entropy: Some(&mut entropy),
            tls: Some(&tls),
            plus_offered: true,
            host_name: "mx.test",
        },
    );
    let context = ClientContext {
        nonces: Some(&mut nonces),
        tls: Some(&tls),
        plus_offered: true,
        host: Some("mx.test"),
        port: Some(587),
        ..ClientContext::default()
    };
    let mut client = ClientExchange::new(mechanism, credentials, context).unwrap();
    let initial = if with_initial_response { client.initial_response().unwrap() } else { None };
    let mut step = server.start(initial.as_ref().map(Secret::expose));
    loop {
        step = match step {
            ServerStep::Challenge(challenge) => match client.respond(&challenge) {
                Ok(message) => server.respond(message.expose()),
                Err(fault) => return (Err(SaslFault::Rejected), Err(fault)),
            },
            ServerStep::Ask(credentials) => server.verdict(account.judge(&credentials)),
            ServerStep::Done { server_final } => return (Ok(()), client.finish(server_final.as_deref())),
            ServerStep::Failed(fault) => return (Err(fault), client.finish(None)),
            ServerStep::LoginFailed(_) => return (Err(SaslFault::Rejected), client.finish(None)),
            _ => unreachable!(),
        };
    }
}

fn credentials(user: &str, password: &str) -> ClientCredentials {
    let mut credentials = ClientCredentials::password(user, password);
    credentials.token = Some(password.into());
    credentials.external = true;
    credentials.anonymous = Some("sirhc".into());
    credentials
}

#[test]
fn every_mechanism_lets_the_right_one_in_and_nobody_else() {
    let account = Account::new("us=er,1", "pen+cil");
    for mechanism in Mechanism::ALL.iter().copied() {
        for initial in [true, false] {
            let tried = |credentials: &ClientCredentials| exchange(mechanism, &account, credentials, initial);
            assert_eq!(tried(&credentials("us=er,1", "pen+cil")), (Ok(()), Ok(())), "{mechanism}");
            let proves_nothing = matches!(mechanism, Mechanism::External | Mechanism::Anonymous);
            let token = matches!(mechanism, Mechanism::OauthBearer | Mechanism::Xoauth2);
            if proves_nothing || token {
                continue;
            }
            for wrong in [credentials("us=er,1", "Pen+cil"), credentials("user", "pen+cil")] {
                let (server, client) = tried(&wrong);
                assert_eq!(server, Err(SaslFault::Rejected), "{mechanism}");
                assert!(client.is_err() || !mechanism.is_plus(), "{mechanism}");
            }
        }
    }
}

#[test]
fn a_refused_token_is_a_dummy_later_a_failure() {
    let account = Account::new("user", "token");
    for mechanism in [Mechanism::OauthBearer, Mechanism::Xoauth2] {
        for wrong in [credentials("user", "other"), credentials("other", "token")] {
            let (server, client) = exchange(mechanism, &account, &wrong, true);
            assert_eq!((server, client.is_err()), (Err(SaslFault::Rejected), true), "{mechanism}");
        }
    }
}

#[test]
fn acting_as_somebody_else_is_asked_about() {
    let account = Account::new("user", "pencil");
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha1, Mechanism::ScramSha256Plus, Mechanism::External]
    {
        let boss = credentials("user", "pencil").acting_as("bo,ss");
        assert_eq!(exchange(mechanism, &account, &boss, true).0, Err(SaslFault::Rejected), "{mechanism}");
        let own = credentials("user", "pencil").acting_as("user");
        assert_eq!(exchange(mechanism, &account, &own, true).0, Ok(()), "{mechanism}");
    }
}

/// Who is not there gets a salt: the same each time, another for another name, and no way in.
#[test]
fn an_unknown_user_looks_like_a_wrong_password() {
    let account = Account::new("user", "pencil");
    let first = |name: &str, nonce: &str| {
        let mut server = scram_server(Mechanism::ScramSha256, nonce);
        let step = server.start(Some(format!("n,,n={name},r=abc").as_bytes()));
        let step = settle(&mut server, &account, step);
        let ServerStep::Challenge(challenge) = step else { panic!("{step:?}") };
        (String::from_utf8(challenge).unwrap(), server)
    };
    let salt = |name: &str, nonce: &str| first(name, nonce).0.split(",s=").nth(1).unwrap().to_owned();
    assert_eq!(salt("nobody", "x"), salt("nobody", "y"));
    assert_ne!(salt("nobody", "x"), salt("noone", "x"));
    assert_eq!(salt("nobody", "x").len(), salt("user", "x").len());
    let (challenge, mut server) = first("nobody", "x");
    let proof = format!("c=biws,{},p={}", challenge.split(',').next().unwrap(), "A".repeat(43) + "=");
    let failed = LoginFailed::new(Some(Mechanism::ScramSha256), b"nobody");
    assert_eq!(server.respond(proof.as_bytes()), ServerStep::LoginFailed(failed));
}

#[test]
fn no_nonce_comes_twice() {
    let mut entropy = ServerEntropy { nonces: Nonces::seeded([9; 32]), decoys: Decoys::new([2; 32]) };
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let context = ServerContext { entropy: Some(&mut entropy), ..Default::default() };
        let mut server = ServerExchange::new(Mechanism::CramMd5, context);
        let ServerStep::Challenge(challenge) = server.start(None) else { panic!("no challenge") };
        assert!(challenge.len() > 24 && seen.insert(challenge));
    }
}

#[test]
fn what_is_missing_is_said() {
    for mechanism in Mechanism::ALL.iter().copied() {
        let mut server = ServerExchange::new(mechanism, ServerContext::default());
        let missing = mechanism.needs_entropy() || mechanism == Mechanism::External;
        let failed = server.start(None) == ServerStep::Failed(SaslFault::Unavailable);
        assert_eq!(failed, missing, "{mechanism}");
    }
    assert!(Nonces::once("").is_none() && Nonces::once("a,b").is_none() && Nonces::once("a b").is_none());
}

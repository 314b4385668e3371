//! Every mechanism over every protocol through the whole engine, with the bindings of real TLS sessions.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::sasl::{Dialogue, Ended, PROTOCOLS, TLS_1_2, TLS_1_3, bindings, plain, secured};
use common::tls::{Authority, CLIENT_NAME, client_config, connect};
use mailstore::fs::sim::SimFs;
use postroom::accounts::PasswdFile;
use postroom::settings::{Listener, Protocol, Settings, TlsMode};
use postroom::tls::ClientCertificates;
use postroom::wall::{AccountId, BearerToken, Later, TokenVerifier};
use postroom::{Blocking, Server};
use proto_core::Backend;
use proto_core::sasl::line::{decode, encode};
use proto_core::sasl::{ClientContext, ClientCredentials, ClientExchange, Mechanism, Nonces};
use rustls::SupportedProtocolVersion;
use std::sync::Arc;
use std::time::Duration;

/// Keys of the password "pencil", as `doveadm pw` writes them.
const KEYS: &str = "alice@example.test:{SCRAM-SHA-256}4096,9ANdXySAF0YcspkC2Glbrw==,\
    7uOuxMgNfXFPt4yfNqo/njk/w7scxTEWs0+eMqaK3J4=,NsewEFyDtLILtNsJAuu7zU0Kz7tgkExQJ2mLArFpLWI=";

const PLAIN: &str = "alice@example.test:{PLAIN}pencil\nguest@example.test:{PLAIN}x";

/// A token is good when it says whose it is.
#[derive(Debug)]
struct Issuer;

impl TokenVerifier for Issuer {
    fn verify(&self, token: BearerToken) -> Later<'_, Result<Option<AccountId>, Backend>> {
        let owner = token.token.expose_str().and_then(|token| token.strip_prefix("token-of-"));
        Box::pin(std::future::ready(Ok(owner.and_then(|name| AccountId::new(name, "example.test")))))
    }
}

fn accounts(text: &str) -> PasswdFile {
    PasswdFile::from_text(text, Some("example.test".into()), Blocking::inline()).unwrap()
}

fn settings(tls: TlsMode) -> Settings {
    let mut settings = common::settings();
    settings.allow_plaintext_auth = false;
    settings.listeners = [Protocol::Submission, Protocol::Imap, Protocol::Pop3]
        .map(|protocol| Listener::without_socket(protocol).tls(tls))
        .to_vec();
    settings
}

async fn start(authority: &Authority, settings: Settings, accounts: PasswdFile) -> Server {
    common::start_with(&SimFs::new(), 1, |builder| {
        let certificate = authority.server(&["mail.example.test"]);
        builder.settings(settings).directory(accounts).certificate(certificate)
    })
    .await
    .unwrap()
}

/// All mechanisms and all that they need.
async fn everything(authority: &Authority) -> Server {
    let mut settings = settings(TlsMode::Implicit);
    settings.auth_mechanisms = Some(Mechanism::ALL.to_vec());
    settings.sasl_security_options.noanonymous = false;
    for listener in &mut settings.listeners {
        let authorities = vec![authority.root()];
        listener.client_certificates = Some(ClientCertificates { authorities, required: false });
    }
    let guest = AccountId::new("guest", "example.test").unwrap();
    start(authority, settings, accounts(PLAIN).with_tokens(Issuer).with_anonymous(guest)).await
}

/// What opens the account, and what does not.
fn right_and_wrong(mechanism: Mechanism) -> (ClientCredentials, Option<ClientCredentials>) {
    match mechanism {
        Mechanism::External => {
            let other = ClientCredentials::external().acting_as("guest@example.test");
            (ClientCredentials::external(), Some(other))
        }
        Mechanism::Anonymous => (ClientCredentials::anonymous("sirhc"), None),
        Mechanism::OauthBearer | Mechanism::Xoauth2 => {
            let forged = ClientCredentials::token("alice@example.test", "forged");
            (ClientCredentials::token("alice@example.test", "token-of-alice"), Some(forged))
        }
        _ => {
            let wrong = ClientCredentials::password("alice@example.test", "pen");
            (ClientCredentials::password("alice@example.test", "pencil"), Some(wrong))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r195_every_mechanism_opens_the_account_in_every_protocol_and_is_logged() {
    let authority = Authority::new();
    let server = everything(&authority).await;
    for protocol in PROTOCOLS {
        for &mechanism in Mechanism::ALL {
            let (log, _guard) = Log::start(tracing::Level::INFO);
            let (right, wrong) = right_and_wrong(mechanism);
            let identity = Some(authority.client(CLIENT_NAME));
            let (stream, tls) = secured(&server, protocol, &authority, TLS_1_3, identity).await.unwrap();
            let mut dialogue = Dialogue::begin(stream, protocol).await;
            assert_eq!(dialogue.offered, Mechanism::ALL, "{protocol}");
            if let Some(wrong) = wrong {
                let refused = dialogue.log_in(mechanism, &wrong, Some(&tls), true).await;
                assert!(matches!(refused, Err(Ended::Refused(_))), "{protocol} {mechanism}: {refused:?}");
            }
            let entered = dialogue.log_in(mechanism, &right, Some(&tls), true).await;
            assert_eq!(entered, Ok(()), "{protocol} {mechanism}");
            let user = if mechanism == Mechanism::Anonymous { "guest" } else { "alice" };
            let who = format!("sasl_username={user}@example.test");
            let how = format!("sasl_method=\"{mechanism}\"");
            assert_eq!(log.lines_with(&["logged in", &who, &how, "TLSv1.3"]).len(), 1, "{}", log.text());
            let refused = log.lines_with(&["login refused", &how]).len();
            assert_eq!(refused, usize::from(mechanism != Mechanism::Anonymous), "{}", log.text());
            for secret in ["pencil", "token-of-alice", "forged"] {
                assert!(!log.text().contains(secret), "{secret} in {}", log.text());
            }
        }
    }
}

/// What only the machine can judge is in the log in the words of what the directory judges, once, whether or not there is
/// such a user.
#[tokio::test(start_paused = true)]
async fn a_wrong_proof_is_logged_as_any_refused_login() {
    let authority = Authority::new();
    let server = everything(&authority).await;
    for protocol in PROTOCOLS {
        for mechanism in [
            Mechanism::Plain,
            Mechanism::CramMd5,
            Mechanism::ScramSha1,
            Mechanism::ScramSha256,
            Mechanism::ScramSha256Plus,
        ] {
            for name in ["alice@example.test", "nobody@example.test"] {
                let (log, _guard) = Log::start(tracing::Level::INFO);
                let (stream, tls) = secured(&server, protocol, &authority, TLS_1_3, None).await.unwrap();
                let mut dialogue = Dialogue::begin(stream, protocol).await;
                let wrong = ClientCredentials::password(name, "pen");
                let asked = tokio::time::Instant::now();
                let refused = dialogue.log_in(mechanism, &wrong, Some(&tls), true).await;
                assert!(matches!(refused, Err(Ended::Refused(_))), "{protocol} {mechanism}: {refused:?}");
                // R196: a password is not tried out at the speed of the wire.
                let took = asked.elapsed();
                assert_eq!(
                    took >= Duration::from_secs(2),
                    mechanism == Mechanism::Plain,
                    "{mechanism}: {took:?}"
                );
                let (who, how) =
                    (format!("sasl_username=\"{name}\""), format!("sasl_method=\"{mechanism}\""));
                let told = ["login refused", &who, &how, "tls=\"TLSv1.3\""];
                assert_eq!(log.lines_with(&told).len(), 1, "{}", log.text());
                assert_eq!(log.lines_with(&["login"]).len(), 1, "{}", log.text());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_offered_is_what_the_schemes_can_serve() {
    use Mechanism::{Login, Plain, ScramSha256, ScramSha256Plus};
    let authority = Authority::new();
    let argon = "alice@example.test:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$\
        ICbegzZjeZGWyXCGVTJ7IA$aaO/iN5HH7/AucLTH/2k4I4V63q8pZcbFoRIPl8oSjo";
    let keys: &[Mechanism] = &[ScramSha256Plus, ScramSha256, Plain, Login];
    for (text, inside, outside) in [(KEYS, keys, &[ScramSha256][..]), (argon, &[Plain, Login], &[])] {
        let server = start(&authority, settings(TlsMode::Implicit), accounts(text)).await;
        let in_clear = start(&authority, settings(TlsMode::None), accounts(text)).await;
        for protocol in PROTOCOLS {
            let (stream, _) = secured(&server, protocol, &authority, TLS_1_3, None).await.unwrap();
            assert_eq!(Dialogue::begin(stream, protocol).await.offered, inside, "{protocol}");
            let without_tls = Dialogue::begin(plain(&in_clear, protocol), protocol).await;
            assert_eq!(without_tls.offered, outside, "{protocol}");
        }
    }
}

fn alice() -> ClientCredentials {
    ClientCredentials::password("alice@example.test", "pencil")
}

#[tokio::test(start_paused = true)]
async fn stored_keys_log_in_without_tls() {
    let server = start(&Authority::new(), settings(TlsMode::None), accounts(KEYS)).await;
    for protocol in PROTOCOLS {
        let mut dialogue = Dialogue::begin(plain(&server, protocol), protocol).await;
        let entered = dialogue.log_in(Mechanism::ScramSha256, &alice(), None, false).await;
        assert_eq!(entered, Ok(()), "{protocol}");
    }
}

#[tokio::test(start_paused = true)]
async fn rfc_5802_plus_is_bound_to_the_tls_session_it_came_over() {
    let authority = Authority::new();
    let server = start(&authority, settings(TlsMode::Implicit), accounts(KEYS)).await;
    for protocol in PROTOCOLS {
        for (versions, exporter) in [(TLS_1_3, true), (TLS_1_2, false)] {
            let (stream, tls) = secured(&server, protocol, &authority, versions, None).await.unwrap();
            assert_eq!(tls.exporter.is_some(), exporter);
            let mut dialogue = Dialogue::begin(stream, protocol).await;
            let plus = Mechanism::ScramSha256Plus;

            let mut of_another_session = tls.clone();
            match &mut of_another_session.exporter {
                Some(octets) => octets[0] ^= 1,
                None => of_another_session.server_end_point.as_mut().unwrap()[0] ^= 1,
            }
            let refused = dialogue.log_in(plus, &alice(), Some(&of_another_session), true).await;
            assert!(matches!(refused, Err(Ended::Refused(_))), "{protocol}: {refused:?}");

            // Both kinds of binding are taken over TLS 1.3.
            let mut end_point = tls.clone();
            end_point.exporter = None;
            assert_eq!(dialogue.log_in(plus, &alice(), Some(&end_point), true).await, Ok(()), "{protocol}");
            let (stream, tls) = secured(&server, protocol, &authority, versions, None).await.unwrap();
            let mut dialogue = Dialogue::begin(stream, protocol).await;
            assert_eq!(dialogue.log_in(plus, &alice(), Some(&tls), true).await, Ok(()), "{protocol}");
        }
    }
}

/// Somebody whose certificate the victim believes sits between the two: two TLS sessions, and every octet passed on.
#[tokio::test(start_paused = true)]
async fn rfc_5802_a_man_in_the_middle_gets_nowhere() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = start(&authority, settings(TlsMode::Implicit), accounts(KEYS)).await;
    for protocol in PROTOCOLS {
        for versions in [TLS_1_3, TLS_1_2] {
            let begin = async || {
                let middle = middle(&server, protocol, &authority, &other).await;
                let stream = victim(&other, versions, middle).await;
                let tls = bindings(&stream);
                (Dialogue::begin(stream, protocol).await, tls)
            };
            let (mut dialogue, tls) = begin().await;
            assert!(dialogue.offered.contains(&Mechanism::ScramSha256Plus));
            let refused = dialogue.log_in(Mechanism::ScramSha256Plus, &alice(), Some(&tls), true).await;
            assert!(matches!(refused, Err(Ended::Refused(_))), "{protocol}: {refused:?}");

            // Taken out of the list on the way: the client says that it could have.
            let refused = dialogue.log_in(Mechanism::ScramSha256, &alice(), Some(&tls), false).await;
            assert!(matches!(refused, Err(Ended::Refused(_))), "{protocol}: {refused:?}");

            // A client that knows of no bindings is not protected.
            let (mut dialogue, _) = begin().await;
            assert_eq!(dialogue.log_in(Mechanism::ScramSha256, &alice(), None, false).await, Ok(()));
        }
    }
}

/// The far end of a pipe whose other end is decrypted, and encrypted again towards the server.
async fn middle(
    server: &Server,
    protocol: &str,
    authority: &Authority,
    other: &Authority,
) -> tokio::io::DuplexStream {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut onward, _) = secured(server, protocol, authority, TLS_1_3, None).await.unwrap();
    let pretended = other.server(&["mail.example.test"]).server_config();
    tokio::spawn(async move {
        let mut victim = tokio_rustls::TlsAcceptor::from(pretended).accept(far).await.unwrap();
        // It ends when either side goes away, with whatever error that makes.
        let _ = tokio::io::copy_bidirectional(&mut victim, &mut onward).await;
    });
    near
}

async fn victim(
    believed: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    stream: tokio::io::DuplexStream,
) -> tokio_rustls::client::TlsStream<tokio::io::DuplexStream> {
    connect(&client_config(believed, versions, None), "mail.example.test", stream).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_user_is_told_what_a_known_one_is_told() {
    let authority = Authority::new();
    let server = start(&authority, settings(TlsMode::Implicit), accounts(KEYS)).await;
    for protocol in PROTOCOLS {
        for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
            let mut said = Vec::new();
            for name in ["alice@example.test", "nobody@example.test", "alice@elsewhere.test"] {
                let (stream, tls) = secured(&server, protocol, &authority, TLS_1_3, None).await.unwrap();
                let mut dialogue = Dialogue::begin(stream, protocol).await;
                let wrong = ClientCredentials::password(name, "pen");
                said.push(dialogue.log_in(mechanism, &wrong, Some(&tls), true).await.unwrap_err());
            }
            assert!(matches!(said[0], Ended::Refused(_)));
            assert!(said.iter().all(|reply| *reply == said[0]), "{said:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r182_noplaintext_leaves_no_way_to_show_a_password() {
    let authority = Authority::new();
    let mut settings = settings(TlsMode::Implicit);
    settings.sasl_security_options.noplaintext = true;
    let server = start(&authority, settings, accounts(KEYS)).await;
    for protocol in PROTOCOLS {
        let (stream, _) = secured(&server, protocol, &authority, TLS_1_3, None).await.unwrap();
        let mut dialogue = Dialogue::begin(stream, protocol).await;
        assert_eq!(dialogue.offered, [Mechanism::ScramSha256Plus, Mechanism::ScramSha256], "{protocol}");
        let (command, refusal) = match protocol {
            "imap" => ("b LOGIN alice@example.test pencil", "b NO [CANNOT] LOGIN is not available."),
            "pop3" => ("USER alice@example.test", "-ERR USER and PASS not available"),
            _ => ("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABwZW5jaWw=", "504 5.5.4 "),
        };
        dialogue.send(command).await;
        let reply = dialogue.line().await;
        assert!(reply.starts_with(refusal), "{protocol}: {reply}");
        let told = match protocol {
            "imap" => dialogue.capabilities.contains("LOGINDISABLED"),
            "pop3" => !dialogue.capabilities.contains("USER"),
            _ => true,
        };
        assert!(told, "{protocol}: {}", dialogue.capabilities);
    }
}

#[tokio::test(start_paused = true)]
async fn r183_broken_clients_see_the_mechanisms_a_second_time() {
    let authority = Authority::new();
    let mut settings = settings(TlsMode::Implicit);
    settings.broken_sasl_auth_clients = true;
    settings.auth_mechanisms = Some(vec![Mechanism::Plain, Mechanism::Login]);
    let server = start(&authority, settings, accounts(KEYS)).await;
    let (stream, _) = secured(&server, "submission", &authority, TLS_1_3, None).await.unwrap();
    let capabilities = Dialogue::begin(stream, "submission").await.capabilities;
    assert!(capabilities.contains("250-AUTH PLAIN LOGIN\n250-AUTH=PLAIN LOGIN\n"), "{capabilities}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_needed_or_not_believed_ends_the_handshake() {
    let (authority, other) = (Authority::new(), Authority::new());
    let greeted = async |required: bool, identity| {
        let mut settings = settings(TlsMode::Implicit);
        settings.listeners[1].client_certificates =
            Some(ClientCertificates { authorities: vec![authority.root()], required });
        let server = start(&authority, settings, accounts(KEYS)).await;
        let (stream, _) = secured(&server, "imap", &authority, TLS_1_2, identity).await.ok()?;
        let dialogue = Dialogue::begin(stream, "imap").await;
        Some(dialogue.offered.contains(&Mechanism::External))
    };
    assert_eq!(greeted(false, None).await, Some(false), "not asked for, not offered");
    assert_eq!(greeted(false, Some(authority.client(CLIENT_NAME))).await, Some(true));
    assert_eq!(greeted(true, Some(authority.client(CLIENT_NAME))).await, Some(true));
    assert_eq!(greeted(true, None).await, None);
    assert_eq!(greeted(false, Some(other.client(CLIENT_NAME))).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_reload_offers_what_the_accounts_have_become() {
    let authority = Authority::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "alice@example.test:{PLAIN}pencil").unwrap();
    let accounts = Arc::new(PasswdFile::open(file.path(), None, Blocking::inline()).unwrap());
    let kept = Arc::clone(&accounts);
    let server = common::start_with(&SimFs::new(), 1, |builder| {
        let certificate = authority.server(&["mail.example.test"]);
        builder.settings(settings(TlsMode::None)).directory(accounts).certificate(certificate)
    })
    .await
    .unwrap();
    let offered = async || Dialogue::begin(plain(&server, "imap"), "imap").await.offered;
    assert_eq!(offered().await, [Mechanism::ScramSha256, Mechanism::ScramSha1]);
    std::fs::write(file.path(), KEYS).unwrap();
    kept.reload().unwrap();
    server.reload(settings(TlsMode::None)).unwrap();
    assert_eq!(offered().await, [Mechanism::ScramSha256]);
}

/// RFC 4422 section 3.5: up to its last message a client may give up, and is then not logged in.
#[tokio::test(start_paused = true)]
async fn who_gives_up_at_the_last_message_may_not_relay() {
    let mut settings = common::settings();
    settings.allow_plaintext_auth = true;
    settings.listeners = vec![Listener::without_socket(Protocol::Smtp)];
    let server = start(&Authority::new(), settings, accounts(PLAIN)).await;
    for (last, entered) in [("*", false), ("", true)] {
        let mut dialogue = Dialogue::begin(plain(&server, "smtp"), "smtp").await;
        let mut nonces = Nonces::once("fyko+d2lbbFgONRv9qkxdawL").unwrap();
        let context = ClientContext { nonces: Some(&mut nonces), ..ClientContext::default() };
        let credentials = ClientCredentials::password("alice@example.test", "pencil");
        let mut exchange = ClientExchange::new(Mechanism::ScramSha256, &credentials, context).unwrap();
        let first = exchange.initial_response().unwrap().unwrap();
        dialogue.send(&format!("AUTH SCRAM-SHA-256 {}", encode(first.expose()))).await;
        let challenge = dialogue.line().await;
        let proof = exchange.respond(decode(&challenge.as_bytes()[4..]).unwrap().expose()).unwrap();
        dialogue.send(&encode(proof.expose())).await;
        assert!(dialogue.line().await.starts_with("334 "), "the server's signature");
        for (said, expected) in [
            (last, if entered { "235 " } else { "501 5.7.0" }),
            ("MAIL FROM:<alice@example.test>", "250 "),
            ("RCPT TO:<a@elsewhere.test>", if entered { "550 5.4.4" } else { "554 5.7.1" }),
        ] {
            dialogue.send(said).await;
            let reply = dialogue.line().await;
            assert!(reply.starts_with(expected), "{said:?}: {reply}");
        }
    }
}

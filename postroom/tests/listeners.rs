//! Real sockets: limits, TLS, reload, ports that are taken.

#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::USERS;
use mailstore::fs::sim::SimFs;
use postroom::local::LocalMail;
use postroom::server::{Prepared, StartError};
use postroom::settings::{Listener, Protocol, Settings, TlsMode};
use postroom::tls::Certificate;
use postroom::{Blocking, Server};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

fn settings(listeners: &[(Protocol, TlsMode)]) -> Settings {
    let mut settings = common::settings();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.listeners = listeners
        .iter()
        .enumerate()
        .map(|(number, &(protocol, tls))| {
            Listener::new(protocol, loopback).named(format!("l{number}")).tls(tls)
        })
        .collect();
    settings
}

async fn start(settings: Settings, certificate: Option<Certificate>) -> Result<Server, StartError> {
    let fs = SimFs::new();
    let blocking = Blocking::threads("store", 2, 16).unwrap();
    let disk = LocalMail::open(common::env(&fs, 1), Path::new("/"), "mail/%d/%n", &blocking).unwrap();
    let mut builder = Server::builder().settings(settings).directory(USERS).mail(disk.spool, disk.store);
    if let Some(certificate) = certificate {
        builder = builder.certificate(certificate);
    }
    builder.start().await
}

struct Made {
    certificate: Certificate,
    root: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn made() -> Made {
    let made = rcgen::generate_simple_self_signed(["mail.example.test".to_owned()]).unwrap();
    let root = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = Certificate::new(vec![root.clone()], key.clone_key()).unwrap();
    Made { certificate, root, key }
}

async fn secured(
    stream: TcpStream,
    root: &CertificateDer<'static>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("mail.example.test").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn line(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
    let mut line = String::new();
    let _ = stream.read_line(&mut line).await;
    line.trim_end().to_owned()
}

async fn connect(server: &Server, listener: &str) -> BufReader<TcpStream> {
    BufReader::new(TcpStream::connect(server.address(listener).unwrap()).await.unwrap())
}

#[tokio::test]
async fn one_client_may_not_have_all_connections() {
    let mut settings = settings(&[(Protocol::Smtp, TlsMode::None), (Protocol::Smtp, TlsMode::None)]);
    settings.limits.connections_per_ip_max = 2;
    settings.listeners[1].limits.connections_per_ip_max = Some(1);
    let server = start(settings, None).await.unwrap();
    for (listener, allowed) in [("l0", 2), ("l1", 1)] {
        let mut inside = Vec::new();
        for _ in 0..allowed {
            let mut client = connect(&server, listener).await;
            assert!(line(&mut client).await.starts_with("220 "));
            inside.push(client);
        }
        let mut outside = connect(&server, listener).await;
        let refusal = "421 4.7.0 mail.example.test Error: too many connections from 127.0.0.1";
        assert_eq!(line(&mut outside).await, refusal);
        assert_eq!(line(&mut outside).await, "", "closed");
        // The server hears of the goodbye some time later.
        drop(inside.pop());
        loop {
            let mut again = connect(&server, listener).await;
            if line(&mut again).await.starts_with("220 ") {
                break;
            }
        }
    }
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn eight_thousand_connections_are_served_or_refused_politely() {
    let mut settings = settings(&[(Protocol::Smtp, TlsMode::None)]);
    settings.limits.connections_max = 100;
    settings.limits.connections_per_ip_max = 100;
    let server = start(settings, None).await.unwrap();
    let mut held = Vec::new();
    let (mut served, mut refused) = (0, 0);
    for _ in 0..8000 {
        let mut client = connect(&server, "l0").await;
        match &*line(&mut client).await {
            "421 4.7.0 mail.example.test Error: too many connections" => refused += 1,
            greeting => {
                assert!(greeting.starts_with("220 "), "{greeting}");
                served += 1;
                held.push(client);
            }
        }
    }
    assert_eq!((served, refused), (100, 7900));
    // Those inside are as well off as before.
    for client in &mut held {
        client.write_all(b"NOOP\r\n").await.unwrap();
        assert!(line(client).await.starts_with("250 "));
    }
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn r56_implicit_tls_comes_before_the_greeting() {
    let Made { certificate, root, .. } = made();
    let server =
        start(settings(&[(Protocol::Submission, TlsMode::Implicit)]), Some(certificate)).await.unwrap();
    let stream = TcpStream::connect(server.address("l0").unwrap()).await.unwrap();
    let mut client = BufReader::new(secured(stream, &root).await.unwrap());
    assert!(line(&mut client).await.starts_with("220 mail.example.test"));
    assert!(server.shutdown(Duration::from_secs(60)).await);
    assert_eq!(line(&mut client).await, "421 4.3.2 mail.example.test Service shutting down");
}

#[tokio::test]
async fn r50_submission_wants_starttls_and_what_follows_it_is_dropped() {
    let Made { certificate, root, .. } = made();
    let server =
        start(settings(&[(Protocol::Submission, TlsMode::StartTls)]), Some(certificate)).await.unwrap();
    let mut client = connect(&server, "l0").await;
    line(&mut client).await;
    client.write_all(b"EHLO c.test\r\n").await.unwrap();
    while line(&mut client).await.as_bytes()[3] == b'-' {}
    client.write_all(b"MAIL FROM:<a@example.test>\r\n").await.unwrap();
    assert!(line(&mut client).await.starts_with("530 5.7.0 Must issue a STARTTLS command first"));
    client.write_all(b"STARTTLS\r\nNOOP injected\r\n").await.unwrap();
    assert!(line(&mut client).await.starts_with("220 2.0.0"));
    let mut client = BufReader::new(secured(client.into_inner(), &root).await.unwrap());
    client.write_all(b"AUTH PLAIN\r\n").await.unwrap();
    assert!(line(&mut client).await.starts_with("503 5.5.1"), "EHLO is forgotten and NOOP never was");
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn s43_tls_begins_right_behind_the_header_of_a_proxy() {
    let Made { certificate, root, .. } = made();
    let mut settings =
        settings(&[(Protocol::Submission, TlsMode::Implicit), (Protocol::Smtp, TlsMode::StartTls)]);
    for listener in &mut settings.listeners {
        listener.proxies = vec!["127.0.0.1".into()];
    }
    let server = start(settings, Some(certificate)).await.unwrap();
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.2 56324 25\r\n";
    let mut stream = TcpStream::connect(server.address("l0").unwrap()).await.unwrap();
    stream.write_all(header).await.unwrap();
    let mut client = BufReader::new(secured(stream, &root).await.unwrap());
    assert!(line(&mut client).await.starts_with("220 mail.example.test"));

    // In one segment with a command, which then comes before the greeting.
    let mut client = connect(&server, "l1").await;
    client.write_all(&[header.as_slice(), b"NOOP\r\n"].concat()).await.unwrap();
    assert!(line(&mut client).await.starts_with("220 "));
    assert!(line(&mut client).await.starts_with("250 "));
    client.write_all(b"EHLO c.test\r\n").await.unwrap();
    while line(&mut client).await.as_bytes()[3] == b'-' {}
    client.write_all(b"STARTTLS\r\n").await.unwrap();
    assert!(line(&mut client).await.starts_with("220 2.0.0"));
    let mut client = BufReader::new(secured(client.into_inner(), &root).await.unwrap());
    client.write_all(b"EHLO c.test\r\n").await.unwrap();
    assert!(line(&mut client).await.starts_with("250-"));
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn s43_clients_behind_a_proxy_are_counted_each() {
    let mut settings = settings(&[(Protocol::Smtp, TlsMode::None)]);
    settings.limits.connections_per_ip_max = 1;
    settings.limits.connections_max = 3;
    settings.listeners[0].proxies = vec!["127.0.0.1".into()];
    let server = start(settings, None).await.unwrap();
    let come = async |client: &str| {
        let mut stream = connect(&server, "l0").await;
        let header = format!("PROXY TCP4 {client} 198.51.100.2 56324 25\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        let greeting = line(&mut stream).await;
        (stream, greeting)
    };
    let (_one, greeting) = come("192.0.2.1").await;
    assert!(greeting.starts_with("220 "));
    let (_two, greeting) = come("192.0.2.2").await;
    assert!(greeting.starts_with("220 "));
    let (mut again, greeting) = come("192.0.2.1").await;
    assert_eq!(greeting, "421 4.7.0 mail.example.test Error: too many connections from 192.0.2.1");
    assert_eq!(line(&mut again).await, "", "closed");
    drop(again);
    // Who has not yet said for whom it speaks counts in the total. The one before is counted until its end was noticed.
    let mut silent = Vec::new();
    let refusal = loop {
        let mut one = connect(&server, "l0").await;
        tokio::select! {
            said = line(&mut one) => if !silent.is_empty() { break said },
            () = tokio::time::sleep(Duration::from_millis(100)) => silent.push(one),
        }
    };
    assert_eq!(refusal, "421 4.7.0 mail.example.test Error: too many connections");
    drop(silent);
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn a_reload_reaches_sessions_that_begin_later() {
    let first = made();
    let server = start(
        settings(&[(Protocol::Smtp, TlsMode::None), (Protocol::Smtp, TlsMode::Implicit)]),
        Some(first.certificate.clone()),
    )
    .await
    .unwrap();
    let mut old = connect(&server, "l0").await;
    line(&mut old).await;

    let mut changed = settings(&[(Protocol::Smtp, TlsMode::None), (Protocol::Smtp, TlsMode::Implicit)]);
    changed.hostname = "new.example.test".into();
    changed.listeners[0].address = Some(SocketAddr::from(([127, 0, 0, 1], 1)));
    changed.listeners.push(Listener::without_socket(Protocol::Smtp).named("later"));
    let needs_restart = server.reload(changed.clone()).unwrap().needs_restart;
    assert_eq!(
        needs_restart,
        [
            "listener l0 (127.0.0.1:1): a new address needs a restart",
            "listener later: a new listener needs a restart"
        ]
    );
    // What is bound is what the server was started with, however often other settings have been put in place since.
    let mut back = changed.clone();
    back.listeners[0].address = settings(&[(Protocol::Smtp, TlsMode::None)]).listeners[0].address;
    back.listeners.pop();
    let none: [String; 0] = [];
    assert_eq!(server.reload(back).unwrap().needs_restart, none);
    assert_eq!(server.reload(changed.clone()).unwrap().needs_restart, needs_restart);
    let mut misspelt = changed.clone();
    misspelt.policy.set("smtpd_client_restrictions", "let_nobody_in, permit").unwrap();
    assert_eq!(
        server.reload(misspelt).unwrap_err().to_string(),
        "smtpd_client_restrictions: unknown smtpd restriction: \"let_nobody_in\""
    );
    changed.hostname = "no name".into();
    assert!(server.reload(changed).is_err(), "and the settings stay");

    assert!(line(&mut connect(&server, "l0").await).await.starts_with("220 new.example.test "));
    old.write_all(b"QUIT\r\n").await.unwrap();
    assert!(line(&mut old).await.starts_with("221 "));

    let second = made();
    first.certificate.replace(vec![second.root.clone()], second.key).unwrap();
    let stream = TcpStream::connect(server.address("l1").unwrap()).await.unwrap();
    assert!(secured(stream, &first.root).await.is_err());
    let stream = TcpStream::connect(server.address("l1").unwrap()).await.unwrap();
    assert!(secured(stream, &second.root).await.is_ok());
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn r8_a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut settings = settings(&[(Protocol::Smtp, TlsMode::None)]);
    settings.listeners[0].address = Some(address);
    let error = start(settings, None).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("listener l0 ({address}): ")), "{error}");
    assert!(error.ends_with("another server has this port: stop it, or choose another port"), "{error}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let no_certificate = start(settings(&[(Protocol::Smtp, TlsMode::StartTls)]), None).await.unwrap_err();
    assert_eq!(
        no_certificate.to_string(),
        "listener l0 (127.0.0.1:0): TLS needs a certificate, and none is given"
    );
    let mut no_domain = settings(&[(Protocol::Smtp, TlsMode::None)]);
    no_domain.domains.clear();
    assert!(start(no_domain, None).await.unwrap_err().to_string().starts_with("domains: none is given"));
    let mut twice = settings(&[(Protocol::Smtp, TlsMode::None), (Protocol::Smtp, TlsMode::None)]);
    twice.listeners[1].name = "l0".into();
    assert_eq!(
        start(twice, None).await.unwrap_err().to_string(),
        "listener l0 (127.0.0.1:0): another one has the same name"
    );
    assert_eq!(Server::builder().start().await.unwrap_err().to_string(), "no directory is given");
    let nameless = Server::builder().directory(USERS).start().await;
    assert_eq!(nameless.unwrap_err().to_string(), "no hostname is given");
    let mut no_domain = settings(&[(Protocol::Smtp, TlsMode::None)]);
    no_domain.domains.clear();
    let wrong = Prepared::new(no_domain, &USERS).unwrap_err().to_string();
    assert!(wrong.starts_with("domains: none is given"), "known before anything is opened: {wrong}");
}

#[tokio::test]
async fn a_server_is_started_with_settings_that_are_ready() {
    let ready = Prepared::new(settings(&[(Protocol::Smtp, TlsMode::None)]), &USERS).unwrap();
    let disk =
        LocalMail::open(common::env(&SimFs::new(), 1), Path::new("/"), "mail/%d/%n", &Blocking::inline())
            .unwrap();
    let builder = Server::builder().prepared(ready).directory(USERS).mail(disk.spool, disk.store);
    let server = builder.start().await.unwrap();
    assert!(server.address("l0").is_some());
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

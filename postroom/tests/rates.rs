//! What a client may do in a time, on real sockets: vectors D035 to D040 of the access-policy specification.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::USERS;
use common::log::Log;
use mailstore::fs::sim::SimFs;
use postroom::local::LocalMail;
use postroom::server::Builder;
use postroom::settings::{Listener, Protocol, Settings, TlsMode};
use postroom::{Blocking, Server};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A server with an SMTP and a submission listener, and with these parameters. Rates are counted over a day, so that a slow
/// machine counts as a fast one.
async fn start(parameters: &[(&str, &str)]) -> Server {
    start_with(parameters, |_, builder| builder).await
}

/// As [`start`], a little different.
async fn start_with(
    parameters: &[(&str, &str)],
    change: impl FnOnce(&mut Settings, Builder) -> Builder,
) -> Server {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = common::settings();
    settings.listeners = vec![
        Listener::new(Protocol::Smtp, loopback).named("smtp"),
        Listener::new(Protocol::Submission, loopback).named("submission"),
    ];
    settings.policy.set("anvil_rate_time_unit", "1d").unwrap();
    for (name, value) in parameters {
        settings.policy.set(name, value).unwrap();
    }
    let blocking = Blocking::threads("store", 2, 16).unwrap();
    let env = common::env(&SimFs::new(), 1);
    let disk = LocalMail::open(env, Path::new("/"), "mail/%d/%n", &blocking).unwrap();
    let builder = Server::builder().directory(USERS).mail(disk.spool, disk.store);
    change(&mut settings, builder).settings(settings).start().await.unwrap()
}

/// Says some lines on a connection, one after the other's reply; all last lines of replies, the greeting first.
async fn say(server: &Server, listener: &str, lines: &[&str]) -> Vec<String> {
    let stream = TcpStream::connect(server.address(listener).unwrap()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut replies = vec![reply(&mut stream).await];
    for line in lines {
        if stream.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
            break;
        }
        replies.push(reply(&mut stream).await);
    }
    replies
}

async fn reply(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        let _ = stream.read_line(&mut line).await;
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

async fn stop(server: Server) {
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

const MAIL: [&str; 3] = ["EHLO client.test", "MAIL FROM:<a@client.test>", "RSET"];

#[tokio::test]
async fn d036_connections_in_a_time() {
    let server = start(&[("smtpd_client_connection_rate_limit", "2")]).await;
    for expected in [
        "220 mail.example.test ESMTP Postroom",
        "220 mail.example.test ESMTP Postroom",
        "421 4.7.0 mail.example.test Error: too many connections from 127.0.0.1",
    ] {
        assert_eq!(say(&server, "smtp", &[]).await, [expected]);
    }
    // Each listener counts for itself.
    assert_eq!(say(&server, "submission", &[]).await, ["220 mail.example.test ESMTP Postroom"]);
    stop(server).await;
}

#[tokio::test]
async fn d035_postfix_s_limit_holds_in_place_of_the_common_one() {
    let server = start(&[("smtpd_client_connection_count_limit", "1")]).await;
    let held = TcpStream::connect(server.address("smtp").unwrap()).await.unwrap();
    let mut held = BufReader::new(held);
    assert!(reply(&mut held).await.starts_with("220 "));
    let refusal = "421 4.7.0 mail.example.test Error: too many connections from 127.0.0.1";
    assert_eq!(say(&server, "smtp", &[]).await, [refusal]);
    drop(held);
    stop(server).await;
}

#[tokio::test]
async fn d037_messages_in_a_time() {
    let server = start(&[("smtpd_client_message_rate_limit", "2")]).await;
    for expected in ["250 2.1.0 Ok", "250 2.1.0 Ok", "450 4.7.1 Error: too much mail from 127.0.0.1"] {
        assert_eq!(say(&server, "smtp", &MAIL).await[2], expected, "counted over connections");
    }
    stop(server).await;
}

#[tokio::test]
async fn d038_recipients_in_a_time() {
    let server = start(&[("smtpd_client_recipient_rate_limit", "3")]).await;
    let rcpt = "RCPT TO:<alice@example.test>";
    let replies =
        say(&server, "smtp", &["EHLO client.test", "MAIL FROM:<a@client.test>", rcpt, rcpt, rcpt, rcpt])
            .await;
    assert_eq!(replies[3..6], ["250 2.1.5 Ok", "250 2.1.5 Ok", "250 2.1.5 Ok"]);
    assert_eq!(replies[6], "450 4.7.1 Error: too many recipients from 127.0.0.1");
    stop(server).await;
}

#[tokio::test]
async fn d039_logins_in_a_time() {
    let server = start(&[("smtpd_client_auth_rate_limit", "2")]).await;
    // "\0alice@example.test\0ecila", and a wrong password.
    let (right, wrong) =
        ("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==", "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB4");
    let replies = say(&server, "submission", &["EHLO client.test", wrong, wrong, right, "NOOP"]).await;
    assert!(replies[2].starts_with("535 5.7.8"), "{replies:?}");
    assert!(replies[3].starts_with("535 5.7.8"), "{replies:?}");
    assert_eq!(replies[4], "450 4.7.1 Error: too many AUTH commands from 127.0.0.1");
    assert_eq!(replies[5], "250 2.0.0 Ok", "the session goes on");
    stop(server).await;
}

#[tokio::test]
async fn d040_clients_in_mynetworks_are_not_counted() {
    let server = start(&[
        ("mynetworks", "127.0.0.0/8"),
        ("smtpd_client_connection_count_limit", "1"),
        ("smtpd_client_connection_rate_limit", "1"),
        ("smtpd_client_message_rate_limit", "1"),
    ])
    .await;
    for _ in 0..3 {
        assert_eq!(say(&server, "smtp", &MAIL).await[2], "250 2.1.0 Ok");
    }
    stop(server).await;
}

/// Says EHLO and STARTTLS, and after the handshake EHLO again; the last reply.
async fn start_tls(server: &Server, config: &std::sync::Arc<rustls::ClientConfig>) -> String {
    let mut stream = TcpStream::connect(server.address("smtp").unwrap()).await.unwrap();
    for line in ["", "EHLO client.test\r\n", "STARTTLS\r\n"] {
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut whole = String::new();
        // One octet at a time: what is behind the last reply is the handshake's.
        while !whole.ends_with('\n') || whole.trim_end().rsplit('\n').next().unwrap().as_bytes()[3] != b' ' {
            whole.push(char::from(stream.read_u8().await.unwrap()));
        }
    }
    let mut stream = BufReader::new(common::tls::connect(config, "mail.example.test", stream).await.unwrap());
    stream.write_all(b"EHLO client.test\r\n").await.unwrap();
    let mut line = String::new();
    while line.as_bytes().get(3) != Some(&b' ') {
        line.clear();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "it was closed");
    }
    stream.write_all(b"QUIT\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    line.trim_end().to_owned()
}

#[tokio::test]
async fn sessions_that_are_resumed_are_no_new_ones() {
    let authority = common::tls::Authority::new();
    let certificate = authority.server(&["mail.example.test"]);
    let server = start_with(&[("smtpd_client_new_tls_session_rate_limit", "1")], |settings, builder| {
        settings.listeners[0].tls = TlsMode::StartTls;
        builder.certificate(certificate)
    })
    .await;
    let one = || common::tls::client_config(&authority, &[&rustls::version::TLS13], None);
    let remembers = one();
    for _ in 0..3 {
        assert!(start_tls(&server, &remembers).await.starts_with("250 "));
    }
    let reply = start_tls(&server, &one()).await;
    assert!(reply.starts_with("421 4.7.0 ") || reply.starts_with("4"), "a new one is one too many: {reply}");
    stop(server).await;
}

/// The specification, 12.1: what `anvil` logs.
#[tokio::test]
async fn the_highest_counts_are_logged() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let server =
        start(&[("smtpd_client_message_rate_limit", "9"), ("smtpd_client_event_limit_exceptions", "")]).await;
    for _ in 0..2 {
        say(&server, "smtp", &MAIL).await;
    }
    stop(server).await;
    let log = log.text();
    for told in [
        "statistics: max message rate 2/86400s for (smtp:127.0.0.1) at 20",
        "statistics: max connection count 1 for (smtp:127.0.0.1) at 20",
        "statistics: max cache size 1 at 20",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert!(!log.contains("(submission:"), "{log}");
}

//! LMTP (RFC 2033): one reply for each recipient, one message in the spool, and no way out of our domains.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, inbox, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::settings::{Listener, Protocol, SettingsError};

/// An LMTP listener whose policy would let anybody relay.
async fn start(fs: &SimFs) -> Server {
    let mut settings = settings();
    settings.policy.mynetworks = vec!["203.0.113.0/24".into()];
    let mut listener = Listener::without_socket(Protocol::Lmtp);
    listener.policy.set("smtpd_relay_restrictions", "permit_mynetworks, reject");
    listener.policy.set("smtpd_recipient_restrictions", "permit_mynetworks, reject");
    settings.listeners = vec![listener];
    start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_recipient_has_a_reply_and_all_have_the_mail() {
    let fs = SimFs::new();
    let server = start(&fs).await;
    let mut client = Client::connect(&server, "lmtp");
    assert!(client.reply().await.contains("LMTP"));
    assert!(client.command("EHLO client.test").await.starts_with("500 5.5.1"));
    client.send(b"LHLO client.test\r\n").await;
    let mut offered = Vec::new();
    while offered.last().is_none_or(|line: &String| line.as_bytes()[3] == b'-') {
        offered.push(client.line().await);
    }
    for extension in ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"] {
        assert!(offered.iter().any(|line| line.ends_with(extension)), "{extension}: {offered:?}");
    }
    assert!(!offered.iter().any(|line| line.contains("AUTH")), "{offered:?}");

    client
        .send(
            b"MAIL FROM:<s@x.test>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<nobody@example.test>\r\n\
              RCPT TO:<alice@example.test>\r\nDATA\r\n",
        )
        .await;
    for expected in ["250 ", "250 ", "550 5.1.1", "250 ", "354 "] {
        let reply = client.reply().await;
        assert!(reply.starts_with(expected), "{reply}");
    }
    client.send(b"Subject: once\r\n\r\nx\r\n.\r\nNOOP\r\n").await;
    let (first, second) = (client.reply().await, client.reply().await);
    assert!(first.starts_with("250 2.0.0") && first.contains("queued as"), "{first}");
    assert_eq!(first, second, "one message, said twice");
    assert!(client.reply().await.starts_with("250 "), "and no third");
    until("delivered", || !inbox(&fs, "bob").is_empty() && !inbox(&fs, "alice").is_empty()).await;
    let mail = &inbox(&fs, "alice")[0];
    assert!(
        mail.contains("by mail.example.test with LMTP\r\n") && mail.contains("Return-Path: <s@x.test>"),
        "{mail}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_relayed_whatever_the_policy_permits() {
    let server = start(&SimFs::new()).await;
    let mut client = Client::connect(&server, "lmtp");
    client.reply().await;
    client.command("LHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    for recipient in ["a@elsewhere.test", "a%elsewhere.test@example.test", "@example.test:a@elsewhere.test"] {
        let reply = client.command(&format!("RCPT TO:<{recipient}>")).await;
        assert!(reply.starts_with("554 5.7.1"), "{recipient}: {reply}");
    }
    assert!(client.command("AUTH PLAIN AGEAYg==").await.starts_with('5'));
    assert!(client.command("DATA").await.starts_with("503 5.5.1"), "no recipient, no message");
}

#[test]
fn port_25_is_refused() {
    let mut settings = settings();
    settings.listeners = vec![Listener::new(Protocol::Lmtp, "127.0.0.1:25".parse().unwrap())];
    assert_eq!(settings.check().unwrap_err(), SettingsError::LmtpOnPort25("lmtp:25 (127.0.0.1:25)".into()));
}

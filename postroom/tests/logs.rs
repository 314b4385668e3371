//! The log tells one message's story by its queue id, and never a secret.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, inbox, segments, settings, start, start_with, until};
use mailstore::fs::sim::SimFs;
use mailstore::fs::{Fs as _, OpenMode};
use std::path::Path;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn r35_one_message_can_be_followed_by_its_queue_id() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = client.mail("s@x.test", &["bob@example.test"], "x").await;
        ids.push(reply.split_once("queued as ").unwrap().1.to_owned());
    }
    until("delivered", || inbox(&fs, "bob").len() == 2).await;
    drop(server);
    for id in ids {
        let text = log.text();
        let story: Vec<&str> = text.lines().filter(|line| line.contains(&id)).collect();
        assert_eq!(story.len(), 3, "{story:#?}");
        for (line, words) in story.iter().zip([
            &["session", "peer=203.0.113.9:40000", "accepted", "<s@x.test> -> bob@example.test"][..],
            &["delivered", "to=\"bob@example.test\""],
            &["removed"],
        ]) {
            assert!(words.iter().all(|word| line.contains(word)), "{line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_password_is_ever_logged() {
    let (log, _guard) = Log::start(tracing::Level::TRACE);
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "submission");
    client.reply().await;
    client.command("EHLO client.test").await;
    // A wrong password and the right one: \0alice@example.test\0hunter2, \0alice@example.test\0ecila
    let wrong = "AGFsaWNlQGV4YW1wbGUudGVzdABodW50ZXIy";
    let right = "AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==";
    assert!(client.command(&format!("AUTH PLAIN {wrong}")).await.starts_with("535"));
    assert!(client.command(&format!("AUTH PLAIN {right}")).await.starts_with("235"));
    let mut client = Client::connect(&server, "pop3");
    client.line().await;
    for command in ["USER alice@example.test", "PASS hunter2", "USER alice@example.test", "PASS ecila"] {
        client.send(format!("{command}\r\n").as_bytes()).await;
        client.line().await;
    }
    let text = log.text();
    assert!(text.contains("login refused") && text.contains("logged in"), "{text}");
    for secret in ["hunter2", "ecila", wrong, right] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_stage_recipient_and_sender_in_plain_words() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let server = start(&SimFs::new(), 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    assert!(client.command("RCPT TO:<nobody@example.test>").await.starts_with("550"));
    let text = log.text();
    let line = text.lines().find(|line| line.contains("reject")).unwrap();
    let told = "NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 550 5.1.1 <nobody@example.test>: Recipient address rejected: \
        User unknown in local recipient table; from=<s@x.test> to=<nobody@example.test> proto=ESMTP helo=<client.test>";
    assert!(line.ends_with(told), "{line}");
}

#[tokio::test(start_paused = true)]
async fn each_rule_of_the_policy_is_a_line_of_its_session() {
    let (log, _guard) = Log::start(tracing::Level::DEBUG);
    let server = start(&SimFs::new(), 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    assert!(client.command("RCPT TO:<bob@elsewhere.test>").await.starts_with("554"));
    let text = log.text();
    for rule in
        ["permit_mynetworks: no: ", "permit_sasl_authenticated: no: ", "reject_unauth_destination: reject: "]
    {
        let line = text.lines().find(|line| line.contains(rule)).unwrap();
        for word in ["DEBUG", "session{id=", "at=RCPT <bob@elsewhere.test> rule=relay: "] {
            assert!(line.contains(word), "{line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_file_is_gone_is_told_once() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    // A file where the mailboxes should be: what is accepted waits.
    drop(fs.open(Path::new("/mail"), OpenMode::CreateNew).unwrap());
    let reply = client.mail("s@x.test", &["bob@example.test", "alice@example.test"], "x").await;
    let id = reply.split_once("queued as ").unwrap().1;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(server.shutdown(Duration::from_secs(1)).await);
    let _server = start(&fs, 2).await.unwrap();
    fs.unlink(&segments(&fs)[0]).unwrap();
    tokio::time::sleep(Duration::from_secs(7200)).await;
    let text = log.text();
    let told: Vec<&str> = text.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(told.len(), 1, "{text}");
    assert!(told[0].contains(&format!("gone from the queue: forgotten queue_id={id}")), "{}", told[0]);
    assert_eq!(text.lines().filter(|line| line.contains("deferred")).count(), 2, "{text}");
}

#[tokio::test(start_paused = true)]
async fn s43_the_client_behind_a_proxy_is_named_and_the_proxy_too() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let mut settings = settings();
    settings.listeners[0].proxies = vec!["10.0.0.0/8".into()];
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::connect_from("10.1.2.3:50000".parse().unwrap(), &server, "smtp");
    client.send(b"PROXY TCP4 192.0.2.7 198.51.100.2 56324 25\r\n").await;
    client.reply().await;
    client.command("QUIT").await;
    let mut stranger = Client::connect_from("203.0.113.9:40000".parse().unwrap(), &server, "smtp");
    assert_eq!(stranger.line().await, "");
    let mut silent = Client::connect_from("10.1.2.4:50000".parse().unwrap(), &server, "smtp");
    assert_eq!(silent.line().await, "");
    let mut plain = Client::connect_from("10.1.2.5:50000".parse().unwrap(), &server, "smtp");
    plain.send(b"EHLO client.test\r\n").await;
    assert_eq!(plain.line().await, "");
    let text = log.text();
    assert_eq!(text.matches("no PROXY header").count(), 2, "one each: {text}");
    for (what, words) in [
        ("error=no PROXY header", ["proxy=10.1.2.5:50000", "did not say for whom"]),
        ("connected", ["peer=192.0.2.7:56324", "proxy=10.1.2.3:50000"]),
        ("disconnected", ["peer=192.0.2.7:56324", "proxy=10.1.2.3:50000"]),
        ("refused", ["peer=203.0.113.9:40000", "none of the proxies"]),
        ("no PROXY header in time", ["listener=\"smtp\"", "proxy=10.1.2.4:50000"]),
    ] {
        let found =
            text.lines().any(|line| line.contains(what) && words.iter().all(|word| line.contains(word)));
        assert!(found, "{what}: {words:?}\n{text}");
    }
}

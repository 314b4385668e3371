//! The log tells one message's story by its queue id, and never a secret.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, inbox, start, until};
use mailstore::fs::sim::SimFs;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing::subscriber::DefaultGuard;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Logs everything that this thread does, down to the finest level.
    fn start(level: tracing::Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

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

//! The power is cut at every operation of the disk while mail is accepted, delivered and fetched; a new server starts
//! on what is left.
//!
//! The claim: what was answered 250 is in the mailbox of every recipient exactly once; what was not is there once or
//! not at all; nothing is there in part; what POP3 was told is removed does not come back.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, inbox, queued, spool_sync, start, until};
use mailstore::fs::sim::SimFs;
use std::time::Duration;

/// One message, and the operation from which on it must not be lost.
#[derive(Debug)]
struct Sent {
    text: &'static str,
    to: &'static [&'static str],
    answered: u64,
}

/// How many of the disks that a cut can leave are looked at, for each cut.
const DISKS_MAX: usize = 6;

/// Sends each text to its recipients, and notes when it was answered.
async fn send(fs: &SimFs, client: &mut Client, text: &'static str, to: &'static [&'static str]) -> Sent {
    let addresses: Vec<String> = to.iter().map(|user| format!("{user}@example.test")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let begun = fs.ops();
    let reply = client.mail("s@x.test", &addresses, text).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    // When the client hears the 250, the deliverer may be at work already. The server was free to say it when the
    // spool had been synced, so that is what it is held to.
    let answered = spool_sync(fs, begun).unwrap() + 1;
    Sent { text, to, answered }
}

/// What is left of a disk after a cut, when a new server has delivered what it found.
async fn recover(disk: &SimFs) {
    let server = start(disk, 2).await.unwrap();
    until("the spool is empty", || queued(disk) == 0).await;
    assert!(server.shutdown(Duration::from_secs(1)).await);
}

#[tokio::test(start_paused = true)]
async fn accept_and_delivery_survive_a_power_cut_at_every_operation() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    let mut sent = vec![send(&fs, &mut client, "first", &["alice"]).await];
    sent.push(send(&fs, &mut client, "second", &["alice", "bob"]).await);
    until("delivered", || inbox(&fs.fork(), "bob").len() == 1).await;
    sent.push(send(&fs, &mut client, "third", &["bob"]).await);
    until("delivered", || inbox(&fs.fork(), "bob").len() == 2).await;
    assert!(server.shutdown(Duration::from_secs(1)).await);

    let points = fs.crash_points();
    assert!(points.len() > 50, "only {} operations", points.len());
    for point in &points {
        let disks: Vec<SimFs> = point.outcomes(1, 4).collect();
        for disk in disks.iter().step_by(disks.len().div_ceil(DISKS_MAX)) {
            recover(disk).await;
            for sent in &sent {
                for user in sent.to {
                    let end = format!("\r\n{}\r\n", sent.text);
                    let copies = inbox(disk, user).iter().filter(|message| message.ends_with(&end)).count();
                    let allowed = if sent.answered <= point.op { 1..=1 } else { 0..=1 };
                    assert!(
                        allowed.contains(&copies),
                        "op {}: {sent:?}: {copies} copies for {user}",
                        point.op
                    );
                }
            }
            for user in ["alice", "bob"] {
                for message in inbox(disk, user) {
                    assert!(message.starts_with("Return-Path: <s@x.test>\r\n"), "op {}: {message}", point.op);
                    assert!(sent.iter().any(|sent| message.ends_with(&format!("\r\n{}\r\n", sent.text))));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_pop3_removed_does_not_come_back() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    for text in ["first", "second"] {
        send(&fs, &mut client, text, &["alice"]).await;
    }
    until("delivered", || inbox(&fs.fork(), "alice").len() == 2).await;

    fs.record_crash_points();
    let mut client = Client::connect(&server, "pop3");
    for command in ["USER alice@example.test", "PASS ecila", "DELE 1", "QUIT"] {
        client.line().await;
        client.send(format!("{command}\r\n").as_bytes()).await;
    }
    assert!(client.line().await.starts_with("+OK"));
    let answered = fs.ops();
    assert!(server.shutdown(Duration::from_secs(1)).await);

    for point in fs.crash_points() {
        let disks: Vec<SimFs> = point.outcomes(1, 4).collect();
        for disk in disks.iter().step_by(disks.len().div_ceil(DISKS_MAX)) {
            recover(disk).await;
            let found = inbox(disk, "alice");
            let has = |text: &str| {
                found.iter().filter(|message| message.ends_with(&format!("\r\n{text}\r\n"))).count()
            };
            assert_eq!(has("second"), 1, "op {}", point.op);
            let allowed = if answered <= point.op { 0..=0 } else { 0..=1 };
            assert!(allowed.contains(&has("first")), "op {}", point.op);
        }
    }
}

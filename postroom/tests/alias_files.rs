//! Aliases that name files and Maildirs, where that is allowed.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Client, START, USERS, env, inbox, mbox, messages, queued, settings, spool_sync, until};
use mailstore::MaildirStore;
use mailstore::fs::sim::SimFs;
use mailstore::fs::{Fs as _, read};
use postroom::clock::Clock;
use postroom::entropy::SeededEntropy;
use postroom::local::LocalMail;
use postroom::{Blocking, Server};
use std::path::Path;
use std::time::Duration;

/// How many of the disks that a cut can leave are looked at, for each cut.
const DISKS_MAX: usize = 6;

const ALIASES: &str = "inline:{ {archive=/var/archive, alice}, {both=/var/archive, /var/other, /var/dir/}, {none=/dev/null}, \
    {lost=/no/such/file} }";

/// A server whose store writes files.
async fn server(fs: &SimFs, pid: u32) -> Server {
    server_with(fs, pid, None).await
}

/// One whose files become no larger.
async fn server_with(fs: &SimFs, pid: u32, bytes_max: Option<u64>) -> Server {
    let mut settings = settings();
    settings.policy.set("alias_maps", ALIASES).unwrap();
    settings.policy.set("allow_mail_to_files", "alias").unwrap();
    let disk = LocalMail::open(env(fs, pid), Path::new("/"), "mail/%d/%n", &Blocking::inline()).unwrap();
    let disk = disk.with_alias_files(bytes_max);
    let builder = Server::builder()
        .settings(settings)
        .directory(USERS)
        .mail(disk.spool, disk.store)
        .clock(Clock::starting_at(START))
        .entropy(SeededEntropy::new(u64::from(pid)));
    builder.start().await.unwrap()
}

async fn client(server: &Server) -> Client {
    let mut client = Client::connect(server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client
}

/// R109.
#[tokio::test(start_paused = true)]
async fn a_message_is_added_to_each_file_once() {
    let fs = SimFs::new();
    fs.mkdir(Path::new("/var")).unwrap();
    let server = server(&fs, 1).await;
    let mut client = client(&server).await;
    for (to, body) in [
        (&["archive@example.test"][..], "Subject: 1\r\n\r\nFrom here\r\n"),
        (&["both@example.test", "archive@example.test"], "Subject: 2\r\n\r\nx"),
        (&["none@example.test"], "Subject: 3\r\n\r\nx"),
    ] {
        let reply = client.mail("s@x.test", to, body).await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    until("delivered", || queued(&fs) == 0).await;
    let stored = String::from_utf8(read(&fs, Path::new("/var/archive")).unwrap()).unwrap();
    assert!(stored.starts_with("From s@x.test "), "{stored}");
    assert!(stored.contains("\n>From here\n"), "{stored}");
    let archive = mbox(&fs, "/var/archive");
    let subjects = |messages: &[String]| {
        let of =
            |message: &String| message.lines().find(|line| line.starts_with("Subject")).unwrap().to_owned();
        messages.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&archive), ["Subject: 1", "Subject: 2"]);
    let header = "Return-Path: <s@x.test>\r\nX-Original-To: archive@example.test\r\nDelivered-To: archive@example.test\r\n";
    assert!(archive[0].starts_with(header.split_once("X-").unwrap().0), "{}", archive[0]);
    assert!(archive[0].contains("Delivered-To: archive@example.test\r\n"), "{}", archive[0]);
    assert_eq!(subjects(&mbox(&fs, "/var/other")), ["Subject: 2"]);
    let maildir = MaildirStore::open(env(&fs.fork(), 78), Path::new("/var/dir"), None).unwrap();
    assert_eq!(subjects(&messages(&maildir)), ["Subject: 2"]);
    assert_eq!(subjects(&inbox(&fs, "alice")), ["Subject: 1", "Subject: 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_made_waits_and_holds_up_nobody() {
    let fs = SimFs::new();
    let server = server(&fs, 1).await;
    let mut client = client(&server).await;
    let reply = client.mail("s@x.test", &["lost@example.test", "alice@example.test"], "x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until("delivered", || inbox(&fs, "alice").len() == 1).await;
    assert_eq!(queued(&fs), 1);
    fs.mkdir(Path::new("/no")).unwrap();
    fs.mkdir(Path::new("/no/such")).unwrap();
    until("tried again", || queued(&fs) == 0).await;
    assert_eq!(mbox(&fs, "/no/such/file").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_file_has_no_room_for_waits() {
    let fs = SimFs::new();
    fs.mkdir(Path::new("/var")).unwrap();
    let server = server_with(&fs, 1, Some(1000)).await;
    let mut client = client(&server).await;
    let large = "x".repeat(70) + "\r\n";
    for body in [large.repeat(20), "small".into()] {
        let reply = client.mail("s@x.test", &["archive@example.test"], &body).await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    until("delivered", || inbox(&fs, "alice").len() == 2 && queued(&fs) == 1).await;
    let archive = mbox(&fs, "/var/archive");
    assert!(archive.len() == 1 && archive[0].ends_with("\r\nsmall\r\n"), "{archive:?}");
}

/// The power is cut at each operation of accepting and delivering: what was accepted is in the file once, whole.
#[tokio::test(start_paused = true)]
async fn a_power_cut_makes_no_message_two_and_none_half() {
    let fs = SimFs::new();
    fs.mkdir(Path::new("/var")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    let first = server(&fs, 1).await;
    let mut client = client(&first).await;
    fs.record_crash_points();
    let begun = fs.ops();
    let reply = client.mail("s@x.test", &["archive@example.test"], "Subject: 1\r\n\r\nwhole").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    let answered = spool_sync(&fs, begun).unwrap() + 1;
    until("delivered", || inbox(&fs.fork(), "alice").len() == 1 && queued(&fs) == 0).await;
    assert!(first.shutdown(Duration::from_secs(1)).await);
    let points = fs.crash_points();
    assert!(points.len() > 30, "only {} operations", points.len());
    for point in &points {
        let disks: Vec<SimFs> = point.outcomes(1, 4).collect();
        for disk in disks.iter().step_by(disks.len().div_ceil(DISKS_MAX)) {
            let second = server(disk, 2).await;
            until("the spool is empty", || queued(disk) == 0).await;
            assert!(second.shutdown(Duration::from_secs(1)).await);
            let archive = match disk.metadata(Path::new("/var/archive")) {
                Ok(_) => mbox(disk, "/var/archive"),
                Err(_) => Vec::new(),
            };
            let allowed = if answered <= point.op { 1..=1 } else { 0..=1 };
            assert!(allowed.contains(&archive.len()), "op {}: {archive:?}", point.op);
            assert!(archive.iter().all(|message| message.ends_with("\r\nwhole\r\n")), "op {}", point.op);
        }
    }
}

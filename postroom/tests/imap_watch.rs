//! What other programs do in a mailbox comes to the sessions there by itself: a real disk, real programs, real time.
//!
//! A test waits for what must come, however long that takes. Looks that nobody asked for would come in an hour.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::{Client, USERS, settings};
use mailstore::Env;
use postroom::local::LocalMail;
use postroom::{Blocking, Server};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// A process has one queue of changes for each server; the tests count what it listens to.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Fixture {
    dir: tempfile::TempDir,
    server: Server,
    _alone: MutexGuard<'static, ()>,
}

async fn fixture(watch: bool) -> Fixture {
    let alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let threads = Blocking::threads("store", 2, 16).unwrap();
    let env = Env::real("mail.example.test");
    let mail = LocalMail::open(env, dir.path(), "mail/%d/%n", &threads).unwrap();
    let mut settings = settings();
    settings.mailbox_poll = Duration::from_secs(3600);
    settings.mailbox_watch = watch;
    let server = Server::builder().settings(settings).directory(USERS).mail(mail.spool, mail.store);
    Fixture { dir, server: server.start().await.unwrap(), _alone: alone }
}

impl Fixture {
    fn maildir(&self) -> PathBuf {
        self.dir.path().join("mail/example.test/alice")
    }
}

/// Another program at work.
fn sh(dir: &Path, script: &str) {
    assert!(
        Command::new("sh").arg("-ec").arg(script).current_dir(dir).status().unwrap().success(),
        "{script}"
    );
}

/// How many files and directories this process listens to.
fn listened() -> usize {
    let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    // One that was closed meanwhile listens to nothing.
    let texts = infos.filter_map(|info| std::fs::read_to_string(info.unwrap().path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify wd:")).count()).sum()
}

/// Waits until so many are listened to.
async fn until_listened(wanted: usize) {
    while listened() != wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r160_a_session_hears_of_another_programs_deliveries_without_looking() {
    let fixture = fixture(true).await;
    let maildir = fixture.maildir();
    let mut idle = Imap::inbox(&fixture.server, "alice").await;
    let mut beside = Imap::inbox(&fixture.server, "alice").await;
    idle.send(b"x IDLE\r\n").await;
    assert!(idle.response().await.starts_with("+ "));
    // IDLE looks once when it begins and the watch when it does: what comes later was told.
    for number in 1..=4 {
        let script = format!(r"printf 'Subject: x\n\nx\n' >tmp/{number}.x; mv tmp/{number}.x new/");
        sh(&maildir, &script);
        while idle.response().await != format!("* {number} EXISTS") {}
    }
    sh(&maildir, "mv cur/1.x:2, cur/1.x:2,S");
    while !idle.response().await.starts_with("* 1 FETCH (FLAGS (\\Seen") {}
    sh(&maildir, "rm cur/2.x:2,");
    while idle.response().await != "* 2 EXPUNGE" {}
    // Who does not idle hears of it with its next command.
    let told = beside.command("NOOP").await;
    assert!(told.contains("* 3 EXISTS\r\n"), "{told}");
    sh(fixture.dir.path(), "mv mail gone");
    sh(&fixture.dir.path().join("gone/example.test"), "mv alice bob");
    while !idle.response().await.starts_with("* BYE ") {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_selected_is_watched() {
    let fixture = fixture(true).await;
    let mut a = Imap::login(&fixture.server, "alice").await;
    for number in 0..20 {
        a.command(&format!("CREATE box{number}")).await;
        a.command(&format!("STATUS box{number} (MESSAGES)")).await;
    }
    let mut pop = Client::connect(&fixture.server, "pop3");
    pop.line().await;
    pop.send(b"USER alice@example.test\r\nPASS ecila\r\n").await;
    pop.line().await;
    assert!(pop.line().await.starts_with("+OK"));
    assert_eq!(listened(), 0);
    a.command("SELECT box1").await;
    until_listened(3).await;
    // Another session there costs nothing more, nor does one that only reads.
    let mut b = Imap::login(&fixture.server, "alice").await;
    for command in ["SELECT box1", "EXAMINE box1", "SELECT box2"] {
        b.command(command).await;
        until_listened(if command == "SELECT box2" { 6 } else { 3 }).await;
    }
    a.command("CLOSE").await;
    until_listened(3).await;
    drop(b);
    until_listened(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_can_switch_it_off() {
    let fixture = fixture(false).await;
    let mut a = Imap::inbox(&fixture.server, "alice").await;
    sh(&fixture.maildir(), r"printf 'Subject: x\n\nx\n' >new/1.x");
    assert!(a.command("NOOP").await.starts_with("* 1 EXISTS\r\n"));
    assert_eq!(listened(), 0);
}

//! Many at once, on the real disk, with store threads: 200 sessions deliver, each message is there once.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::USERS;
use mailstore::{Access, Env, MailboxName, MaildirStore, Store as _};
use postroom::local::LocalMail;
use postroom::settings::{Listener, Protocol};
use postroom::wall::Spool as _;
use postroom::{Blocking, Server};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const SESSIONS: usize = 200;

/// One message, its commands sent without waiting where that is allowed; the id it was queued as.
async fn deliver(address: SocketAddr, content: String) -> String {
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    let mut line = String::new();
    for (command, replies) in [
        ("EHLO client.test\r\n".to_owned(), "220 "),
        ("MAIL FROM:<s@x.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n".to_owned(), "250 "),
        (format!("{content}\r\n.\r\n"), "354 "),
        ("QUIT\r\n".to_owned(), "250 2.0.0"),
    ] {
        loop {
            line.clear();
            client.read_line(&mut line).await.unwrap();
            assert!(line.starts_with('2') || line.starts_with("354"), "{line}");
            if line.starts_with(replies) {
                break;
            }
        }
        client.write_all(command.as_bytes()).await.unwrap();
    }
    line.trim_end().rsplit(' ').next().unwrap().to_owned()
}

/// The messages of an INBOX, without what was put before them.
fn messages(root: &Path) -> Vec<String> {
    let store = MaildirStore::open(Env::real("other"), root, None).unwrap();
    let mut mailbox = store.open(&MailboxName::inbox(), Access::ReadOnly).unwrap();
    let uids: Vec<_> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    let mut content = |uid| {
        let mut message = mailbox.message(uid).unwrap();
        let mut octets = vec![0; usize::try_from(message.size_bytes()).unwrap()];
        message.read_at(0, &mut octets).unwrap();
        let text = String::from_utf8(octets).unwrap();
        text[text.find("Subject: ").unwrap()..].to_owned()
    };
    uids.into_iter().map(&mut content).collect()
}

/// How many files there are in an INBOX.
fn delivered(root: &Path) -> usize {
    ["new", "cur"].iter().filter_map(|dir| std::fs::read_dir(root.join(dir)).ok()).map(Iterator::count).sum()
}

/// Sends all contents at once, and returns what then is in the mailbox.
async fn deliver_all(contents: Vec<String>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let blocking = Blocking::threads("store", 4, 64).unwrap();
    let mail = LocalMail::open(Env::real("mail"), dir.path(), "mail/%d/%n", &blocking).unwrap();
    let spool = mail.spool.clone();
    let mut settings = common::settings();
    settings.limits.connections_per_ip_max = contents.len();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.listeners = vec![Listener::new(Protocol::Smtp, loopback).named("in")];
    let server = Server::builder()
        .settings(settings)
        .directory(USERS)
        .mail(mail.spool, mail.store)
        .start()
        .await
        .unwrap();
    let address = server.address("in").unwrap();

    let count = contents.len();
    let sessions: Vec<_> =
        contents.into_iter().map(|content| tokio::spawn(deliver(address, content))).collect();
    let mut ids = BTreeSet::new();
    for session in sessions {
        ids.insert(session.await.unwrap());
    }
    assert_eq!(ids.len(), count, "every message has an id of its own");
    while !(spool.next_due().is_none() && delivered(&dir.path().join("mail/example.test/bob")) >= count) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.shutdown(Duration::from_secs(10)).await);
    let root = dir.path().join("mail/example.test/bob");
    tokio::task::spawn_blocking(move || messages(&root)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_deliver_at_once() {
    let contents: Vec<String> = (0..SESSIONS).map(|n| format!("Subject: {n}\r\n\r\nbody {n}")).collect();
    let found: BTreeSet<String> = deliver_all(contents.clone()).await.into_iter().collect();
    assert_eq!(found, contents.into_iter().map(|content| content + "\r\n").collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_come_through_octet_by_octet() {
    let lines = |seed: usize| {
        (0..60_000).map(move |n| format!("line {} of {seed}\r\n", n * seed)).collect::<String>()
    };
    let contents: Vec<String> =
        (1..=3).map(|seed| format!("Subject: {seed}\r\n\r\n{}end", lines(seed))).collect();
    let mut found = deliver_all(contents.clone()).await;
    found.sort();
    assert_eq!(found.len(), contents.len());
    for (found, content) in found.iter().zip(&contents) {
        assert!(
            *found == content.clone() + "\r\n",
            "a message of {} octets came as {}",
            content.len(),
            found.len()
        );
    }
}

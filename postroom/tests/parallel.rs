//! Many at once, on the real disk, with store threads: 200 sessions deliver, each message is there once.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::USERS;
use mailstore::{Access, Env, MailboxName, MaildirStore, Store as _};
use postroom::local::LocalMail;
use postroom::settings::{Listener, Protocol};
use postroom::{Blocking, Server};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const SESSIONS: usize = 200;

/// One message, its commands sent without waiting where that is allowed; the id it was queued as.
async fn deliver(address: SocketAddr, number: usize) -> String {
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    let mut line = String::new();
    for (command, replies) in [
        ("EHLO client.test\r\n".to_owned(), "220 "),
        ("MAIL FROM:<s@x.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n".to_owned(), "250 "),
        (format!("Subject: {number}\r\n\r\nbody {number}\r\n.\r\n"), "354 "),
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

fn subjects(root: &Path) -> Vec<usize> {
    let store = MaildirStore::open(Env::real("other"), root, None).unwrap();
    let mut mailbox = store.open(&MailboxName::inbox(), Access::ReadOnly).unwrap();
    let uids: Vec<_> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    let mut subject = |uid| {
        let mut message = mailbox.message(uid).unwrap();
        let mut octets = vec![0; usize::try_from(message.size_bytes()).unwrap()];
        message.read_at(0, &mut octets).unwrap();
        let text = String::from_utf8(octets).unwrap();
        text.split_once("\r\nSubject: ").unwrap().1.split_once('\r').unwrap().0.parse().unwrap()
    };
    uids.into_iter().map(&mut subject).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_deliver_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let blocking = Blocking::threads("store", 4, 64).unwrap();
    let mail = LocalMail::open(Env::real("mail"), dir.path(), "mail/{domain}/{user}", &blocking).unwrap();
    let mut settings = common::settings();
    settings.limits.connections_per_ip_max = SESSIONS;
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

    let sessions: Vec<_> = (0..SESSIONS).map(|number| tokio::spawn(deliver(address, number))).collect();
    let mut ids = BTreeSet::new();
    for session in sessions {
        ids.insert(session.await.unwrap());
    }
    assert_eq!(ids.len(), SESSIONS, "every message has an id of its own");
    while std::fs::read_dir(dir.path().join("spool/queue")).unwrap().next().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let root = dir.path().join("mail/example.test/bob");
    let mut found = tokio::task::spawn_blocking(move || subjects(&root)).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, (0..SESSIONS).collect::<Vec<_>>());
    assert!(server.shutdown(Duration::from_secs(10)).await);
}

//! Files of aliases on the real disk: what may not be written to, and one that is locked.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may unwrap, and says what it leaves out"
)]

mod common;

use common::{Client, USERS, settings};
use mailstore::Env;
use mailstore::spool::RecipientState;
use postroom::local::{LocalMail, LocalSpool};
use postroom::{Blocking, Server};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::time::Duration;

/// A server whose aliases name files of the same name in `dir`.
async fn server(dir: &Path, names: &[&str]) -> (Server, LocalSpool) {
    let blocking = Blocking::threads("store", 2, 64).unwrap();
    let mail = LocalMail::open(Env::real("mail"), &dir.join("data"), "mail/%d/%n", &blocking).unwrap();
    let mail = mail.with_alias_files(None);
    let mut settings = settings();
    let aliases: Vec<String> =
        names.iter().map(|name| format!("{{{name}={}}}", dir.join(name).display())).collect();
    settings.policy.set("alias_maps", &format!("inline:{{ {} }}", aliases.join(", "))).unwrap();
    settings.policy.set("allow_mail_to_files", "alias").unwrap();
    let spool = mail.spool.clone();
    let server = Server::builder().settings(settings).directory(USERS).mail(mail.spool, mail.store);
    (server.start().await.unwrap(), spool)
}

async fn send(client: &mut Client, user: &str) {
    let reply = client.mail("s@x.test", &[&format!("{user}@example.test")], "Subject: x\r\n\r\nx").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Who may write a directory may put a link to one of our files in the place of an alias's.
#[tokio::test]
async fn nothing_is_written_through_links_nor_to_files_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut expected = vec![
        ("link", "it is a symbolic link"),
        ("dangling", "it is a symbolic link"),
        ("hard", "it has other names besides"),
    ];
    fs::write(at("precious"), "ours").unwrap();
    symlink(at("precious"), at("link")).unwrap();
    symlink(at("nothing"), at("dangling")).unwrap();
    fs::hard_link(at("precious"), at("hard")).unwrap();
    fs::write(at("theirs"), "").unwrap();
    match chown(at("theirs"), Some(1), None) {
        Ok(()) => expected.push(("theirs", "it belongs to another user")),
        Err(error) => eprintln!("skipped: a file of another user: {error}"),
    }
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let (server, spool) = server(dir.path(), &names).await;
    let mut client = Client::greeted(&server, "smtp").await;
    for (name, why) in expected {
        send(&mut client, name).await;
        let mut status = None;
        until(|| {
            let entry = spool.list().into_iter().next();
            status = entry.map(|entry| (entry.id, entry.statuses.into_iter().next().unwrap()));
            status.as_ref().is_none_or(|(_, status)| status.state != RecipientState::Pending)
        })
        .await;
        let (id, status) = status.expect("it is neither delivered nor bounced");
        assert!(matches!(status.state, RecipientState::Deferred(_)), "{name}: {status:?}");
        assert!(status.reason.as_deref().unwrap().contains(why), "{name}: {status:?}");
        spool.remove(&id).await.unwrap();
    }
    assert_eq!(fs::read_to_string(at("precious")).unwrap(), "ours");
    assert!(!at("nothing").exists());
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn a_file_that_another_program_has_locked_holds_up_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    let lock = dir.path().join("archive.lock");
    fs::write(&lock, "1:another-machine:its-boot\n").unwrap();
    let (server, spool) = server(dir.path(), &["archive"]).await;
    let mut client = Client::greeted(&server, "smtp").await;
    // One more than are under way to one file at a time.
    const MESSAGES: usize = 9;
    for _ in 0..MESSAGES {
        send(&mut client, "archive").await;
    }
    send(&mut client, "alice").await;
    let inbox = dir.path().join("data/mail/example.test/alice/new");
    until(|| fs::read_dir(&inbox).is_ok_and(|inbox| inbox.count() == 1)).await;
    // Nobody has lost patience with the lock yet. What became of the other message may not be recorded yet.
    let waiting = spool.list();
    let for_archive =
        waiting.iter().filter(|entry| entry.envelope.recipients[0].address.starts_with("archive@"));
    let states: Vec<_> = for_archive.flat_map(|entry| &entry.statuses).map(|it| it.state).collect();
    assert_eq!(states, [RecipientState::Pending; MESSAGES]);
    fs::remove_file(&lock).unwrap();
    until(|| spool.list().is_empty()).await;
    let text = fs::read_to_string(&archive).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("From s@x.test ")).count(), MESSAGES);
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

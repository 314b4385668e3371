//! What was accepted is kept: octet for octet, and each message once, whatever others do meanwhile.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::pop3::{lines, login, say};
use common::{Client, env, start_on};
use mailstore::fs::sim::SimFs;
use mailstore::mbox::MboxOptions;
use mailstore::{Env, MaildirStore};
use postroom::Blocking;
use postroom::local::{LocalMail, LocalOptions};
use postroom::wall::AccountId;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use testkit::programs::has;

/// What a server may not touch: it begins like a `From_` line, with dots, with what was quoted before, ends in blanks, and is in
/// UTF-8.
const SIGNED: &str = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    From the start\r\n\r\nFrom x Sun Nov 22 14:13:11 2026\r\n>From y\r\n.\r\n..\r\n.dot\r\n\
    trailing \t \r\n\r\nGr\u{fc}\u{df}e\r\nStatus: RO\r\nX-UID: 7\r\n-- \r\nend\r\n\r\n\r\n";

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl").current_dir(dir).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A message that was signed, with the line ends of the wire; the certificate is in `dir`.
fn signed(dir: &Path) -> String {
    openssl(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=s@x.test",
            "-days",
            "30",
            "-keyout",
            "key",
            "-out",
            "cert",
        ],
    );
    std::fs::write(dir.join("text"), SIGNED).unwrap();
    let head = ["-from", "s@x.test", "-to", "alice@example.test", "-subject", "signed"];
    openssl(
        dir,
        &[
            &[
                "cms", "-sign", "-crlfeol", "-in", "text", "-out", "signed", "-signer", "cert", "-inkey",
                "key",
            ][..],
            &head,
        ]
        .concat(),
    );
    let text = std::fs::read_to_string(dir.join("signed")).unwrap();
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// It verifies, and what was signed is what comes out.
fn verify(dir: &Path, message: &[u8]) {
    std::fs::write(dir.join("got"), message).unwrap();
    let args = ["cms", "-verify", "-in", "got", "-CAfile", "cert", "-purpose", "any", "-out", "verified"];
    openssl(dir, &args);
    let verified = String::from_utf8(std::fs::read(dir.join("verified")).unwrap()).unwrap();
    assert_eq!(verified.replace("\r\n", "\n"), SIGNED.replace("\r\n", "\n"));
}

#[tokio::test(start_paused = true)]
async fn r142_a_signed_message_comes_out_as_it_came_in() {
    if !has("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sent = signed(dir.path());
    verify(dir.path(), sent.as_bytes());
    for is_mbox in [false, true] {
        let (fs, root, none) = (SimFs::new(), Path::new("/"), Blocking::inline());
        let disk = if is_mbox {
            let place = ("mail/%d/%n", "mbox:~/mail:INBOX=~/inbox");
            LocalMail::open_mbox(
                env(&fs, 1),
                root,
                place,
                MboxOptions::default(),
                LocalOptions::default(),
                &none,
            )
        } else {
            LocalMail::open(env(&fs, 1), root, "mail/%d/%n", &none)
        };
        let server = start_on(disk.unwrap(), 1, |builder| builder).await;
        let mut client = Client::greeted(&server, "smtp").await;
        let body = sent.replace("\r\n.", "\r\n..");
        let reply =
            client.mail("s@x.test", &["alice@example.test"], body.strip_suffix("\r\n").unwrap()).await;
        assert!(reply.starts_with("250"), "{reply}");
        let mut imap = Imap::inbox(&server, "alice").await;
        for _ in 0..3600 {
            if imap.command("NOOP").await.contains("EXISTS") {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // And once more by APPEND and COPY.
        let appended = imap.append("INBOX", "(\\Seen)", sent.as_bytes()).await;
        assert!(appended.contains(" OK "), "{appended}");
        assert!(imap.command("CREATE Kept").await.contains("OK"));
        assert!(imap.command("COPY 1 Kept").await.contains("OK"));
        let delivered = imap.section(1, "").await.unwrap();
        assert_eq!(imap.section(2, "").await.unwrap(), sent.as_bytes());
        assert!(imap.command("SELECT Kept").await.contains("OK"));
        assert!(imap.section(1, "").await.unwrap() == delivered);
        let mut pop3 = login(&server).await;
        assert!(say(&mut pop3, "RETR 1").await.starts_with("+OK"));
        let retrieved = lines(&mut pop3).await.join("\r\n") + "\r\n";
        assert!(retrieved.as_bytes() == delivered);
        let (trace, content) = retrieved.split_at(retrieved.len() - sent.len());
        assert_eq!(content, sent);
        assert!(trace.starts_with("Return-Path: <s@x.test>\r\n") && trace.ends_with("\r\n"), "{trace}");
        verify(dir.path(), &delivered);
    }
}

/// Messages whose subjects an IMAP client reads, and then removes, while others come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r145_a_thousand_deliveries_while_an_imap_client_deletes() {
    const SESSIONS: usize = 10;
    const EACH: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let blocking = Blocking::threads("store", 4, 64).unwrap();
    let mail = LocalMail::open(Env::real("mail"), dir.path(), "mail/%d/%n", &blocking).unwrap();
    let spool = mail.spool.clone();
    let server = Arc::new(start_on(mail, 1, |builder| builder).await);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|session| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let mut client = Client::greeted(&server, "smtp").await;
                for number in 0..EACH {
                    let text = format!("Subject: {}\r\n\r\nbody", session * EACH + number);
                    let reply = client.mail("s@x.test", &["alice@example.test"], &text).await;
                    assert!(reply.starts_with("250"), "{reply}");
                }
            })
        })
        .collect();
    let mut removed = Vec::new();
    let mut imap = Imap::inbox(&server, "alice").await;
    // So many after the last message was delivered.
    let mut passes_left = 3;
    while passes_left > 0 {
        if sessions.iter().all(tokio::task::JoinHandle::is_finished) && spool.list().is_empty() {
            passes_left -= 1;
        }
        imap.command("NOOP").await;
        let fetched = imap.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
        let found = fetched.split("* ").filter_map(|response| {
            let uid: u32 = response.split("UID ").nth(1)?.split([' ', ')']).next()?.parse().ok()?;
            let subject: usize = response.split("Subject: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
            Some((uid, subject))
        });
        // Every second one.
        for (uid, subject) in found.filter(|(uid, _)| uid % 2 == 0).collect::<Vec<_>>() {
            assert!(imap.command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await.contains("OK"));
            removed.push(subject);
        }
        assert!(imap.command("EXPUNGE").await.contains("OK"));
    }
    for session in sessions {
        session.await.unwrap();
    }
    let root = dir.path().join("mail/example.test/alice");
    let store = MaildirStore::open(Env::real("other"), &root, None).unwrap();
    let subject = |text: &String| {
        text.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap()
    };
    let kept: Vec<usize> = common::messages(&store).iter().map(subject).collect();
    assert!(removed.len() > EACH, "{} were removed meanwhile", removed.len());
    assert_eq!(kept.len() + removed.len(), SESSIONS * EACH);
    let all: BTreeSet<usize> = kept.into_iter().chain(removed).collect();
    assert_eq!(all, (0..SESSIONS * EACH).collect(), "each is there once, or was removed once");
}

#[tokio::test(start_paused = true)]
async fn r150_mail_lies_in_the_home_directory_that_the_users_line_says() {
    for is_mbox in [false, true] {
        let (fs, root, none) = (SimFs::new(), Path::new("/"), Blocking::inline());
        let mut options = LocalOptions::default();
        let of = |account: &AccountId| (account.user() == "alice").then(|| "/srv/alice".into());
        options.homes = Some(Arc::new(of));
        let disk = if is_mbox {
            let place = ("mail/%d/%n", "mbox:~/mail:INBOX=~/inbox");
            LocalMail::open_mbox(env(&fs, 1), root, place, MboxOptions::default(), options, &none)
        } else {
            LocalMail::open_with(env(&fs, 1), root, "mail/%d/%n", options, &none)
        };
        let server = start_on(disk.unwrap(), 1, |builder| builder).await;
        let mut client = Client::greeted(&server, "smtp").await;
        for to in ["alice@example.test", "bob@example.test"] {
            let reply = client.mail("s@x.test", &[to], &format!("Subject: {to}\r\n\r\nbody")).await;
            assert!(reply.starts_with("250"), "{reply}");
        }
        let inbox_of = |maildir: &str, mbox: &str| {
            if is_mbox {
                return common::mbox(&fs, mbox);
            }
            let found = mailstore::fs::Fs::metadata(&fs, Path::new(maildir)).is_ok();
            let store = found.then(|| MaildirStore::open(env(&fs, 77), Path::new(maildir), None).unwrap());
            store.map_or_else(Vec::new, |store| common::messages(&store))
        };
        let alice = || inbox_of("/srv/alice/Maildir", "/srv/alice/inbox");
        let bob = || inbox_of("/mail/example.test/bob", "/mail/example.test/bob/inbox");
        common::until("delivered", || alice().len() + bob().len() == 2).await;
        assert!(alice()[0].contains("Subject: alice") && bob()[0].contains("Subject: bob"));
        assert!(
            Imap::inbox(&server, "alice")
                .await
                .command("STATUS INBOX (MESSAGES)")
                .await
                .contains("MESSAGES 1")
        );
    }
}

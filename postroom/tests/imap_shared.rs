//! Several sessions on one mailbox, and other programs in it.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::{Client, START, env, start};
use mail_message::{Flag, Uid, UidSet};
use mailstore::fs::sim::SimFs;
use mailstore::{Access, Expunge, MailboxName, MaildirStore, Store as _};
use postroom::Server;
use std::path::Path;

const ROOT: &str = "/mail/example.test/alice";

/// A server, and `messages` messages in alice's INBOX.
async fn fixture(messages: u32) -> (SimFs, Server) {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    for number in 1..=messages {
        a.append("INBOX", "", format!("Subject: {number}\r\n\r\nbody\r\n").as_bytes()).await;
    }
    (fs, server)
}

/// Another program on the same Maildir.
fn foreign(fs: &SimFs) -> MaildirStore {
    MaildirStore::open(env(fs, 99), Path::new(ROOT), None).unwrap()
}

fn uids(raw: &[u32]) -> UidSet {
    raw.iter().filter_map(|&raw| Uid::new(raw)).collect()
}

#[tokio::test(start_paused = true)]
async fn i19_i20_i21_numbers_stay_until_they_may_move() {
    let (_fs, server) = fixture(5).await;
    let mut a = Imap::inbox(&server, "alice").await;
    let mut b = Imap::inbox(&server, "alice").await;
    a.command("STORE 1,3 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(
        a.command("EXPUNGE").await,
        "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 3 RECENT\r\nOK EXPUNGE completed."
    );
    let told = b.command("FETCH 1:5 (UID)").await;
    assert!(told.contains("* 5 FETCH (UID 5)") && !told.contains(" EXPUNGE\r\n"), "{told}");
    let told = b.command("FETCH 1 BODY.PEEK[]").await;
    assert!(told.starts_with("* 1 FETCH (BODY[] NIL)\r\n"), "{told}");
    assert!(told.ends_with("OK [EXPUNGEISSUED] FETCH completed."), "{told}");
    assert_eq!(b.command("SEARCH ALL").await, "* SEARCH 2 4 5\r\nOK SEARCH completed.");
    let told = b.command("STORE 2 +FLAGS (\\Flagged)").await;
    assert_eq!(told, "* 2 FETCH (FLAGS (\\Flagged))\r\nOK STORE completed.");
    assert_eq!(b.command("NOOP").await, "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\nOK NOOP completed.");
    assert_eq!(a.command("NOOP").await, "* 1 FETCH (FLAGS (\\Flagged \\Recent))\r\nOK NOOP completed.");
    a.command("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    a.command("EXPUNGE").await;
    let told = b.command("UID FETCH 1:* UID").await;
    assert_eq!(
        told,
        "* 2 FETCH (UID 4)\r\n* 3 FETCH (UID 5)\r\n* 1 EXPUNGE\r\nOK [EXPUNGEISSUED] UID FETCH completed."
    );
}

#[tokio::test(start_paused = true)]
async fn i23_r160_who_idles_hears_at_once() {
    let (fs, server) = fixture(2).await;
    let mut a = Imap::inbox(&server, "alice").await;
    let mut b = Imap::inbox(&server, "alice").await;
    b.send(b"x IDLE\r\n").await;
    assert!(b.response().await.starts_with("+ "));
    a.command("STORE 2 +FLAGS (\\Seen)").await;
    assert_eq!(b.response().await, "* 2 FETCH (FLAGS (\\Seen))");
    assert_eq!(
        a.append("INBOX", "", b"Subject: 3\r\n\r\n").await.lines().next(),
        None::<&str>.or(Some("* 3 EXISTS"))
    );
    assert_eq!(b.response().await, "* 3 EXISTS");
    a.command("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(b.response().await, "* 1 FETCH (FLAGS (\\Deleted))");
    a.command("EXPUNGE").await;
    assert_eq!(b.response().await, "* 1 EXPUNGE");
    a.command("CREATE other").await;
    a.command("SELECT other").await;
    a.command("COPY 1 INBOX").await;
    assert!(b.is_silent().await);

    // Our own delivery, without a poll: within virtual milliseconds.
    let begun = tokio::time::Instant::now();
    let mut smtp = Client::connect(&server, "smtp");
    smtp.reply().await;
    smtp.command("EHLO client.test").await;
    assert!(smtp.mail("s@x.test", &["alice@example.test"], "Subject: 4\r\n\r\nhi").await.starts_with("250"));
    assert_eq!(b.response().await, "* 3 EXISTS");
    assert!(begun.elapsed() < std::time::Duration::from_secs(1));

    // Another program's: by the poll.
    let store = foreign(&fs);
    let mut append = store.append(&MailboxName::inbox()).unwrap();
    append.begin(&[Flag::Seen].into_iter().collect(), Some(START)).unwrap();
    append.write(b"Subject: 5\r\n\r\n").unwrap();
    append.commit().unwrap();
    loop {
        let told = b.response().await;
        if told == "* 4 EXISTS" {
            break;
        }
        assert!(told.contains("RECENT"), "{told}");
    }
    let mut mailbox = store.open(&MailboxName::inbox(), Access::ReadWrite).unwrap();
    mailbox.expunge(&uids(&[2]), Expunge::Any).unwrap();
    assert_eq!(b.response().await, "* 1 EXPUNGE");
    b.send(b"DONE\r\n").await;
    assert_eq!(b.response().await, "x OK IDLE completed.");
}

#[tokio::test(start_paused = true)]
async fn another_programs_message_is_there_after_noop() {
    let (fs, server) = fixture(1).await;
    let mut a = Imap::inbox(&server, "alice").await;
    let store = foreign(&fs);
    let mut append = store.append(&MailboxName::inbox()).unwrap();
    append.write(b"Subject: 2\r\n\r\nforeign\r\n").unwrap();
    append.commit().unwrap();
    assert_eq!(a.command("NOOP").await, "* 2 EXISTS\r\n* 2 RECENT\r\nOK NOOP completed.");
    assert_eq!(a.section(2, "TEXT").await.unwrap(), b"foreign\r\n");
    assert_eq!(a.command("CHECK").await, "OK CHECK completed.");
}

#[tokio::test(start_paused = true)]
async fn recent_is_given_to_one_session() {
    let (_fs, server) = fixture(3).await;
    let mut a = Imap::login(&server, "alice").await;
    assert!(a.command("EXAMINE INBOX").await.contains("* 3 RECENT\r\n"));
    let mut b = Imap::login(&server, "alice").await;
    assert!(b.command("SELECT INBOX").await.contains("* 3 RECENT\r\n"));
    let mut c = Imap::login(&server, "alice").await;
    assert!(c.command("SELECT INBOX").await.contains("* 0 RECENT\r\n"));
    let status = c.command("STATUS INBOX (RECENT)").await;
    assert_eq!(status, "* STATUS \"INBOX\" (RECENT 0)\r\nOK STATUS completed.");
    c.append("INBOX", "", b"Subject: 4\r\n\r\n").await;
    assert_eq!(b.command("NOOP").await, "* 4 EXISTS\r\n* 4 RECENT\r\nOK NOOP completed.");
    assert_eq!(c.command("NOOP").await, "OK NOOP completed.");
}

#[tokio::test(start_paused = true)]
async fn who_examines_changes_nothing_and_hears_of_changes() {
    let (_fs, server) = fixture(2).await;
    let mut a = Imap::inbox(&server, "alice").await;
    let mut b = Imap::login(&server, "alice").await;
    assert!(b.command("EXAMINE INBOX").await.contains("OK [READ-ONLY] "));
    for command in ["STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"] {
        assert!(b.command(command).await.starts_with("NO "), "{command}");
    }
    a.command("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    a.command("EXPUNGE").await;
    assert_eq!(b.command("NOOP").await, "* 1 EXPUNGE\r\nOK NOOP completed.");
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_taken_away_ends_the_sessions_on_it() {
    let (fs, server) = fixture(1).await;
    let mut a = Imap::login(&server, "alice").await;
    let mut b = Imap::login(&server, "alice").await;
    let mut c = Imap::login(&server, "alice").await;
    a.command("CREATE x").await;
    a.append("x", "", b"Subject: 1\r\n\r\n").await;
    for session in [&mut a, &mut b] {
        assert!(session.command("SELECT x").await.contains("OK [READ-WRITE] "));
    }
    assert_eq!(a.command("DELETE x").await, "* 1 EXPUNGE\r\n* 0 RECENT\r\nOK DELETE completed.");
    assert!(b.response().await.starts_with("* BYE "));
    assert_eq!(b.octets().await, b"");

    assert!(c.command("SELECT INBOX").await.contains("OK [READ-WRITE] "));
    let list = Path::new(ROOT).join("dovecot-uidlist");
    let old = mailstore::fs::read(&fs, &list).unwrap();
    let text = String::from_utf8(old).unwrap();
    let start = text.find(" V").unwrap() + 2;
    let end = start + text[start..].find(' ').unwrap();
    let validity: u32 = text[start..end].parse().unwrap();
    let new = format!("{}{}{}", &text[..start], validity + 1, &text[end..]);
    mailstore::fs::Fs::unlink(&fs, &list).unwrap();
    let mut file = mailstore::fs::Fs::open(&fs, &list, mailstore::fs::OpenMode::CreateNew).unwrap();
    file.append(new.as_bytes()).unwrap();
    drop(file);
    assert!(c.command("NOOP").await.starts_with("* BYE The selected mailbox has new UIDs."));
}

#[tokio::test(start_paused = true)]
async fn who_renames_the_selected_mailbox_is_answered_and_goes_on() {
    let (_fs, server) = fixture(0).await;
    let mut a = Imap::login(&server, "alice").await;
    let mut b = Imap::login(&server, "alice").await;
    let mut c = Imap::login(&server, "alice").await;
    // The mailbox itself, then one above it.
    for (selected, from, to, renamed) in [("Q5", "Q5", "Q6", "Q6"), ("up/Q5", "up", "top", "top/Q5")] {
        a.command(&format!("CREATE {selected}")).await;
        a.append(selected, "", b"Subject: 1\r\n\r\n").await;
        for session in [&mut a, &mut b] {
            let told = session.command(&format!("SELECT {selected}")).await;
            assert!(told.contains("* 1 EXISTS\r\n"), "{told}");
        }
        c.append(selected, "", b"Subject: 2\r\n\r\n").await;
        a.command("NOOP").await;
        assert_eq!(a.section(2, "HEADER").await.unwrap(), b"Subject: 2\r\n\r\n");
        let told = a.command(&format!("RENAME {from} {to}")).await;
        assert_eq!(told, "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 0 RECENT\r\nOK RENAME completed.");
        assert!(b.response().await.starts_with("* BYE The selected mailbox has been deleted or renamed."));
        assert_eq!(b.octets().await, b"");
        b = Imap::login(&server, "alice").await;

        // What comes under either name is nothing to the session, until it selects one.
        a.command(&format!("CREATE {selected}")).await;
        for mailbox in [selected, renamed] {
            c.append(mailbox, "", b"Subject: 3\r\n\r\n").await;
        }
        assert_eq!(a.command("NOOP").await, "OK NOOP completed.");
        assert_eq!(a.command("UID SEARCH ALL").await, "* SEARCH\r\nOK UID SEARCH completed.");
        assert_eq!(a.command("UID FETCH 1:* FLAGS").await, "OK UID FETCH completed.");
        assert_eq!(a.command("EXPUNGE").await, "OK EXPUNGE completed.");
        assert_eq!(a.command("CLOSE").await, "OK CLOSE completed.");
        let told = a.command(&format!("SELECT {selected}")).await;
        assert!(told.contains("* 1 EXISTS\r\n"), "{told}");
        let told = a.command(&format!("SELECT {renamed}")).await;
        assert!(told.contains("* 3 EXISTS\r\n"), "{told}");
        a.command("UNSELECT").await;
        let told = a.command(&format!("DELETE {selected}")).await;
        assert_eq!(told, "OK DELETE completed.");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_fails_leaves_the_mailbox_selected() {
    let (_fs, server) = fixture(0).await;
    let mut a = Imap::login(&server, "alice").await;
    let mut b = Imap::login(&server, "alice").await;
    a.command("CREATE x").await;
    a.command("CREATE y").await;
    a.command("SELECT x").await;
    for to in ["y", "x", "x/below"] {
        let told = a.command(&format!("RENAME x {to}")).await;
        assert!(told.starts_with("NO "), "{told}");
    }
    b.append("x", "", b"Subject: 1\r\n\r\n").await;
    assert_eq!(a.command("NOOP").await, "* 1 EXISTS\r\n* 1 RECENT\r\nOK NOOP completed.");
}

#[tokio::test(start_paused = true)]
async fn rename_of_inbox_takes_its_messages_and_inbox_stays_selected() {
    let (_fs, server) = fixture(2).await;
    let mut a = Imap::login(&server, "alice").await;
    a.command("CREATE INBOX/below").await;
    let mut below = Imap::login(&server, "alice").await;
    assert!(below.command("SELECT INBOX/below").await.contains("* 0 EXISTS\r\n"));
    assert!(a.command("SELECT INBOX").await.contains("* 2 EXISTS\r\n"));
    let mut b = Imap::inbox(&server, "alice").await;
    assert_eq!(
        a.command("RENAME INBOX old").await,
        "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 0 RECENT\r\nOK RENAME completed."
    );
    assert_eq!(b.command("NOOP").await, "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nOK NOOP completed.");
    assert_eq!(below.command("NOOP").await, "OK NOOP completed.");
    b.append("INBOX", "", b"Subject: 3\r\n\r\n").await;
    assert!(a.command("NOOP").await.starts_with("* 1 EXISTS\r\n"));
    assert!(a.command("EXAMINE old").await.contains("* 2 EXISTS\r\n"));
}

//! The power is cut at every operation of the disk while mail is accepted, delivered, fetched, flagged, appended and
//! expunged; a new server starts on what is left.
//!
//! The claim: what was answered 250 is in the mailbox of every recipient exactly once; what was not is there once or
//! not at all; nothing is there in part; what POP3 was told is removed does not come back. What IMAP answered OK is as
//! it was answered, under the UIDs that were told; what it did not answer is done for each message wholly or not at
//! all.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::{Client, inbox, start, until};
use mailstore::fs::Fs as _;
use mailstore::fs::sim::SimFs;
use std::path::Path;
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
    // queue directory had been synced, so that is what it is held to.
    let heard = fs.ops();
    let synced = |op: &u64| {
        let operation = &fs.log()[usize::try_from(*op).unwrap()];
        operation.name == "sync_dir" && operation.path == Path::new("/spool/queue")
    };
    let answered = (begun..heard).find(synced).map_or(heard, |op| op + 1);
    Sent { text, to, answered }
}

/// What is left of a disk after a cut, when a new server has delivered what it found.
async fn recover(disk: &SimFs) {
    let server = start(disk, 2).await.unwrap();
    until("the spool is empty", || disk.read_dir(Path::new("/spool/queue")).unwrap().is_empty()).await;
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

/// What an IMAP session reads of alice's INBOX after a cut: UIDVALIDITY, and each message's UID, flags and octets.
async fn read_back(disk: &SimFs) -> (String, Vec<(u32, String, String)>) {
    let server = start(disk, 2).await.unwrap();
    let mut client = Imap::login(&server, "alice").await;
    let selected = client.command("SELECT INBOX").await;
    let validity = between(&selected, "[UIDVALIDITY ", "]").to_owned();
    let told = client.command("UID FETCH 1:* FLAGS").await;
    let mut messages = Vec::new();
    for line in told.lines().filter(|line| line.starts_with("* ")) {
        let uid = between(line, "UID ", " ").trim_end_matches(')').parse().unwrap();
        let mut flags: Vec<_> = between(line, "FLAGS (", ")").split(' ').collect();
        flags.retain(|flag| *flag != "\\Recent" && !flag.is_empty());
        flags.sort_unstable();
        let octets = client.section(uid, "").await.unwrap();
        messages.push((uid, flags.join(" "), String::from_utf8(octets).unwrap()));
    }
    assert!(server.shutdown(Duration::from_secs(1)).await);
    (validity, messages)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{text}")).1;
    rest.split(after).next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_imap_answered_ok_survives_a_power_cut_at_every_operation() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Imap::login(&server, "alice").await;
    let old = ["Subject: one\r\n\r\nfirst\r\n", "Subject: two\r\n\r\nsecond\r\n"];
    for message in old {
        assert!(client.append("INBOX", "", message.as_bytes()).await.contains("APPENDUID "));
    }
    let selected = client.command("SELECT INBOX").await;
    let validity = between(&selected, "[UIDVALIDITY ", "]").to_owned();

    // The flags of the two messages and what follows them, as they are after each step, and when it was answered.
    let new = format!("Subject: three\r\n\r\n{}\r\n", "third ".repeat(40));
    let message = |uid: u32, flags: &str, octets: &str| (uid, flags.to_owned(), octets.to_owned());
    let first = |flags| message(1, flags, old[0]);
    let second = |flags| message(2, flags, old[1]);
    let third = |flags| message(3, flags, &new);
    let steps = [
        vec![first(""), second("")],
        vec![first("\\Flagged"), second("\\Flagged")],
        vec![first("\\Flagged"), second("\\Flagged todo")],
        vec![first("\\Flagged"), second("\\Flagged todo"), third("\\Draft later")],
        vec![first("\\Seen"), second("\\Flagged todo"), third("\\Draft later")],
        vec![first("\\Deleted \\Seen"), second("\\Flagged todo"), third("\\Draft later")],
        vec![second("\\Flagged todo"), third("\\Draft later")],
    ];
    fs.record_crash_points();
    let mut answered = vec![fs.ops()];
    for command in ["STORE 1:2 +FLAGS (\\Flagged)", "UID STORE 2 +FLAGS.SILENT (todo)"] {
        let reply = client.command(command).await;
        assert!(reply.lines().last().unwrap().starts_with("OK "), "{reply}");
        answered.push(fs.ops());
    }
    let reply = client.append("INBOX", "(\\Draft later)", new.as_bytes()).await;
    assert!(reply.contains(&format!(" OK [APPENDUID {validity} 3]")), "{reply}");
    answered.push(fs.ops());
    for command in ["STORE 1 FLAGS (\\Seen)", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"] {
        let reply = client.command(command).await;
        assert!(reply.lines().last().unwrap().starts_with("OK "), "{reply}");
        answered.push(fs.ops());
    }
    assert!(server.shutdown(Duration::from_secs(1)).await);

    let points = fs.crash_points();
    assert!(points.len() > 20, "only {} operations", points.len());
    let mut seen_after = vec![0_u32; steps.len()];
    for point in &points {
        // All that was answered when the power went, and the one step that was under way.
        let done = answered.iter().rposition(|op| *op <= point.op).unwrap();
        let next = (done + 1).min(steps.len() - 1);
        seen_after[done] += 1;
        let disks: Vec<SimFs> = point.outcomes(1, 4).collect();
        for disk in disks.iter().step_by(disks.len().div_ceil(DISKS_MAX)) {
            let (found_validity, found) = read_back(disk).await;
            assert_eq!(found_validity, validity, "op {}", point.op);
            for uid in 1..=3 {
                let of = |messages: &[(u32, String, String)]| {
                    let mut of: Vec<_> =
                        messages.iter().filter(|message| message.0 == uid).cloned().collect();
                    assert!(of.len() < 2, "op {}: {messages:?}", point.op);
                    of.pop()
                };
                let (is, was, becomes) = (of(&found), of(&steps[done]), of(&steps[next]));
                assert!(
                    is == was || is == becomes,
                    "op {}: {is:?}, neither {was:?} nor {becomes:?}",
                    point.op
                );
            }
            assert!(found.iter().all(|(uid, ..)| (1..=3).contains(uid)), "op {}: {found:?}", point.op);
        }
    }
    // Every step but the last was cut somewhere before its answer.
    assert!(seen_after[..steps.len() - 1].iter().all(|cuts| *cuts > 0), "{seen_after:?}");
}

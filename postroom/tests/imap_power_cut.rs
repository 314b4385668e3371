//! The power is cut at every operation of the disk while an IMAP session flags, appends, copies and expunges; a new
//! server starts on what is left.
//!
//! The claim: what was answered OK is as it was answered, under the UIDs that were told; what was not is done for each
//! message wholly or not at all; no message is lost, doubled or there in part.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::start;
use mailstore::fs::sim::SimFs;
use std::time::Duration;

/// How many of the disks that a cut can leave are looked at, for each cut.
const DISKS_MAX: usize = 6;

/// What is in a mailbox: its UIDVALIDITY, and each message's UID, flags and octets.
async fn read(client: &mut Imap, mailbox: &str) -> (String, Vec<(u32, String, String)>) {
    let selected = client.command(&format!("SELECT {mailbox}")).await;
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
    (validity, messages)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{text}")).1;
    rest.split(after).next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_ok_survives_a_power_cut_at_every_operation() {
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
    assert!(client.command("CREATE Archive").await.starts_with("OK "));
    let copied = client.command("COPY 1:2 Archive").await;
    assert!(copied.starts_with("OK [COPYUID ") && copied.contains(" 1:2 1:2]"), "{copied}");
    let copied = fs.ops();
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
            let server = start(disk, 2).await.unwrap();
            let mut client = Imap::login(&server, "alice").await;
            let (found_validity, found) = read(&mut client, "INBOX").await;
            if copied <= point.op {
                let (_, archive) = read(&mut client, "Archive").await;
                assert_eq!(archive, steps[2], "op {}", point.op);
            }
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

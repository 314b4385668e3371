//! The power is cut at every operation of the disk while an IMAP session appends, flags, copies and removes; a new
//! server starts on what is left.
//!
//! The claim: what was answered OK has happened; what was not has happened or not; no message is there in part.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::start;
use mailstore::fs::sim::SimFs;
use std::time::Duration;

/// How many of the disks that a cut can leave are looked at, for each cut.
const DISKS_MAX: usize = 3;

const FIRST: &str = "Subject: first\r\n\r\none\r\n";
const SECOND: &str = "Subject: second\r\n\r\ntwo\r\n";

#[tokio::test(start_paused = true)]
async fn what_was_answered_ok_survives_a_power_cut_at_every_operation() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    // After each step, the operation from which on it must hold.
    assert!(a.append("INBOX", "", FIRST.as_bytes()).await.contains(" OK "));
    let first = fs.ops();
    assert!(a.append("INBOX", "", SECOND.as_bytes()).await.contains(" OK "));
    let second = fs.ops();
    assert!(a.command("STORE 1:2 +FLAGS (\\Flagged work)").await.contains("OK STORE"));
    let flagged = fs.ops();
    assert!(a.command("CREATE Archive").await.starts_with("OK "));
    assert!(a.command("COPY 1:2 Archive").await.starts_with("OK [COPYUID "));
    let copied = fs.ops();
    a.command("STORE 1 +FLAGS (\\Deleted)").await;
    assert!(a.command("EXPUNGE").await.ends_with("OK EXPUNGE completed."));
    let removed = fs.ops();
    server.shutdown(Duration::from_secs(1)).await;

    let points = fs.crash_points();
    assert!(points.len() > 50, "only {} operations", points.len());
    for point in &points {
        let op = point.op;
        let disks: Vec<SimFs> = point.outcomes(1, 4).collect();
        for disk in disks.iter().step_by(disks.len().div_ceil(DISKS_MAX)) {
            let server = start(disk, 2).await.unwrap();
            let mut b = Imap::inbox(&server, "alice").await;
            let all = b.command("UID FETCH 1:* (FLAGS BODY.PEEK[])").await;
            let has = |text: &str| all.matches(text).count();
            for (text, from, until) in [(FIRST, first, copied), (SECOND, second, u64::MAX)] {
                let there = has(text);
                assert!(there <= 1, "operation {op}: {all}");
                if op >= from && op < until {
                    assert_eq!(there, 1, "operation {op}: {all}");
                }
            }
            assert_eq!(has("Subject: "), has(FIRST) + has(SECOND), "operation {op}: {all}");
            if op >= flagged {
                assert_eq!(has("\\Flagged") + has("work"), 2 * has("Subject: "), "operation {op}: {all}");
            }
            if op >= removed {
                assert_eq!(has(FIRST), 0, "operation {op}: {all}");
            }
            if op >= copied {
                assert!(b.command("SELECT Archive").await.contains("* 2 EXISTS\r\n"), "operation {op}");
            }
        }
    }
}

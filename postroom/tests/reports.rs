//! Senders are told of what could not be delivered: the whole engine over a simulated disk.
//!
//! Every test keeps a log, as in `outcomes.rs`.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, inbox, queued, settings, start_with, until};
use mail_message::mime::{Content, Limits, Scanner};
use mailstore::fs::Fs as _;
use mailstore::fs::sim::SimFs;
use mailstore::spool::{LogSpool, SpoolLimits};
use postroom::delivery::Deliverers;
use postroom::local::{LocalMail, LocalSpool};
use postroom::server::Builder;
use postroom::settings::Settings;
use postroom::wall::{AccountId, Directory, Later, Login};
use postroom::{Blocking, Server};
use proto_core::Backend;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::Level;

/// One attempt, and what failed is bounced.
fn at_once() -> Deliverers {
    let mut how = Deliverers::default();
    how.retry.maximal_queue_lifetime = Duration::ZERO;
    how
}

/// Nobody can write to the mailboxes of these.
fn refuse(fs: &SimFs, users: &[&str]) {
    for user in users {
        let mailbox = format!("/mail/example.test/{user}");
        fs.refuse(Path::new(&mailbox), Some(io::ErrorKind::ReadOnlyFilesystem));
    }
}

async fn start(fs: &SimFs, pid: u32, how: Deliverers, change: impl FnOnce(&mut Settings)) -> Server {
    let mut settings = settings();
    settings.policy.set("virtual_alias_maps", "inline:{team@example.test=bob@example.test}").unwrap();
    settings.policy.set("alias_maps", "inline:{ list=bob, owner-list=carol }").unwrap();
    change(&mut settings);
    let with = |builder: Builder| {
        let users = common::Users(&["alice@example.test", "bob@example.test", "carol@example.test"]);
        builder.directory(users).settings(settings).deliverers(how)
    };
    start_with(fs, pid, with).await.unwrap()
}

async fn restart(fs: &SimFs, server: Server, how: Deliverers) -> Server {
    assert!(server.shutdown(Duration::from_secs(1)).await);
    start(fs, 2, how, |_| {}).await
}

/// Alice logs in and sends something.
async fn send(server: &Server, from: &str, to: &[&str], text: &str) {
    let mut client = Client::greeted(server, "submission").await;
    let alice = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==";
    assert!(client.command(alice).await.starts_with("235"));
    let reply = client.mail(from, to, text).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}

/// Somebody sends something.
async fn send_unknown(server: &Server, from: &str, to: &[&str], text: &str) {
    let mut client = Client::greeted(server, "smtp").await;
    let reply = client.mail(from, to, text).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";
const CAROL: &str = "carol@example.test";

/// The parts of a report: text, fields, and what is returned.
fn parts(report: &str) -> [String; 3] {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(report.as_bytes());
    let message = scanner.finish();
    assert!(message.root.fields.content_type.is("multipart", "report"), "{report}");
    let Content::Multipart(parts) = &message.root.content else { panic!("no parts: {report}") };
    let text = |range: &std::ops::Range<u64>| report[range.start as usize..range.end as usize].to_owned();
    [&parts[0], &parts[1], &parts[2]].map(|part| text(&part.body))
}

#[tokio::test(start_paused = true)]
async fn a_sender_here_is_told_once_of_all_who_failed() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob", "carol"]);
    let server = start(&fs, 1, at_once(), |_| {}).await;
    send(&server, ALICE, &["team@example.test", CAROL, ALICE], "Subject: hello\r\n\r\n--\r\nAlice").await;
    until("both are there", || inbox(&fs, "alice").len() == 2).await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (2, 0));

    let report = inbox(&fs, "alice").into_iter().find(|mail| mail.contains("multipart/report")).unwrap();
    assert!(report.starts_with("Return-Path: <>\r\nX-Original-To: alice@example.test\r\n"), "{report}");
    assert!(report.contains(
        "\r\nFrom: MAILER-DAEMON@example.test (Mail Delivery System)\r\nTo: <alice@example.test>\r\n"
    ));
    let [text, fields, returned] = parts(&report);
    let text = text.replace("\r\n    ", " ");
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        at("<bob@example.test> (expanded from <team@example.test>): the mailbox cannot be written to")
            < at("<carol@example.test>:")
    );
    assert!(!text.contains("/mail/"), "paths are for the log: {text}");
    for user in ["bob", "carol"] {
        let told = format!(
            "\r\n\r\nFinal-Recipient: rfc822; {user}@example.test\r\nAction: failed\r\nStatus: 4.3.0"
        );
        assert!(fields.contains(&told), "{fields}");
    }
    assert_eq!(fields.matches("Final-Recipient").count(), 2, "{fields}");
    assert!(
        returned.starts_with("Received: ") && returned.ends_with("Subject: hello\r\n\r\n--\r\nAlice\r\n"),
        "{returned}"
    );
    assert_eq!(log.lines_with(&["the sender is told", "to=\"alice@example.test\""]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_large_message_comes_back_as_its_header() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let mut how = at_once();
    how.bounce_size_limit = 1000;
    let server = start(&fs, 1, how.clone(), |_| {}).await;
    let body = "Subject: large\r\nX-Folded: a\r\n b\r\n\r\n".to_owned() + &"0123456789\r\n".repeat(20_000);
    send(&server, ALICE, &[BOB], &body).await;
    until("she is told", || inbox(&fs, "alice").len() == 1).await;
    let report = inbox(&fs, "alice").remove(0);
    let [text, _, returned] = parts(&report);
    assert!(text.contains("The header of the message is attached."), "{text}");
    assert!(report.contains("Content-Type: text/rfc822-headers\r\n"));
    assert!(
        returned.starts_with("Received: ") && returned.ends_with("Subject: large\r\nX-Folded: a\r\n b\r\n"),
        "{returned}"
    );

    // It may be returned in many pieces.
    how.bounce_size_limit = 1 << 20;
    let server = restart(&fs, server, how.clone()).await;
    let body = "Subject: whole\r\n\r\n".to_owned() + &"0123456789\r\n".repeat(20_000);
    send(&server, ALICE, &[BOB], &body).await;
    until("she is told", || inbox(&fs, "alice").len() == 2).await;
    let whole = inbox(&fs, "alice").into_iter().find(|mail| mail.contains("Subject: whole")).unwrap();
    assert!(parts(&whole)[2].ends_with(&format!("\r\n{body}\r\n")));

    // A header without end is cut off.
    how.bounce_size_limit = 1000;
    let server = restart(&fs, server, how).await;
    send(&server, ALICE, &[BOB], &("Subject: wide\r\n".to_owned() + &"X-More: 0123456789\r\n".repeat(4000)))
        .await;
    until("she is told", || inbox(&fs, "alice").len() == 3).await;
    let wide = inbox(&fs, "alice").into_iter().find(|mail| mail.contains("Subject: wide")).unwrap();
    assert_eq!(parts(&wide)[2].len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_a_list_is_told_in_place_of_the_sender() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let server = start(&fs, 1, at_once(), |_| {}).await;
    send(&server, ALICE, &["list@example.test"], "Subject: hello\r\n\r\nx").await;
    until("she is told", || inbox(&fs, "carol").len() == 1).await;
    let told = inbox(&fs, "carol").remove(0);
    assert!(parts(&told)[0].contains("(expanded from <list@example.test>)"), "{told}");
    assert!(told.contains("\r\nTo: <owner-list@example.test>\r\n"), "{told}");
    // She does not take the place of nobody: reports on reports would come to her.
    send_unknown(&server, "", &["list@example.test"], "a report").await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    let found = [inbox(&fs, "carol").len(), inbox(&fs, "alice").len(), queued(&fs)];
    assert_eq!(found, [1, 0, 0]);
}

/// K31: and no report of a report that cannot be delivered.
#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_mail_without_a_sender() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["alice", "bob"]);
    let server = start(&fs, 1, at_once(), |_| {}).await;
    send(&server, "", &[BOB], "a report").await;
    until("it has bounced", || queued(&fs) == 0).await;
    assert!(log.lines_with(&["the sender is"]).is_empty());
    // Bob's mail comes back to Alice, who cannot get it either.
    send(&server, ALICE, &[BOB], "a letter").await;
    until("both have bounced", || queued(&fs) == 0 && log.lines_with(&["removed"]).len() == 3).await;
    assert_eq!(log.lines_with(&["the sender is"]).len(), 1, "{}", log.text());
}

/// K31 with `2bounce` in `notify_classes`.
#[tokio::test(start_paused = true)]
async fn somebody_may_be_told_of_mail_without_a_sender() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let mut how = at_once();
    how.double_bounce_recipient = Some("owner-list".into());
    let server = start(&fs, 1, how, |_| {}).await;
    send(&server, "", &[BOB], "Subject: a report\r\n\r\nx").await;
    until("Carol is told", || inbox(&fs, "carol").len() == 1).await;
    let told = inbox(&fs, "carol").remove(0);
    assert!(told.starts_with("Return-Path: <double-bounce@example.test>\r\n"), "{told}");
    assert!(told.contains("\r\nTo: <owner-list@example.test>\r\n"), "{told}");
    assert!(told.contains("\r\nA message without a sender could not be delivered"), "{told}");
    // When she cannot get it, it ends there.
    refuse(&fs, &["carol"]);
    send(&server, "", &[BOB], "another").await;
    until("it has ended", || queued(&fs) == 0 && log.lines_with(&["removed"]).len() == 4).await;
    assert_eq!(log.lines_with(&["the sender is"]).len(), 2, "{}", log.text());
}

/// Nor does what somebody writes come, by way of a report, to a list of ours that he puts in the sender's place.
#[tokio::test(start_paused = true)]
async fn of_a_message_that_nobody_has_logged_in_for_the_header_comes_back() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let server = start(&fs, 1, at_once(), |_| {}).await;
    send_unknown(&server, ALICE, &[BOB], "Subject: hello\r\n\r\nBuy this!").await;
    until("she is told", || inbox(&fs, "alice").len() == 1).await;
    let report = inbox(&fs, "alice").remove(0);
    assert!(parts(&report)[2].ends_with("Subject: hello\r\n"), "{report}");
    assert!(!report.contains("Buy this!"), "{report}");
}

/// What keeps a message from being delivered does not keep its sender from being told.
#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_told_of_all_the_same() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let mut how = Deliverers::default();
    how.retry.maximal_queue_lifetime = Duration::from_secs(1000);
    let server = start(&fs, 1, how, |_| {}).await;
    send(&server, ALICE, &[BOB], "Subject: hello\r\n\r\nx").await;
    until("it waits", || log.lines_with(&["deferred"]).len() == 1).await;
    for segment in fs.read_dir(Path::new("/spool/log")).unwrap() {
        fs.spoil(&Path::new("/spool/log").join(segment.name)).unwrap();
    }
    until("it is given up", || !log.lines_with(&["the report does not return the message"]).is_empty()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.lines_with(&["the sender is told", ALICE]).len(), 1, "{}", log.text());
}

/// Where all that fills a spool has failed, it can still be told.
#[tokio::test(start_paused = true)]
async fn a_full_spool_empties_itself() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let limits = SpoolLimits { messages_max: 1, ..SpoolLimits::default() };
    let (spool, _) = LogSpool::open(common::env(&fs, 1), Path::new("/spool"), limits).unwrap();
    let spool = LocalSpool::new(Arc::new(spool), Blocking::inline());
    let disk = LocalMail::open(common::env(&fs, 1), Path::new("/else"), "/mail/%d/%n", &Blocking::inline());
    let store = disk.unwrap().store;
    let with = |builder: Builder| builder.mail(spool, store).deliverers(at_once());
    let server = start_with(&fs, 1, with).await.unwrap();
    send(&server, ALICE, &[BOB], "Subject: hello\r\n\r\nx").await;
    until("she is told", || inbox(&fs, "alice").len() == 1).await;
}

/// The owner of a list does not hear that a double bounce has failed: reports on that would fail and be reported without end.
#[tokio::test(start_paused = true)]
async fn whoever_is_told_of_double_bounces_may_be_a_list_with_an_owner() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let mut how = at_once();
    how.double_bounce_recipient = Some("list@example.test".into());
    let server = start(&fs, 1, how, |_| {}).await;
    send(&server, "", &[BOB], "a report").await;
    until("both have bounced", || log.lines_with(&["removed"]).len() >= 2).await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!((inbox(&fs, "carol").len(), queued(&fs)), (0, 0));
    assert_eq!(log.lines_with(&["removed"]).len(), 2, "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn of_a_sender_who_stands_for_several_those_are_told_who_can_be() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let server = start(&fs, 1, at_once(), |settings| {
        let map = "inline:{ {sales@example.test = alice@example.test, gone@example.test, s@x.test} \
                   {lost@example.test = gone@example.test, s@x.test} }";
        settings.policy.set("virtual_alias_maps", map).unwrap();
    })
    .await;
    send(&server, "sales@example.test", &[BOB], "Subject: hello\r\n\r\nx").await;
    until("she is told", || inbox(&fs, "alice").len() == 1).await;
    for lost in ["gone@example.test", "s@x.test"] {
        assert_eq!(log.lines_with(&["WARN", "gets no report", lost]).len(), 1, "{}", log.text());
    }
    send(&server, "lost@example.test", &[BOB], "x").await;
    until("it has bounced", || queued(&fs) == 0).await;
    assert_eq!(log.lines_with(&["WARN", "the sender is not told", "lost@example.test"]).len(), 1);
    assert_eq!(inbox(&fs, "alice").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sender_elsewhere_is_not_told_and_the_log_says_so_once() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob", "carol"]);
    let server = start(&fs, 1, at_once(), |_| {}).await;
    send(&server, "s@x.test", &[BOB, CAROL], "x").await;
    until("it has bounced", || queued(&fs) == 0).await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    let told = log.lines_with(&["WARN", "the sender is not told", "queue_id=", "s@x.test"]);
    assert_eq!(told.len(), 1, "{}", log.text());
    assert!(told[0].contains("No route to remote domains"), "{}", told[0]);
    assert_eq!(log.lines_with(&["bounced", "example.test"]).len(), 2);
}

/// D059 of the access-policy specification: the reports of this server are not looked at with header and body checks; and no restriction
/// list is asked about them.
#[tokio::test(start_paused = true)]
async fn d059_no_checks_of_reports() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let checked = |settings: &mut Settings| {
        for (name, check) in [
            ("header_checks", "regexp:{{/^Subject: Undelivered/ REJECT},{/^Auto-Submitted/ REJECT}}"),
            ("body_checks", "regexp:{{/could not be delivered/ REJECT}}"),
        ] {
            settings.policy.set(name, check).unwrap();
        }
    };
    let server = start(&fs, 1, at_once(), checked).await;
    let mut client = Client::greeted(&server, "smtp").await;
    let reply = client.mail(ALICE, &[BOB], "Subject: Undelivered\r\n\r\nx").await;
    assert!(reply.starts_with("550 5.7.1"), "the checks are there: {reply}");
    send(&server, ALICE, &[BOB], "Subject: hello\r\n\r\nx").await;
    until("she is told", || inbox(&fs, "alice").len() == 1).await;
    assert!(inbox(&fs, "alice")[0].contains("\r\nSubject: Undelivered mail returned to sender\r\n"));
}

/// K29.
#[tokio::test(start_paused = true)]
async fn a_sender_is_told_once_that_it_takes_long() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let mut how = Deliverers::default();
    how.delay_warning_time = Duration::from_secs(4 * 3600);
    let server = start(&fs, 1, how.clone(), |_| {}).await;
    send(&server, ALICE, &[BOB], "Subject: slow\r\n\r\nx").await;
    tokio::time::sleep(Duration::from_secs(4 * 3600 - 60)).await;
    assert!(inbox(&fs, "alice").is_empty());
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    let told = inbox(&fs, "alice");
    assert_eq!(told.len(), 1);
    let [text, fields, returned] = parts(&told[0]);
    assert!(text.contains("You need not send it again"), "{text}");
    assert!(fields.contains("Action: delayed\r\nStatus: 4.3.0\r\nWill-Retry-Until: "), "{fields}");
    assert!(returned.ends_with("Subject: slow\r\n"), "{returned}");
    // It is remembered over a restart.
    assert!(server.shutdown(Duration::from_secs(1)).await);
    let _server = start(&fs, 2, how, |_| {}).await;
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (1, 1));
}

/// Two accounts, of which one cannot be asked about now and then.
#[derive(Debug, Clone, Default)]
struct Moody(Arc<AtomicBool>);

impl Directory for Moody {
    fn authenticate(&self, _: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        let answer = match account.user() {
            "alice" if self.0.load(Ordering::Relaxed) => Err(Backend::TEMPORARY),
            "alice" | "bob" => Ok(true),
            _ => Ok(false),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_told_now_is_told_later_and_once() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    refuse(&fs, &["bob"]);
    let directory = Moody::default();
    let with = |builder: Builder| builder.directory(directory.clone()).deliverers(at_once());
    let server = start_with(&fs, 1, with).await.unwrap();
    directory.0.store(true, Ordering::Relaxed);
    send_unknown(&server, ALICE, &[BOB], "x").await;
    until("it waits", || log.lines_with(&["deferred: the sender cannot be told now"]).len() == 2).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (0, 1));
    directory.0.store(false, Ordering::Relaxed);
    until("she is told", || inbox(&fs, "alice").len() == 1).await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (1, 0));

    // For so long: then it ends.
    directory.0.store(true, Ordering::Relaxed);
    send_unknown(&server, ALICE, &[BOB], "never told").await;
    tokio::time::sleep(Duration::from_secs(23 * 3600)).await;
    assert_eq!(queued(&fs), 1);
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (1, 0));
    assert_eq!(log.lines_with(&["the sender is not told", ALICE]).len(), 1);
    directory.0.store(false, Ordering::Relaxed);

    // Nor is anything lost when the spool takes neither the report nor what it tells of.
    let mut how = Deliverers::default();
    how.retry.maximal_queue_lifetime = Duration::from_secs(200);
    assert!(server.shutdown(Duration::from_secs(1)).await);
    let with = |builder: Builder| builder.directory(directory.clone()).deliverers(how);
    let server = start_with(&fs, 2, with).await.unwrap();
    send_unknown(&server, ALICE, &[BOB], "y").await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    fs.refuse(Path::new("/spool"), Some(io::ErrorKind::StorageFull));
    until("it cannot be recorded", || !log.lines_with(&["outcome not recorded"]).is_empty()).await;
    fs.refuse(Path::new("/spool"), None);
    until("she is told", || inbox(&fs, "alice").len() == 2).await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (2, 0));
}

/// A report is there exactly once, wherever the power is cut; what it tells of is not delivered meanwhile.
#[tokio::test(start_paused = true)]
async fn a_report_survives_a_power_cut_at_every_operation() {
    let (_log, _guard) = Log::start(Level::ERROR);
    let fs = SimFs::new();
    refuse(&fs, &["bob", "carol"]);
    let server = start(&fs, 1, at_once(), |_| {}).await;
    let mut client = Client::greeted(&server, "smtp").await;
    fs.record_crash_points();
    let begun = fs.ops();
    let reply = client.mail(ALICE, &[BOB, CAROL], "Subject: cut\r\n\r\nx").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    let answered = common::spool_sync(&fs, begun).unwrap() + 1;
    until("she is told", || inbox(&fs.fork(), "alice").len() == 1).await;
    assert!(server.shutdown(Duration::from_secs(1)).await);
    let points = fs.crash_points();
    assert!(points.len() > 15, "only {} operations", points.len());
    for point in &points {
        let disks: Vec<SimFs> = point.outcomes(1, 4).collect();
        for disk in disks.iter().step_by(disks.len().div_ceil(6)) {
            refuse(disk, &["bob", "carol"]);
            let server = start(disk, 2, at_once(), |_| {}).await;
            until("the spool is empty", || queued(disk) == 0).await;
            assert!(server.shutdown(Duration::from_secs(1)).await);
            let told = inbox(disk, "alice");
            let allowed = if answered <= point.op { 1..=1 } else { 0..=1 };
            assert!(allowed.contains(&told.len()), "op {}: {} reports", point.op, told.len());
            for report in told {
                assert_eq!(parts(&report)[1].matches("Action: failed").count(), 2, "op {}", point.op);
            }
        }
    }
}

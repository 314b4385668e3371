//! What policy wants done to a message besides taking it: HOLD, DISCARD, REDIRECT, BCC, PREPEND, FILTER.
//!
//! Some tests look at the log. A line that is first come to where nobody listens, while a listener begins elsewhere, may be
//! switched off for both, so those that come to the same lines listen, too.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, inbox, queued, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use mailstore::spool::{Envelope, QueueId};
use mailstore::{ErrorKind, StoreError};
use postroom::Server;
use postroom::bytes::Bytes;
use postroom::wall::{Intake, Later, SpoolWriter, StoreResult};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server where each sender has an action, at RCPT; and those of `late.test` at the end of the message.
async fn server(fs: &SimFs, entries: &str) -> Server {
    let mut settings = settings();
    let access = format!("check_sender_access inline:{{{entries}}}");
    settings.policy.set("smtpd_recipient_restrictions", &access).unwrap();
    let access = access.replace("x.test", "late.test");
    settings.policy.set("smtpd_end_of_data_restrictions", &access).unwrap();
    start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap()
}

/// Everything that can be delivered is.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_held() {
    for domain in ["x.test", "late.test"] {
        let fs = SimFs::new();
        let server = server(&fs, "x.test=HOLD").await;
        let mut client = Client::greeted(&server, "smtp").await;
        let reply = client.mail(&format!("s@{domain}"), &["bob@example.test"], "x").await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
        settle().await;
        assert!(inbox(&fs, "bob").is_empty());
        assert_eq!(queued(&fs), 1);
        // The next message is not.
        assert!(client.mail("s@y.test", &["bob@example.test"], "x").await.starts_with("250 2.0.0"));
        until("delivered", || inbox(&fs, "bob").len() == 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_thrown_away() {
    for domain in ["x.test", "late.test"] {
        let fs = SimFs::new();
        let (log, _guard) = Log::start(tracing::Level::INFO);
        let server = server(&fs, "x.test=DISCARD").await;
        let mut client = Client::greeted(&server, "smtp").await;
        // Nobody looks at its recipients any more once it is: not even whether they are there.
        let recipients = if domain == "x.test" {
            vec!["bob@example.test", "eve@example.test"]
        } else {
            vec!["bob@example.test"]
        };
        let reply = client.mail(&format!("s@{domain}"), &recipients, "x").await;
        assert!(reply.starts_with("250 2.0.0") && reply.contains("queued as"), "{reply}");
        settle().await;
        assert_eq!((inbox(&fs, "bob").len(), queued(&fs)), (0, 0));
        assert_eq!(log.lines_with(&["discarded"]).len(), 1, "{}", log.text());
        assert!(client.mail("s@y.test", &["bob@example.test"], "x").await.starts_with("250 2.0.0"));
        until("delivered", || inbox(&fs, "bob").len() == 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_leads_nowhere_is_thrown_away_alone() {
    let (_log, _guard) = Log::start(tracing::Level::INFO);
    let fs = SimFs::new();
    let mut settings = settings();
    settings.policy.set("transport_maps", "inline:{null@example.test=discard:}").unwrap();
    settings.policy.set("local_recipient_maps", "static:anybody").unwrap();
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.mail("s@x.test", &["null@example.test"], "x").await.starts_with("250 2.0.0"));
    let both = ["null@example.test", "bob@example.test"];
    assert!(client.mail("s@x.test", &both, "both").await.starts_with("250 2.0.0"));
    until("delivered", || inbox(&fs, "bob").len() == 1).await;
    settle().await;
    assert_eq!(queued(&fs), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_somebody_else_and_besides() {
    for domain in ["x.test", "late.test"] {
        let fs = SimFs::new();
        let server =
            server(&fs, "{to@x.test=REDIRECT alice@example.test}, {too@x.test=BCC alice@example.test}").await;
        let mut client = Client::greeted(&server, "smtp").await;
        for (sender, bob, alice) in [("to", 0, 1), ("too", 1, 2), ("other", 2, 2)] {
            let reply = client.mail(&format!("{sender}@{domain}"), &["bob@example.test"], sender).await;
            assert!(reply.starts_with("250 2.0.0"), "{sender}: {reply}");
            settle().await;
            assert_eq!(
                (inbox(&fs, "bob").len(), inbox(&fs, "alice").len()),
                (bob, alice),
                "{sender}@{domain}"
            );
        }
        assert_eq!(queued(&fs), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_put_off_and_told_to_the_administrator() {
    for domain in ["x.test", "late.test"] {
        let fs = SimFs::new();
        let (log, _guard) = Log::start(tracing::Level::INFO);
        let server = server(
            &fs,
            "{to@x.test=REDIRECT a@far.test}, {too@x.test=BCC nobody@example.test}, {filter@x.test=FILTER scan:[127.0.0.1]:10025}",
        )
        .await;
        let mut client = Client::greeted(&server, "smtp").await;
        for (sender, told) in
            [("to", "a@far.test"), ("too", "nobody@example.test"), ("filter", "scan:[127.0.0.1]:10025")]
        {
            let reply = client.mail(&format!("{sender}@{domain}"), &["bob@example.test"], "x").await;
            assert_eq!(reply, "451 4.3.5 Server configuration error", "{sender}@{domain}");
            client.command("RSET").await;
            let mut lines = log.lines_with(&["refused", told]);
            // What a start tells of the tables is about no message.
            lines.retain(|line| !line.contains("postroom::settings"));
            assert!(!lines.is_empty(), "{}", log.text());
            // At the end there is a message that the line is about.
            assert!(domain == "x.test" || lines[0].contains("queue_id"), "{lines:?}");
        }
        settle().await;
        assert_eq!((inbox(&fs, "bob").len(), queued(&fs)), (0, 0));
    }
}

/// FILTER is of the message, so it holds for recipients that no rule names.
#[tokio::test(start_paused = true)]
async fn nothing_goes_by_a_filter() {
    let (_log, _guard) = Log::start(tracing::Level::INFO);
    let fs = SimFs::new();
    let mut settings = settings();
    let access = "check_recipient_access inline:{{alice@example.test=FILTER scan:x}}";
    settings.policy.set("smtpd_recipient_restrictions", access).unwrap();
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    client.command("MAIL FROM:<s@x.test>").await;
    assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250"));
    assert!(client.command("RCPT TO:<alice@example.test>").await.starts_with("451 4.3.5"));
    assert!(client.command("DATA").await.starts_with("451 4.3.5"));
    client.command("RSET").await;
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250 2.0.0"));
}

#[tokio::test(start_paused = true)]
async fn header_lines_stand_before_the_message_in_their_order() {
    let fs = SimFs::new();
    let mut settings = settings();
    for (list, line) in [("smtpd_client_restrictions", "X-One: 1"), ("smtpd_data_restrictions", "X-Two: 2")] {
        settings
            .policy
            .set(list, &format!("check_sender_access inline:{{{{x.test=PREPEND {line}}}}}"))
            .unwrap();
    }
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.mail("s@x.test", &["bob@example.test"], "Subject: x").await.starts_with("250 2.0.0"));
    until("delivered", || inbox(&fs, "bob").len() == 1).await;
    let mail = &inbox(&fs, "bob")[0];
    assert!(
        mail.contains("Delivered-To: bob@example.test\r\nX-One: 1\r\nX-Two: 2\r\nReceived: from "),
        "{mail}"
    );
    assert!(client.mail("s@y.test", &["bob@example.test"], "Subject: x").await.starts_with("250 2.0.0"));
    until("delivered", || inbox(&fs, "bob").len() == 2).await;
    assert_eq!(inbox(&fs, "bob").iter().filter(|mail| mail.contains("X-One")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_each_recipient_brings_again_is_there_once() {
    let fs = SimFs::new();
    let mut settings = settings();
    settings.limits.recipients_max = 400;
    settings.policy.set("recipient_delimiter", "+").unwrap();
    let lists = "check_client_access static:{PREPEND X-From-Outside: yes}";
    settings.policy.set("smtpd_client_restrictions", lists).unwrap();
    let lists = "check_sender_access static:{BCC alice@example.test}";
    settings.policy.set("smtpd_sender_restrictions", lists).unwrap();
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    let recipients: Vec<String> = (0..400).map(|n| format!("bob+{n}@example.test")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let reply = client.mail("s@x.test", &recipients, "Subject: x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until("delivered", || inbox(&fs, "alice").len() == 1).await;
    assert_eq!(inbox(&fs, "alice")[0].matches("X-From-Outside: yes\r\n").count(), 1);
    settle().await;
    assert_eq!(inbox(&fs, "alice").len(), 1);
}

/// What is beyond the limit is left out, so that the message is taken.
#[tokio::test(start_paused = true)]
async fn header_lines_beyond_the_limit_are_left_out() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let fs = SimFs::new();
    let mut settings = settings();
    settings.policy.set("recipient_delimiter", "+").unwrap();
    let long = "x".repeat(900);
    let access = format!("check_recipient_access regexp:{{{{/[+](.*)@/ PREPEND X-For-$1: {long}}}}}");
    settings.policy.set("smtpd_recipient_restrictions", &access).unwrap();
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    let recipients: Vec<String> = (10..40).map(|n| format!("bob+{n}@example.test")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let reply = client.mail("s@x.test", &recipients, "Subject: x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until("delivered", || !inbox(&fs, "bob").is_empty()).await;
    let mail = &inbox(&fs, "bob")[0];
    let there = mail.matches("X-For-").count();
    assert!((17..=18).contains(&there), "16 KiB of 912 octets each: {there}");
    assert!(mail.contains("X-For-10: x") && !mail.contains("X-For-39: x"), "the first ones");
    assert_eq!(log.lines_with(&["not prepended", "X-For-"]).len(), 30 - there, "{}", log.text());
}

/// Has no room for the first message, and keeps what comes of the next.
#[derive(Clone, Default)]
struct FullAtFirst(Arc<Mutex<(u32, Vec<u8>)>>);

struct Kept(QueueId, FullAtFirst);

impl Intake for FullAtFirst {
    fn begin(&self, _: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        let begun = &mut self.0.lock().unwrap().0;
        *begun += 1;
        let full = || StoreError::new(ErrorKind::DiskFull, "beginning a message", "there is no room");
        let writer = if *begun == 1 { Err(full()) } else { Ok(Kept("KEPT1".parse().unwrap(), self.clone())) };
        Box::pin(std::future::ready(writer.map(|writer| Box::new(writer) as _)))
    }
}

impl SpoolWriter for Kept {
    fn id(&self) -> &QueueId {
        &self.0
    }

    fn write(&mut self, octets: Bytes) -> Later<'_, Result<(), StoreError>> {
        self.1.0.lock().unwrap().1.extend_from_slice(&octets);
        Box::pin(std::future::ready(Ok(())))
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(start_paused = true)]
async fn what_data_wants_done_is_done_once_however_often_it_is_said() {
    let mut settings = settings();
    let access = "check_sender_access inline:{{x.test=PREPEND X-One: 1}}";
    settings.policy.set("smtpd_data_restrictions", access).unwrap();
    let intake = FullAtFirst::default();
    let with = intake.clone();
    let server =
        start_with(&SimFs::new(), 1, |builder| builder.settings(settings).intake(with)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    client.command("MAIL FROM:<s@x.test>").await;
    client.command("RCPT TO:<bob@example.test>").await;
    let refused = client.command("DATA").await;
    assert!(refused.starts_with("452 4.3.1"), "{refused}");
    assert!(client.command("DATA").await.starts_with("354"));
    assert!(client.command("Subject: x\r\n\r\nx\r\n.").await.starts_with("250"));
    let kept = String::from_utf8(intake.0.lock().unwrap().1.clone()).unwrap();
    assert_eq!(kept.matches("X-One: 1").count(), 1, "{kept}");
}

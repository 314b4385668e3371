//! Quotas in the engine: at RCPT (R258), for APPEND and COPY (R260), and for deliveries.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::log::Log;
use common::milter::{Milter, packet, say, settings_with};
use common::{Client, START, USERS, env, inbox, settings, until};
use mailstore::QuotaRules;
use mailstore::fs::sim::SimFs;
use postroom::clock::Clock;
use postroom::delivery::Deliverers;
use postroom::entropy::SeededEntropy;
use postroom::local::{LocalMail, LocalOptions};
use postroom::settings::Settings;
use postroom::{Blocking, Server};
use std::path::Path;
use std::sync::Arc;

const TEXT: &str = "Sorry, the user's maildir has overdrawn his diskspace quota";

/// Alice has 1,000 octets, bob has no limit.
async fn start(fs: &SimFs, quota_full_tempfail: bool) -> Server {
    start_as(fs, settings(), quota_full_tempfail).await
}

async fn start_as(fs: &SimFs, settings: Settings, quota_full_tempfail: bool) -> Server {
    let mut limited = QuotaRules::new("1000S".parse().unwrap());
    limited.exceeded_message = TEXT.into();
    let (limited, free) = (Arc::new(limited), Arc::new(QuotaRules::default()));
    let quotas = move |account: &postroom::wall::AccountId| {
        Arc::clone(if account.user() == "alice" { &limited } else { &free })
    };
    let mut options = LocalOptions::default();
    options.quotas = Some(Arc::new(quotas));
    let mail =
        LocalMail::open_with(env(fs, 1), Path::new("/"), "mail/%d/%n", options, &Blocking::inline()).unwrap();
    let mut how = Deliverers::default();
    how.quota_full_tempfail = quota_full_tempfail;
    let builder = Server::builder()
        .settings(settings)
        .directory(USERS)
        .mail(mail.spool, mail.store)
        .deliverers(how)
        .clock(Clock::starting_at(START))
        .entropy(SeededEntropy::new(1));
    builder.start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn r258_rcpt_says_that_the_mailbox_is_full() {
    for (tempfail, start_of_reply) in [(true, "452 4.2.2 "), (false, "552 5.2.2 ")] {
        let fs = SimFs::new();
        let server = start(&fs, tempfail).await;
        let mut client = Client::greeted(&server, "smtp").await;
        // By the size that the client announces.
        client.command("MAIL FROM:<s@x.test> SIZE=1001").await;
        let reply = client.command("RCPT TO:<alice@example.test>").await;
        assert!(reply.starts_with(start_of_reply) && reply.contains(TEXT), "{reply}");
        assert!(reply.contains("<alice@example.test>"), "{reply}");
        assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250 "));
        client.command("RSET").await;
        client.command("MAIL FROM:<s@x.test> SIZE=500").await;
        assert!(client.command("RCPT TO:<alice@example.test>").await.starts_with("250 "));
        client.command("DATA").await;
        client.send(format!("Subject: x\r\n\r\n{}\r\n.\r\n", "x".repeat(500)).as_bytes()).await;
        assert!(client.reply().await.starts_with("250 "));
        until("delivered", || !inbox(&fs, "alice").is_empty()).await;
        client.command("MAIL FROM:<s@x.test> SIZE=500").await;
        let reply = client.command("RCPT TO:<alice@example.test>").await;
        assert!(reply.starts_with(start_of_reply), "what was delivered counts: {reply}");
    }
}

/// A client that does not announce how much comes hears of it at the end: what is accepted and never fits would be lost.
#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_has_room_for_is_refused_at_its_end() {
    for (tempfail, start_of_reply) in [(true, "452 4.2.2 "), (false, "552 5.2.2 ")] {
        let fs = SimFs::new();
        let server = start(&fs, tempfail).await;
        let mut client = Client::greeted(&server, "smtp").await;
        let text = format!("Subject: x\r\n\r\n{}\r\n.\r\n", "x".repeat(900) + "\r\n" + &"x".repeat(600));
        for mail in ["MAIL FROM:<s@x.test>", "MAIL FROM:<s@x.test> SIZE=10"] {
            client.command(mail).await;
            assert!(client.command("RCPT TO:<alice@example.test>").await.starts_with("250 "));
            client.command("DATA").await;
            client.send(text.as_bytes()).await;
            let reply = client.reply().await;
            assert!(reply.starts_with(start_of_reply) && reply.contains(TEXT), "{mail}: {reply}");
        }
        // Who has room gets it; for the others it waits.
        client.command("MAIL FROM:<s@x.test>").await;
        client.command("RCPT TO:<alice@example.test>").await;
        client.command("RCPT TO:<bob@example.test>").await;
        client.command("DATA").await;
        client.send(text.as_bytes()).await;
        assert!(client.reply().await.starts_with("250 "));
        until("delivered", || !inbox(&fs, "bob").is_empty()).await;
        assert!(inbox(&fs, "alice").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn r260_append_and_copy_beyond_are_refused() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let fs = SimFs::new();
    let server = start(&fs, true).await;
    let mut client = Imap::login(&server, "alice").await;
    let append = |size: usize| format!("APPEND INBOX {{{size}+}}\r\n{}", "x".repeat(size));
    let steps = [
        (append(600), "OK "),
        (append(600), "NO [OVERQUOTA] "),
        ("CREATE Archive".to_owned(), "OK "),
        ("SELECT INBOX".to_owned(), "OK "),
        ("COPY 1 Archive".to_owned(), "NO [OVERQUOTA] "),
        ("STORE 1 +FLAGS (\\Deleted)".to_owned(), "OK "),
        ("EXPUNGE".to_owned(), "OK "),
        (append(600), "OK "),
    ];
    for (command, expected) in steps {
        let reply = client.command(&command).await;
        let last = reply.lines().last().unwrap_or_default();
        assert!(last.starts_with(expected), "{command:.20}: {reply}");
    }
    let told = log.lines_with(&["refused: over quota", "account=alice@example.test", "raise the quota"]);
    assert_eq!(told.len(), 2, "{told:#?}");
    for (line, words) in told.iter().zip([
        ["mailbox=INBOX octets=600 ", "600 octets in 1 messages more"],
        ["mailbox=Archive ", "600 octets in 1 messages more"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
        assert!(
            line.contains("beside 600 octets in 1 messages; all mailboxes together may hold 1000S"),
            "{line}"
        );
    }
}

/// Room has to be for what a milter makes of a message, not for what was sent.
#[tokio::test]
async fn a_milter_makes_a_message_too_large_for_a_mailbox() {
    let milter =
        Milter::new(|step, _| say([packet('b', [b'x'; 1_500]), packet('c', "")]).filter(|_| step == 'E'));
    let settings = settings_with(&[("smtpd_milters", &milter.inet().await)]);
    let server = start_as(&SimFs::new(), settings, true).await;
    let mut client = Client::greeted(&server, "smtp").await;
    for mail in ["MAIL FROM:<s@x.test>", "MAIL FROM:<s@x.test> SIZE=900"] {
        client.command(mail).await;
        assert!(client.command("RCPT TO:<alice@example.test>").await.starts_with("250 "));
        client.command("DATA").await;
        let reply = client.command("A: b\r\n\r\nbody\r\n.").await;
        assert!(reply.starts_with("452 4.2.2 "), "{reply}");
    }
}

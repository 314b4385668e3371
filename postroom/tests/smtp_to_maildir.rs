//! Mail goes in by SMTP and lies in a Maildir: the whole engine over a simulated disk, in virtual time.

mod common;

use common::{Client, inbox, queued, segments, spool_sync, start, start_with, until};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::fs::{Fs as _, OpenMode};
use std::path::Path;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn r2_r46_a_message_arrives_with_its_trace() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    assert!(client.reply().await.starts_with("220 mail.example.test ESMTP"));
    assert!(client.command("EHLO client.test").await.starts_with("250 "));
    let body = "Subject: hello\r\n\r\n..dots\r\nand text";
    let reply = client.mail("s@elsewhere.test", &["Alice@Example.Test", "bob@example.test"], body).await;
    let (_, id) = reply.split_once("queued as ").unwrap_or_else(|| panic!("{reply}"));
    until("delivered", || inbox(&fs, "bob").len() == 1 && inbox(&fs, "alice").len() == 1).await;
    let expected = format!(
        "Return-Path: <s@elsewhere.test>\r\n\
         X-Original-To: Alice@Example.Test\r\n\
         Delivered-To: Alice@example.test\r\n\
         Received: from client.test ([203.0.113.9])\r\n\
         \tby mail.example.test with ESMTP\r\n\
         \tid {id}\r\n\
         \t(envelope-from <s@elsewhere.test>);\r\n"
    );
    let message = &inbox(&fs, "alice")[0];
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.ends_with(" +0000\r\nSubject: hello\r\n\r\n.dots\r\nand text\r\n"), "{message}");
    assert_eq!(client.command("QUIT").await, "221 2.0.0 Bye");
    assert!(server.shutdown(Duration::from_secs(1)).await);
}

#[tokio::test(start_paused = true)]
async fn r33_r34_policy_says_no_at_rcpt() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@elsewhere.test>").await;
    for (recipient, expected) in [
        ("nobody@example.test", "550 5.1.1 <nobody@example.test>: Recipient address rejected"),
        ("bobby@unlisted.test", "554 5.7.1 <bobby@unlisted.test>: Relay access denied"),
    ] {
        let reply = client.command(&format!("RCPT TO:<{recipient}>")).await;
        assert!(reply.starts_with(expected), "{reply}");
    }
    assert!(client.command("DATA").await.starts_with("554 5.5.1"));
}

#[tokio::test(start_paused = true)]
async fn r51_a_listener_has_its_own_policy_and_limits() {
    let mut settings = common::settings();
    let mut trusting = settings.listeners[0].clone().named("trusting");
    trusting.policy.set("mynetworks", "203.0.113.0/24");
    trusting.limits.message_bytes_max = Some(100_000);
    settings.listeners.push(trusting);
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    for (listener, size, refusal) in [("smtp", 52_428_800, "554 5.7.1"), ("trusting", 100_000, "550 5.4.4")] {
        let mut client = Client::connect(&server, listener);
        client.reply().await;
        client.send(b"EHLO client.test\r\n").await;
        let mut sizes = Vec::new();
        loop {
            let line = client.line().await;
            sizes.extend(line.split_once("SIZE ").map(|(_, size)| size.to_owned()));
            if line.starts_with("250 ") {
                break;
            }
        }
        assert_eq!(sizes, [size.to_string()], "{listener}");
        client.command("MAIL FROM:<s@x.test>").await;
        let reply = client.command("RCPT TO:<far@away.test>").await;
        assert!(reply.starts_with(refusal), "{listener}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn r52_submission_takes_mail_from_those_who_log_in() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "submission");
    client.reply().await;
    client.command("EHLO client.test").await;
    assert!(client.command("MAIL FROM:<alice@example.test>").await.starts_with("530 5.7.0"));
    // \0alice@example.test\0wrong, then \0alice@example.test\0ecila
    assert!(client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==").await.starts_with("535 5.7.8"));
    assert!(client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await.starts_with("235 2.7.0"));
    let reply = client.mail("alice@example.test", &["bob@example.test"], "x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    client.command("MAIL FROM:<alice@example.test>").await;
    let reply = client.command("RCPT TO:<far@away.test>").await;
    assert!(reply.starts_with("550 5.4.4"), "{reply}");
    until("delivered", || inbox(&fs, "bob").len() == 1).await;
    assert!(inbox(&fs, "bob")[0].contains("with ESMTPA\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_space_at_any_operation_is_452_or_mail_delivered_once() {
    let mut refused = 0;
    for offset in 0..20 {
        let fs = SimFs::new();
        let server = start(&fs, 1).await.unwrap();
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        client.command("EHLO client.test").await;
        fs.fail_at(fs.ops() + offset, Fault::NoSpace);
        let reply = client.mail("s@x.test", &["bob@example.test"], "one").await;
        let accepted = reply.starts_with("250 2.0.0");
        if !accepted {
            assert!(reply.starts_with("452 4.3.1"), "operation {offset}: {reply}");
            refused += 1;
        }
        client.command("RSET").await;
        let reply = client.mail("s@x.test", &["bob@example.test"], "two").await;
        assert!(reply.starts_with("250 2.0.0"), "operation {offset}: {reply}");
        let expected = 1 + usize::from(accepted);
        until("delivered", || inbox(&fs, "bob").len() == expected).await;
        tokio::time::sleep(Duration::from_secs(7200)).await;
        assert_eq!(inbox(&fs, "bob").len(), expected, "operation {offset}");
    }
    assert!((1..20).contains(&refused));
}

#[tokio::test(start_paused = true)]
async fn r45_half_a_message_leaves_nothing() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    client.command("RCPT TO:<bob@example.test>").await;
    client.command("DATA").await;
    client.send(b"half a mess").await;
    drop(client);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(queued(&fs), 0);
    assert!(inbox(&fs, "bob").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_fails_is_tried_again() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    // A file where the mailboxes should be.
    let mail = Path::new("/mail");
    drop(fs.open(mail, OpenMode::CreateNew).unwrap());
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
    tokio::time::sleep(Duration::from_secs(30)).await;
    fs.unlink(mail).unwrap();
    let begun = tokio::time::Instant::now();
    until("delivered", || inbox(&fs, "bob").len() == 1).await;
    assert!(begun.elapsed() >= Duration::from_secs(25), "the retry waits");
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_delivered_after_a_restart() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    client.command("RCPT TO:<bob@example.test>").await;
    client.command("DATA").await;
    // Power off right behind the 250: what the deliverer does then has no effect.
    client.send(b"x\r\n.\r\n").await;
    let reply = client.reply().await;
    assert!(reply.starts_with("250"), "{reply}");
    fs.power_off_at(fs.ops());
    drop(server);
    for disk in fs.crash_point().outcomes(0, 8) {
        let server = start(&disk, 2).await.unwrap();
        until("delivered", || inbox(&disk, "bob").len() == 1).await;
        assert!(server.shutdown(Duration::from_secs(1)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_a_message_end() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut idle = Client::connect(&server, "smtp");
    idle.reply().await;
    let mut busy = Client::connect(&server, "smtp");
    busy.reply().await;
    busy.command("EHLO client.test").await;
    busy.command("MAIL FROM:<s@x.test>").await;
    busy.command("RCPT TO:<bob@example.test>").await;
    busy.command("DATA").await;
    busy.send(b"first line\r\n").await;
    let stopping = tokio::spawn(server.shutdown(Duration::from_secs(60)));
    assert!(idle.reply().await.starts_with("421 4.3.2"));
    busy.send(b"last line\r\n.\r\n").await;
    assert!(busy.reply().await.starts_with("250 2.0.0"));
    assert!(busy.reply().await.starts_with("421 4.3.2"));
    assert!(stopping.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_goes_round_is_refused() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    for (hops, expected) in [(100, "250 2.0.0 "), (101, "554 5.4.6 "), (0, "250 2.0.0 ")] {
        let body = format!("{}\r\nReceived: in the body", "Received: from a\r\n\tby b\r\n".repeat(hops));
        let reply = client.mail("s@x.test", &["alice@example.test"], &body).await;
        assert!(reply.starts_with(expected), "{hops}: {reply}");
    }
    until("delivered", || inbox(&fs, "alice").len() == 2).await;
    assert!(server.shutdown(Duration::from_secs(1)).await);
    assert_eq!(queued(&fs), 0);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_neither_message_nor_record_is_not_asked_again_and_again() {
    async fn accept(fs: &SimFs) {
        let server = start(fs, 1).await.unwrap();
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        client.command("EHLO client.test").await;
        assert!(client.mail("s@x.test", &["alice@example.test"], "first").await.starts_with("250 "));
        // Virtual time does not pass meanwhile: what is done at once is done now.
        for _ in 0..2000 {
            tokio::task::yield_now().await;
        }
    }
    let fs = SimFs::new();
    accept(&fs).await;
    let accepted = spool_sync(&fs, 0).unwrap() + 1;
    let fs = SimFs::new();
    (accepted..accepted + 10_000).for_each(|op| fs.fail_at(op, Fault::Io));
    accept(&fs).await;
    let tried = fs.ops() - accepted;
    assert!((2..50).contains(&tried), "{tried} operations");
}

#[tokio::test(start_paused = true)]
async fn messages_whose_files_are_gone_or_do_not_open_hold_up_nobody() {
    for unreadable in [false, true] {
        let fs = SimFs::new();
        let mut few = postroom::delivery::Deliverers::default();
        few.messages_max = 8;
        let server = start_with(&fs, 1, |builder| builder.deliverers(few.clone())).await.unwrap();
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        client.command("EHLO client.test").await;
        // A file where the mailboxes should be: what is accepted waits.
        let mail = Path::new("/mail");
        drop(fs.open(mail, OpenMode::CreateNew).unwrap());
        for _ in 0..=few.messages_max {
            assert!(client.mail("s@x.test", &["bob@example.test"], "lost").await.starts_with("250 "));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        fs.unlink(mail).unwrap();
        assert!(server.shutdown(Duration::from_secs(1)).await);
        let server = start(&fs, 2).await.unwrap();
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        client.command("EHLO client.test").await;
        for segment in segments(&fs) {
            fs.unlink(&segment).unwrap();
            if unreadable {
                fs.mkdir(&segment).unwrap();
            }
        }
        tokio::time::sleep(Duration::from_secs(70)).await;
        assert!(client.mail("s@x.test", &["alice@example.test"], "good").await.starts_with("250 "));
        until("delivered", || inbox(&fs, "alice").len() == 1).await;
        assert!(inbox(&fs, "bob").is_empty());
        assert!(server.shutdown(Duration::from_secs(1)).await);
    }
}

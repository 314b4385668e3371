//! `header_checks`, `body_checks` and their companions: what they do to a message on its way to the mailboxes.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Client, inbox, queued, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use std::time::Duration;

async fn server(fs: &SimFs, parameters: &[(&str, &str)]) -> (Server, Client) {
    let mut settings = settings();
    for (name, value) in parameters {
        settings.policy.set(name, value).unwrap();
    }
    let server = start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    (server, client)
}

/// What one message to alice becomes under a rule for its header: the reply, and how many alice and bob have then.
async fn with_rule(rule: &str, body: &str) -> (String, usize, usize, usize) {
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, &[("header_checks", &format!("pcre:{{{{{rule}}}}}"))]).await;
    let reply = client.mail("s@x.test", &["alice@example.test"], body).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let reply = reply.split(" as ").next().unwrap().to_owned();
    (reply, inbox(&fs, "alice").len(), inbox(&fs, "bob").len(), queued(&fs))
}

#[tokio::test(start_paused = true)]
async fn every_action_on_the_message_as_a_whole() {
    let body = "Subject: lottery\r\n\r\nWin";
    let taken = || "250 2.0.0 Ok: queued".to_owned();
    for (action, expected) in [
        ("REJECT no lotteries", ("550 5.7.1 no lotteries".into(), 0, 0, 0)),
        ("REJECT 4.7.0 later", ("450 4.7.0 later".into(), 0, 0, 0)),
        ("DISCARD", (taken(), 0, 0, 0)),
        ("HOLD", (taken(), 0, 0, 1)),
        ("REDIRECT bob@example.test", (taken(), 0, 1, 0)),
        ("BCC bob@example.test", (taken(), 1, 1, 0)),
        ("BCC alice@example.test", (taken(), 1, 0, 0)),
        ("REDIRECT bob@far.test", ("451 4.3.5 Server configuration error".into(), 0, 0, 0)),
        ("FILTER smtp:[127.0.0.1]", ("451 4.3.5 Server configuration error".into(), 0, 0, 0)),
        ("WARN seen", (taken(), 1, 0, 0)),
        ("DUNNO", (taken(), 1, 0, 0)),
    ] {
        assert_eq!(with_rule(&format!("/^Subject: lottery/ {action}"), body).await, expected, "{action}");
        let other = with_rule(&format!("/^Subject: news/ {action}"), body).await;
        assert_eq!(other, (taken(), 1, 0, 0), "{action}, not matched");
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_taken_out_put_in_and_replaced_however_they_come() {
    let header_checks = "pcre:{ {/^Received: from client/ IGNORE}, {/^Subject: (.*)/ REPLACE Subject: [list] $$1}, \
        {/^X-Mailer/ PREPEND X-Seen: yes}, {/^X-Tracker/ STRIP} }";
    let parameters = [
        ("header_checks", &*header_checks.replace("$$", "$")),
        ("body_checks", "pcre:{{/secret/ REPLACE ----}}"),
    ];
    let sent = "Subject: hello\r\n\tfolded\r\nX-Mailer: m\r\nX-Tracker: t\r\n\tu\r\n\r\na secret\r\nno\r\n..\r\nend\r\n";
    let kept = "X-Original-To: alice@example.test\r\nDelivered-To: alice@example.test\r\n\
        Subject: [list] hello\r\n\tfolded\r\nX-Seen: yes\r\nX-Mailer: m\r\n\r\n----\r\nno\r\n.\r\nend\r\n";
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, &parameters).await;
    let mut count = 0;
    for piece_bytes in [1, 7, 1000] {
        client.mail("s@x.test", &["alice@example.test"], "").await;
        count += 1;
        client.command("MAIL FROM:<s@x.test>").await;
        client.command("RCPT TO:<alice@example.test>").await;
        assert!(client.command("DATA").await.starts_with("354"));
        for piece in sent.as_bytes().chunks(piece_bytes) {
            client.send(piece).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(client.command(".").await.starts_with("250 2.0.0"));
        count += 1;
        until("delivered", || inbox(&fs, "alice").len() == count).await;
        let message = inbox(&fs, "alice").pop().unwrap();
        assert_eq!(message, format!("Return-Path: <s@x.test>\r\n{kept}"), "in pieces of {piece_bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_read_to_its_end_and_another_may_follow() {
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, &[("header_checks", "pcre:{{/^Subject: bad/ REJECT}}")]).await;
    let long = format!("Subject: bad\r\n\r\n{}", "0123456789\r\n".repeat(20_000));
    let reply = client.mail("s@x.test", &["alice@example.test"], &long).await;
    assert_eq!(reply, "550 5.7.1 message content rejected");
    assert_eq!(queued(&fs), 0);
    let reply = client.mail("s@x.test", &["alice@example.test"], "Subject: good\r\n\r\nx").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until("delivered", || inbox(&fs, "alice").len() == 1).await;
}

/// `BCC` and `REDIRECT` in access tables at the end of a message come in time, too.
#[tokio::test(start_paused = true)]
async fn the_last_list_may_change_who_gets_a_message() {
    let fs = SimFs::new();
    let rule = (
        "smtpd_end_of_data_restrictions",
        "check_sender_access inline:{ {s@x.test=REDIRECT bob@example.test} }",
    );
    let (_server, mut client) = server(&fs, &[rule]).await;
    let reply = client.mail("s@x.test", &["alice@example.test"], "x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until("delivered", || inbox(&fs, "bob").len() == 1).await;
    assert_eq!(inbox(&fs, "alice").len(), 0);
}

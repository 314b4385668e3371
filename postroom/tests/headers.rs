//! Whose headers are rewritten on their way to the mailboxes, and what becomes of them.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Client, inbox, queued, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use std::time::Duration;

/// A server with these parameters, and a client of one of its listeners that has said hello.
async fn server(fs: &SimFs, listener: &str, parameters: &[(&str, &str)]) -> (Server, Client) {
    let mut settings = settings();
    for (name, value) in parameters {
        settings.policy.set(name, value).unwrap();
    }
    let server = start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::connect(&server, listener);
    client.reply().await;
    client.command("EHLO client.test").await;
    (server, client)
}

const NAMES: (&str, &str) = ("canonical_maps", "inline:{ {joe@example.test=joe.doe@example.test} }");
const MASKED: (&str, &str) = ("masquerade_domains", "example.test");
const OF_USERS: (&str, &str) =
    ("local_header_rewrite_clients", "permit_mynetworks, permit_sasl_authenticated");

/// What alice has then, from its own first field on.
async fn delivered(fs: &SimFs, count: usize) -> String {
    until("delivered", || queued(fs) == 0 && inbox(fs, "alice").len() == count).await;
    let message = inbox(fs, "alice").pop().unwrap();
    let at = ["\r\nFrom: ", "\r\nSubject: "].iter().filter_map(|name| message.find(name)).min().unwrap();
    message[at + 2..].to_owned()
}

#[tokio::test(start_paused = true)]
async fn those_who_log_in_are_called_by_their_names_however_the_message_comes() {
    let fs = SimFs::new();
    let inside = ("mynetworks", "203.0.113.0/24");
    let (_server, mut client) = server(&fs, "smtp", &[NAMES, MASKED, OF_USERS, inside]).await;
    let sent = "From: \"Joe (D)\" <joe> (me)\r\nTo: alice,\r\n\tU <u@pc.example.test>, far@far.test\r\nSubject: From: joe\r\n\r\n\
        From: joe\r\n";
    let kept = "From: \"Joe (D)\" <joe.doe@example.test> (me)\r\nTo: alice@example.test,\r\n\tU <u@example.test>, far@far.test\r\n\
        Subject: From: joe\r\n";
    let mut count = 0;
    let check = async |count: usize| {
        let message = delivered(&fs, count).await;
        let rest = message.strip_prefix(kept).unwrap_or_else(|| panic!("{message}"));
        let lines: Vec<&str> = rest.split("\r\n").collect();
        assert!(
            lines[0].starts_with("Message-Id: <1795") && lines[0].ends_with("@mail.example.test>"),
            "{rest}"
        );
        assert!(lines[1].starts_with("Date: ") && lines[1].ends_with(" +0000"), "{rest}");
        assert_eq!(lines[2..], ["", "From: joe", ""]);
    };
    for piece_bytes in [1, 7, 1000] {
        client.command("MAIL FROM:<s@x.test>").await;
        client.command("RCPT TO:<alice@example.test>").await;
        assert!(client.command("DATA").await.starts_with("354"));
        for piece in sent.as_bytes().chunks(piece_bytes) {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert!(client.command(".").await.starts_with("250 2.0.0"));
        count += 1;
        check(count).await;
    }
    client.command("MAIL FROM:<s@x.test>").await;
    client.command("RCPT TO:<alice@example.test>").await;
    let (first, second) = sent.split_at(60);
    client.send(format!("BDAT {}\r\n{first}", first.len()).as_bytes()).await;
    assert!(client.reply().await.starts_with("250"));
    client.send(format!("BDAT {} LAST\r\n{second}", second.len()).as_bytes()).await;
    assert!(client.reply().await.starts_with("250 2.0.0"));
    check(count + 1).await;
}

#[tokio::test(start_paused = true)]
async fn headers_of_strangers_stay_as_they_are() {
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, "smtp", &[NAMES, MASKED, OF_USERS]).await;
    let sent = "From: joe@example.test\r\nTo: alice,, <@a.test:u@pc.example.test>\r\nBcc: bob\r\n\r\nx\r\n";
    let reply = client.mail("s@x.test", &["alice@example.test"], sent.trim_end()).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    assert_eq!(delivered(&fs, 1).await, sent);
}

#[tokio::test(start_paused = true)]
async fn what_strangers_lack_is_added_where_that_is_wanted() {
    let fs = SimFs::new();
    let parameters = [
        ("always_add_missing_headers", "yes"),
        ("message_drop_headers", "bcc"),
        // What checks put in is seen, and what they take out is missed.
        ("header_checks", "pcre:{ {/^Message-ID:/ IGNORE}, {/^X-Date: (.*)/ REPLACE Date: today} }"),
    ];
    let (_server, mut client) = server(&fs, "smtp", &parameters).await;
    let sent = "Subject: s\r\nBcc: bob,\r\n carol\r\nMessage-ID: <x@y>\r\nX-Date: x\r\nTo: alice\r\n\r\nx";
    client.mail("\"s s\"@x.test", &["alice@example.test"], sent).await;
    let message = delivered(&fs, 1).await;
    let rest = message.strip_prefix("Subject: s\r\nDate: today\r\nTo: alice\r\nMessage-Id: <");
    let (_, rest) = rest.unwrap_or_else(|| panic!("{message}")).split_once(">\r\n").unwrap();
    assert_eq!(rest, "From: \"s s\"@x.test\r\n\r\nx\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_keeps_the_message_out() {
    let fs = SimFs::new();
    let broken = ("sender_canonical_maps", "fail:broken");
    let classes = ("sender_canonical_classes", "header_sender");
    let all = ("local_header_rewrite_clients", "static:all");
    let (_server, mut client) = server(&fs, "smtp", &[broken, classes, all]).await;
    let reply = client.mail("s@x.test", &["alice@example.test"], "From: joe\r\n\r\nx").await;
    assert_eq!(reply, "451 4.3.0 Temporary lookup failure");
    let clients = ("local_header_rewrite_clients", "fail:broken");
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, "smtp", &[clients]).await;
    let reply = client.mail("s@x.test", &["alice@example.test"], "From: joe\r\n\r\nx").await;
    assert_eq!(reply, "451 4.3.0 Temporary lookup failure");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((inbox(&fs, "alice").len(), queued(&fs)), (0, 0));
}

//! Who gets a message: aliases, lists, extensions, copies and loops, from the tables to the mailboxes.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Client, inbox, queued, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use std::time::Duration;

/// A server with these parameters, and a client that has said hello.
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

/// Sends one message that must be taken, and waits until nothing is queued any more; gives what alice and bob have.
async fn delivered(fs: &SimFs, client: &mut Client, from: &str, to: &[&str], body: &str) -> [Vec<String>; 2] {
    let reply = client.mail(from, to, body).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until("delivered", || queued(fs) == 0).await;
    ["alice", "bob"].map(|user| inbox(fs, user))
}

/// The reply to a recipient.
async fn recipient(client: &mut Client, recipient: &str) -> String {
    client.command("MAIL FROM:<s@x.test>").await;
    let reply = client.command(&format!("RCPT TO:<{recipient}>")).await;
    client.command("RSET").await;
    reply
}

/// R106, R107, R110, R111.
#[tokio::test(start_paused = true)]
async fn a_group_gets_a_message_once_each() {
    let fs = SimFs::new();
    let tables = [
        ("virtual_alias_maps", "inline:{ {team@example.test=staff, alice@example.test} }"),
        ("alias_maps", "inline:{ {staff=alice, bob, crew}, {crew=bob, alice} }"),
    ];
    let (_server, mut client) = server(&fs, &tables).await;
    let to = ["team@example.test", "Crew@example.test", "bob@example.test"];
    let [alice, bob] = delivered(&fs, &mut client, "s@x.test", &to, "Subject: s\r\n\r\nx").await;
    assert_eq!((alice.len(), bob.len()), (1, 1));
    let header =
        "Return-Path: <s@x.test>\r\nX-Original-To: team@example.test\r\nDelivered-To: alice@example.test\r\n";
    assert!(alice[0].starts_with(header), "{}", alice[0]);
}

/// R105: what stands beside a mailbox says that it exists, and no more.
#[tokio::test(start_paused = true)]
async fn a_mailbox_s_text_is_no_action() {
    let fs = SimFs::new();
    let tables = [
        ("mydestination", "localhost"),
        ("virtual_mailbox_domains", "example.test"),
        ("virtual_mailbox_maps", "inline:{ {alice@example.test=REJECT}, {bob@example.test=FILTER smtp:x} }"),
    ];
    let (_server, mut client) = server(&fs, &tables).await;
    let to = ["alice@example.test", "bob@example.test"];
    let [alice, bob] = delivered(&fs, &mut client, "s@x.test", &to, "x").await;
    assert_eq!((alice.len(), bob.len()), (1, 1));
    assert_eq!(
        recipient(&mut client, "carol@example.test").await,
        "550 5.1.1 <carol@example.test>: Recipient address rejected: User unknown in virtual mailbox table"
    );
}

/// R118.
#[tokio::test(start_paused = true)]
async fn a_list_has_its_members_in_a_file_and_an_owner() {
    let (fs, members) = (SimFs::new(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(members.path(), "# members\nalice, bob\n").unwrap();
    let aliases = format!("inline:{{ {{list=:include:{}}}, {{owner-list=bob}} }}", members.path().display());
    let (_server, mut client) = server(&fs, &[("alias_maps", &aliases)]).await;
    let to = ["list@example.test", "alice@example.test"];
    let [alice, bob] = delivered(&fs, &mut client, "s@x.test", &to, "x").await;
    assert_eq!((alice.len(), bob.len()), (1, 1));
    assert!(bob[0].starts_with("Return-Path: <owner-list@example.test>\r\n"), "{}", bob[0]);
    members.close().unwrap();
    let reply = recipient(&mut client, "list@example.test").await;
    assert!(
        reply.starts_with("550 5.3.5 <list@example.test>: Recipient address rejected: mail system"),
        "{reply}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_extension_is_kept_where_it_is_told_and_left_out_where_the_mailbox_is_found() {
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, &[("recipient_delimiter", "+")]).await;
    let to = ["alice+shop@example.test", "alice@example.test"];
    let [alice, _] = delivered(&fs, &mut client, "s@x.test", &to, "x").await;
    let told: Vec<&str> = alice.iter().flat_map(|message| message.lines().nth(2)).collect();
    assert_eq!(told.len(), 2, "they are two addresses");
    assert!(told.contains(&"Delivered-To: alice+shop@example.test"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_leads_nowhere_is_refused_at_rcpt() {
    let tables = [
        ("virtual_alias_domains", "va.test"),
        (
            "virtual_alias_maps",
            "inline:{ {a@va.test=b@va.test}, {b@va.test=a@va.test}, {half@va.test=alice@example.test, x@far.test}, {@catch.test=alice@example.test} }",
        ),
        (
            "alias_maps",
            "inline:{ {prog=\"|/bin/x\"}, {file=/var/x}, {gone=nobody}, {c=d}, {d=c}, {none=:include:/nowhere/at/all} }",
        ),
        ("allow_mail_to_files", "alias"),
        ("transport_maps", "inline:{ {late@example.test=retry:4.3.0 come back} }"),
        ("relocated_maps", "inline:{bob@example.test=bob@new.test}"),
    ];
    let (_server, mut client) = server(&SimFs::new(), &tables).await;
    for (to, expected) in [
        ("a@va.test", "451 4.6.0 Alias expansion error"),
        (
            "c@va.test",
            "550 5.1.1 <c@va.test>: Recipient address rejected: User unknown in virtual alias table",
        ),
        (
            "half@va.test",
            "550 5.4.4 <half@va.test>: Recipient address rejected: No route to remote domains is configured",
        ),
        (
            "prog@example.test",
            "550 5.7.1 <prog@example.test>: Recipient address rejected: mail to command is restricted",
        ),
        (
            "file@example.test",
            "550 5.3.3 <file@example.test>: Recipient address rejected: Nothing is delivered to files here",
        ),
        (
            "gone@example.test",
            "550 5.1.1 <gone@example.test>: Recipient address rejected: User unknown in local recipient table",
        ),
        (
            "c@example.test",
            "550 5.4.6 <c@example.test>: Recipient address rejected: mail forwarding loop for c@example.test",
        ),
        (
            "none@example.test",
            "550 5.3.5 <none@example.test>: Recipient address rejected: mail system configuration error",
        ),
        (
            "bob@example.test",
            "550 5.1.6 <bob@example.test>: Recipient address rejected: User has moved to bob@new.test",
        ),
        ("alice@example.test", "250 2.1.5 Ok"),
    ] {
        assert_eq!(recipient(&mut client, to).await, expected, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobodys_mail_and_the_postmasters() {
    let fs = SimFs::new();
    let tables = [("luser_relay", "bob"), ("alias_maps", "inline:{ {postmaster=root}, {root=alice} }")];
    let (_server, mut client) = server(&fs, &tables).await;
    let to = ["Postmaster", "nobody@example.test"];
    let [alice, bob] = delivered(&fs, &mut client, "", &to, "x").await;
    assert!(
        alice[0].contains("X-Original-To: postmaster\r\nDelivered-To: alice@example.test\r\n"),
        "{alice:?}"
    );
    assert!(
        bob[0].contains("X-Original-To: nobody@example.test\r\nDelivered-To: bob@example.test\r\n"),
        "{bob:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_sender_is_mapped_and_copies_are_made() {
    let fs = SimFs::new();
    let tables = [
        ("sender_canonical_maps", "inline:{s@pc.x.test=Sue@x.test}"),
        ("sender_bcc_maps", "inline:{sue@x.test=bob@example.test}"),
    ];
    let (_server, mut client) = server(&fs, &tables).await;
    let [alice, bob] = delivered(&fs, &mut client, "s@pc.x.test", &["alice@example.test"], "x").await;
    assert!(alice[0].starts_with("Return-Path: <Sue@x.test>\r\n"), "{}", alice[0]);
    assert!(bob[0].contains("Delivered-To: bob@example.test\r\n"), "{}", bob[0]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_leads_nowhere_refuses_the_message_for_now() {
    let fs = SimFs::new();
    let (_server, mut client) = server(&fs, &[("always_bcc", "archive@far.test")]).await;
    let reply = client.mail("s@x.test", &["alice@example.test"], "x").await;
    assert_eq!(reply, "451 4.3.5 Server configuration error");
    assert_eq!(queued(&fs), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_thrown_away_is_taken() {
    let fs = SimFs::new();
    let tables = [("transport_maps", "inline:{ {bob@example.test=discard:quiet} }")];
    let (_server, mut client) = server(&fs, &tables).await;
    let reply = client.mail("s@x.test", &["bob@example.test"], "x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((inbox(&fs, "bob").len(), queued(&fs)), (0, 0));
    let [alice, bob] =
        delivered(&fs, &mut client, "s@x.test", &["bob@example.test", "alice@example.test"], "x").await;
    assert_eq!((alice.len(), bob.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_back_is_refused() {
    let fs = SimFs::new();
    let tables = [("virtual_alias_maps", "inline:{ {team@example.test=alice@example.test} }")];
    let (_server, mut client) = server(&fs, &tables).await;
    let again = "Received: x\r\nDelivered-To: bob@example.test\r\ndelivered-to:  ALICE@Example.Test\r\n\r\nx";
    for to in ["alice@example.test", "team@example.test"] {
        let reply = client.mail("s@x.test", &[to], again).await;
        assert_eq!(reply, "554 5.4.6 mail forwarding loop for ALICE@Example.Test");
    }
    let others = "Delivered-To: team@example.test\r\nX: y\r\n\r\nDelivered-To: alice@example.test\r\n";
    let [alice, _] = delivered(&fs, &mut client, "s@x.test", &["team@example.test"], others).await;
    assert_eq!(alice.len(), 1, "the body does not count, nor who is somebody else in the end");
}

/// Tables change with the settings: who is in the middle of a session keeps those it began with.
#[tokio::test(start_paused = true)]
async fn aliases_are_read_anew_with_the_settings() {
    let (fs, table) = (SimFs::new(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(table.path(), "team: alice\n").unwrap();
    let mut settings = settings();
    settings.policy.set("alias_maps", &format!("hash:{}", table.path().display())).unwrap();
    let again = settings.clone();
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    assert!(recipient(&mut client, "team@example.test").await.starts_with("250"));
    std::fs::write(table.path(), "crew: bob\n").unwrap();
    server.reload(again.clone()).unwrap();
    assert!(recipient(&mut client, "team@example.test").await.starts_with("250"));
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    assert!(recipient(&mut client, "team@example.test").await.starts_with("550 5.1.1"));
    assert!(recipient(&mut client, "crew@example.test").await.starts_with("250"));
    table.close().unwrap();
    server.reload(again).unwrap_err();
    assert!(recipient(&mut client, "crew@example.test").await.starts_with("250"), "the old stay");
}

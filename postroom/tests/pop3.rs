//! Mail that came in by SMTP is fetched by POP3, over a simulated disk in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::pop3::{lines, login, say};
use common::{Client, inbox, start, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use std::path::Path;
use std::time::Duration;

/// A server with these messages in alice's INBOX.
async fn with_mail(fs: &SimFs, bodies: &[&str]) -> Server {
    let server = start(fs, 1).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    for (number, body) in bodies.iter().enumerate() {
        let reply = client.mail("s@x.test", &["alice@example.test"], body).await;
        assert!(reply.starts_with("250"), "{reply}");
        until("delivered", || inbox(fs, "alice").len() == number + 1).await;
    }
    server
}

#[tokio::test(start_paused = true)]
async fn r2_what_smtp_took_pop3_gives() {
    let fs = SimFs::new();
    let long = "x".repeat(900) + "\r\n";
    let long = "Subject: long\r\n\r\n".to_owned() + &long.repeat(400) + "end";
    let server = with_mail(&fs, &["Subject: one\r\n\r\n..dot\r\nlast", &long]).await;
    let stored = inbox(&fs, "alice");
    let mut client = login(&server).await;
    let octets: usize = stored.iter().map(String::len).sum();
    assert_eq!(say(&mut client, "STAT").await, format!("+OK 2 {octets}"));
    for (number, stored) in stored.iter().enumerate() {
        assert!(say(&mut client, &format!("RETR {}", number + 1)).await.starts_with("+OK"));
        assert_eq!(lines(&mut client).await.join("\r\n") + "\r\n", *stored);
    }
    assert!(say(&mut client, "TOP 2 1").await.starts_with("+OK"));
    let top = lines(&mut client).await;
    assert_eq!((top.last().unwrap().len(), &*top[top.len() - 3]), (900, "Subject: long"));
    assert!(say(&mut client, "RETR 3").await.starts_with("-ERR"));
    assert!(say(&mut client, "QUIT").await.starts_with("+OK"));
    assert_eq!(inbox(&fs, "alice").len(), 2, "nothing is removed that was not asked for");
}

#[tokio::test(start_paused = true)]
async fn only_quit_removes_and_unique_ids_stay() {
    let fs = SimFs::new();
    let server = with_mail(&fs, &["one", "two", "three"]).await;
    let mut client = login(&server).await;
    say(&mut client, "UIDL").await;
    let before = lines(&mut client).await;
    assert!(say(&mut client, "DELE 2").await.starts_with("+OK"));
    drop(client);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(inbox(&fs, "alice").len(), 3);

    let mut client = login(&server).await;
    assert!(say(&mut client, "DELE 2").await.starts_with("+OK"));
    assert!(say(&mut client, "QUIT").await.starts_with("+OK"));
    let left = inbox(&fs, "alice");
    assert_eq!(left.len(), 2);
    assert!(left[0].ends_with("one\r\n") && left[1].ends_with("three\r\n"));

    assert!(server.shutdown(Duration::from_secs(5)).await);
    let server = start(&fs, 2).await.unwrap();
    let mut client = login(&server).await;
    say(&mut client, "UIDL").await;
    let after = lines(&mut client).await;
    let id = |line: &String| line.split_once(' ').unwrap().1.to_owned();
    assert_eq!(after.iter().map(id).collect::<Vec<_>>(), [id(&before[0]), id(&before[2])]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_another_session_removed_is_gone_and_no_other() {
    let fs = SimFs::new();
    let server = with_mail(&fs, &["one", "two"]).await;
    let (mut first, mut second) = (login(&server).await, login(&server).await);
    say(&mut first, "DELE 1").await;
    assert!(say(&mut first, "QUIT").await.starts_with("+OK"));
    let reply = say(&mut second, "RETR 1").await;
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert!(say(&mut second, "RETR 2").await.starts_with("+OK"));
    assert_eq!(lines(&mut second).await.last().unwrap(), "two");
    assert!(say(&mut second, "DELE 1").await.starts_with("+OK"));
    assert!(say(&mut second, "QUIT").await.starts_with("+OK"), "gone is as good as removed");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut heard = Vec::new();
    for user in ["alice@example.test", "nobody@example.test"] {
        let mut client = Client::connect(&server, "pop3");
        client.line().await;
        let user = say(&mut client, &format!("USER {user}")).await;
        heard.push((user, say(&mut client, "PASS wrong").await));
    }
    assert!(heard[0].1.starts_with("-ERR [AUTH]"), "{heard:?}");
    assert_eq!(heard[0].1, heard[1].1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_whole_message() {
    let fs = SimFs::new();
    let body = "y".repeat(70) + "\r\n";
    let server = with_mail(&fs, &[&(body.repeat(5000) + "end")]).await;
    let mut client = login(&server).await;
    client.send(b"RETR 1\r\n").await;
    let mut count = 0;
    loop {
        let line = client.line().await;
        if line == "." {
            break;
        }
        count += 1;
        if count % 500 == 0 {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    }
    assert!(count > 5000);
}

/// What another server has written down for its clients, in the list that it shared with us.
#[tokio::test(start_paused = true)]
async fn unique_ids_that_another_server_has_told_stay() {
    let fs = SimFs::new();
    let server = with_mail(&fs, &["one", "two", "three", "four"]).await;
    let mut client = login(&server).await;
    say(&mut client, "UIDL").await;
    let ours = lines(&mut client).await;
    say(&mut client, "QUIT").await;
    let path = Path::new("/mail/example.test/alice/dovecot-uidlist");
    let list = String::from_utf8(mailstore::fs::read(&fs, path).unwrap()).unwrap();
    // The second is one that another message has, the third none by the grammar.
    let told = ["old-1".to_owned(), "old-1".to_owned(), "x".repeat(71), "old-4".to_owned()];
    let mut list: Vec<String> = list.lines().map(str::to_owned).collect();
    for (line, told) in list[1..].iter_mut().zip(told) {
        *line = line.replacen(" :", &format!(" P{told} :"), 1);
    }
    let list = list.join("\n") + "\n";
    mailstore::fs::replace_durably(&fs, path, Path::new("/list"), list.as_bytes()).unwrap();
    let mut client = login(&server).await;
    say(&mut client, "UIDL").await;
    assert_eq!(lines(&mut client).await, ["1 old-1", &ours[1], &ours[2], "4 old-4"]);
}

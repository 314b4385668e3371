//! A maildrop beside other POP3 and IMAP sessions, and on a disk that fails.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::{Client, inbox, start};
use mailstore::fs::sim::{Fault, SimFs};
use postroom::Server;
use std::time::Duration;

async fn say(client: &mut Client, command: &str) -> String {
    client.send(format!("{command}\r\n").as_bytes()).await;
    client.line().await
}

async fn lines(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match client.line().await {
            line if line == "." => return lines,
            line => lines.push(line),
        }
    }
}

async fn login(server: &Server) -> Client {
    let mut client = Client::connect(server, "pop3");
    client.line().await;
    say(&mut client, "USER alice@example.test").await;
    assert!(say(&mut client, "PASS ecila").await.starts_with("+OK"));
    client
}

async fn uidl(client: &mut Client) -> Vec<String> {
    say(client, "UIDL").await;
    lines(client).await
}

/// A server with these messages in alice's INBOX, without a line end at their ends, and an IMAP session there.
async fn fixture(fs: &SimFs, messages: &[&str]) -> (Server, Imap) {
    let server = start(fs, 1).await.unwrap();
    let mut imap = Imap::inbox(&server, "alice").await;
    for message in messages {
        assert!(imap.append("INBOX", "", message.as_bytes()).await.contains(" OK "));
    }
    (server, imap)
}

#[tokio::test(start_paused = true)]
async fn p12_sizes_are_those_of_what_is_sent() {
    let fs = SimFs::new();
    let (server, _imap) =
        fixture(&fs, &["A: b\r\n\r\n.x\r\nend", "A: b\r\n\r\nend\r\n", "A: b\n\nlf\n"]).await;
    let mut client = login(&server).await;
    say(&mut client, "LIST").await;
    assert_eq!(lines(&mut client).await, ["1 17", "2 13", "3 12"]);
    for (number, size) in [(1, 17), (2, 13), (3, 12)] {
        assert_eq!(say(&mut client, &format!("RETR {number}")).await, format!("+OK {size} octets"));
        let sent: usize = lines(&mut client).await.iter().map(|line| line.len() + 2).sum();
        // The dot of transparency is not counted.
        assert_eq!(sent, size + usize::from(number == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn p23_p25_p26_unique_ids_stay_whatever_happens_to_the_files() {
    let fs = SimFs::new();
    let (server, mut imap) = fixture(&fs, &["A: same\r\n", "A: same\r\n", "A: 3\r\n"]).await;
    let mut first = login(&server).await;
    let ids = uidl(&mut first).await;
    assert!(ids.len() == 3 && ids[0][2..] != ids[1][2..]);
    imap.command("STORE 1:3 +FLAGS (\\Flagged work)").await;
    assert_eq!(uidl(&mut login(&server).await).await, ids);
    assert!(say(&mut first, "DELE 1").await.starts_with("+OK"));
    assert!(say(&mut first, "QUIT").await.starts_with("+OK"));
    let left = uidl(&mut login(&server).await).await;
    assert_eq!((&left[0][2..], &left[1][2..]), (&ids[1][2..], &ids[2][2..]));
    assert!(imap.command("NOOP").await.starts_with("* 1 EXPUNGE\r\n"));
    server.shutdown(Duration::from_secs(5)).await;
    let server = start(&fs, 2).await.unwrap();
    assert_eq!(uidl(&mut login(&server).await).await, left);
}

#[tokio::test(start_paused = true)]
async fn p21_p22_only_quit_removes() {
    let fs = SimFs::new();
    let (server, _imap) = fixture(&fs, &["A: 1\r\n"]).await;
    let mut client = login(&server).await;
    assert!(say(&mut client, "DELE 1").await.starts_with("+OK"));
    drop(client);
    let mut client = login(&server).await;
    assert!(say(&mut client, "DELE 1").await.starts_with("+OK"));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(client.line().await, "", "closed without a word");
    assert_eq!(say(&mut login(&server).await, "STAT").await, "+OK 1 6");
}

#[tokio::test(start_paused = true)]
async fn p27_the_drop_is_shared() {
    let fs = SimFs::new();
    let (server, _imap) = fixture(&fs, &["A: 1\r\n"]).await;
    let (mut first, mut second) = (login(&server).await, login(&server).await);
    assert_eq!(say(&mut first, "STAT").await, say(&mut second, "STAT").await);
}

#[tokio::test(start_paused = true)]
async fn p28_p29_the_maildrop_is_a_snapshot() {
    let fs = SimFs::new();
    let (server, mut imap) = fixture(&fs, &["A: 1\r\n", "A: 2\r\n"]).await;
    let mut client = login(&server).await;
    imap.command("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    imap.command("EXPUNGE").await;
    imap.append("INBOX", "", b"A: 3\r\n").await;
    assert!(say(&mut client, "RETR 1").await.starts_with("-ERR"));
    assert_eq!(say(&mut client, "STAT").await, "+OK 2 12");
    assert_eq!(say(&mut client, "LIST 1").await, "+OK 1 6");
    assert!(say(&mut client, "RETR 2").await.starts_with("+OK"));
    assert_eq!(lines(&mut client).await, ["A: 2"]);
    assert!(say(&mut client, "QUIT").await.starts_with("+OK"));
    assert_eq!(say(&mut login(&server).await, "STAT").await, "+OK 2 12");
    // What RETR gave is seen, what TOP would show is not.
    let reply = imap.command("FETCH 1:* FLAGS").await;
    assert!(
        reply.contains("* 1 FETCH (FLAGS (\\Seen") && !reply.contains("* 2 FETCH (FLAGS (\\Seen"),
        "{reply}"
    );
}

#[tokio::test(start_paused = true)]
async fn p24_what_could_not_be_removed_is_told_and_stays() {
    let mut refused = 0;
    for offset in 0..100 {
        let fs = SimFs::new();
        let (server, _imap) = fixture(&fs, &["A: 1\r\n", "A: 2\r\n", "A: 3\r\n"]).await;
        let mut client = login(&server).await;
        say(&mut client, "DELE 1").await;
        say(&mut client, "DELE 3").await;
        let failing = fs.ops() + offset;
        fs.fail_at(failing, Fault::NoSpace);
        let reply = say(&mut client, "QUIT").await;
        if fs.ops() <= failing {
            // Every operation of the removal has failed once.
            assert!(reply.starts_with("+OK"));
            break;
        }
        if reply.starts_with("+OK") {
            assert_eq!(inbox(&fs, "alice"), ["A: 2\r\n"], "operation {offset}");
        } else {
            refused += 1;
            assert!(reply.starts_with("-ERR [SYS/TEMP]"), "operation {offset}: {reply}");
            assert!(inbox(&fs, "alice").contains(&"A: 2\r\n".to_owned()));
        }
        assert_eq!(client.line().await, "");
    }
    assert!(refused > 2, "{refused} refused");
}

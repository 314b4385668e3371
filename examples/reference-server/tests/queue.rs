//! `postroom queue`: mail on hold is told of, listed, let go and removed, while a server runs and while none does.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::Smtp;
use common::{ALICE, Server, configuration, eventually, inbox, prepare, program};
use std::path::Path;

fn queue(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    program(&[&["queue", "--config", "postroom.toml"], arguments].concat(), directory)
}

/// The ids that are listed, each with whether it is on hold.
fn listed(directory: &Path) -> Vec<(String, bool)> {
    let (good, told, wrong) = queue(directory, &["list"]);
    assert!(good, "{wrong}");
    let first = told.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_alphanumeric()));
    let ids = first.filter(|line| !line.starts_with("Mail queue is empty"));
    let id = |line: &str| line.split(' ').next().unwrap().to_owned();
    ids.map(|line| (id(line).trim_end_matches('!').to_owned(), id(line).ends_with('!'))).collect()
}

fn send(server: &Server, subject: &str) {
    let message = format!("Subject: {subject}\r\n\r\nHello.\r\n");
    let reply =
        Smtp::connect(server.address("smtp", "starttls")).send("held@x.test", ALICE, message.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
}

#[test]
fn held_mail_is_listed_let_go_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let hold = "smtpd_sender_restrictions = [\"check_sender_access inline:{{held@x.test=HOLD}}\"]\n";
    prepare(directory, &configuration(false, hold));
    let server = Server::start_in(directory);
    assert!(!server.log().contains("on hold"), "{}", server.log());
    assert_eq!(queue(directory, &["list"]).1, "Mail queue is empty\n");
    send(&server, "first");
    send(&server, "second");
    send(&server, "third");
    let ids = listed(directory);
    assert_eq!(ids.iter().map(|(_, held)| *held).collect::<Vec<_>>(), [true, true, true]);
    let told = queue(directory, &["list"]).1;
    assert!(told.contains("held@x.test\n") && told.contains("alice@example.test\n"), "{told}");
    assert!(told.ends_with(" octets in 3 messages, 3 on hold.\n"), "{told}");

    let (first, second, third) = (&*ids[0].0, &*ids[1].0, &*ids[2].0);
    let (good, told, _) = queue(directory, &["release", first]);
    assert!(good && told == format!("{first}: no longer on hold\n"), "{told}");
    eventually(|| inbox(directory, "alice").len() == 1);
    assert!(String::from_utf8_lossy(&inbox(directory, "alice")[0]).contains("Subject: first"));
    eventually(|| listed(directory).len() == 2);
    // What can be done is done, and the rest is told.
    let (good, told, wrong) = queue(directory, &["delete", "NOSUCHID", second]);
    assert!(!good && told == format!("{second}: removed\n"), "{told}");
    assert!(wrong.contains("NOSUCHID: "), "{wrong}");
    assert!(!queue(directory, &["hold", "../x"]).0);
    assert!(server.stop());

    // Without a server.
    assert_eq!(listed(directory), [(third.to_owned(), true)]);
    assert!(queue(directory, &["release", third]).0);
    assert_eq!(listed(directory), [(third.to_owned(), false)]);
    assert!(queue(directory, &["hold", third]).0);
    let server = Server::start_in(directory);
    let told = server.log();
    let told = told.lines().find(|line| line.contains("mail is on hold")).unwrap();
    assert!(told.contains("WARN") && told.contains(third), "{told}");
    assert_eq!(inbox(directory, "alice").len(), 1);
    assert!(queue(directory, &["release", third]).0);
    eventually(|| inbox(directory, "alice").len() == 2);
    // A socket that nobody listens at is in nobody's way.
    server.kill();
    assert!(queue(directory, &["list"]).0);
    let (good, _, wrong) = queue(directory, &["flush"]);
    assert!(!good && wrong.contains("no server runs"), "{wrong}");
    let server = Server::start_in(directory);
    assert!(queue(directory, &["flush"]).1.ends_with(" messages are tried again\n"));
    assert!(server.stop());
}

#[test]
fn a_server_waits_for_a_command_that_has_the_spool() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    prepare(directory, &configuration(false, ""));
    assert!(Server::start_in(directory).stop());
    let lock = std::fs::File::options().write(true).open(directory.join("data/lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| Server::start_in(directory));
        // Who would not wait has given up by then.
        std::thread::sleep(std::time::Duration::from_millis(500));
        drop(lock);
        assert!(starting.join().unwrap().stop());
    });
}

//! A server that root starts and somebody else is (R300).

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::Smtp;
use common::{Server, configuration, eventually, inbox, prepare, program};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

const USER: &str = "nobody";

/// A directory that `USER` can look into, and a configuration in it.
fn directory(configuration: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    prepare(directory.path(), configuration);
    directory
}

fn with_user(user: &str) -> String {
    configuration(true, "").replacen("data_dir", &format!("user = \"{user}\"\ndata_dir"), 1)
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: it takes root");
    }
    is_root
}

/// What the system says of a thread.
fn status<'a>(status: &'a str, field: &str) -> Vec<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().split_whitespace().collect()
}

#[test]
fn root_opens_the_ports_and_another_serves() {
    if !is_root() {
        return;
    }
    let id = |what: &str| {
        let output = Command::new("id").args([what, USER]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (uid, groups) = (id("-u"), id("-G"));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (700..1024).find(is_free).expect("a port below 1024 is free");
    let text = with_user(USER).replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    let directory = directory(&text);
    let directory = directory.path();
    let server = Server::start_in(directory);
    assert_eq!(server.address("smtp", "starttls").port(), port);
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let threads: Vec<String> =
        tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("status")).ok()).collect();
    assert!(threads.len() > 1);
    for thread in &threads {
        assert_eq!(status(thread, "Uid"), [&*uid; 4]);
        assert_eq!(status(thread, "Groups").join(" "), groups);
        for set in ["CapPrm", "CapEff"] {
            assert_eq!(status(thread, set), ["0000000000000000"]);
        }
    }
    let mut session = Smtp::connect(server.address("smtp", "starttls"));
    for (command, code) in [
        ("MAIL FROM:<s@x.test>", "250 "),
        ("RCPT TO:<alice@example.test>", "250 "),
        ("DATA", "354 "),
        ("Subject: x\r\n\r\nx\r\n.", "250 "),
    ] {
        let reply = session.command(command);
        assert!(reply.starts_with(code), "{command}: {reply}");
    }
    eventually(|| inbox(directory, "alice").len() == 1);
    let owner = |path: &Path| fs::metadata(path).unwrap().uid().to_string();
    let data = directory.join("data");
    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    for path in
        [&data, &data.join("lock"), &data.join("spool"), &data.join("mail/example.test/alice/Maildir")]
    {
        assert_eq!(owner(path), uid, "{}", path.display());
    }
    server.signal("HUP");
    eventually(|| server.log().contains("configuration, accounts and certificate read anew"));
    // Whoever is root is asked about it, too.
    let (good, told, wrong) = program(&["queue", "--config", "postroom.toml", "list"], directory);
    assert!(good, "{told}{wrong}");
    let (good, told, wrong) = program(&["check", "--config", "postroom.toml"], directory);
    assert!(good, "{told}{wrong}");
    assert!(!server.log().contains("root runs this server"));
    assert!(server.stop());
    // Next time all is there.
    assert!(Server::start_in(directory).stop());
}

/// As `virtual_mailbox_base`, and `virtual_uid_maps = static:`.
#[test]
fn r112_mailboxes_lie_where_it_is_said_and_are_that_users() {
    if !is_root() {
        return;
    }
    let directory = directory("");
    let directory = directory.path();
    let base = directory.join("mailbox");
    fs::create_dir(&base).unwrap();
    assert!(Command::new("chown").arg(USER).arg(&base).status().unwrap().success());
    let storage = format!("\n[storage]\npath = \"{}/%d/%n/Maildir\"\n", base.display());
    prepare(directory, &(with_user(USER) + &storage));
    let server = Server::start_in(directory);
    let mut session = Smtp::connect(server.address("smtp", "starttls"));
    for (command, code) in [
        ("MAIL FROM:<s@x.test>", "250 "),
        ("RCPT TO:<bob@example.test>", "250 "),
        ("DATA", "354 "),
        ("Subject: x\r\n\r\nx\r\n.", "250 "),
    ] {
        let reply = session.command(command);
        assert!(reply.starts_with(code), "{command}: {reply}");
    }
    let maildir = base.join("example.test/bob/Maildir");
    let of = |path: &Path| fs::metadata(path).unwrap().uid();
    eventually(|| fs::read_dir(maildir.join("new")).is_ok_and(|mut entries| entries.next().is_some()));
    let message = fs::read_dir(maildir.join("new")).unwrap().next().unwrap().unwrap().path();
    for path in [&maildir, &maildir.join("cur"), &message] {
        assert_eq!(of(path), of(&base), "{}", path.display());
    }
    assert!(server.stop());
}

#[test]
fn whom_the_server_cannot_become_it_says() {
    if !is_root() {
        return;
    }
    let unread = directory(&with_user(USER));
    fs::set_permissions(unread.path().join("postroom.toml"), Permissions::from_mode(0o600)).unwrap();
    for command in ["serve", "check"] {
        let (good, _, told) = program(&[command, "--config", "postroom.toml"], unread.path());
        let why = format!("the user {USER} must be able to read it, for reloads");
        assert!(!good && told.contains("Permission denied") && told.contains(&why), "{told}");
    }
    let shared = directory(&with_user(USER));
    fs::set_permissions(shared.path(), Permissions::from_mode(0o777)).unwrap();
    let (good, _, told) = program(&["serve", "--config", "postroom.toml"], shared.path());
    assert!(!good && told.contains("others than root may write to the directory above it"), "{told}");
    assert!(!shared.path().join("data").exists());
    for (user, why) in [("no-such-user", "there is no user of this name"), ("root", "that is root")] {
        let directory = directory(&with_user(user));
        for command in ["serve", "check"] {
            let (good, _, told) = program(&[command, "--config", "postroom.toml"], directory.path());
            assert!(!good && told.contains(&format!("user = \"{user}\": {why}")), "{told}");
        }
        assert!(!directory.path().join("data").exists());
    }
}

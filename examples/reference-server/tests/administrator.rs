//! What whoever runs a server is told: where a message has gone, and by whom the data directory may be used.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::Smtp;
use common::{ALICE, Server, configuration, eventually, has, prepare, program};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Command;

/// Whoever looks for the address that was written to finds the message, though it went to others.
#[test]
fn the_log_has_whom_a_message_was_for_before_aliases() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    prepare(directory, &configuration(true, "alias_maps = \"hash:aliases\"\n"));
    fs::write(directory.join("aliases"), "support: alice, bob\n").unwrap();
    let server = Server::start_in(directory);
    let mut session = Smtp::connect(server.address("smtp", "starttls"));
    for (command, code) in [
        ("MAIL FROM:<s@x.test>", "250 "),
        ("RCPT TO:<support@example.test>", "250 "),
        ("RCPT TO:<bob@example.test>", "250 "),
        ("DATA", "354 "),
        ("Subject: x\r\n\r\nx\r\n.", "250 "),
    ] {
        let reply = session.command(command);
        assert!(reply.starts_with(code), "{command}: {reply}");
    }
    let of = "(orig_to=support@example.test)";
    let has = |what: &str| server.log().lines().any(|line| line.contains(what));
    eventually(|| has(" accepted ") && has(&format!("-> {ALICE} {of}, bob@example.test {of}\"")));
    eventually(|| has("delivered to=\"alice@example.test\" orig_to=\"support@example.test\""));
    assert!(server.stop());
}

/// L-i: who may not use a data directory hears why from `check` and from `serve`, in the same words.
#[test]
fn a_data_directory_of_another_user_is_told_of() {
    if !rustix::process::geteuid().is_root() || !has("setpriv") {
        eprintln!("skipped: it takes root and setpriv");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    prepare(directory.path(), &configuration(true, ""));
    let run = |command: &str| {
        let output = Command::new("setpriv")
            .args(["--reuid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_postroom"), command])
            .args(["--config", "postroom.toml"])
            .current_dir(&directory)
            .output()
            .unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (good, told, wrong) = run("check");
    assert!(
        good && told.contains("data: who runs this cannot make it in .: Permission denied"),
        "{told}{wrong}"
    );
    let made = directory.path().join("data");
    fs::create_dir(&made).unwrap();
    fs::set_permissions(&made, Permissions::from_mode(0o700)).unwrap();
    let words =
        "data: it belongs to the user 0: run this as that user, or give it to whom this runs as (chown)";
    let (good, told, wrong) = run("check");
    assert!(good && told.contains(&format!("warning: data_dir: {words}\n")), "{told}{wrong}");
    let (good, _, wrong) = run("serve");
    assert!(!good && wrong.ends_with(&format!("postroom: {words}\n")), "{wrong}");
}

/// L-h: root need not become that user by itself, and leaves nothing of its own in the data directory.
#[test]
fn root_asks_for_the_queue_as_the_servers_user() {
    let directory = tempfile::tempdir().unwrap();
    let list = ["queue", "list", "--config", "postroom.toml"];
    prepare(directory.path(), &configuration(true, ""));
    let (good, _, wrong) = program(&["queue", "list"], directory.path());
    assert!(!good && wrong.contains("--config names another"), "{wrong}");
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it takes root");
        return;
    }
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    chown(&data, Some(65_534), Some(65_534)).unwrap();
    let (good, told, wrong) = program(&list, directory.path());
    assert!(good && told == "Mail queue is empty\n", "{told}{wrong}");
    let made: Vec<u32> =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().metadata().unwrap().uid()).collect();
    assert!(!made.is_empty() && made.iter().all(|owner| *owner == 65_534), "{made:?}");
}

//! A test with the server in it, under the profile that is shipped (R293).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

use postroom_example_test_server::TestServer;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::confinement::recording::{self, Recording};
use testkit::confinement::{Profile, enforce};

/// This test alone, in a process of its own.
const ONE: [&str; 2] = ["--exact", "a_mail_comes"];

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap().canonicalize().unwrap()
}

fn profile() -> Profile {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("confinement/postroom-test-server");
    Profile::read(&file, &[("postroom_exec", &this_program())]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_mail_comes() {
    let server = TestServer::start(&["alice@example.test"]).unwrap();
    let mut wire = BufReader::new(TcpStream::connect(server.smtp).unwrap());
    let mut line = String::new();
    for command in [
        "",
        "HELO app.example.test\r\n",
        "MAIL FROM:<app@example.test>\r\n",
        "RCPT TO:<alice@example.test>\r\n",
        "DATA\r\n",
        "Subject: hello\r\n\r\nHello.\r\n.\r\n",
    ] {
        wire.get_mut().write_all(command.as_bytes()).unwrap();
        line.clear();
        wire.read_line(&mut line).unwrap();
        assert!(line.starts_with(['2', '3']), "{command}: {line}");
    }
    assert!(server.wait_for(1, "alice@example.test").unwrap()[0].ends_with("Hello.\r\n"));
}

#[test]
fn r293_a_test_runs_under_the_profile() {
    if !enforce::is_possible() {
        return;
    }
    let ends_well = |profile: &Profile| {
        let mut command = Command::new(this_program());
        let child = enforce::spawn(profile, command.args(ONE).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (well, told) = ends_well(&profile());
    assert!(well && told.contains("1 passed"), "{told}");
    if !enforce::holds_network() {
        return;
    }
    let mut without = profile();
    without.network.clear();
    let (well, told) = ends_well(&without);
    assert!(!well && told.contains("Permission denied"), "{told}");
}

#[test]
fn r293_what_a_test_touches_is_in_the_profile_and_nothing_else() {
    if !recording::is_possible() {
        return;
    }
    let traces = tempfile::tempdir().unwrap();
    let recording = Recording::new(traces.path(), &this_program());
    let before = recording.command();
    let mut traced = Command::new(&before[0]);
    let output = traced.args(&before[1..]).arg(this_program()).args(ONE).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    recording.wait();
    let faults = recording.faults(&profile());
    assert!(faults.is_empty(), "{}", Vec::from_iter(faults).join("\n"));
}

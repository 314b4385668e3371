//! The program under the profile that is shipped with it (R293).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testkit::confinement::recording::{self, Recording};
use testkit::confinement::{Profile, enforce};

const PROGRAM: &str = env!("CARGO_BIN_EXE_postroom-example-inbound-hook");

fn profile() -> Profile {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("confinement/postroom-inbound-hook");
    let program = Path::new(PROGRAM).canonicalize().unwrap();
    Profile::read(&file, &[("postroom_exec", &program)]).unwrap_or_else(|error| panic!("{error}"))
}

fn command(program: &mut Command) -> &mut Command {
    program.arg("127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Has the program take a mail, and stops it.
fn exercise(mut child: Child) {
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = told.next().unwrap();
    let address = address.strip_prefix("mail for inbound.test is taken at ").unwrap();
    let mut wire = BufReader::new(TcpStream::connect(address).unwrap());
    let mut line = String::new();
    for command in [
        "",
        "HELO client.test\r\n",
        "MAIL FROM:<ann@a.test>\r\n",
        "RCPT TO:<ticket-42@inbound.test>\r\n",
        "DATA\r\n",
        "Subject: hello\r\n\r\nHello.\r\n.\r\n",
    ] {
        wire.get_mut().write_all(command.as_bytes()).unwrap();
        line.clear();
        wire.read_line(&mut line).unwrap();
        assert!(line.starts_with(['2', '3']), "{command}: {line}");
    }
    let mail = told.next().unwrap();
    assert!(mail.contains("to <ticket-42@inbound.test>, for ticket 42: \"hello\""), "{mail}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn r293_the_program_runs_under_its_profile() {
    if !enforce::is_possible() {
        return;
    }
    exercise(enforce::spawn(&profile(), command(&mut Command::new(PROGRAM))));
    if !enforce::holds_network() {
        return;
    }
    let mut without = profile();
    without.network.clear();
    let mut refused = enforce::spawn(&without, command(&mut Command::new(PROGRAM)));
    let told = BufReader::new(refused.stdout.take().unwrap()).lines().next();
    if told.is_some() {
        refused.kill().unwrap();
    }
    let output = refused.wait_with_output().unwrap();
    assert_eq!((output.status.success(), told.is_some()), (false, false), "it runs");
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("Permission denied") || why.contains("PermissionDenied"), "{why}");
}

#[test]
fn r293_what_the_program_touches_is_in_its_profile_and_nothing_else() {
    if !recording::is_possible() {
        return;
    }
    let traces = tempfile::tempdir().unwrap();
    let recording = Recording::new(traces.path(), Path::new(PROGRAM));
    let before = recording.command();
    let mut traced = Command::new(&before[0]);
    exercise(command(traced.args(&before[1..]).arg(PROGRAM)).spawn().unwrap());
    recording.wait();
    let faults = recording.faults(&profile());
    assert!(faults.is_empty(), "{}", Vec::from_iter(faults).join("\n"));
}

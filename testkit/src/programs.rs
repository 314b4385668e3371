//! Programs of other makers, for tests that exchange mail with them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a server may take to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a program is there; says so when it is not.
///
/// # Panics
/// When it is not and `POSTROOM_REQUIRE_CLIENTS` is set, as it is where nothing may be skipped.
#[must_use]
#[allow(clippy::print_stderr, reason = "who runs the test is to see what was skipped")]
pub fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    let there = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(
        there || std::env::var_os("POSTROOM_REQUIRE_CLIENTS").is_none(),
        "{program} is not installed, and POSTROOM_REQUIRE_CLIENTS is set"
    );
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// Stops a server by its own command, or, where that takes longer than twenty seconds, kills it with all that it has started: it may
/// wait for itself (Postfix's `postlogd` can, where the system's queue of a socket is short). `pid_file` says who its first process is,
/// which leads a process group.
pub fn stop(server: &mut Child, command: &mut Command, pid_file: &Path) {
    let stopping = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if stopping.is_ok_and(|mut stopping| ends(&mut stopping)) && ends(server) {
        return;
    }
    if let Ok(leader) = std::fs::read_to_string(pid_file) {
        let group = format!("-{}", leader.trim());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
    let _ = server.kill();
    let _ = server.wait();
}

/// Whether a process ends in time; one that does not is killed.
fn ends(process: &mut Child) -> bool {
    const STEP: Duration = Duration::from_millis(100);
    for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
        match process.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) => std::thread::sleep(STEP),
            Err(_) => return false,
        }
    }
    let _ = process.kill();
    let _ = process.wait();
    false
}

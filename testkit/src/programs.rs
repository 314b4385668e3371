//! Programs of other makers, for tests that exchange mail with them.

use std::process::{Command, Stdio};

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

//! The profiles that are shipped are what AppArmor takes.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::confinement::Profile;
use testkit::programs::has;

/// Of each example, the one that has its own name.
fn profiles() -> Vec<PathBuf> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = examples.read_dir().unwrap().map(|entry| entry.unwrap().path().join("confinement"));
    let files = folders.flat_map(|folder| folder.read_dir().unwrap());
    files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_none()).collect()
}

#[test]
fn each_example_has_one() {
    let names = ["postroom", "postroom-inbound-hook", "postroom-test-server"];
    let mut found: Vec<String> = profiles()
        .iter()
        .map(|path| Profile::read(path, &[]).unwrap_or_else(|error| panic!("{error}")).name)
        .collect();
    found.sort_unstable();
    assert_eq!(found, names);
}

#[test]
fn apparmor_compiles_them() {
    if !has("apparmor_parser") {
        return;
    }
    for path in profiles() {
        let output = Command::new("apparmor_parser").args(["-Q", "-K"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", path.display());
    }
}

//! The unit for systemd says what the profile for AppArmor and the configuration for the Internet say.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::confinement::Profile;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All that the unit says under a name, word by word.
fn words(unit: &str, name: &str) -> BTreeSet<String> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[test]
fn the_unit_agrees_with_profile_and_configuration() {
    let unit = fs::read_to_string(file("confinement/postroom.service")).unwrap();
    let profile = Profile::read(&file("confinement/postroom"), &[]).unwrap_or_else(|error| panic!("{error}"));
    let words = |name| words(&unit, name);
    assert!(words("AppArmorProfile").contains(&format!("-{}", profile.name)));

    let program = words("ExecStart").into_iter().find(|word| word.ends_with("/postroom")).unwrap();
    assert!(profile.may(&program).contains(&'m'), "{program}");
    let configuration = words("ExecStart").into_iter().find(|word| word.ends_with(".toml")).unwrap();
    assert!(profile.may(&configuration).contains(&'r'), "{configuration}");
    let written = words("ReadWritePaths").into_iter().map(|path| path.trim_start_matches('-').to_owned());
    for path in written.chain(words("StateDirectory").iter().map(|name| format!("/var/lib/{name}"))) {
        assert!(profile.may(&format!("{path}/x/y")).contains(&'w'), "{path}");
    }

    let families = profile.network.iter().map(|rule| format!("AF_{}", rule.family.to_uppercase()));
    assert_eq!(words("RestrictAddressFamilies"), families.collect());
    let capabilities = words("CapabilityBoundingSet");
    assert_eq!(words("AmbientCapabilities"), capabilities);
    let named =
        |name: &String| profile.capabilities.iter().any(|it| *name == format!("CAP_{}", it.to_uppercase()));
    assert!(capabilities.iter().all(named), "{capabilities:?}");

    let internet = fs::read_to_string(file("internet.toml")).unwrap();
    let ports = internet
        .lines()
        .filter_map(|line| line.strip_prefix("address = ")?.split('"').nth(1)?.rsplit_once(':'));
    let mut bound: BTreeSet<String> = ports.map(|(_, port)| format!("tcp:{port}")).collect();
    bound.insert("udp".to_owned());
    assert_eq!(words("SocketBindAllow"), bound);
    assert!(internet.lines().any(|line| line == "data_dir = \"/var/lib/postroom\""));
}

#[test]
fn sockets_of_the_cookbook_are_in_the_profile() {
    let profile = Profile::read(&file("confinement/postroom"), &[]).unwrap_or_else(|error| panic!("{error}"));
    let cookbook = fs::read_to_string(file("../../docs/cookbook.md")).unwrap();
    let sockets =
        cookbook.split("unix:").skip(1).map(|rest| rest.split(['"', ' ', ',', '\n']).next().unwrap());
    let sockets: Vec<&str> = sockets.filter(|path| path.starts_with('/')).collect();
    assert!(!sockets.is_empty());
    for path in sockets {
        assert!(profile.may(path).is_superset(&BTreeSet::from(['r', 'w'])), "{path}");
    }
}

/// The first systemd that knows all that the unit says.
const SYSTEMD: u32 = 249;

#[test]
fn systemd_takes_the_unit() {
    let version = Command::new("systemd-analyze").arg("--version").output();
    let Ok(version) = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let number = version.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    if number.is_some_and(|number: u32| number < SYSTEMD) {
        eprintln!("skipped: the unit is for systemd {SYSTEMD}, and this is {version}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(file("confinement/postroom.service")).unwrap();
    // It looks for the program, which is not installed here.
    let path = directory.path().join("postroom.service");
    fs::write(&path, unit.replace("ExecStart=/usr/local/bin/postroom", "ExecStart=/bin/true")).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !told.contains("postroom.service"), "{told}");
}

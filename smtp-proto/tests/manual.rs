//! The manual says what is there: every test that it names exists, and every limit is told.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

fn folder(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The source files below a folder.
fn sources(below: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "txt") {
            into.push(path);
        }
    }
}

#[test]
fn every_test_that_the_list_of_attacks_names_exists() {
    let mut files = Vec::new();
    for below in ["tests", "src", "../proto-core/src"] {
        sources(&folder(below), &mut files);
    }
    let page = read(&folder("src/manual/attacks.rs"));
    let rows = page.lines().filter(|line| line.starts_with("//! |") && !line.contains("| --- |"));
    for row in rows.filter(|row| !row.starts_with("//! | attack |")) {
        let proofs = row.rsplit(" | ").next().unwrap_or_default();
        let named: Vec<_> = proofs.split('`').filter_map(|span| span.split_once(": ")).collect();
        assert!(!named.is_empty(), "nothing shows it: {row}");
        for (file, test) in named {
            let wanted = match file.ends_with(".txt") {
                true => format!("\n=== {test}"),
                false => format!("fn {test}()"),
            };
            let there =
                files.iter().filter(|path| path.ends_with(file)).any(|path| read(path).contains(&wanted));
            assert!(there, "{file} has no {test}");
        }
    }
}

#[test]
fn every_limit_and_every_timeout_is_told() {
    let page = read(&folder("src/manual/limits.rs"));
    for (file, name) in [
        ("src/server/limits.rs", "Limits"),
        ("src/server/timers.rs", "Timeouts"),
        ("src/client/config.rs", "ClientLimits"),
        ("src/client/config.rs", "ClientTimeouts"),
        ("src/milter/config.rs", "MilterLimits"),
        ("src/milter/config.rs", "MilterTimeouts"),
    ] {
        let source = read(&folder(file));
        let (_, fields) = source.split_once(&format!("pub struct {name} {{")).unwrap();
        let (fields, _) = fields.split_once("\n}").unwrap();
        let fields: Vec<_> =
            fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':')).collect();
        assert!(!fields.is_empty(), "{name}");
        for (field, _) in fields {
            assert!(page.contains(&format!("[`{field}`]")), "{name}::{field} is not in the table");
        }
    }
}

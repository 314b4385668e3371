//! What Postfix itself did with its tables, its resolver and its access rules, and whether we do the same.
//!
//! The vectors are read from every `*.json` of the folder named by `POSTROOM_VECTORS`, else from the copy in `vectors/`; of what kind one
//! is says the beginning of its id, and a kind that nobody knows is an error. What is not built
//! yet is listed in `vectors/open.txt`, by id and with the reason; one of those that passes is an error, too, so that
//! the list tells the truth.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "vectors/access_policy.rs"]
mod access_policy;
#[path = "vectors/mapping.rs"]
mod mapping;
#[path = "vectors/resolver.rs"]
mod resolver;
#[path = "vectors/table.rs"]
mod table;
#[path = "vectors/zone.rs"]
mod zone;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// What came of a vector: nothing, or what was expected and what there was.
type Checked = Result<(), Mismatch>;

#[derive(Debug)]
struct Mismatch {
    expected: String,
    got: String,
}

/// Compares by what is shown.
fn equal(what: &str, expected: &str, got: &str) -> Checked {
    if expected == got {
        return Ok(());
    }
    Err(Mismatch { expected: format!("{what} {expected}"), got: format!("{what} {got}") })
}

/// A vector's field that must be a string.
fn text<'v>(vector: &'v Value, field: &str) -> &'v str {
    vector[field].as_str().unwrap_or_else(|| panic!("{}: no {field}", vector["id"]))
}

#[test]
fn tables() {
    run("T", |vector| match text(vector, "group") {
        "TA" | "TB" => mapping::check(vector),
        _ => table::check(vector),
    });
}

#[test]
fn resolving() {
    run("RS", resolver::check);
}

#[test]
fn access_policies() {
    run("V", access_policy::check);
}

/// What nobody runs would be passed over in silence.
#[test]
fn every_file_is_of_a_kind_that_is_run() {
    for (file, vectors) in files() {
        assert!(!vectors.is_empty(), "{file} has no vectors");
        for vector in &vectors {
            let id = text(vector, "id");
            assert!(["T", "RS", "V"].contains(&kind(id)), "{file}: {id}: no kind of vector that is known");
        }
    }
}

/// The letters that an id begins with.
fn kind(id: &str) -> &str {
    id.trim_end_matches(|c: char| !c.is_ascii_alphabetic())
}

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `*.json` of the folder, by its name, with its vectors.
fn files() -> Vec<(String, Vec<Value>)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the vectors are is told to the test, not to the crate"
    )]
    let folder = std::env::var("POSTROOM_VECTORS").unwrap_or_else(|_| OWN.into());
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let vectors = |path: &Path| {
        serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(|path| (path.display().to_string(), vectors(path))).collect()
}

/// Runs the vectors of a kind, whichever file they stand in.
fn run(wanted: &str, check: impl Fn(&Value) -> Checked) {
    let open = read(&Path::new(OWN).join("open.txt"));
    let open: BTreeMap<&str, &str> = open
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("open.txt: {line}: an id and a reason")))
        .collect();
    let (mut report, mut count) = (String::new(), 0);
    for (file, vectors) in files() {
        for vector in vectors.iter().filter(|vector| kind(text(vector, "id")) == wanted) {
            count += 1;
            let (id, title) = (text(vector, "id"), vector["title"].as_str().unwrap_or_default());
            match (check(vector), open.get(id)) {
                (Ok(()), None) | (Err(_), Some(_)) => {}
                (Ok(()), Some(reason)) => {
                    writeln!(report, "{file}: {id} passes: take it out of open.txt ({reason})").unwrap();
                }
                (Err(Mismatch { expected, got }), None) => {
                    writeln!(report, "{file}: {id} {title}\n  expected {expected}\n  got      {got}")
                        .unwrap();
                }
            }
        }
    }
    assert!(count > 0, "no file has vectors of the kind {wanted}");
    assert!(report.is_empty(), "{report}");
}

//! What Postfix itself did with its tables, its resolver and its access rules, and whether we do the same.
//!
//! The vectors are read from the folder named by `POSTROOM_VECTORS`, else from the copy in `vectors/`. What is not built
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
    run("table.json", |vector| match text(vector, "group") {
        "TA" | "TB" => mapping::check(vector),
        _ => table::check(vector),
    });
}

#[test]
fn resolving() {
    run("resolver.json", resolver::check);
}

#[test]
fn access_policies() {
    run("access-policy.json", access_policy::check);
}

fn run(file: &str, check: impl Fn(&Value) -> Checked) {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    #[expect(
        clippy::disallowed_methods,
        reason = "where the vectors are is told to the test, not to the crate"
    )]
    let folder = std::env::var("POSTROOM_VECTORS").unwrap_or_else(|_| own.into());
    let read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let vectors: Vec<Value> = serde_json::from_str(&read(&Path::new(&folder).join(file))).unwrap();
    assert!(!vectors.is_empty(), "{file} has no vectors");
    let open = read(&Path::new(own).join("open.txt"));
    let open: BTreeMap<&str, &str> = open
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("open.txt: {line}: an id and a reason")))
        .collect();
    let mut report = String::new();
    for vector in &vectors {
        let (id, title) = (text(vector, "id"), vector["title"].as_str().unwrap_or_default());
        match (check(vector), open.get(id)) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(reason)) => {
                writeln!(report, "{id} passes: take it out of open.txt ({reason})").unwrap();
            }
            (Err(Mismatch { expected, got }), None) => {
                writeln!(report, "{id} {title}\n  expected {expected}\n  got      {got}").unwrap();
            }
        }
    }
    assert!(report.is_empty(), "{file}:\n{report}");
}

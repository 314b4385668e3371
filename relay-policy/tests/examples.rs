//! The worked examples of the two specification files that no machine has executed: the catalogue of restrictions, the tables
//! of keys and codes, the documentation-only vectors (D), the rules of the linter (L).
//!
//! They stand in `examples/*.txt` with the id or the section of the specification, in a form that [`script`] describes; what is
//! expected there was taken from the specification, not from what came out. `examples/where.txt` says of every other example
//! where it is tested, or why it is not.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "examples/dialogue.rs"]
mod dialogue;
#[path = "examples/facts.rs"]
mod facts;
#[path = "examples/script.rs"]
mod script;
#[path = "examples/whereabouts.rs"]
mod whereabouts;
#[path = "vectors/zone.rs"]
mod zone;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples")
}

fn check(file: &str) {
    let path = folder().join(file);
    let examples = script::read(&std::fs::read_to_string(&path).unwrap());
    assert!(!examples.is_empty(), "{file} has no examples");
    let report: String = examples.iter().filter_map(|example| dialogue::check(example).err()).collect();
    assert!(report.is_empty(), "{file}:\n{report}");
}

#[test]
fn lists_and_their_order() {
    check("lists.txt");
}

#[test]
fn restrictions_by_name() {
    check("restrictions.txt");
}

#[test]
fn keys_of_access_tables() {
    check("keys.txt");
}

#[test]
fn actions_and_codes() {
    check("actions.txt");
}

#[test]
fn whose_recipients_are_known() {
    check("recipients.txt");
}

#[test]
fn dns_lists() {
    check("dns_lists.txt");
}

/// R92.
#[test]
fn what_an_administrator_begins_with() {
    check("first_lists.txt");
}

#[test]
fn policy_services() {
    check("policy_services.txt");
}

#[test]
fn doubts() {
    check("doubts.txt");
}

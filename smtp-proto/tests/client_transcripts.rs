//! The client's transcripts: every file at every cut, and again with seeded names.

mod common;

use testkit::Runner;

fn check(area: &str) {
    Runner::client().random_cuts(4).check(format!("tests/transcripts/{area}.txt"), common::sender::make);
}

#[test]
fn sending() {
    check("client-sending");
}

#[test]
fn opening() {
    check("client-opening");
}

#[test]
fn auth() {
    check("client-auth");
}

#[test]
fn lmtp() {
    check("client-lmtp");
}

#[test]
fn chunking() {
    check("client-chunking");
}

#[test]
fn extensions() {
    check("client-extensions");
}

#[test]
fn commands() {
    check("client-commands");
}

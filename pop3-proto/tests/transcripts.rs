//! The transcripts, each at every cut and again with seeded names.

mod common;

use testkit::Runner;

#[test]
fn authorization() {
    Runner::server().check("tests/transcripts/authorization.txt", common::make);
}

#[test]
fn sasl() {
    Runner::server().check("tests/transcripts/sasl.txt", common::make);
}

#[test]
fn capabilities_and_tls() {
    Runner::server().check("tests/transcripts/capabilities.txt", common::make);
}

#[test]
fn transaction() {
    Runner::server().check("tests/transcripts/transaction.txt", common::make);
}

#[test]
fn retrieve() {
    Runner::server().check("tests/transcripts/retrieve.txt", common::make);
}

#[test]
fn update() {
    Runner::server().check("tests/transcripts/update.txt", common::make);
}

#[test]
fn lines_and_limits() {
    Runner::server().check("tests/transcripts/lines.txt", common::make);
}

#[test]
fn hostile() {
    Runner::server().check("tests/transcripts/hostile.txt", common::make);
}

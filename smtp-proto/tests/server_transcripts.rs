//! The server's transcripts: every file at every cut, and again with seeded names.

mod common;

use testkit::Runner;

fn check(area: &str) {
    Runner::server().random_cuts(4).check(format!("tests/transcripts/{area}.txt"), common::make);
}

#[test]
fn order() {
    check("order");
}

#[test]
fn syntax() {
    check("syntax");
}

#[test]
fn data() {
    check("data");
}

#[test]
fn pipelining() {
    check("pipelining");
}

#[test]
fn commands() {
    check("commands");
}

#[test]
fn auth() {
    check("auth");
}

#[test]
fn starttls() {
    check("starttls");
}

#[test]
fn limits() {
    check("limits");
}

#[test]
fn verdicts() {
    check("verdicts");
}

#[test]
fn hostile() {
    check("hostile");
}

#[test]
fn parameters() {
    check("parameters");
}

#[test]
fn smtputf8() {
    check("smtputf8");
}

#[test]
fn lmtp() {
    check("lmtp");
}

#[test]
fn bdat() {
    check("bdat");
}

#[test]
fn prdr() {
    check("prdr");
}

#[test]
fn etrn() {
    check("etrn");
}

#[test]
fn stages() {
    check("stages");
}

#[test]
fn xclient() {
    check("xclient");
}

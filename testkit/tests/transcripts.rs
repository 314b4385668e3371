//! The transcript runner itself: it passes what is right and sees what is wrong.

mod toy;

use std::panic::catch_unwind;
use testkit::{Runner, Setup};
use toy::client::{Lines, Replies};
use toy::{App, Fault, Toy};

fn make(fault: Fault) -> impl Fn(&Setup) -> (Toy, App) {
    move |setup| (Toy::new(fault), App::new(setup.var("user"), setup.option("waits").is_some()))
}

#[test]
fn the_toy_passes_at_every_cut() {
    Runner::server().check("tests/toy.txt", make(Fault::None));
}

#[test]
fn a_client_is_given_the_servers_lines() {
    let source = "\
@var user name alice
=== a handshake between two lines
S: +OK hel¦lo
C: ASK {user}
S: +OK known
C: STARTTLS
S: +OK begin‿
S: +OK evil
@tls
C: QUIT
S: +OK bye
@eof
E: +OK known
E: starttls
E: +OK bye
@closed peer closed
";
    let make = |setup: &Setup| {
        let ask = format!("ASK {}", setup.var("user"));
        (Lines::new(&[&ask, "STARTTLS", "QUIT"]), Replies::default())
    };
    Runner::client().check_text("client.txt", source, make);
}

/// The report of a run of one case that must fail.
fn report(fault: Fault, lines: &str) -> String {
    let source = format!("@var user name alice\n=== X\nS: +OK hello\n{lines}\n");
    let failed = catch_unwind(|| Runner::server().check_text("x.txt", &source, make(fault)));
    *failed.expect_err("must fail").downcast::<String>().expect("a text")
}

#[test]
fn a_machine_that_depends_on_the_cut_is_seen() {
    let report = report(Fault::DependsOnCut, "C: ECHO a\nS: +OK a");
    assert!(report.contains("x.txt:5: case X: cut every 1 octets: expected\n+OK a↵"), "{report}");
    assert!(report.contains("POSTROOM_SEED=0x"), "{report}");
}

#[test]
fn an_answer_known_by_heart_is_seen() {
    let source = "@var user name alice\n=== X\nS: +OK hello\nC: ASK {user}\nS: +OK known\n";
    let by_heart = |_: &Setup| (Toy::new(Fault::LiteralAnswer), App::new("nobody", false));
    let failed = catch_unwind(|| Runner::server().check_text("x.txt", source, by_heart));
    let report = *failed.expect_err("must fail").downcast::<String>().expect("a text");
    assert!(report.contains("got\n-ERR unknown↵"), "{report}");
}

#[test]
fn plaintext_that_survives_starttls_is_seen() {
    let report = report(Fault::KeepsPlaintext, "C: STARTTLS‿\nC: ECHO x\nS: +OK begin\n@tls");
    assert!(report.contains("sent and not expected:\n+OK x↵"), "{report}");
}

#[test]
fn breaches_of_the_contract_are_seen() {
    let quit = "C: QUIT\nS: +OK bye\n@closed";
    assert!(report(Fault::TalksAfterClose, quit).contains("a step after Closed"));
    assert!(report(Fault::KeepsDeadline, quit).contains("a deadline after the end"));
}

#[test]
fn what_a_transcript_does_not_expect_fails() {
    for (lines, why) in [
        ("C: ECHO a\nS: +OK b", "got\n+OK a↵"),
        ("C: ECHO a", "sent and not expected"),
        ("C: QUIT\nS: +OK bye", "no @closed stands here"),
        ("@closed", "it has not closed"),
        ("S: +OK more", "got nothing"),
        ("E: stored", "expected the event"),
        ("@dance", "no ask to @dance"),
        ("C: ECHO a\nC: ECHO b\nS*: +OK …\n@writes 2", "expected 2 writes, got 1"),
        ("@tls", "a handshake nobody asked for"),
    ] {
        let report = report(Fault::None, lines);
        assert!(report.contains(why), "{lines}: {report}");
    }
}

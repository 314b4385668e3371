//! `postroom logban`: from what a server has logged to whom it turns away (R305).

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Smtp, Wire};
use common::{Server, configuration, prepare, program};
use std::fs;

#[test]
fn who_was_refused_again_and_again_is_turned_away() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    prepare(directory, &configuration(false, ""));
    let server = Server::start_in(directory);
    let mut session = Smtp::connect(server.address("smtp", "starttls"));
    assert!(session.command("MAIL FROM:<s@sender.test>").starts_with("250 "));
    for user in ["a", "b", "c"] {
        assert!(session.command(&format!("RCPT TO:<{user}@example.test>")).starts_with("550 5.1.1 "));
    }
    drop(session);
    assert!(server.stop());

    let (good, banned, wrong) = program(&["logban", "--over", "2", "log"], directory);
    assert!(good, "{wrong}");
    assert_eq!(banned, "127.0.0.1\tREJECT Too much of what came from you was refused\n");
    assert_eq!(program(&["logban", "--over", "3", "log"], directory).1, "");
    let log = fs::read_to_string(directory.join("log")).unwrap();
    let journal: String =
        log.lines().map(|line| format!("Nov  3 21:00:00 mail postroom[123]: {line}\n")).collect();
    fs::write(directory.join("journal"), journal).unwrap();
    assert_eq!(program(&["logban", "--over", "2", "journal"], directory).1, banned);
    let (good, _, wrong) = program(&["logban", "none"], directory);
    assert!(!good && wrong.contains("none: No such file"), "{wrong}");

    fs::write(directory.join("banned"), banned).unwrap();
    let policy =
        "smtpd_delay_reject = false\nsmtpd_client_restrictions = \"check_client_access cidr:banned\"\n";
    prepare(directory, &configuration(false, policy));
    let server = Server::start_in(directory);
    let greeting = Wire::connect(server.address("smtp", "starttls")).line();
    assert!(
        greeting.ends_with("Client host rejected: Too much of what came from you was refused"),
        "{greeting}"
    );
}

//! Tables that are changed while the server runs (R95, R108).

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::Smtp;
use common::{BOB, Server, configuration, eventually, prepare, program};
use std::fs;

#[test]
fn what_is_changed_is_read_and_what_is_broken_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let policy = "smtpd_sender_restrictions = [\"check_sender_access cdb:senders\", \"check_sender_access texthash:more\"]\n\
        alias_maps = \"hash:aliases\"\n";
    prepare(directory, &configuration(true, policy));
    let compile = |text: &str| {
        fs::write(directory.join("senders"), text).unwrap();
        let (good, _, wrong) = program(&["postmap", "cdb:senders"], directory);
        assert!(good, "{wrong}");
    };
    compile("");
    fs::write(directory.join("more"), "").unwrap();
    fs::write(directory.join("aliases"), "staff: alice\n").unwrap();
    let server = Server::start_in(directory);
    let reply = |from: &str, to: &str| {
        let mut session = Smtp::connect(server.address("smtp", "starttls"));
        assert!(session.command(&format!("MAIL FROM:<{from}>")).starts_with("250 "));
        session.command(&format!("RCPT TO:<{to}>"))
    };
    assert!(reply("a@spam.test", BOB).starts_with("250 "));
    compile("spam.test REJECT Known\n");
    eventually(|| reply("a@spam.test", BOB) == "554 5.7.1 <a@spam.test>: Sender address rejected: Known");
    fs::write(directory.join("more"), "junk.test REJECT\n").unwrap();
    eventually(|| reply("a@junk.test", BOB).starts_with("554 5.7.1 <a@junk.test>: "));
    assert!(reply("a@x.test", "staff@example.test").starts_with("250 "));
    fs::write(directory.join("aliases"), "others: alice\n").unwrap();
    eventually(|| reply("a@x.test", "staff@example.test").starts_with("550 5.1.1 "));

    // A table that cannot be used, and one that is gone: what there was holds, and is told once.
    fs::write(directory.join("senders.cdb"), "no database").unwrap();
    let log = || fs::read_to_string(directory.join("log")).unwrap();
    eventually(|| log().contains("tables have changed and cannot be used, so the old ones stay"));
    fs::remove_file(directory.join("more")).unwrap();
    let lost = "more: No such file or directory (os error 2): what was read of this table stays in use";
    eventually(|| log().contains(lost));
    assert!(reply("a@spam.test", BOB).starts_with("554 5.7.1 "));
    assert!(reply("a@junk.test", BOB).starts_with("554 5.7.1 "));
    compile("spam.test DUNNO\n");
    fs::write(directory.join("more"), "junk.test DUNNO\n").unwrap();
    eventually(|| {
        reply("a@spam.test", BOB).starts_with("250 ") && reply("a@junk.test", BOB).starts_with("250 ")
    });
    eventually(|| log().contains("more: this table can be read again"));
    assert_eq!(log().matches(lost).count(), 1, "{}", log());
    assert_eq!(log().matches("cannot be used").count(), 1, "{}", log());
    assert!(server.stop());
}

//! Debian's Postfix asks our server what is to be done: its replies, and what it delivers.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::peers::{Peer, can_start};
use common::wire::Wire;
use common::{Server, configuration, prepare};

const LISTS: &str = r#"
[[listener]]
protocol = "policy"
address = "127.0.0.1:0"
tls = "none"
[listener.policy]
smtpd_sender_restrictions = ["check_sender_access inline:{{late@sender.test = DEFER_IF_PERMIT 4.2.0 Come again}}"]
smtpd_recipient_restrictions = [
    "check_recipient_access inline:{{bob@example.test = REJECT 5.7.9 Not for him}}",
    "check_sender_access inline:{{marked@sender.test = PREPEND X-Policy: seen}}",
]
smtpd_end_of_data_restrictions = ["check_sender_access inline:{{tiny@sender.test = 552 5.3.4 Too large}}"]
"#;

/// The reply to each command, its last line.
fn command(wire: &mut Wire, line: &str) -> String {
    wire.send(format!("{line}\r\n"));
    reply(wire)
}

fn reply(wire: &mut Wire) -> String {
    loop {
        let line = wire.line();
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    }
}

fn session(postfix: &Peer) -> Wire {
    let mut wire = Wire::connect(postfix.address);
    assert!(reply(&mut wire).starts_with("220"));
    assert!(command(&mut wire, "EHLO client.sender.test").starts_with("250"));
    wire
}

/// What is said to a recipient.
fn recipient(postfix: &Peer, from: &str, to: &str) -> String {
    let mut wire = session(postfix);
    assert!(command(&mut wire, &format!("MAIL FROM:<{from}>")).starts_with("250"));
    command(&mut wire, &format!("RCPT TO:<{to}>"))
}

/// What is said to a message.
fn message(postfix: &Peer, from: &str, to: &str, subject: &str) -> String {
    let mut wire = session(postfix);
    for line in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")] {
        assert!(command(&mut wire, &line).starts_with("250"));
    }
    assert!(command(&mut wire, "DATA").starts_with("354"));
    command(&mut wire, &format!("Subject: {subject}\r\n\r\nbody\r\n."))
}

#[test]
fn postfix_asks_us() {
    if !can_start(&["postfix"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), &configuration(false, LISTS));
    let ours = Server::start_in(directory.path());
    let service = format!("check_policy_service inet:{}", ours.address("policy", "none"));
    let postfix = Peer::postfix_with(&format!(
        "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_recipient_restrictions = {service}, \
         check_recipient_access inline:{{{{shut@example.test = REJECT 5.7.2 Shut}}}}\n\
         smtpd_end_of_data_restrictions = {service}\nsmtpd_policy_service_retry_delay = 1s\n"
    ));
    let (alice, bob) = ("alice@example.test", "bob@example.test");
    assert_eq!(recipient(&postfix, "s@sender.test", alice), "250 2.1.5 Ok");
    assert_eq!(
        recipient(&postfix, "s@sender.test", bob),
        "554 5.7.9 <bob@example.test>: Recipient address rejected: Not for him"
    );
    assert_eq!(
        recipient(&postfix, "late@sender.test", alice),
        "450 4.2.0 <alice@example.test>: Recipient address rejected: Come again"
    );
    // A deferral waits for what the other lists say.
    assert_eq!(
        recipient(&postfix, "late@sender.test", "shut@example.test"),
        "554 5.7.2 <shut@example.test>: Recipient address rejected: Shut"
    );
    assert_eq!(
        recipient(&postfix, "s@sender.test", "x@elsewhere.test"),
        "554 5.7.1 <x@elsewhere.test>: Relay access denied",
        "we are no way round its own lists"
    );
    assert!(message(&postfix, "marked@sender.test", alice, "marked").starts_with("250 2.0.0 Ok: queued as "));
    let delivered = String::from_utf8(postfix.delivered("alice", "Subject: marked\n")).unwrap();
    assert!(delivered.contains("\nX-Policy: seen\n"), "{delivered}");
    assert_eq!(
        message(&postfix, "tiny@sender.test", alice, "tiny"),
        "552 5.3.4 <END-OF-MESSAGE>: End-of-data rejected: Too large"
    );
    let log = ours.log();
    assert!(log.contains("reject: RCPT from unknown[127.0.0.1]: 554 5.7.9 <bob@example.test>"), "{log}");

    // Who is asked and is not there has no opinion.
    assert!(ours.stop());
    assert_eq!(
        recipient(&postfix, "s@sender.test", alice),
        "451 4.3.5 <alice@example.test>: Recipient address rejected: Server configuration problem"
    );
}

//! One message, stopped at each of four layers by configuration (R93): the connection, the envelope, the content, and the
//! reader's own program, for which the server marks it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Imap, Smtp, Value, Wire};
use common::{BOB, PASSWORD, Server, configuration, eventually, inbox, prepare};

const SPAM: &[u8] = b"From: x@offers.test\r\nSubject: You have won\r\n\r\nSend us your bank account.\r\n";
const LETTER: &[u8] = b"From: ann@far.test\r\nSubject: Tuesday\r\n\r\nAt ten?\r\n";

/// A server with this policy besides, in a directory of its own.
fn server(policy: &str) -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), &configuration(true, policy));
    let server = Server::start_in(directory.path());
    (directory, server)
}

fn smtp(server: &Server) -> Smtp {
    Smtp::connect(server.address("smtp", "starttls"))
}

/// Waits for the letter, which every layer lets through; what else the mailbox has.
fn besides_the_letter(server: &Server) -> Vec<Vec<u8>> {
    let mut session = smtp(server);
    assert!(session.send("ann@far.test", BOB, LETTER).starts_with("250 "));
    let is_letter = |message: &Vec<u8>| message.ends_with(LETTER);
    eventually(|| inbox(&server.directory, "bob").iter().any(is_letter));
    inbox(&server.directory, "bob").into_iter().filter(|message| !is_letter(message)).collect()
}

#[test]
fn without_any_of_them_it_arrives() {
    let (_keep, server) = server("");
    assert!(smtp(&server).send("x@offers.test", BOB, SPAM).starts_with("250 "));
    eventually(|| inbox(&server.directory, "bob").iter().any(|message| message.ends_with(SPAM)));
}

#[test]
fn at_the_connection() {
    let (_keep, server) = server(
        "smtpd_delay_reject = false\n\
         smtpd_client_restrictions = [\"check_client_access inline:{{127.0.0.1 = REJECT No spammers}}\"]\n",
    );
    let mut wire = Wire::connect(server.address("smtp", "starttls"));
    let first = wire.line();
    assert!(
        first.starts_with("554 5.7.1 <") && first.ends_with(">: Client host rejected: No spammers"),
        "{first}"
    );
}

#[test]
fn at_the_envelope() {
    let (_keep, server) = server(
        "smtpd_sender_restrictions = [\"check_sender_access inline:{{offers.test = REJECT No offers}}\"]\n",
    );
    let mut session = smtp(&server);
    assert!(session.command("MAIL FROM:<x@offers.test>").starts_with("250 "));
    assert_eq!(
        session.command(&format!("RCPT TO:<{BOB}>")),
        "554 5.7.1 <x@offers.test>: Sender address rejected: No offers"
    );
    assert_eq!(besides_the_letter(&server), [[0; 0]; 0]);
}

#[test]
fn by_what_it_says() {
    for (checks, said) in [
        (
            "header_checks = \"regexp:{{/^Subject:.*you have won/ REJECT No lotteries}}\"\n",
            "550 5.7.1 No lotteries",
        ),
        ("body_checks = \"regexp:{{/bank account/ DISCARD}}\"\n", "250 "),
    ] {
        let (_keep, server) = server(checks);
        let reply = smtp(&server).send("x@offers.test", BOB, SPAM);
        assert!(reply.starts_with(said), "{checks}: {reply}");
        assert_eq!(besides_the_letter(&server), [[0; 0]; 0], "{checks}");
    }
}

/// The server sorts nothing for its users: it marks the message, and the user's program finds the mark and moves it away.
#[test]
fn by_the_reader_s_own_program() {
    let (_keep, server) = server(
        "header_checks = \"regexp:{{/^Subject:.*you have won/ PREPEND X-Spam-Flag: YES}}\"\n\
         [[mailbox]]\nname = \"Junk\"\nspecial_use = \"\\\\Junk\"\nauto = \"create\"\n",
    );
    assert!(smtp(&server).send("x@offers.test", BOB, SPAM).starts_with("250 "));
    eventually(|| !inbox(&server.directory, "bob").is_empty());
    assert_eq!(besides_the_letter(&server).len(), 1);
    let mut imap = Imap::login(server.address("imap", "starttls"), BOB, PASSWORD);
    imap.ok("SELECT INBOX");
    let atom = |text: &str| Value::Atom(text.into());
    assert_eq!(imap.ok("SEARCH ALL"), [[atom("SEARCH"), atom("1"), atom("2")]]);
    assert_eq!(imap.ok("SEARCH HEADER X-Spam-Flag YES"), [[atom("SEARCH"), atom("1")]]);
    imap.ok("COPY 1 Junk");
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
    imap.ok("EXPUNGE");
    assert_eq!(imap.ok("SEARCH HEADER X-Spam-Flag YES"), [[atom("SEARCH")]]);
    assert_eq!(imap.ok("SEARCH ALL"), [[atom("SEARCH"), atom("1")]]);
}

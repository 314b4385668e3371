//! An application under test sends mail, and the tests look at what arrived.

#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

use postroom_example_test_server::{PASSWORD, TestServer};
use std::net::SocketAddr;

/// The application under test: it greets new users by mail.
mod application {
    use std::io::{self, BufRead as _, BufReader, Write as _};
    use std::net::{SocketAddr, TcpStream};

    /// Sends a greeting; the error is the server's reply.
    pub(super) fn welcome(smtp: SocketAddr, address: &str) -> io::Result<()> {
        let mut server = Lines::connect(smtp)?;
        server.expect("220 ", None)?;
        for (command, reply) in [
            ("HELO app.example.test".into(), "250 "),
            ("MAIL FROM:<app@example.test>".into(), "250 "),
            (format!("RCPT TO:<{address}>"), "250 "),
            ("DATA".into(), "354 "),
            (format!("To: {address}\r\nSubject: Welcome\r\n\r\nGood to have you.\r\n."), "250 "),
        ] {
            server.expect(reply, Some(&command))?;
        }
        Ok(())
    }

    /// The first message in a maildrop.
    pub(super) fn first_mail(pop3: SocketAddr, user: &str, password: &str) -> io::Result<String> {
        let mut server = Lines::connect(pop3)?;
        server.expect("+OK", None)?;
        server.expect("+OK", Some(&format!("USER {user}")))?;
        server.expect("+OK", Some(&format!("PASS {password}")))?;
        server.expect("+OK", Some("RETR 1"))?;
        let mut message = String::new();
        while !message.ends_with("\r\n.\r\n") {
            message.push_str(&server.line()?);
        }
        Ok(message)
    }

    /// The subject of the first message in INBOX.
    pub(super) fn first_subject(imap: SocketAddr, user: &str, password: &str) -> io::Result<String> {
        let mut server = Lines::connect(imap)?;
        server.expect("* OK ", None)?;
        server.expect("a OK ", Some(&format!("a LOGIN {user} {password}")))?;
        server
            .0
            .get_mut()
            .write_all(b"b SELECT INBOX\r\nc FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n")?;
        loop {
            let line = server.line()?;
            match line.strip_prefix("Subject: ") {
                Some(subject) => return Ok(subject.trim_end().to_owned()),
                None if line.starts_with("c ") => return Err(io::Error::other(line)),
                None => {}
            }
        }
    }

    struct Lines(BufReader<TcpStream>);

    impl Lines {
        fn connect(address: SocketAddr) -> io::Result<Self> {
            Ok(Self(BufReader::new(TcpStream::connect(address)?)))
        }

        fn line(&mut self) -> io::Result<String> {
            let mut line = String::new();
            match self.0.read_line(&mut line)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(line),
            }
        }

        /// Sends a command, if there is one, and wants this reply.
        fn expect(&mut self, wanted: &str, command: Option<&str>) -> io::Result<()> {
            if let Some(command) = command {
                self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
            }
            let line = self.line()?;
            if line.starts_with(wanted) { Ok(()) } else { Err(io::Error::other(line)) }
        }
    }
}

#[test]
fn a_new_user_is_welcomed() {
    let server = TestServer::start(&["alice@example.test", "bob@example.test"]).unwrap();
    application::welcome(server.smtp, "alice@example.test").unwrap();

    let messages = server.wait_for(1, "alice@example.test").unwrap();
    let message = &messages[0];
    assert!(message.contains("\r\nDelivered-To: alice@example.test\r\n"), "{message}");
    assert!(message.ends_with("Subject: Welcome\r\n\r\nGood to have you.\r\n"), "{message}");
    assert_eq!(messages.len(), 1);
    assert!(server.inbox("bob@example.test").unwrap().is_empty(), "nobody else got it");
}

#[test]
fn the_application_hears_of_addresses_that_are_not_there() {
    let server = TestServer::start(&["alice@example.test"]).unwrap();
    let refused = application::welcome(server.smtp, "nobody@example.test").unwrap_err();
    assert!(refused.to_string().starts_with("550 5.1.1 "), "{refused}");
    assert!(server.inbox("nobody@example.test").is_err(), "a name that is not written right has no mailbox");
    let refused = application::welcome(server.smtp, "alice@elsewhere.test").unwrap_err();
    assert!(refused.to_string().starts_with("554 5.7.1 "), "{refused}");
}

#[test]
fn an_application_that_reads_mail_is_tested_alike() {
    let server = TestServer::start(&["alice@example.test"]).unwrap();
    application::welcome(server.smtp, "alice@example.test").unwrap();
    let stored = server.wait_for(1, "alice@example.test").unwrap().remove(0);
    let fetched = application::first_mail(server.pop3, "alice@example.test", PASSWORD).unwrap();
    assert_eq!(fetched, format!("{stored}.\r\n"));
    application::first_mail(server.pop3, "alice@example.test", "wrong").unwrap_err();
    let subject = application::first_subject(server.imap, "alice@example.test", PASSWORD).unwrap();
    assert_eq!(subject, "Welcome");
}

#[test]
fn servers_know_nothing_of_each_other() {
    let servers: Vec<_> = (0..8).map(|_| TestServer::start(&["alice@example.test"]).unwrap()).collect();
    let send = |smtp: SocketAddr| application::welcome(smtp, "alice@example.test").unwrap();
    std::thread::scope(|scope| {
        for server in &servers[1..] {
            scope.spawn(move || send(server.smtp));
        }
    });
    for server in &servers[1..] {
        assert_eq!(server.wait_for(1, "alice@example.test").unwrap().len(), 1);
    }
    assert!(servers[0].inbox("alice@example.test").unwrap().is_empty());
}

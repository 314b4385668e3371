//! A session that does what most POP3 clients do: list, fetch everything, remove it.

use crate::NOW;
use crate::dot::sent;
use pop3_proto::server::{Config, Event, Server};
use pop3_proto::{Message, RetrOctets, Uidl};
use proto_core::sasl::AuthVerdict;
use proto_core::{Machine, OutBuf, Step};
use std::fmt::Write;
use std::sync::Arc;

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages fetched.
    pub messages: usize,
    /// Messages removed.
    pub removed: usize,
    /// Octets of replies.
    pub reply_octets: u64,
}

/// Log in, STAT, UIDL, and RETR and DELE of every message: pipelined, as CAPA allows.
pub fn commands(messages: usize) -> String {
    let mut commands = String::from("CAPA\r\nUSER bob\r\nPASS secret\r\nSTAT\r\nUIDL\r\n");
    for number in 1..=messages {
        let _ = write!(commands, "RETR {number}\r\nDELE {number}\r\n");
    }
    commands + "QUIT\r\n"
}

/// A configuration that takes a login without TLS.
pub fn config() -> Arc<Config> {
    let mut config = Config::default();
    config.allow_plaintext_auth = true;
    Arc::new(config)
}

/// A session with `messages` times the same message in the maildrop.
pub fn session(config: &Arc<Config>, commands: &str, messages: usize, message: &[u8]) -> Outcome {
    let mut server = Server::new(NOW, config.clone());
    let (mut out, mut outcome) = (OutBuf::new(), Outcome::default());
    let mut rest = commands.as_bytes();
    let mut body: Option<&[u8]> = None;
    loop {
        while let Some(step) = server.poll_event(NOW) {
            let Step::App(event) = step else { continue };
            match event {
                Event::Authenticate(ask) => server.answer(NOW, ask, AuthVerdict::Accept).unwrap(),
                Event::OpenMaildrop(ask) => server.answer(NOW, ask, Ok(maildrop(messages, message))).unwrap(),
                Event::Retrieve(ask) => {
                    body = Some(message);
                    server.answer(NOW, ask, Ok(())).unwrap();
                }
                Event::Commit(ask) => {
                    outcome.removed = ask.detail.deleted.len();
                    server.answer(NOW, ask, Ok(())).unwrap();
                }
                other => panic!("not in this session: {other:?}"),
            }
        }
        if let Some(octets) = &mut body {
            *octets = &octets[server.write_body(NOW, octets).unwrap()..];
            if octets.is_empty() {
                server.finish_body(NOW).unwrap();
                outcome.messages += 1;
                body = None;
            }
        }
        while server.poll_transmit(&mut out) {}
        outcome.reply_octets += sent(&mut out);
        if server.is_closed() {
            return outcome;
        }
        if server.wants_input() {
            rest = &rest[server.handle_input(NOW, rest)..];
        }
    }
}

fn maildrop(messages: usize, message: &[u8]) -> Vec<Message> {
    let mut octets = RetrOctets::default();
    octets.push(message);
    let octets = octets.finish();
    let uidl = |number| Uidl::new(format!("{number}.1767225600")).unwrap();
    (1..=messages).map(|number| Message { octets, uidl: uidl(number) }).collect()
}

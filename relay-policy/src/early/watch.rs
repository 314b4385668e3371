//! A client that is greeted and served nothing: how does it speak?
//!
//! The SMTP server that it talks to offers it neither PIPELINING nor AUTH, shows each command line to [`Watch::command`] and
//! refuses each recipient with what [`Watch::recipient`] says. A client that names a recipient and does nothing wrong until it
//! goes has passed; it is asked to come again, since what it said cannot be given to anybody else.

use super::allowlist::AllowEntry;
use super::arrival::Early;
use super::{EarlyAction, EarlyTest, Tests, disconnected, expiry, host, printable, refusal, seconds};
use crate::access::Log;
use crate::decision::Reply;
use proto_core::UnixTime;
use proto_core::address::{ForwardPath, ReversePath};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The tests after the greeting, of one client.
#[derive(Debug)]
pub struct Watch {
    early: Arc<Early>,
    client: SocketAddr,
    entry: AllowEntry,
    is_old: bool,
    /// What is looked at. A failure that is to be ignored is counted as passed, so that who comes again is served some day.
    due: Tests,
    /// Which failures are in the log.
    noted: Tests,
    /// Which of them count.
    failed: Tests,
    /// A test before the greeting has failed, whatever became of it.
    has_failed: bool,
    /// Whether it can get on the temporary allowlist.
    can_pass: bool,
    has_named_recipient: bool,
    commands: u32,
    /// What its recipients are refused with, once it has failed.
    refused: Option<Reply>,
    /// The verb of the last command.
    last: String,
    log: Log,
}

/// What is to be done about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is carried out.
    Serve,
    /// The client is told this, and its connection closed.
    Refuse(Reply),
}

/// A recipient that a client wants to write to.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What it calls itself, if it has said so.
    pub helo: Option<&'a str>,
    /// Whether it said EHLO, not HELO.
    pub esmtp: bool,
    /// The sender.
    pub sender: &'a ReversePath,
    /// The recipient.
    pub recipient: &'a ForwardPath,
}

/// How a client that was watched has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It said QUIT, or its connection was closed for what it said.
    Ended,
    /// It closed the connection.
    HungUp,
    /// It took too long over a command.
    TimedOut,
}

/// The octets of a verb that are logged.
const VERB_OCTETS_MAX: usize = 20;

impl Watch {
    /// Of a client that has failed a test before its greeting, or not; `refused` is what that came to.
    pub(super) fn new(
        early: Arc<Early>,
        client: SocketAddr,
        (entry, is_old): (AllowEntry, bool),
        due: Tests,
        has_failed: bool,
        can_pass: bool,
        refused: Option<Reply>,
    ) -> Self {
        Self {
            early,
            client,
            entry,
            is_old,
            due,
            noted: Tests::default(),
            failed: Tests::default(),
            has_failed,
            can_pass: can_pass && refused.is_none(),
            has_named_recipient: false,
            commands: 0,
            refused,
            last: "CONNECT".into(),
            log: Log::default(),
        }
    }

    /// A command line has come, without its end: whether that was LF without CR, and what came behind it in the same
    /// segment, before it was answered.
    pub fn command(&mut self, line: &[u8], has_bare_newline: bool, behind: &[u8]) -> Heard {
        let verb: &[u8] = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let client = host(self.client);
        self.commands = self.commands.saturating_add(1);
        if self.commands > self.early.command_count_limit {
            self.log.info(format!("COMMAND COUNT LIMIT from {client} after {}", self.last));
            return Heard::Refuse(Reply::new(421, (4, 7, 0), "Error: too many commands".into()));
        }
        let protocol_error = |dropped| refusal(dropped, (5, 1), "Protocol error");
        let mut dropped = None;
        if has_bare_newline && self.looks_at(EarlyTest::BareNewline) {
            self.log.info(format!("BARE NEWLINE from {client} after {}", printable(line)));
            dropped = dropped.or(self.fail(EarlyTest::BareNewline, protocol_error));
        }
        if self.looks_at(EarlyTest::NonSmtpCommand) && self.is_forbidden(verb) {
            let (after, said) = (&self.last, printable(line));
            self.log.info(format!("NON-SMTP COMMAND from {client} after {after}: {said}"));
            let reply = |dropped: bool| match dropped {
                true => Reply::new(521, (5, 7, 0), "Error: I can break rules, too. Goodbye.".into()),
                false => protocol_error(false),
            };
            dropped = dropped.or(self.fail(EarlyTest::NonSmtpCommand, reply));
        }
        self.last = verb[..verb.len().min(VERB_OCTETS_MAX)].to_ascii_uppercase().escape_ascii().to_string();
        if !behind.is_empty() && self.looks_at(EarlyTest::Pipelining) {
            let (verb, said) = (&self.last, printable(behind));
            self.log.info(format!("COMMAND PIPELINING from {client} after {verb}: {said}"));
            dropped = dropped.or(self.fail(EarlyTest::Pipelining, protocol_error));
        }
        if matches!(&*self.last, "DATA" | "BDAT") && dropped.is_none() {
            self.log.info(format!("{} without valid RCPT from {client}", self.last));
        }
        dropped.map_or(Heard::Serve, Heard::Refuse)
    }

    /// What a recipient is refused with. The command itself was shown to [`Watch::command`] before.
    pub fn recipient(&mut self, attempt: Attempt<'_>) -> Reply {
        self.has_named_recipient = true;
        let reply = match &self.refused {
            Some(reply) => reply.clone(),
            None => Reply::new(450, (4, 3, 2), "Service currently unavailable".into()),
        };
        let Attempt { helo, esmtp, sender, recipient } = attempt;
        let protocol = if esmtp { "ESMTP" } else { "SMTP" };
        self.log.info(format!(
            "NOQUEUE: reject: RCPT from {}: {reply}; from={sender}, to={recipient}, proto={protocol}, helo=<{}>",
            host(self.client),
            helo.unwrap_or_default()
        ));
        reply
    }

    /// The client has gone, so long after it was greeted: what is known of it from now on, where something new is, and what
    /// is left for the log.
    pub fn end(&mut self, leaving: Leaving, after: Duration, now: UnixTime) -> (Option<AllowEntry>, Log) {
        let client = host(self.client);
        match leaving {
            Leaving::Ended => {}
            Leaving::HungUp => {
                let after = seconds(after);
                self.log.info(format!("HANGUP after {after} from {client} in tests after SMTP handshake"));
            }
            Leaving::TimedOut => {
                self.log.info(format!("COMMAND TIME LIMIT from {client} after {}", self.last));
            }
        }
        let before = self.entry;
        if self.can_pass && self.has_named_recipient {
            let passed = |test: &EarlyTest| self.due.contains(*test) && !self.failed.contains(*test);
            for test in EarlyTest::OF_COMMANDS.into_iter().filter(passed) {
                self.entry.pass(test, expiry(now, self.early.rule(test).ttl));
            }
            if !self.has_failed && self.failed.is_empty() {
                let age = if self.is_old { "OLD" } else { "NEW" };
                self.log.info(format!("PASS {age} {client}"));
            }
        }
        disconnected(self.client, &mut self.log);
        ((self.entry != before).then_some(self.entry), self.log())
    }

    /// What there is for the log by now; each line once.
    pub fn log(&mut self) -> Log {
        std::mem::take(&mut self.log)
    }

    /// How long a client that has passed is remembered as one of old.
    pub fn retention(&self) -> Duration {
        self.early.retention()
    }

    /// Whether no SMTP client says this: HTTP, or a line of a mail's header.
    fn is_forbidden(&self, verb: &[u8]) -> bool {
        let is_listed = |command: &String| command.as_bytes().eq_ignore_ascii_case(verb);
        let name = verb.iter().position(|octet| *octet == b':').map(|colon| &verb[..colon]);
        let is_field = name.is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic));
        is_field || self.early.forbidden_commands.iter().any(is_listed)
    }

    /// The refusal that closes the connection, if the test's action is that.
    fn fail(&mut self, test: EarlyTest, reply: impl Fn(bool) -> Reply) -> Option<Reply> {
        self.noted.insert(test);
        let action = self.early.rule(test).action;
        if action != EarlyAction::Ignore {
            self.failed.insert(test);
        }
        match action {
            EarlyAction::Ignore => None,
            EarlyAction::Enforce => {
                self.refused.get_or_insert_with(|| reply(false));
                None
            }
            EarlyAction::Drop => Some(reply(true)),
        }
    }

    fn looks_at(&self, test: EarlyTest) -> bool {
        self.due.contains(test) && !self.noted.contains(test)
    }
}

//! A client that is greeted and served nothing: how does it speak?
//!
//! The SMTP server that it talks to offers it neither PIPELINING nor AUTH, shows each command line to [`Watch::command`] and
//! refuses each recipient with [`Watch::recipient`]. A client that has done nothing wrong when it names its first recipient
//! has passed; it is asked to come again, since what it said cannot be given to anybody else.

use super::allowlist::AllowEntry;
use super::arrival::Early;
use super::{EarlyAction, EarlyTest, Tests, expiry, host, printable, refusal};
use crate::access::Log;
use crate::decision::Reply;
use proto_core::UnixTime;
use std::net::SocketAddr;
use std::sync::Arc;

/// The tests after the greeting, of one client.
#[derive(Debug)]
pub struct Watch {
    pub(super) early: Arc<Early>,
    pub(super) client: SocketAddr,
    pub(super) entry: AllowEntry,
    pub(super) is_old: bool,
    /// What is looked at. A failure that is to be ignored is counted as passed, so that who comes again is served some day.
    pub(super) due: Tests,
    /// Which failures are in the log.
    pub(super) noted: Tests,
    /// A test has failed, whatever became of it.
    pub(super) has_failed: bool,
    /// Whether it can get on the temporary allowlist.
    pub(super) can_pass: bool,
    pub(super) has_passed: bool,
    /// What its recipients are refused with, once it has failed.
    pub(super) refused: Option<Reply>,
    /// The verb of the last command.
    pub(super) last: String,
    pub(super) log: Log,
}

/// What is to be done about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is carried out.
    Serve,
    /// The client is told this, and its connection closed.
    Refuse(Reply),
}

/// The octets of a verb that are logged.
const VERB_OCTETS_MAX: usize = 20;

impl Watch {
    /// A command line has come, without its end: whether that was LF without CR, and what came behind it in the same
    /// segment, before it was answered.
    pub fn command(&mut self, line: &[u8], has_bare_newline: bool, behind: &[u8]) -> Heard {
        let verb: &[u8] = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let client = host(self.client);
        let after = self.last.clone();
        let mut dropped = None;
        if has_bare_newline && self.looks_at(EarlyTest::BareNewline) {
            self.log.info(format!("BARE NEWLINE from {client} after {after}"));
            let reply = |dropped| refusal(dropped, (5, 1), "Protocol error");
            dropped = dropped.or(self.fail(EarlyTest::BareNewline, reply));
        }
        if self.looks_at(EarlyTest::NonSmtpCommand) && self.is_forbidden(verb) {
            self.log.info(format!("NON-SMTP COMMAND from {client} after {after}: {}", printable(line)));
            let reply = |dropped: bool| match dropped {
                true => Reply::new(521, (5, 7, 0), "Error: I can break rules, too. Goodbye.".into()),
                false => refusal(false, (5, 1), "Protocol error"),
            };
            dropped = dropped.or(self.fail(EarlyTest::NonSmtpCommand, reply));
        }
        self.last = verb[..verb.len().min(VERB_OCTETS_MAX)].to_ascii_uppercase().escape_ascii().to_string();
        if !behind.is_empty() && self.looks_at(EarlyTest::Pipelining) {
            let (verb, said) = (&self.last, printable(behind));
            self.log.info(format!("COMMAND PIPELINING from {client} after {verb}: {said}"));
            let reply = |dropped| refusal(dropped, (5, 1), "Protocol error");
            dropped = dropped.or(self.fail(EarlyTest::Pipelining, reply));
        }
        dropped.map_or(Heard::Serve, Heard::Refuse)
    }

    /// What a recipient is refused with, and what is known of the client from now on, where something new is. The command
    /// itself was shown to [`Watch::command`] before.
    pub fn recipient(&mut self, now: UnixTime) -> (Reply, Option<AllowEntry>) {
        if let Some(reply) = &self.refused {
            return (reply.clone(), None);
        }
        let mut entry = None;
        if self.can_pass && !self.has_passed {
            self.has_passed = true;
            for test in EarlyTest::OF_COMMANDS.into_iter().filter(|test| self.due.contains(*test)) {
                self.entry.pass(test, expiry(now, self.early.rule(test).ttl));
            }
            if !self.has_failed {
                let age = if self.is_old { "OLD" } else { "NEW" };
                self.log.info(format!("PASS {age} {}", host(self.client)));
            }
            entry = Some(self.entry);
        }
        (Reply::new(450, (4, 3, 2), "Service currently unavailable".into()), entry)
    }

    /// What there is for the log by now; each line once.
    pub fn log(&mut self) -> Log {
        std::mem::take(&mut self.log)
    }

    /// Whether no SMTP client says this: HTTP, or a line of a mail's header.
    fn is_forbidden(&self, verb: &[u8]) -> bool {
        let is_listed = |command: &String| command.as_bytes().eq_ignore_ascii_case(verb);
        let is_field = verb.len() > 1 && verb.ends_with(b":") && !verb[..verb.len() - 1].contains(&b':');
        is_field || self.early.forbidden_commands.iter().any(is_listed)
    }

    /// The refusal that closes the connection, if the test's action is that.
    fn fail(&mut self, test: EarlyTest, reply: impl Fn(bool) -> Reply) -> Option<Reply> {
        self.noted.insert(test);
        self.has_failed = true;
        match self.early.rule(test).action {
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

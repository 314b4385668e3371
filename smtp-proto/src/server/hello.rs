//! The greeting, HELO and EHLO, and LHLO, which is LMTP's EHLO.
//!
//! RFC 5321 sections 3.1, 3.2, 4.1.1.1 and 4.1.4; RFC 2033 section 4.1. Neither the greeting nor a reply to a hello has an
//! enhanced code (RFC 2034 section 4); a refusal that stands in the greeting's place has its own.
//!
//! Who is refused there is waited for until it says QUIT, and told `503` whatever else it says (RFC 5321 section 3.1); a refusal
//! with the code 421 or 521 closes at once.
//!
//! # Departures
//! The argument need not be a domain or an address literal: any word of printable ASCII will do, since many
//! clients say odd things and RFC 5321 section 4.1.4 forbids to refuse mail for it. Whoever minds refuses the
//! [`Hello`] question.

use super::config::{Config, Impatience, Protocol};
use super::event::{Event, Violation};
use super::extras::{Collected, beside_hostname};
use super::question::{Connect, Hello, Verdict};
use super::session::{HelloSaid, Phase, Server};
use super::timers::Timer;
use crate::reply::{Approval, Reply, ReplyFault, ReplyText, write_line};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;
use proto_core::{CloseReason, Now, OutBuf};

impl Config {
    /// The first line of a greeting that goes on, `220-`, for a driver that sends it before there is a session and lets the
    /// client wait for the rest (the session's own greeting): whoever takes it for all of it and talks is in a hurry. It has
    /// this text, or else what the greeting says, the host name in front.
    ///
    /// # Errors
    /// [`ReplyFault`] when the text cannot stand in a reply.
    pub fn teaser(&self, text: Option<&str>) -> Result<OutBuf, ReplyFault> {
        let text = match text {
            Some(text) => ReplyText::new(String::from(text))?,
            None => ReplyText::new(format!("{} {}", self.hostname(), self.greeting()))?,
        };
        let mut out = OutBuf::new();
        write_line(&mut out, 220, None, false, text.as_str());
        Ok(out)
    }
}

impl Server {
    /// Asks about the connection.
    pub(super) fn ask_connect(&mut self, now: Now) {
        let detail = Connect { peer: self.peer.clone(), tls: self.tls.clone() };
        self.ask(now, detail, Event::Connect);
    }

    pub(super) fn settle_connect(&mut self, now: Now, verdict: Verdict) {
        match self.weigh(verdict) {
            Err(refusal) => {
                self.denied = true;
                self.reply(refusal.reply());
                if refusal.closes() { self.close(CloseReason::Policy) } else { self.await_command(now) }
            }
            Ok(extras) => {
                let own = self.session_collected.connect.take(extras);
                if self.config.timeouts.greet_delay > Duration::ZERO && !self.greeted {
                    self.phase = Phase::Greet { own };
                    self.timers.stop(Timer::Command);
                    self.timers.set(Timer::GreetDelay, now.instant + self.config.timeouts.greet_delay);
                } else {
                    self.greet(now, own.as_ref());
                }
            }
        }
    }

    /// The greeting was held back long enough.
    pub(super) fn greet_late(&mut self, now: Now) {
        if let Phase::Greet { own } = core::mem::replace(&mut self.phase, Phase::Command) {
            self.greet(now, own.as_ref());
        }
    }

    fn greet(&mut self, now: Now, own: Option<&Approval>) {
        self.greeted = true;
        let greeting = beside_hostname(own).unwrap_or(self.config.greeting());
        let text = format!("{} {greeting}", self.config.hostname());
        write_line(&mut self.output, 220, None, true, &text);
        self.await_command(now);
    }

    /// Any command but QUIT of a client that was refused when it connected.
    pub(super) fn refuse_denied(&mut self, now: Now) {
        let name = self.peer.name.as_deref().unwrap_or("unknown");
        let host = match self.peer.address {
            Some(address) => format!("{name}[{}]", address.to_canonical()),
            None => name.into(),
        };
        let reply = Reply::new(503, DENIED.enhanced(), format!("Error: access denied for {host}"));
        // A name that cannot stand in a reply.
        self.refuse(now, reply.as_ref().unwrap_or(&DENIED));
    }

    /// The client talked while the greeting was held back.
    pub(super) fn early_talk(&mut self, now: Now) {
        self.timers.stop(Timer::GreetDelay);
        self.report(Violation::EarlyTalker);
        if self.config.early_talker == Impatience::Permit {
            return self.greet_late(now);
        }
        let text = format!("{} Error: SMTP protocol synchronization", self.config.hostname());
        self.write(&Reply::received(EARLY.code(), EARLY.enhanced(), text), true);
        self.close(CloseReason::Protocol("talked before the greeting".into()));
    }

    pub(super) fn hello(&mut self, now: Now, arguments: &[u8], extended: bool) {
        let word = arguments.iter().all(u8::is_ascii_graphic) && matches!(arguments.len(), 1..=255);
        let Some(name) = core::str::from_utf8(arguments).ok().filter(|_| word) else {
            let syntax = match (extended, self.config.protocol) {
                (_, Protocol::Lmtp) => &SYNTAX_LHLO,
                (true, _) => &SYNTAX_EHLO,
                (false, _) => &SYNTAX_HELO,
            };
            return self.refuse(now, syntax);
        };
        // Nobody can know of PIPELINING before the first hello was answered.
        let impatient = self.hello.is_none() && !self.input.is_empty();
        let name: Arc<str> = self.peer.hello.clone().unwrap_or_else(|| name.into());
        if impatient {
            self.refuse_next = self.config.pipelining_before_capability == Impatience::Refuse;
            self.report(Violation::PipelinedBeforeCapability);
        }
        self.ask(now, Hello { name, extended }, Event::Hello);
    }

    pub(super) fn settle_hello(&mut self, now: Now, hello: Hello, verdict: Verdict) {
        let extras = match self.weigh_hello(verdict) {
            Ok(extras) => extras,
            Err(refusal) => {
                self.write(refusal.reply(), false);
                return if refusal.closes() {
                    self.close(CloseReason::Policy)
                } else {
                    self.count_error(now)
                };
            }
        };
        self.reset_transaction();
        self.xforward = None;
        self.session_collected.hello = Collected::default();
        let own = self.session_collected.hello.take(extras);
        let own = beside_hostname(own.as_ref());
        let Hello { name, extended } = hello;
        self.hello = Some(HelloSaid { name, extended });
        if extended {
            let conditions = self.conditions();
            super::Capabilities::new(&self.config, conditions).write(now, &mut self.output, own, &self.peer);
        } else {
            let hostname = self.config.hostname();
            write_line(
                &mut self.output,
                250,
                None,
                true,
                &own.map_or_else(|| hostname.into(), |own| format!("{hostname} {own}")),
            );
        }
    }
}

static DENIED: Reply = Reply::fixed(503, (7, 0), "Error: access denied");
static EARLY: Reply = Reply::fixed(554, (5, 0), "");
static SYNTAX_EHLO: Reply = Reply::plain(501, "Syntax: EHLO hostname");
static SYNTAX_HELO: Reply = Reply::plain(501, "Syntax: HELO hostname");
static SYNTAX_LHLO: Reply = Reply::plain(501, "Syntax: LHLO hostname");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_may_begin_before_the_session() {
        let config = Config::new("mx.example").unwrap();
        let line = |text| config.teaser(text).map(|out| alloc::vec::Vec::from(out.as_slice()));
        assert_eq!(line(None).unwrap(), b"220-mx.example ESMTP Postroom\r\n");
        assert_eq!(line(Some("mx.example says hello")).unwrap(), b"220-mx.example says hello\r\n");
        assert_eq!(line(Some("a\r\n220 b")), Err(ReplyFault::Text));
    }
}

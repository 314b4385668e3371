//! Command lines before they are looked at: whether the application lets the client say that, and whether it should have
//! waited.
//!
//! RFC 2920 section 3.1 lets a client send commands ahead once it has seen PIPELINING; who has not seen it waits for each
//! reply (RFC 5321 section 4.3.1). With [`Config::ask_commands`](super::Config::ask_commands) each line becomes a
//! [`Command`] question first, for an application that judges a client by how it speaks.
//!
//! # Limits
//! The line that is asked about is kept as it came, within
//! [`Limits::command_line_bytes_max`](super::Limits::command_line_bytes_max).
//!
//! # Departures
//! Not asked about: a line that is too long, which is gone, and the lines of an AUTH exchange, which are no commands. What was
//! sent ahead is what had arrived when the line was looked at; what comes later cannot be told from an answer to the reply.

use super::config::Syntax;
use super::event::{Event, Violation};
use super::question::Command;
use super::session::{Phase, Server};
use crate::command::Verb;
use crate::reply::Refusal;
use bytes::Bytes;
use proto_core::{LineFault, Now, SecretLine};

/// A line about which the application is asked; with the question closed, it was let through.
#[derive(Debug)]
pub(super) struct Asked {
    line: Line,
    bare_newline: bool,
}

/// A command line.
#[derive(Debug)]
pub(super) enum Line {
    /// One that hides nothing.
    Plain(Bytes),
    /// One of AUTH with arguments.
    Auth(SecretLine),
}

impl Server {
    /// What the client has sent behind the command that is asked about ([`Event::Command`]), without waiting for its reply.
    /// It may hold a password.
    pub fn sent_ahead(&self) -> &[u8] {
        self.input.as_slice()
    }

    pub(super) fn ask_command(&mut self, now: Now, line: Line) {
        let bare_newline = self.input.ended_bare();
        let shown = match &line {
            Line::Plain(line) => line.clone(),
            Line::Auth(_) => Bytes::from_static(b"AUTH"),
        };
        self.phase = Phase::Asked(Asked { line, bare_newline });
        self.ask(now, Command { line: shown, bare_newline }, Event::Command);
    }

    /// A line that is let through stays where it is until the next step.
    pub(super) fn settle_command(&mut self, now: Now, verdict: Result<(), Refusal>) {
        let Err(refusal) = verdict else { return };
        self.await_command(now);
        // The octets that a BDAT announces would be taken for commands.
        if self.in_bdat_line {
            return self.lose_track(refusal.reply());
        }
        self.refuse_by_verdict(now, &refusal);
    }

    /// Carries out the line that was let through.
    pub(super) fn carry_out(&mut self, now: Now) {
        let Phase::Asked(Asked { line, bare_newline }) = core::mem::replace(&mut self.phase, Phase::Command)
        else {
            return;
        };
        match line {
            _ if bare_newline && self.config.syntax == Syntax::Strict => {
                self.command_line(now, Err(LineFault::BareLf));
            }
            Line::Plain(line) => self.command_line(now, Ok(&line)),
            Line::Auth(line) => self.auth_line(now, Ok(line)),
        }
    }

    /// Tells, once in a session, of a client that sends commands ahead and was not told that it may. Where more is told of it,
    /// that is enough.
    pub(super) fn note_sent_ahead(&mut self, verb: Verb) {
        if self.input.is_empty() {
            return;
        }
        let may = self.config.is_pipelining() && self.hello.as_ref().is_some_and(|hello| hello.extended);
        let tells = match verb {
            Verb::Helo | Verb::Ehlo | Verb::Lhlo => self.hello.is_none(),
            // What follows a BDAT is no command.
            Verb::Data | Verb::Bdat | Verb::StartTls | Verb::Http => true,
            _ => false,
        };
        if !may && !tells && !self.violations.contains(Violation::PipelinedUnoffered) {
            self.report(Violation::PipelinedUnoffered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Config, Peer, Timer, Verdict};
    use alloc::sync::Arc;
    use core::time::Duration;
    use proto_core::{Ask, AskId, CallerFault, Instant, Machine, Step, UnixTime};

    const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

    /// Greeted; hello said, and let through.
    fn ready(hello: &str, change: impl FnOnce(&mut Config)) -> Server {
        let mut config = Config::new("mx.test").unwrap();
        change(&mut config);
        let mut server = Server::new(NOW, Arc::new(config), Peer::default());
        run(&mut server, "");
        run(&mut server, hello);
        server
    }

    /// Hands octets in and answers all with yes; the events that are no questions.
    fn run(server: &mut Server, octets: &str) -> alloc::vec::Vec<Event> {
        assert_eq!(server.handle_input(NOW, octets.as_bytes()), octets.len());
        let mut told = alloc::vec::Vec::new();
        while let Some(Step::App(event)) = server.poll_event(NOW) {
            match event {
                Event::Connect(ask) => server.answer(NOW, ask, Verdict::Accept(())).unwrap(),
                Event::Command(ask) => server.answer(NOW, ask, Ok(())).unwrap(),
                Event::Hello(ask) => server.answer(NOW, ask, Verdict::Accept(())).unwrap(),
                Event::Mail(ask) => server.answer(NOW, ask, Verdict::Accept(())).unwrap(),
                event => told.push(event),
            }
        }
        told
    }

    fn ask(server: &mut Server, octets: &str) -> Ask<Command> {
        server.handle_input(NOW, octets.as_bytes());
        match server.poll_event(NOW) {
            Some(Step::App(Event::Command(ask))) => ask,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_may_pipeline_breaks_no_rule() {
        for (hello, line, tells) in [
            ("EHLO a\r\n", "MAIL FROM:<>\r\nRSET\r\n", false),
            ("HELO a\r\n", "MAIL FROM:<>\r\nRSET\r\n", true),
            ("HELO a\r\n", "MAIL FROM:<>\r\n", false),
            // What is not complete was sent all the same.
            ("HELO a\r\n", "MAIL FROM:<>\r\nR", true),
            ("", "NOOP\r\nNOOP\r\n", true),
        ] {
            let mut server = ready(hello, |_| ());
            let told = run(&mut server, line);
            let is_told = told.iter().any(|e| matches!(e, Event::Violation(Violation::PipelinedUnoffered)));
            assert_eq!((is_told, server.violations().is_empty()), (tells, !tells), "{hello}{line}");
        }
    }

    #[test]
    fn a_session_that_ends_first_has_no_use_for_the_verdict() {
        let asking = |config: &mut Config| config.ask_commands = true;
        let mut server = ready("EHLO a\r\n", asking);
        let asked = ask(&mut server, "NOOP\r\n");
        let id: AskId = asked.id();
        server.handle_eof(NOW);
        assert!(matches!(server.poll_event(NOW), Some(Step::App(Event::Cancelled(gone))) if gone == id));
        assert_eq!(server.answer(NOW, asked, Ok(())), Err(CallerFault::StaleAsk));
    }

    #[test]
    fn a_line_that_was_let_through_is_not_the_peers_delay() {
        let asking = |config: &mut Config| {
            config.ask_commands = true;
            config.timeouts.command = Duration::from_secs(1);
        };
        let mut server = ready("EHLO a\r\n", asking);
        let asked = ask(&mut server, "NOOP\r\n");
        server.answer(NOW, asked, Ok(())).unwrap();
        let late = Now::new(NOW.instant + Duration::from_secs(2), UnixTime(2));
        server.handle_timeout(late);
        assert!(server.poll_event(late).is_none() && !server.is_closed());
        assert_eq!(server.timers.deadline(Timer::Command), Some(late.instant + Duration::from_secs(1)));
    }
}

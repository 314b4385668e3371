//! The commands that bring no mail: NOOP, VRFY, EXPN, HELP, ETRN, XFORWARD.
//!
//! Each is sent alone while the session is idle (RFC 2920 section 3.1 has them last in a group) and answered by
//! [`ClientEvent::Replied`], then [`ClientEvent::Ready`].

use super::event::ClientEvent;
use super::session::{Awaited, Client, Phase};
use crate::reply::Reply;
use crate::xforward::Xforward;
use core::fmt::{Display, Write};
use proto_core::Now;
use proto_core::address::{DomainName, Mailbox};

/// Why a command is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFault {
    /// The session is not idle: wait for [`ClientEvent::Ready`].
    #[error("the session is not idle")]
    NotReady,
    /// The server does not offer the command.
    #[error("the server does not offer the command")]
    NotOffered,
    /// The argument is not ASCII and the server does not offer SMTPUTF8, or the command cannot take such.
    #[error("the argument is not ASCII")]
    NonAscii,
}

impl Client {
    /// NOOP: whether the server is still there, and a way to keep the connection (RFC 5321 section 4.1.1.9).
    ///
    /// # Errors
    /// [`CommandFault::NotReady`].
    pub fn noop(&mut self, now: Now) -> Result<(), CommandFault> {
        self.command(now, format_args!("NOOP"))
    }

    /// HELP (RFC 5321 section 4.1.1.8).
    ///
    /// # Errors
    /// [`CommandFault::NotReady`].
    pub fn help(&mut self, now: Now) -> Result<(), CommandFault> {
        self.command(now, format_args!("HELP"))
    }

    /// VRFY: whether a mailbox exists (RFC 5321 section 3.5). Few servers tell.
    ///
    /// # Errors
    /// [`CommandFault::NotReady`]; [`CommandFault::NonAscii`] where SMTPUTF8 is not offered (RFC 6531 section 3.7.4.2).
    pub fn vrfy(&mut self, now: Now, mailbox: &Mailbox) -> Result<(), CommandFault> {
        self.ask_about(now, "VRFY", mailbox)
    }

    /// EXPN: who is on a mailing list (RFC 5321 section 3.5).
    ///
    /// # Errors
    /// As [`Client::vrfy`].
    pub fn expn(&mut self, now: Now, list: &Mailbox) -> Result<(), CommandFault> {
        self.ask_about(now, "EXPN", list)
    }

    fn ask_about(&mut self, now: Now, verb: &str, mailbox: &Mailbox) -> Result<(), CommandFault> {
        match (mailbox.needs_utf8(), self.capabilities.parameters.smtp_utf8) {
            (false, _) => self.command(now, format_args!("{verb} {mailbox}")),
            (true, true) => self.command(now, format_args!("{verb} {mailbox} SMTPUTF8")),
            (true, false) => Err(CommandFault::NonAscii),
        }
    }

    /// ETRN: asks the server to start sending what it holds for a domain (RFC 1985).
    ///
    /// # Errors
    /// [`CommandFault`]; the domain must be in A-labels.
    pub fn etrn(&mut self, now: Now, domain: &DomainName) -> Result<(), CommandFault> {
        if !self.capabilities.etrn {
            return Err(CommandFault::NotOffered);
        }
        if !domain.as_str().is_ascii() {
            return Err(CommandFault::NonAscii);
        }
        self.command(now, format_args!("ETRN {}", domain.as_str()))
    }

    /// XFORWARD: tells the server about the client that the following messages come from. One
    /// [`ClientEvent::Replied`] tells the last reply, or the first that is not positive.
    ///
    /// # Errors
    /// [`CommandFault::NotReady`]; [`CommandFault::NotOffered`] when the server takes no attribute.
    pub fn xforward(&mut self, now: Now, client: &Xforward) -> Result<(), CommandFault> {
        if self.phase != Phase::Idle {
            return Err(CommandFault::NotReady);
        }
        let mut lines = client.lines(self.capabilities.xforward).into_iter();
        let first = lines.next().ok_or(CommandFault::NotOffered)?;
        self.lines = lines.collect();
        self.command(now, first)
    }

    fn command(&mut self, now: Now, line: impl Display) -> Result<(), CommandFault> {
        if self.phase != Phase::Idle {
            return Err(CommandFault::NotReady);
        }
        self.phase = Phase::Command;
        // Formatting into an OutBuf never fails.
        let _ = write!(self.output, "{line}");
        self.say(b"\r\n", Awaited::Command);
        self.rearm(now);
        Ok(())
    }

    pub(super) fn on_command_reply(&mut self, reply: Reply) {
        match self.lines.pop_front().filter(|_| reply.is_positive()) {
            Some(line) => {
                self.output.extend(line.as_bytes());
                self.say(b"\r\n", Awaited::Command);
            }
            None => {
                self.lines.clear();
                self.events.push_back(ClientEvent::Replied(reply));
                self.become_idle();
            }
        }
    }
}

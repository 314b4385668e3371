//! What comes of a decision.

use super::log::Log;
use crate::address::Resolution;
use crate::decision::Reply;
use crate::question::Question;
use crate::trail::Trail;
use std::sync::Arc;

/// What an evaluation says when it is stepped.
#[derive(Debug)]
pub enum AccessStep {
    /// It goes on when these are answered; in any order, and stepping it in between is harmless.
    Needs(Vec<Question>),
    /// It is over.
    Done(Box<Outcome>),
}

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The reply that refuses; none when the command is accepted.
    pub refusal: Option<Reply>,
    /// It refuses only because of a deferral that waited for a permit (`defer_if_permit`), and the lists have permitted.
    pub is_deferral: bool,
    /// The connection is to be closed after the reply (421 and 521).
    pub disconnect: bool,
    /// Where the recipient leads, at RCPT and VRFY; none for the bare `postmaster`, who is the application's to find.
    pub resolution: Option<Arc<Resolution>>,
    /// What is to be done besides.
    pub effects: Effects,
    /// What is to be kept for later commands, see [`Request::latches`](crate::Request::latches).
    pub latches: Latches,
    /// What is to be logged.
    pub log: Log,
    /// Every rule looked at.
    pub trail: Trail,
}

/// What is done to the message under way, or to the session, besides accepting or refusing. It is of the whole message,
/// not of the recipient at which it came up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Effects {
    /// The message is held, until somebody looks at it.
    pub hold: bool,
    /// The message is taken, and thrown away.
    pub discard: bool,
    /// The content filter the message goes through, `transport:destination`; the last one counts.
    pub filter: Option<String>,
    /// Who has the message in place of its recipients; the last one counts.
    pub redirect: Option<String>,
    /// Who has the message besides its recipients.
    pub bcc: Vec<String>,
    /// Header lines that go before the message's own, in their order.
    pub prepend: Vec<String>,
    /// How long the reply waits, in seconds.
    pub sleep_seconds: u32,
}

impl Effects {
    /// Adds what a later decision about the same message has brought; how long its reply waits is not of the message.
    ///
    /// A line or a recipient that is there already is not added again: rules that are asked at each recipient say the same of
    /// the message each time. (A departure: Postfix adds the line once for each recipient.)
    pub fn absorb(&mut self, later: Self) {
        self.hold |= later.hold;
        self.discard |= later.discard;
        self.filter = later.filter.or(self.filter.take());
        self.redirect = later.redirect.or(self.redirect.take());
        add_new(&mut self.bcc, later.bcc);
        add_new(&mut self.prepend, later.prepend);
    }
}

/// Adds what is not there yet.
fn add_new(there: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !there.contains(&text) {
            there.push(text);
        }
    }
}

/// Deferrals that wait for a permit, as they were when a list had ended that is not asked with each recipient
/// (`smtpd_delay_reject = no`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latches {
    /// After the client list.
    pub(super) client: Option<Reply>,
    /// After the HELO list; what the client list left included.
    pub(super) helo: Option<Reply>,
    /// After the sender list; what the lists before left included.
    pub(super) sender: Option<Reply>,
}

impl Latches {
    /// What holds for the next message: what MAIL has left is gone.
    #[must_use]
    pub fn without_message(&self) -> Self {
        Self { sender: None, ..self.clone() }
    }
}

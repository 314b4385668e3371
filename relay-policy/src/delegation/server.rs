//! The server's side of a connection: a machine that reads questions and writes actions.
//!
//! One question is out at a time, and the next is read when it is answered. Who cannot answer closes the connection
//! ([`Verdict::Close`]): the other side then asks again, and at last does what it was told to do without an answer.
//!
//! # Limits
//! Those of [`Reader`]. [`Timeouts::idle`] is the time for a whole question, so one that comes an octet a minute gains nothing.

use super::{Attributes, DelegationError, Reader, answer, check_question};
use proto_core::{
    Ask, AskId, AskSlot, CallerFault, CloseReason, Instant, Machine, Now, OutBuf, Question, Step, TlsInfo,
};
use std::time::Duration;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The wait for a whole question, after which the connection is closed. Postfix closes one that it has not used for 5
    /// minutes. Default 15 minutes.
    pub idle: Duration,
    /// The wait for the application, after which the connection is closed. Postfix waits 100 seconds. Default 2 minutes.
    pub verdict: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { idle: Duration::from_secs(15 * 60), verdict: Duration::from_secs(2 * 60) }
    }
}

/// For the application. One with an [`Ask`] stops the connection until [`Server::answer`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// What is to be done?
    Asked(Ask<Asked>),
    /// The connection no longer waits for this answer.
    Cancelled(AskId),
}

/// A question: `request=smtpd_access_policy`, and what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked(pub Attributes);

/// What is said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What may stand on the right-hand side of an access table.
    Action(String),
    /// Nothing: the connection is closed.
    Close,
}

impl Question for Asked {
    type Verdict = Verdict;
}

/// The server's side of one connection; see [`Machine`] for how it is driven.
#[derive(Debug)]
pub struct Server {
    timeouts: Timeouts,
    reader: Reader,
    input: Vec<u8>,
    output: OutBuf,
    asks: AskSlot,
    cancelled: Option<AskId>,
    deadline: Instant,
    eof: bool,
    stopping: bool,
    closing: Option<CloseReason>,
    closed: bool,
}

/// So many octets are taken before they are read.
const INPUT_BYTES_MAX: usize = 16 << 10;

impl Server {
    /// A connection that was made now.
    pub fn new(now: Now, timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            reader: Reader::new(),
            input: Vec::new(),
            output: OutBuf::new(),
            asks: AskSlot::new(),
            cancelled: None,
            deadline: now.instant + timeouts.idle,
            eof: false,
            stopping: false,
            closing: None,
            closed: false,
        }
    }

    /// Answers. An action that cannot be sent, since it is empty or has a line break in it, closes the connection.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`] when nobody waits for it any more.
    pub fn answer(&mut self, now: Now, ask: Ask<Asked>, verdict: Verdict) -> Result<(), CallerFault> {
        self.asks.close(ask)?;
        let action = match verdict {
            Verdict::Action(action) => answer(&action).ok(),
            Verdict::Close => None,
        };
        match action {
            Some(attributes) => {
                let mut octets = Vec::new();
                attributes.write_to(&mut octets);
                self.output.extend(&octets);
                self.deadline = now.instant + self.timeouts.idle;
            }
            None => self.close(CloseReason::Aborted("no answer".into())),
        }
        Ok(())
    }

    fn close(&mut self, reason: CloseReason) {
        self.cancelled = self.asks.cancel();
        self.closing.get_or_insert(reason);
        self.input = Vec::new();
    }

    /// Reads one question; none when it has not come whole.
    fn question(&mut self) -> Result<Option<Attributes>, DelegationError> {
        let (taken, attributes) = self.reader.read(&self.input)?;
        self.input.drain(..taken);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if let Some(attributes) = &attributes {
            check_question(attributes)?;
        }
        Ok(attributes)
    }
}

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, _now: Now, input: &[u8]) -> usize {
        let room = if self.closing.is_some() { 0 } else { INPUT_BYTES_MAX - self.input.len() };
        let taken = input.len().min(room);
        self.input.extend_from_slice(&input[..taken]);
        taken
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
    }

    fn handle_timeout(&mut self, now: Now) {
        if now.instant >= self.deadline {
            let which = if self.asks.is_open() { "verdict" } else { "idle" };
            self.close(CloseReason::Timeout(which));
        }
    }

    fn handle_tls(&mut self, _now: Now, _tls: TlsInfo) {}

    fn handle_shutdown(&mut self, _now: Now) {
        self.stopping = true;
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<Event>> {
        if let Some(id) = self.cancelled.take() {
            return Some(Step::App(Event::Cancelled(id)));
        }
        if self.closed || self.asks.is_open() {
            return None;
        }
        if self.closing.is_none() {
            if self.stopping {
                self.close(CloseReason::Shutdown);
            } else if self.output.is_full() {
                return None;
            } else {
                match self.question() {
                    Ok(Some(attributes)) => {
                        self.deadline = now.instant + self.timeouts.verdict;
                        return Some(Step::App(Event::Asked(self.asks.open(Asked(attributes)))));
                    }
                    Ok(None) if self.eof => self.close(CloseReason::PeerClosed),
                    Ok(None) => return None,
                    Err(error) => self.close(CloseReason::Protocol(error.to_string().into())),
                }
            }
        }
        self.closed = true;
        self.closing.clone().map(Step::Closed)
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.closing.is_none().then_some(self.deadline)
    }

    fn wants_input(&self) -> bool {
        let waits = self.asks.is_open() || self.closing.is_some() || self.eof || self.output.is_full();
        !waits && self.input.len() < INPUT_BYTES_MAX
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

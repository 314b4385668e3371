//! A small protocol to test the test tools with: lines, an ask, a counted body, TLS, a deadline.
//!
//! `ECHO text`, `ASK name` (the application decides), `PUT n` and n octets, `STARTTLS`, `QUIT`.

pub(crate) mod client;

use proto_core::*;
use std::time::Duration;
use testkit::{Fixture, Log};

/// What can be wrong with a toy, so that a test can see the tools notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Answers a command only when it came in one segment.
    DependsOnCut,
    /// Keeps what came after STARTTLS in plaintext.
    KeepsPlaintext,
    /// Knows one name by heart.
    LiteralAnswer,
    /// Goes on after it has closed.
    TalksAfterClose,
    /// Lets the deadline stand when it has passed.
    KeepsDeadline,
}

#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

impl Question for Name {
    type Verdict = bool;
}

#[derive(Debug)]
pub(crate) enum Event {
    Ask(Ask<Name>),
    Chunk(Vec<u8>),
    Stored,
}

pub(crate) struct Toy {
    input: InBuf,
    output: OutBuf,
    asks: AskSlot,
    body_left: usize,
    in_body: bool,
    greeted: bool,
    awaits_tls: bool,
    closed: bool,
    closing: Option<CloseReason>,
    deadline: Option<Instant>,
    segments: usize,
    fault: Fault,
}

impl Toy {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            input: InBuf::with_capacity(64),
            output: OutBuf::new(),
            asks: AskSlot::new(),
            body_left: 0,
            in_body: false,
            greeted: false,
            awaits_tls: false,
            closed: false,
            closing: None,
            deadline: None,
            segments: 0,
            fault,
        }
    }

    pub(crate) fn answer(&mut self, ask: Ask<Name>, known: bool) -> Result<(), CallerFault> {
        let Name(name) = self.asks.close(ask)?;
        let known = known || self.fault == Fault::LiteralAnswer && name == "alice";
        self.say(if known { "+OK known" } else { "-ERR unknown" });
        Ok(())
    }

    fn say(&mut self, line: &str) {
        self.output.extend(line.as_bytes());
        self.output.extend(b"\r\n");
    }

    fn command(&mut self, line: &str) -> Option<Step<Event>> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "ECHO" if self.fault == Fault::DependsOnCut && self.segments > 1 => self.say("+OK slow"),
            "ECHO" => self.say(&format!("+OK {rest}")),
            "ASK" => return Some(Step::App(Event::Ask(self.asks.open(Name(rest.into()))))),
            "PUT" => {
                self.body_left = rest.parse().unwrap_or(0);
                self.in_body = true;
            }
            "STARTTLS" => {
                self.say("+OK begin");
                if self.fault != Fault::KeepsPlaintext {
                    self.input.clear();
                }
                self.awaits_tls = true;
                return Some(Step::StartTls);
            }
            "QUIT" => {
                self.say("+OK bye");
                self.closing = Some(CloseReason::Quit);
            }
            _ => self.say("-ERR what"),
        }
        self.segments = 0;
        None
    }
}

impl Machine for Toy {
    type Event = Event;

    fn handle_input(&mut self, now: Now, input: &[u8]) -> usize {
        self.deadline = Some(now.instant + Duration::from_secs(300));
        self.segments += 1;
        self.input.push(input)
    }

    fn handle_eof(&mut self, _: Now) {
        self.closing = Some(CloseReason::PeerClosed);
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_some_and(|at| at <= now.instant) && self.closing.is_none() {
            self.say("-ERR too slow");
            self.closing = Some(CloseReason::Timeout("idle"));
        }
    }

    fn handle_tls(&mut self, _: Now, _: TlsInfo) {
        self.awaits_tls = false;
    }

    fn handle_shutdown(&mut self, _: Now) {
        self.say("-ERR going down");
        self.closing = Some(CloseReason::Shutdown);
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<Event>> {
        if self.closed {
            return (self.fault == Fault::TalksAfterClose).then_some(Step::App(Event::Stored));
        }
        if !self.greeted {
            self.greeted = true;
            self.deadline = Some(now.instant + Duration::from_secs(300));
            self.say("+OK hello");
        }
        loop {
            if self.closing.is_none() && (self.asks.is_open() || self.awaits_tls) {
                return None;
            }
            if self.in_body && self.closing.is_none() {
                if self.body_left == 0 {
                    self.in_body = false;
                    self.say("+OK stored");
                    return Some(Step::App(Event::Stored));
                }
                let chunk = self.input.take(self.body_left);
                self.body_left -= chunk.len();
                return (!chunk.is_empty()).then(|| Step::App(Event::Chunk(chunk.to_vec())));
            }
            if let Some(reason) = self.closing.take() {
                self.closed = true;
                if self.fault != Fault::KeepsDeadline {
                    self.deadline = None;
                }
                return Some(Step::Closed(reason));
            }
            let line = self.input.next_line(60, LineEnding::Crlf)?;
            match line {
                Err(_) => self.say("-ERR line"),
                Ok(line) => {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if let Some(step) = self.command(&line) {
                        return Some(step);
                    }
                }
            }
        }
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn wants_input(&self) -> bool {
        !self.closed && !self.awaits_tls && !self.asks.is_open() && self.input.room() > 0
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Knows one name; answers at once, or when told.
pub(crate) struct App {
    pub(crate) known: String,
    pub(crate) waits: bool,
    kept: Option<Ask<Name>>,
    log: Log,
}

impl App {
    pub(crate) fn new(known: &str, waits: bool) -> Self {
        Self { known: known.into(), waits, kept: None, log: Log::default() }
    }

    fn decide(&mut self, toy: &mut Toy, ask: Ask<Name>) {
        let known = ask.detail.0 == self.known;
        toy.answer(ask, known).expect("the ask is open");
    }
}

impl Fixture<Toy> for App {
    fn on_event(&mut self, machine: &mut Toy, _: Now, event: Event) {
        match event {
            Event::Ask(ask) => {
                self.log.event(format_args!("asked {}", ask.detail.0));
                if self.waits {
                    self.kept = Some(ask);
                } else {
                    self.decide(machine, ask);
                }
            }
            Event::Chunk(chunk) => self.log.body(&chunk),
            Event::Stored => self.log.event("stored"),
        }
    }

    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_directive(&mut self, machine: &mut Toy, _: Now, name: &str, _: &str) -> Result<(), String> {
        match (name, self.kept.take()) {
            ("decide", Some(ask)) => {
                self.decide(machine, ask);
                Ok(())
            }
            _ => Err(format!("no ask to @{name}")),
        }
    }
}

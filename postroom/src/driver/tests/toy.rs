//! A machine and a service small enough to see through: lines in, answers out.
//!
//! `SAY x` is answered at once, `ASK x` after the service's delay, `TLS` upgrades, `BODY n` streams n octets out,
//! `PUT x` is a chunk that the service takes its delay to store, `QUIT` closes.

use crate::driver::{Service, Work};
use proto_core::{
    Ask, AskSlot, CloseReason, InBuf, Instant, LineEnding, Machine, Now, OutBuf, Question, Step, TlsInfo,
};
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Echo(String);
impl Question for Echo {
    type Verdict = String;
}

#[derive(Debug)]
pub(crate) enum Event {
    Asked(Ask<Echo>),
    Body(usize),
    Chunk(String),
}

pub(crate) const IDLE: Duration = Duration::from_secs(300);

pub(crate) struct Toy {
    input: InBuf,
    out: OutBuf,
    asks: AskSlot,
    idle: Option<Instant>,
    body_left: usize,
    tls: bool,
    awaiting_tls: bool,
    eof: bool,
    stop: Option<CloseReason>,
    closed: bool,
}

impl Toy {
    pub(crate) fn new(now: Now) -> Self {
        let mut out = OutBuf::new();
        out.extend(b"hello\r\n");
        Self {
            input: InBuf::with_capacity(256),
            out,
            asks: AskSlot::new(),
            idle: Some(now.instant + IDLE),
            body_left: 0,
            tls: false,
            awaiting_tls: false,
            eof: false,
            stop: None,
            closed: false,
        }
    }

    pub(crate) fn answer(&mut self, ask: Ask<Echo>, verdict: &str) {
        if self.asks.close(ask).is_ok() {
            self.say(verdict);
        }
    }

    pub(crate) fn body_room(&self) -> usize {
        if self.body_left == 0 { 0 } else { self.out.room().min(self.body_left) }
    }

    pub(crate) fn write_body(&mut self, octets: &[u8]) {
        assert!(octets.len() <= self.body_room());
        self.out.extend(octets);
        self.body_left -= octets.len();
    }

    fn say(&mut self, line: &str) {
        self.out.extend(line.as_bytes());
        self.out.extend(b"\r\n");
    }

    fn blocked(&self) -> bool {
        self.asks.is_open() || self.body_left > 0 || self.awaiting_tls || self.out.is_full()
    }
}

impl Machine for Toy {
    type Event = Event;

    fn handle_input(&mut self, now: Now, input: &[u8]) -> usize {
        if !self.wants_input() {
            return 0;
        }
        self.idle = Some(now.instant + IDLE);
        self.input.push(input)
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.idle.is_some_and(|at| at <= now.instant) {
            self.idle = None;
            self.stop = Some(CloseReason::Timeout("idle"));
        }
    }

    fn handle_tls(&mut self, _now: Now, tls: TlsInfo) {
        self.awaiting_tls = false;
        self.tls = true;
        self.say(&format!("secure {} {:?}", tls.version, tls.server_name));
    }

    fn handle_shutdown(&mut self, _now: Now) {
        self.stop = Some(CloseReason::Shutdown);
    }

    fn poll_event(&mut self, _now: Now) -> Option<Step<Event>> {
        if self.closed || self.body_left > 0 || self.asks.is_open() || self.awaiting_tls {
            return None;
        }
        if let Some(reason) = self.stop.take() {
            self.say("bye");
            self.closed = true;
            return Some(Step::Closed(reason));
        }
        while !self.out.is_full() {
            let Some(line) = self.input.next_line(128, LineEnding::Crlf) else {
                if self.eof {
                    self.closed = true;
                    return Some(Step::Closed(CloseReason::PeerClosed));
                }
                return None;
            };
            let line = String::from_utf8(line.unwrap().to_vec()).unwrap();
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("SAY", text) => self.say(text),
                ("ASK", text) => return Some(Step::App(Event::Asked(self.asks.open(Echo(text.into()))))),
                ("PUT", text) => return Some(Step::App(Event::Chunk(text.into()))),
                ("BODY", n) => {
                    self.body_left = n.parse().unwrap();
                    return Some(Step::App(Event::Body(self.body_left)));
                }
                ("TLS", _) => {
                    self.say("go");
                    self.input.clear();
                    self.awaiting_tls = true;
                    return Some(Step::StartTls);
                }
                ("QUIT", _) => self.stop = Some(CloseReason::Quit),
                _ => self.say("what?"),
            }
            if self.stop.is_some() {
                return self.poll_event(_now);
            }
        }
        None
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.out.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.idle
    }

    fn wants_input(&self) -> bool {
        !self.blocked() && !self.eof && !self.closed && self.input.room() > 0
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Answers after a delay and notes what it stored.
pub(crate) struct Desk {
    pub(crate) delay: Duration,
    work: Work<Option<Ask<Echo>>>,
    body: Option<usize>,
    pub(crate) notes: std::sync::mpsc::Sender<String>,
}

impl Desk {
    pub(crate) fn new(delay: Duration) -> (Self, std::sync::mpsc::Receiver<String>) {
        let (notes, notebook) = std::sync::mpsc::channel();
        (Self { delay, work: Work::default(), body: None, notes }, notebook)
    }
}

impl Service<Toy> for Desk {
    fn event(&mut self, _machine: &mut Toy, _now: Now, event: Event) {
        let delay = self.delay;
        match event {
            Event::Asked(ask) => self.work.start(async move {
                tokio::time::sleep(delay).await;
                Some(ask)
            }),
            Event::Chunk(text) => {
                self.notes.send(format!("chunk {text}")).unwrap();
                self.work.start(async move {
                    tokio::time::sleep(delay).await;
                    None
                });
            }
            Event::Body(n) => self.body = Some(n),
        }
    }

    fn is_ready(&self) -> bool {
        !self.work.is_busy()
    }

    async fn wait(&mut self) {
        self.work.wait().await;
    }

    fn resume(&mut self, machine: &mut Toy, _now: Now) {
        match self.work.take() {
            Some(Some(ask)) => {
                let answer = format!("answer {}", ask.detail.0);
                machine.answer(ask, &answer);
            }
            Some(None) => self.notes.send("stored".into()).unwrap(),
            None => {}
        }
        if let Some(left) = &mut self.body {
            let room = machine.body_room();
            machine.write_body(&vec![b'x'; room]);
            *left -= room;
            if *left == 0 {
                self.body = None;
            }
        }
    }

    fn ended(&mut self, reason: &CloseReason) {
        let _ = self.notes.send(format!("ended: {reason}"));
    }
}

/// What a scripted client expects: reads until `n` lines have come.
pub(crate) async fn lines(stream: &mut (impl tokio::io::AsyncRead + Unpin), n: usize) -> VecDeque<String> {
    use tokio::io::AsyncReadExt as _;
    let (mut found, mut line) = (VecDeque::new(), Vec::new());
    while found.len() < n {
        match stream.read_u8().await {
            Ok(b'\n') => {
                found.push_back(String::from_utf8(std::mem::take(&mut line)).unwrap().trim_end().into())
            }
            Ok(octet) => line.push(octet),
            Err(_) => break,
        }
    }
    found
}

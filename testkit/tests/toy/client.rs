//! The client of the toy protocol.

use proto_core::*;
use testkit::{Fixture, Log};

/// Says its lines, the next one after each reply; begins a handshake after the reply to `STARTTLS`.
pub(crate) struct Lines {
    lines: std::vec::IntoIter<String>,
    handshake_next: bool,
    awaits_tls: bool,
    input: InBuf,
    output: OutBuf,
    ended: bool,
    closed: bool,
}

impl Lines {
    pub(crate) fn new(lines: &[&str]) -> Self {
        Self {
            lines: lines.iter().map(ToString::to_string).collect::<Vec<_>>().into_iter(),
            handshake_next: false,
            awaits_tls: false,
            input: InBuf::with_capacity(100),
            output: OutBuf::new(),
            ended: false,
            closed: false,
        }
    }

    fn say_next(&mut self) {
        if let Some(line) = self.lines.next() {
            self.handshake_next = line == "STARTTLS";
            self.output.extend(line.as_bytes());
            self.output.extend(b"\r\n");
        }
    }
}

impl Machine for Lines {
    type Event = String;

    fn handle_input(&mut self, _: Now, input: &[u8]) -> usize {
        self.input.push(input)
    }

    fn handle_eof(&mut self, _: Now) {
        self.ended = true;
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn handle_tls(&mut self, _: Now, _: TlsInfo) {
        self.awaits_tls = false;
        self.say_next();
    }

    fn handle_shutdown(&mut self, _: Now) {}

    fn poll_event(&mut self, _: Now) -> Option<Step<String>> {
        if self.closed || self.awaits_tls {
            return None;
        }
        if let Some(line) = self.input.next_line(100, LineEnding::Crlf) {
            let line = line.expect("the toy sends whole lines");
            if std::mem::take(&mut self.handshake_next) {
                self.input.clear();
                self.awaits_tls = true;
                return Some(Step::StartTls);
            }
            self.say_next();
            return Some(Step::App(String::from_utf8_lossy(&line).into_owned()));
        }
        self.closed = self.ended;
        self.ended.then_some(Step::Closed(CloseReason::PeerClosed))
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn wants_input(&self) -> bool {
        !self.closed && !self.awaits_tls
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

#[derive(Default)]
pub(crate) struct Replies(pub(crate) Log);

impl Fixture<Lines> for Replies {
    fn on_event(&mut self, _: &mut Lines, _: Now, line: String) {
        self.0.event(line);
    }

    fn log(&mut self) -> &mut Log {
        &mut self.0
    }
}

//! The session as a [`Machine`]: what happened goes in, steps and octets come out.

use super::event::{ClientEvent, ClientFailure};
use super::reply_parser::ReplyParseFault;
use super::session::{Awaited, Client, Phase};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use proto_core::sasl::line;
use proto_core::{CloseReason, Instant, LineEnding, Machine, Now, OutBuf, Step, TlsInfo};

impl Machine for Client {
    type Event = ClientEvent;

    fn handle_input(&mut self, _now: Now, input: &[u8]) -> usize {
        if matches!(self.phase, Phase::StartTls | Phase::Handshake { .. }) || self.is_over() {
            return 0;
        }
        self.input.set_capacity(self.reply_line_bytes_max());
        self.input.push(input)
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.timers.expire(now.instant).is_none() {
            return;
        }
        match self.awaited.front() {
            // The server has said something, or the application has something to hear: it is not the server that is slow.
            _ if !self.events.is_empty() || self.input.as_slice().contains(&b'\n') => self.rearm(now),
            Some(Awaited::Quit) => self.close(CloseReason::Quit),
            _ => self.break_off(ClientFailure::Timeout, CloseReason::Timeout("server")),
        }
    }

    fn handle_tls(&mut self, now: Now, tls: TlsInfo) {
        match self.phase {
            Phase::Handshake { greeted: true } => self.say_hello(true),
            Phase::Handshake { greeted: false } => self.awaited.push_back(Awaited::Greeting),
            // Nobody asked for a handshake; the driver's mistake changes nothing.
            _ => return,
        }
        self.tls = Some(Arc::new(tls));
        self.phase = Phase::Opening;
        self.rearm(now);
    }

    /// A message that is under way is finished; then QUIT.
    fn handle_shutdown(&mut self, now: Now) {
        self.stopping = true;
        match self.phase {
            Phase::Idle => self.say_quit(now),
            Phase::StartTls | Phase::Handshake { .. } => self.close(CloseReason::Shutdown),
            Phase::Opening => {
                self.output.extend(b"QUIT\r\n");
                self.close(CloseReason::Shutdown);
            }
            _ => {}
        }
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<ClientEvent>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Step::App(event));
            }
            match self.phase {
                Phase::BeforeIdle if self.is_heard_out() && !self.eof => {
                    self.phase = Phase::Idle;
                    if self.stopping {
                        self.say_quit(now);
                        continue;
                    }
                    return Some(Step::App(ClientEvent::Ready));
                }
                Phase::BeforeBody if self.is_heard_out() && !self.eof => {
                    self.phase = Phase::Body;
                    return Some(Step::App(ClientEvent::SendBody));
                }
                Phase::Closing(_) => {
                    return match core::mem::replace(&mut self.phase, Phase::Closed) {
                        Phase::Closing(reason) => Some(Step::Closed(reason)),
                        _ => None,
                    };
                }
                Phase::Closed => return None,
                Phase::StartTls => {
                    self.phase = Phase::Handshake { greeted: true };
                    self.input.clear();
                    return Some(Step::StartTls);
                }
                _ => {}
            }
            if !self.step(now) {
                if self.phase == Phase::Idle {
                    // An idle session keeps no room for events.
                    (self.events, self.awaited) = (VecDeque::new(), VecDeque::new());
                }
                return None;
            }
        }
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        let moved = self.output.move_to(out);
        if moved {
            match self.phase {
                Phase::Envelope => self.proceed(),
                _ if !self.is_over() => self.send_chunks(false),
                _ => {}
            }
        }
        moved
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn wants_input(&self) -> bool {
        let deaf = matches!(self.phase, Phase::StartTls | Phase::Handshake { .. }) || self.is_over();
        !deaf && !self.eof && self.events.is_empty() && self.input.len() < self.reply_line_bytes_max()
    }

    fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }
}

impl Client {
    /// The longest line that may come now. RFC 4954 section 4: a challenge may be as long as its mechanism makes it.
    fn reply_line_bytes_max(&self) -> usize {
        let bytes_max = self.config.limits.reply_line_bytes_max;
        match self.awaited.front() {
            Some(Awaited::Auth) => bytes_max.max("334 ".len() + line::OCTETS_MAX),
            _ => bytes_max,
        }
    }

    /// One reply line from what is in the input; false when more is needed.
    fn step(&mut self, now: Now) -> bool {
        let limits = &self.config.limits;
        let line_bytes_max = self.reply_line_bytes_max();
        // A challenge is one line.
        let text_bytes_max = match self.parser.is_at_start() && line_bytes_max > limits.reply_line_bytes_max {
            true => limits.reply_text_bytes_max.max(line_bytes_max),
            false => limits.reply_text_bytes_max,
        };
        // Servers that end their lines in LF alone are understood; nothing hangs on it, since TLS begins only with
        // an empty input.
        let line = self.input.next_line(line_bytes_max, LineEnding::CrlfOrLf);
        let parsed = match line {
            Some(Ok(line)) => self.parser.line(&line, limits.reply_lines_max, text_bytes_max),
            Some(Err(_)) => Err(ReplyParseFault::TooLong),
            None if self.input.is_discarding() => Err(ReplyParseFault::TooLong),
            None if self.eof => {
                match self.phase {
                    Phase::Quitting => self.close(CloseReason::Quit),
                    _ => self.break_off(ClientFailure::ConnectionLost, CloseReason::PeerClosed),
                }
                return true;
            }
            None => return false,
        };
        match parsed {
            Ok(Some(reply)) => self.on_reply(now, reply),
            Ok(None) => {}
            Err(fault) => {
                let reason = CloseReason::Protocol("not a reply".into());
                self.break_off(ClientFailure::Reply(fault), reason);
            }
        }
        true
    }
}

//! How a driver moves a session: the [`Machine`] contract.
//!
//! End of input is no hurry: what was taken before is still carried out, a verdict that is out is awaited, and only
//! when nothing is left does the session end. A QUIT whose sender has hung up is a QUIT. A shutdown likewise waits for
//! the moment between two replies.

use super::config::Syntax;
use super::event::Event;
use super::reply;
use super::session::{Phase, Server};
use super::timers::Timer;
use alloc::sync::Arc;
use proto_core::{CloseReason, Instant, LineEnding, LineFault, Machine, Now, OutBuf, Step, TlsInfo};

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, _now: Now, input: &[u8]) -> usize {
        match self.phase {
            Phase::StartTls | Phase::Handshake { .. } | Phase::Closing(_) | Phase::Closed => 0,
            _ => self.input.push(input),
        }
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
        if matches!(self.phase, Phase::StartTls | Phase::Handshake { .. }) {
            self.close(CloseReason::PeerClosed);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.expire(now.instant) {
            match timer {
                // RFC 1939 section 3: nothing is said, nothing is removed.
                Timer::Idle => self.close(CloseReason::Timeout("idle")),
                Timer::Stream => self.close(CloseReason::Timeout("stream")),
                Timer::Handshake => self.close(CloseReason::Timeout("handshake")),
                Timer::Verdict => {
                    reply::NO_VERDICT.write(&mut self.output);
                    self.close(CloseReason::Timeout("verdict"));
                }
            }
        }
    }

    fn handle_tls(&mut self, now: Now, tls: TlsInfo) {
        if let Phase::Handshake { greeted } = self.phase {
            self.tls = Some(Arc::new(tls));
            self.timers.stop(Timer::Handshake);
            if greeted {
                self.await_command(now);
            } else {
                self.phase = Phase::Greet;
            }
        }
    }

    fn handle_shutdown(&mut self, _now: Now) {
        self.stopping = true;
        if matches!(self.phase, Phase::StartTls | Phase::Handshake { .. }) {
            self.close(CloseReason::Shutdown);
        }
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<Event>> {
        loop {
            if let Some(event) = self.event.take() {
                return Some(Step::App(event));
            }
            match &self.phase {
                Phase::Closing(reason) => {
                    let reason = reason.clone();
                    self.phase = Phase::Closed;
                    return Some(Step::Closed(reason));
                }
                Phase::StartTls => {
                    self.phase = Phase::Handshake { greeted: true };
                    return Some(Step::StartTls);
                }
                Phase::Closed | Phase::Handshake { .. } | Phase::Body(_) => return None,
                _ if self.asks.is_open() || self.output.is_full() => return None,
                Phase::Greet => {
                    reply::write_ok(&mut self.output, format_args!("{}", self.config.greeting()));
                    self.await_command(now);
                }
                Phase::Listing(_) => self.step_listing(now),
                Phase::Command | Phase::Exchange(_) => {
                    if !self.step_line(now) {
                        return None;
                    }
                }
            }
        }
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn wants_input(&self) -> bool {
        let reads = matches!(self.phase, Phase::Command | Phase::Exchange(_));
        let blocked = self.asks.is_open() || self.event.is_some() || self.output.is_full();
        reads && !self.eof && !blocked && self.input.room() > 0
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }
}

impl Server {
    /// Deals with one line; false when there is none yet.
    fn step_line(&mut self, now: Now) -> bool {
        if self.stopping {
            reply::SHUTDOWN.write(&mut self.output);
            self.close(CloseReason::Shutdown);
            return true;
        }
        let ending = match self.config.syntax {
            Syntax::Strict => LineEnding::Crlf,
            Syntax::Lenient => LineEnding::CrlfOrLf,
        };
        let max = self.line_bytes_max();
        // Before the login any line may hold a password.
        let taken = if self.maildrop.is_none() {
            let line = self.input.next_secret_line(max, ending);
            line.map(|mut line| self.take_line(now, line.as_deref_mut().map_err(|fault| *fault)))
        } else {
            let line = self.input.next_line(max, ending);
            line.map(|line| self.take_command(now, line.as_deref().map_err(|fault| *fault)))
        };
        if taken.is_none() && self.eof {
            self.close(CloseReason::PeerClosed);
        }
        taken.is_some() || self.eof
    }

    fn take_line(&mut self, now: Now, line: Result<&mut [u8], LineFault>) {
        if let Phase::Exchange(_) = self.phase {
            self.timers.set(Timer::Idle, now.instant + self.config.timeouts.idle);
            self.exchange_line(now, line);
        } else {
            self.take_command(now, line.map(|line| &*line));
        }
    }

    fn take_command(&mut self, now: Now, line: Result<&[u8], LineFault>) {
        self.timers.set(Timer::Idle, now.instant + self.config.timeouts.idle);
        match line {
            Ok(line) => self.command(now, line),
            Err(LineFault::TooLong) => self.bad_command(&reply::TOO_LONG),
            Err(LineFault::BareLf) => self.bad_command(&reply::BARE_LF),
        }
    }
}

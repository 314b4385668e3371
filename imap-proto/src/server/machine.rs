//! The [`Machine`] contract over the phases of a session.

use super::phase::Phase;
use super::{Event, Server, Timer, TlsMode};
use crate::types::{Capability, ResponseCode, StatusResponse};
use alloc::sync::Arc;
use alloc::vec::Vec;
use proto_core::{CloseReason, Instant, Machine, Now, OutBuf, Step, TlsInfo};

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, _now: Now, input: &[u8]) -> usize {
        if matches!(self.phase, Phase::AwaitTls | Phase::Closed) { 0 } else { self.input.push(input) }
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
        if matches!(self.phase, Phase::Asking(_) | Phase::AwaitTls) {
            self.close(CloseReason::PeerClosed, None);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.expire(now.instant) {
            let (reason, text) = match timer {
                // A client in the middle of a handshake cannot read a goodbye.
                Timer::Handshake => return self.close(CloseReason::Timeout("TLS handshake"), None),
                Timer::PreAuth => ("login", "Login took too long."),
                Timer::Autologout => ("autologout", "Autologout; idle for too long."),
                Timer::Idle => ("IDLE", "IDLE lasted too long."),
                Timer::Append => ("APPEND", "Message came too slowly."),
                Timer::Verdict => ("verdict", "Internal timeout."),
            };
            self.close(CloseReason::Timeout(reason), Some(StatusResponse::bye(text)));
        }
    }

    fn handle_tls(&mut self, now: Now, tls: TlsInfo) {
        if !matches!(self.phase, Phase::AwaitTls) {
            return;
        }
        self.session.tls = Some(Arc::new(tls));
        self.timers.stop(Timer::Handshake);
        if self.config.tls == TlsMode::Implicit {
            self.phase = Phase::Greet;
        } else {
            self.next_command(now);
        }
    }

    /// At once, but in the middle of a message's response, and when an APPEND or COPY waits for its verdict: after
    /// that.
    fn handle_shutdown(&mut self, _now: Now) {
        self.stopping = true;
        self.stop();
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<Event>> {
        loop {
            if let Some(step) = self.queue.pop_front() {
                self.closed |= matches!(step, Step::Closed(_));
                return Some(step);
            }
            if self.stop() {
                continue;
            }
            let went_on = match self.phase {
                Phase::AwaitTls | Phase::Asking(_) | Phase::Closed => return None,
                Phase::Greet => {
                    self.greet(now);
                    true
                }
                Phase::Finish(_) => self.finish_on(now),
                // What waits to be told in IDLE goes before DONE, and needs no input.
                Phase::Idle(_) => self.idle_on(now),
                _ if self.out.is_full() => return None,
                Phase::Command | Phase::Refusing(_) | Phase::Append(_) => self.read(now),
                Phase::Exchange(_) => self.exchange_line(now),
            };
            if !went_on && self.queue.is_empty() {
                if self.eof && self.is_starved() {
                    self.close(CloseReason::PeerClosed, None);
                    continue;
                }
                return None;
            }
        }
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.out.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn wants_input(&self) -> bool {
        self.queue.is_empty() && !self.eof && self.is_starved() && self.input.room() > 0
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

impl Server {
    /// Says goodbye when the driver wants to stop and nothing is under way that must not be cut off; whether it did.
    fn stop(&mut self) -> bool {
        let stops = self.stopping && !self.phase.outlasts_shutdown() && !matches!(self.phase, Phase::Closed);
        if stops {
            let bye = StatusResponse::bye("Server shutting down.").with_code(ResponseCode::Unavailable);
            self.close(CloseReason::Shutdown, Some(bye));
        }
        stops
    }

    /// Whether only input can bring the machine on.
    fn is_starved(&self) -> bool {
        match self.phase {
            Phase::Command | Phase::Refusing(_) | Phase::Exchange(_) | Phase::Append(_) | Phase::Idle(_) => {
                !self.out.is_full()
            }
            _ => false,
        }
    }

    fn greet(&mut self, now: Now) {
        self.timers.set(Timer::PreAuth, now.instant + self.config.timeouts.pre_auth);
        let list: Vec<Capability> = super::capability::capabilities(&self.config, &self.session);
        let text = alloc::string::String::from(self.config.greeting());
        self.untagged_status(StatusResponse::ok(text).with_code(ResponseCode::Capability(list)));
        self.next_command(now);
    }

    /// The answer to the command is out; the next one may come.
    pub(super) fn next_command(&mut self, now: Now) {
        self.phase = Phase::Command;
        if self.session.authenticated {
            self.timers.set(Timer::Autologout, now.instant + self.config.timeouts.autologout);
        }
    }
}

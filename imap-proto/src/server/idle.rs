//! IDLE.
//!
//! RFC 2177. Between IDLE and DONE changes are told as they come, EXPUNGE included: no command with sequence numbers
//! can be under way. Anything but DONE ends it with BAD, and is no command; nor are the literals in it.

use super::phase::{Doing, Idling, Phase};
use super::{Event, Server, Timer};
use crate::framing::FrameStep;
use crate::types::StatusResponse;
use crate::view::Moment;
use proto_core::{Now, Step};

impl Server {
    pub(super) fn idle(&mut self, now: Now, doing: Doing) {
        self.continuation("idling");
        let telling = match &mut self.session.selected {
            Some(selection) => selection.view.tell(Moment::Free),
            None => Default::default(),
        };
        self.phase = Phase::Idle(Idling { tag: doing.tag, telling });
        self.timers.stop(Timer::Autologout);
        self.timers.set(Timer::Idle, now.instant + self.config.timeouts.idle);
        self.queue.push_back(Step::App(Event::IdleStarted));
    }

    /// Something changed; in IDLE the client is told as far as there is room.
    pub(super) fn idle_news(&mut self) {
        if !matches!(self.phase, Phase::Idle(_)) {
            return;
        }
        let Phase::Idle(mut idling) = core::mem::replace(&mut self.phase, Phase::Command) else { return };
        loop {
            if !self.tell_on(&mut idling.telling) {
                break;
            }
            let pending = self.session.selected.as_mut().filter(|selection| selection.view.has_pending());
            match pending {
                Some(selection) => idling.telling = selection.view.tell(Moment::Free),
                None => break,
            }
        }
        self.phase = Phase::Idle(idling);
    }

    /// Tells, then looks for the client's line; false when there is nothing to do.
    pub(super) fn idle_on(&mut self, now: Now) -> bool {
        self.idle_news();
        if self.out.is_full() {
            return false;
        }
        let Some(step) = self.framer.poll(&mut self.input) else { return false };
        let Phase::Idle(idling) = core::mem::replace(&mut self.phase, Phase::Command) else { return false };
        self.timers.stop(Timer::Idle);
        self.queue.push_back(Step::App(Event::IdleStopped));
        match step {
            FrameStep::Command(frame) if frame.is_line(b"DONE") => {
                let reply = super::output::completed("IDLE");
                self.finish(now, idling.tag, reply, Moment::Free);
            }
            FrameStep::Endless => self.close_too_big("Line too long."),
            step => {
                self.bad(now, &idling.tag, EXPECTED_DONE);
                // What was sent in its place is a command with a tag of its own, unless that was too much.
                if let (FrameStep::Literal(announced), Phase::Command) = (step, &self.phase) {
                    self.reject_literal(now, announced, StatusResponse::bad(EXPECTED_DONE));
                }
            }
        }
        true
    }
}

const EXPECTED_DONE: &str = "Expected DONE.";

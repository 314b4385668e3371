//! The ways in which a session ends: politely, by the server, in a fault.
//!
//! RFC 5321 section 3.8 (QUIT, 421), RFC 7504 (521). A message that is under way has its report before the end.

use super::event::{ClientEvent, ClientFailure};
use super::outcome::Stage;
use super::session::{Awaited, Client, Phase};
use crate::reply::Reply;
use alloc::sync::Arc;
use proto_core::{CallerFault, CloseReason, Now};

impl Client {
    /// Ends the session politely.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] while anything is under way.
    pub fn quit(&mut self, now: Now) -> Result<(), CallerFault> {
        if self.phase != Phase::Idle {
            return Err(CallerFault::Misuse("quit: the session is not idle"));
        }
        self.say_quit(now);
        Ok(())
    }

    pub(super) fn say_quit(&mut self, now: Now) {
        self.phase = Phase::Quitting;
        self.say(b"QUIT\r\n", Awaited::Quit);
        self.rearm(now);
    }

    pub(super) fn unsolicited(&mut self, reply: Reply) {
        if is_goodbye(&reply) {
            self.service_closing(self.stage(), reply);
        } else if self.has_body() && (reply.is_temporary() || reply.is_permanent()) {
            self.refuse_early(reply);
        } else {
            self.break_off(
                ClientFailure::Unexpected(reply),
                CloseReason::Protocol("unexpected reply".into()),
            );
        }
    }

    pub(super) fn service_closing(&mut self, stage: Stage, reply: Reply) {
        let reply = Arc::new(reply);
        self.events.push_back(ClientEvent::ServiceClosing(Arc::clone(&reply)));
        self.lose_transaction(stage, Some(&reply));
        self.close(CloseReason::PeerClosed);
    }

    /// The session cannot go on, yet the server understands us: QUIT is said and not waited for.
    pub(super) fn fail(&mut self, failure: ClientFailure) {
        self.events.push_back(ClientEvent::Failed(failure));
        self.output.extend(b"QUIT\r\n");
        self.close(CloseReason::Quit);
    }

    /// The session cannot go on, and nothing more can be said.
    pub(super) fn break_off(&mut self, failure: ClientFailure, reason: CloseReason) {
        self.lose_transaction(self.stage(), None);
        self.events.push_back(ClientEvent::Failed(failure));
        self.close(reason);
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.awaited.clear();
        self.timers.stop_all();
        self.input.clear();
        self.phase = Phase::Closing(reason);
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closing(_) | Phase::Closed)
    }
}

/// RFC 5321 section 3.8 (421), RFC 7504 (521): the server says no more after it.
pub(super) fn is_goodbye(reply: &Reply) -> bool {
    matches!(reply.code(), 421 | 521)
}

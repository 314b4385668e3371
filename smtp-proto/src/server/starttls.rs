//! STARTTLS.
//!
//! RFC 3207 section 4: after the 220 nothing said in clear text counts, neither octets already received nor what
//! the session knew.

use super::event::{Event, Violation};
use super::extras::Collected;
use super::question::{Tls, Verdict};
use super::session::{Phase, Server};
use super::timers::Timer;
use crate::reply::Reply;
use alloc::sync::Arc;
use proto_core::{CloseReason, Now, TlsInfo};

impl Server {
    pub(super) fn starttls(&mut self, now: Now, arguments: &[u8]) {
        if !arguments.is_empty() {
            return self.refuse(now, &SYNTAX_STARTTLS);
        }
        if !self.input.is_empty() {
            self.report(Violation::PipelinedAfterStartTls);
        }
        self.reply(&READY_FOR_TLS);
        self.input.clear();
        self.hello = None;
        self.session_collected.hello = Collected::default();
        self.xforward = None;
        self.authenticated = false;
        // As is a login that XCLIENT told of.
        self.peer.login = None;
        self.failed_recipients = None;
        self.refuse_next = false;
        self.timers.stop(Timer::Command);
        self.timers.set(Timer::Handshake, now.instant + self.config.timeouts.handshake);
        self.phase = Phase::StartTls;
    }

    /// The handshake is done: on an implicit-TLS listener the session begins, else it begins again.
    pub(super) fn tls_started(&mut self, tls: TlsInfo) {
        match self.phase {
            Phase::Connect if !self.asks.is_open() => {}
            Phase::Handshake { greeted: false } => self.phase = Phase::Connect,
            Phase::Handshake { greeted: true } => self.phase = Phase::Secured,
            // Nobody asked for a handshake; the driver's mistake changes nothing.
            _ => return,
        }
        self.timers.stop(Timer::Handshake);
        self.tls = Some(Arc::new(tls));
    }

    pub(super) fn ask_tls(&mut self, now: Now) {
        if let Some(tls) = self.tls.clone() {
            self.ask(now, Tls { tls }, Event::Tls);
        }
    }

    pub(super) fn settle_tls(&mut self, now: Now, verdict: Verdict) {
        match self.weigh(verdict) {
            Ok(extras) => {
                self.session_collected.tls.take(extras);
                self.await_command(now);
            }
            Err(refusal) => {
                self.reply(refusal.reply());
                self.close(CloseReason::Policy);
            }
        }
    }
}

static SYNTAX_STARTTLS: Reply = Reply::fixed(501, (5, 4), "Syntax: STARTTLS");
static READY_FOR_TLS: Reply = Reply::fixed(220, (0, 0), "Ready to start TLS");

//! STARTTLS.
//!
//! RFC 3207 section 4: after the 220 nothing said in clear text counts, neither octets already received nor what
//! the session knew.

use super::session::{Phase, Server};
use super::timers::Timer;
use crate::reply::Reply;
use alloc::sync::Arc;
use proto_core::{Now, TlsInfo};

impl Server {
    pub(super) fn starttls(&mut self, now: Now, arguments: &[u8]) {
        if !arguments.is_empty() {
            return self.refuse(now, &SYNTAX_STARTTLS);
        }
        self.reply(&READY_FOR_TLS);
        self.input.clear();
        self.hello = None;
        self.authenticated = false;
        self.refuse_next = false;
        self.timers.stop(Timer::Command);
        self.timers.set(Timer::Handshake, now.instant + self.config.timeouts.handshake);
        self.phase = Phase::StartTls;
    }

    /// The handshake is done: on an implicit-TLS listener the session begins, else it begins again.
    pub(super) fn tls_started(&mut self, now: Now, tls: TlsInfo) {
        match self.phase {
            Phase::Connect if !self.asks.is_open() => {}
            Phase::Handshake { greeted: false } => self.phase = Phase::Connect,
            Phase::Handshake { greeted: true } => self.await_command(now),
            // Nobody asked for a handshake; the driver's mistake changes nothing.
            _ => return,
        }
        self.timers.stop(Timer::Handshake);
        self.tls = Some(Arc::new(tls));
    }
}

static SYNTAX_STARTTLS: Reply = Reply::fixed(501, (5, 4), "Syntax: STARTTLS");
static READY_FOR_TLS: Reply = Reply::fixed(220, (0, 0), "Ready to start TLS");

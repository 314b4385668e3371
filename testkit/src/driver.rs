//! A driver without I/O: one machine, the application that answers it, and a clock that the test moves.
//!
//! It does what a real driver does, in the order that [`proto_core::machine`] prescribes, and watches the machine
//! keep its side of the contract; a breach panics with the promise that was broken.

use crate::log::Log;
use proto_core::{CloseReason, Instant, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};
use std::time::Duration;

/// The application under a machine in a test: it answers asks and notes what it was told.
pub trait Fixture<M: Machine> {
    /// An event of the machine; an ask in it is answered here, or kept and answered by a directive later.
    fn on_event(&mut self, machine: &mut M, now: Now, event: M::Event);

    /// What was noted so far. It must not depend on how the input was cut: see [`Log::body`].
    fn log(&mut self) -> &mut Log;

    /// Called after each round of events, for an application that also sends: a body, a notification.
    /// Returns whether it did anything.
    fn on_idle(&mut self, machine: &mut M, now: Now) -> bool {
        let _ = (machine, now);
        false
    }

    /// A directive of a transcript that is not the runner's own.
    ///
    /// # Errors
    /// What is wrong with it; by default every directive is unknown.
    fn on_directive(&mut self, machine: &mut M, now: Now, name: &str, arguments: &str) -> Result<(), String> {
        let _ = (machine, now, arguments);
        Err(format!("the fixture knows no @{name}"))
    }

    /// What a handshake tells the machine.
    fn tls_info(&self) -> TlsInfo {
        let mut info = TlsInfo::default();
        info.version = "TLSv1.3".into();
        info.cipher = "TLS_AES_128_GCM_SHA256".into();
        info
    }
}

/// One machine being driven.
#[derive(Debug)]
pub struct Driver<M, F> {
    /// The machine; commands may be given to it between two calls of the driver, then [`Driver::pump`].
    pub machine: M,
    /// Its application.
    pub fixture: F,
    now: Now,
    /// Arrived and not yet taken by the machine.
    received: Vec<u8>,
    /// The peer has closed its side and the machine has not been told: octets that came before are still here.
    eof_due: bool,
    sent: Vec<u8>,
    writes: usize,
    awaits_tls: bool,
    fresh: bool,
    closed: Option<CloseReason>,
}

/// More steps than this without output or new input is a livelock.
const STEPS_MAX: usize = 1_000_000;

impl<M: Machine, F: Fixture<M>> Driver<M, F> {
    /// A machine that nothing has happened to yet. Its greeting, if it has one, is sent by the first call of
    /// [`Driver::pump`].
    pub fn new(machine: M, fixture: F) -> Self {
        Self {
            machine,
            fixture,
            now: START,
            received: Vec::new(),
            eof_due: false,
            sent: Vec::new(),
            writes: 0,
            awaits_tls: false,
            fresh: true,
            closed: None,
        }
    }

    /// The present.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Octets arrive in one segment.
    pub fn receive(&mut self, segment: &[u8]) {
        self.received.extend_from_slice(segment);
        self.pump();
    }

    /// The peer closes its side. The machine is told once it has taken everything that came before.
    pub fn eof(&mut self) {
        self.eof_due = true;
        self.pump();
    }

    /// The driver wants to stop.
    pub fn shutdown(&mut self) {
        self.machine.handle_shutdown(self.now);
        self.pump();
    }

    /// The TLS handshake is done.
    pub fn tls(&mut self) {
        assert!(self.awaits_tls || self.fresh, "a handshake nobody asked for");
        self.awaits_tls = false;
        let info = self.fixture.tls_info();
        self.machine.handle_tls(self.now, info);
        self.pump();
    }

    /// Time passes; each deadline on the way is kept at its moment.
    pub fn advance(&mut self, by: Duration) {
        self.pump();
        let target = self.now.instant + by;
        let mut rounds = 0;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= target) {
            self.set_instant(at.max(self.now.instant));
            self.machine.handle_timeout(self.now);
            self.pump();
            rounds += 1;
            assert!(rounds < STEPS_MAX, "a deadline that has passed is kept for ever");
        }
        self.set_instant(target);
    }

    /// An expiry is reported although no deadline has passed: the machine must do nothing. Without effect when
    /// one has.
    pub fn early_timeout(&mut self) {
        if self.machine.poll_timeout().is_none_or(|at| at > self.now.instant) {
            self.machine.handle_timeout(self.now);
            self.pump();
        }
    }

    /// Steps and output until nothing moves.
    pub fn pump(&mut self) {
        for _ in 0..STEPS_MAX {
            let mut moved = self.step_all();
            moved |= self.closed.is_none() && self.fixture.on_idle(&mut self.machine, self.now);
            moved |= self.send_all();
            moved |= self.give_input();
            if !moved {
                self.check_contract();
                return;
            }
        }
        panic!("the machine does not come to rest");
    }

    fn step_all(&mut self) -> bool {
        let mut moved = false;
        for _ in 0..STEPS_MAX {
            let Some(step) = self.machine.poll_event(self.now) else { return moved };
            assert!(self.closed.is_none(), "a step after Closed, which is the last one");
            moved = true;
            self.fresh = false;
            match step {
                Step::App(event) => self.fixture.on_event(&mut self.machine, self.now, event),
                Step::StartTls => {
                    self.fixture.log().event("starttls");
                    self.awaits_tls = true;
                }
                Step::Compress => self.fixture.log().event("compress"),
                Step::Closed(reason) => {
                    self.fixture.log().event(format_args!("closed: {reason}"));
                    self.closed = Some(reason);
                }
            }
        }
        panic!("the machine never runs out of steps");
    }

    fn send_all(&mut self) -> bool {
        let mut out = OutBuf::new();
        while self.machine.poll_transmit(&mut out) {}
        let moved = !out.is_empty();
        self.sent.extend_from_slice(out.as_slice());
        self.writes += usize::from(moved);
        self.fresh &= !moved;
        moved
    }

    fn give_input(&mut self) -> bool {
        if self.awaits_tls || self.closed.is_some() {
            // The rest of a plaintext segment is thrown away; a closed connection is read no more.
            self.received.clear();
        }
        if self.received.is_empty() {
            let tell = std::mem::take(&mut self.eof_due);
            if tell {
                self.machine.handle_eof(self.now);
            }
            return tell;
        }
        if !self.machine.wants_input() {
            return false;
        }
        let taken = self.machine.handle_input(self.now, &self.received);
        assert!(taken > 0, "it wants input and takes none");
        self.received.drain(..taken);
        self.fresh = false;
        true
    }

    fn check_contract(&mut self) {
        assert_eq!(
            self.machine.is_closed(),
            self.closed.is_some(),
            "is_closed() and Step::Closed go together"
        );
        if self.awaits_tls || self.closed.is_some() {
            assert!(
                !self.machine.wants_input(),
                "it wants input while a handshake is awaited or after the end"
            );
        }
        if self.closed.is_some() {
            assert_eq!(self.machine.poll_timeout(), None, "a deadline after the end");
        }
    }

    /// What was sent since this was last called.
    pub fn take_sent(&mut self) -> Vec<u8> {
        self.writes = 0;
        std::mem::take(&mut self.sent)
    }

    /// How many writes that was: each is what a driver would hand to the socket at once.
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// What has arrived and was not yet taken.
    pub fn untaken_bytes(&self) -> usize {
        self.received.len()
    }

    /// Whether the machine has asked for a handshake.
    pub fn awaits_tls(&self) -> bool {
        self.awaits_tls
    }

    /// Why the machine closed, once it has.
    pub fn closed(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    pub(crate) fn set_instant(&mut self, instant: Instant) {
        self.now = moment(instant);
    }
}

/// When a driver's time begins, for machines that are made with the present: 2026-01-01 00:00:00 UTC. Neither clock
/// starts at zero, where a forgotten addition would not show.
pub const START: Now = Now::new(Instant::from_origin(Duration::from_secs(1_000)), UnixTime(1_767_225_600));

/// Both clocks at one moment of virtual time.
fn moment(instant: Instant) -> Now {
    let seconds = instant.saturating_since(START.instant).as_secs();
    Now::new(instant, UnixTime(START.utc.0.saturating_add_unsigned(seconds)))
}

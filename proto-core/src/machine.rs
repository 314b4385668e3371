//! How a driver and a machine talk.
//!
//! # The loop
//!
//! A driver repeats, in this order:
//!
//! 1. hand in what happened: octets ([`Machine::handle_input`]), end of input, an expired deadline, a finished
//!    TLS handshake, a wish to shut down;
//! 2. take steps with [`Machine::poll_event`] until there is none, and act on each; answers to asks and other
//!    commands of the concrete machine belong here;
//! 3. take output with [`Machine::poll_transmit`] and write it, all of it before step 1; if there was any, take steps
//!    again, since the machine may have waited for nothing else;
//! 4. wait for input if [`Machine::wants_input`], for [`Machine::poll_timeout`], for its own work.
//!
//! # What a machine promises
//!
//! * **Total**: no call panics or fails, on any octets in any order.
//! * **Lazy**: octets are parsed in `poll_event`, one step a call, so a pause is exact and pipelined octets wait.
//! * **Blocked has a name**: no step means that it wants input, or an ask is out, or output has to be taken first: there is
//!   more than its high-water mark, or what comes next needs the room. `wants_input` is false in all but the first: that is the back-pressure.
//! * **Split-invariant**: however octets are cut, events (adjacent body chunks merged) and output are the same.
//!   One thing depends on the cut by nature: octets that arrive in the same call as a command that ends a
//!   pipelined group, and, of a client, replies that arrive in the same call as the one after which it goes on.
//! * **Bounded**: nothing is allocated because a peer announced a size; every limit is in the configuration.

use crate::output::OutBuf;
use crate::time::{Instant, Now};
use crate::tls::TlsInfo;
use alloc::borrow::Cow;

/// One thing a driver has to do for a machine.
#[derive(Debug)]
pub enum Step<E> {
    /// For the application.
    App(E),
    /// Send what is left of the output, throw away every octet already read, do the TLS handshake, then call
    /// [`Machine::handle_tls`]. Until then the machine takes no input.
    StartTls,
    /// Send what is left of the output, then compress and decompress everything after it (RFC 4978).
    Compress,
    /// Send what is left of the output and close. It is the last step.
    Closed(CloseReason),
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The protocol's own goodbye was said.
    Quit,
    /// The peer closed its side without a goodbye.
    PeerClosed,
    /// A deadline passed; which one.
    Timeout(&'static str),
    /// The peer broke the protocol beyond repair, or too often; how.
    Protocol(Cow<'static, str>),
    /// Policy closed the connection.
    Policy,
    /// The driver asked for it by [`Machine::handle_shutdown`].
    Shutdown,
    /// The application gave up a body it was sending or could not go on; nothing fake was sent in its place.
    Aborted(Cow<'static, str>),
}

impl core::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Quit => f.write_str("quit"),
            Self::PeerClosed => f.write_str("peer closed the connection"),
            Self::Timeout(which) => write!(f, "timeout: {which}"),
            Self::Protocol(how) => write!(f, "protocol: {how}"),
            Self::Policy => f.write_str("policy"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Aborted(why) => write!(f, "aborted: {why}"),
        }
    }
}

/// One end of one connection: a state machine without I/O and without a clock. See the [module](self).
pub trait Machine {
    /// What the application is told or asked; owned, small, `#[non_exhaustive]`.
    type Event;

    /// Takes octets that arrived; returns how many. It stores them, within a bound, and parses nothing. What is
    /// not taken stays the driver's, to be offered again once [`Machine::wants_input`] is true.
    fn handle_input(&mut self, now: Now, input: &[u8]) -> usize;

    /// No more octets will come. Those taken before are still parsed.
    fn handle_eof(&mut self, now: Now);

    /// The deadline of [`Machine::poll_timeout`] has passed. Too early a call does nothing.
    fn handle_timeout(&mut self, now: Now);

    /// A TLS handshake is done: one that [`Step::StartTls`] asked for, or, before anything else, the one of an
    /// implicit-TLS listener.
    fn handle_tls(&mut self, now: Now, tls: TlsInfo);

    /// The driver wants to stop: the machine ends what it cannot interrupt, says its goodbye and closes.
    fn handle_shutdown(&mut self, now: Now);

    /// Parses and decides one step; `None` when blocked.
    fn poll_event(&mut self, now: Now) -> Option<Step<Self::Event>>;

    /// Appends output; false when nothing was left to append.
    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool;

    /// When [`Machine::handle_timeout`] must be called, if at all.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether octets would be taken and are needed to go on.
    fn wants_input(&self) -> bool;

    /// Whether [`Step::Closed`] was returned.
    fn is_closed(&self) -> bool;
}

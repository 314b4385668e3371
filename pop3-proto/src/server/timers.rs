//! All deadlines of a server session: the timers and what they are set to.
//!
//! A deadline is for a whole command, not for each octet, so a peer that sends one octet a minute gains nothing by
//! it.

use core::time::Duration;
use proto_core::TimerKind;

/// The timers of a server session. Each names the field of [`Timeouts`] that it is set from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer {
    /// The next command: [`Timeouts::idle`].
    Idle,
    /// The next octets of a response that streams: [`Timeouts::stream`].
    Stream,
    /// The TLS handshake: [`Timeouts::handshake`].
    Handshake,
    /// The verdict of the application: [`Timeouts::verdict`].
    Verdict,
}

impl TimerKind for Timer {
    const ALL: &'static [Self] = &[Self::Idle, Self::Stream, Self::Handshake, Self::Verdict];

    fn index(self) -> usize {
        self as usize
    }
}

/// How many timers there are.
pub(super) const TIMERS: usize = Timer::ALL.len();

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The wait for a complete command. RFC 1939 section 3 asks for at least 10 minutes, and for a close without a
    /// word and without UPDATE. Default 10 minutes.
    pub idle: Duration,
    /// The wait for progress in a message or a listing that is being sent, whoever is slow. Default 10 minutes.
    pub stream: Duration,
    /// The wait for the TLS handshake. Default 1 minute.
    pub handshake: Duration,
    /// The wait for the application's verdict, after which `-ERR [SYS/TEMP]` is said and the session ends. Default
    /// 2 minutes.
    pub verdict: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10 * 60),
            stream: Duration::from_secs(10 * 60),
            handshake: Duration::from_secs(60),
            verdict: Duration::from_secs(2 * 60),
        }
    }
}

//! All deadlines of a server session: the timers and what they are set to.
//!
//! The deadline of a command is for the whole of it, not for each octet, so a client that sends one octet a minute
//! gains nothing by it.

use core::time::Duration;
use proto_core::TimerKind;

/// The timers of a server session. Each names the field of [`Timeouts`] that it is set from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer {
    /// The TLS handshake after STARTTLS: [`Timeouts::handshake`].
    Handshake,
    /// Until login: [`Timeouts::pre_auth`].
    PreAuth,
    /// The next command after login, or the rest of one: [`Timeouts::autologout`].
    Autologout,
    /// DONE: [`Timeouts::idle`].
    Idle,
    /// More octets of a message: [`Timeouts::append_block`] and [`Timeouts::append_bytes_per_second_min`].
    Append,
    /// The answer of the application: [`Timeouts::verdict`].
    Verdict,
}

impl TimerKind for Timer {
    const ALL: &'static [Self] =
        &[Self::Handshake, Self::PreAuth, Self::Autologout, Self::Idle, Self::Append, Self::Verdict];

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
    /// The wait for the TLS handshake. Default 1 minute.
    pub handshake: Duration,
    /// From the greeting to a successful login, whatever is sent meanwhile. RFC 3501 section 5.4 speaks of
    /// sessions; one that nobody logged into is not worth 30 minutes. Default 3 minutes.
    pub pre_auth: Duration,
    /// The wait for a complete command after login (RFC 3501 section 5.4: at least 30 minutes). Default
    /// 30 minutes.
    pub autologout: Duration,
    /// How long one IDLE may last (RFC 2177 lets a server treat it as inactivity; clients renew it within
    /// 29 minutes). Default 30 minutes.
    pub idle: Duration,
    /// The wait for more octets of an APPEND. Default 5 minutes.
    pub append_block: Duration,
    /// The least mean speed of an APPEND once [`Timeouts::append_block`] has gone by; 0 asks for none. Default
    /// 500 octets a second.
    pub append_bytes_per_second_min: u32,
    /// The wait for the application's next response or answer. Default 10 minutes.
    pub verdict: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(60),
            pre_auth: Duration::from_secs(3 * 60),
            autologout: Duration::from_secs(30 * 60),
            idle: Duration::from_secs(30 * 60),
            append_block: Duration::from_secs(5 * 60),
            append_bytes_per_second_min: 500,
            verdict: Duration::from_secs(10 * 60),
        }
    }
}

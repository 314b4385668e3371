//! All deadlines of a server session: the timers and what they are set to.
//!
//! RFC 5321 section 4.5.3.2 gives the least that either end should wait:
//!
//! | clause | says | ours |
//! | --- | --- | --- |
//! | 4.5.3.2.1 | a client waits 5 minutes for the greeting | [`Timeouts::greet_delay`] and [`Timeouts::command_verdict`], together to be shorter |
//! | 4.5.3.2.2, .3 | 5 minutes for the replies to MAIL and RCPT | [`Timeouts::command_verdict`] |
//! | 4.5.3.2.4 | 2 minutes for the reply to DATA | [`Timeouts::data_verdict`] |
//! | 4.5.3.2.5 | 3 minutes for each block of a message | [`Timeouts::body_block`] |
//! | 4.5.3.2.6 | 10 minutes for the reply to a message | [`Timeouts::verdict`] |
//! | 4.5.3.2.7 | a server waits 5 minutes for a command | [`Timeouts::command`] |
//!
//! A deadline is for a whole command, not for each octet, so a peer that sends one octet a minute gains nothing by it. It
//! is for the peer alone: one that expires while what the peer has sent (a complete command, octets of a message) still
//! waits to be polled begins anew, and so an application that is slow to poll costs nobody the session. What waits because
//! the peer does not read our output is no excuse.

use core::time::Duration;
use proto_core::TimerKind;

/// The timers of a server session. Each names the field of [`Timeouts`] that it is set from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer {
    /// Before the greeting, in wait for an early talker: [`Timeouts::greet_delay`].
    GreetDelay,
    /// The pause after an error: [`Timeouts::error_pause`].
    ErrorPause,
    /// The next command: [`Timeouts::command`].
    Command,
    /// The next octets of a message: [`Timeouts::body_block`].
    BodyBlock,
    /// A message as a whole, by its size so far: [`Timeouts::body_bytes_per_second_min`].
    BodyRate,
    /// The TLS handshake: [`Timeouts::handshake`].
    Handshake,
    /// The verdict of the application: [`Timeouts::command_verdict`], [`Timeouts::data_verdict`], [`Timeouts::verdict`].
    Verdict,
}

impl TimerKind for Timer {
    const ALL: &'static [Self] = &[
        Self::GreetDelay,
        Self::ErrorPause,
        Self::Command,
        Self::BodyBlock,
        Self::BodyRate,
        Self::Handshake,
        Self::Verdict,
    ];

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
    /// How long the greeting is held back, in wait for clients that talk first (RFC 5321 section 3.1 makes them
    /// wait for it). Zero: not at all, and then no early talker is noticed. Default zero.
    pub greet_delay: Duration,
    /// The wait for a complete command (RFC 5321 section 4.5.3.2.7: at least 5 minutes). It begins when the client is
    /// no longer made to wait, for the greeting or after an error. Default 5 minutes.
    pub command: Duration,
    /// The wait for more octets of a message (RFC 5321 section 4.5.3.2.5). Default 3 minutes.
    pub body_block: Duration,
    /// The least mean speed of a message once [`Timeouts::body_block`] has gone by; zero asks for none. The time
    /// between the chunks of a message counts, after [`Timeouts::command`] of it; that in which a verdict is awaited
    /// or the client is made to wait does not. Default 500 octets a second.
    pub body_bytes_per_second_min: u32,
    /// The wait for the TLS handshake. Default 1 minute.
    pub handshake: Duration,
    /// The wait for the application's verdict on anything but DATA and a message. RFC 5321 section 4.5.3.2 lets a client wait 5
    /// minutes for the greeting and for most replies; who hears nothing until then goes, and comes again. Default 4 minutes
    /// and 30 seconds.
    pub command_verdict: Duration,
    /// The wait for its verdict on DATA (on a first BDAT it is [`Timeouts::command_verdict`]): section 4.5.3.2.4 has 2 minutes. Default 1 minute and 50 seconds.
    pub data_verdict: Duration,
    /// The wait for its verdict on a message. RFC 5321 section 4.5.3.2.6 lets a client wait 10 minutes after
    /// the end of a message; later than that nobody listens. Default 10 minutes.
    pub verdict: Duration,
    /// The pause after an error reply over [`Limits::errors_before_pause`](super::Limits::errors_before_pause);
    /// it grows by itself with each further one. Default 1 second.
    pub error_pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greet_delay: Duration::ZERO,
            command: Duration::from_secs(5 * 60),
            body_block: Duration::from_secs(3 * 60),
            body_bytes_per_second_min: 500,
            handshake: Duration::from_secs(60),
            command_verdict: Duration::from_secs(4 * 60 + 30),
            data_verdict: Duration::from_secs(60 + 50),
            verdict: Duration::from_secs(10 * 60),
            error_pause: Duration::from_secs(1),
        }
    }
}

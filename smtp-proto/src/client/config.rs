//! What a client session is told when it begins.

use crate::reply::ReplyFault;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use proto_core::TimerKind;
use proto_core::dot::EncodePolicy;
use proto_core::sasl::scram::ITERATIONS_MAX_DEFAULT;
use proto_core::sasl::{ClientCredentials, Mechanism};

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTls {
    /// Never.
    None,
    /// By STARTTLS if the server offers it, else in clear text (RFC 7435).
    Opportunistic,
    /// By STARTTLS; a server without it gets no mail from us.
    Required,
    /// At once (RFC 8314 section 3.3).
    Implicit,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientProtocol {
    /// SMTP, also for submission (RFC 5321, RFC 6409).
    Smtp,
    /// LMTP: LHLO, and a verdict for each recipient (RFC 2033).
    Lmtp,
}

/// What is done about a line of a message that has more than 998 octets besides its CR LF (RFC 5321 section 4.5.3.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLines {
    /// The message is not sent: [`BodyFault::LongLine`](super::BodyFault::LongLine).
    Refuse,
    /// It is sent as it is, as most servers take it; it is never folded, which would break signatures.
    Pass,
}

/// The configuration of a client session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What is spoken. Default [`ClientProtocol::Smtp`].
    pub protocol: ClientProtocol,
    /// When TLS begins. Default [`ClientTls::Opportunistic`].
    pub tls: ClientTls,
    /// With what to log in; `None` does not. Default `None`.
    pub credentials: Option<ClientCredentials>,
    /// The mechanisms that may be used, the first to be tried first. Default `None`: all of them,
    /// the strongest first, as [`Mechanism::ALL`] has them. A server decides which of them it offers and refuses, so one
    /// that TLS has not shown to be the right one is kept from the password only when those are left out that show it,
    /// and from standing between two ends only when nothing but those bound to the TLS session are left.
    pub mechanisms: Option<Vec<Mechanism>>,
    /// The server's host name as the application was given it, which OAUTHBEARER says to the server (RFC 7628 section 3.1);
    /// `None` does not say it. Default `None`.
    pub server_host: Option<String>,
    /// The server's port, likewise. Default `None`.
    pub server_port: Option<u16>,
    /// Whether a password may be shown without TLS. Default false.
    pub allow_plaintext_auth: bool,
    /// Whether messages go by BDAT where the server offers CHUNKING (RFC 3030). Without it no BINARYMIME can be sent. Default
    /// true.
    pub chunking: bool,
    /// What is done about a CR or an LF that stands alone in a message that is not BINARYMIME. Default
    /// [`EncodePolicy::Refuse`]. [`EncodePolicy::RepairLf`] means [`EncodePolicy::Repair`] here.
    pub bare_line_ends: EncodePolicy,
    /// What is done about long lines in a message that is not BINARYMIME. Default [`LongLines::Pass`].
    pub long_lines: LongLines,
    /// Whether a message that was declared 8BITMIME is sent as 7BIT to a server without 8BITMIME. If an octet over 127
    /// then comes, it is not sent: [`BodyFault::EightBit`](super::BodyFault::EightBit). Default false: such an envelope
    /// is [`SendFault::EightBit`](super::SendFault::EightBit).
    pub ascii_as_seven_bit: bool,
    /// What the server may have at most.
    pub limits: ClientLimits,
    /// How long the server may take.
    pub timeouts: ClientTimeouts,
    hello_name: String,
}

impl ClientConfig {
    /// The defaults under the name that HELO and EHLO say: our host's domain name, or an address literal.
    ///
    /// # Errors
    /// [`ReplyFault::Text`] when the name is empty, longer than 255 octets (RFC 5321 section 4.5.3.1.2), or holds
    /// anything but letters, digits, `.`, `-`, `_`, `[`, `]`, `:`.
    pub fn new(hello_name: impl Into<String>) -> Result<Self, ReplyFault> {
        let hello_name = hello_name.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b);
        if !matches!(hello_name.len(), 1..=255) || !hello_name.bytes().all(plain) {
            return Err(ReplyFault::Text);
        }
        Ok(Self {
            protocol: ClientProtocol::Smtp,
            tls: ClientTls::Opportunistic,
            credentials: None,
            mechanisms: None,
            server_host: None,
            server_port: None,
            allow_plaintext_auth: false,
            chunking: true,
            bare_line_ends: EncodePolicy::Refuse,
            long_lines: LongLines::Pass,
            ascii_as_seven_bit: false,
            limits: ClientLimits::default(),
            timeouts: ClientTimeouts::default(),
            hello_name,
        })
    }

    /// The name that HELO and EHLO say.
    pub fn hello_name(&self) -> &str {
        &self.hello_name
    }
}

/// The limits of a client session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// The longest reply line, CR LF counted; RFC 5321 section 4.5.3.1.5 has 512. Default 2,048.
    pub reply_line_bytes_max: usize,
    /// Lines of one reply. Default 128.
    pub reply_lines_max: usize,
    /// Text of one reply. Default 8 KiB.
    pub reply_text_bytes_max: usize,
    /// So much of the text of a reply about one recipient is kept for its [`Outcome`](super::Outcome). Default 512 octets.
    pub outcome_text_bytes_max: usize,
    /// Commands that may be under way without their replies, where the server offers PIPELINING; so many replies
    /// fit any socket buffer, and two ends that both only write cannot happen (RFC 2920 section 3.1). Default 100.
    pub pipelined_commands_max: usize,
    /// Octets of a BDAT chunk; so many are gathered before they are sent, and the chunk before may wait for the driver
    /// meanwhile. Where line ends are repaired, which may double them, a chunk has half as many. To a server without
    /// PIPELINING each chunk takes a round trip; larger ones take more memory, two of them at most. Default 8 KiB.
    pub chunk_bytes_max: usize,
    /// Iterations of SCRAM that the server may ask for (RFC 5802 section 5.1, `i=`); over it the login is given up with
    /// [`SaslFault::TooManyIterations`](proto_core::sasl::SaslFault::TooManyIterations). All are computed in one step, so
    /// this is how long a server can keep the thread: about 0.05 seconds for 100,000. Default 100,000, where servers in use
    /// ask for 4,096 to 15,000.
    pub scram_iterations_max: u32,
    /// Output that may wait; bounds what [`Client::body_room`](super::Client::body_room) gives. Default 16 KiB.
    pub output_bytes_max: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            reply_line_bytes_max: 2048,
            reply_lines_max: 128,
            reply_text_bytes_max: 8 * 1024,
            outcome_text_bytes_max: 512,
            pipelined_commands_max: 100,
            chunk_bytes_max: 8 * 1024,
            scram_iterations_max: ITERATIONS_MAX_DEFAULT,
            output_bytes_max: 16 * 1024,
        }
    }
}

/// The timers of a client session. Each names the field of [`ClientTimeouts`] that it is set from; one runs at a
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientTimer {
    /// [`ClientTimeouts::greeting`].
    Greeting,
    /// [`ClientTimeouts::command`].
    Command,
    /// [`ClientTimeouts::data_initiation`].
    DataInitiation,
    /// [`ClientTimeouts::data_block`].
    DataBlock,
    /// [`ClientTimeouts::data_termination`].
    DataTermination,
    /// [`ClientTimeouts::handshake`].
    Handshake,
    /// [`ClientTimeouts::quit`].
    Quit,
}

impl TimerKind for ClientTimer {
    const ALL: &'static [Self] = &[
        Self::Greeting,
        Self::Command,
        Self::DataInitiation,
        Self::DataBlock,
        Self::DataTermination,
        Self::Handshake,
        Self::Quit,
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// How long to wait for the server. A deadline that expires while a reply line is here and waits to be polled begins anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientTimeouts {
    /// For the greeting (RFC 5321 section 4.5.3.2.1). Default 5 minutes.
    pub greeting: Duration,
    /// For the reply to any command but DATA (sections 4.5.3.2.2 and 4.5.3.2.3). Default 5 minutes.
    pub command: Duration,
    /// For the reply to DATA (section 4.5.3.2.4). Default 2 minutes.
    pub data_initiation: Duration,
    /// Between two pieces of a message, and for the reply to a chunk that is not the last (section 4.5.3.2.5). Default
    /// 3 minutes.
    pub data_block: Duration,
    /// For the reply to a complete message (section 4.5.3.2.6); shorter means duplicates. Default 10 minutes.
    pub data_termination: Duration,
    /// For the TLS handshake. Default 1 minute.
    pub handshake: Duration,
    /// For the reply to QUIT, which nobody needs. Default 10 seconds.
    pub quit: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            greeting: minutes(5),
            command: minutes(5),
            data_initiation: minutes(2),
            data_block: minutes(3),
            data_termination: minutes(10),
            handshake: minutes(1),
            quit: Duration::from_secs(10),
        }
    }
}

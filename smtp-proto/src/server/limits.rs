//! Everything a peer may have at most, and what happens when it wants more.
//!
//! RFC 5321 section 4.5.3.1 gives the sizes that every implementation must be able to take; none of the
//! defaults is below them. The longest command line is not a limit of its own: it follows from what is
//! advertised, see [`Limits::command_line_bytes_max`].

/// The limits of one session. All defaults are in [`Limits::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest command line, CR LF counted. It is raised to what the advertised extensions need, never
    /// below the 512 octets of RFC 5321 section 4.5.3.1.4. Over it: `500 5.5.6`. Default 2,048.
    pub command_line_bytes_max: usize,
    /// The longest line of an AUTH exchange, CR LF counted; never below
    /// [`OCTETS_MAX`](proto_core::sasl::line::OCTETS_MAX), which is the default. Over it: `500 5.5.6`.
    pub auth_line_bytes_max: usize,
    /// The largest message, counted as RFC 1870 section 5 counts: CR LF included, dots of transparency and
    /// terminator not. Advertised as SIZE. Over it: `552 5.3.4`. Zero: no limit. Default 52,428,800.
    pub message_bytes_max: u64,
    /// The longest text line of a message, CR LF counted; `None` takes any, as RFC 5321 section 4.5.3.1 wishes
    /// (lines stream, so they cost no memory). Over it the message is refused with `554 5.6.0`. Default `None`.
    pub text_line_bytes_max: Option<u64>,
    /// What verdicts may add to the header of one message, in octets; those of the session's stages count as well.
    /// An acceptance that brings more is `451 4.3.0` in place of a yes. Default 16 KiB.
    pub added_octets_max: usize,
    /// Recipients of one transaction, at least the 100 of RFC 5321 section 4.5.3.1.8. Over it: `452 4.5.3`, which counts
    /// as an error only once as many again were refused. Default 1,000.
    pub recipients_max: usize,
    /// Transactions (accepted MAIL commands) of one session. Over it: `421 4.7.0` and the end. Default 1,000.
    pub transactions_max: u32,
    /// Error replies of one session without an accepted message between them; then `421 4.7.0`. Default 20.
    pub errors_max: u32,
    /// Error replies after which every further one is followed by a pause, see
    /// [`Timeouts::error_pause`](super::Timeouts::error_pause). Default 10.
    pub errors_before_pause: u32,
    /// Commands that bring no mail (NOOP, RSET, VRFY, EXPN, ETRN, HELP, HELO, EHLO) since the last accepted message;
    /// each one more counts as an error. Default 100.
    ///
    /// A BDAT under 1,024 octets that is not the last of its message counts likewise.
    pub idle_commands_max: u32,
    /// Failed authentications of one session; the last one is followed by `421 4.7.0` and the end. Default 3.
    pub auth_failures_max: u32,
    /// Output that may wait before no further command is parsed. Default 16 KiB.
    pub output_bytes_max: usize,
    /// Input that is held before the driver has to keep it: raised to the longest line. Default 14 KiB, which
    /// leaves room in 16 KiB for the events and replies of a session that is flooded.
    pub input_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line_bytes_max: 2048,
            auth_line_bytes_max: proto_core::sasl::line::OCTETS_MAX,
            message_bytes_max: 52_428_800,
            text_line_bytes_max: None,
            added_octets_max: 16 * 1024,
            recipients_max: 1000,
            transactions_max: 1000,
            errors_max: 20,
            errors_before_pause: 10,
            idle_commands_max: 100,
            auth_failures_max: 3,
            output_bytes_max: 16 * 1024,
            input_bytes_max: 14 * 1024,
        }
    }
}

//! Everything a peer may have at most, and what happens when it wants more.

/// The limits of one session. All defaults are in [`Limits::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest command line, CR LF counted; never below the 255 octets of RFC 2449 section 4. Over it: `-ERR`,
    /// and the line is gone to its end. Default 255.
    pub command_line_bytes_max: usize,
    /// The longest line of an AUTH exchange, CR LF counted; never below
    /// [`OCTETS_MAX`](proto_core::sasl::line::OCTETS_MAX), which is the default. Over it: `-ERR`, and the exchange
    /// is over.
    pub auth_line_bytes_max: usize,
    /// Commands that are unknown, malformed, too long, or out of place; the last of them ends the session. What a
    /// client may honestly try, as a message number that is none, is not counted. Default 20.
    pub bad_commands_max: u32,
    /// Wrong passwords; the last of them ends the session. Default 5.
    pub auth_failures_max: u32,
    /// Octets that may wait to be sent before nothing more is read or asked for. Default 32 KiB.
    pub output_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line_bytes_max: COMMAND_LINE_BYTES_MIN,
            auth_line_bytes_max: proto_core::sasl::line::OCTETS_MAX,
            bad_commands_max: 20,
            auth_failures_max: 5,
            output_bytes_max: 32 * 1024,
        }
    }
}

/// RFC 2449 section 4.
pub(super) const COMMAND_LINE_BYTES_MIN: usize = 255;

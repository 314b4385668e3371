//! Everything a client may have at most, and what it is told when it wants more.
//!
//! RFC 3501 names almost no limits; RFC 7162 section 4 asks servers to take command lines of 8,192 octets.

/// The limits of one session. All defaults are in [`Limits::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest command line, CR LF counted, before login. Over it: `BAD [TOOBIG]`. Default 8,192.
    pub line_bytes_pre_auth_max: usize,
    /// The longest command line, CR LF counted, after login. Over it: `BAD [TOOBIG]`. Default 65,536.
    pub line_bytes_max: usize,
    /// The largest literal before login. Over it: `NO [TOOBIG]`, in place of the continuation or, when the client does
    /// not wait for one, after the octets have gone by. Default 4,096.
    pub literal_bytes_pre_auth_max: u64,
    /// The largest literal after login, messages excepted. Over it as before login. Default 65,536.
    pub literal_bytes_max: u64,
    /// All literals of one command together, messages excepted. Over it as for a literal. Default 131,072.
    pub command_bytes_max: u64,
    /// The largest message of an APPEND. Over it as for a literal. Default 52,428,800.
    pub message_bytes_max: u64,
    /// Before login, the longest line that is read only to be thrown away, and the largest literal of a client that does
    /// not wait for the answer. Over it: `* BYE [TOOBIG]`. Default 65,536.
    pub drain_bytes_pre_auth_max: u64,
    /// The same after login, messages included. Default 104,857,600.
    pub drain_bytes_max: u64,
    /// What the grammar leaves open: nesting, items, keys, ranges.
    pub grammar: crate::parse::Limits,
    /// BAD commands before login; then `* BYE`. Default 3.
    pub bad_commands_pre_auth_max: u32,
    /// BAD commands in a row after login; then `* BYE`. Default 20.
    pub bad_commands_max: u32,
    /// Failed logins of one session; then `* BYE`. Default 5.
    pub auth_failures_max: u32,
    /// Flag changes that wait to be told; then `* BYE [LIMIT]`, since the client could not be put right again.
    /// Default 100,000.
    pub flag_changes_max: usize,
    /// Output that may wait before no further command is parsed and no body is taken. Default 16 KiB.
    pub output_bytes_max: usize,
    /// Input that is held before the driver has to keep it; raised to the longest line. Default 16 KiB.
    pub input_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_pre_auth_max: 8192,
            line_bytes_max: 65_536,
            literal_bytes_pre_auth_max: 4096,
            literal_bytes_max: 65_536,
            command_bytes_max: 131_072,
            message_bytes_max: 52_428_800,
            drain_bytes_pre_auth_max: 65_536,
            drain_bytes_max: 104_857_600,
            grammar: crate::parse::Limits::default(),
            bad_commands_pre_auth_max: 3,
            bad_commands_max: 20,
            auth_failures_max: 5,
            flag_changes_max: 100_000,
            output_bytes_max: 16 * 1024,
            input_bytes_max: 16 * 1024,
        }
    }
}

//! The mechanisms that are there, and what a protocol must know of each.

use core::fmt;

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// Name and password in one message: RFC 4616.
    Plain,
    /// Name and password each on demand: never a standard, needed by old mail programs.
    Login,
}

impl Mechanism {
    /// All of them, the preferred first.
    pub const ALL: &'static [Self] = &[Self::Plain, Self::Login];

    /// The registered name, RFC 4422 section 3.1.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The mechanism of this name, whatever its case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Whether who listens learns the password, so that it needs TLS.
    pub const fn is_plaintext(self) -> bool {
        match self {
            Self::Plain | Self::Login => true,
        }
    }

    /// Whether a client may send its first message with the command. LOGIN is server-first by its nature, yet clients
    /// send the name so, and servers take it.
    pub const fn takes_initial_response(self) -> bool {
        match self {
            Self::Plain | Self::Login => true,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

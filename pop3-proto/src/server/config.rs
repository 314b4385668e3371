//! What a server session is told when it begins: switches, limits, timeouts.
//!
//! One `Config` serves all sessions of a listener behind an `Arc`. Capabilities are derived from it, see
//! [`Capabilities`](super::Capabilities); nothing is advertised that it does not switch on.

use super::{Limits, Timeouts};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proto_core::DomainName;
use proto_core::sasl::Mechanism;

/// When TLS begins on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never: STLS is not implemented here.
    None,
    /// By STLS, if the client likes (RFC 2595 section 4).
    Offered,
    /// At once (RFC 8314 section 3.3): nothing happens before
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls).
    Implicit,
}

/// How strictly commands are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// RFC 1939 section 3 to the letter: CR LF, and one space between keyword and arguments.
    Strict,
    /// Also, as people at a keyboard and old programs have it: a line ended by LF alone, and more spaces than one
    /// before an argument or after the last. Never so in PASS, where each space belongs to the password.
    Lenient,
}

/// The configuration of a listener's sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// When TLS begins. Default [`TlsMode::None`].
    pub tls: TlsMode,
    /// Whether USER, PASS and mechanisms that show the password are taken without TLS. Default false.
    pub allow_plaintext_auth: bool,
    /// Whether USER and PASS are there at all. Default true.
    pub user_and_pass: bool,
    /// The mechanisms of AUTH, the preferred first. Default PLAIN and LOGIN.
    pub mechanisms: Vec<Mechanism>,
    /// The name that the challenge of CRAM-MD5 gives our host (RFC 2195 section 2). Default none: `localhost`.
    pub host_name: Option<DomainName>,
    /// How strictly commands are read. Default [`Syntax::Lenient`].
    pub syntax: Syntax,
    /// What a peer may have at most.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    greeting: String,
}

/// A text cannot stand in a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a greeting is 1 to 400 printable ASCII characters without `<`, and does not begin with `[`")]
pub struct BadGreeting;

impl Config {
    /// What the greeting says after `+OK`. Default `Postroom ready`.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Sets what the greeting says after `+OK`.
    ///
    /// # Errors
    /// [`BadGreeting`]. A `<` would look like the challenge of APOP (RFC 1939 section 7), a `[` like a response code
    /// (RFC 2449 section 8).
    pub fn set_greeting(&mut self, text: impl Into<String>) -> Result<(), BadGreeting> {
        let text = text.into();
        let printable = text.bytes().all(|octet| matches!(octet, b' '..=b'~') && octet != b'<');
        if !(1..=GREETING_OCTETS_MAX).contains(&text.len()) || !printable || text.starts_with('[') {
            return Err(BadGreeting);
        }
        self.greeting = text;
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tls: TlsMode::None,
            allow_plaintext_auth: false,
            user_and_pass: true,
            mechanisms: vec![Mechanism::Plain, Mechanism::Login],
            host_name: None,
            syntax: Syntax::Lenient,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            greeting: "Postroom ready".into(),
        }
    }
}

/// Well within the 512 octets of a response line (RFC 1939 section 3).
const GREETING_OCTETS_MAX: usize = 400;

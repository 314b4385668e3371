//! What a server session is told when it begins: switches, limits, timeouts.
//!
//! One `Config` serves all sessions of a listener behind an `Arc`. Capabilities are derived from it and from the state
//! of the session; nothing is advertised that it does not switch on.

use super::{Limits, Timeouts};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use proto_core::DomainName;
use proto_core::sasl::Mechanism;

/// When TLS begins on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never: STARTTLS is not there.
    None,
    /// By STARTTLS (RFC 3501 section 6.2.1).
    StartTls,
    /// At once (RFC 9051 section 11.1, RFC 8314): nothing happens before
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls).
    Implicit,
}

/// Which literals a client may send without waiting for the continuation (RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonSyncLiterals {
    /// `LITERAL+`: of any size that is accepted at all.
    Plus,
    /// `LITERAL-`: up to 4,096 octets (RFC 7888 section 5). Larger ones are let go by, then get `BAD [TOOBIG]`.
    Minus,
}

/// The configuration of a listener's sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// When TLS begins. Default [`TlsMode::None`].
    pub tls: TlsMode,
    /// The SASL mechanisms of AUTHENTICATE, in the order in which they are shown. Default empty.
    pub mechanisms: Vec<Mechanism>,
    /// The name that the challenge of CRAM-MD5 gives our host (RFC 2195 section 2). Default none: `localhost`.
    pub host_name: Option<DomainName>,
    /// Whether LOGIN is there at all. If not, `LOGINDISABLED` is shown, with TLS too. Default true.
    pub login_command: bool,
    /// Whether LOGIN and mechanisms that show the password are taken without TLS. If not, `LOGINDISABLED` is
    /// shown and they get `NO [PRIVACYREQUIRED]` (RFC 3501 section 6.2.3, RFC 5530). Default false.
    pub allow_plaintext_auth: bool,
    /// `LITERAL+` or `LITERAL-`. Default [`NonSyncLiterals::Plus`].
    pub non_sync_literals: NonSyncLiterals,
    /// `CHILDREN` (RFC 3348): the application tells of every mailbox in an answer to LIST whether it has
    /// children. Default false; then nothing of it is told.
    pub children: bool,
    /// What a peer may have at most.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    greeting: Cow<'static, str>,
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            tls: TlsMode::None,
            mechanisms: Vec::new(),
            host_name: None,
            login_command: true,
            allow_plaintext_auth: false,
            non_sync_literals: NonSyncLiterals::Plus,
            children: false,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            greeting: Cow::Borrowed("Postroom ready."),
        }
    }

    /// What the greeting says after its capabilities. Default `Postroom ready.`
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Sets what the greeting says after its capabilities.
    ///
    /// # Errors
    /// [`GreetingFault`] when the text is empty, longer than 512 octets, or not printable ASCII and spaces
    /// (RFC 3501 section 9, `text`), or begins with `[`, which would make it a response code.
    pub fn set_greeting(&mut self, text: impl Into<String>) -> Result<(), GreetingFault> {
        let text = text.into();
        let printable = text.bytes().all(|c| (b' '..=b'~').contains(&c));
        if text.is_empty() || text.len() > 512 || text.starts_with('[') || !printable {
            return Err(GreetingFault);
        }
        self.greeting = Cow::Owned(text);
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// A text that cannot stand in a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a greeting is 1 to 512 printable ASCII characters and does not begin with '['")]
pub struct GreetingFault;

//! Why mail did not get anywhere, in words and a status code.

use std::fmt::{self, Display};

/// Why mail was not taken; `Display` gives what stands in a log and in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFailure {
    /// The enhanced status code (RFC 3463). Its class says whether trying again may help: 5 is for good, any other is not.
    pub status: (u8, u16, u16),
    /// What has happened.
    pub text: String,
}

impl RouteFailure {
    /// A failure with its status code.
    pub fn new(status: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        self.status.0 != 5
    }

    /// The same, to be tried again.
    pub(super) fn softened(mut self) -> Self {
        self.status.0 = 4;
        self
    }

    /// The same, blamed on how this machine is configured.
    pub(super) fn of_configuration(self) -> Self {
        if self.is_temporary() { self } else { Self { status: (4, 3, 5), ..self } }
    }

    pub(super) fn loops(name: &str) -> Self {
        Self::new((5, 4, 6), format!("mail for {name} loops back to myself"))
    }

    pub(super) fn no_primary(name: &str) -> Self {
        Self::new((4, 4, 4), format!("unable to find primary relay for {name}"))
    }

    pub(super) fn null_mx(name: &str) -> Self {
        Self::new((5, 1, 0), format!("Domain {name} does not accept mail (nullMX)"))
    }

    /// The DNS was asked for records of this kind, and has said this, or nothing.
    pub(super) fn not_found(status: (u8, u16, u16), name: &str, kind: &str, said: &str) -> Self {
        let text = "Host or domain name not found. Name service error for";
        Self::new(status, format!("{text} name={name} type={kind}: {said}"))
    }

    /// What the DNS says of the mail servers names no host.
    pub(super) fn malformed(name: &str) -> Self {
        let said = "Malformed or unexpected name server reply";
        Self::new((5, 4, 4), format!("Name service error for name={name} type=MX: {said}"))
    }
}

impl Display for RouteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, subject, detail) = self.status;
        write!(f, "{class}.{subject}.{detail} {}", self.text)
    }
}

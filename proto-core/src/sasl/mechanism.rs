//! The mechanisms that are there, and what a protocol must know of each.

use super::scram::ScramHash;
use crate::tls::TlsInfo;
use core::fmt;

/// A SASL mechanism. They are ordered by strength, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// The TLS session has shown who the client is: RFC 4422 appendix A.
    External,
    /// SCRAM with SHA-256, bound to the TLS session: RFC 7677.
    ScramSha256Plus,
    /// SCRAM with SHA-1, bound to the TLS session: RFC 5802.
    ScramSha1Plus,
    /// SCRAM with SHA-256: RFC 7677.
    ScramSha256,
    /// SCRAM with SHA-1: RFC 5802.
    ScramSha1,
    /// An OAuth bearer token: RFC 7628.
    OauthBearer,
    /// An OAuth bearer token as large providers first took it; never a standard.
    Xoauth2,
    /// A challenge answered with HMAC-MD5: RFC 2195. The server has to hold the password itself.
    CramMd5,
    /// Name and password in one message: RFC 4616.
    Plain,
    /// Name and password each on demand: never a standard, needed by old mail programs.
    Login,
    /// Nobody in particular: RFC 4505.
    Anonymous,
}

impl Mechanism {
    /// All of them, the strongest first.
    pub const ALL: &'static [Self] = &[
        Self::External,
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::CramMd5,
        Self::Plain,
        Self::Login,
        Self::Anonymous,
    ];

    /// The registered name, RFC 4422 section 3.1.
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::CramMd5 => "CRAM-MD5",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// The mechanism of this name, whatever its case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Whether who listens learns what it takes to log in, a password or a token, so that it needs TLS.
    pub const fn is_plaintext(self) -> bool {
        matches!(self, Self::Plain | Self::Login | Self::OauthBearer | Self::Xoauth2)
    }

    /// Whether the exchange is bound to the TLS session around it (RFC 5802 section 6).
    pub const fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }

    /// Whether an exchange needs randomness, handed in.
    pub const fn needs_entropy(self) -> bool {
        matches!(self, Self::CramMd5) || self.scram_hash().is_some()
    }

    /// The hash function of a SCRAM mechanism.
    pub const fn scram_hash(self) -> Option<ScramHash> {
        match self {
            Self::ScramSha256Plus | Self::ScramSha256 => Some(ScramHash::Sha256),
            Self::ScramSha1Plus | Self::ScramSha1 => Some(ScramHash::Sha1),
            _ => None,
        }
    }

    /// Whether a client may send its first message with the command. LOGIN is server-first by its nature, yet clients
    /// send the name so, and servers take it; the challenge of CRAM-MD5 must come first.
    pub const fn takes_initial_response(self) -> bool {
        !matches!(self, Self::CramMd5)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What there is around an exchange, on which it depends whether a mechanism can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// TLS is on.
    pub tls: bool,
    /// Its channel binding is known, `tls-exporter` or `tls-server-end-point`.
    pub channel_binding: bool,
    /// The peer showed a certificate that was verified.
    pub peer_certificate: bool,
    /// Randomness was handed in.
    pub entropy: bool,
}

impl Conditions {
    /// Everything is there.
    pub const ALL: Self = Self { tls: true, channel_binding: true, peer_certificate: true, entropy: true };

    /// Those of a session with this TLS session, and with or without randomness.
    pub fn new(tls: Option<&TlsInfo>, entropy: bool) -> Self {
        Self {
            tls: tls.is_some(),
            channel_binding: tls.is_some_and(|tls| tls.exporter.is_some() || tls.server_end_point.is_some()),
            peer_certificate: tls.is_some_and(|tls| tls.peer_certificate.is_some()),
            entropy,
        }
    }

    /// Whether a mechanism can be used; `in_clear` permits those that show a password or a token also without TLS.
    /// A server offers no others.
    pub const fn permit(self, mechanism: Mechanism, in_clear: bool) -> bool {
        let shown = mechanism.is_plaintext() && !self.tls && !in_clear;
        let unbound = mechanism.is_plus() && !self.channel_binding;
        let unproved = matches!(mechanism, Mechanism::External) && !self.peer_certificate;
        let predictable = mechanism.needs_entropy() && !self.entropy;
        !(shown || unbound || unproved || predictable)
    }

    /// Whether a mechanism cannot be used and with TLS it might be.
    pub const fn need_tls(self, mechanism: Mechanism, in_clear: bool) -> bool {
        let secured = Self { entropy: self.entropy, ..Self::ALL };
        !self.tls && !self.permit(mechanism, in_clear) && secured.permit(mechanism, in_clear)
    }
}

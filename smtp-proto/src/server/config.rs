//! What a server session is told when it begins: names, switches, limits, timeouts.
//!
//! One `Config` serves all sessions of a listener behind an `Arc`. Capabilities are derived from it, see
//! [`Capabilities`](super::Capabilities); nothing is advertised that it does not switch on.

use super::{ForbiddenCommands, Limits, Offer, Timeouts};
use crate::reply::{ReplyFault, ReplyText};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use proto_core::address::{AddressError, AddressSyntax, Domain};
use proto_core::dot::DecodePolicy;
use proto_core::sasl::Mechanism;

/// Which service a listener offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Mail between servers (RFC 5321).
    Smtp,
    /// Mail from its authors (RFC 6409): no MAIL before AUTH.
    Submission,
    /// Mail for the last step to its mailboxes (RFC 2033): LHLO instead of HELO and EHLO, one reply for each recipient
    /// after the message. Never on port 25, nor over a wide network (section 5).
    Lmtp,
}

/// When TLS begins on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never: STARTTLS is not implemented here.
    None,
    /// By STARTTLS, if the client likes (RFC 3207).
    Offered,
    /// By STARTTLS, which must come before MAIL, RCPT, DATA, AUTH, VRFY and EXPN; else these get `530 5.7.0`
    /// (RFC 3207 section 4).
    Required,
    /// At once (RFC 8314 section 3.3): nothing happens before
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls).
    Implicit,
}

/// How strictly commands are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// RFC 5321 to the letter.
    Strict,
    /// Also these forms, which widely used senders and people at a keyboard have:
    ///
    /// * spaces after the colon: `MAIL FROM: <a@b>`;
    /// * a path without angle brackets: `MAIL FROM:a@b`;
    /// * a mailbox without a domain, which gets [`Config::origin`]: `MAIL FROM:root`;
    /// * dots and underscores where [`AddressSyntax::lenient`](proto_core::address::AddressSyntax::lenient) takes
    ///   them;
    /// * a command line ended by LF alone (in a message never: there [`Config::bare_line_ends`] rules).
    Lenient,
}

/// What VRFY answers (RFC 5321 section 3.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyMode {
    /// `502 5.5.1`, and VRFY is not advertised.
    Disabled,
    /// `252 2.0.0` for every well-formed address; tells nobody anything.
    Noncommittal,
    /// The application is asked: [`Verify`](super::Verify).
    Ask,
}

/// What is done about a client that does not wait for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impatience {
    /// It is reported and refused.
    Refuse,
    /// It is reported and served.
    Permit,
}

/// Who is at the other end, as the driver knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Peer {
    /// The address the connection comes from; `None` where there is none (a pipe, a test).
    pub address: Option<IpAddr>,
    /// The name of that address, if it was looked up and verified; shown in the `Received:` field.
    pub name: Option<String>,
    /// Its name could not be looked up just now: trying again may help.
    pub name_lookup_failed: bool,
    /// The name that its address leads to, whether or not that name leads back to it: who speaks for it has said so by
    /// XCLIENT. `None`: nothing was said of it.
    pub reverse_name: Option<String>,
    /// That name could not be looked up just now, says XCLIENT.
    pub reverse_name_lookup_failed: bool,
    /// The port it connects from.
    pub port: Option<u16>,
    /// The address of ours that it connected to.
    pub destination: Option<IpAddr>,
    /// The port of ours that it connected to.
    pub destination_port: Option<u16>,
    /// Who it is logged in as before any AUTH: who speaks for it has said so by XCLIENT.
    pub login: Option<String>,
    /// What it calls itself, whatever HELO or EHLO says: who speaks for it has said so by XCLIENT.
    pub hello: Option<Arc<str>>,
    /// Whether it speaks ESMTP, whichever hello is said here: who speaks for it has said so by XCLIENT.
    pub esmtp: Option<bool>,
    /// Whether it may speak for others: XCLIENT is offered to it. That is to trust it with everything that is decided
    /// by address, name and login. Default false.
    pub xclient: bool,
    /// Whether it may tell where a message came from: XFORWARD is offered to it. Default false.
    pub xforward: bool,
}

impl Peer {
    /// A peer known by its address only.
    pub fn new(address: IpAddr) -> Self {
        Self { address: Some(address), ..Self::default() }
    }
}

/// The configuration of a listener's sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The service. Default [`Protocol::Smtp`].
    pub protocol: Protocol,
    /// When TLS begins. Default [`TlsMode::None`].
    pub tls: TlsMode,
    /// The SASL mechanisms of AUTH, in the order in which they are shown; empty switches AUTH off. Shown are those that
    /// can be used: SCRAM and CRAM-MD5 only after [`Server::set_entropy`](crate::Server::set_entropy). Default empty.
    pub mechanisms: Vec<Mechanism>,
    /// Whether mechanisms that show the password are offered and taken without TLS. Default false.
    pub allow_plaintext_auth: bool,
    /// Whether EHLO shows the mechanisms a second time as `AUTH=…`, for clients older than RFC 4954's predecessor, which
    /// look for nothing else. Default false.
    pub broken_auth_clients: bool,
    /// Whether MAIL needs an AUTH before it (`530 5.7.0`). Default false; [`Protocol::Submission`] always does.
    pub auth_required: bool,
    /// Whether MAIL needs EHLO or HELO before it (`503 5.5.1`; RFC 5321 section 4.1.4 has it so). LMTP always needs LHLO. Default true.
    pub hello_required: bool,
    /// What no mail client says: `221 2.7.0` and the end, as for lines that look as if they were of a header. The methods of HTTP always
    /// end a session. Default none: neither words nor header lines do.
    pub forbidden_commands: Option<ForbiddenCommands>,
    /// Whether every reply of 5yz is said as 4yz, its enhanced code too: who tries a new server out loses no mail by what it refuses
    /// (`soft_bounce` of Postfix). Default false.
    pub soft_refusals: bool,
    /// What is done about a CR or an LF that stands alone in a message. Default [`DecodePolicy::Reject`].
    pub bare_line_ends: DecodePolicy,
    /// The same for a message that comes in chunks (BDAT), but for one of `BODY=BINARYMIME`: its octets are handed out
    /// as they are. Default [`DecodePolicy::Reject`].
    pub bare_line_ends_in_chunks: DecodePolicy,
    /// How strictly commands are read. Default [`Syntax::Lenient`].
    pub syntax: Syntax,
    /// What VRFY answers. Default [`VerifyMode::Noncommittal`].
    pub verify: VerifyMode,
    /// Whether EXPN asks the application ([`Expand`](super::Expand)) instead of `502 5.5.1`. Default false.
    pub expand: bool,
    /// Octets before the greeting, seen if [`Timeouts::greet_delay`] holds it back: `554` in its place and the end.
    /// Default [`Impatience::Refuse`].
    pub early_talker: Impatience,
    /// Commands behind the first EHLO or HELO in the same segment: the next command gets `503 5.5.0`.
    /// Default [`Impatience::Refuse`].
    pub pipelining_before_capability: Impatience,
    /// Octets behind DATA in the same segment, where the 354 was to be awaited (RFC 2920 section 3.1):
    /// `554 5.5.0` and the end. Default [`Impatience::Refuse`].
    pub pipelining_after_data: Impatience,
    /// Whether the application is asked about each command line before it is looked at ([`Command`](super::Command)).
    /// Default false.
    pub ask_commands: bool,
    /// Which extensions are offered.
    pub offer: Offer,
    /// Whether the `Received:` field says nothing of a client that has logged in: an author's whereabouts are nobody's
    /// business. Default false.
    pub trace_hides_submitter: bool,
    /// What a peer may have at most.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    hostname: ReplyText,
    greeting: Option<ReplyText>,
    origin: String,
}

impl Config {
    /// The defaults under a host name, which begins the greeting and every `421`.
    ///
    /// # Errors
    /// [`ReplyFault`] when the name is empty, too long, or not made of letters, digits, `.`, `-`, `_`, and for an
    /// address literal `[`, `]`, `:`.
    pub fn new(hostname: impl Into<String>) -> Result<Self, ReplyFault> {
        let hostname = hostname.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b);
        if hostname.is_empty() || !hostname.bytes().all(plain) {
            return Err(ReplyFault::Text);
        }
        if hostname.len() > DOMAIN_OCTETS_MAX {
            return Err(ReplyFault::LineTooLong);
        }
        Ok(Self {
            protocol: Protocol::Smtp,
            tls: TlsMode::None,
            mechanisms: Vec::new(),
            allow_plaintext_auth: false,
            broken_auth_clients: false,
            auth_required: false,
            hello_required: true,
            forbidden_commands: None,
            soft_refusals: false,
            bare_line_ends: DecodePolicy::Reject,
            bare_line_ends_in_chunks: DecodePolicy::Reject,
            syntax: Syntax::Lenient,
            verify: VerifyMode::Noncommittal,
            expand: false,
            early_talker: Impatience::Refuse,
            pipelining_before_capability: Impatience::Refuse,
            pipelining_after_data: Impatience::Refuse,
            ask_commands: false,
            offer: Offer::default(),
            trace_hides_submitter: false,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            origin: hostname.clone(),
            hostname: ReplyText::new(hostname)?,
            greeting: None,
        })
    }

    /// This host's name.
    pub fn hostname(&self) -> &str {
        self.hostname.as_str()
    }

    /// What the greeting says after `220` and the host name. Default `ESMTP Postroom`, of LMTP `LMTP Postroom`.
    pub fn greeting(&self) -> &str {
        match (&self.greeting, self.protocol) {
            (Some(text), _) => text.as_str(),
            (None, Protocol::Lmtp) => "LMTP Postroom",
            (None, _) => "ESMTP Postroom",
        }
    }

    /// Sets what the greeting says after the host name, which itself cannot be left out (RFC 5321 section 4.2:
    /// the greeting begins with it).
    ///
    /// # Errors
    /// [`ReplyFault`] when the text cannot stand in a reply beside the host name.
    pub fn set_greeting(&mut self, text: impl Into<String>) -> Result<(), ReplyFault> {
        let text = ReplyText::new(text.into())?;
        if text.as_str().len() > GREETING_OCTETS_MAX {
            return Err(ReplyFault::LineTooLong);
        }
        self.greeting = Some(text);
        Ok(())
    }

    /// The domain that completes a mailbox without one, see [`Syntax::Lenient`]. Default: the host name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sets the domain that completes a mailbox without one.
    ///
    /// # Errors
    /// What [`AddressError`] says of domains and literals.
    pub fn set_origin(&mut self, domain: impl Into<String>) -> Result<(), AddressError> {
        let domain = domain.into();
        Domain::parse(domain.as_bytes(), AddressSyntax { lenient: true, ..AddressSyntax::STRICT })?;
        self.origin = domain;
        Ok(())
    }

    /// Whether PIPELINING is offered: over LMTP it must be (RFC 2033 section 5).
    pub fn is_pipelining(&self) -> bool {
        self.offer.pipelining || self.protocol == Protocol::Lmtp
    }

    /// Whether MAIL needs an AUTH before it.
    pub fn is_auth_required(&self) -> bool {
        self.auth_required || self.protocol == Protocol::Submission
    }
}

/// RFC 5321 section 4.5.3.1.2.
const DOMAIN_OCTETS_MAX: usize = 255;

/// So that code, host name, greeting and CR LF stay within a reply line.
pub(super) const GREETING_OCTETS_MAX: usize = 240;

//! What is known when a decision is due.

use proto_core::TlsInfo;
use proto_core::address::{ForwardPath, ReversePath};
use std::net::IpAddr;

/// What kind of listener the client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// Mail from other servers, and from our networks.
    Smtp,
    /// Mail from our users, who log in (RFC 6409).
    Submission,
    /// Mail handed over by another server of ours for our mailboxes (RFC 2033).
    Lmtp,
}

/// The facts of a session and of the message under way, filled in as they become known.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The client's address.
    pub client: IpAddr,
    /// The TLS session, once there is one.
    pub tls: Option<TlsInfo>,
    /// What the client called itself in HELO, EHLO or LHLO.
    pub helo: Option<String>,
    /// The name the client has logged in with.
    pub login: Option<String>,
    /// The SASL mechanism of the login (`sasl_method` of Postfix).
    pub sasl_method: Option<&'static str>,
    /// The sender of the message under way.
    pub sender: Option<ReversePath>,
}

impl Request {
    /// A client of which only the address is known.
    pub fn new(client: IpAddr) -> Self {
        Self { client, tls: None, helo: None, login: None, sasl_method: None, sender: None }
    }
}

/// The moment of a session that a decision is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage<'a> {
    /// The connection, before the greeting.
    Connect,
    /// HELO, EHLO or LHLO.
    Helo,
    /// MAIL.
    Mail,
    /// RCPT, with the recipient asked for.
    Rcpt(&'a ForwardPath),
    /// VRFY, with the address asked for; decided as RCPT is.
    Vrfy(&'a ForwardPath),
    /// DATA, or the first BDAT.
    Data,
    /// The end of the message.
    EndOfMessage,
}

impl<'a> Stage<'a> {
    /// The recipient that is asked for.
    pub(crate) fn recipient(self) -> Option<&'a ForwardPath> {
        match self {
            Self::Rcpt(recipient) | Self::Vrfy(recipient) => Some(recipient),
            _ => None,
        }
    }
}

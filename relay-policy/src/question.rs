//! What an evaluation needs to know, and the answers.

use crate::delegation::Attributes;
use proto_core::Backend;
use std::net::IpAddr;

/// Something that only the application can find out.
///
/// Within one evaluation, equal questions have equal answers. Beyond that, answers about the DNS, tables and addresses may be
/// remembered for as long as they hold; those of policy services never, since a service counts how often it is asked
/// (greylists, quotas).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// The records of a name; answered by [`Answer::Records`].
    Dns {
        /// The name, without a dot at its end.
        name: String,
        /// Which records.
        kind: RecordKind,
    },
    /// What stands beside a key of a table that is not in memory; answered by [`Answer::Found`].
    Lookup {
        /// The table's name, with its type.
        table: String,
        /// The key.
        key: String,
    },
    /// What a policy service says; answered by [`Answer::Action`]. Trying again is the application's matter; what is to be
    /// done when nobody answers is not.
    Policy {
        /// Who is asked.
        service: PolicyService,
        /// What it is asked.
        attributes: Attributes,
    },
    /// Whether mail for an address would be taken where it goes; answered by [`Answer::Verified`].
    Verify {
        /// The address, in external form.
        address: String,
    },
}

/// What came of asking whether mail for an address would be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// It would.
    Deliverable,
    /// It would not, for this reason.
    Undeliverable(String),
    /// It is not known yet, for this reason.
    Unknown(String),
}

/// A policy service, as a list of restrictions names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PolicyService {
    /// `unix:path` or `inet:host:port`; or [`greylist::SERVICE`](crate::greylist::SERVICE).
    pub server: String,
    /// What is said of this service besides, by its names in Postfix: `timeout`, `try_limit` and their like.
    pub options: Vec<(String, String)>,
}

/// A kind of DNS record (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchanges.
    Mx,
    /// Name servers.
    Ns,
    /// Names of an address.
    Ptr,
    /// Texts.
    Txt,
}

/// The data of a DNS record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of MX; an empty exchange is that of a domain without mail (RFC 7505 section 3).
    Mx {
        /// Lower ones are tried first.
        preference: u16,
        /// The host, without a dot at its end.
        exchange: String,
    },
    /// Of NS and PTR, without a dot at its end.
    Name(String),
    /// Of TXT, its strings joined.
    Text(String),
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The records that are there; none where the name does not exist or has none of the kind.
    Records(Vec<Record>),
    /// The text beside a key, if it is there.
    Found(Option<String>),
    /// What a policy service wants to be done: what may stand in an access table.
    Action(String),
    /// Whether mail for an address would be taken.
    Verified(Verification),
    /// It could not be found out. Either kind of failure gives a temporary refusal: nobody's mail is bounced because a
    /// lookup of ours failed.
    Failed(Backend),
}

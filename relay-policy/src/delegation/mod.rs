//! The policy delegation protocol of Postfix: a server asks another program what to do with a client, a sender, a recipient.
//!
//! A question and an answer have the same form, lines of `name=value` and an empty line at the end, and take turns on one
//! connection. So one [`Attributes`] and one [`Reader`] serve both sides: a mail server writes a question ([`question`]) and
//! reads the answer ([`action`]); a policy server, which may be asked by Postfix, reads the question and writes [`answer`].
//! Nothing here opens a connection or waits: the caller hands in what came and sends what it is given. [`Server`] is the whole
//! side of a policy server, as a [`Machine`](proto_core::Machine); an [`Inquiry`] is a question as our own lists are asked it, and
//! [`Outcome::action`](crate::access::Outcome::action) what they say.
//!
//! ```
//! use relay_policy::delegation::{self, Attributes, Reader};
//!
//! // The mail server.
//! let mut asked = delegation::question();
//! asked.set("protocol_state", "RCPT")?;
//! asked.set("recipient", "bob@example.com")?;
//! let mut wire = Vec::new();
//! asked.write_to(&mut wire);
//! // The policy server.
//! let mut reader = Reader::new();
//! let (taken, question) = reader.read(&wire)?;
//! let question = question.expect("it was sent whole");
//! assert_eq!((taken, question.value("recipient")), (wire.len(), "bob@example.com"));
//! let mut reply = Vec::new();
//! delegation::answer("DEFER_IF_PERMIT Service temporarily unavailable")?.write_to(&mut reply);
//! assert_eq!(reply, b"action=DEFER_IF_PERMIT Service temporarily unavailable\n\n");
//! // The mail server again.
//! let (_, reply) = Reader::new().read(&reply)?;
//! assert_eq!(delegation::action(&reply.expect("whole, too"))?, "DEFER_IF_PERMIT Service temporarily unavailable");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! The octets of a question or an answer, [`MESSAGE_BYTES_MAX`], and its attributes, [`ATTRIBUTES_MAX`].
//!
//! # Departures
//! From Postfix: a line may end in CR LF, and of two attributes of one name the first counts and the second is a fault, since
//! whoever wrote it may have been made to. A policy server that cannot answer closes the connection; there is no answer for that.

mod attributes;
mod inquiry;
mod limits;
mod reader;
mod server;

pub use attributes::{Attributes, BadAttribute};
pub use inquiry::{BadInquiry, Inquiry};
pub use limits::ServiceLimits;
pub use reader::Reader;
pub use server::{Asked, Event, Server, Timeouts, Verdict};

use std::fmt::{self, Display};

/// So many octets may a question or an answer have, its line ends counted. What Postfix sends stays far below: the longest
/// of its values is an address or a certificate's name.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// So many attributes may a question or an answer have. Postfix sends about forty.
pub const ATTRIBUTES_MAX: usize = 256;

/// What every question's `request` is.
const REQUEST: &str = "smtpd_access_policy";

/// What came is no question or no answer. The connection is of no use any more: whoever asked tries another one, or takes what
/// is configured for the case; a policy server closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationError {
    /// A line without `=`, or with nothing before it.
    NoAttribute,
    /// An octet that no attribute may have (NUL), or text that is not UTF-8.
    BadText,
    /// The same attribute twice.
    Twice(String),
    /// More than [`MESSAGE_BYTES_MAX`] octets or [`ATTRIBUTES_MAX`] attributes.
    TooLarge,
    /// A question whose `request` is not `smtpd_access_policy`, or that has none.
    NotAccessPolicy,
    /// An answer without `action`, or with an empty one.
    NoAction,
}

impl Display for DelegationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAttribute => f.write_str("policy delegation: a line is not name=value"),
            Self::BadText => f.write_str("policy delegation: a value has NUL in it or is not UTF-8"),
            Self::Twice(name) => write!(f, "policy delegation: {name} is there twice"),
            Self::TooLarge => write!(
                f,
                "policy delegation: more than {MESSAGE_BYTES_MAX} octets or {ATTRIBUTES_MAX} attributes without an end"
            ),
            Self::NotAccessPolicy => write!(f, "policy delegation: a question that is not request={REQUEST}"),
            Self::NoAction => f.write_str("policy delegation: an answer without action=…"),
        }
    }
}

impl std::error::Error for DelegationError {}

/// A question, to be filled with what is known; what is not known may be left out.
pub fn question() -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("request", REQUEST).expect("invariant: a plain word");
    attributes
}

/// Checks that attributes which a policy server read are a question of this protocol.
///
/// # Errors
/// [`DelegationError::NotAccessPolicy`].
pub fn check_question(attributes: &Attributes) -> Result<(), DelegationError> {
    if attributes.value("request") == REQUEST { Ok(()) } else { Err(DelegationError::NotAccessPolicy) }
}

/// An answer: what stands on the right-hand side of an access table.
///
/// # Errors
/// [`BadAttribute`] when the action is empty, or has a line break or NUL in it.
pub fn answer(action: &str) -> Result<Attributes, BadAttribute> {
    let mut attributes = Attributes::default();
    if action.trim().is_empty() {
        return Err(BadAttribute);
    }
    attributes.set("action", action)?;
    Ok(attributes)
}

/// The action of an answer.
///
/// # Errors
/// [`DelegationError::NoAction`].
pub fn action(attributes: &Attributes) -> Result<&str, DelegationError> {
    match attributes.value("action").trim() {
        "" => Err(DelegationError::NoAction),
        action => Ok(action),
    }
}

//! Mail addresses as SMTP's envelope carries them.
//!
//! RFC 5321 section 4.1.2 (paths, mailboxes, local parts), section 4.1.3 (address literals), and with
//! [`AddressSyntax::utf8`] RFC 6531 section 3.3. A value of these types can stand on the wire: it holds no control
//! character, keeps the limits below, and its `Display` form parses to the same value.
//!
//! ```
//! use proto_core::address::{AddressSyntax, ForwardPath};
//!
//! let line = br#"<@relay.test:"john doe"@example.test> NOTIFY=NEVER"#;
//! let (path, rest) = ForwardPath::parse_prefix(line, AddressSyntax::STRICT)?;
//! assert_eq!(path.to_string(), r#"<"john doe"@example.test>"#);
//! assert_eq!(rest, b" NOTIFY=NEVER");
//! # Ok::<(), proto_core::address::AddressError>(())
//! ```
//!
//! What is asked of every line of a client is read without copying it: [`ForwardPath::read_prefix`] and
//! [`MailboxRef`] lie where they were read, checked in full; who keeps one makes an owned one of it.
//!
//! # Limits
//! A local part has at most 64 octets, a domain 255, a path 256 with its brackets (RFC 5321 section 4.5.3.1.1 to
//! 4.5.3.1.3). The local part is counted without quotes and backslashes; a lenient one is bounded by its path alone. A
//! label of a domain has at most 63 (RFC 1035 section 2.3.4).
//!
//! # Departures
//! Source routes are read and dropped, as section 4.1.2 advises. What [`AddressSyntax::lenient`] accepts beyond the
//! grammar is written there. C1 control characters are refused, though RFC 6531 does not exclude them.

mod domain;
mod literal;
mod local_part;
mod mailbox;
mod mailbox_ref;
mod path;
mod run;

#[cfg(test)]
mod tests;

pub use domain::{Domain, DomainName};
pub use literal::GeneralLiteral;
pub use local_part::LocalPart;
pub use mailbox::Mailbox;
pub use mailbox_ref::MailboxRef;
pub use path::{ForwardPath, ReversePath};

/// Which addresses are accepted where octets are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressSyntax {
    /// Non-ASCII UTF-8 in local parts and domains: the client said SMTPUTF8 (RFC 6531 section 3.3).
    pub utf8: bool,
    /// Accept what is wrong, seen in the wild, and unambiguous: a path without angle brackets; dots at either end of
    /// a local part or side by side; the underscore in domains; local parts of more than 64 octets, as senders make
    /// them that write the recipient into the bounce address.
    pub lenient: bool,
}

impl AddressSyntax {
    /// RFC 5321 to the letter.
    pub const STRICT: Self = Self { utf8: false, lenient: false };
}

/// Why octets are no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The angle brackets around a path are missing, or something stands where `>` should.
    #[error("angle brackets missing or misplaced")]
    Brackets,
    /// A path is null, `<>`, where that is not allowed.
    #[error("null path")]
    NullPath,
    /// The local part breaks the grammar, a control character in it included.
    #[error("malformed local part")]
    LocalPart,
    /// There is no `@` and no domain.
    #[error("domain missing")]
    NoDomain,
    /// The domain breaks the grammar.
    #[error("malformed domain")]
    Domain,
    /// The address literal breaks the grammar.
    #[error("malformed address literal")]
    Literal,
    /// The source route breaks the grammar.
    #[error("malformed source route")]
    Route,
    /// Octets above 127 without [`AddressSyntax::utf8`].
    #[error("address is not ASCII")]
    NonAscii,
    /// Octets above 127 that are not UTF-8.
    #[error("malformed UTF-8")]
    Utf8,
    /// More octets of local part than there may be.
    #[error("local part too long")]
    LocalPartTooLong,
    /// More than 255 octets of domain.
    #[error("domain too long")]
    DomainTooLong,
    /// More than 256 octets of path.
    #[error("path too long")]
    PathTooLong,
}

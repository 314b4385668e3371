//! A mailbox: who, where.

use super::mailbox_ref::SURELY_FITS_OCTETS;
use super::{AddressError, AddressSyntax, Domain, LocalPart, MailboxRef, path};
use core::fmt::{self, Display, Write as _};
use core::hash::{Hash, Hasher};
use core::str::FromStr;

/// `local-part@domain`, RFC 5321 section 4.1.2.
///
/// Two are equal that have the same parts, whether or not the domain was written ([`Mailbox::is_completed`]).
#[derive(Debug, Clone)]
pub struct Mailbox {
    local_part: LocalPart,
    domain: Domain,
    completed: bool,
}

impl Mailbox {
    /// Joins the two parts.
    ///
    /// # Errors
    /// [`AddressError::PathTooLong`] when the written form would be too long for a path.
    pub fn new(local_part: LocalPart, domain: Domain) -> Result<Self, AddressError> {
        let mailbox = Self::from_parts(local_part, domain);
        let name_octets = mailbox.domain.name().map(|name| name.as_str().len());
        let octets = name_octets.map(|octets| mailbox.local_part.as_str().len() + octets);
        let surely_fits = octets.is_some_and(|octets| octets <= SURELY_FITS_OCTETS);
        if surely_fits || mailbox.written_len() + "<>".len() <= path::OCTETS_MAX {
            Ok(mailbox)
        } else {
            Err(AddressError::PathTooLong)
        }
    }

    /// Of parts that are not too long together.
    pub(super) fn from_parts(local_part: LocalPart, domain: Domain) -> Self {
        Self { local_part, domain, completed: false }
    }

    /// The same, written without its domain.
    pub(super) fn completed(self) -> Self {
        Self { completed: true, ..self }
    }

    /// Parses an address without angle brackets, and nothing after it.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse(input: &[u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        MailboxRef::parse(input, syntax).map(Self::from)
    }

    /// The length of the written form.
    pub(super) fn written_len(&self) -> usize {
        let mut length = Length(0);
        // `Length` accepts everything.
        let _ = fmt::write(&mut length, format_args!("{self}"));
        length.0
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &LocalPart {
        &self.local_part
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether it was written without a domain, and whoever read it put one there
    /// ([`ForwardPath::read_prefix`](super::ForwardPath::read_prefix)).
    pub fn is_completed(&self) -> bool {
        self.completed
    }

    /// As it was written: without a domain that was put there.
    pub fn as_written(&self) -> impl Display {
        AsWritten(self)
    }

    /// Both parts.
    pub fn into_parts(self) -> (LocalPart, Domain) {
        (self.local_part, self.domain)
    }

    /// Whether it can only travel where SMTPUTF8 is offered (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !(self.local_part.as_str().is_ascii()
            && self.domain.name().is_none_or(|name| name.as_str().is_ascii()))
    }
}

impl Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.local_part.fmt(f)?;
        f.write_char('@')?;
        self.domain.fmt(f)
    }
}

impl PartialEq for Mailbox {
    fn eq(&self, other: &Self) -> bool {
        (&self.local_part, &self.domain) == (&other.local_part, &other.domain)
    }
}

impl Eq for Mailbox {}

impl Hash for Mailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.local_part, &self.domain).hash(state);
    }
}

struct AsWritten<'a>(&'a Mailbox);

impl Display for AsWritten<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.completed { self.0.local_part.fmt(f) } else { self.0.fmt(f) }
    }
}

/// Strict, with UTF-8: what a program's own configuration would say.
impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(s: &str) -> Result<Self, AddressError> {
        Self::parse(s.as_bytes(), AddressSyntax { utf8: true, lenient: false })
    }
}

/// Counts what is written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0 += s.len();
        Ok(())
    }
}

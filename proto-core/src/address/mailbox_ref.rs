//! A mailbox that has been read, and not copied.

use super::run::text_of;
use super::{AddressError, AddressSyntax, Domain, LocalPart, Mailbox, path};
use core::fmt::{self, Display};

/// `local-part@domain` where it was read, checked: RFC 5321 section 4.1.2. [`Mailbox`] is made of it without fault.
///
/// Two that are written in different ways may mean the same, so that these cannot be compared.
#[derive(Clone, Copy)]
pub struct MailboxRef<'a> {
    local_part: &'a [u8],
    domain: &'a [u8],
    /// The domain was not written.
    completed: bool,
}

impl<'a> MailboxRef<'a> {
    /// Reads an address without angle brackets, and nothing after it.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse(input: &'a [u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        let (local_part, rest) = input.split_at(LocalPart::scan(input, syntax)?);
        match rest {
            [b'@', domain @ ..] if Domain::scan(domain, syntax)? == domain.len() => {
                Self::from_scanned(local_part, domain)
            }
            [b'@', ..] => Err(AddressError::Domain),
            [] => Err(AddressError::NoDomain),
            _ => Err(AddressError::LocalPart),
        }
    }

    /// Of what [`LocalPart::scan`] and [`Domain::scan`] have passed over.
    #[inline]
    pub(super) fn from_scanned(local_part: &'a [u8], domain: &'a [u8]) -> Result<Self, AddressError> {
        let mailbox = Self { local_part, domain, completed: false };
        let surely_fits = local_part.len() + domain.len() <= SURELY_FITS_OCTETS;
        if surely_fits || mailbox.fits() { Ok(mailbox) } else { Err(AddressError::PathTooLong) }
    }

    /// The same, written without its domain.
    pub(super) fn completed(self) -> Self {
        Self { completed: true, ..self }
    }

    /// What is quoted differently, or written in full, may be longer than it was.
    #[cold]
    fn fits(self) -> bool {
        Mailbox::from(self).written_len() + "<>".len() <= path::OCTETS_MAX
    }

    /// The part before the `@` as it is written, with quotes where there are any.
    pub fn local_part(&self) -> &'a str {
        text_of(self.local_part)
    }

    /// The part after the `@` as it is written: a domain name, or an address literal with its brackets.
    pub fn domain(&self) -> &'a str {
        text_of(self.domain)
    }

    /// Whether it can only travel where SMTPUTF8 is offered (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !(self.local_part.is_ascii() && self.domain.is_ascii())
    }
}

impl From<MailboxRef<'_>> for Mailbox {
    fn from(mailbox: MailboxRef<'_>) -> Self {
        let (local_part, domain) =
            (LocalPart::from_scanned(mailbox.local_part), Domain::from_scanned(mailbox.domain));
        let read = Self::from_parts(local_part, domain);
        if mailbox.completed { read.completed() } else { read }
    }
}

impl fmt::Debug for MailboxRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailboxRef")
            .field("local_part", &self.local_part())
            .field("domain", &self.domain())
            .finish()
    }
}

/// As it was read.
impl Display for MailboxRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part(), self.domain())
    }
}

/// Whatever has no more fits into a path in its written form: quoting at most doubles a local part and adds two, and no
/// address has more than 47 octets in brackets.
pub(super) const SURELY_FITS_OCTETS: usize = 100;

//! A mailbox that has been read, and not copied.

use super::scanner::Scanner;
use super::{AddressError, AddressSyntax, Domain, LocalPart, Mailbox, path};
use core::fmt::{self, Display};

/// `local-part@domain` where it was read, checked: RFC 5321 section 4.1.2. [`Mailbox`] is made of it without fault.
///
/// Two that are written in different ways may mean the same, so that these cannot be compared.
#[derive(Debug, Clone, Copy)]
pub struct MailboxRef<'a> {
    local_part: &'a str,
    domain: &'a str,
}

impl<'a> MailboxRef<'a> {
    /// Reads an address without angle brackets, and nothing after it.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse(input: &'a [u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        let mut scanner = Scanner::new(input, syntax);
        LocalPart::scan(&mut scanner)?;
        let at_sign = scanner.at();
        if !scanner.eat(b'@') {
            let error = if scanner.is_at_end() { AddressError::NoDomain } else { AddressError::LocalPart };
            return Err(error);
        }
        Domain::scan(&mut scanner)?;
        if !scanner.is_at_end() {
            return Err(AddressError::Domain);
        }
        let (local_part, domain) = scanner.text(0..scanner.at()).split_at(at_sign);
        Self::from_scanned(local_part, &domain["@".len()..])
    }

    /// Of what [`LocalPart::scan`] and [`Domain::scan`] have passed.
    pub(super) fn from_scanned(local_part: &'a str, domain: &'a str) -> Result<Self, AddressError> {
        let mailbox = Self { local_part, domain };
        // What is quoted differently, or written in full, may be longer than it was.
        let surely_fits = local_part.len() + domain.len() <= SURELY_FITS_OCTETS;
        if surely_fits || Mailbox::from(mailbox).written_len() + "<>".len() <= path::OCTETS_MAX {
            Ok(mailbox)
        } else {
            Err(AddressError::PathTooLong)
        }
    }

    /// The part before the `@` as it is written, with quotes where there are any.
    pub fn local_part(&self) -> &'a str {
        self.local_part
    }

    /// The part after the `@` as it is written: a domain name, or an address literal with its brackets.
    pub fn domain(&self) -> &'a str {
        self.domain
    }

    /// Whether it can only travel where SMTPUTF8 is offered (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !(self.local_part.is_ascii() && self.domain.is_ascii())
    }
}

impl From<MailboxRef<'_>> for Mailbox {
    fn from(mailbox: MailboxRef<'_>) -> Self {
        Self::from_parts(LocalPart::from_scanned(mailbox.local_part), Domain::from_scanned(mailbox.domain))
    }
}

/// As it was read.
impl Display for MailboxRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part, self.domain)
    }
}

/// Whatever has no more fits into a path in its written form: quoting at most doubles a local part and adds two, and no
/// address has more than 47 octets in brackets.
const SURELY_FITS_OCTETS: usize = 100;

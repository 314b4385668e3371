//! A mailbox: who, where.

use super::scanner::Scanner;
use super::{AddressError, AddressSyntax, Domain, LocalPart, path};
use core::fmt::{self, Display};
use core::str::FromStr;

/// `local-part@domain`, RFC 5321 section 4.1.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local_part: LocalPart,
    domain: Domain,
}

impl Mailbox {
    /// Joins the two parts.
    ///
    /// # Errors
    /// [`AddressError::PathTooLong`] when the written form would be too long for a path.
    pub fn new(local_part: LocalPart, domain: Domain) -> Result<Self, AddressError> {
        let domain_len = domain.name().map_or_else(
            || {
                let mut length = Length(0);
                // `Length` accepts everything.
                let _ = fmt::write(&mut length, format_args!("{domain}"));
                length.0
            },
            |name| name.as_str().len(),
        );
        let fits = |local_len| b"<@>".len() + local_len + domain_len <= path::OCTETS_MAX;
        // Most are so short that what has to be quoted in them makes no difference.
        if fits(local_part.written_len_max()) || fits(local_part.written_len()) {
            Ok(Self { local_part, domain })
        } else {
            Err(AddressError::PathTooLong)
        }
    }

    /// Parses an address without angle brackets, and nothing after it.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse(input: &[u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        let mut scanner = Scanner::new(input, syntax);
        let local_part = LocalPart::scan(&mut scanner)?;
        if !scanner.eat(b'@') {
            let error = if scanner.is_at_end() { AddressError::NoDomain } else { AddressError::LocalPart };
            return Err(error);
        }
        let domain = Domain::scan(&mut scanner)?;
        if scanner.is_at_end() { Self::new(local_part, domain) } else { Err(AddressError::Domain) }
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &LocalPart {
        &self.local_part
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
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
        write!(f, "{}@{}", self.local_part, self.domain)
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

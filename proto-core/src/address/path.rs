//! The paths of an envelope: what follows `MAIL FROM:` and `RCPT TO:`.

use super::scanner::Scanner;
use super::{AddressError, AddressSyntax, Domain, DomainName, LocalPart, Mailbox};
use core::fmt::{self, Display};

/// The most octets of a path, its brackets and source route counted: RFC 5321 section 4.5.3.1.3.
pub(super) const OCTETS_MAX: usize = 256;

/// Where a message comes from, and where failures are reported: RFC 5321 section 4.1.1.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: a report that must not itself be answered with a report.
    Null,
    /// A mailbox.
    Mailbox(Mailbox),
}

/// Whom a message is for: RFC 5321 section 4.1.1.3.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, in any case: this server's own.
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Parses the path at the front of `input`; returns it and the octets after it, which are for the caller to check:
    /// nothing, or a space and parameters.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse_prefix(input: &[u8], syntax: AddressSyntax) -> Result<(Self, &[u8]), AddressError> {
        let (path, rest) = scan(input, syntax)?;
        match path {
            Scanned::Null => Ok((Self::Null, rest)),
            Scanned::Mailbox(mailbox) => Ok((Self::Mailbox(mailbox), rest)),
            Scanned::LocalPart(_) => Err(AddressError::NoDomain),
        }
    }

    /// The mailbox, if the path is not null.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl ForwardPath {
    /// Parses the path at the front of `input`; returns it and the octets after it, which are for the caller to check:
    /// nothing, or a space and parameters.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse_prefix(input: &[u8], syntax: AddressSyntax) -> Result<(Self, &[u8]), AddressError> {
        let (path, rest) = scan(input, syntax)?;
        match path {
            Scanned::Null => Err(AddressError::NullPath),
            Scanned::Mailbox(mailbox) => Ok((Self::Mailbox(mailbox), rest)),
            Scanned::LocalPart(local) if local.as_str().eq_ignore_ascii_case("postmaster") => {
                Ok((Self::Postmaster, rest))
            }
            Scanned::LocalPart(_) => Err(AddressError::NoDomain),
        }
    }

    /// The mailbox, if the path is not the bare postmaster.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

enum Scanned {
    Null,
    LocalPart(LocalPart),
    Mailbox(Mailbox),
}

fn scan(input: &[u8], syntax: AddressSyntax) -> Result<(Scanned, &[u8]), AddressError> {
    let mut scanner = Scanner::new(input, syntax);
    let in_brackets = scanner.eat(b'<');
    if !in_brackets && !syntax.lenient {
        return Err(AddressError::Brackets);
    }
    if in_brackets && scanner.eat(b'>') {
        return Ok((Scanned::Null, scanner.rest()));
    }
    route(&mut scanner)?;
    let local_part = LocalPart::scan(&mut scanner)?;
    let domain = if scanner.eat(b'@') { Some(Domain::scan(&mut scanner)?) } else { None };
    if in_brackets {
        if !scanner.eat(b'>') {
            return Err(misplaced(&scanner, domain.is_some()));
        }
    } else if !matches!(scanner.rest(), [] | [b' ', ..]) {
        return Err(misplaced(&scanner, domain.is_some()));
    }
    if scanner.at() > OCTETS_MAX {
        return Err(AddressError::PathTooLong);
    }
    let path = match domain {
        None => Scanned::LocalPart(local_part),
        Some(domain) => Scanned::Mailbox(Mailbox::new(local_part, domain)?),
    };
    Ok((path, scanner.rest()))
}

/// What is wrong when something stands where a path should end.
fn misplaced(scanner: &Scanner<'_>, in_domain: bool) -> AddressError {
    match scanner.rest() {
        [] | [b' ', ..] => AddressError::Brackets,
        _ if in_domain => AddressError::Domain,
        _ => AddressError::LocalPart,
    }
}

/// Passes over a source route: `@a,@b:`.
fn route(scanner: &mut Scanner<'_>) -> Result<(), AddressError> {
    if !scanner.eat(b'@') {
        return Ok(());
    }
    loop {
        DomainName::scan(scanner)?;
        if scanner.eat(b':') {
            return Ok(());
        }
        if !(scanner.eat(b',') && scanner.eat(b'@')) {
            return Err(AddressError::Route);
        }
    }
}

impl Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

impl Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

//! The paths of an envelope: what follows `MAIL FROM:` and `RCPT TO:`.

use super::scanner::Scanner;
use super::{AddressError, AddressSyntax, Domain, DomainName, LocalPart, Mailbox, MailboxRef};
use core::fmt::{self, Display};

/// The most octets of a path, its brackets and source route counted: RFC 5321 section 4.5.3.1.3.
pub(super) const OCTETS_MAX: usize = 256;

/// Where a message comes from, and where failures are reported: RFC 5321 section 4.1.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReversePath<M = Mailbox> {
    /// `<>`: a report that must not itself be answered with a report.
    Null,
    /// A mailbox.
    Mailbox(M),
}

/// Whom a message is for: RFC 5321 section 4.1.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardPath<M = Mailbox> {
    /// `<Postmaster>` without a domain, in any case: this server's own.
    Postmaster,
    /// A mailbox.
    Mailbox(M),
}

impl ReversePath {
    /// Parses the path at the front of `input`; returns it and the octets after it, which are for the caller to check:
    /// nothing, or a space and parameters.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    pub fn parse_prefix(input: &[u8], syntax: AddressSyntax) -> Result<(Self, &[u8]), AddressError> {
        ReversePath::read_prefix(input, syntax, None).map(|(path, rest)| (path.into_owned(), rest))
    }
}

impl<'a> ReversePath<MailboxRef<'a>> {
    /// [`Self::parse_prefix`] without copying the path. A mailbox without a domain gets `origin`, if there is one: a domain, as it
    /// would be written.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    #[inline]
    pub fn read_prefix(
        input: &'a [u8],
        syntax: AddressSyntax,
        origin: Option<&'a str>,
    ) -> Result<(Self, &'a [u8]), AddressError> {
        let (path, rest) = scan(input, syntax)?;
        match path {
            Scanned::Null => Ok((Self::Null, rest)),
            Scanned::Mailbox(mailbox) => Ok((Self::Mailbox(mailbox), rest)),
            Scanned::LocalPart(local_part) => {
                let octets = input.len() - rest.len();
                complete(local_part, octets, origin, syntax).map(|mailbox| (Self::Mailbox(mailbox), rest))
            }
        }
    }

    /// The path, copied.
    pub fn into_owned(self) -> ReversePath {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Mailbox(mailbox.into()),
        }
    }
}

impl<M> ReversePath<M> {
    /// The mailbox, if the path is not null.
    pub fn mailbox(&self) -> Option<&M> {
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
        ForwardPath::read_prefix(input, syntax, None).map(|(path, rest)| (path.into_owned(), rest))
    }
}

impl<'a> ForwardPath<MailboxRef<'a>> {
    /// [`Self::parse_prefix`] without copying the path. A mailbox without a domain, but for the postmaster, gets `origin`, if there
    /// is one: a domain, as it would be written.
    ///
    /// # Errors
    /// What [`AddressError`] says.
    #[inline]
    pub fn read_prefix(
        input: &'a [u8],
        syntax: AddressSyntax,
        origin: Option<&'a str>,
    ) -> Result<(Self, &'a [u8]), AddressError> {
        let (path, rest) = scan(input, syntax)?;
        match path {
            Scanned::Null => Err(AddressError::NullPath),
            Scanned::Mailbox(mailbox) => Ok((Self::Mailbox(mailbox), rest)),
            Scanned::LocalPart(local_part) if is_postmaster(local_part) => Ok((Self::Postmaster, rest)),
            Scanned::LocalPart(local_part) => {
                let octets = input.len() - rest.len();
                complete(local_part, octets, origin, syntax).map(|mailbox| (Self::Mailbox(mailbox), rest))
            }
        }
    }

    /// The path, copied.
    pub fn into_owned(self) -> ForwardPath {
        match self {
            Self::Postmaster => ForwardPath::Postmaster,
            Self::Mailbox(mailbox) => ForwardPath::Mailbox(mailbox.into()),
        }
    }
}

impl<M> ForwardPath<M> {
    /// The mailbox, if the path is not the bare postmaster.
    pub fn mailbox(&self) -> Option<&M> {
        match self {
            Self::Postmaster => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

enum Scanned<'a> {
    Null,
    LocalPart(&'a str),
    Mailbox(MailboxRef<'a>),
}

fn scan(input: &[u8], syntax: AddressSyntax) -> Result<(Scanned<'_>, &[u8]), AddressError> {
    let mut scanner = Scanner::new(input, syntax);
    let in_brackets = scanner.eat(b'<');
    if !in_brackets && !syntax.lenient {
        return Err(AddressError::Brackets);
    }
    if in_brackets && scanner.eat(b'>') {
        return Ok((Scanned::Null, scanner.rest()));
    }
    route(&mut scanner)?;
    let start = scanner.at();
    LocalPart::scan(&mut scanner)?;
    let at_sign = scanner.at();
    let has_domain = scanner.eat(b'@');
    if has_domain {
        Domain::scan(&mut scanner)?;
    }
    let end = scanner.at();
    let ends_well = if in_brackets { scanner.eat(b'>') } else { matches!(scanner.rest(), [] | [b' ', ..]) };
    if !ends_well {
        return Err(misplaced(&scanner, has_domain));
    }
    if scanner.at() > OCTETS_MAX {
        return Err(AddressError::PathTooLong);
    }
    let (local_part, domain) = scanner.text(start..end).split_at(at_sign - start);
    let path = if has_domain {
        Scanned::Mailbox(MailboxRef::from_scanned(local_part, &domain["@".len()..])?)
    } else {
        Scanned::LocalPart(local_part)
    };
    Ok((path, scanner.rest()))
}

fn is_postmaster(local_part: &str) -> bool {
    LocalPart::from_scanned(local_part).as_str().eq_ignore_ascii_case("postmaster")
}

/// A mailbox that was written without a domain, in a path of so many octets.
#[cold]
fn complete<'a>(
    local_part: &'a str,
    octets: usize,
    origin: Option<&'a str>,
    syntax: AddressSyntax,
) -> Result<MailboxRef<'a>, AddressError> {
    let mut scanner = Scanner::new(origin.ok_or(AddressError::NoDomain)?.as_bytes(), syntax);
    Domain::scan(&mut scanner)?;
    if !scanner.is_at_end() {
        return Err(AddressError::Domain);
    }
    if octets + "@".len() + scanner.at() > OCTETS_MAX {
        return Err(AddressError::PathTooLong);
    }
    MailboxRef::from_scanned(local_part, scanner.text(0..scanner.at()))
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

impl<M: Display> Display for ReversePath<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

impl<M: Display> Display for ForwardPath<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

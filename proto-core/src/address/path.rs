//! The paths of an envelope: what follows `MAIL FROM:` and `RCPT TO:`.

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
    LocalPart(&'a [u8]),
    Mailbox(MailboxRef<'a>),
}

#[inline(always)]
fn scan(input: &[u8], syntax: AddressSyntax) -> Result<(Scanned<'_>, &[u8]), AddressError> {
    let (in_brackets, path) = match input {
        [b'<', b'>', rest @ ..] => return Ok((Scanned::Null, rest)),
        [b'<', path @ ..] => (true, path),
        path => (false, path),
    };
    if !in_brackets && !syntax.lenient {
        return Err(AddressError::Brackets);
    }
    let mailbox = if path.first() == Some(&b'@') { &path[route(path, syntax)?..] } else { path };
    let (local_part, mut rest) = mailbox.split_at(LocalPart::scan(mailbox, syntax)?);
    let mut domain = None;
    if let [b'@', after @ ..] = rest {
        let (scanned, after) = after.split_at(Domain::scan(after, syntax)?);
        (domain, rest) = (Some(scanned), after);
    }
    rest = match rest {
        [b'>', after @ ..] if in_brackets => after,
        [] | [b' ', ..] if !in_brackets => rest,
        // What is wrong when something stands where a path should end.
        [] | [b' ', ..] => return Err(AddressError::Brackets),
        _ if domain.is_some() => return Err(AddressError::Domain),
        _ => return Err(AddressError::LocalPart),
    };
    if input.len() - rest.len() > OCTETS_MAX {
        return Err(AddressError::PathTooLong);
    }
    let path = match domain {
        None => Scanned::LocalPart(local_part),
        Some(domain) => Scanned::Mailbox(MailboxRef::from_scanned(local_part, domain)?),
    };
    Ok((path, rest))
}

fn is_postmaster(local_part: &[u8]) -> bool {
    LocalPart::from_scanned(local_part).as_str().eq_ignore_ascii_case("postmaster")
}

/// A mailbox that was written without a domain, in a path of so many octets.
#[cold]
fn complete<'a>(
    local_part: &'a [u8],
    octets: usize,
    origin: Option<&'a str>,
    syntax: AddressSyntax,
) -> Result<MailboxRef<'a>, AddressError> {
    let origin = origin.ok_or(AddressError::NoDomain)?.as_bytes();
    if Domain::scan(origin, syntax)? != origin.len() {
        return Err(AddressError::Domain);
    }
    if octets + "@".len() + origin.len() > OCTETS_MAX {
        return Err(AddressError::PathTooLong);
    }
    MailboxRef::from_scanned(local_part, origin).map(MailboxRef::completed)
}

/// How many octets a source route takes, whose first `@` is there: `@a,@b:`.
#[cold]
fn route(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
    let mut rest = &input[1..];
    loop {
        rest = &rest[DomainName::scan(rest, syntax)?..];
        match rest {
            [b':', rest @ ..] => return Ok(input.len() - rest.len()),
            [b',', b'@', next @ ..] => rest = next,
            _ => return Err(AddressError::Route),
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

//! The part of an address after the `@`: a domain name or an address literal.

use super::literal::{self, GeneralLiteral};
use super::scanner::{Class, Scanner};
use super::{AddressError, AddressSyntax};
use core::fmt::{self, Display};
use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, Ipv6Addr};
use smol_str::SmolStr;

/// Where mail goes: RFC 5321 section 4.1.2, `Domain / address-literal`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Domain {
    /// A domain name.
    Name(DomainName),
    /// `[127.0.0.1]`.
    Ipv4(Ipv4Addr),
    /// `[IPv6:::1]`.
    Ipv6(Ipv6Addr),
    /// `[tag:text]` with a tag that is not `IPv6`; what it means is not known here.
    General(GeneralLiteral),
}

impl Domain {
    /// The most octets of the written form, RFC 5321 section 4.5.3.1.2.
    pub const OCTETS_MAX: usize = 255;

    /// Parses a domain name or an address literal in brackets, and nothing after it.
    ///
    /// # Errors
    /// What [`AddressError`] says of domains and literals.
    pub fn parse(input: &[u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        let mut scanner = Scanner::new(input, syntax);
        Self::scan(&mut scanner)?;
        if !scanner.is_at_end() {
            return Err(AddressError::Domain);
        }
        Ok(Self::from_scanned(scanner.text(0..scanner.at())))
    }

    /// The domain name, if it is one.
    pub fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Passes over a domain name or a literal.
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<(), AddressError> {
        if scanner.eat(b'[') { literal::scan(scanner) } else { DomainName::scan(scanner) }
    }

    /// Of what [`Self::scan`] has passed.
    pub(super) fn from_scanned(written: &str) -> Self {
        match written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            None => Self::Name(DomainName(written.into())),
            Some(text) => literal::parse(text).expect("invariant: a literal that was scanned"),
        }
    }
}

impl Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ipv4(address) => write!(f, "[{address}]"),
            Self::Ipv6(address) => write!(f, "[IPv6:{address}]"),
            Self::General(literal) => write!(f, "[{literal}]"),
        }
    }
}

/// A domain name, in A-labels or U-labels as it came. Comparisons ignore the case of ASCII letters; whether an A-label
/// and a U-label mean the same is not decided here.
#[derive(Debug, Clone)]
pub struct DomainName(SmolStr);

impl DomainName {
    /// Parses a domain name and nothing after it.
    ///
    /// # Errors
    /// [`AddressError::Domain`], [`AddressError::DomainTooLong`], [`AddressError::NonAscii`], [`AddressError::Utf8`].
    pub fn parse(input: &[u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        let mut scanner = Scanner::new(input, syntax);
        Self::scan(&mut scanner)?;
        if !scanner.is_at_end() {
            return Err(AddressError::Domain);
        }
        Ok(Self(scanner.text(0..scanner.at()).into()))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Passes over a domain name.
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<(), AddressError> {
        let start = scanner.at();
        let joints = scanner.run(if scanner.syntax.lenient { &LENIENT } else { &STRICT })?;
        let octets = scanner.at() - start;
        if octets > Domain::OCTETS_MAX {
            return Err(AddressError::DomainTooLong);
        }
        // Hyphens may stand side by side, but seldom do.
        let good = (joints && octets <= LABEL_OCTETS_MAX)
            || scanner.text(start..scanner.at()).split('.').all(is_label);
        if good { Ok(()) } else { Err(AddressError::Domain) }
    }
}

impl PartialEq for DomainName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for DomainName {}

impl Hash for DomainName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.bytes().for_each(|octet| state.write_u8(octet.to_ascii_lowercase()));
        // So that no name is a prefix of another, as `Hash` of a string does it.
        state.write_u8(0xff);
    }
}

impl Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let hyphen_outside = label.starts_with('-') || label.ends_with('-');
    let too_long = label.is_ascii() && label.len() > LABEL_OCTETS_MAX;
    !(label.is_empty() || hyphen_outside || too_long)
}

static STRICT: Class = Class::new(b"", b".-");
static LENIENT: Class = Class::new(b"_", b".-");

/// RFC 1035 section 2.3.4.
const LABEL_OCTETS_MAX: usize = 63;

//! The part of an address after the `@`: a domain name or an address literal.

use super::literal::{self, GeneralLiteral};
use super::run::{Class, run, text_of};
use super::{AddressError, AddressSyntax};
use core::fmt::{self, Display};
use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
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
        if Self::scan(input, syntax)? == input.len() {
            Ok(Self::from_scanned(input))
        } else {
            Err(AddressError::Domain)
        }
    }

    /// The domain name, if it is one.
    pub fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    /// How many octets a domain name or a literal takes.
    #[inline]
    pub(super) fn scan(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
        if input.first() == Some(&b'[') { literal::scan(input) } else { DomainName::scan(input, syntax) }
    }

    /// Of what [`Self::scan`] has passed over.
    pub(super) fn from_scanned(written: &[u8]) -> Self {
        match written {
            [b'[', text @ .., b']'] => {
                literal::parse(text_of(text)).expect("invariant: a literal that was scanned")
            }
            name => Self::Name(DomainName(text_of(name).into())),
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
        if Self::scan(input, syntax)? == input.len() {
            Ok(Self(text_of(input).into()))
        } else {
            Err(AddressError::Domain)
        }
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many octets a domain name takes: labels with dots between them.
    #[inline(always)]
    pub(super) fn scan(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
        let class = if syntax.lenient { &LENIENT } else { &STRICT };
        let (mut rest, mut good) = (input, true);
        loop {
            let (label, after) = rest.split_at(run(rest, class, syntax)?);
            good &= is_label(label);
            let [b'.', next @ ..] = after else {
                rest = after;
                break;
            };
            rest = next;
        }
        match input.len() - rest.len() {
            octets @ ..=Domain::OCTETS_MAX if good => Ok(octets),
            ..=Domain::OCTETS_MAX => Err(AddressError::Domain),
            _ => Err(AddressError::DomainTooLong),
        }
    }
}

/// Strict, with UTF-8: what a program's own configuration would say.
impl FromStr for DomainName {
    type Err = AddressError;

    fn from_str(s: &str) -> Result<Self, AddressError> {
        Self::parse(s.as_bytes(), AddressSyntax { utf8: true, lenient: false })
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

#[inline]
fn is_label(label: &[u8]) -> bool {
    let hyphen_outside = matches!(label, [b'-', ..] | [.., b'-']);
    // One that is not ASCII is shorter or longer where the limit counts.
    let too_long = label.len() > LABEL_OCTETS_MAX && label.is_ascii();
    !(label.is_empty() || hyphen_outside || too_long)
}

static STRICT: Class = Class::new(b"-");
static LENIENT: Class = Class::new(b"-_");

/// RFC 1035 section 2.3.4.
const LABEL_OCTETS_MAX: usize = 63;

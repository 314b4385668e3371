//! The value of ORCPT: the address that the sender knew the recipient by.
//!
//! RFC 3461 section 4.2, RFC 6533 section 3 for the address type `utf-8`.
//!
//! # Limits
//! At most 500 octets (RFC 3461 section 4.2); an address of the type `utf-8` is counted as it would stand with
//! non-ASCII characters as themselves, so that writing it in seven bits does not make it too long.
//!
//! # Departures
//! An address labelled `utf-8` that is not encoded as RFC 6533 has it is refused, not carried along unread.

use super::ParameterFault;
use super::words::Value;
use crate::command::{unitext, xtext};
use core::fmt::{self, Display};
use smol_str::SmolStr;

/// The ORCPT parameter, which travels with the recipient unchanged, into every report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    address_type: SmolStr,
    address: SmolStr,
}

impl OriginalRecipient {
    /// The most octets of its value.
    pub const OCTETS_MAX: usize = 500;

    /// A checked one; `None` when the type is no atom, the address is empty, too long or holds a control character,
    /// or is not ASCII though the type is not `utf-8`.
    pub fn new(address_type: impl AsRef<str>, address: impl AsRef<str>) -> Option<Self> {
        let (address_type, address) = (address_type.as_ref(), address.as_ref());
        let (encoded_octets, plain) = if is_utf8(address_type) {
            (unitext::encoded_len(address), !address.chars().any(char::is_control))
        } else {
            (xtext::encoded_len(address), address.bytes().all(|octet| matches!(octet, b' '..=b'~')))
        };
        if plain { Self::checked(address_type, address, encoded_octets) } else { None }
    }

    /// What kind of address it is: mostly `rfc822`. Compared without regard to case.
    pub fn address_type(&self) -> &str {
        &self.address_type
    }

    /// The address, decoded. It need not be one by the rules of its type.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn parse(value: Option<Value<'_>>) -> Result<Self, ParameterFault> {
        let value = value.ok_or(ParameterFault::Malformed)?;
        let (address_type, encoded) = value.text().split_once(';').ok_or(ParameterFault::Malformed)?;
        match is_utf8(address_type) {
            true => unitext::decode(encoded).and_then(|address| Self::new(address_type, address)),
            false if value.is_plain => Self::checked(address_type, encoded, encoded.len()),
            false => xtext::decode(encoded).and_then(|address| Self::new(address_type, address)),
        }
        .ok_or(ParameterFault::Malformed)
    }

    /// One whose address is printable, and takes so many octets.
    fn checked(address_type: &str, address: &str, encoded_octets: usize) -> Option<Self> {
        let is_atom = !address_type.is_empty() && address_type.bytes().all(is_atom_octet);
        let fits = !address.is_empty() && address_type.len() + 1 + encoded_octets <= Self::OCTETS_MAX;
        (is_atom && fits).then(|| Self { address_type: address_type.into(), address: address.into() })
    }
}

/// RFC 6533 section 3.
fn is_utf8(address_type: &str) -> bool {
    address_type.eq_ignore_ascii_case("utf-8")
}

/// RFC 822 section 3.3: no space, no special, no control character.
fn is_atom_octet(octet: u8) -> bool {
    octet.is_ascii_graphic()
        && !matches!(octet, b'"' | b'(' | b')' | b',' | b'.' | b':'..=b'=' | b'>' | b'@' | b'['..=b']')
}

/// The value as it stands after `ORCPT=`, in ASCII; with `{:#}` in UTF-8, for a transaction with SMTPUTF8.
impl Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};", self.address_type)?;
        if is_utf8(&self.address_type) {
            unitext::write(f, &self.address, f.alternate())
        } else {
            xtext::Encoded(&self.address).fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Extensions, RcptParameters};
    use super::*;
    use alloc::format;

    #[test]
    fn what_a_sender_may_call_an_address() {
        for (value, address_type, address, utf8) in [
            ("rfc822;Bob@Example.COM", "rfc822", "Bob@Example.COM", "rfc822;Bob@Example.COM"),
            ("X-own;a+20+3D+20b", "X-own", "a = b", "X-own;a+20+3D+20b"),
            ("utf-8;\\x{E9}", "utf-8", "\u{e9}", "utf-8;\u{e9}"),
            ("UTF-8;\u{e9}\\x{2B}@x", "UTF-8", "\u{e9}+@x", "UTF-8;\u{e9}\\x{2B}@x"),
        ] {
            let parameters = RcptParameters::parse(format!("ORCPT={value}").as_bytes(), &Extensions::ALL);
            let orcpt = parameters.unwrap().orcpt.unwrap();
            assert_eq!((orcpt.address_type(), orcpt.address()), (address_type, address));
            assert_eq!(format!("{orcpt:#}"), utf8);
        }
        for (address_type, address) in [
            ("", "a"),
            ("a b", "a"),
            ("a;b", "a"),
            ("a=b", "a"),
            ("a[", "a"),
            ("rfc822", ""),
            ("rfc822", "a\nb"),
            ("rfc822", "\u{e9}"),
            ("utf-8", "a\u{85}"),
        ] {
            assert_eq!(OriginalRecipient::new(address_type, address), None, "{address_type};{address:?}");
        }
    }
}

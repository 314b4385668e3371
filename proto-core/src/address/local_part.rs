//! The part of an address before the `@`.

use super::run::{Class, run, text_of, wide_character};
use super::{AddressError, AddressSyntax, path};
use core::fmt::{self, Display, Write};
use smol_str::SmolStr;

/// A local part, kept without quoting: `"ok"@x` and `ok@x` are the same (RFC 5321 section 4.1.2).
///
/// Case is kept and counts in comparisons; what it means is the receiving domain's matter (section 2.4). `Display`
/// quotes what needs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(SmolStr);

impl LocalPart {
    /// The most octets of a strict one, RFC 5321 section 4.5.3.1.1.
    pub const OCTETS_MAX: usize = 64;

    /// A local part of this value, in which nothing is quoted. It may be as long as a lenient one.
    ///
    /// # Errors
    /// [`AddressError::LocalPart`] with a control character in it, [`AddressError::LocalPartTooLong`] when it is longer
    /// than any path.
    pub fn new(value: impl AsRef<str>) -> Result<Self, AddressError> {
        let value = value.as_ref();
        if value.len() > path::OCTETS_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        if value.chars().any(char::is_control) {
            return Err(AddressError::LocalPart);
        }
        Ok(Self(value.into()))
    }

    /// Parses the written form, quoted or not, and nothing after it.
    ///
    /// # Errors
    /// What [`AddressError`] says of local parts.
    pub fn parse(input: &[u8], syntax: AddressSyntax) -> Result<Self, AddressError> {
        if Self::scan(input, syntax)? == input.len() {
            Ok(Self::from_scanned(input))
        } else {
            Err(AddressError::LocalPart)
        }
    }

    /// The value, without quotes and backslashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many octets a local part takes, quoted or not.
    #[inline]
    pub(super) fn scan(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
        if input.first() == Some(&b'"') { quoted_string(input, syntax) } else { dot_string(input, syntax) }
    }

    /// Of what [`Self::scan`] has passed over.
    pub(super) fn from_scanned(written: &[u8]) -> Self {
        let [b'"', quoted @ .., b'"'] = written else { return Self(text_of(written).into()) };
        let mut characters = text_of(quoted).chars();
        let unescaped = core::iter::from_fn(|| match characters.next() {
            Some('\\') => characters.next(),
            other => other,
        });
        Self(unescaped.collect())
    }
}

/// How many octets a quoted string takes, whose first quote is there.
fn quoted_string(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
    let (mut rest, mut value_octets) = (&input[1..], 0);
    loop {
        let (escaped, next) = match rest {
            [b'"', rest @ ..] => {
                check_octets(value_octets, syntax, path::OCTETS_MAX)?;
                return Ok(input.len() - rest.len());
            }
            [b'\\', next @ ..] => (true, next),
            next => (false, next),
        };
        let octets = match next {
            [b' '..=b'~', ..] => 1,
            [octet, ..] if !octet.is_ascii() => wide_character(next, syntax)?,
            _ => 0,
        };
        if octets == 0 || (escaped && octets > 1) {
            return Err(AddressError::LocalPart);
        }
        (rest, value_octets) = (&next[octets..], value_octets + octets);
    }
}

/// How many octets a dot-string takes: atoms with dots between them.
#[inline]
fn dot_string(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
    let (mut rest, mut good) = (input, true);
    loop {
        let octets = run(rest, &ATEXT, syntax)?;
        good &= octets > 0;
        rest = &rest[octets..];
        let [b'.', next @ ..] = rest else { break };
        rest = next;
    }
    let octets = input.len() - rest.len();
    if !(good || (syntax.lenient && octets > 0)) {
        return Err(AddressError::LocalPart);
    }
    // A longer one is the path's matter.
    check_octets(octets, syntax, usize::MAX)?;
    Ok(octets)
}

fn check_octets(octets: usize, syntax: AddressSyntax, lenient_max: usize) -> Result<(), AddressError> {
    let max = if syntax.lenient { lenient_max } else { LocalPart::OCTETS_MAX };
    if octets > max { Err(AddressError::LocalPartTooLong) } else { Ok(()) }
}

/// Whether a value may be written without quotes.
fn is_dot_string(value: &str) -> bool {
    let mut before = b'.';
    for octet in value.bytes() {
        match octet {
            b'.' if before == b'.' => return false,
            b'.' => {}
            octet if octet.is_ascii() && !ATEXT.has(octet) => return false,
            _ => {}
        }
        before = octet;
    }
    before != b'.'
}

/// RFC 5322 section 3.2.3.
static ATEXT: Class = Class::new(b"!#$%&'*+-/=?^_`{|}~");

impl Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

//! The part of an address before the `@`.

use super::scanner::{Class, Scanner};
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
        let mut scanner = Scanner::new(input, syntax);
        Self::scan(&mut scanner)?;
        if !scanner.is_at_end() {
            return Err(AddressError::LocalPart);
        }
        Ok(Self::from_scanned(scanner.text(0..scanner.at())))
    }

    /// The value, without quotes and backslashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Passes over a local part, quoted or not.
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<(), AddressError> {
        let octets = if scanner.eat(b'"') {
            let octets = quoted_string(scanner)?;
            if octets > path::OCTETS_MAX {
                return Err(AddressError::LocalPartTooLong);
            }
            octets
        } else {
            dot_string(scanner)?
        };
        if octets > Self::OCTETS_MAX && !scanner.syntax.lenient {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(())
    }

    /// Of what [`Self::scan`] has passed.
    pub(super) fn from_scanned(written: &str) -> Self {
        let Some(quoted) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Self(written.into());
        };
        let mut characters = quoted.chars();
        let unescaped = core::iter::from_fn(|| match characters.next() {
            Some('\\') => characters.next(),
            other => other,
        });
        Self(unescaped.collect())
    }
}

/// Passes over what follows the first quote; returns how many octets the value has.
fn quoted_string(scanner: &mut Scanner<'_>) -> Result<usize, AddressError> {
    let mut octets = 0;
    while !scanner.eat(b'"') {
        let is_escaped = scanner.eat(b'\\');
        match scanner.next_if(|octet| matches!(octet, b' '..=b'~'))? {
            1 => octets += 1,
            len @ 2.. if !is_escaped => octets += len,
            _ => return Err(AddressError::LocalPart),
        }
    }
    Ok(octets)
}

/// Passes over atoms with dots between them; returns how many octets that is.
fn dot_string(scanner: &mut Scanner<'_>) -> Result<usize, AddressError> {
    let start = scanner.at();
    let joints = scanner.run(&ATEXT)?;
    let octets = scanner.at() - start;
    let good = joints || (scanner.syntax.lenient && octets > 0);
    if good { Ok(octets) } else { Err(AddressError::LocalPart) }
}

/// Whether a value may be written without quotes.
fn is_dot_string(value: &str) -> bool {
    value
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(|o| ATEXT.has_inside(o) || !o.is_ascii()))
}

/// RFC 5322 section 3.2.3, and the dots between atoms.
static ATEXT: Class = Class::new(b"!#$%&'*+-/=?^_`{|}~", b".");

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

//! The part of an address before the `@`.

use super::scanner::{Class, Scanner};
use super::{AddressError, AddressSyntax, path};
use alloc::string::String;
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
        let local_part = Self::scan(&mut scanner)?;
        if scanner.is_at_end() { Ok(local_part) } else { Err(AddressError::LocalPart) }
    }

    /// The value, without quotes and backslashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of the written form.
    pub(super) fn written_len(&self) -> usize {
        if is_dot_string(&self.0) {
            return self.0.len();
        }
        let escaped = self.0.bytes().filter(|octet| matches!(octet, b'"' | b'\\')).count();
        self.0.len() + escaped + b"\"\"".len()
    }

    /// What [`Self::written_len`] is at most: everything escaped, between quotes.
    pub(super) fn written_len_max(&self) -> usize {
        2 * self.0.len() + b"\"\"".len()
    }

    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Self, AddressError> {
        let part = if scanner.eat(b'"') {
            Self::new(quoted_string(scanner)?)
        } else {
            // No control character passes for a part of an atom.
            Ok(Self(dot_string(scanner)?.into()))
        };
        match part {
            Ok(part) if part.0.len() > Self::OCTETS_MAX && !scanner.syntax.lenient => {
                Err(AddressError::LocalPartTooLong)
            }
            part => part,
        }
    }
}

fn quoted_string(scanner: &mut Scanner<'_>) -> Result<String, AddressError> {
    let mut value = String::new();
    while !scanner.eat(b'"') {
        let next = if scanner.eat(b'\\') {
            scanner.next_if(|octet| matches!(octet, b' '..=b'~'))?.filter(char::is_ascii)
        } else {
            scanner.next_if(|octet| matches!(octet, b' '..=b'~'))?
        };
        value.push(next.ok_or(AddressError::LocalPart)?);
    }
    Ok(value)
}

fn dot_string<'a>(scanner: &mut Scanner<'a>) -> Result<&'a str, AddressError> {
    let (value, joints) = scanner.run(&ATEXT)?;
    let good = joints || (scanner.syntax.lenient && !value.is_empty());
    if good { Ok(value) } else { Err(AddressError::LocalPart) }
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

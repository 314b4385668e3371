//! The strings of the grammar as types: tag, atom, astring.
//!
//! RFC 3501 §9: `tag`, `atom`, `astring`. A value that cannot be on the wire cannot be constructed, so an encoder
//! has nothing left to check and a tag can be echoed as it is.
//!
//! # Limits
//! None of their own: a command's strings are bounded by the line and literal limits of the framer.

use alloc::boxed::Box;
use bytes::Bytes;

/// A text that the grammar rule named by the type does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct NotInGrammar(pub &'static str);

/// The name a client gives a command, echoed in the answer: `1*<any ASTRING-CHAR except "+">`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// A tag from its octets.
    ///
    /// # Errors
    /// [`NotInGrammar`] when it is empty or holds an octet a tag may not hold.
    ///
    /// ```
    /// use imap_proto::types::Tag;
    /// assert_eq!(Tag::new(b"a1").unwrap().as_str(), "a1");
    /// assert!(Tag::new(b"a+").is_err());
    /// ```
    pub fn new(octets: &[u8]) -> Result<Self, NotInGrammar> {
        if octets.iter().all(|&c| is_astring_char(c) && c != b'+') {
            ascii(octets).map(Self).ok_or(NotInGrammar("a tag"))
        } else {
            Err(NotInGrammar("a tag"))
        }
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Display for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `1*ATOM-CHAR`: a SASL mechanism, a charset, a capability. It keeps the case it was given and compares without
/// regard to it, as every name of the protocol does.
#[derive(Debug, Clone)]
pub struct Atom(Box<str>);

impl Atom {
    /// An atom from its octets.
    ///
    /// # Errors
    /// [`NotInGrammar`] when it is empty or holds an octet an atom may not hold.
    pub fn new(octets: &[u8]) -> Result<Self, NotInGrammar> {
        if octets.iter().all(|&c| is_atom_char(c)) {
            ascii(octets).map(Self).ok_or(NotInGrammar("an atom"))
        } else {
            Err(NotInGrammar("an atom"))
        }
    }

    /// The atom as text, in the case it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Atom {}

impl core::fmt::Display for Atom {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an `astring` stands for once decoded: any octets but NUL, in no particular character set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AString(Bytes);

impl AString {
    /// A string from its octets.
    ///
    /// # Errors
    /// [`NotInGrammar`] when it holds a NUL (RFC 3501 §9 note 3).
    pub fn new(octets: Bytes) -> Result<Self, NotInGrammar> {
        match memchr::memchr(0, &octets) {
            None => Ok(Self(octets)),
            Some(_) => Err(NotInGrammar("a string: it holds a NUL")),
        }
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets, shared.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The string, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl core::fmt::Debug for AString {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// `ATOM-CHAR`: any CHAR except `( ) {`, space, controls, `% *`, `" \` and `]`.
pub(crate) fn is_atom_char(c: u8) -> bool {
    matches!(c, 0x21..=0x7e) && !matches!(c, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`.
pub(crate) fn is_astring_char(c: u8) -> bool {
    is_atom_char(c) || c == b']'
}

/// `list-char = ATOM-CHAR / list-wildcards / resp-specials`.
pub(crate) fn is_list_char(c: u8) -> bool {
    is_astring_char(c) || matches!(c, b'%' | b'*')
}

/// The text, when there is any and it is UTF-8; the callers have made sure that it is ASCII.
fn ascii(octets: &[u8]) -> Option<Box<str>> {
    if octets.is_empty() { None } else { core::str::from_utf8(octets).ok().map(Box::from) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tag_may_hold() {
        for good in ["a", "A001", "]", "a.b-c/d", "&", "x}"] {
            assert_eq!(Tag::new(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", "+", "a+", "a b", "a(", "a{", "a%", "a*", "a\"", "a\\", "a\u{7f}", "ä", "a\0"] {
            assert!(Tag::new(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn atoms_compare_without_case() {
        assert_eq!(Atom::new(b"plain").unwrap(), Atom::new(b"PLAIN").unwrap());
        assert!(Atom::new(b"a]").is_err());
        assert!(Atom::new(b"").is_err());
    }

    #[test]
    fn no_nul_in_a_string() {
        assert!(AString::new(Bytes::from_static(b"a\0b")).is_err());
        assert_eq!(AString::new(Bytes::from_static(b"\xff\r\n")).unwrap().to_str(), None);
    }
}

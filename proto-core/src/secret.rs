//! Octets that must not be seen: passwords and what is derived from them.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize as _, Zeroizing};

/// A secret. Its memory is overwritten when it is dropped, `Debug` shows nothing of it, not even its length, and
/// comparing two takes a time that depends on nothing but their lengths.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes octets over; they are not copied, so no copy of them stays behind.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets. The caller takes care that they go nowhere.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The octets as text, if they are UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::new(octets.to_vec())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A line that may hold a password, as [`InBuf::next_secret_line`](crate::InBuf::next_secret_line) gives it. Its memory
/// is overwritten when it is dropped; its reader may change it.
pub struct SecretLine(BytesMut);

impl SecretLine {
    pub(crate) fn new(line: BytesMut) -> Self {
        Self(line)
    }

    fn wipe(&mut self) {
        self.0[..].zeroize();
    }
}

impl core::ops::Deref for SecretLine {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl core::ops::DerefMut for SecretLine {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for SecretLine {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for SecretLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret");
    }

    #[test]
    fn equal_by_value() {
        assert_eq!(Secret::from("a"), Secret::new(b"a".to_vec()));
        assert_ne!(Secret::from("a"), Secret::from("b"));
        assert_ne!(Secret::from("a"), Secret::from("ab"));
    }

    #[test]
    fn a_line_is_overwritten_where_it_lies() {
        let mut line = super::SecretLine::new(bytes::BytesMut::from(&b"AHUAcA=="[..]));
        assert_eq!(&*line, b"AHUAcA==");
        line.wipe();
        assert_eq!(&*line, [0; 8]);
        assert_eq!(alloc::format!("{line:?}"), "SecretLine");
    }
}

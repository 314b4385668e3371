//! Names and their values.

use super::{ATTRIBUTES_MAX, MESSAGE_BYTES_MAX};
use std::fmt::{self, Display};

/// The attributes of a question or an answer, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes {
    pairs: Vec<(String, String)>,
    /// What they take on the wire.
    octets: usize,
}

/// An attribute that cannot be sent: no name, a name with `=` in it, a line break or NUL in either, or more than
/// [`MESSAGE_BYTES_MAX`] and [`ATTRIBUTES_MAX`] allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAttribute;

impl Display for BadAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "policy delegation: an attribute needs a name, and neither name nor value may hold a line break, NUL or too much",
        )
    }
}

impl std::error::Error for BadAttribute {}

impl Attributes {
    /// Gives an attribute a value, whether or not it had one.
    ///
    /// # Errors
    /// [`BadAttribute`]; nothing was changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadAttribute> {
        let unfit = ['\0', '\r', '\n'];
        if name.is_empty() || name.contains('=') || name.contains(unfit) || value.contains(unfit) {
            return Err(BadAttribute);
        }
        let at = self.pairs.iter().position(|(known, _)| known == name);
        let before = at.map_or(0, |at| wire_octets(name, &self.pairs[at].1));
        let octets = self.octets - before + wire_octets(name, value);
        // The empty line at the end is one more.
        if octets >= MESSAGE_BYTES_MAX || (at.is_none() && self.pairs.len() >= ATTRIBUTES_MAX) {
            return Err(BadAttribute);
        }
        self.octets = octets;
        match at {
            Some(at) => self.pairs[at].1 = value.to_string(),
            None => self.pairs.push((name.to_string(), value.to_string())),
        }
        Ok(())
    }

    /// The value of an attribute; empty when it is not there, which means the same.
    pub fn value(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Appends them as they are sent, the empty line at the end included.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.pairs {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

/// What an attribute takes on the wire.
fn wire_octets(name: &str, value: &str) -> usize {
    name.len() + value.len() + "=\n".len()
}

//! The cursor that the parts of an address are read with.

use super::{AddressError, AddressSyntax};

pub(super) struct Scanner<'a> {
    pub(super) rest: &'a [u8],
    pub(super) syntax: AddressSyntax,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(input: &'a [u8], syntax: AddressSyntax) -> Self {
        Self { rest: input, syntax }
    }

    /// Passes over `octet` if it comes next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let next = self.rest.first() == Some(&octet);
        self.rest = &self.rest[usize::from(next)..];
        next
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next character, if it is ASCII that `accept` takes, or any other that may stand in an address.
    pub(super) fn next_if(&mut self, accept: impl Fn(u8) -> bool) -> Result<Option<char>, AddressError> {
        let Some(&octet) = self.rest.first() else { return Ok(None) };
        let next = if octet.is_ascii() {
            accept(octet).then_some(char::from(octet))
        } else if !self.syntax.utf8 {
            return Err(AddressError::NonAscii);
        } else {
            let front = &self.rest[..self.rest.len().min(4)];
            let valid = front.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
            Some(valid.ok_or(AddressError::Utf8)?).filter(|c| !c.is_control())
        };
        self.rest = &self.rest[next.map_or(0, char::len_utf8)..];
        Ok(next)
    }

    /// The longest run of characters that [`Scanner::next_if`] takes; may be empty.
    pub(super) fn run(&mut self, accept: impl Fn(u8) -> bool) -> Result<&'a str, AddressError> {
        let start = self.rest;
        while let [octet, after @ ..] = self.rest {
            if octet.is_ascii() && accept(*octet) {
                self.rest = after;
            } else if octet.is_ascii() || self.next_if(&accept)?.is_none() {
                break;
            }
        }
        let run = &start[..start.len() - self.rest.len()];
        core::str::from_utf8(run).map_err(|_| AddressError::Utf8)
    }
}

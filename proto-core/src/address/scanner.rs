//! The cursor that the parts of an address are read with.

use super::{AddressError, AddressSyntax};

pub(super) struct Scanner<'a> {
    octets: &'a [u8],
    /// What stands before the first octet that is not UTF-8: checked once, for all the text that is cut from it.
    valid: &'a str,
    at: usize,
    pub(super) syntax: AddressSyntax,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(octets: &'a [u8], syntax: AddressSyntax) -> Self {
        let valid = match core::str::from_utf8(octets) {
            Ok(text) => text,
            Err(_) => octets.utf8_chunks().next().map_or("", |chunk| chunk.valid()),
        };
        Self { octets, valid, at: 0, syntax }
    }

    /// How many octets were passed.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.octets[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.octets.len()
    }

    /// Passes over `octet` if it comes next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let next = self.octets.get(self.at) == Some(&octet);
        self.at += usize::from(next);
        next
    }

    /// Passes over what comes before `octet`, and over it; `None` when it does not come or what comes before is not
    /// UTF-8.
    pub(super) fn text_until(&mut self, octet: u8) -> Option<&'a str> {
        let end = self.at + memchr::memchr(octet, self.rest())?;
        let text = self.valid.get(self.at..end)?;
        self.at = end + 1;
        Some(text)
    }

    /// The next character, if it is ASCII that `accept` takes, or any other that may stand in an address.
    pub(super) fn next_if(&mut self, accept: impl Fn(u8) -> bool) -> Result<Option<char>, AddressError> {
        let Some(&octet) = self.octets.get(self.at) else { return Ok(None) };
        let next = if octet.is_ascii() {
            accept(octet).then_some(char::from(octet))
        } else if !self.syntax.utf8 {
            return Err(AddressError::NonAscii);
        } else {
            let next = self.valid[self.at..].chars().next().ok_or(AddressError::Utf8)?;
            Some(next).filter(|c| !c.is_control())
        };
        self.at += next.map_or(0, char::len_utf8);
        Ok(next)
    }

    /// Passes over the longest run of what `class` has and of characters outside ASCII that may stand in an address; it
    /// may be empty. Returns it, and whether none of the joints in it is at an end or beside another.
    pub(super) fn run(&mut self, class: &Class) -> Result<(&'a str, bool), AddressError> {
        let start = self.at;
        let (mut before, mut misplaced) = (JOINT, 0);
        loop {
            let mut rest = self.rest();
            while let [octet, after @ ..] = rest {
                let kind = class.0[usize::from(*octet)];
                if kind == OUTSIDE {
                    break;
                }
                misplaced |= before & kind;
                before = kind;
                rest = after;
            }
            self.at = self.octets.len() - rest.len();
            if rest.first().is_none_or(u8::is_ascii) || self.next_if(|_| false)?.is_none() {
                break;
            }
            before = INSIDE;
        }
        misplaced |= before & JOINT;
        Ok((&self.valid[start..self.at], misplaced & JOINT == 0))
    }
}

/// What a run may hold: for each octet its kind. A table, because it is asked about every octet of every address.
pub(super) struct Class([u8; 256]);

const OUTSIDE: u8 = 0;
const INSIDE: u8 = 1;
/// It divides what is inside.
const JOINT: u8 = 2;

impl Class {
    /// Letters, digits, these others, and these joints.
    pub(super) const fn new(others: &[u8], joints: &[u8]) -> Self {
        let mut kinds = [OUTSIDE; 256];
        let mut octet: u8 = 0;
        while octet.is_ascii() {
            if octet.is_ascii_alphanumeric() || contains(others, octet) {
                kinds[octet as usize] = INSIDE;
            } else if contains(joints, octet) {
                kinds[octet as usize] = JOINT;
            }
            octet += 1;
        }
        Self(kinds)
    }

    /// Whether this octet is among what the joints divide.
    pub(super) const fn has_inside(&self, octet: u8) -> bool {
        self.0[octet as usize] == INSIDE
    }
}

const fn contains(octets: &[u8], octet: u8) -> bool {
    let mut at = 0;
    while at < octets.len() && octets[at] != octet {
        at += 1;
    }
    at < octets.len()
}

//! The cursor that the parts of an address are read with.

use super::{AddressError, AddressSyntax};
use core::ops::Range;

pub(super) struct Scanner<'a> {
    octets: &'a [u8],
    at: usize,
    pub(super) syntax: AddressSyntax,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(octets: &'a [u8], syntax: AddressSyntax) -> Self {
        Self { octets, at: 0, syntax }
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

    /// Passes over what comes before `octet`, and over it; `None` when it does not come.
    pub(super) fn octets_until(&mut self, octet: u8) -> Option<&'a [u8]> {
        let end = self.at + memchr::memchr(octet, self.rest())?;
        let passed = &self.octets[self.at..end];
        self.at = end + 1;
        Some(passed)
    }

    /// What was passed between two places, neither of which is within a character.
    pub(super) fn text(&self, passed: Range<usize>) -> &'a str {
        core::str::from_utf8(&self.octets[passed])
            .expect("invariant: nothing is passed that is neither ASCII nor a character by itself")
    }

    /// Passes over the next character if it is ASCII that `accept` takes, or any other that may stand in an address;
    /// returns of how many octets it is, none if it was not passed.
    pub(super) fn next_if(&mut self, accept: impl Fn(u8) -> bool) -> Result<usize, AddressError> {
        let len = match self.octets.get(self.at) {
            Some(octet) if octet.is_ascii() => usize::from(accept(*octet)),
            Some(_) => self.wide_character()?,
            None => 0,
        };
        self.at += len;
        Ok(len)
    }

    /// The length of the next character, which is not ASCII; zero if it is a control character.
    #[cold]
    fn wide_character(&self) -> Result<usize, AddressError> {
        if !self.syntax.utf8 {
            return Err(AddressError::NonAscii);
        }
        // No character is longer than this.
        let front = &self.rest()[..self.rest().len().min(4)];
        let valid = front.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let next = valid.chars().next().ok_or(AddressError::Utf8)?;
        Ok(if next.is_control() { 0 } else { next.len_utf8() })
    }

    /// Passes over the longest run of what `class` has and of characters outside ASCII that may stand in an address; it
    /// may be empty. Returns whether none of the joints in it is at an end or beside another.
    pub(super) fn run(&mut self, class: &Class) -> Result<bool, AddressError> {
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
            if rest.first().is_none_or(u8::is_ascii) || self.next_if(|_| false)? == 0 {
                break;
            }
            before = INSIDE;
        }
        misplaced |= before & JOINT;
        Ok(misplaced & JOINT == 0)
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

//! What the parts of an address are made of: runs of certain octets, and of characters outside ASCII.
//!
//! Each part has a function that tells how many octets it takes at the front of what it is given. What they have passed over is
//! ASCII, or whole characters: it is text.

use super::{AddressError, AddressSyntax};

/// What of ASCII a run may hold. A table, because it is asked about every octet of every address.
pub(super) struct Class([bool; 256]);

impl Class {
    /// Letters, digits, and these others.
    pub(super) const fn new(others: &[u8]) -> Self {
        let mut has = [false; 256];
        let mut octet: u8 = 0;
        while octet.is_ascii() {
            has[octet as usize] = octet.is_ascii_alphanumeric();
            octet += 1;
        }
        let mut at = 0;
        while at < others.len() {
            has[others[at] as usize] = true;
            at += 1;
        }
        Self(has)
    }

    pub(super) const fn has(&self, octet: u8) -> bool {
        self.0[octet as usize]
    }
}

/// How many octets the longest run takes of what `class` has and of characters outside ASCII that may stand in an address;
/// it may be none.
#[inline]
pub(super) fn run(input: &[u8], class: &Class, syntax: AddressSyntax) -> Result<usize, AddressError> {
    let octets = input.iter().position(|octet| !class.has(*octet)).unwrap_or(input.len());
    match input.get(octets) {
        Some(next) if !next.is_ascii() => wide_run(input, octets, class, syntax),
        _ => Ok(octets),
    }
}

/// [`run`] from the first character on that is not ASCII.
#[cold]
fn wide_run(
    input: &[u8],
    mut octets: usize,
    class: &Class,
    syntax: AddressSyntax,
) -> Result<usize, AddressError> {
    while let [next, ..] = &input[octets..] {
        let passed = if next.is_ascii() {
            usize::from(class.has(*next))
        } else {
            wide_character(&input[octets..], syntax)?
        };
        if passed == 0 {
            break;
        }
        octets += passed;
    }
    Ok(octets)
}

/// How many octets the character takes that comes next and is not ASCII; none if it may not stand in an address, because
/// it is a control character.
pub(super) fn wide_character(input: &[u8], syntax: AddressSyntax) -> Result<usize, AddressError> {
    if !syntax.utf8 {
        return Err(AddressError::NonAscii);
    }
    // No character is longer than this.
    let front = &input[..input.len().min(4)];
    let valid = front.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let next = valid.chars().next().ok_or(AddressError::Utf8)?;
    Ok(if next.is_control() { 0 } else { next.len_utf8() })
}

/// The text of octets that were passed over.
pub(super) fn text_of(passed: &[u8]) -> &str {
    core::str::from_utf8(passed).expect("invariant: ASCII or whole characters")
}

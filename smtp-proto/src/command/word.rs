//! Words of commands as numbers, so that one is found among many by comparing numbers.
//!
//! RFC 5321 section 2.4: their letter case does not matter.

/// A word: how long it is and what stands at its ends, which overlap in a short one; without the bit that tells small letters
/// from capital ones.
///
/// Of words of printable octets, only those that differ in nothing but the case of letters have the key of one that is made
/// of at most sixteen letters, digits and hyphens. Of any words, if it is made of letters alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    front: u64,
    back: u64,
    octets: usize,
}

/// The longest word whose key tells all of its octets.
const KNOWN_OCTETS_MAX: usize = 16;

impl Key {
    /// The key of a word of ours, to find others by; too long a one does not compile.
    pub(crate) const fn known(word: &[u8]) -> Self {
        assert!(word.len() <= KNOWN_OCTETS_MAX);
        Self::of(word)
    }

    #[inline]
    pub(crate) const fn of(word: &[u8]) -> Self {
        let (front, back) = match (word.first_chunk(), word.last_chunk()) {
            (Some(front), Some(back)) => (u64::from_be_bytes(*front), u64::from_be_bytes(*back)),
            _ => match (word.first_chunk(), word.last_chunk()) {
                (Some(front), Some(back)) => {
                    (u32::from_be_bytes(*front) as u64, u32::from_be_bytes(*back) as u64)
                }
                _ => match word {
                    [a, b, c] => (u32::from_be_bytes([0, *a, *b, *c]) as u64, 0),
                    [a, b] => (u16::from_be_bytes([*a, *b]) as u64, 0),
                    [a] => (*a as u64, 0),
                    _ => (0, 0),
                },
            },
        };
        const CASELESS: u64 = u64::from_be_bytes([!0x20; 8]);
        Self { front: front & CASELESS, back: back & CASELESS, octets: word.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn no_other_octet_is_taken_for_one_of_a_word() {
        let printable = || (b'!'..=b'~').chain(0x80..=0xff);
        let word = b"ABCDEFGHIJKLMNOP";
        for len in 1..=word.len() {
            for at in 0..len {
                for octet in printable().filter(|octet| octet.is_ascii_alphanumeric() || *octet == b'-') {
                    let with = |octet| {
                        let mut word = word[..len].to_vec();
                        word[at] = octet;
                        Key::of(&word)
                    };
                    let same: Vec<u8> = printable().filter(|other| with(*other) == with(octet)).collect();
                    assert!(same.iter().all(|other| other.eq_ignore_ascii_case(&octet)), "{octet} {same:?}");
                    assert!(
                        same.contains(&octet.to_ascii_lowercase())
                            && same.contains(&octet.to_ascii_uppercase())
                    );
                }
            }
            assert_ne!(Key::of(&word[..len - 1]), Key::of(&word[..len]));
        }
        assert_ne!(Key::of(b"XXXXXXXXYXXXXXXXX"), Key::of(b"XXXXXXXXXXXXXXXX"));
        assert_eq!(word.len(), KNOWN_OCTETS_MAX);
        assert_eq!(Key::of(&[b'X'; 17]), Key::of(b"XXXXXXXXYXXXXXXXX"), "why a known one may not be longer");
        assert_ne!(Key::of(b"\0NOOP"), Key::of(b"NOOP"));
    }
}

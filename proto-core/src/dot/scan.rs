//! The one look at every octet that both directions of the codec share.
//!
//! A text is looked at in blocks, without a decision on the way, so that it compiles to vector instructions. Only a block
//! with a dot at a line's start, which most blocks of most mail are not, is looked at again, for where its dots are.
//!
//! With the feature `std` the processor is asked whether its vector registers are twice as wide as those that every
//! x86-64 has. What is found is the same.

use core::hint::black_box;

/// Octets in a block: large enough that the decision after each costs little, as many as [`Walk::noted`] has bits.
const BLOCK_BYTES: usize = 128;

/// Octets judged side by side: what a vector register of any machine of today holds.
const LANES: usize = 16;

/// Octets judged side by side where the processor is known to have room for them.
#[cfg(any(test, all(feature = "std", target_arch = "x86_64")))]
const WIDE_LANES: usize = 32;

/// The way through one text from dot to dot. Around the text stands nothing that counts.
#[derive(Debug, Default)]
pub(super) struct LineDots {
    /// The octets before this one were looked at.
    at: usize,
    /// Where the block begins of which the LFs are noted.
    noted_at: usize,
    /// Which octets of it are LFs with a dot behind them and were not told yet, the first one lowest.
    noted: u128,
    /// A CR had something else than an LF behind it, or an LF something else than a CR before it.
    parted: bool,
}

impl LineDots {
    /// The index of the next dot that has an LF before it; the text's length when there is none.
    ///
    /// The text is the same each time; only what stands before the LF of the last dot that was told may have changed.
    pub(super) fn next(&mut self, text: &[u8]) -> usize {
        while self.noted == 0 {
            if self.at > text.len() {
                return text.len();
            }
            let before = self.at.saturating_sub(1);
            if self.at > 0 && text.len() >= before + LANES + 2 {
                self.look(&text[before..]);
            } else {
                let mut edge = [0; LANES + 2];
                let octets = &text[before..text.len().min(self.at + LANES + 1)];
                edge[before + 1 - self.at..][..octets.len()].copy_from_slice(octets);
                self.look(&edge);
            }
        }
        let lf = self.noted_at + self.noted.trailing_zeros() as usize;
        self.noted &= self.noted - 1;
        lf + 1
    }

    /// Whether a CR or an LF stood alone in what was looked at, which is at least the text up to the last dot told.
    pub(super) fn parted(&self) -> bool {
        self.parted
    }

    /// Goes on as far as octets have one before and one behind them, or behind the first block that has dots.
    fn look(&mut self, octets: &[u8]) {
        // Where the compiler sees that these overlap, it loads an octet once and shuffles it to its other two places, which
        // makes the codec five times slower (x86-64). What is hidden from it is speed alone: the result is the same.
        let texts = [octets, &octets[1..], &octets[2..]].map(black_box);
        let blocks = walk_blocks(texts);
        self.pass(&blocks);
        if blocks.noted == 0 {
            self.pass(&walk::<LANES, LANES>(texts.map(|text| &text[blocks.octets..])));
        }
    }

    fn pass(&mut self, walk: &Walk) {
        self.noted_at = self.at + walk.quiet;
        self.noted = walk.noted;
        self.at += walk.octets;
        self.parted |= walk.parted;
    }
}

/// Some blocks of a text, none of which has dots but perhaps the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Walk {
    /// Octets in all of them.
    octets: usize,
    /// Octets in those without dots.
    quiet: usize,
    /// Which octets of the last block are LFs with a dot behind them, the first one lowest.
    noted: u128,
    /// A CR or an LF stands alone.
    parted: bool,
}

/// [`walk`] with the widest registers that are known to be there.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
fn walk_blocks(texts: [&[u8]; 3]) -> Walk {
    use fearless_simd::{Level, Simd as _};
    match Level::new().as_avx2() {
        Some(avx2) => avx2.vectorize(
            #[inline(always)]
            || walk::<WIDE_LANES, BLOCK_BYTES>(texts),
        ),
        None => walk::<LANES, BLOCK_BYTES>(texts),
    }
}

/// [`walk`] with the registers of the target.
#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
fn walk_blocks(texts: [&[u8]; 3]) -> Walk {
    walk::<LANES, BLOCK_BYTES>(texts)
}

/// Goes on by whole blocks, behind the first that has dots.
#[inline(always)]
fn walk<const LANES: usize, const BYTES: usize>([before, here, behind]: [&[u8]; 3]) -> Walk {
    let blocks = before.as_chunks().0.iter().zip(here.as_chunks().0).zip(behind.as_chunks().0);
    let mut parted = [0; LANES];
    let (mut quiet, mut octets, mut noted) = (0, 0, 0);
    for ((before, here), behind) in blocks {
        let dots = judge::<LANES, BYTES>(before, here, behind, &mut parted);
        octets += BYTES;
        if dots != [0; LANES] {
            noted = places(here, behind);
            break;
        }
        quiet = octets;
    }
    Walk { octets, quiet, noted, parted: parted != [0; LANES] }
}

/// Where in the block an LF has a dot behind it; of more than `LANES` octets, those that many apart share a place.
///
/// All flags are all bits or none.
#[inline(always)]
fn judge<const LANES: usize, const BYTES: usize>(
    before: &[u8; BYTES],
    here: &[u8; BYTES],
    behind: &[u8; BYTES],
    parted: &mut [u8; LANES],
) -> [u8; LANES] {
    let [before, here, behind] = [before, here, behind].map(|block| block.as_chunks::<LANES>().0);
    let mut dots = [0; LANES];
    for ((before, here), behind) in before.iter().zip(here).zip(behind) {
        for lane in 0..LANES {
            let lf = flag(here[lane] == b'\n');
            dots[lane] |= lf & flag(behind[lane] == b'.');
            parted[lane] |= lf ^ flag(before[lane] == b'\r');
        }
    }
    dots
}

/// Which octets of the block are LFs with a dot behind them, the first one lowest; again without a decision, which no
/// processor could guess.
#[inline(always)]
fn places<const BYTES: usize>(here: &[u8; BYTES], behind: &[u8; BYTES]) -> u128 {
    let mut dots = [0; BYTES];
    for (dot, (here, behind)) in dots.iter_mut().zip(here.iter().zip(behind)) {
        *dot = flag(*here == b'\n') & flag(*behind == b'.');
    }
    let mut places = 0;
    for (eight, dots) in dots.as_chunks::<8>().0.iter().enumerate() {
        // Of each octet the bit of its place; the product has the sum of them in its highest octet.
        let bits = u64::from_le_bytes(*dots) & 0x8040_2010_0804_0201;
        places |= u128::from(bits.wrapping_mul(0x0101_0101_0101_0101) >> 56) << (8 * eight);
    }
    places
}

/// What vector instructions make of a comparison.
fn flag(yes: bool) -> u8 {
    if yes { u8::MAX } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Every dot with an LF before it, and whether a CR or an LF stands alone, by a look at each octet.
    fn naive(text: &[u8]) -> (Vec<usize>, bool) {
        let at = |n: usize| text.get(n).copied();
        let dots = (1..text.len()).filter(|&n| text[n - 1..=n] == *b"\n.").collect();
        let parted = (0..text.len()).any(|n| match text[n] {
            b'\r' => at(n + 1) != Some(b'\n'),
            b'\n' => n == 0 || at(n - 1) != Some(b'\r'),
            _ => false,
        });
        (dots, parted)
    }

    fn told(text: &[u8]) -> (Vec<usize>, bool) {
        let (mut lines, mut dots) = (LineDots::default(), Vec::new());
        loop {
            let dot = lines.next(text);
            if dot == text.len() {
                assert_eq!(lines.next(text), dot, "the end stays the end");
                return (dots, lines.parted());
            }
            dots.push(dot);
        }
    }

    /// Each of these pieces at each place of quiet texts of many lengths: at their edges, and at those of groups and blocks.
    #[test]
    fn a_piece_is_found_wherever_it_stands() {
        let pieces: [&[u8]; 9] =
            [b"\r\n", b"\r\n.", b"\n.", b"\n", b"\r", b".", b"\r\n.\r\n.", b"\n\r", b"\r\n..x\r\n.y"];
        for piece in pieces {
            for quiet in (0..2 * LANES + 4).chain(BLOCK_BYTES - 4..BLOCK_BYTES + 2 * LANES + 4) {
                for at in 0..=quiet {
                    let text = [&[b'a'].repeat(at), piece, &[b'.'].repeat(quiet - at)].concat();
                    assert_eq!(told(&text), naive(&text), "{at} {text:?}");
                }
            }
        }
    }

    /// Long texts in which pieces are rare, so that blocks are gone through, and some in which they are not.
    #[test]
    fn blocks_find_what_a_look_at_each_octet_finds() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        for _ in 0..20_000 {
            let mut text = [b'a'].repeat(random(600) as usize);
            for _ in 0..1 << random(7) {
                let at = random(text.len() as u64 + 1) as usize;
                let piece: &[u8] = match random(40) {
                    0 => b"\n.",
                    1 => b"\n",
                    2 => b"\r",
                    3..10 => b".",
                    10..20 => b"\r\n.",
                    _ => b"\r\n",
                };
                text.splice(at..at, piece.iter().copied());
            }
            assert_eq!(told(&text), naive(&text), "{text:?}");
            // Not only with the registers of the machine that this runs on.
            if let Some(len) = text.len().checked_sub(2) {
                let texts = [&text[..len], &text[1..=len], &text[2..]];
                let narrow = walk::<LANES, BLOCK_BYTES>(texts);
                assert_eq!(walk::<WIDE_LANES, BLOCK_BYTES>(texts), narrow, "{text:?}");
                assert_eq!(walk_blocks(texts), narrow, "{text:?}");
            }
        }
    }

    /// What a decoder does: it moves together what stands before the last dot that was told.
    #[test]
    fn what_was_passed_may_change() {
        let text = b"aaaa\r\n.bb\r\n.c".repeat(40);
        let (mut lines, mut changed, mut dots) = (LineDots::default(), text.clone(), Vec::new());
        while dots.last() != Some(&text.len()) {
            let dot = lines.next(&changed);
            changed[..dot - 1].fill(b'\r');
            dots.push(dot);
        }
        dots.pop();
        assert_eq!(dots, naive(&text).0);
        assert!(!lines.parted());
    }
}

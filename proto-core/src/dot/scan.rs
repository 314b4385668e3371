//! The one look at every octet that both directions of the codec share.
//!
//! A text is looked at in blocks, without a decision on the way, so that it compiles to vector instructions. Only a block
//! with a dot at a line's start, which most blocks of most mail are not, is looked at again in smaller ones.

use core::hint::black_box;

/// Octets in a block: large enough that the decision after each costs little.
const BLOCK_BYTES: usize = 128;

/// Octets judged side by side: what a vector register of any machine of today holds.
const LANES: usize = 16;

/// A flag for each octet judged side by side: all bits or none.
type Flags = [u8; LANES];

/// The way through one text from dot to dot. Around the text stands nothing that counts.
#[derive(Debug, Default)]
pub(super) struct LineDots {
    /// The octets before this one were looked at.
    at: usize,
    /// Which of the last octets looked at are LFs with a dot behind them and were not told yet: the lowest bit of the
    /// octet's place, the first place lowest.
    noted: u128,
    /// A CR had something else than an LF behind it, or an LF something else than a CR before it.
    parted: Flags,
}

impl LineDots {
    /// The index of the next dot that has an LF before it; the text's length when there is none.
    ///
    /// The text is the same each time; only what stands before the last dot that was told may have changed.
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
        let lf = self.at - LANES + self.noted.trailing_zeros() as usize / 8;
        self.noted &= self.noted - 1;
        lf + 1
    }

    /// Whether a CR or an LF stood alone in what was looked at, which is at least the text up to the last dot told.
    pub(super) fn parted(&self) -> bool {
        any(self.parted)
    }

    /// Goes on as far as octets have one before and one behind them, or up to the first dots.
    fn look(&mut self, octets: &[u8]) {
        // Where the compiler sees that these overlap, it loads an octet once and shuffles it to its other two places, which
        // makes the codec five times slower (x86-64). What is hidden from it is speed alone: the result is the same.
        let texts = [octets, &octets[1..], &octets[2..]].map(black_box);
        let mut parted = self.parted;
        // Where one dot was, the next may be near: not to look at a whole block for each line.
        let (mut quiet, mut dots) = walk::<LANES>(texts.map(|text| &text[..LANES]), &mut parted);
        if !any(dots) {
            quiet += walk::<BLOCK_BYTES>(texts.map(|text| &text[quiet..]), &mut parted).0;
            let last;
            (last, dots) = walk::<LANES>(texts.map(|text| &text[quiet..]), &mut parted);
            quiet += last;
        }
        self.at += quiet;
        if any(dots) {
            self.at += LANES;
            self.noted = u128::from_le_bytes(dots) & u128::from_ne_bytes([1; LANES]);
        }
        self.parted = parted;
    }
}

/// The length of the blocks in front of which none has an LF with a dot behind it, and where such LFs are in the next.
#[inline(always)]
fn walk<const BYTES: usize>([before, here, behind]: [&[u8]; 3], parted: &mut Flags) -> (usize, Flags) {
    let blocks = before.as_chunks().0.iter().zip(here.as_chunks().0).zip(behind.as_chunks().0);
    let mut quiet = 0;
    for ((before, here), behind) in blocks {
        let dots = judge::<BYTES>(before, here, behind, parted);
        if any(dots) {
            return (quiet, dots);
        }
        quiet += BYTES;
    }
    (quiet, [0; LANES])
}

/// Where in the block an LF has a dot behind it; of more than [`LANES`] octets, those that many apart share a place.
#[inline(always)]
fn judge<const BYTES: usize>(
    before: &[u8; BYTES],
    here: &[u8; BYTES],
    behind: &[u8; BYTES],
    parted: &mut Flags,
) -> Flags {
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

/// What vector instructions make of a comparison.
fn flag(yes: bool) -> u8 {
    if yes { u8::MAX } else { 0 }
}

fn any(flags: Flags) -> bool {
    u128::from_ne_bytes(flags) != 0
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

//! The one look at every octet that both directions of the codec share.
//!
//! A text is looked at in blocks, without a decision on the way, so that it compiles to vector instructions; a block with
//! a dot at a line's start is looked at again in smaller ones, and only the last of these octet by octet. Most blocks of
//! most mail have none.

/// Octets in a block: large enough that the decision after each costs little, small enough that one dot does not cost
/// much.
const BLOCK_BYTES: usize = 64;

/// Octets judged side by side: what a vector register of any machine of today holds.
const LANES: usize = 16;

/// Octets looked at one by one first, so that a text of nothing but dots does not cost a block for each line.
const NEAR_BYTES: usize = 16;

/// Where the first LF with a dot behind it stands at or after `from`, as the dot's index; the text's length when there
/// is none. `parted` becomes true when, up to there, a CR has something else than an LF behind it, or an LF something else
/// than a CR before it.
///
/// What stands before `from` and behind the text is the caller's to judge: an LF at `from`, a CR at the end.
pub(super) fn dot_after_lf(text: &[u8], from: usize, parted: &mut bool) -> usize {
    let near = text.len().min(from + NEAR_BYTES);
    one_by_one(&text[from..near], parted).map_or_else(
        || {
            let quiet = near.max(from + 1) - 1;
            let at = quiet + quiet_blocks::<BLOCK_BYTES>(&text[quiet..], parted);
            let at = at + quiet_blocks::<LANES>(&text[at..], parted);
            one_by_one(&text[at..], parted).map_or(text.len(), |dot| at + dot)
        },
        |dot| from + dot,
    )
}

/// The length of the blocks of `BYTES` in front of which none has a pair that the search is for.
fn quiet_blocks<const BYTES: usize>(text: &[u8], parted: &mut bool) -> usize {
    let nexts = text.get(1..).unwrap_or_default();
    let blocks = text.as_chunks::<BYTES>().0.iter().zip(nexts.as_chunks::<BYTES>().0);
    let (mut quiet, mut any_breaks) = (0, false);
    for (one, next) in blocks {
        let (mut dots, mut breaks) = ([0; LANES], [0; LANES]);
        for (one, next) in one.as_chunks::<LANES>().0.iter().zip(next.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                dots[lane] |= u8::from(one[lane] == b'\n') & u8::from(next[lane] == b'.');
                breaks[lane] |= u8::from(one[lane] == b'\r') ^ u8::from(next[lane] == b'\n');
            }
        }
        if u128::from_ne_bytes(dots) != 0 {
            break;
        }
        any_breaks |= u128::from_ne_bytes(breaks) != 0;
        quiet += BYTES;
    }
    *parted |= any_breaks;
    quiet
}

/// The search itself.
fn one_by_one(text: &[u8], parted: &mut bool) -> Option<usize> {
    let mut any_breaks = false;
    let found = text.windows(2).position(|pair| {
        any_breaks |= (pair[0] == b'\r') != (pair[1] == b'\n');
        pair == b"\n."
    });
    *parted |= any_breaks;
    found.map(|lf| lf + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Long texts in which dots and parted line ends are rare, so that blocks of both sizes are gone through.
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
            let mut text: Vec<u8> = (0..random(300)).map(|_| b'a').collect();
            for _ in 0..random(4) {
                let at = random(text.len() as u64 + 1) as usize;
                let piece: &[u8] = [&b"\r\n"[..], b"\r\n.", b"\n.", b"\n", b"\r", b"."][random(6) as usize];
                text.splice(at..at, piece.iter().copied());
            }
            let from = random(text.len() as u64 + 1) as usize;
            let (mut parted, mut naive) = (false, false);
            let dot = dot_after_lf(&text, from, &mut parted);
            let expected = one_by_one(&text[from..], &mut naive).map_or(text.len(), |at| from + at);
            assert_eq!((dot, parted), (expected, naive), "{from} {text:?}");
        }
    }
}

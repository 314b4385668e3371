//! The one look at every octet that both directions of the codec share.
//!
//! A text is looked at in blocks, without a decision on the way, so that it compiles to vector instructions; only a
//! block with a dot at a line's start is looked at octet by octet. Most blocks of most mail have none.

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
            let at = quiet + quiet_blocks(&text[quiet..], parted);
            one_by_one(&text[at..], parted).map_or(text.len(), |dot| at + dot)
        },
        |dot| from + dot,
    )
}

/// The length of the blocks in front of which none has a pair that the search is for.
fn quiet_blocks(text: &[u8], parted: &mut bool) -> usize {
    let nexts = text.get(1..).unwrap_or_default();
    let blocks = text.as_chunks::<BLOCK_BYTES>().0.iter().zip(nexts.as_chunks::<BLOCK_BYTES>().0);
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
        quiet += BLOCK_BYTES;
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

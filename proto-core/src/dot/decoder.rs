//! The streaming dot decoder.
//!
//! RFC 5321 section 4.5.2 and RFC 1939 section 3. Octets that cannot be judged yet (a CR, a dot at a line's start)
//! stay in the input buffer, at most two of them, so the decoder never holds text back and never looks at what it
//! has handed out. Its state is therefore only whether a line starts here.
//!
//! # Limits
//! The text's size, [`DotDecoder::new`]: what is beyond is swallowed, in constant memory, and reported at the end.
//! A long line (RFC 5321 section 4.5.3.1.6: 1000 octets with its CR LF) is reported and never rewritten.

use super::scan::LineDots;
use super::{BareEol, DecodePolicy};
use crate::input::InBuf;
use alloc::vec::Vec;
use bytes::Bytes;

/// Octets in which a line of most mail breaks.
const BREAK_BYTES: usize = 128;

/// A step of decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The next octets of the text; never empty. How a text is cut into these depends on how the input was.
    Body(Bytes),
    /// The end of the text; the input after it is not text.
    End(DotEnd),
}

/// What a whole text was like. Only with neither `bare_eol` (under [`DecodePolicy::Reject`]) nor `over_size` has
/// all of it been handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DotEnd {
    /// The decoded text's size in octets, also of what was swallowed.
    pub octets: u64,
    /// The longest line in octets, its ending counted, transparency dots not.
    pub line_octets_max: u64,
    /// The first CR or LF that stood alone; what became of it is the policy's matter.
    pub bare_eol: Option<BareEol>,
    /// The text is larger than it may be; it was handed out up to the limit.
    pub over_size: bool,
}

/// Decodes one text. For the next text, make a new one.
#[derive(Debug, Clone)]
pub struct DotDecoder {
    policy: DecodePolicy,
    octets_max: u64,
    at_line_start: bool,
    line_octets: u64,
    /// A fault has been seen under [`DecodePolicy::Reject`].
    swallowing: bool,
    ended: bool,
    seen: DotEnd,
}

/// What stands at the front of the input once the transparency dots are out of it.
struct Front {
    /// Octets of text.
    text: usize,
    /// Octets behind them that were taken with them and are nothing.
    dropped: usize,
    /// A CR or an LF stands alone in the text.
    bare_eol: bool,
}

impl DotDecoder {
    /// A decoder at the start of a text of at most `octets_max` octets, decoded.
    pub fn new(policy: DecodePolicy, octets_max: u64) -> Self {
        let seen = DotEnd { octets: 0, line_octets_max: 0, bare_eol: None, over_size: false };
        Self {
            policy,
            octets_max,
            at_line_start: true,
            line_octets: 0,
            swallowing: false,
            ended: false,
            seen,
        }
    }

    /// Does not measure lines of up to so many octets, which costs less: [`DotEnd::line_octets_max`] is then never
    /// less than that. For a caller that does not mind such lines.
    pub fn ignoring_lines_up_to(mut self, octets: u64) -> Self {
        self.seen.line_octets_max = octets;
        self
    }

    /// What the text has been like so far.
    pub fn seen(&self) -> &DotEnd {
        &self.seen
    }

    /// Takes octets of the text from `input`; `None` when more are needed, and after the end.
    pub fn decode(&mut self, input: &mut InBuf) -> Option<Decoded> {
        while !self.ended {
            let octets = input.as_mut_slice();
            if self.at_line_start && octets.starts_with(b".\r\n") {
                input.take(b".\r\n".len());
                self.ended = true;
                return Some(Decoded::End(self.seen));
            }
            let front = self.unstuff(octets);
            if front.text + front.dropped == 0 {
                break;
            }
            // No password, which [`InBuf::skip`] would overwrite with all the memory behind it, for each run anew.
            let mut run = input.take(front.text + front.dropped);
            run.truncate(front.text);
            let text = self.admit(run, front.bare_eol);
            if !text.is_empty() {
                return Some(Decoded::Body(text));
            }
        }
        None
    }

    /// Moves the text together over its transparency dots, up to its end or as far as can be told. A dot at the start of
    /// a line is judged by the two octets behind it, a CR by the one behind it; until they are there, it stays.
    fn unstuff(&self, octets: &mut [u8]) -> Front {
        let end = octets.len() - usize::from(octets.last() == Some(&b'\r'));
        let mut front = Front { text: 0, dropped: 0, bare_eol: false };
        let mut dots = LineDots::default();
        let mut from = 0;
        let mut starts_line = self.at_line_start;
        while from < end {
            if starts_line && octets[from] == b'.' {
                if matches!(octets[from..], [b'.'] | [b'.', b'\r'] | [b'.', b'\r', b'\n', ..]) {
                    break;
                }
                from += 1;
            }
            let to = dots.next(&octets[..end]);
            starts_line = octets[from..to].ends_with(b"\r\n");
            if front.text < from {
                octets.copy_within(from..to, front.text);
            }
            front.text += to - from;
            from = to;
        }
        front.dropped = from - front.text;
        front.bare_eol = dots.parted();
        front
    }

    /// Counts a run and does what the policy says about it; returns what is to be handed out. `bare_eol` says whether a CR
    /// or an LF stands alone in it.
    pub(super) fn admit(&mut self, mut run: Bytes, bare_eol: bool) -> Bytes {
        self.at_line_start = run.ends_with(b"\r\n");
        self.measure_lines(&run);
        if let Some((bare, at)) = bare_eol.then(|| first_bare_eol(&run)).flatten() {
            self.seen.bare_eol.get_or_insert(bare);
            match self.policy {
                DecodePolicy::Raw => {}
                DecodePolicy::Normalize => run = normalized(&run).into(),
                DecodePolicy::Reject => {
                    let bad = run.split_off(at);
                    let text = self.limit(run);
                    self.swallowing = true;
                    self.limit(bad);
                    return text;
                }
            }
        }
        self.limit(run)
    }

    /// Counts a run's octets and cuts off what is beyond the limit, or all after a fault.
    fn limit(&mut self, mut run: Bytes) -> Bytes {
        let room = self.octets_max.saturating_sub(self.seen.octets);
        self.seen.octets += run.len() as u64;
        let over_size = run.len() as u64 > room;
        if self.swallowing {
            run.clear();
        } else if over_size {
            run.truncate(room as usize);
        }
        self.seen.over_size |= over_size;
        run
    }

    /// Measures a last line that nothing ended.
    pub(super) fn measure_last_line(&mut self) {
        let line_octets = core::mem::take(&mut self.line_octets);
        self.seen.line_octets_max = self.seen.line_octets_max.max(line_octets);
    }

    /// How much of a run's front need not be measured: behind it a line breaks before one could become the longest.
    ///
    /// That a line breaks somewhere in the last octets within reach is cheaper to know than where, which no processor
    /// can guess: the lines of most mail are far shorter than the longest that is not measured.
    fn short_lines(&self, run: &[u8]) -> usize {
        let longest = usize::try_from(self.seen.line_octets_max).unwrap_or(usize::MAX);
        let mut front = 0;
        if longest >= 2 * BREAK_BYTES {
            let reach = self.seen.line_octets_max.saturating_sub(self.line_octets);
            let mut reached = usize::try_from(reach).unwrap_or(usize::MAX);
            while BREAK_BYTES <= reached
                && reached <= run.len()
                && breaks(&run[reached - BREAK_BYTES..reached])
            {
                front = reached - BREAK_BYTES;
                reached = front.saturating_add(longest);
            }
        }
        front
    }

    /// Measures the lines of a run.
    ///
    /// A line is looked at only if it may be the longest: where a line break lies within reach of the longest so far,
    /// nothing before it can be longer.
    fn measure_lines(&mut self, run: &[u8]) {
        let mut at = self.short_lines(run);
        if at > 0 {
            self.line_octets = 0;
        }
        while at < run.len() {
            let reach = self.seen.line_octets_max.saturating_sub(self.line_octets);
            let reached = at + usize::try_from(reach).unwrap_or(usize::MAX).min(run.len() - at);
            if let Some(end) = memchr::memrchr(b'\n', &run[at..reached]) {
                at += end + 1;
            } else if let Some(end) = memchr::memchr(b'\n', &run[reached..]) {
                self.line_octets += (reached + end + 1 - at) as u64;
                self.seen.line_octets_max = self.seen.line_octets_max.max(self.line_octets);
                at = reached + end + 1;
            } else {
                self.line_octets += (run.len() - at) as u64;
                return;
            }
            self.line_octets = 0;
        }
    }
}

/// Whether a line breaks in these octets. It has no decision on the way, so that it compiles to vector instructions.
fn breaks(octets: &[u8]) -> bool {
    octets.iter().fold(false, |any, octet| any | (*octet == b'\n'))
}

/// The first CR or LF that stands alone in a run, and where.
fn first_bare_eol(run: &[u8]) -> Option<(BareEol, usize)> {
    memchr::memchr2_iter(b'\r', b'\n', run).find_map(|at| match run[at] {
        b'\r' if run.get(at + 1) != Some(&b'\n') => Some((BareEol::Cr, at)),
        b'\n' if at == 0 || run[at - 1] != b'\r' => Some((BareEol::Lf, at)),
        _ => None,
    })
}

/// A run with bare LF as CR LF and bare CR as a space.
fn normalized(run: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(run.len() + run.len() / 8);
    let mut before = 0;
    for (at, &octet) in run.iter().enumerate() {
        match octet {
            b'\r' if run.get(at + 1) != Some(&b'\n') => out.push(b' '),
            b'\n' if before != b'\r' => out.extend_from_slice(b"\r\n"),
            _ => out.push(octet),
        }
        before = octet;
    }
    out
}

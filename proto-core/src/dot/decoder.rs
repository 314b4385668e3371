//! The streaming dot decoder.
//!
//! RFC 5321 section 4.5.2 and RFC 1939 section 3. Octets that cannot be judged yet (a CR, a dot at a line's start)
//! stay in the input buffer, at most two of them, so the decoder never holds text back and never looks at what it
//! has handed out. Its state is therefore only whether a line starts here.
//!
//! # Limits
//! The text's size, [`DotDecoder::new`]: what is beyond is swallowed, in constant memory, and reported at the end.
//! A long line (RFC 5321 section 4.5.3.1.6: 1000 octets with its CR LF) is reported and never rewritten.

use super::{BareEol, DecodePolicy, has_bare_eol};
use crate::input::InBuf;
use alloc::vec::Vec;
use bytes::Bytes;

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

/// Where the next octets belong, whatever the policy.
enum Frame {
    More,
    Run { skip: usize, len: usize },
    End { len: usize },
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
        let mut gathered = Vec::new();
        while gathered.len() < GATHER_BYTES && !self.ended {
            match self.frame(input.as_slice()) {
                Frame::More => break,
                Frame::End { .. } if !gathered.is_empty() => break,
                Frame::Run { len, .. } if len >= GATHER_BYTES && !gathered.is_empty() => break,
                Frame::End { len } => {
                    input.skip(len);
                    self.ended = true;
                    return Some(Decoded::End(self.seen));
                }
                Frame::Run { skip, len } => {
                    input.skip(skip);
                    let text = self.admit(input.take(len));
                    if gathered.is_empty() && (text.len() >= GATHER_BYTES || input.is_empty()) {
                        if !text.is_empty() {
                            return Some(Decoded::Body(text));
                        }
                    } else {
                        if gathered.is_empty() {
                            gathered.reserve((text.len() + input.len()).min(2 * GATHER_BYTES));
                        }
                        gathered.extend_from_slice(&text);
                    }
                }
            }
        }
        (!gathered.is_empty()).then(|| Decoded::Body(gathered.into()))
    }

    /// Finds the next run of octets that are text as they stand: up to a line that begins with a dot, or as far as
    /// can be told. A CR that may be half of a CR LF is left for later.
    fn frame(&self, input: &[u8]) -> Frame {
        let mut skip = 0;
        if self.at_line_start {
            match input {
                [b'.', b'\r', b'\n', ..] => return Frame::End { len: 3 },
                [] | [b'.'] | [b'.', b'\r'] => return Frame::More,
                [b'.', ..] => skip = 1,
                _ => {}
            }
        }
        let text = &input[skip..];
        let len = memchr::memmem::find(text, b"\r\n.")
            .map_or_else(|| text.len() - usize::from(text.last() == Some(&b'\r')), |at| at + b"\r\n".len());
        if skip + len == 0 { Frame::More } else { Frame::Run { skip, len } }
    }

    /// Counts a run and does what the policy says about it; returns what is to be handed out.
    fn admit(&mut self, mut run: Bytes) -> Bytes {
        self.at_line_start = run.ends_with(b"\r\n");
        self.measure_lines(&run);
        if let Some((bare, at)) = first_bare_eol(&run) {
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

    /// Measures the lines of a run.
    ///
    /// A line is looked at only if it may be the longest: where a line break lies within reach of the longest so far,
    /// nothing before it can be longer.
    fn measure_lines(&mut self, run: &[u8]) {
        let mut at = 0;
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

/// The first CR or LF that stands alone in a run, and where.
fn first_bare_eol(run: &[u8]) -> Option<(BareEol, usize)> {
    if !has_bare_eol(run) {
        return None;
    }
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

/// Runs shorter than this are copied together, so that a text of nothing but dots costs no step for each line.
const GATHER_BYTES: usize = 1024;

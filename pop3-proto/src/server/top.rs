//! Where TOP ends: after the header, the empty line and so many lines (RFC 1939 section 7).
//!
//! Lines are those that RETR would deliver, so an LF ends one, with or without a CR before it. A message without an
//! empty line is all header: nothing is cut off and nothing invented.

/// Counts lines of a message that passes by.
#[derive(Debug)]
pub(super) struct TopCut {
    lines_left: u64,
    in_body: bool,
    line: Line,
}

/// What the current line holds so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Nothing,
    Cr,
    Text,
}

impl Line {
    fn then(self, octets: &[u8]) -> Self {
        match (self, octets) {
            (line, []) => line,
            (Self::Nothing, [b'\r']) => Self::Cr,
            _ => Self::Text,
        }
    }
}

impl TopCut {
    /// A cut after `lines` lines of the body.
    pub(super) fn new(lines: u64) -> Self {
        Self { lines_left: lines, in_body: false, line: Line::Nothing }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_done(&self) -> bool {
        self.in_body && self.lines_left == 0
    }

    /// How many of the next octets are wanted.
    pub(super) fn admit(&mut self, octets: &[u8]) -> usize {
        let mut at = 0;
        while at < octets.len() && !self.is_done() {
            let rest = &octets[at..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.line = self.line.then(rest);
                return octets.len();
            };
            let is_empty = self.line.then(&rest[..end]) != Line::Text;
            self.line = Line::Nothing;
            at += end + 1;
            if self.in_body {
                self.lines_left -= 1;
            } else {
                self.in_body = is_empty;
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn top(message: &[u8], lines: u64, cut: usize) -> Vec<u8> {
        let mut top = TopCut::new(lines);
        let mut out = Vec::new();
        for chunk in message.chunks(cut) {
            out.extend_from_slice(&chunk[..top.admit(chunk)]);
        }
        out
    }

    #[test]
    fn known_answers_at_every_cut() {
        let message: &[u8] = b"A: b\r\n\rx\r\n\n.one\r\n\r\ntwo\nthree";
        let cases: [(&[u8], u64, usize); 9] = [
            (message, 0, 11),
            (message, 1, 17),
            (message, 2, 19),
            (message, 3, 23),
            (message, 4, message.len()),
            (message, u64::MAX, message.len()),
            (b"H: 1\r\n", 5, 6),
            (b"\r\nbody\r\n", 0, 2),
            (b"", 3, 0),
        ];
        for (message, lines, expected) in cases {
            for cut in 1..=message.len().max(1) {
                assert_eq!(top(message, lines, cut), &message[..expected], "{lines} lines, cut {cut}");
            }
        }
    }
}

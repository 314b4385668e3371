//! [`Lines`]: a file line by line, lines of any length, a bounded part of each in memory.

use std::io;

use crate::fs::File;

/// How much is read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// How much of a line is shown.
pub(super) const HEAD_BYTES_MAX: usize = super::fields::VALUE_BYTES_MAX;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Where it begins.
    pub(super) at: u64,
    /// How many octets it has, its end included.
    pub(super) bytes: u64,
    /// Its beginning: all of it up to [`HEAD_BYTES_MAX`] octets, without its end.
    pub(super) head: &'a [u8],
    /// How it ends.
    pub(super) end: LineEnd,
    /// How many `>` stand before `From ` at its beginning; 0 also when that is not how it begins.
    pub(super) quotes: u64,
    /// The CRC-32C of its octets behind what was summed before it.
    pub(super) sum: u32,
}

impl Line<'_> {
    pub(super) fn is_blank(&self) -> bool {
        self.head.is_empty() && self.end != LineEnd::None
    }

    /// Where the next one begins.
    pub(super) fn next_at(&self) -> u64 {
        self.at + self.bytes
    }
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    Lf,
    CrLf,
    /// The file ends in it.
    None,
}

/// Reads lines forward.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    file: &'a dyn File,
    chunk: Vec<u8>,
    /// The part of `chunk` that has not been given out.
    from: usize,
    until: usize,
    /// Where in the file `from` is.
    at: u64,
    /// The head of a line that did not fit into one chunk.
    head: Vec<u8>,
    /// The CRC-32C of what was given out.
    sum: u32,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a dyn File, at: u64) -> Self {
        Self::small(file, at, CHUNK_BYTES)
    }

    /// For a part of the file that is known to be short.
    pub(super) fn small(file: &'a dyn File, at: u64, bytes: usize) -> Self {
        let chunk = vec![0; bytes.clamp(1, CHUNK_BYTES)];
        Self { file, chunk, from: 0, until: 0, at, head: Vec::new(), sum: 0 }
    }

    /// Where the next line begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The CRC-32C of all lines that were given out, or of those since it was [set](Lines::set_sum).
    pub(super) fn sum(&self) -> u32 {
        self.sum
    }

    /// Goes on from this sum.
    pub(super) fn set_sum(&mut self, sum: u32) {
        self.sum = sum;
    }

    /// The next line of what stands before `limit`; `None` at the limit and at the end of the file.
    pub(super) fn next(&mut self, limit: u64) -> io::Result<Option<Line<'_>>> {
        let start = self.at;
        self.head.clear();
        let mut quotes = Quotes::default();
        let mut last = 0;
        loop {
            if self.from == self.until {
                let left = usize::try_from(limit.saturating_sub(self.at)).unwrap_or(usize::MAX);
                let wanted = left.min(self.chunk.len());
                let n = crate::fs::read_full(self.file, &mut self.chunk[..wanted], self.at)?;
                (self.from, self.until) = (0, n);
                if n == 0 {
                    if self.at == start {
                        return Ok(None);
                    }
                    return Ok(Some(self.line(start, LineEnd::None, quotes.count())));
                }
            }
            let here = limit.saturating_sub(self.at);
            let shown = (self.until - self.from).min(usize::try_from(here).unwrap_or(usize::MAX));
            if shown == 0 {
                if self.at == start {
                    return Ok(None);
                }
                return Ok(Some(self.line(start, LineEnd::None, quotes.count())));
            }
            let part = &self.chunk[self.from..self.from + shown];
            match memchr::memchr(b'\n', part) {
                Some(end) => {
                    quotes.look(&part[..end]);
                    self.sum = crc32c::crc32c_append(self.sum, &part[..=end]);
                    let before = if end > 0 { part[end - 1] } else { last };
                    let is_crlf = before == b'\r' && (end > 0 || self.at > start);
                    let from = self.from;
                    self.from += end + 1;
                    self.at += end as u64 + 1;
                    let ending = if is_crlf { LineEnd::CrLf } else { LineEnd::Lf };
                    if self.at - (end as u64 + 1) == start {
                        // All of it lies in the chunk.
                        let bytes = end + 1;
                        let text = end - usize::from(is_crlf);
                        let head = &self.chunk[from..from + text.min(HEAD_BYTES_MAX)];
                        let (bytes, quotes, sum) = (bytes as u64, quotes.count(), self.sum);
                        return Ok(Some(Line { at: start, bytes, head, end: ending, quotes, sum }));
                    }
                    let room = HEAD_BYTES_MAX + 1 - self.head.len().min(HEAD_BYTES_MAX + 1);
                    self.head.extend_from_slice(&self.chunk[from..from + end.min(room)]);
                    return Ok(Some(self.line(start, ending, quotes.count())));
                }
                None => {
                    quotes.look(part);
                    self.sum = crc32c::crc32c_append(self.sum, part);
                    last = part[shown - 1];
                    let room = HEAD_BYTES_MAX + 1 - self.head.len().min(HEAD_BYTES_MAX + 1);
                    self.head.extend_from_slice(&part[..shown.min(room)]);
                    self.from += shown;
                    self.at += shown as u64;
                }
            }
        }
    }

    /// A line that was gathered in `head`.
    fn line(&self, start: u64, end: LineEnd, quotes: u64) -> Line<'_> {
        let bytes = self.at - start;
        let text = match end {
            LineEnd::Lf => bytes - 1,
            LineEnd::CrLf => bytes - 2,
            LineEnd::None => bytes,
        };
        let shown = self.head.len().min(HEAD_BYTES_MAX).min(usize::try_from(text).unwrap_or(usize::MAX));
        Line { at: start, bytes, head: &self.head[..shown], end, quotes, sum: self.sum }
    }
}

/// Counts the `>` before `From `, however the line is cut.
#[derive(Debug, Default)]
struct Quotes {
    seen: u64,
    matched: usize,
    over: bool,
}

impl Quotes {
    fn look(&mut self, part: &[u8]) {
        for &octet in part {
            if self.over || self.matched == FROM.len() {
                return;
            }
            if octet == b'>' && self.matched == 0 {
                self.seen += 1;
            } else if octet == FROM[self.matched] && self.seen > 0 {
                self.matched += 1;
            } else {
                self.over = true;
            }
        }
    }

    fn count(&self) -> u64 {
        if self.matched == FROM.len() { self.seen } else { 0 }
    }
}

/// What a line that could be taken for the beginning of a message begins with.
pub(super) const FROM: &[u8] = b"From ";

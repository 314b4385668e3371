//! [`Scanner`]: the one pass over a message.
//!
//! In a header the scanner works line by line, where the line lies; of a line that a piece cuts it keeps what can matter.
//! In a body it looks for two dashes behind a line end and nothing else: a line that does not begin with them is nobody's
//! boundary, and is passed over with all others like it in one search. `open` is the path from the message to the part
//! that is being read: each element lies in the one before it, and only the last can be in its header.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use memchr::memmem::Finder;

use super::capture::Captured;
use super::content::{ContentType, Encoding};
use super::limits::{Budget, Limits};
use super::part::{Content, Message, Part, PartHeader};
use crate::decode::decode_parameter;
use crate::envelope::Envelope;
use crate::header::{LINE_HEAD_BYTES, LineKind, classify};
use crate::structure::Parameter;

/// Finds the structure of a message that is fed in pieces.
///
/// However the message is cut, the result is the same. To learn the envelope alone, feed the header alone.
///
/// ```
/// use mail_message::mime::{Content, Limits, Scanner};
///
/// let mut scanner = Scanner::new(Limits::default());
/// scanner.feed(b"Subject: hi\r\nContent-Type: multipart/mixed; bound");
/// scanner.feed(b"ary=x\r\n\r\n--x\r\n\r\none\r\n--x--\r\n");
/// let message = scanner.finish();
///
/// assert_eq!(message.envelope.subject.as_deref(), Some(&b"hi"[..]));
/// let Content::Multipart(parts) = &message.root.content else { panic!() };
/// assert_eq!(parts[0].body, 65..68);
/// ```
pub struct Scanner {
    limits: Limits,
    budget: Budget,
    /// Finds what a boundary line begins with, and the line end before it.
    dashes: Finder<'static>,
    open: Vec<Open>,
    /// The fields of the header that the last of `open` is in.
    captured: Captured,
    /// Octets so far.
    at: u64,
    place: Place,
    line_start: u64,
    /// In [`Place::Cut`] the beginning of the line, as far as it can matter.
    line: Vec<u8>,
    /// Whether what is not kept of the current line is all white space.
    tail_is_blank: bool,
    /// Whether the octet before is CR.
    last_was_cr: bool,
    /// Octets of the line end before the current line.
    line_end_bytes: u64,
    /// Line ends so far.
    line_ends: u64,
}

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its beginning.
    Start,
    /// Inside a line that can matter: its beginning is in `line`.
    Cut,
    /// Inside a line of a body that cannot.
    Passing,
}

/// A part that has begun and not ended.
struct Open {
    part: Part,
    in_header: bool,
    /// Only the outermost part of a message has one.
    envelope: Option<Envelope>,
    /// Line ends before the body.
    line_ends_before: u64,
    kind: Kind,
}

enum Kind {
    Leaf,
    Multipart {
        /// Empty when there is none.
        boundary: Bytes,
        /// The last boundary was met, or no more parts are allowed: what follows is epilogue.
        is_closed: bool,
        parts: Vec<Part>,
        is_digest: bool,
    },
    Message(Option<Box<Message>>),
}

impl Scanner {
    /// A scanner at the start of a message.
    pub fn new(limits: Limits) -> Scanner {
        Scanner {
            budget: Budget::new(&limits),
            limits,
            dashes: Finder::new(b"\n--"),
            open: alloc::vec![Open::new(0, true)],
            captured: Captured::default(),
            at: 0,
            place: Place::Start,
            line_start: 0,
            line: Vec::new(),
            tail_is_blank: true,
            last_was_cr: false,
            line_end_bytes: 0,
            line_ends: 0,
        }
    }

    /// Takes the next octets of the message.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let taken = match self.place {
                Place::Cut => self.feed_line(rest),
                Place::Start if self.in_header() => self.feed_line(rest),
                Place::Start | Place::Passing => self.feed_body(rest),
            };
            rest = &rest[taken..];
        }
    }

    /// Takes the rest of a line that can matter, or as much of it as is there. Returns how much that is.
    fn feed_line(&mut self, octets: &[u8]) -> usize {
        let end = memchr::memchr(b'\n', octets);
        let piece = &octets[..end.map_or(octets.len(), |end| end + 1)];
        let line_end_bytes = if self.ends_with_cr(&piece[..end.unwrap_or(0)]) { 2 } else { 1 };
        self.pass(piece);
        if self.place == Place::Start && end.is_some() {
            self.end_line(piece, line_end_bytes);
            return piece.len();
        }
        let wanted = if self.in_header() {
            self.limits.field_bytes_max.max(LINE_HEAD_BYTES)
        } else {
            BOUNDARY_LINE_BYTES_MAX
        };
        let (kept, dropped) = piece.split_at(wanted.saturating_sub(self.line.len()).min(piece.len()));
        self.line.extend_from_slice(kept);
        self.tail_is_blank &= dropped.trim_ascii().is_empty();
        self.place = Place::Cut;
        if end.is_some() {
            let mut line = mem::take(&mut self.line);
            self.end_line(&line, line_end_bytes);
            line.clear();
            self.line = line;
        }
        piece.len()
    }

    /// Takes octets of a body up to the next line that may be a boundary. Returns how many they are.
    fn feed_body(&mut self, octets: &[u8]) -> usize {
        if self.only_counts() {
            self.line_ends += count_line_ends(octets);
            self.pass(octets);
            return octets.len();
        }
        if self.place == Place::Start && (octets.starts_with(b"--") || octets == b"-") {
            return self.feed_line(octets);
        }
        let next = self.dashes.find(octets).map(|at| at + 1);
        let next = next.or_else(|| octets.ends_with(b"\n").then_some(octets.len()));
        let next = next.or_else(|| octets.ends_with(b"\n-").then(|| octets.len() - 1));
        let passed = &octets[..next.unwrap_or(octets.len())];
        self.line_ends += count_line_ends(passed);
        self.place = Place::Passing;
        if next.is_some() {
            let line_end_bytes = if self.ends_with_cr(&passed[..passed.len() - 1]) { 2 } else { 1 };
            self.pass(passed);
            self.start_line(line_end_bytes);
        } else {
            self.pass(passed);
        }
        passed.len()
    }

    /// Whether CR stands before what follows `octets`, which come next.
    fn ends_with_cr(&self, octets: &[u8]) -> bool {
        octets.last().map_or(self.last_was_cr, |&last| last == b'\r')
    }

    fn pass(&mut self, octets: &[u8]) {
        self.at += octets.len() as u64;
        self.last_was_cr = octets.ends_with(b"\r");
    }

    fn start_line(&mut self, line_end_bytes: u64) {
        self.place = Place::Start;
        self.tail_is_blank = true;
        self.line_start = self.at;
        self.line_end_bytes = line_end_bytes;
    }

    /// The message has ended.
    pub fn finish(mut self) -> Message {
        if self.place == Place::Cut {
            let line = mem::take(&mut self.line);
            self.end_line(&line, 0);
        }
        let mut last = None;
        while let Some(closed) = self.close_innermost(self.at, self.line_ends) {
            last = closed.or(last);
        }
        *last
            .expect("invariant: the outermost part of `open` is a message, and closing it gives that message")
    }

    /// Whether nothing that follows can be a boundary or a header: the usual case of a plain message's body.
    fn only_counts(&self) -> bool {
        self.open.iter().all(|open| !open.in_header && open.is_closed())
    }

    fn in_header(&self) -> bool {
        self.open.last().is_some_and(|open| open.in_header)
    }

    /// The current line is whole; its line end has `line_end_bytes` octets (none at the end of the message).
    fn end_line(&mut self, line: &[u8], line_end_bytes: u64) {
        // A line that ends a header without being part of it is looked at again as a line of the body, which may
        // be a boundary or the first line of an enclosed message's header.
        while !self.boundary_line(line) && self.in_header() && !self.header_line(line, line_end_bytes) {}
        self.line_ends += u64::from(line_end_bytes > 0);
        self.start_line(line_end_bytes);
    }

    /// Acts on `line` if it is a boundary of an open multipart.
    fn boundary_line(&mut self, line: &[u8]) -> bool {
        let Some(text) = line.strip_prefix(b"--") else { return false };
        let Some((level, is_last)) = self.find_boundary(text) else { return false };
        self.close_inside(level);
        if !is_last && self.budget.take_part() {
            self.captured.clear();
            self.open.push(Open::new(self.at, false));
        } else if let Kind::Multipart { is_closed, .. } = &mut self.open[level].kind {
            *is_closed = true;
        }
        true
    }

    /// Which multipart the line that has `text` behind its dashes is a boundary of, and whether it is the last.
    ///
    /// A boundary that fills the line goes before one that only begins it (RFC 2046 §5.1.1 takes both), the inner
    /// before the outer, and of those that begin the line the longest goes first, since boundaries are often made
    /// by adding to another one. A multipart that had its last boundary still claims lines that begin with it.
    fn find_boundary(&self, text: &[u8]) -> Option<(usize, bool)> {
        let fills = |rest: &[u8]| self.tail_is_blank && rest.trim_ascii().is_empty();
        let mut best: Option<(usize, usize, bool)> = None;
        let mut is_claimed = false;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Kind::Multipart { boundary, is_closed, .. } = &open.kind else { continue };
            let Some(rest) = text.strip_prefix(&boundary[..]).filter(|_| !boundary.is_empty()) else {
                continue;
            };
            let behind_dashes = rest.strip_prefix(b"--");
            if fills(rest) || behind_dashes.is_some_and(fills) {
                if !is_closed {
                    return Some((level, behind_dashes.is_some()));
                }
                is_claimed = true;
            }
            if best.is_none_or(|(_, bytes, _)| bytes < boundary.len()) {
                best = Some((level, boundary.len(), behind_dashes.is_some()));
            }
        }
        let (level, _, is_last) = best.filter(|_| !is_claimed)?;
        (!self.open[level].is_closed()).then_some((level, is_last))
    }

    /// Ends all parts inside the multipart at `level`, before the boundary line that has just been read.
    fn close_inside(&mut self, level: usize) {
        let Some(child) = self.open.get(level + 1) else { return };
        if child.in_header {
            self.end_header(self.line_start, self.line_ends);
        }
        // The line end before the boundary belongs to the boundary, unless it ends the part's header.
        let body_start = self.open[level + 1].part.body.start;
        let before_line_end = self.line_start - self.line_end_bytes;
        let (end, line_ends) = if before_line_end < body_start {
            (body_start, self.line_ends)
        } else {
            (before_line_end, self.line_ends - 1)
        };
        while self.open.len() > level + 1 {
            self.close_innermost(end, line_ends);
        }
    }

    /// Reads `line` as a line of the innermost part's header; false if it ends the header without belonging to it.
    fn header_line(&mut self, line: &[u8], line_end_bytes: u64) -> bool {
        let Some(open) = self.open.last() else { return true };
        let is_first = open.part.header.start == self.line_start;
        let of_message = open.envelope.is_some();
        match classify(line) {
            LineKind::Blank => {
                self.end_header(self.at, self.line_ends + u64::from(line_end_bytes > 0));
            }
            LineKind::Field { name_bytes, value_at } => {
                let ends = (name_bytes, value_at);
                self.captured.start_field(line, ends, of_message, &self.limits, &mut self.budget);
            }
            LineKind::Continuation if self.captured.has_fields() => {
                self.captured.continue_field(line, &self.limits)
            }
            LineKind::MboxFrom if is_first => {}
            LineKind::Continuation | LineKind::MboxFrom | LineKind::Other => {
                self.end_header(self.line_start, self.line_ends);
                return false;
            }
        }
        true
    }

    /// The header of the innermost part ends at `at`, with `line_ends` line ends before: what is its body?
    fn end_header(&mut self, at: u64, line_ends: u64) {
        let depth = self.open.len();
        let in_digest = depth > 1 && self.open[depth - 2].is_digest();
        let Some(open) = self.open.last_mut() else { return };
        let of_message = open.envelope.is_some();
        let (mut fields, envelope) =
            self.captured.finish(in_digest, of_message, &self.limits, &mut self.budget);
        self.captured.clear();
        open.envelope = envelope;
        open.in_header = false;
        open.line_ends_before = line_ends;
        open.part.header.end = at;
        open.part.body = at..at;
        let is_plain = fields.transfer_encoding() == Encoding::Identity;
        let content_type = &mut fields.content_type;
        let is_multipart = content_type.has_type("multipart");
        let is_message = content_type.is("message", "rfc822") || content_type.is("message", "global");
        let mut enclosed = None;
        if is_multipart && depth <= self.limits.depth_max {
            open.kind = multipart(content_type);
        } else if is_message && is_plain && depth <= self.limits.depth_max && self.budget.take_part() {
            open.kind = Kind::Message(None);
            enclosed = Some(Open::new(at, true));
        } else if is_multipart || is_message {
            let parameters = mem::take(&mut content_type.parameters);
            *content_type = ContentType::fixed(b"application", b"octet-stream", parameters);
        }
        open.part.fields = fields;
        self.open.extend(enclosed);
    }

    /// Ends the innermost part at `end`, with `line_ends` line ends before. `None` when none is open; the message
    /// when it was the outermost.
    fn close_innermost(&mut self, end: u64, line_ends: u64) -> Option<Option<Box<Message>>> {
        // Twice if the header says that a message follows: that one has a header too, an empty one.
        while self.in_header() {
            self.end_header(end, line_ends);
        }
        let Open { mut part, envelope, line_ends_before, kind, .. } = self.open.pop()?;
        // What is enclosed ends where the part around it does, in the middle of its header or before it began.
        part.header = part.header.start.min(end)..part.header.end.min(end);
        part.body = part.body.start.min(end)..end;
        part.body_lines = line_ends.saturating_sub(line_ends_before);
        part.content = match kind {
            Kind::Leaf => Content::Leaf,
            Kind::Multipart { parts, .. } if parts.is_empty() => {
                let mut empty = Open::new(part.body.start, false).part;
                empty.fields = PartHeader::of_type(ContentType::text_plain());
                Content::Multipart(alloc::vec![empty])
            }
            Kind::Multipart { parts, .. } => Content::Multipart(parts),
            Kind::Message(message) => message.map_or(Content::Leaf, Content::Message),
        };
        let around = self.open.last_mut().map(|open| &mut open.kind);
        match (envelope, around) {
            (Some(envelope), around) => {
                let message = Box::new(Message { envelope, root: part });
                if let Some(Kind::Message(slot)) = around {
                    *slot = Some(message);
                    return Some(None);
                }
                return Some(Some(message));
            }
            (None, Some(Kind::Multipart { parts, .. })) => parts.push(part),
            (None, _) => {}
        }
        Some(None)
    }
}

impl Open {
    fn new(at: u64, is_message: bool) -> Open {
        let part = Part {
            header: at..at,
            body: at..at,
            body_lines: 0,
            fields: PartHeader::of_type(ContentType::fixed(b"", b"", Vec::new())),
            content: Content::Leaf,
        };
        let envelope = is_message.then(Envelope::default);
        Open { part, in_header: true, envelope, line_ends_before: 0, kind: Kind::Leaf }
    }

    /// Whether no line can be a boundary of this part.
    fn is_closed(&self) -> bool {
        match &self.kind {
            Kind::Multipart { boundary, is_closed, .. } => *is_closed || boundary.is_empty(),
            _ => true,
        }
    }

    fn is_digest(&self) -> bool {
        matches!(&self.kind, Kind::Multipart { is_digest: true, .. })
    }
}

fn count_line_ends(octets: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', octets).count() as u64
}

fn multipart(content_type: &ContentType) -> Kind {
    // The extended form (RFC 2231 §4) is legal for every parameter, if unwise for this one.
    let named = |parameter: &&Parameter| parameter.name.eq_ignore_ascii_case(b"boundary");
    let plain = content_type.parameters.iter().find(named).map(|parameter| parameter.value.clone());
    let extended = || decode_parameter(&content_type.parameters, "boundary").unwrap_or_default().into();
    let boundary: Bytes = plain.unwrap_or_else(extended);
    // A boundary of white space would make every signature's `-- ` one.
    let usable = boundary.len() <= BOUNDARY_BYTES_MAX && !boundary.trim_ascii().is_empty();
    Kind::Multipart {
        boundary: if usable { boundary } else { Bytes::new() },
        is_closed: false,
        parts: Vec::new(),
        is_digest: content_type.is("multipart", "digest"),
    }
}

/// The longest boundary that is looked for, in octets: RFC 2046 §5.1.1 allows 70, more fit a line.
const BOUNDARY_BYTES_MAX: usize = 994;
/// What must be kept of a line to know it for a boundary: the dashes on both sides as well.
const BOUNDARY_LINE_BYTES_MAX: usize = BOUNDARY_BYTES_MAX + 4;

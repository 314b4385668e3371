//! [`FieldStream`]: the fields of a header that arrives in pieces.

use alloc::vec::Vec;
use core::mem;

use super::{LINE_HEAD_BYTES, LineKind, classify};

/// What is done with the fields that a [`FieldStream`] finds.
///
/// Every octet is handed out once, in order, to [`octets`](FieldSink::octets) or to [`other`](FieldSink::other).
pub trait FieldSink {
    /// A field begins; the one before it has ended. `value_at` octets come before its value.
    fn start(&mut self, name: &[u8], value_at: usize);
    /// The next octets of the field, name and folding included.
    fn octets(&mut self, octets: &[u8]);
    /// The header has ended, and with it its last field: by an empty line, which comes next, or by something else.
    fn ended(&mut self, _by_empty_line: bool) {}
    /// The next octets that belong to no field: the `From ` line of an mbox, or what begins where the header has ended.
    fn other(&mut self, _octets: &[u8]) {}
}

/// Cuts a message that comes in pieces into the fields of its header and the rest, by the rules of [the module](super).
/// However it is cut into pieces, the result is the same; it holds the beginning of a line of which it is not known yet what
/// it is, at most 2 KiB.
///
/// ```
/// use mail_message::header::{FieldSink, FieldStream};
///
/// #[derive(Default)]
/// struct Names(Vec<String>, Vec<u8>);
///
/// impl FieldSink for Names {
///     fn start(&mut self, name: &[u8], _: usize) {
///         self.0.push(String::from_utf8_lossy(name).into());
///     }
///     fn octets(&mut self, _: &[u8]) {}
///     fn other(&mut self, octets: &[u8]) {
///         self.1.extend_from_slice(octets);
///     }
/// }
///
/// let (mut fields, mut names) = (FieldStream::new(), Names::default());
/// for piece in b"To: a\r\n b\r\nCc: c\r\n\r\nbody".chunks(3) {
///     fields.feed(piece, &mut names);
/// }
/// fields.finish(&mut names);
/// assert_eq!(names.0, ["To", "Cc"]);
/// assert_eq!(names.1, b"\r\nbody");
/// ```
#[derive(Debug, Clone)]
pub struct FieldStream {
    head: Vec<u8>,
    line: Line,
    is_first_line: bool,
    in_field: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Not known yet.
    Head,
    /// Known; to its end it goes the way of its field.
    Rest,
    /// The header has ended.
    Behind,
}

impl Default for FieldStream {
    fn default() -> FieldStream {
        FieldStream::new()
    }
}

impl FieldStream {
    /// A stream at the start of a header.
    pub fn new() -> FieldStream {
        FieldStream { head: Vec::new(), line: Line::Head, is_first_line: true, in_field: false }
    }

    /// Takes the next octets of the message.
    pub fn feed(&mut self, octets: &[u8], sink: &mut impl FieldSink) {
        let mut rest = octets;
        while !rest.is_empty() && self.line != Line::Behind {
            let end = memchr::memchr(b'\n', rest).map(|end| end + 1);
            let (piece, more) = rest.split_at(end.unwrap_or(rest.len()));
            rest = more;
            if self.line == Line::Rest {
                self.pass(piece, sink);
            } else if end.is_some() && self.head.is_empty() {
                self.decide(piece, sink);
            } else {
                self.head.extend_from_slice(piece);
                if end.is_some() || self.head.len() >= LINE_HEAD_BYTES {
                    self.decide_head(sink);
                }
            }
            if end.is_some() && self.line == Line::Rest {
                self.line = Line::Head;
            }
        }
        if !rest.is_empty() {
            sink.other(rest);
        }
    }

    /// The message is over, and so is its header.
    pub fn finish(&mut self, sink: &mut impl FieldSink) {
        if !self.head.is_empty() {
            self.decide_head(sink);
        }
        if self.line != Line::Behind {
            self.line = Line::Behind;
            sink.ended(false);
        }
    }

    /// Whether the header has ended.
    pub fn has_ended(&self) -> bool {
        self.line == Line::Behind
    }

    fn decide_head(&mut self, sink: &mut impl FieldSink) {
        let mut head = mem::take(&mut self.head);
        self.decide(&head, sink);
        head.clear();
        self.head = head;
    }

    fn decide(&mut self, head: &[u8], sink: &mut impl FieldSink) {
        let is_first_line = mem::take(&mut self.is_first_line);
        self.line = Line::Rest;
        match classify(head) {
            LineKind::Field { name_bytes, value_at } => {
                sink.start(&head[..name_bytes], value_at);
                self.in_field = true;
            }
            LineKind::Continuation if self.in_field => {}
            LineKind::MboxFrom if is_first_line => {}
            kind => {
                self.line = Line::Behind;
                sink.ended(kind == LineKind::Blank);
                sink.other(head);
                return;
            }
        }
        self.pass(head, sink);
    }

    fn pass(&mut self, octets: &[u8], sink: &mut impl FieldSink) {
        if self.in_field {
            sink.octets(octets);
        } else {
            sink.other(octets);
        }
    }
}

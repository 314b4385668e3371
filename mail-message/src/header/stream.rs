//! [`FieldStream`]: the fields of a header that arrives in pieces.

use alloc::vec::Vec;
use core::mem;

use super::{LINE_HEAD_BYTES, LineKind, classify};

/// What is done with the fields.
pub(crate) trait FieldSink {
    /// A field begins; the one before it has ended. `value_at` octets come before its value.
    fn start(&mut self, name: &[u8], value_at: usize);
    /// The next octets of the field, name and folding included.
    fn octets(&mut self, octets: &[u8]);
}

/// Cuts a header into its fields by the rules of [the module](super). However it is cut into pieces, the result is the
/// same; it holds the beginning of a line of which it is not known yet what it is.
#[derive(Debug, Clone)]
pub(crate) struct FieldStream {
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

impl FieldStream {
    pub(crate) fn new() -> FieldStream {
        FieldStream { head: Vec::new(), line: Line::Head, is_first_line: true, in_field: false }
    }

    /// Takes the next octets of the header. What follows the header is passed over.
    pub(crate) fn feed(&mut self, octets: &[u8], sink: &mut impl FieldSink) {
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
    }

    /// The header has ended, with or without an empty line.
    pub(crate) fn finish(&mut self, sink: &mut impl FieldSink) {
        if !self.head.is_empty() {
            self.decide_head(sink);
        }
        self.line = Line::Behind;
    }

    /// Whether the header has ended.
    pub(crate) fn has_ended(&self) -> bool {
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
            _ => self.line = Line::Behind,
        }
        if self.line == Line::Rest {
            self.pass(head, sink);
        }
    }

    fn pass(&mut self, octets: &[u8], sink: &mut impl FieldSink) {
        if self.in_field {
            sink.octets(octets);
        }
    }
}

//! Which lines of a message are header and which are body, through multiparts and messages within messages.
//!
//! RFC 2046 section 5.1: a line of two hyphens and a boundary begins a part, two more hyphens end the multipart; a boundary
//! of an outer multipart ends the inner ones. RFC 2046 section 5.2.1: an attached message has a header of its own.

use super::{DEPTH_MAX, Kind};
use mail_message::header::Fields;
use mail_message::mime::{ContentType, Encoding};

/// How many parameters of a `Content-Type` are read.
const PARAMETERS_MAX: usize = 64;

/// Where in a message we are.
#[derive(Debug)]
pub(super) struct Structure {
    section: Section,
    /// Of the header under way.
    content_type: Option<ContentType>,
    is_encoded: bool,
    /// The multiparts that we are in, the outermost first.
    boundaries: Vec<Boundary>,
    /// How many multiparts and attached messages were gone into.
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Header(Kind),
    Body,
}

#[derive(Debug)]
struct Boundary {
    text: Vec<u8>,
    /// Its parts are messages unless they say otherwise (RFC 2046 section 5.1.5).
    is_digest: bool,
    /// Of the multipart itself.
    depth: usize,
}

impl Structure {
    pub(super) fn new() -> Self {
        Self {
            section: Section::Header(Kind::Header),
            content_type: None,
            is_encoded: false,
            boundaries: Vec::new(),
            depth: 0,
        }
    }

    /// Whether the next line belongs to a header.
    pub(super) fn is_in_header(&self) -> bool {
        self.section != Section::Body
    }

    /// Whether a line is a boundary, wherever it stands.
    pub(super) fn is_boundary(&self, line: &[u8]) -> bool {
        self.boundary(line).is_some()
    }

    /// Which multipart a line is a boundary of, and whether it ends it.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?;
        // The longest, since one may begin with another; of equal ones the innermost.
        let begins =
            self.boundaries.iter().enumerate().filter(|(_, boundary)| text.starts_with(&boundary.text));
        let (level, boundary) = begins.max_by_key(|(level, boundary)| (boundary.text.len(), *level))?;
        Some((level, text[boundary.text.len()..].starts_with(b"--")))
    }

    /// Takes a field of the header; says which kind it is of.
    pub(super) fn field(&mut self, octets: &[u8]) -> Kind {
        let Section::Header(kind) = self.section else { return Kind::Body };
        let Some(field) = Fields::new(octets).next() else { return kind };
        if field.is_named(b"Content-Type") && self.content_type.is_none() {
            self.content_type = ContentType::parse(&field.unfolded(), PARAMETERS_MAX);
        }
        if field.is_named(b"Content-Transfer-Encoding") {
            let encoding = Encoding::from_name(field.unfolded().trim_ascii());
            self.is_encoded = matches!(encoding, Encoding::Base64 | Encoding::QuotedPrintable);
        }
        const MIME: [&[u8]; 6] = [
            b"Content-Description",
            b"Content-Disposition",
            b"Content-ID",
            b"Content-Transfer-Encoding",
            b"Content-Type",
            b"MIME-Version",
        ];
        if MIME.iter().any(|name| field.is_named(name)) { Kind::MimeHeader } else { kind }
    }

    /// The header is over.
    pub(super) fn end_header(&mut self) {
        let (content_type, is_encoded) = (self.content_type.take(), std::mem::take(&mut self.is_encoded));
        let of_part = self.section == Section::Header(Kind::MimeHeader);
        let in_digest = of_part && self.boundaries.last().is_some_and(|boundary| boundary.is_digest);
        self.section = Section::Body;
        if self.depth >= DEPTH_MAX {
            return;
        }
        let is_message = match &content_type {
            None => in_digest,
            Some(kind) => {
                kind.has_type("message")
                    && !kind.is("message", "partial")
                    && !kind.is("message", "external-body")
            }
        };
        if is_message && !is_encoded {
            self.depth += 1;
            self.section = Section::Header(Kind::NestedHeader);
            return;
        }
        let multipart = content_type.filter(|kind| kind.has_type("multipart"));
        let boundary = multipart.as_ref().and_then(|kind| kind.parameter("boundary"));
        // One that is empty is none (RFC 2046 section 5.1.1): each line that begins with two hyphens would be one.
        if let Some(text) = boundary.filter(|text| !text.trim_ascii_end().is_empty()) {
            let is_digest = multipart.as_ref().is_some_and(|kind| kind.is("multipart", "digest"));
            self.depth += 1;
            self.boundaries.push(Boundary {
                text: text.trim_ascii_end().into(),
                is_digest,
                depth: self.depth,
            });
        }
    }

    /// Takes a line that may be a boundary; true where it is.
    pub(super) fn body_line(&mut self, line: &[u8]) -> bool {
        let Some((level, ends)) = self.boundary(line) else { return false };
        self.boundaries.truncate(level + 1);
        self.depth = self.boundaries.last().map_or(0, |boundary| boundary.depth);
        if ends {
            self.boundaries.pop();
            self.depth = self.depth.saturating_sub(1);
            self.section = Section::Body;
        } else {
            self.section = Section::Header(Kind::MimeHeader);
        }
        true
    }
}

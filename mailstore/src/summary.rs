//! [`Summary`]: what is asked of a message most often, without its octets.
//!
//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 §7.4.2), the offsets of every section (§6.4.5), and the fields that lists
//! of messages, threading and sorting ask for. It is found in one pass over the message and may be remembered: a
//! message never changes.
//!
//! # Limits
//! Those of [`mail_message::mime::Limits`]; the fields up to [`Summary::FIELDS_BYTES_MAX`] octets, or none of them.

use bytes::Bytes;
use mail_message::header::{FieldChoice, FieldSelector, select_fields};
use mail_message::mime::{Limits, Message, Scanner};

use crate::error::Result;
use crate::store::MessageReader;

/// Envelope, structure and common fields of a message.
///
/// ```
/// use mail_message::header::FieldChoice;
/// use mailstore::summary::Summarizer;
///
/// let mut summarizer = Summarizer::new();
/// summarizer.feed(b"Subject: hi\r\nX-Rare: 1\r\n\r\nbody\r\n");
/// let summary = summarizer.finish();
/// assert_eq!(summary.message.root.body, 26..32);
/// assert_eq!(summary.fields_named(&["subject"]).as_deref(), Some(&b"Subject: hi\r\n\r\n"[..]));
/// // Of this field nothing is known without the message.
/// assert_eq!(summary.fields_named(&["x-rare"]), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Envelope, parts, and where each of them lies in the message as it is served, with CRLF.
    pub message: Message,
    /// Those of [`Summary::FIELDS`] that the header has, as they lie, and the empty line; `None` when they are too
    /// long to be kept.
    pub fields: Option<Bytes>,
}

impl Summary {
    pub(crate) fn new(message: Message, fields: Option<Bytes>) -> Self {
        Self { message, fields }
    }

    /// The fields that are kept, in lower case.
    pub const FIELDS: [&str; 24] = [
        "authentication-results",
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "importance",
        "in-reply-to",
        "list-id",
        "list-post",
        "list-unsubscribe",
        "message-id",
        "mime-version",
        "newsgroups",
        "priority",
        "received-spf",
        "references",
        "reply-to",
        "sender",
        "subject",
        "to",
        "x-priority",
        "x-spam-status",
    ];

    /// How many octets of fields are kept at most.
    pub const FIELDS_BYTES_MAX: usize = 16 << 10;

    /// Reads a message through.
    ///
    /// # Errors
    /// What reading it returns.
    pub fn read(reader: &mut dyn MessageReader) -> Result<Self> {
        Self::read_to_end(reader).map(|(summary, _)| summary)
    }

    /// The same, and whether the message ends in a line end; an empty one counts as ended.
    pub(crate) fn read_to_end(reader: &mut dyn MessageReader) -> Result<(Self, bool)> {
        let mut summarizer = Summarizer::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut at, mut last) = (0, b'\n');
        loop {
            let n = reader.read_at(at, &mut chunk)?;
            let Some(end) = chunk[..n].last() else { return Ok((summarizer.finish(), last == b'\n')) };
            last = *end;
            summarizer.feed(&chunk[..n]);
            at += n as u64;
        }
    }

    /// Whether all that the header has of these fields is in [`Summary::fields`].
    pub fn has_fields<S: AsRef<[u8]>>(&self, names: &[S]) -> bool {
        let is_kept =
            |name: &S| Self::FIELDS.iter().any(|kept| kept.as_bytes().eq_ignore_ascii_case(name.as_ref()));
        self.fields.is_some() && names.iter().all(is_kept)
    }

    /// What BODY\[HEADER.FIELDS (names)] tells; `None` when the message has to be read for it.
    pub fn fields_named<S: AsRef<[u8]>>(&self, names: &[S]) -> Option<Bytes> {
        let fields = self.fields.as_ref().filter(|_| self.has_fields(names))?;
        Some(select_fields(fields, FieldChoice::Named, names).into())
    }
}

const CHUNK_BYTES: usize = 64 << 10;

/// Makes a [`Summary`] of a message that passes by in pieces of any size, lines ending in CRLF.
pub struct Summarizer {
    scanner: Scanner,
    selector: Option<FieldSelector>,
    fields: Vec<u8>,
}

impl std::fmt::Debug for Summarizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Summarizer").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

impl Default for Summarizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Summarizer {
    /// At the start of a message.
    pub fn new() -> Self {
        let selector = FieldSelector::new(FieldChoice::Named, &Summary::FIELDS);
        Self { scanner: Scanner::new(Limits::default()), selector: Some(selector), fields: Vec::new() }
    }

    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8]) {
        self.scanner.feed(octets);
        if let Some(selector) = &mut self.selector {
            selector.feed(octets, &mut self.fields);
            if self.fields.len() > Summary::FIELDS_BYTES_MAX {
                self.selector = None;
                self.fields = Vec::new();
            }
        }
    }

    /// The message has ended.
    pub fn finish(mut self) -> Summary {
        let fields = self.selector.and_then(|selector| {
            selector.finish(&mut self.fields);
            (self.fields.len() <= Summary::FIELDS_BYTES_MAX).then(|| self.fields.into())
        });
        Summary { message: self.scanner.finish(), fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(message: &[u8], piece: usize) -> Summary {
        let mut summarizer = Summarizer::new();
        message.chunks(piece).for_each(|piece| summarizer.feed(piece));
        summarizer.finish()
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let message =
            b"To: a@b\r\nX: y\r\nSubject: long\r\n er\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\n\r\nSubject: no field\r\n--b--\r\n";
        let whole = summary(message, message.len());
        for piece in 1..20 {
            assert_eq!(summary(message, piece), whole);
        }
        let fields = b"To: a@b\r\nSubject: long\r\n er\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        assert_eq!(whole.fields.as_deref(), Some(&fields[..]));
        assert_eq!(whole.fields_named(&["SUBJECT"]).unwrap(), &b"Subject: long\r\n er\r\n\r\n"[..]);
        assert!(whole.has_fields(&["To", "bcc"]) && !whole.has_fields(&["To", "X"]));
    }

    #[test]
    fn fields_that_are_too_long_are_not_kept_in_part() {
        let fits = Summary::FIELDS_BYTES_MAX - "To: \r\n\r\n".len();
        for (length, kept) in [(fits, true), (fits + 1, false)] {
            let message = format!("To: {}\r\n\r\nbody", "x".repeat(length));
            assert_eq!(summary(message.as_bytes(), 999).fields.is_some(), kept, "{length}");
        }
    }
}

//! What a scan gives: [`Message`] and its [`Part`]s.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

use super::content::{ContentType, Encoding};
use crate::envelope::Envelope;
use crate::structure::Disposition;

/// A message, whole or enclosed in another: its envelope and its outermost part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the header says, RFC 3501's defaults for Sender and Reply-To filled in.
    pub envelope: Envelope,
    /// The message as a part; its header is the message's header.
    pub root: Part,
}

/// One part of a message: where it lies and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Octets of the header, the empty line included, counted from the start of the whole message.
    pub header: Range<u64>,
    /// Octets of the body in its transfer form, without the line end that belongs to a boundary
    /// (RFC 2046 §5.1.1).
    pub body: Range<u64>,
    /// Line ends in the body.
    pub body_lines: u64,
    /// What the header says of the content.
    pub fields: PartHeader,
    /// What the body holds.
    pub content: Content,
}

/// The `Content-` fields of a part, after the rules for malformed ones (see [the module](super)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHeader {
    /// `Content-Type`.
    pub content_type: ContentType,
    /// `Content-Transfer-Encoding`, the token as spelled; `None` if absent, which means 7bit.
    pub encoding: Option<Bytes>,
    /// `Content-ID`.
    pub id: Option<Bytes>,
    /// `Content-Description`.
    pub description: Option<Bytes>,
    /// `Content-MD5`.
    pub md5: Option<Bytes>,
    /// `Content-Disposition`.
    pub disposition: Option<Disposition>,
    /// `Content-Language`, one element a tag.
    pub language: Vec<Bytes>,
    /// `Content-Location`.
    pub location: Option<Bytes>,
}

/// What the body of a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Octets.
    Leaf,
    /// Parts; never none.
    Multipart(Vec<Part>),
    /// A message.
    Message(Box<Message>),
}

impl PartHeader {
    pub(super) fn of_type(content_type: ContentType) -> PartHeader {
        PartHeader {
            content_type,
            encoding: None,
            id: None,
            description: None,
            md5: None,
            disposition: None,
            language: Vec::new(),
            location: None,
        }
    }

    /// How the body is encoded for transfer.
    pub fn transfer_encoding(&self) -> Encoding {
        self.encoding.as_ref().map_or(Encoding::Identity, |name| Encoding::from_name(name))
    }
}

impl Message {
    /// Octets of the whole message.
    pub fn range(&self) -> Range<u64> {
        self.root.header.start..self.root.body.end
    }

    /// Every leaf, in the order in which it stands, those of enclosed messages included.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        let mut open = alloc::vec![&self.root];
        core::iter::from_fn(move || {
            loop {
                let part = open.pop()?;
                match &part.content {
                    Content::Leaf => return Some(part),
                    Content::Multipart(parts) => open.extend(parts.iter().rev()),
                    Content::Message(message) => open.push(&message.root),
                }
            }
        })
    }
}

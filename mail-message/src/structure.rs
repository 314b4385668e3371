//! The structure of a MIME message as BODYSTRUCTURE tells it.
//!
//! RFC 3501 §7.4.2 (BODYSTRUCTURE), RFC 9051 §7.5.2. Types only; [`crate::mime`] finds the structure in a message.
//! Values are raw octets, `None` is NIL. BODY is the same without [`Extension`] and `md5`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::Envelope;

/// One body: a leaf, an enclosed message, or a multipart with bodies inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BodyStructure {
    /// A leaf that is neither text nor a message.
    Basic(BasicPart),
    /// `text/*`: a leaf that also tells its lines.
    Text(TextPart),
    /// `message/rfc822` (and `message/global`): carries the enclosed message's envelope and structure.
    Message(MessagePart),
    /// `multipart/*`.
    Multipart(Multipart),
}

/// A leaf of any type but text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BasicPart {
    /// The type, such as `image`.
    pub media_type: Bytes,
    /// The subtype, such as `png`.
    pub subtype: Bytes,
    /// What every part but a multipart tells.
    pub fields: BodyFields,
    /// Disposition, language, location.
    pub extension: Extension,
}

/// A leaf of type `text`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TextPart {
    /// The subtype, such as `plain`.
    pub subtype: Bytes,
    /// What every part but a multipart tells.
    pub fields: BodyFields,
    /// Lines of the transfer form.
    pub lines: u64,
    /// Disposition, language, location.
    pub extension: Extension,
}

/// An enclosed message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessagePart {
    /// The subtype: `rfc822` or `global`.
    pub subtype: Bytes,
    /// What every part but a multipart tells.
    pub fields: BodyFields,
    /// The envelope of the enclosed message.
    pub envelope: Box<Envelope>,
    /// The structure of the enclosed message.
    pub body: Box<BodyStructure>,
    /// Lines of the enclosed message, its header included.
    pub lines: u64,
    /// Disposition, language, location.
    pub extension: Extension,
}

/// A body of bodies. In what this crate builds there is always at least one part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multipart {
    /// The parts, in order; part number 1 is the first.
    pub parts: Vec<BodyStructure>,
    /// The subtype, such as `mixed`.
    pub subtype: Bytes,
    /// The parameters of the content type, the boundary among them.
    pub parameters: Vec<Parameter>,
    /// Disposition, language, location.
    pub extension: Extension,
}

/// What every part but a multipart tells (RFC 3501 §9 `body-fields`, and `body-fld-md5`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BodyFields {
    /// The parameters of the content type; empty is NIL.
    pub parameters: Vec<Parameter>,
    /// `Content-ID:`.
    pub id: Option<Bytes>,
    /// `Content-Description:`.
    pub description: Option<Bytes>,
    /// `Content-Transfer-Encoding:`; `7bit` when absent.
    pub encoding: Bytes,
    /// Octets of the body in its transfer form, line ends being CRLF.
    pub octets: u64,
    /// `Content-MD5:` (extension data).
    pub md5: Option<Bytes>,
}

/// The extension data that every kind of part has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Extension {
    /// `Content-Disposition:` (RFC 2183).
    pub disposition: Option<Disposition>,
    /// `Content-Language:` (RFC 3282), one element a tag; empty is NIL.
    pub language: Vec<Bytes>,
    /// `Content-Location:` (RFC 2557).
    pub location: Option<Bytes>,
}

/// A content disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Disposition {
    /// `inline`, `attachment` or another token, as it stands in the message.
    pub kind: Bytes,
    /// Its parameters; empty is NIL.
    pub parameters: Vec<Parameter>,
}

/// One `name=value` of a content type or a disposition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// The name as it stands in the message, such as `charset` or `filename*`.
    pub name: Bytes,
    /// The value without quotes.
    pub value: Bytes,
}

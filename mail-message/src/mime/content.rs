//! `Content-Type` and `Content-Transfer-Encoding`.

use bytes::Bytes;

use super::parameters::Cursor;
use crate::structure::{Disposition, Parameter};
use alloc::vec::Vec;

/// A content type (RFC 2045 §5). Type and subtype are as spelled; compare them without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// The type, such as `text`.
    pub media_type: Bytes,
    /// The subtype, such as `plain`.
    pub subtype: Bytes,
    /// The parameters.
    pub parameters: Vec<Parameter>,
}

impl ContentType {
    /// Reads an unfolded value with at most `parameters_max` parameters; `None` unless it has a type, a slash
    /// and a subtype.
    ///
    /// ```
    /// use mail_message::mime::ContentType;
    ///
    /// let html = ContentType::parse(b"text/html (comment); charset=\"utf-8\"", 64).unwrap();
    /// assert!(html.is("TEXT", "html"));
    /// assert_eq!(html.parameter("Charset"), Some(&b"utf-8"[..]));
    /// assert_eq!(ContentType::parse(b"text", 64), None);
    /// ```
    pub fn parse(value: &[u8], parameters_max: usize) -> Option<ContentType> {
        ContentType::read(&Bytes::copy_from_slice(value), parameters_max)
    }

    /// As [`ContentType::parse`]; what it gives shares the memory of `value`.
    pub(super) fn read(value: &Bytes, parameters_max: usize) -> Option<ContentType> {
        let mut cursor = Cursor::new(value);
        let media_type = cursor.token(b"/;");
        if media_type.is_empty() || !cursor.eat(b'/') {
            return None;
        }
        let subtype = cursor.token(b"/;");
        if subtype.is_empty() {
            return None;
        }
        let parameters = cursor.parameters(parameters_max);
        Some(ContentType {
            media_type: value.slice_ref(media_type),
            subtype: value.slice_ref(subtype),
            parameters,
        })
    }

    /// RFC 2045 §5.2: what a part is that does not say.
    pub(super) fn text_plain() -> ContentType {
        let charset =
            Parameter { name: Bytes::from_static(b"charset"), value: Bytes::from_static(b"us-ascii") };
        ContentType::fixed(b"text", b"plain", alloc::vec![charset])
    }

    pub(super) fn fixed(
        kind: &'static [u8],
        subtype: &'static [u8],
        parameters: Vec<Parameter>,
    ) -> ContentType {
        ContentType { media_type: Bytes::from_static(kind), subtype: Bytes::from_static(subtype), parameters }
    }

    /// Whether this is `media_type/subtype`, in any case.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.has_type(media_type) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether the type is `media_type`, in any case.
    pub fn has_type(&self, media_type: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
    }

    /// The value of the parameter called `name`, in any case.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let found = self.parameters.iter().find(|p| p.name.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|parameter| &parameter.value[..])
    }
}

/// Reads an unfolded `Content-Disposition`; `None` if it is empty.
pub(super) fn parse_disposition(value: &Bytes, parameters_max: usize) -> Option<Disposition> {
    let mut cursor = Cursor::new(value);
    let kind = value.slice_ref(cursor.token(b";"));
    let parameters = cursor.parameters(parameters_max);
    (!kind.is_empty()).then_some(Disposition { kind, parameters })
}

/// The token of an unfolded `Content-Transfer-Encoding`, without comments.
pub(super) fn parse_token(value: &Bytes) -> Option<Bytes> {
    let token = Cursor::new(value).token(b";");
    (!token.is_empty()).then(|| value.slice_ref(token))
}

/// How a body is encoded for transfer (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit` or `binary`: not encoded.
    Identity,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// Anything else; the body cannot be decoded (RFC 3516's UNKNOWN-CTE).
    Unknown,
}

impl Encoding {
    /// The encoding that the token `name` names, in any case.
    pub fn from_name(name: &[u8]) -> Encoding {
        let names: [(&[u8], Encoding); 5] = [
            (b"7bit", Encoding::Identity),
            (b"8bit", Encoding::Identity),
            (b"binary", Encoding::Identity),
            (b"quoted-printable", Encoding::QuotedPrintable),
            (b"base64", Encoding::Base64),
        ];
        let found = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Encoding::Unknown, |&(_, encoding)| encoding)
    }
}

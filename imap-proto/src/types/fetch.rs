//! What FETCH can be asked for.
//!
//! RFC 3501 §6.4.5 and §9 `fetch-att`, `section`.
//!
//! # Departures
//! Offsets and lengths of a partial are 63-bit, as RFC 9051 §9 (`partial-range`) has them.

use super::AString;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::{NonZeroU32, NonZeroU64};

/// One `fetch-att`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchItem {
    /// `ENVELOPE`.
    Envelope,
    /// `FLAGS`.
    Flags,
    /// `INTERNALDATE`.
    InternalDate,
    /// `RFC822`: as `BODY[]`, under another name in the answer.
    Rfc822,
    /// `RFC822.HEADER`: as `BODY.PEEK[HEADER]`.
    Rfc822Header,
    /// `RFC822.SIZE`.
    Rfc822Size,
    /// `RFC822.TEXT`: as `BODY[TEXT]`.
    Rfc822Text,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`.
    BodyStructure,
    /// `UID`.
    Uid,
    /// `BODY[…]<…>` or `BODY.PEEK[…]<…>`.
    Section {
        /// Which octets of the message.
        section: Section,
        /// Which of those.
        partial: Option<Partial>,
        /// `BODY.PEEK`: `\Seen` stays as it is.
        peek: bool,
    },
}

impl FetchItem {
    /// Whether answering sets `\Seen` in a mailbox that is selected read-write.
    pub fn sets_seen(&self) -> bool {
        matches!(self, Self::Rfc822 | Self::Rfc822Text | Self::Section { peek: false, .. })
    }
}

/// A macro that stands for items and may only stand alone (RFC 3501 §6.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchMacro {
    /// `ALL`: FLAGS INTERNALDATE RFC822.SIZE ENVELOPE.
    All,
    /// `FAST`: FLAGS INTERNALDATE RFC822.SIZE.
    Fast,
    /// `FULL`: FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY.
    Full,
}

impl FetchMacro {
    /// The items it stands for.
    pub fn items(self) -> &'static [FetchItem] {
        const FULL: [FetchItem; 5] = [
            FetchItem::Flags,
            FetchItem::InternalDate,
            FetchItem::Rfc822Size,
            FetchItem::Envelope,
            FetchItem::Body,
        ];
        match self {
            Self::Fast => &FULL[..3],
            Self::All => &FULL[..4],
            Self::Full => &FULL,
        }
    }
}

/// Which octets of a message: what stands between `[` and `]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// `[]`, the whole message, or `[1.2]`, the body of a part.
    Body(Option<PartNumber>),
    /// `[HEADER]` of the message or of an enclosed message.
    Header(Option<PartNumber>),
    /// `[HEADER.FIELDS (…)]` or `[HEADER.FIELDS.NOT (…)]`.
    HeaderFields {
        /// The enclosed message whose header it is; the message itself without.
        part: Option<PartNumber>,
        /// `.NOT`: all fields but these.
        not: bool,
        /// The names.
        names: HeaderNames,
    },
    /// `[TEXT]`: the body without the header.
    Text(Option<PartNumber>),
    /// `[1.MIME]`: the MIME header of a part; there is none without a part.
    Mime(PartNumber),
}

impl Section {
    /// The part it is of; `None` is the message itself.
    pub fn part(&self) -> Option<&PartNumber> {
        match self {
            Self::Body(part) | Self::Header(part) | Self::Text(part) => part.as_ref(),
            Self::HeaderFields { part, .. } => part.as_ref(),
            Self::Mime(part) => Some(part),
        }
    }
}

/// A part of a message: `1.2.3`, never empty (`section-part`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(Box<[NonZeroU32]>);

impl PartNumber {
    /// The deepest part that can be asked for. No structure we report is as deep.
    pub const DEPTH_MAX: usize = 64;

    /// A part from its numbers, outermost first; `None` when there are none or more than
    /// [`PartNumber::DEPTH_MAX`].
    pub fn new(numbers: &[NonZeroU32]) -> Option<Self> {
        (1..=Self::DEPTH_MAX).contains(&numbers.len()).then(|| Self(numbers.into()))
    }

    /// The numbers, outermost first; at least one.
    pub fn as_slice(&self) -> &[NonZeroU32] {
        &self.0
    }
}

impl core::fmt::Display for PartNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// Names of header fields, at least one (`header-list`). They are matched whole and without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderNames(Vec<AString>);

impl HeaderNames {
    /// The names; `None` when there are none.
    pub fn new(names: Vec<AString>) -> Option<Self> {
        if names.is_empty() { None } else { Some(Self(names)) }
    }

    /// The names as the client wrote them, to be echoed so.
    pub fn as_slice(&self) -> &[AString] {
        &self.0
    }

    /// Whether a field of that name is meant.
    pub fn contains(&self, field_name: &[u8]) -> bool {
        self.0.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(field_name))
    }
}

/// `<offset.octets>`: which octets of a section. The answer shows only the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The first octet wanted, from 0; beyond the end the answer is an empty string.
    pub offset: u64,
    /// How many octets at most.
    pub octets: NonZeroU64,
}

impl Partial {
    /// The octets it means of a section of `size` octets.
    ///
    /// ```
    /// use imap_proto::types::Partial;
    /// let partial = Partial { offset: 100, octets: 3.try_into().unwrap() };
    /// assert_eq!(partial.range_of(1000), 100..103);
    /// assert_eq!(partial.range_of(101), 100..101);
    /// assert!(partial.range_of(7).is_empty());
    /// ```
    pub fn range_of(self, size: u64) -> core::ops::Range<u64> {
        let start = self.offset.min(size);
        start..self.offset.saturating_add(self.octets.get()).min(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use bytes::Bytes;

    #[test]
    fn a_part_has_at_least_one_number() {
        let one = NonZeroU32::MIN;
        assert_eq!(PartNumber::new(&[]), None);
        assert_eq!(PartNumber::new(&[one; PartNumber::DEPTH_MAX + 1]), None);
        assert_eq!(PartNumber::new(&[one, NonZeroU32::MAX]).unwrap().to_string(), "1.4294967295");
    }

    #[test]
    fn field_names_compare_whole_and_without_case() {
        let name = AString::new(Bytes::from_static(b"Subject")).unwrap();
        let names = HeaderNames::new([name].into()).unwrap();
        assert!(names.contains(b"SUBJECT"));
        assert!(!names.contains(b"Sub"));
        assert_eq!(HeaderNames::new(Vec::new()), None);
    }

    #[test]
    fn what_marks_a_message_as_read() {
        assert!(FetchItem::Rfc822.sets_seen());
        assert!(!FetchItem::Rfc822Header.sets_seen());
        for item in FetchMacro::Full.items() {
            assert!(!item.sets_seen());
        }
    }
}

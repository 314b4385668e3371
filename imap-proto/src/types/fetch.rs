//! What FETCH can be asked for.
//!
//! RFC 3501 §6.4.5 and §9 `fetch-att`, `section`.
//!
//! # Departures
//! Offsets and lengths of a partial are 63-bit, as RFC 9051 §9 (`partial-range`) has them.

use core::num::NonZeroU64;
use mail_message::Section;

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
        /// Which octets of the message. `MIME` comes with part numbers only.
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

    #[test]
    fn what_marks_a_message_as_read() {
        assert!(FetchItem::Rfc822.sets_seen());
        assert!(!FetchItem::Rfc822Header.sets_seen());
        for item in FetchMacro::Full.items() {
            assert!(!item.sets_seen());
        }
    }
}

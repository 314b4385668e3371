//! [`Message`]: where a message lies in an mbox, and what of it never changes; and the same as text, for the index.
//!
//! The text tells lengths, not places: where a message lies follows from those before it, so that a message that goes, or
//! grows by a keyword, changes nothing of what is kept of the others.

use mail_message::Uid;
use proto_core::UnixTime;

use super::MboxFormat;
use super::decode::Unquote;
use super::fields::Marks;

/// Where a message is, and what never changes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    /// Where its `From_` line begins.
    pub(super) start: u64,
    /// Where it ends, before the blank line that parts it from the next.
    pub(super) end: u64,
    /// Its length as it is shown: CRLF line ends, nothing of the mailbox's own, no quoting.
    pub(super) shown_bytes: u64,
    /// When it arrived.
    pub(super) date: UnixTime,
    /// From the end of the `From_` line to where its block of the mailbox's own fields begins.
    pub(super) block_at: u32,
    /// How long that block is.
    pub(super) block_bytes: u32,
    /// Its UID, if it has one that can be believed.
    pub(super) uid: Option<Uid>,
    /// How long the `From_` line is.
    pub(super) from_bytes: u16,
    pub(super) traits: u8,
    /// The CRC-32C of its octets as they are stored, without the mailbox's own fields, when they were scanned and the index
    /// has not been told.
    pub(super) sum: Option<u32>,
}

/// What [`Message::traits`] is made of.
pub(super) const CRLF: u8 = 1;
pub(super) const HAS_LENGTH: u8 = 2;
pub(super) const SCATTERED: u8 = 4;
pub(super) const OLD: u8 = 8;
pub(super) const PSEUDO: u8 = 16;

impl Message {
    fn is(&self, which: u8) -> bool {
        self.traits & which != 0
    }

    /// Where its header begins.
    pub(super) fn header_at(&self) -> u64 {
        self.start + u64::from(self.from_bytes)
    }

    /// Where all of the mailbox's own fields stand, if they stand together.
    pub(super) fn block(&self) -> Option<(u64, usize)> {
        let bytes = usize::try_from(self.block_bytes).ok()?;
        (!self.is(SCATTERED)).then_some((self.header_at() + u64::from(self.block_at), bytes))
    }

    /// Whether its lines end in CRLF.
    pub(super) fn is_crlf(&self) -> bool {
        self.is(CRLF)
    }

    /// Whether a session has been told of it.
    pub(super) fn is_old(&self) -> bool {
        self.is(OLD)
    }

    /// Whether it is the message that is none, which the UW server writes first.
    pub(super) fn is_pseudo(&self) -> bool {
        self.is(PSEUDO)
    }

    /// Takes in what its header says now.
    pub(super) fn mark(&mut self, marks: &Marks) {
        self.uid = marks.uid;
        self.traits &= !OLD;
        self.traits |= if marks.is_old { OLD } else { 0 };
    }

    /// The same message in another place, with another block.
    pub(super) fn moved(mut self, start: u64, block_bytes: u32) -> Self {
        let bytes = self.end - self.start + u64::from(block_bytes) - u64::from(self.block_bytes);
        (self.start, self.end, self.block_bytes) = (start, start + bytes, block_bytes);
        self
    }

    /// The same message, with the same block, in another place.
    pub(super) fn moved_same(self, start: u64) -> Self {
        self.moved(start, self.block_bytes)
    }

    /// How its quoted lines are read.
    pub(super) fn unquote(&self, format: MboxFormat) -> Unquote {
        unquote(format, self.is(HAS_LENGTH))
    }
}

/// A body whose length is told needs no quoting, and has none unless the mailbox is mboxcl.
pub(super) fn unquote(format: MboxFormat, has_length: bool) -> Unquote {
    match (format, has_length) {
        (MboxFormat::Mboxcl, true) => Unquote::Any,
        (_, true) => Unquote::Never,
        (MboxFormat::Mboxo, false) => Unquote::One,
        (_, false) => Unquote::Any,
    }
}

/// Writes a number in letters, four bits each, the lowest first; the last letter is a capital.
fn put(text: &mut String, mut number: u64) {
    while number > 15 {
        text.push(char::from(b'a' + (number & 15) as u8));
        number >>= 4;
    }
    text.push(char::from(b'A' + number as u8));
}

fn take(text: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(4) {
        let (letter, rest) = text.split_first()?;
        *text = rest;
        match letter {
            b'a'..=b'p' => number |= u64::from(letter - b'a') << shift,
            b'A'..=b'P' => return Some(number | u64::from(letter - b'A') << shift),
            _ => return None,
        }
    }
    None
}

/// The traits that a text tells by themselves; that a message is none, none does that has a UID.
pub(super) const TRAITS: u8 = CRLF | HAS_LENGTH | SCATTERED | OLD;

impl Message {
    /// Writes where it lies behind the end of the message before it.
    pub(super) fn put_shape(&self, before: u64, text: &mut String) {
        put(text, self.start.saturating_sub(before));
        put(text, u64::from(self.from_bytes));
        put(text, u64::from(self.block_at));
        put(text, u64::from(self.block_bytes));
        put(text, self.end - self.start);
    }

    /// The message of which [`put_shape`](Message::put_shape) wrote this; `None` for any other text. Length and date as
    /// they are shown, UID and traits are told apart from it.
    pub(super) fn from_shape(before: u64, mut text: &[u8], uid: Uid, traits: u8) -> Option<Self> {
        let start = before.checked_add(take(&mut text)?)?;
        let from_bytes = u16::try_from(take(&mut text)?).ok()?;
        let block_at = u32::try_from(take(&mut text)?).ok()?;
        let block_bytes = u32::try_from(take(&mut text)?).ok()?;
        let end = start.checked_add(take(&mut text)?)?;
        let header = u64::from(from_bytes) + u64::from(block_at) + u64::from(block_bytes);
        let is_sound = text.is_empty() && start + header <= end && traits & !TRAITS == 0;
        let (shown_bytes, date, uid, sum) = (0, UnixTime(0), Some(uid), None);
        is_sound.then_some(Self {
            start,
            end,
            shown_bytes,
            date,
            block_at,
            block_bytes,
            uid,
            from_bytes,
            traits,
            sum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shape_reads_back_and_no_part_of_it_does(
            (before, lead, bytes) in (any::<u32>(), any::<u32>(), any::<u32>()),
            (from_bytes, block_at, block_bytes) in (any::<u16>(), any::<u16>(), any::<u16>()),
            traits in 0..=TRAITS,
        ) {
            let before = u64::from(before);
            let start = before + u64::from(lead);
            let header = u64::from(from_bytes) + u64::from(block_at) + u64::from(block_bytes);
            let message = Message {
                start,
                end: start + header + u64::from(bytes),
                shown_bytes: 0,
                date: UnixTime(0),
                block_at: block_at.into(),
                block_bytes: block_bytes.into(),
                uid: Uid::new(7),
                from_bytes,
                traits,
                sum: None,
            };
            let mut text = String::new();
            message.put_shape(before, &mut text);
            let read = |text: &[u8]| Message::from_shape(before, text, Uid::new(7).unwrap(), traits);
            prop_assert_eq!(read(text.as_bytes()), Some(message));
            for cut in 0..text.len() {
                prop_assert_eq!(read(&text.as_bytes()[..cut]), None);
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[a-pA-P]{0,60}", before in any::<u64>(), traits in any::<u8>()) {
            let _ = Message::from_shape(before, text.as_bytes(), Uid::MIN, traits);
        }
    }
}

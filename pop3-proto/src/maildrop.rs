//! A maildrop as a session sees it: a snapshot with marks.
//!
//! RFC 1939 sections 4 and 5: message numbers are given when the maildrop is opened and never move; DELE leaves a
//! hole. Sizes are those of section 11, with CR LF line ends.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A message of a maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How many octets RETR delivers, dots of transparency and the final `.` not counted: the stored octets with
    /// every line ended by CR LF, the last one included. [`RetrOctets`] counts them.
    pub octets: u64,
    /// Its unique id.
    pub uidl: Uidl,
}

/// A unique id of UIDL (RFC 1939 section 7): 1 to 70 characters from `!` to `~`. It is for the application to see that
/// no two messages of a maildrop share one, ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uidl(Box<str>);

/// A text is no unique id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a unique id is 1 to 70 characters from 0x21 to 0x7E")]
pub struct BadUidl;

impl Uidl {
    /// A unique id of this text.
    ///
    /// # Errors
    /// [`BadUidl`].
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, BadUidl> {
        let text = text.into();
        let good = (1..=70).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
        if good { Ok(Self(text)) } else { Err(BadUidl) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Counts what RETR will deliver of a message's stored octets.
///
/// ```
/// let mut octets = pop3_proto::RetrOctets::default();
/// octets.push(b"Subject: x\n\nend");
/// assert_eq!(octets.finish(), 19);
/// ```
#[derive(Debug, Clone, Default)]
pub struct RetrOctets {
    count: u64,
    ends_in_cr: bool,
    ends_in_line_end: bool,
}

impl RetrOctets {
    /// Counts the next octets.
    pub fn push(&mut self, octets: &[u8]) {
        let Some(&last) = octets.last() else { return };
        let mut bare = 0;
        for at in memchr::memchr_iter(b'\n', octets) {
            let after_cr = if at == 0 { self.ends_in_cr } else { octets[at - 1] == b'\r' };
            bare += u64::from(!after_cr);
        }
        self.count += octets.len() as u64 + bare;
        self.ends_in_cr = last == b'\r';
        self.ends_in_line_end = last == b'\n';
    }

    /// How many octets RETR will deliver, with the line end that a message without a final one gets.
    pub fn finish(self) -> u64 {
        let complete = self.ends_in_line_end || self.count == 0;
        self.count + if complete { 0 } else { 2 }
    }
}

/// The maildrop and its marks.
#[derive(Debug)]
pub(crate) struct Maildrop {
    messages: Vec<Message>,
    deleted: Vec<bool>,
    count: usize,
    octets: u64,
}

impl Maildrop {
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let mut maildrop = Self { deleted: Vec::new(), count: 0, octets: 0, messages };
        maildrop.reset();
        maildrop
    }

    /// How many messages are not marked.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many octets the messages have that are not marked.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// The message at a position, unless it is marked.
    pub(crate) fn message(&self, index: usize) -> Option<&Message> {
        self.messages.get(index).filter(|_| !self.deleted[index])
    }

    /// The first message at or after a position that is not marked.
    pub(crate) fn next(&self, from: usize) -> Option<(usize, &Message)> {
        (from..self.messages.len()).find_map(|index| Some((index, self.message(index)?)))
    }

    /// Marks a message that is not marked.
    pub(crate) fn delete(&mut self, index: usize) {
        if let Some(octets) = self.message(index).map(|message| message.octets) {
            self.deleted[index] = true;
            self.count -= 1;
            self.octets = self.octets.saturating_sub(octets);
        }
    }

    /// Takes all marks away.
    pub(crate) fn reset(&mut self) {
        self.deleted.clear();
        self.deleted.resize(self.messages.len(), false);
        self.count = self.messages.len();
        self.octets = self.messages.iter().fold(0, |sum, message| sum.saturating_add(message.octets));
    }

    /// The positions of the marked messages.
    pub(crate) fn deleted(&self) -> Vec<usize> {
        (0..self.messages.len()).filter(|index| self.deleted[*index]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_ids_are_what_the_grammar_allows() {
        assert!(Uidl::new("!~").is_ok());
        assert!(Uidl::new("x".repeat(70)).is_ok());
        assert_eq!(Uidl::new("x".repeat(71)), Err(BadUidl));
        for bad in ["", "a b", "a\r\n", "é", "\x7f"] {
            assert_eq!(Uidl::new(bad), Err(BadUidl), "{bad:?}");
        }
    }

    #[test]
    fn octets_are_counted_alike_however_they_come() {
        let message = b"a\r\nb\n\rc\r\r\n\n\r";
        for len in 0..=message.len() {
            for cut in 0..=len {
                let mut octets = RetrOctets::default();
                octets.push(&message[..cut]);
                octets.push(&message[cut..len]);
                let bare =
                    (0..len).filter(|at| message[*at] == b'\n' && (*at == 0 || message[at - 1] != b'\r'));
                let open = len > 0 && message[len - 1] != b'\n';
                assert_eq!(
                    octets.finish(),
                    (len + bare.count() + if open { 2 } else { 0 }) as u64,
                    "{len} {cut}"
                );
            }
        }
    }

    #[test]
    fn marks_leave_holes_and_can_be_taken_away() {
        let message = |octets| Message { octets, uidl: Uidl::new("u").unwrap() };
        let mut maildrop = Maildrop::new(alloc::vec![message(1), message(20), message(300)]);
        assert_eq!((maildrop.count(), maildrop.octets()), (3, 321));
        maildrop.delete(1);
        maildrop.delete(1);
        assert_eq!((maildrop.count(), maildrop.octets()), (2, 301));
        assert_eq!(maildrop.message(1), None);
        assert_eq!(maildrop.next(1).map(|(index, _)| index), Some(2));
        assert_eq!(maildrop.next(3), None);
        assert_eq!(maildrop.deleted(), [1]);
        maildrop.reset();
        assert_eq!((maildrop.count(), maildrop.octets()), (3, 321));
    }
}

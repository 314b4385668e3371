//! [`SequenceSet`]: a set as a client wrote it.

use alloc::vec::Vec;
use core::cmp::min;
use core::fmt;
use core::num::NonZeroU32;

use super::RangeSet;
use crate::uid::Number;

/// One end of a range: a number, or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetBound {
    /// A sequence number or a UID.
    Number(NonZeroU32),
    /// `*`: the highest that is in the mailbox.
    Star,
}

/// A sequence set as parsed (RFC 3501 §9): what it names is known only with the mailbox, see
/// [`SequenceSet::resolve`].
///
/// ```
/// use mail_message::{SequenceSet, Uid, UidSet};
///
/// let set = SequenceSet::parse(b"5:3,4000:*", 100).unwrap();
/// let uids: UidSet = set.resolve(Uid::new(42));
/// assert_eq!(uids.to_string(), "3:5,42");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceSet {
    ranges: Vec<(SetBound, SetBound)>,
}

/// Why octets are no sequence set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetFault {
    /// Not the grammar: empty, 0, above 4294967295, a stray comma or colon.
    #[error("not a sequence set")]
    Syntax,
    /// More ranges than the caller allows.
    #[error("too many ranges in a sequence set")]
    TooManyRanges,
}

impl SequenceSet {
    /// The set of one range. A single number is a range from itself to itself.
    pub fn from_range(start: SetBound, end: SetBound) -> SequenceSet {
        SequenceSet { ranges: alloc::vec![(start, end)] }
    }

    /// Adds one more range.
    pub fn push(&mut self, start: SetBound, end: SetBound) {
        self.ranges.push((start, end));
    }

    /// Reads all of `text` as a `sequence-set` of at most `ranges_max` ranges.
    ///
    /// `$` (RFC 5182) is not read here: it is no set but a name for one.
    pub fn parse(text: &[u8], ranges_max: usize) -> Result<SequenceSet, SetFault> {
        let mut ranges = Vec::new();
        for element in text.split(|&octet| octet == b',') {
            if ranges.len() == ranges_max {
                return Err(SetFault::TooManyRanges);
            }
            let mut bounds = element.splitn(2, |&octet| octet == b':');
            let start = parse_bound(bounds.next().unwrap_or_default())?;
            let end = bounds.next().map_or(Ok(start), parse_bound)?;
            ranges.push((start, end));
        }
        Ok(SequenceSet { ranges })
    }

    /// The ranges as they were written.
    pub fn ranges(&self) -> &[(SetBound, SetBound)] {
        &self.ranges
    }

    /// What the set names in a mailbox whose highest number is `highest` (`None`: empty mailbox).
    ///
    /// `*` is `highest`, and matches nothing in an empty mailbox. Numbers written out stay, existing or not: a
    /// caller that must refuse sequence numbers beyond the mailbox looks at [`RangeSet::last`].
    pub fn resolve<N: Number>(&self, highest: Option<N>) -> RangeSet<N> {
        let ranges = self.ranges.iter().filter_map(|&range| match range {
            (SetBound::Number(a), SetBound::Number(b)) => Some(if a <= b { a..=b } else { b..=a }),
            (SetBound::Star, SetBound::Star) => highest.map(|star| star.raw()..=star.raw()),
            (SetBound::Number(number), SetBound::Star) | (SetBound::Star, SetBound::Number(number)) => {
                highest.map(|star| min(number, star.raw())..=star.raw())
            }
        });
        ranges.map(|range| N::from_raw(*range.start())..=N::from_raw(*range.end())).collect()
    }
}

fn parse_bound(text: &[u8]) -> Result<SetBound, SetFault> {
    if text == b"*" {
        return Ok(SetBound::Star);
    }
    // `nz-number` starts with a non-zero digit (RFC 3501 §9), so "01" is out, and a sign with it.
    if !text.first().is_some_and(|octet| (b'1'..=b'9').contains(octet)) {
        return Err(SetFault::Syntax);
    }
    let digits = core::str::from_utf8(text).map_err(|_| SetFault::Syntax)?;
    digits.parse().map(SetBound::Number).map_err(|_| SetFault::Syntax)
}

impl fmt::Display for SetBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetBound::Number(number) => fmt::Display::fmt(number, f),
            SetBound::Star => f.write_str("*"),
        }
    }
}

impl fmt::Display for SequenceSet {
    /// As IMAP writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (start, end)) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if start == end {
                write!(f, "{comma}{start}")?;
            } else {
                write!(f, "{comma}{start}:{end}")?;
            }
        }
        Ok(())
    }
}

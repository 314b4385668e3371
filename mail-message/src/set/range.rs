//! [`RangeSet`]: a set of numbers as sorted, disjoint ranges.

use alloc::vec::Vec;
use core::cmp::{max, min};
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ops::RangeInclusive;

use crate::uid::{Number, SeqNo, Uid};

/// A set of UIDs.
pub type UidSet = RangeSet<Uid>;
/// A set of sequence numbers.
pub type SeqSet = RangeSet<SeqNo>;

/// A set of UIDs or of sequence numbers, as sorted ranges that neither overlap nor touch.
///
/// Equal sets compare equal, however they were put together. `Display` is the form IMAP writes.
///
/// ```
/// use mail_message::{Uid, UidSet};
///
/// let uid = |n| Uid::new(n).unwrap();
/// let mut set: UidSet = [7, 1, 2, 9].into_iter().map(uid).collect();
/// set.insert(uid(8));
/// assert_eq!(set.to_string(), "1:2,7:9");
/// set.insert_range(uid(1)..=Uid::MAX);
/// assert_eq!(set.len(), 4_294_967_295);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RangeSet<N> {
    ranges: Vec<(NonZeroU32, NonZeroU32)>,
    number: PhantomData<N>,
}

impl<N: Number> RangeSet<N> {
    /// The empty set.
    pub const fn new() -> RangeSet<N> {
        RangeSet { ranges: Vec::new(), number: PhantomData }
    }

    /// Adds one number; false when it was there.
    pub fn insert(&mut self, number: N) -> bool {
        let new = !self.contains(number);
        if new {
            self.insert_range(number..=number);
        }
        new
    }

    /// Adds all numbers from start to end, both included. An empty range (start after end) adds nothing.
    pub fn insert_range(&mut self, range: RangeInclusive<N>) {
        let (mut low, mut high) = (range.start().raw(), range.end().raw());
        if low > high {
            return;
        }
        // Ranges that overlap the new one or touch it melt into it.
        let from = self.ranges.partition_point(|&(_, end)| end.get() < low.get() - 1);
        let to = self.ranges.partition_point(|&(start, _)| start <= high.saturating_add(1));
        if from < to {
            low = min(low, self.ranges[from].0);
            high = max(high, self.ranges[to - 1].1);
        }
        self.ranges.splice(from..to, [(low, high)]);
    }

    /// Takes one number out; false when it was not there.
    pub fn remove(&mut self, number: N) -> bool {
        let raw = number.raw();
        let at = self.ranges.partition_point(|&(_, end)| end < raw);
        let Some(&(low, high)) = self.ranges.get(at).filter(|range| range.0 <= raw) else { return false };
        let below = NonZeroU32::new(raw.get() - 1).filter(|&end| end >= low).map(|end| (low, end));
        let above = raw.checked_add(1).filter(|&start| start <= high).map(|start| (start, high));
        self.ranges.splice(at..=at, below.into_iter().chain(above));
        true
    }

    /// Whether `number` is in the set; logarithmic in the number of ranges.
    pub fn contains(&self, number: N) -> bool {
        let at = self.ranges.partition_point(|&(_, end)| end < number.raw());
        self.ranges.get(at).is_some_and(|range| range.0 <= number.raw())
    }

    /// What is in both; linear in the number of ranges.
    #[must_use]
    pub fn intersect(&self, other: &RangeSet<N>) -> RangeSet<N> {
        let mut result = RangeSet::new();
        let (mut mine, mut theirs) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (mine.peek(), theirs.peek()) {
            let (low, high) = (max(a.0, b.0), min(a.1, b.1));
            if low <= high {
                result.ranges.push((low, high));
            }
            if a.1 <= b.1 {
                mine.next();
            } else {
                theirs.next();
            }
        }
        result
    }

    /// What is in either; linear in the number of ranges.
    #[must_use]
    pub fn union(&self, other: &RangeSet<N>) -> RangeSet<N> {
        let mut all: Vec<_> = self.ranges.iter().chain(&other.ranges).copied().collect();
        all.sort_unstable();
        let mut result = RangeSet::new();
        for range in all {
            result.push_sorted(range);
        }
        result
    }

    /// What is in this set and not in the other; linear in the number of ranges.
    #[must_use]
    pub fn difference(&self, other: &RangeSet<N>) -> RangeSet<N> {
        let mut result = RangeSet::new();
        let mut cuts = other.ranges.iter().peekable();
        for &(low, high) in &self.ranges {
            let mut rest = Some(low);
            while let (Some(start), Some(&&(cut_low, cut_high))) = (rest, cuts.peek()) {
                if cut_low > high {
                    break;
                }
                if let Some(end) = NonZeroU32::new(cut_low.get() - 1).filter(|&end| end >= start) {
                    result.ranges.push((start, end));
                }
                if cut_high >= start {
                    rest = cut_high.checked_add(1);
                }
                if cut_high > high {
                    break;
                }
                cuts.next();
            }
            if let Some(start) = rest.filter(|&start| start <= high) {
                result.ranges.push((start, high));
            }
        }
        result
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<N>> + ExactSizeIterator + '_ {
        self.ranges.iter().map(|&(low, high)| N::from_raw(low)..=N::from_raw(high))
    }

    /// The numbers one by one, ascending. Bound it before you run it over a range that a peer named: intersect
    /// with what exists first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = N> + '_ {
        let raw = self.ranges.iter().flat_map(|&(low, high)| low.get()..=high.get());
        raw.filter_map(NonZeroU32::new).map(N::from_raw)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u32 {
        self.ranges.iter().map(|&(low, high)| high.get() - low.get() + 1).sum()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The lowest number.
    pub fn first(&self) -> Option<N> {
        self.ranges.first().map(|range| N::from_raw(range.0))
    }

    /// The highest number.
    pub fn last(&self) -> Option<N> {
        self.ranges.last().map(|range| N::from_raw(range.1))
    }

    /// Appends a range that starts no lower than all before it.
    fn push_sorted(&mut self, (low, high): (NonZeroU32, NonZeroU32)) {
        match self.ranges.last_mut() {
            Some(last) if low.get() - 1 <= last.1.get() => last.1 = max(last.1, high),
            _ => self.ranges.push((low, high)),
        }
    }
}

impl<N: Number> Default for RangeSet<N> {
    fn default() -> Self {
        RangeSet::new()
    }
}

impl<N: Number> Extend<N> for RangeSet<N> {
    fn extend<I: IntoIterator<Item = N>>(&mut self, numbers: I) {
        for number in numbers {
            let raw = number.raw();
            match self.ranges.last() {
                // Ascending input, the usual one, costs no search and no shifting.
                Some(last) if raw < last.0 => self.insert_range(number..=number),
                _ => self.push_sorted((raw, raw)),
            }
        }
    }
}

impl<N: Number> FromIterator<N> for RangeSet<N> {
    fn from_iter<I: IntoIterator<Item = N>>(numbers: I) -> Self {
        let mut set = RangeSet::new();
        set.extend(numbers);
        set
    }
}

impl<N: Number> FromIterator<RangeInclusive<N>> for RangeSet<N> {
    /// From ranges in any order. Sorts them once, so that a hostile order costs no more than another.
    fn from_iter<I: IntoIterator<Item = RangeInclusive<N>>>(ranges: I) -> Self {
        let pairs = ranges.into_iter().map(|range| (range.start().raw(), range.end().raw()));
        let mut all: Vec<_> = pairs.filter(|range| range.0 <= range.1).collect();
        all.sort_unstable();
        let mut set = RangeSet::new();
        for range in all {
            set.push_sorted(range);
        }
        set
    }
}

impl<N: Number> fmt::Display for RangeSet<N> {
    /// As IMAP writes it, `1:3,7`; nothing for the empty set, which IMAP cannot write.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if low == high {
                write!(f, "{comma}{low}")?;
            } else {
                write!(f, "{comma}{low}:{high}")?;
            }
        }
        Ok(())
    }
}

impl<N: Number> fmt::Debug for RangeSet<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

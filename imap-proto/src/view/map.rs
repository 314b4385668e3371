//! The map between message sequence numbers and UIDs, as runs.
//!
//! RFC 3501 section 2.3.1: sequence numbers are 1, 2, 3 … without gaps and in the order of the UIDs, which ascend
//! with gaps. So a mailbox is a list of runs in which both count up by one; only expunged messages (and UIDs that
//! were never given out) start a new run. A set of numbers is answered by whole runs: nothing is expanded.
//!
//! # Limits
//! Eight octets a run: a mailbox of 100,000 messages costs 8 octets when nothing was ever expunged from it, and
//! 800 kB at worst, when a UID is missing between any two.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::ops::RangeInclusive;
use mail_message::{SeqNo, SeqSet, Uid, UidSet};

/// Consecutive messages whose sequence numbers and UIDs both count up by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The sequence number of the first message.
    pub seq: SeqNo,
    /// The UID of the first message.
    pub uid: Uid,
    /// How many messages follow the first one.
    pub more: u32,
}

impl Run {
    /// The UID of the last message.
    pub fn last_uid(self) -> Uid {
        Uid(self.uid.0.saturating_add(self.more))
    }

    /// The sequence number of the last message.
    pub fn last_seq(self) -> SeqNo {
        SeqNo(self.seq.0.saturating_add(self.more))
    }

    /// The messages one by one, ascending.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = (SeqNo, Uid)> {
        (0..=self.more).map(move |n| (SeqNo(self.seq.0.saturating_add(n)), Uid(self.uid.0.saturating_add(n))))
    }

    /// The part whose sequence numbers lie in the range.
    fn clip_seq(self, range: &RangeInclusive<SeqNo>) -> Option<Run> {
        let (first, last) = (self.seq.max(*range.start()), self.last_seq().min(*range.end()));
        (first <= last).then(|| self.part(first.get() - self.seq.get(), last.get() - first.get()))
    }

    /// The part whose UIDs lie in the range.
    fn clip_uid(self, range: &RangeInclusive<Uid>) -> Option<Run> {
        let (first, last) = (self.uid.max(*range.start()), self.last_uid().min(*range.end()));
        (first <= last).then(|| self.part(first.get() - self.uid.get(), last.get() - first.get()))
    }

    fn part(self, skip: u32, more: u32) -> Run {
        Run { seq: SeqNo(self.seq.0.saturating_add(skip)), uid: Uid(self.uid.0.saturating_add(skip)), more }
    }
}

/// The first message of a run; the next start, or the end of the map, ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    seq: NonZeroU32,
    uid: NonZeroU32,
}

/// Sequence numbers and UIDs of one mailbox, as one client has been told them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeqMap {
    starts: Vec<Start>,
    exists: u32,
}

impl SeqMap {
    /// An empty mailbox.
    pub const fn new() -> Self {
        Self { starts: Vec::new(), exists: 0 }
    }

    /// The map of a mailbox that holds these messages.
    pub fn from_uids(uids: &UidSet) -> Self {
        let mut map = Self { starts: Vec::with_capacity(uids.ranges().len()), exists: 0 };
        for range in uids.ranges() {
            map.push(range);
        }
        map
    }

    /// How many messages there are: the highest sequence number.
    pub fn exists(&self) -> u32 {
        self.exists
    }

    /// The highest UID.
    pub fn last_uid(&self) -> Option<Uid> {
        Some(self.run(self.starts.len().checked_sub(1)?).last_uid())
    }

    /// The UID of the message with this sequence number.
    pub fn uid_of(&self, seq: SeqNo) -> Option<Uid> {
        let run = self.run(self.starts.partition_point(|s| s.seq <= seq.0).checked_sub(1)?);
        Some(run.clip_seq(&(seq..=seq))?.uid)
    }

    /// The sequence number of the message with this UID.
    pub fn seq_of(&self, uid: Uid) -> Option<SeqNo> {
        let run = self.run(self.starts.partition_point(|s| s.uid <= uid.0).checked_sub(1)?);
        Some(run.clip_uid(&(uid..=uid))?.seq)
    }

    /// Adds messages with consecutive UIDs at the end. Nothing happens, and the answer is false, when they do
    /// not lie above all others.
    pub fn push(&mut self, uids: RangeInclusive<Uid>) -> bool {
        let (first, last) = uids.into_inner();
        let highest = self.last_uid();
        if last < first || highest.is_some_and(|highest| first <= highest) {
            return false;
        }
        // UIDs are distinct 32-bit numbers above 0, so their count cannot overflow.
        let seq = NonZeroU32::MIN.saturating_add(self.exists);
        if highest.is_none_or(|highest| highest.next() != Some(first)) {
            self.starts.push(Start { seq, uid: first.0 });
        }
        self.exists = seq.get() + (last.get() - first.get());
        true
    }

    /// All messages, as runs.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        (0..self.starts.len()).map(|at| self.run(at))
    }

    /// The messages that have these sequence numbers, as runs. Numbers beyond the mailbox match nothing.
    pub fn runs_by_seq<'a>(&'a self, seqs: &'a SeqSet) -> impl Iterator<Item = Run> + 'a {
        seqs.ranges().flat_map(move |range| {
            let from = self.starts.partition_point(|s| s.seq <= range.start().0).saturating_sub(1);
            (from..self.starts.len()).map_while(move |at| self.run(at).clip_seq(&range))
        })
    }

    /// The messages that have these UIDs, as runs. UIDs that are not in the mailbox match nothing.
    pub fn runs_by_uid<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = Run> + 'a {
        uids.ranges().flat_map(move |range| {
            let from = self.starts.partition_point(|s| s.uid <= range.start().0).saturating_sub(1);
            let end = *range.end();
            let near = (from..self.starts.len()).map(|at| self.run(at)).take_while(move |run| run.uid <= end);
            near.filter_map(move |run| run.clip_uid(&range))
        })
    }

    /// Removes the messages that have these UIDs, in one pass. Returns them as runs, with the sequence numbers
    /// they had before.
    pub fn remove(&mut self, uids: &UidSet) -> Vec<Run> {
        let removed: Vec<Run> = self.runs_by_uid(uids).collect();
        if !removed.is_empty() {
            let gone: UidSet = removed.iter().map(|run| run.uid..=run.last_uid()).collect();
            let kept: UidSet = self.runs().map(|run| run.uid..=run.last_uid()).collect();
            *self = Self::from_uids(&kept.difference(&gone));
        }
        removed
    }

    fn run(&self, at: usize) -> Run {
        let start = self.starts[at];
        let last = self.starts.get(at + 1).map_or(self.exists, |next| next.seq.get() - 1);
        Run { seq: SeqNo(start.seq), uid: Uid(start.uid), more: last - start.seq.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn uid(raw: u32) -> Uid {
        Uid::new(raw).unwrap()
    }

    fn seq(raw: u32) -> SeqNo {
        SeqNo::new(raw).unwrap()
    }

    fn uids(raw: &[u32]) -> UidSet {
        raw.iter().copied().map(uid).collect()
    }

    fn fixture() -> SeqMap {
        SeqMap::from_uids(&uids(&[2, 4, 5, 6, 9]))
    }

    #[test]
    fn both_directions_agree() {
        let map = fixture();
        for (s, u) in [(1, 2), (2, 4), (3, 5), (4, 6), (5, 9)] {
            assert_eq!(map.uid_of(seq(s)), Some(uid(u)));
            assert_eq!(map.seq_of(uid(u)), Some(seq(s)));
        }
        for u in [1, 3, 7, 8, 10, u32::MAX] {
            assert_eq!(map.seq_of(uid(u)), None);
        }
        assert_eq!(map.uid_of(seq(6)), None);
        assert_eq!(map.last_uid(), Some(uid(9)));
    }

    #[test]
    fn only_higher_uids_are_added() {
        let mut map = fixture();
        for (first, last) in [(9, 9), (1, 20), (12, 11)] {
            assert!(!map.push(uid(first)..=uid(last)));
        }
        assert!(map.push(Uid::MAX..=Uid::MAX));
        assert!(!map.push(Uid::MAX..=Uid::MAX));
        assert_eq!(map.exists(), 6);
    }

    #[test]
    fn a_huge_range_is_answered_by_runs() {
        let mut map = SeqMap::new();
        assert!(map.push(Uid::MIN..=Uid::MAX));
        assert_eq!(map.exists(), u32::MAX);
        let all: SeqSet = [SeqNo::MIN..=SeqNo::MAX].into_iter().collect();
        let whole = Run { seq: seq(1), uid: uid(1), more: u32::MAX - 1 };
        assert_eq!(map.runs_by_seq(&all).collect::<Vec<_>>(), vec![whole]);
        let all: UidSet = [Uid::MIN..=Uid::MAX].into_iter().collect();
        assert_eq!(fixture().runs_by_uid(&all).count(), 3);
        assert_eq!(
            fixture().runs_by_uid(&uids(&[5, 6, 7, 8])).collect::<Vec<_>>(),
            vec![Run { seq: seq(3), uid: uid(5), more: 1 }]
        );
    }

    #[test]
    fn what_is_removed_is_told_with_its_old_numbers() {
        let mut map = fixture();
        let removed = map.remove(&uids(&[2, 5, 7, 8]));
        let one = |s, u| Run { seq: seq(s), uid: uid(u), more: 0 };
        assert_eq!(removed, vec![one(1, 2), one(3, 5)]);
        assert_eq!((1..=3).filter_map(|s| map.uid_of(seq(s))).collect::<Vec<_>>(), [4, 6, 9].map(uid));
        assert_eq!(map.remove(&[Uid::MIN..=Uid::MAX].into_iter().collect()).len(), 3);
        assert_eq!((map.exists(), map.last_uid()), (0, None));
    }
}

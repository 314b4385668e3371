//! [`Vanished`]: which messages were removed, and when: the queue of RFC 7162 §5.3.
//!
//! # Limits
//! [`Vanished::RANGES_MAX`] ranges of UIDs. The oldest are forgotten first; a client that last looked before those went
//! has to compare its UIDs with all that are there.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use mail_message::{ModSeq, Uid, UidSet};

/// Ranges of removed UIDs with the mod-sequence of each removal, ascending by that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Vanished {
    /// What was removed up to here may be forgotten.
    floor: ModSeq,
    queue: VecDeque<(ModSeq, RangeInclusive<Uid>)>,
}

impl Vanished {
    /// How many ranges are remembered: 256 KiB of them.
    pub(crate) const RANGES_MAX: usize = 16 << 10;

    /// Nothing is known of what went before `floor`.
    pub(crate) fn since(floor: ModSeq) -> Self {
        Self { floor, queue: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Up to where removals may be forgotten.
    pub(crate) fn floor(&self) -> ModSeq {
        self.floor
    }

    /// What is remembered, ascending by mod-sequence.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ModSeq, RangeInclusive<Uid>)> + '_ {
        self.queue.iter().cloned()
    }

    /// These were removed now.
    pub(crate) fn push(&mut self, modseq: ModSeq, uids: RangeInclusive<Uid>) {
        self.queue.push_back((modseq, uids));
        while self.queue.len() > Self::RANGES_MAX
            && let Some((modseq, _)) = self.queue.pop_front()
        {
            self.floor = self.floor.max(modseq);
        }
    }

    /// Whether this one is known to have been removed.
    pub(crate) fn contains(&self, uid: Uid) -> bool {
        self.queue.iter().any(|(_, range)| range.contains(&uid))
    }

    /// This one is there again.
    pub(crate) fn take_back(&mut self, uid: Uid) {
        let Some(at) = self.queue.iter().position(|(_, range)| range.contains(&uid)) else { return };
        let Some((modseq, range)) = self.queue.remove(at) else { return };
        let before = Uid::new(uid.get() - 1).filter(|before| before >= range.start());
        let after = uid.next().filter(|after| after <= range.end());
        if let Some(after) = after {
            self.queue.insert(at, (modseq, after..=*range.end()));
        }
        if let Some(before) = before {
            self.queue.insert(at, (modseq, *range.start()..=before));
        }
    }

    /// What was removed after `modseq`; `None` when some of it may be forgotten.
    pub(crate) fn after(&self, modseq: ModSeq) -> Option<UidSet> {
        if modseq < self.floor {
            return None;
        }
        let mut uids = UidSet::new();
        for (_, range) in self.queue.iter().rev().take_while(|(at, _)| *at > modseq) {
            uids.insert_range(range.clone());
        }
        Some(uids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(raw: u32) -> Uid {
        Uid::new(raw).unwrap()
    }

    fn at(raw: u64) -> ModSeq {
        ModSeq::new(raw).unwrap()
    }

    #[test]
    fn what_went_since_is_told_and_what_came_back_is_not() {
        let mut vanished = Vanished::since(at(10));
        vanished.push(at(11), uid(1)..=uid(3));
        vanished.push(at(12), uid(7)..=uid(7));
        let after = |vanished: &Vanished, modseq| vanished.after(at(modseq)).map(|set| set.to_string());
        assert_eq!(after(&vanished, 9), None);
        assert_eq!(after(&vanished, 10).unwrap(), "1:3,7");
        assert_eq!(after(&vanished, 11).unwrap(), "7");
        assert_eq!([3, 4, 7].map(|raw| vanished.contains(uid(raw))), [true, false, true]);
        assert_eq!(vanished.after(at(12)).unwrap(), UidSet::new());
        vanished.take_back(uid(2));
        vanished.take_back(uid(7));
        vanished.take_back(uid(9));
        assert_eq!(after(&vanished, 10).unwrap(), "1,3");
    }

    #[test]
    fn the_oldest_are_forgotten_and_that_is_known() {
        let mut vanished = Vanished::since(at(1));
        for raw in 0..Vanished::RANGES_MAX as u32 + 2 {
            vanished.push(at(u64::from(raw) + 2), uid(2 * raw + 1)..=uid(2 * raw + 1));
        }
        assert_eq!(vanished.floor(), at(3));
        assert_eq!(vanished.after(at(2)), None);
        assert_eq!(vanished.after(at(3)).unwrap().len() as usize, Vanished::RANGES_MAX);
    }
}

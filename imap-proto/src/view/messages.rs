//! What a set in a command turned out to name: sequence numbers with their UIDs, as runs.

use super::map::Run;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mail_message::{SeqNo, Uid, UidSet};

/// Messages of a view, ascending and each once, with the sequence numbers they have while the command that named
/// them is in progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    runs: VecDeque<Run>,
}

impl Messages {
    /// From ascending runs that do not overlap.
    pub(super) fn new(runs: Vec<Run>) -> Self {
        Self { runs: runs.into() }
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|run| run.more + 1).sum()
    }

    /// Whether the set named no message that exists.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The messages one by one, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (SeqNo, Uid)> + '_ {
        self.runs.iter().flat_map(|run| run.iter())
    }

    /// The sequence number of one of them.
    pub fn seq_of(&self, uid: Uid) -> Option<SeqNo> {
        let run = self.runs.get(self.runs.partition_point(|run| run.last_uid() < uid))?;
        let skip = uid.get().checked_sub(run.uid.get())?;
        Some(SeqNo(run.seq.0.saturating_add(skip)))
    }

    /// Takes the first of them out, in constant time.
    pub(crate) fn pop_first(&mut self) -> Option<(SeqNo, Uid)> {
        let run = self.runs.front_mut()?;
        let first = (run.seq, run.uid);
        match run.more.checked_sub(1) {
            Some(more) => {
                *run = Run {
                    seq: SeqNo(run.seq.0.saturating_add(1)),
                    uid: Uid(run.uid.0.saturating_add(1)),
                    more,
                }
            }
            None => drop(self.runs.pop_front()),
        }
        Some(first)
    }

    /// Their UIDs as a set.
    pub fn uids(&self) -> UidSet {
        self.runs.iter().map(|run| run.uid..=run.last_uid()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::view::View;
    use alloc::vec::Vec;
    use mail_message::{Uid, UidSet};

    #[test]
    fn taken_out_one_by_one_they_are_the_same() {
        let uids: UidSet = [2, 4, 5, 6, 9, u32::MAX].into_iter().filter_map(Uid::new).collect();
        let mut messages = View::new(&uids, UidSet::new(), 1).all();
        let all: Vec<_> = messages.iter().collect();
        let taken: Vec<_> = core::iter::from_fn(|| messages.pop_first()).collect();
        assert_eq!(taken, all);
        assert!(messages.is_empty());
    }
}

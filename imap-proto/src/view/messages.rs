//! What a set in a command turned out to name: sequence numbers with their UIDs, as runs.

use super::map::Run;
use alloc::vec::Vec;
use mail_message::{SeqNo, Uid, UidSet};

/// Messages of a view, ascending and each once, with the sequence numbers they have while the command that named
/// them is in progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    runs: Vec<Run>,
}

impl Messages {
    /// From ascending runs that do not overlap.
    pub(super) fn new(runs: Vec<Run>) -> Self {
        Self { runs }
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

    /// Their UIDs as a set.
    pub fn uids(&self) -> UidSet {
        self.runs.iter().map(|run| run.uid..=run.last_uid()).collect()
    }
}

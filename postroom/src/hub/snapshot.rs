//! A mailbox in memory: what every session on it reads.

use mail_message::{Flag, FlagSet, Uid, UidSet, UidValidity};
use mailstore::{Changes, Entry, Flagged, PermanentFlags};

/// The messages of an opened mailbox, ascending by UID. Sessions share one; a change makes a copy only while somebody
/// still reads the old one.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    pub(crate) permanent_flags: PermanentFlags,
    pub(super) entries: Vec<Entry>,
}

impl Snapshot {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn flags(&self, uid: Uid) -> Option<&FlagSet> {
        let at = self.position(uid)?;
        Some(&self.entries[at].flags)
    }

    pub(crate) fn uids(&self) -> UidSet {
        self.entries.iter().map(|entry| entry.uid).collect()
    }

    /// The first message without `\Seen`.
    pub(crate) fn first_unseen(&self) -> Option<Uid> {
        self.entries.iter().find(|entry| !entry.flags.contains(&Flag::Seen)).map(|entry| entry.uid)
    }

    /// The keywords that messages carry.
    pub(crate) fn keywords(&self) -> FlagSet {
        let mut keywords = FlagSet::new();
        for keyword in self.entries.iter().flat_map(|entry| entry.flags.keywords()) {
            keywords.insert(Flag::Keyword(keyword.clone()));
        }
        keywords
    }

    fn position(&self, uid: Uid) -> Option<usize> {
        self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()
    }

    /// Takes in what others have changed.
    pub(super) fn merge(&mut self, changes: &Changes) {
        self.remove(&changes.vanished.iter().copied().collect());
        self.set_flags(&changes.flags);
        if let Some(floor) = changes.modseq_floor {
            self.entries.iter_mut().for_each(|entry| entry.modseq = entry.modseq.max(floor));
        }
        let last = self.entries.last().map(|entry| entry.uid);
        self.entries.extend(changes.new.iter().cloned());
        // A file that was away comes back with the UID it had; then the new ones do not simply follow.
        if changes.new.first().is_some_and(|first| Some(first.uid) <= last) {
            self.entries.sort_by_key(|entry| entry.uid);
            self.entries.dedup_by_key(|entry| entry.uid);
        }
    }

    /// Gives messages these flags.
    pub(super) fn set_flags(&mut self, flags: &[Flagged]) {
        for changed in flags {
            if let Some(at) = self.position(changed.uid) {
                self.entries[at].flags = changed.flags.clone();
                self.entries[at].modseq = changed.modseq;
            }
        }
    }

    pub(super) fn remove(&mut self, uids: &UidSet) {
        if !uids.is_empty() {
            self.entries.retain(|entry| !uids.contains(entry.uid));
        }
    }
}

//! What is found out of messages, and what is known of them before they come: facts and summaries.
//!
//! All of it only saves time. It is written without being synced, and what cannot be written is found out again.

use std::sync::Arc;

use mail_message::{Uid, UidValidity};

use super::file;
use super::record::{Facts, Record, Records};
use super::structure;
use super::{Index, Turn};
use crate::error::Result;
use crate::fs;
use crate::summary::Summary;

/// Facts are gathered up to this many octets before they are written.
const PENDING_BYTES_MAX: usize = 64 << 10;

/// What is known of a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned {
    /// Where an index has its summary is passed over.
    pub(crate) facts: Facts,
    pub(crate) summary: Option<Arc<Summary>>,
}

impl Index {
    /// Something was found out of a message. It is written with the next change, or when there is enough of it.
    pub(crate) fn learn(&mut self, uid: Uid, facts: Facts, summary: Option<&Arc<Summary>>) {
        self.gather(uid, facts, summary);
        if self.pending.octets().len() > PENDING_BYTES_MAX {
            let written = self.turn().and_then(|turn| self.commit(&turn, &Records::default()));
            if written.is_err() {
                self.pending.clear();
            }
        }
    }

    fn gather(&mut self, uid: Uid, facts: Facts, summary: Option<&Arc<Summary>>) {
        let mut records = Records::default();
        records.push(&Record::Facts { uid, facts });
        self.apply(&records, None);
        if let (Some(summary), Some(uid_validity)) = (summary, self.uid_validity) {
            let octets = file::sealed(uid_validity, uid, &structure::encode(summary));
            if octets.len() < Facts::SUMMARY_BYTES_MAX {
                records.push(&Record::Summary { uid, octets: &octets });
                self.recent.insert(uid, Arc::clone(summary));
            }
        }
        self.pending.extend(&records);
    }

    /// Others have written changes: drops what was found out here of messages that have been replaced since.
    pub(super) fn sift(&mut self) {
        let (pending, mut is_kept) = (std::mem::take(&mut self.pending), false);
        for (record, _) in Records::read(pending.octets()).map_while(|record| record.ok()) {
            // The summary of a message comes behind its facts.
            if let Record::Facts { uid, facts } = &record {
                is_kept = self.state.row(*uid).is_none_or(|row| row.facts.sum() == facts.sum());
                if !is_kept {
                    self.recent.remove(uid);
                }
            }
            if is_kept {
                self.pending.push(&record);
            }
        }
    }

    /// The summary of a message, if it is remembered.
    pub(crate) fn summary(&mut self, uid: Uid) -> Option<Arc<Summary>> {
        if let Some(summary) = self.recent.get(&uid) {
            return Some(Arc::clone(summary));
        }
        let (at, len) = self.state.row(uid)?.facts.summary()?;
        let uid_validity = self.uid_validity?;
        let mut octets = vec![0; len];
        let n = fs::read_full(self.reader()?, &mut octets, at).ok()?;
        let summary = file::unsealed(uid_validity, uid, &octets[..n])?;
        structure::decode(summary).map(Arc::new)
    }

    /// All that is known of a message, if anything is.
    pub(crate) fn known(&mut self, uid: Uid) -> Option<Learned> {
        let mut facts = self.state.row(uid)?.facts;
        let summary = self.summary(uid);
        facts.set_summary(None);
        (facts != Facts::default()).then_some(Learned { facts, summary })
    }

    /// Writes down what is known of messages that have just got their UIDs. Their rows come with the next look at the
    /// mailbox. The lock under which UIDs are given must not be held: whoever looks takes it after that of the index.
    pub(crate) fn foretell(
        &mut self,
        uid_validity: UidValidity,
        known: impl Iterator<Item = (Uid, Learned)>,
    ) {
        let mut known = known.peekable();
        if known.peek().is_none() {
            return;
        }
        if let Ok(turn) = self.turn() {
            // What fails is found out again, by whoever asks.
            let _ = self.foretell_in(&turn, uid_validity, known);
        }
        // Whoever adds the rows makes the file clean.
        self.pending.clear();
        self.changed = false;
    }

    fn foretell_in(
        &mut self,
        turn: &Turn,
        uid_validity: UidValidity,
        known: impl Iterator<Item = (Uid, Learned)>,
    ) -> Result<()> {
        self.set_uid_validity(uid_validity);
        if self.file.is_none() {
            // A new file begins with rows; what comes before its row is appended.
            self.commit(turn, &Records::default())?;
        }
        if let Some(file) = &mut self.file {
            // Rewriting would drop what has no row yet.
            file.rewrite_at = u64::MAX;
        }
        for (uid, Learned { facts, summary }) in known {
            self.gather(uid, facts, summary.as_ref());
            if self.pending.octets().len() > PENDING_BYTES_MAX {
                self.commit(turn, &Records::default())?;
            }
        }
        self.commit(turn, &Records::default())
    }
}

//! [`Sight`]: what is known of an mbox: what was found in the file when it was last looked at, and what the index has.
//!
//! # Order of operations
//! The file is changed first, and synced; what is then different from what the index says is written there, with one
//! mod-sequence. All of it happens under a lock on the file, so that nobody writes into the index what the file was
//! before somebody else changed it. The index's own lock is taken after the file's.

use mail_message::{ModSeq, Uid, UidSet};

use super::journal;
use super::lock::MboxLock;
use super::place::{Place, TMP};
use super::rows;
use super::snapshot::Snapshot;
use super::uids::{self, UidState};
use crate::error::Result;
use crate::fs::File;
use crate::index::{Index, Record, Row, Stamp, Turn};

/// What is known of a mailbox.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) place: Place,
    pub(super) disk: Snapshot,
    pub(super) state: UidState,
    pub(super) index: Index,
    is_recalled: bool,
    /// The file, and the last change that the index has, when the one was last held against the other.
    noted: Option<(Stamp, ModSeq)>,
}

/// The locks of a mailbox, and the right to write into its index.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) turn: Turn,
    pub(super) lock: MboxLock,
}

impl Sight {
    /// Without having looked.
    pub(super) fn new(place: Place) -> Self {
        let index = Index::new(&place.env, place.index(), place.control.join(TMP));
        let (disk, state) = (Snapshot::default(), UidState::NONE);
        Self { place, disk, state, index, is_recalled: false, noted: None }
    }

    /// Takes up what the index has of the mailbox, if this is the first look.
    pub(super) fn recall(&mut self, file: &dyn File) -> Result<()> {
        if self.is_recalled { Ok(()) } else { self.turn(file).map(drop) }
    }

    /// Takes the locks, and looks under them.
    pub(super) fn lock(&mut self) -> Result<Locked> {
        let mut lock = MboxLock::take(&self.place)?;
        journal::recover(&self.place, &mut lock)?;
        let turn = self.turn(lock.file())?;
        self.disk.update(&self.place, lock.file())?;
        Ok(Locked { turn, lock })
    }

    /// Takes the right to write into the index. What others have written there was in the file before.
    pub(super) fn turn(&mut self, file: &dyn File) -> Result<Turn> {
        let turn = self.index.turn()?;
        if !self.is_recalled {
            if let Some(disk) = rows::restore(&self.place, &self.index, file)? {
                self.disk = disk;
            }
            self.is_recalled = true;
        } else if self.noted.is_some_and(|(_, highest)| highest != self.highest_modseq()) {
            self.disk.distrust();
        }
        Ok(turn)
    }

    /// Whether all messages have UIDs, and which; nothing is written.
    pub(super) fn uid_state(&self) -> Result<Option<UidState>> {
        uids::state(&self.place, &self.disk, &self.gone())
    }

    /// Gives every message a UID, durably. The snapshot is up to date.
    pub(super) fn give_uids(&mut self, lock: &mut MboxLock, mark_old: bool) -> Result<()> {
        let gone = self.gone();
        self.state = uids::give(&self.place, lock, &mut self.disk, &gone, mark_old)?;
        Ok(())
    }

    /// The UIDs of messages that were removed, as far as that is remembered.
    fn gone(&self) -> UidSet {
        let vanished = self.index.state().vanished();
        vanished.after(vanished.floor()).unwrap_or_default()
    }

    /// Whether the index knows all of the snapshot, and we all that others have told it.
    pub(super) fn is_noted(&self) -> bool {
        let now = self.disk.stamp.map(|stamp| (stamp, self.highest_modseq()));
        now.is_some() && self.noted == now && self.index.is_current()
    }

    /// Tells the index what it does not know of the snapshot, which is up to date under a lock. The file is synced.
    pub(super) fn note(&mut self, turn: Option<&Turn>, file: &dyn File) -> Result<()> {
        if self.is_noted() {
            return Ok(());
        }
        let taken = if turn.is_none() { Some(self.index.turn()?) } else { None };
        let Some(turn) = turn.or(taken.as_ref()) else { return Ok(()) };
        if self.index.uid_validity() != Some(self.state.uid_validity) {
            self.index.set_uid_validity(self.state.uid_validity);
        }
        let mut records = rows::differences(self.index.state(), &self.disk);
        let stamp = rows::stamp(&self.index, &self.disk, file);
        if let Some(stamp) = stamp.map_err(|error| self.place.failed("reading", &error))? {
            let is_known = self.index.file_stamp().is_some_and(|known| known.says(&stamp));
            if !is_known || records.has_changes() {
                records.push(&Record::File(stamp));
            }
        }
        self.index.commit(turn, &records)?;
        // From here on the index has them, which others may tell of later scans.
        self.disk.messages.iter_mut().for_each(|known| known.message.sum = None);
        self.noted = self.disk.stamp.map(|stamp| (stamp, self.highest_modseq()));
        Ok(())
    }

    /// The file was changed here: it has to be noted, though its time may not tell.
    pub(super) fn changed(&mut self) {
        self.noted = None;
    }

    pub(super) fn highest_modseq(&self) -> ModSeq {
        self.index.state().highest()
    }

    /// When a message last changed.
    pub(super) fn modseq(&self, uid: Uid) -> ModSeq {
        self.row(uid).map_or_else(|| self.highest_modseq(), |row| row.modseq)
    }

    pub(super) fn row(&self, uid: Uid) -> Option<&Row> {
        self.index.state().row(uid)
    }
}

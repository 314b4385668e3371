//! [`State`]: an index in memory: what its records, one after the other, say.
//!
//! # Limits
//! A message costs 56 octets and its name; all names together may have 2³² octets. Names that were replaced are
//! dropped when they are half of all.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use mail_message::{ModSeq, Uid};

use super::record::{Facts, FileStamp, Name, Nonsense, Record, Stamps};
use super::vanished::Vanished;

/// Names are not tidied up below this many octets.
const NAMES_BYTES_MIN: usize = 64 << 10;

/// How long names usually are.
const NAME_BYTES: usize = 64;

/// The messages of a mailbox, ascending by UID, and those that were removed.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    rows: Vec<Row>,
    names: String,
    names_unused: usize,
    highest: ModSeq,
    vanished: Vanished,
    /// Of the files to which all that was recorded so far belongs.
    stamps: Option<Stamps>,
    /// The same, of a mailbox that is one file.
    file_stamp: Option<FileStamp>,
    /// The boot in which changes may be lost with the power; none, when all are safe.
    dirty: Option<u64>,
    /// What is known of messages that have no row yet.
    early: BTreeMap<Uid, Facts>,
    /// How many rows are of messages that are gone.
    dead: usize,
}

/// In place of a directory: the message is gone, and its row goes with the next [`State::settle`].
const DEAD: u8 = u8::MAX;

/// A message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) uid: Uid,
    pub(crate) modseq: ModSeq,
    pub(crate) facts: Facts,
    name_at: u32,
    name_len: u8,
    base_len: u8,
    place: u8,
}

impl State {
    /// Without messages; all that is recorded gets mod-sequences above `floor`.
    pub(crate) fn new(floor: ModSeq) -> Self {
        Self { highest: floor, vanished: Vanished::since(floor), ..Self::default() }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn row(&self, uid: Uid) -> Option<&Row> {
        self.alive(uid).map(|at| &self.rows[at])
    }

    fn alive(&self, uid: Uid) -> Option<usize> {
        self.position(uid).ok().filter(|&at| self.rows[at].place != DEAD)
    }

    /// Where the row of a message is, gone or not, or would be.
    fn position(&self, uid: Uid) -> Result<usize, usize> {
        // Most are asked for, or added, at the end.
        match self.rows.last() {
            Some(last) if last.uid < uid => Err(self.rows.len()),
            _ => self.rows.binary_search_by_key(&uid, |row| row.uid),
        }
    }

    pub(crate) fn name<'a>(&'a self, row: &Row) -> Name<'a> {
        let at = row.name_at as usize;
        let text = &self.names[at..at + usize::from(row.name_len)];
        Name { place: row.place, base_len: row.base_len, text }
    }

    /// The part of its name that never changes.
    pub(crate) fn base<'a>(&'a self, row: &Row) -> &'a str {
        let at = row.name_at as usize;
        &self.names[at..at + usize::from(row.base_len)]
    }

    pub(crate) fn highest(&self) -> ModSeq {
        self.highest
    }

    pub(crate) fn vanished(&self) -> &Vanished {
        &self.vanished
    }

    pub(crate) fn stamps(&self) -> Option<Stamps> {
        self.stamps
    }

    pub(crate) fn file_stamp(&self) -> Option<FileStamp> {
        self.file_stamp
    }

    pub(crate) fn dirty(&self) -> Option<u64> {
        self.dirty
    }

    /// What was found out of a message before it had a row.
    pub(crate) fn early(&self, uid: Uid) -> Facts {
        self.early.get(&uid).copied().unwrap_or_default()
    }

    /// The mod-sequence of the next change.
    pub(crate) fn next_modseq(&self) -> ModSeq {
        self.highest.next().unwrap_or(ModSeq::MAX)
    }

    /// Mod-sequences may have been lost: every message gets `floor`, and what was removed before is forgotten.
    pub(crate) fn raise(&mut self, floor: ModSeq) {
        let floor = floor.max(self.next_modseq());
        self.rows.iter_mut().for_each(|row| row.modseq = floor);
        (self.highest, self.vanished) = (floor, Vanished::since(floor));
        (self.stamps, self.file_stamp) = (None, None);
    }

    /// There will be so many messages.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.rows.reserve_exact(rows);
        self.names.reserve(rows.saturating_mul(NAME_BYTES));
    }

    /// The file that has the summaries is no more.
    pub(crate) fn forget_summaries(&mut self) {
        self.rows.iter_mut().for_each(|row| row.facts.set_summary(None));
        self.early.clear();
    }

    /// A summary was moved.
    pub(crate) fn place_summary(&mut self, uid: Uid, at: u64, len: usize) {
        if let Some(position) = self.alive(uid) {
            self.rows[position].facts.set_summary(Some((at, len)));
        }
    }

    pub(crate) fn mark_dirty(&mut self, boot: u64) {
        self.dirty = Some(boot);
    }

    /// Mod-sequences up to this one have been given, and removals up to `floor` are forgotten.
    pub(crate) fn resume(highest: ModSeq, floor: ModSeq, dirty: Option<u64>) -> Self {
        Self { highest, vanished: Vanished::since(floor), dirty, ..Self::default() }
    }

    /// Takes one record in. `at` is where in the file it ends. After the last one comes [`State::settle`].
    ///
    /// # Errors
    /// When it does not follow from what was recorded before: then the records are not all there.
    pub(crate) fn apply(&mut self, record: &Record<'_>, at: u64) -> Result<(), Nonsense> {
        match record {
            Record::Row { uid, modseq, name, facts } => {
                self.early.remove(uid);
                let (uid, modseq, facts) = (*uid, *modseq, *facts);
                let name_at = self.add_name(name)?;
                let name_len = name.text.len() as u8;
                let (base_len, place) = (name.base_len, name.place);
                let row = Row { uid, modseq, facts, name_at, name_len, base_len, place };
                match self.position(uid) {
                    Ok(position) if self.rows[position].place == DEAD => {
                        self.rows[position] = row;
                        self.dead -= 1;
                    }
                    Ok(_) => return Err(Nonsense),
                    Err(position) => self.rows.insert(position, row),
                }
                if !self.vanished.is_empty() {
                    self.vanished.take_back(uid);
                }
                self.changed(modseq);
            }
            Record::Renamed { uid, modseq, name } => {
                let position = self.alive(*uid).ok_or(Nonsense)?;
                self.names_unused += usize::from(self.rows[position].name_len);
                let name_at = self.add_name(name)?;
                let row = &mut self.rows[position];
                (row.modseq, row.name_at, row.name_len) = (*modseq, name_at, name.text.len() as u8);
                (row.base_len, row.place) = (name.base_len, name.place);
                self.changed(*modseq);
            }
            Record::Facts { uid, facts } => {
                let known = self.facts_mut(*uid);
                let summary = known.summary();
                *known = *facts;
                known.set_summary(summary);
            }
            Record::Summary { uid, octets } => {
                let from = at.checked_sub(octets.len() as u64).ok_or(Nonsense)?;
                self.facts_mut(*uid).set_summary(Some((from, octets.len())));
            }
            Record::Gone { modseq, uids } => {
                self.remove(uids);
                self.vanished.push(*modseq, uids.clone());
                self.changed(*modseq);
            }
            Record::Stamps(stamps) => self.stamps = Some(*stamps),
            Record::File(file_stamp) => self.file_stamp = Some(*file_stamp),
            Record::Mark { dirty, boot } => self.dirty = dirty.then_some(*boot),
        }
        Ok(())
    }

    fn changed(&mut self, modseq: ModSeq) {
        self.highest = self.highest.max(modseq);
        (self.stamps, self.file_stamp) = (None, None);
    }

    fn facts_mut(&mut self, uid: Uid) -> &mut Facts {
        match self.alive(uid) {
            Some(position) => &mut self.rows[position].facts,
            None => self.early.entry(uid).or_default(),
        }
    }

    fn remove(&mut self, uids: &RangeInclusive<Uid>) {
        let from = self.rows.partition_point(|row| row.uid < *uids.start());
        for row in self.rows[from..].iter_mut().take_while(|row| row.uid <= *uids.end()) {
            if row.place != DEAD {
                self.names_unused += usize::from(row.name_len);
                self.dead += 1;
                row.place = DEAD;
            }
        }
        self.early.retain(|uid, _| !uids.contains(uid));
    }

    /// Drops the rows of messages that are gone.
    pub(crate) fn settle(&mut self) {
        if self.dead > 0 {
            self.rows.retain(|row| row.place != DEAD);
            self.dead = 0;
        }
        if self.names_unused > NAMES_BYTES_MIN && self.names_unused * 2 > self.names.len() {
            self.tidy_names();
        }
    }

    fn add_name(&mut self, name: &Name<'_>) -> Result<u32, Nonsense> {
        let at = u32::try_from(self.names.len()).map_err(|_| Nonsense)?;
        self.names.push_str(name.text);
        Ok(at)
    }

    fn tidy_names(&mut self) {
        let mut names = String::with_capacity(self.names.len() - self.names_unused);
        for row in self.rows.iter_mut().filter(|row| row.place != DEAD) {
            let at = row.name_at as usize;
            // It becomes shorter, so what fitted fits.
            row.name_at = names.len() as u32;
            names.push_str(&self.names[at..at + usize::from(row.name_len)]);
        }
        (self.names, self.names_unused) = (names, 0);
    }
}

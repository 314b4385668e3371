//! The octets of an index on disk: a header, summaries, and batches of records.
//!
//! | from | octets | what |
//! | --- | --- | --- |
//! | 0 | 72 | [`Header`] with its checksum |
//! | 72 | up to `body_at` | summaries, each with its own checksum; looked at when they are asked for, not before |
//! | `body_at` | the rest | batches: length, checksum, time, records |
//!
//! A batch's checksum covers the file's generation and the batch's place, so that no batch is taken for one that stood
//! there before. Its time, in microseconds, is set as the file's modification time too: when the file ends with a batch
//! of another time, batches behind it are missing.

use std::io;
use std::time::Duration;

use mail_message::{ModSeq, Uid, UidValidity};

use super::record::{Record, Records};
use super::state::State;
use crate::fs::{self, File};

const MAGIC: [u8; 8] = *b"PRindex2";

/// Octets of a header.
pub(super) const HEADER_BYTES: usize = 72;

/// Octets of a batch before its records.
pub(super) const FRAME_BYTES: usize = 16;

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// What stands at the beginning of a file. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) uid_validity: UidValidity,
    /// How many rows follow at once; a hint.
    pub(super) rows: u32,
    /// Differs for every file that ever was the index of this mailbox.
    pub(super) generation: u64,
    pub(super) highest: ModSeq,
    pub(super) vanished_floor: ModSeq,
    /// The boot in which the file was made, not synced.
    pub(super) boot: u64,
    pub(super) body_at: u64,
    /// Octets of the batches that were written at once with this header.
    pub(super) body_bytes: u64,
}

impl Header {
    pub(super) fn octets(&self) -> [u8; HEADER_BYTES] {
        let mut octets = [0; HEADER_BYTES];
        octets[..8].copy_from_slice(&MAGIC);
        octets[8..12].copy_from_slice(&self.uid_validity.get().to_le_bytes());
        octets[12..16].copy_from_slice(&self.rows.to_le_bytes());
        let numbers = [
            self.generation,
            self.highest.get(),
            self.vanished_floor.get(),
            self.boot,
            self.body_at,
            self.body_bytes,
        ];
        for (slot, number) in octets[16..64].chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32c::crc32c(&octets[..64]);
        octets[64..68].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    pub(super) fn parse(octets: &[u8; HEADER_BYTES]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(octets[at..at + 4].try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(octets[at..at + 8].try_into().ok()?));
        let is_whole =
            octets[..8] == MAGIC && u32_at(64)? == crc32c::crc32c(&octets[..64]) && octets[68..] == [0; 4];
        if !is_whole {
            return None;
        }
        Some(Self {
            uid_validity: UidValidity::new(u32_at(8)?)?,
            rows: u32_at(12)?,
            generation: u64_at(16)?,
            highest: ModSeq::new(u64_at(24)?)?,
            vanished_floor: ModSeq::new(u64_at(32)?)?,
            boot: u64_at(40)?,
            body_at: u64_at(48)?,
            body_bytes: u64_at(56)?,
        })
    }
}

/// The octets of one batch.
pub(super) fn batch(generation: u64, at: u64, time: Duration, records: &Records) -> Vec<u8> {
    let len = u32::try_from(records.octets().len()).expect("invariant: a batch is far below 4 GiB");
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).to_le_bytes();
    let sum = batch_sum(generation, at, &len.to_le_bytes(), &micros, records.octets());
    [&len.to_le_bytes()[..], &sum.to_le_bytes(), &micros, records.octets()].concat()
}

fn batch_sum(generation: u64, at: u64, len: &[u8], micros: &[u8], records: &[u8]) -> u32 {
    sum(&[&generation.to_le_bytes(), &at.to_le_bytes(), len, micros, records])
}

/// A summary with its checksum in front, as [`Record::Summary`] has it.
pub(super) fn sealed(uid_validity: UidValidity, uid: Uid, summary: &[u8]) -> Vec<u8> {
    [&summary_sum(uid_validity, uid, summary).to_le_bytes()[..], summary].concat()
}

/// The summary that was sealed; `None` when it is not that message's.
pub(super) fn unsealed(uid_validity: UidValidity, uid: Uid, octets: &[u8]) -> Option<&[u8]> {
    let (sum, summary) = octets.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*sum) == summary_sum(uid_validity, uid, summary)).then_some(summary)
}

fn summary_sum(uid_validity: UidValidity, uid: Uid, summary: &[u8]) -> u32 {
    sum(&[&uid_validity.get().to_le_bytes(), &uid.get().to_le_bytes(), summary])
}

/// The checksum of octets that lie in pieces.
pub(super) fn sum(pieces: &[&[u8]]) -> u32 {
    pieces.iter().fold(0, |sum, piece| crc32c::crc32c_append(sum, piece))
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    /// Where the last whole batch ends.
    pub(super) end: u64,
    /// Its time.
    pub(super) last: Duration,
}

/// Reads the header; `None` when there is none that is whole.
pub(super) fn read_header(file: &dyn File) -> io::Result<Option<Header>> {
    let mut octets = [0; HEADER_BYTES];
    let n = fs::read_full(file, &mut octets, 0)?;
    Ok(if n == HEADER_BYTES { Header::parse(&octets) } else { None })
}

/// Takes all batches from `at` up to `size` into `state`, and tells how far that went: to `size`, unless octets are
/// wrong or missing.
pub(super) fn read_batches(
    file: &dyn File,
    generation: u64,
    at: u64,
    size: u64,
    state: &mut State,
) -> io::Result<Read> {
    let mut window = Window { file, octets: Vec::new(), start: 0, size };
    let mut read = Read { end: at, last: Duration::ZERO };
    while let Some(frame) = window.get(read.end, FRAME_BYTES)? {
        let (len, rest) = frame.split_at(4);
        let (sum, micros) = rest.split_at(4);
        let mut fixed = [[0; 8]; 2];
        fixed[0][..4].copy_from_slice(len);
        fixed[1].copy_from_slice(micros);
        let sum: [u8; 4] = sum.try_into().unwrap_or_default();
        let records_len = u64::from_le_bytes(fixed[0]) as usize;
        let records_at = read.end + FRAME_BYTES as u64;
        let Some(octets) = window.get(records_at, records_len)? else { break };
        let wanted = batch_sum(generation, read.end, &fixed[0][..4], &fixed[1], octets);
        if records_len == 0 || u32::from_le_bytes(sum) != wanted {
            break;
        }
        for record in Records::read(octets) {
            let Ok((record, end)) = record else { return Ok(read) };
            if state.apply(&record, records_at + end as u64).is_err() {
                return Ok(read);
            }
        }
        read.end = records_at + records_len as u64;
        read.last = Duration::from_micros(u64::from_le_bytes(fixed[1]));
    }
    Ok(read)
}

/// A file read forward in large pieces.
pub(super) struct Window<'a> {
    file: &'a dyn File,
    octets: Vec<u8>,
    start: u64,
    size: u64,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn File, size: u64) -> Self {
        Self { file, octets: Vec::new(), start: 0, size }
    }

    /// Octets of the file; `None` when it has not as many. Nothing is allocated that the file does not hold.
    pub(super) fn get(&mut self, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let Some(left) = self.size.checked_sub(at).filter(|left| *left >= len as u64) else {
            return Ok(None);
        };
        let is_there = at >= self.start && at - self.start + len as u64 <= self.octets.len() as u64;
        if !is_there {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(len.max(WINDOW_BYTES));
            self.octets.resize(wanted, 0);
            let n = fs::read_full(self.file, &mut self.octets, at)?;
            self.octets.truncate(n);
            self.start = at;
            if n < len {
                return Ok(None);
            }
        }
        let from = (at - self.start) as usize;
        Ok(Some(&self.octets[from..from + len]))
    }
}

/// Everything a state says, as batches of records to be written behind a header: rows, removals, stamps. `put` gets
/// them one by one.
pub(super) fn dump<E>(state: &State, mut put: impl FnMut(&Records) -> Result<(), E>) -> Result<(), E> {
    let mut records = Records::default();
    for row in state.rows() {
        let (uid, modseq, facts) = (row.uid, row.modseq, row.facts);
        records.push(&Record::Row { uid, modseq, name: state.name(row), facts });
        if records.octets().len() > DUMP_BYTES {
            put(&records)?;
            records.clear();
        }
    }
    for (modseq, uids) in state.vanished().iter() {
        records.push(&Record::Gone { modseq, uids });
    }
    if let Some(stamps) = state.stamps() {
        records.push(&Record::Stamps(stamps));
    }
    if let Some(file_stamp) = state.file_stamp() {
        records.push(&Record::File(file_stamp));
    }
    // Never none: a file ends with a batch.
    records.push(&Record::Mark { dirty: state.dirty().is_some(), boot: state.dirty().unwrap_or(0) });
    put(&records)
}

/// How large batches become that are written at once.
const DUMP_BYTES: usize = 128 << 10;

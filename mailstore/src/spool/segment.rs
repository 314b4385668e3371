//! One file of the log: its prelude, and how its name and its first octets are written.
//!
//! A segment is `log/` and its number in 16 hexadecimal digits. Numbers rise and are not given twice. The prelude
//! says which segment this is, under which tag and salt its records stand, and how much of the segment before it counts;
//! it stands twice, in two blocks of the disk, because without the tag no record can be told from noise.
//!
//! # Where a segment ends
//! The length of the file does not tell. A segment that was *closed* says it in a record without content at the very end
//! of the file ([`Prelude::closing`]): so much was durable. The next segment's prelude says the same. Of one that was not
//! closed, all that is a record of its own counts. Behind the end may stand anything: zeros where a file was new, records of
//! an earlier life where it was [spare](super::spare). These have another number, another tag and another salt, so no order
//! in which the disk wrote the blocks, or did not, makes a record of them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{HEADER_BYTES, Header, Kind, Spot, aligned};
use crate::env::Env;
use crate::fs::{self, File, OpenMode};

/// Where the second prelude stands.
const COPY_AT: u64 = 4096;

const PRELUDE_BYTES: usize = 40;

/// Where the first record stands.
pub(super) const RECORDS_AT: u64 = COPY_AT + 64;

/// Of a file that was made for this segment, and of one that was written over.
const MAGIC: [&[u8; 8]; 2] = [b"postlog3", b"postlog2"];

/// Of a file of the versions before salts. Not written any more: these would find no record, and cut it.
const MAGIC_UNSALTED: &[u8; 8] = b"postlog1";

/// The room that is kept for closing a segment.
pub(super) const CLOSING_BYTES: u64 = HEADER_BYTES as u64;

/// What a prelude says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prelude {
    pub(super) number: u64,
    pub(super) tag: u32,
    pub(super) salt: u32,
    /// Whether the file was another segment before, or a spare: octets behind the end are no sign of damage.
    pub(super) reused: bool,
    /// The segment that was written before this one, zero for none, and how many of its octets count: what stands
    /// behind them was never answered, or was answered with an error.
    pub(super) previous: u64,
    pub(super) previous_bytes: u32,
}

impl Prelude {
    fn write(&self) -> [u8; PRELUDE_BYTES] {
        let mut octets = [0; PRELUDE_BYTES];
        octets[..8].copy_from_slice(MAGIC[usize::from(self.reused)]);
        octets[8..16].copy_from_slice(&self.number.to_le_bytes());
        octets[16..20].copy_from_slice(&self.tag.to_le_bytes());
        octets[20..28].copy_from_slice(&self.previous.to_le_bytes());
        octets[28..32].copy_from_slice(&self.previous_bytes.to_le_bytes());
        octets[32..36].copy_from_slice(&self.salt.to_le_bytes());
        let sum = crc32c::crc32c(&octets[..36]);
        octets[36..].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    fn read(octets: &[u8; PRELUDE_BYTES]) -> Option<Self> {
        let u32_at =
            |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let reused = octets[..8] == *MAGIC[1];
        let is_ours = [MAGIC_UNSALTED, MAGIC[0], MAGIC[1]].iter().any(|magic| octets[..8] == **magic);
        (is_ours && u32_at(36) == crc32c::crc32c(&octets[..36])).then(|| Self {
            number: u64_at(8),
            tag: u32_at(16),
            // Zero in segments of earlier versions.
            salt: u32_at(32),
            reused,
            previous: u64_at(20),
            previous_bytes: u32_at(28),
        })
    }

    /// A place in this segment.
    pub(super) fn spot(&self, offset: u32) -> Spot {
        Spot { tag: self.tag, salt: self.salt, segment: self.number, offset }
    }

    /// What closes this segment, in a file of that length, when all that counts of it is durable.
    pub(super) fn closing(&self, file_bytes: u64, durable: u32) -> Option<(u64, [u8; HEADER_BYTES])> {
        let at = file_bytes.checked_sub(CLOSING_BYTES)?;
        let header = Header { kind: Kind::Void, payload_bytes: 0, payload_sum: 0, durable };
        Some((at, header.write(self.spot(u32::try_from(at).ok()?))))
    }

    /// The prelude of an open segment, from the first of its two places that can be read.
    pub(super) fn find(file: &dyn File, number: u64) -> io::Result<Option<Self>> {
        for at in [0, COPY_AT] {
            let mut octets = [0; PRELUDE_BYTES];
            if fs::read_full(file, &mut octets, at)? == PRELUDE_BYTES
                && let Some(prelude) = Self::read(&octets)
                && prelude.number == number
            {
                return Ok(Some(prelude));
            }
        }
        Ok(None)
    }
}

/// The path of a segment.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}"))
}

/// The number in a segment's name.
pub(super) fn read_name(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name, 16).ok()?;
    (number != 0 && format!("{number:016x}") == name).then_some(number)
}

/// The path of a spare.
pub(super) fn spare_path(dir: &Path, slot: usize) -> PathBuf {
    dir.join(format!("spare-{slot}"))
}

/// The number in a spare's name.
pub(super) fn read_spare_name(name: &str) -> Option<usize> {
    let slot = name.strip_prefix("spare-")?.parse().ok()?;
    (format!("spare-{slot}") == name).then_some(slot)
}

/// Where a segment's file comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// It is made, with room for so many octets.
    New(u64),
    /// It is this spare.
    Spare(&'a Path),
}

/// Creates a segment, durable on return but for its records. A spare gets the segment's name when the prelude is durable
/// in it: a file of that name always has it.
pub(super) fn create(
    env: &Env,
    dir: &Path,
    prelude: &Prelude,
    source: Source<'_>,
) -> io::Result<Arc<dyn File>> {
    let path = path(dir, prelude.number);
    let created = (|| {
        let file: Arc<dyn File> = match source {
            Source::New(_) => env.fs().open(&path, OpenMode::CreateWrite)?,
            Source::Spare(spare) => env.fs().open(spare, OpenMode::Write)?,
        }
        .into();
        if let Source::New(bytes) = source {
            file.allocate(aligned(bytes))?;
        }
        let octets = prelude.write();
        file.write_at(&[&octets], 0)?;
        file.write_at(&[&octets], COPY_AT)?;
        file.sync_data()?;
        if let Source::Spare(spare) = source {
            env.fs().rename(spare, &path)?;
        }
        env.fs().sync_dir(dir)?;
        Ok(file)
    })();
    if created.is_err() {
        // What stays is removed or emptied at the next start: no record of its own can be in it.
        let _ = env.fs().unlink(&path);
    }
    created
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the version before salts wrote it.
    #[test]
    fn a_segment_without_salt_is_read() {
        let mut prelude = [0; PRELUDE_BYTES];
        prelude[..32].copy_from_slice(b"postlog1\x05\0\0\0\0\0\0\0tag!\x04\0\0\0\0\0\0\0\x70\x11\0\0");
        let sum = crc32c::crc32c(&prelude[..36]);
        prelude[36..].copy_from_slice(&sum.to_le_bytes());
        let tag = u32::from_le_bytes(*b"tag!");
        assert!(!MAGIC.contains(&MAGIC_UNSALTED), "that version would cut what it cannot read");
        let read = Prelude::read(&prelude).unwrap();
        let expected =
            Prelude { number: 5, tag, salt: 0, reused: false, previous: 4, previous_bytes: 0x1170 };
        assert_eq!(read, expected);
        let mut header = *b"tag!sum.\x02\0\0\0sum!\x40\x10\0\0\x05\0\0\0";
        let place = [&b"tag!\x05\0\0\0\0\0\0\0\x40\x10\0\0"[..], &header[8..]].concat();
        header[4..8].copy_from_slice(&crc32c::crc32c(&place).to_le_bytes());
        let header = Header::read(&header, read.spot(4160)).unwrap();
        assert_eq!((header.kind, header.payload_bytes, header.durable), (Kind::Gone, 2, 4160));
    }
}

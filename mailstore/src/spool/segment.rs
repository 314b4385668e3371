//! One file of the log: its prelude, and how its name and its first octets are written.
//!
//! A segment is `log/` and its number in 16 hexadecimal digits. Numbers rise and are not given twice. The prelude
//! says which segment this is, under which tag its records stand, and how much of the segment before it counts; it
//! stands twice, in two blocks of the disk, because without the tag no record can be told from noise.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::aligned;
use crate::env::Env;
use crate::fs::{self, File, OpenMode};

/// Where the second prelude stands.
const COPY_AT: u64 = 4096;

const PRELUDE_BYTES: usize = 40;

/// Where the first record stands.
pub(super) const RECORDS_AT: u64 = COPY_AT + 64;

const MAGIC: &[u8; 8] = b"postlog1";

/// What a prelude says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prelude {
    pub(super) number: u64,
    pub(super) tag: u32,
    /// The segment that was written before this one, zero for none, and how many of its octets count: what stands
    /// behind them was never answered, or was answered with an error.
    pub(super) previous: u64,
    pub(super) previous_bytes: u32,
}

impl Prelude {
    fn write(&self) -> [u8; PRELUDE_BYTES] {
        let mut octets = [0; PRELUDE_BYTES];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..16].copy_from_slice(&self.number.to_le_bytes());
        octets[16..20].copy_from_slice(&self.tag.to_le_bytes());
        octets[20..28].copy_from_slice(&self.previous.to_le_bytes());
        octets[28..32].copy_from_slice(&self.previous_bytes.to_le_bytes());
        let sum = crc32c::crc32c(&octets[..36]);
        octets[36..].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    fn read(octets: &[u8; PRELUDE_BYTES]) -> Option<Self> {
        let u32_at =
            |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        (octets[..8] == *MAGIC && u32_at(36) == crc32c::crc32c(&octets[..36])).then(|| Self {
            number: u64_at(8),
            tag: u32_at(16),
            previous: u64_at(20),
            previous_bytes: u32_at(28),
        })
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

/// Creates a segment with room for `bytes`, durable on return but for its records.
pub(super) fn create(env: &Env, dir: &Path, prelude: &Prelude, bytes: u64) -> io::Result<Arc<dyn File>> {
    let path = path(dir, prelude.number);
    let created = (|| {
        let file: Arc<dyn File> = env.fs().open(&path, OpenMode::CreateWrite)?.into();
        file.allocate(aligned(bytes))?;
        let octets = prelude.write();
        file.write_at(&[&octets], 0)?;
        file.write_at(&[&octets], COPY_AT)?;
        file.sync_data()?;
        env.fs().sync_dir(dir)?;
        Ok(file)
    })();
    if created.is_err() {
        // What stays is removed at the next start: no record can be in it.
        let _ = env.fs().unlink(&path);
    }
    created
}

//! [`Staged`]: a message being written in `tmp/`, until it is placed in `new/` or `cur/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto_core::UnixTime;

use super::filename;
use super::message::{Counted, Counter};
use super::paths::MailboxPaths;
use super::wal::Target;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{BufferedFile, File, OpenMode};

/// A file in `tmp/`; removed on drop unless it was placed.
#[derive(Debug)]
pub(super) struct Staged {
    paths: MailboxPaths,
    tmp: PathBuf,
    file: Option<BufferedFile>,
    counter: Counter,
    placed: bool,
}

impl Staged {
    /// Creates the file.
    pub(super) fn create(paths: &MailboxPaths) -> Result<Self> {
        let tmp = paths.tmp().join(paths.env.unique_name());
        let file = paths.env.fs().open(&tmp, OpenMode::CreateNew);
        let file = BufferedFile::new(file.map_err(|error| StoreError::io("creating", &tmp, &error))?);
        Ok(Self { paths: paths.clone(), tmp, file: Some(file), counter: Counter::default(), placed: false })
    }

    /// How long the file is.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.counted().sizes.stored_bytes
    }

    /// Writes the next octets.
    pub(super) fn write(&mut self, octets: &[u8]) -> Result<()> {
        let failed = |error: std::io::Error| StoreError::io("writing", &self.tmp, &error);
        if let Some(file) = &mut self.file {
            file.append(octets).map_err(failed)?;
        }
        self.counter.add(octets);
        Ok(())
    }

    /// Writes what was gathered, sets its date, and hands the file out to be synced; once.
    pub(super) fn complete(&mut self, date: UnixTime) -> Result<Option<Box<dyn File>>> {
        let Some(file) = self.file.take() else { return Ok(None) };
        let since_epoch = Duration::from_secs(u64::try_from(date.0).unwrap_or(0));
        let file = file.into_file().map_err(|error| self.failed(&error))?;
        file.set_mtime(since_epoch).map_err(|error| self.failed(&error))?;
        Ok(Some(file))
    }

    /// Sets its date, makes content and date durable, and closes it.
    pub(super) fn finish(&mut self, date: UnixTime) -> Result<()> {
        match self.complete(date)? {
            Some(file) => self.paths.env.syncs().sync_file(file).1.map_err(|error| self.failed(&error)),
            None => Ok(()),
        }
    }

    /// The error of a write or sync.
    pub(super) fn failed(&self, error: &std::io::Error) -> StoreError {
        StoreError::io("writing", &self.tmp, error)
    }

    /// The base of its name, sizes included.
    pub(super) fn base(&self, unique: &str) -> String {
        filename::with_sizes(unique, self.counted().sizes)
    }

    /// What was counted while it was written.
    pub(super) fn counted(&self) -> Counted {
        self.counter.counted()
    }

    /// Renames the finished file to its place, which must be free. The directory is not synced.
    pub(super) fn place(&mut self, target: &Target) -> Result<()> {
        let path = target.path(&self.paths);
        let disk = self.paths.env.fs();
        disk.rename_new(&self.tmp, &path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(&path),
            _ => StoreError::io("placing a message at", &path, &error),
        })?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            remove(&self.paths, &self.tmp);
        }
    }
}

/// The error of a message whose place another has.
pub(super) fn taken(path: &Path) -> StoreError {
    let cause = "a message is there already";
    StoreError::new(ErrorKind::DuplicateDelivery, "placing a message at", cause).at(path)
}

/// Removes a file on the way out of an error; one that stays in `tmp/` goes with the next sweep.
pub(super) fn remove(paths: &MailboxPaths, path: &Path) {
    let _ = paths.env.fs().unlink(path);
}

/// How many LF in `octets` have no CR before them; `last` is the octet before `octets`.
pub(super) fn bare_line_feeds(last: u8, octets: &[u8]) -> u64 {
    let before = |at: usize| at.checked_sub(1).map_or(last, |before| octets[before]);
    memchr::memchr_iter(b'\n', octets).filter(|at| before(*at) != b'\r').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_line_feeds_are_counted_across_any_cut() {
        let text = b"a\r\nb\nc\n\n\r\r\n\n";
        for cut in 1..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(bare_line_feeds(0, head) + bare_line_feeds(head[cut - 1], tail), 4, "{cut}");
        }
        assert_eq!(bare_line_feeds(0, b"\n"), 1);
    }
}

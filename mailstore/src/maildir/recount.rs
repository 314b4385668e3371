//! Counting everything that counts for a quota: all directories of all mailboxes.
//!
//! Lengths are those in the file names (`,S=`), as in Maildir++; only a file without is looked at.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::filename;
use super::paths::MailboxPaths;
use super::quota::QuotaRoot;
use crate::error::{Result, StoreError};
use crate::fs::Fs;
use crate::name::MailboxName;
use crate::quota::QuotaUsage;

/// What was counted.
pub(super) struct Counted {
    pub(super) usage: QuotaUsage,
    /// Whether no directory changed meanwhile, as far as their times tell.
    pub(super) at_rest: bool,
}

/// Counts.
pub(super) fn count(root: &QuotaRoot) -> Result<Counted> {
    let disk = root.env.fs();
    let mut usage = QuotaUsage::default();
    let mut stamps: Vec<(PathBuf, Duration)> = Vec::new();
    for (name, dir) in root.tree.dirs(disk, &root.root)? {
        if !root.rules.counts(&name) {
            continue;
        }
        for sub in ["new", "cur"] {
            let dir = dir.join(sub);
            // A mailbox that is being deleted, or one that another program made by halves.
            let metadata = match disk.metadata(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata.map_err(|error| StoreError::io("reading", &dir, &error))?,
            };
            stamps.push((dir.clone(), metadata.mtime));
            usage = usage.plus(count_dir(root, &name, &dir)?);
        }
    }
    let same = |(dir, mtime): &(PathBuf, Duration)| {
        disk.metadata(dir).is_ok_and(|metadata| metadata.mtime == *mtime)
    };
    Ok(Counted { usage, at_rest: stamps.iter().all(same) })
}

fn count_dir(root: &QuotaRoot, name: &MailboxName, dir: &Path) -> Result<QuotaUsage> {
    let disk = root.env.fs();
    let mut usage = QuotaUsage::default();
    let entries = match disk.read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(usage),
        entries => entries.map_err(|error| StoreError::io("reading", dir, &error))?,
    };
    for entry in entries.iter().filter(|entry| entry.is_file) {
        let Some(file) = entry.name.to_str() else { continue };
        let Some(parts) = filename::parse(file) else { continue };
        if !root.counts(name, parts.letters) {
            continue;
        }
        match message(disk, &dir.join(file), parts.base) {
            // Renamed or removed meanwhile: the directory's time tells that it did not rest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            message => {
                let message =
                    message.map_err(|error| StoreError::io("looking at", &dir.join(file), &error))?;
                usage = usage.plus(message);
            }
        }
    }
    Ok(usage)
}

/// What the messages of one mailbox count for when it is called `name`.
pub(super) fn mailbox(paths: &MailboxPaths, name: &MailboxName) -> Result<QuotaUsage> {
    let mut usage = QuotaUsage::default();
    for sub in ["new", "cur"] {
        usage = usage.plus(count_dir(&paths.quota, name, &paths.dir.join(sub))?);
    }
    Ok(usage)
}

/// What one message counts for.
pub(super) fn message(disk: &dyn Fs, path: &Path, base: &str) -> io::Result<QuotaUsage> {
    match filename::stored_bytes(base) {
        Some(bytes) => Ok(QuotaUsage::message(bytes)),
        None => disk.metadata(path).map(|metadata| QuotaUsage::message(metadata.size)),
    }
}

//! Listing `new/` and `cur/`, and mending a message that stands there under two names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::filename;
use super::paths::{MailboxPaths, Sub};
use crate::error::{Result, StoreError};
use crate::fs::Metadata;

/// How often directories that change while they are listed are listed again.
const RESCANS_MAX: u32 = 5;

/// The message files of a mailbox by base.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    pub(super) files: BTreeMap<Arc<str>, Place>,
    /// Names that stand for a base already in `files`.
    pub(super) doubles: Vec<(Arc<str>, Place)>,
}

/// Where a message file is, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sub: Sub,
    pub(super) name: String,
}

impl Place {
    /// The flag letters in its name.
    pub(super) fn letters(&self) -> &str {
        filename::parse(&self.name).map_or("", |name| name.letters)
    }
}

/// Lists both directories, `new/` first: a message that is moved to `cur/` meanwhile is seen at least once.
///
/// A file that is renamed in `cur/` meanwhile may be missed. When `must_see` misses a message, and the
/// directories changed, they are listed again.
pub(super) fn scan(paths: &MailboxPaths, must_see: impl Fn(&Scan) -> bool) -> Result<Scan> {
    let mut rescans = 0;
    loop {
        let before = stamps(paths)?;
        let mut scan = Scan::default();
        for sub in [Sub::New, Sub::Cur] {
            list(paths, sub, &mut scan)?;
        }
        if must_see(&scan) || rescans == RESCANS_MAX || stamps(paths)? == before && rescans > 0 {
            return Ok(scan);
        }
        rescans += 1;
    }
}

/// `new/` and `cur/` as directories.
pub(super) fn stamps(paths: &MailboxPaths) -> Result<[Metadata; 2]> {
    let stamp = |sub| {
        let dir = paths.sub(sub);
        paths.env.fs().metadata(&dir).map_err(|error| StoreError::io("reading", &dir, &error))
    };
    Ok([stamp(Sub::New)?, stamp(Sub::Cur)?])
}

fn list(paths: &MailboxPaths, sub: Sub, scan: &mut Scan) -> Result<()> {
    let dir = paths.sub(sub);
    let entries = paths.env.fs().read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
    for entry in entries {
        // Maildir names are ASCII; what is not even UTF-8 is no message.
        let Some(name) = entry.name.to_str().filter(|_| !entry.is_dir) else { continue };
        let Some(parsed) = filename::parse(name) else { continue };
        let base: Arc<str> = parsed.base.into();
        let mut place = Place { sub, name: name.to_owned() };
        if let Some(known) = scan.files.get_mut(&base) {
            // `cur/` before `new/`; in one directory any rule will do.
            if (place.sub, &place.name) > (known.sub, &known.name) {
                std::mem::swap(known, &mut place);
            }
            scan.doubles.push((base, place));
        } else {
            scan.files.insert(base, place);
        }
    }
    Ok(())
}

/// Takes away the second name of a message that a crash left with two (see INTERNALS in `mod.rs`), or gives a
/// message of its own a name of its own.
///
/// A message that another program renamed while it was listed also looks like two, and one of the names is
/// stale: then nothing is done. It may be renamed at this very moment, too, so the second name is moved to
/// `tmp/` first, and removed only when the first is there.
pub(super) fn mend_double(paths: &MailboxPaths, first: &Place, second: &Place) -> Result<()> {
    let disk = paths.env.fs();
    let first = paths.sub(first.sub).join(&first.name);
    let path = paths.sub(second.sub).join(&second.name);
    let failed = |error: std::io::Error| StoreError::io("mending a double name at", &path, &error);
    if disk.metadata(&first).is_err() || disk.metadata(&path).is_err() {
        return Ok(());
    }
    let unique = paths.env.unique_name();
    let aside = paths.tmp().join(&unique);
    match disk.rename(&path, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(failed)?,
    }
    let moved = disk.metadata(&aside).map_err(failed)?;
    match disk.metadata(&first) {
        Ok(kept) if kept.inode == moved.inode => disk.unlink(&aside).map_err(failed),
        Ok(_) => {
            // Two messages under one base: the second gets a name, and with it a UID, of its own.
            let letters = second.letters();
            let own = paths.sub(Sub::Cur).join(filename::with_letters(&unique, letters));
            disk.rename(&aside, &own).map_err(failed)
        }
        Err(_) => disk.rename(&aside, &path).map_err(failed),
    }
}

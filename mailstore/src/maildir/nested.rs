//! Mailboxes as directories in directories ([`Layout::Fs`](super::Layout::Fs)): what is different when one has others
//! below it.
//!
//! A directory is a mailbox when it has `cur/`. So that is what is placed last and taken away first.
//!
//! # Order of operations
//! * **Create** `A/B`: the directories above it are made, durably; the whole mailbox is made in `..unfinished.X` and renamed
//!   to `A/B`. Where mailboxes lie below that name already, what an earlier mailbox has left there goes, the parts are
//!   renamed one by one and synced, and `cur/` last. A crash before the answer leaves the mailbox, or a name that is none.
//! * **Delete**: `cur/` is renamed to `..unfinished.X/cur`, the directory synced; answer. Then the rest goes, and directories
//!   above that are empty.
//! * **Rename**: the directories above the new name are made, durably; the directory is renamed, with all below it; both
//!   directories that it is named in are synced; answer. A crash before the answer leaves it under one of its names.

use std::io;
use std::path::Path;

use super::folders::{exists, remove_tree, unfinished};
use super::paths::{MailboxPaths, Sub};
use super::store::Inner;
use super::tree;
use crate::error::{Result, StoreError};
use crate::fs::{self, Fs};

/// Puts the mailbox that was made in `from` at its place.
pub(super) fn place(store: &Inner, from: &MailboxPaths, to: &MailboxPaths) -> Result<()> {
    let disk = store.env.fs();
    let failed = |error: io::Error| StoreError::io("creating the mailbox", &to.dir, &error);
    make_above(disk, &to.dir).map_err(failed)?;
    match disk.rename(&from.dir, &to.dir) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {}
        renamed => {
            renamed.map_err(failed)?;
            return sync_above(to);
        }
    }
    if to.check_exists().is_ok() {
        return Err(exists(to));
    }
    take_rest(store, &to.dir).map_err(failed)?;
    move_parts(disk, &from.dir, &to.dir, |name| name != "cur").map_err(failed)?;
    to.sync(&to.dir)?;
    disk.rename(&from.sub(Sub::Cur), &to.sub(Sub::Cur)).map_err(failed)?;
    to.sync(&to.dir)?;
    disk.rmdir(&from.dir).map_err(failed)
}

/// Makes a mailbox no mailbox any more.
pub(super) fn take_away(store: &Inner, paths: &MailboxPaths, aside: &Path) -> Result<()> {
    let disk = store.env.fs();
    let failed = |error: io::Error| StoreError::io("deleting", &paths.dir, &error);
    disk.mkdir(aside).map_err(failed)?;
    disk.rename(&paths.sub(Sub::Cur), &aside.join("cur")).map_err(failed)
}

/// Takes away what [`take_away`] has left, as far as that succeeds, and empty directories.
pub(super) fn clear(store: &Inner, dir: &Path) {
    let _ = take_rest(store, dir);
    prune(store, dir);
}

/// Makes way for a directory that is to be renamed to `to`.
pub(super) fn make_way(store: &Inner, to: &MailboxPaths) -> Result<()> {
    let disk = store.env.fs();
    let failed = |error: io::Error| StoreError::io("renaming to", &to.dir, &error);
    if disk.metadata(&to.dir).is_ok() {
        if to.check_exists().is_ok() {
            return Err(exists(to));
        }
        take_rest(store, &to.dir).map_err(failed)?;
        // It has others below it when this fails.
        disk.rmdir(&to.dir).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => exists(to),
            _ => failed(error),
        })?;
    }
    make_above(disk, &to.dir).map_err(failed)
}

/// Makes a rename durable.
pub(super) fn sync_rename(store: &Inner, from: &MailboxPaths, to: &MailboxPaths) -> Result<()> {
    sync_above(to)?;
    sync_above(from)?;
    prune(store, &from.dir);
    Ok(())
}

fn sync_above(paths: &MailboxPaths) -> Result<()> {
    paths.dir.parent().map_or(Ok(()), |above| paths.sync(above))
}

fn make_above(disk: &dyn Fs, dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(above) if disk.metadata(above).is_err() => fs::create_dir_durably(disk, above),
        _ => Ok(()),
    }
}

/// Removes what belongs to a mailbox in `dir` that is none any more, and leaves what lies below.
fn take_rest(store: &Inner, dir: &Path) -> io::Result<()> {
    let aside = unfinished(store);
    let disk = store.env.fs();
    disk.mkdir(&aside)?;
    move_parts(disk, dir, &aside, is_part)?;
    remove_tree(disk, &aside)
}

/// Whether a file or directory of this name belongs to the mailbox that it is in. What else lies there is of other
/// programs (`sieve/` with its scripts is such a level), and none of ours to remove.
fn is_part(name: &str) -> bool {
    tree::is_reserved(name) || ["dovecot", "courier", "postroom."].iter().any(|of| name.starts_with(of))
}

/// Renames the parts of one mailbox that `which` names.
fn move_parts(disk: &dyn Fs, from: &Path, to: &Path, which: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in disk.read_dir(from)? {
        let Some(name) = entry.name.to_str() else { continue };
        if which(name) && (!entry.is_dir || tree::is_reserved(name)) {
            disk.rename(&from.join(name), &to.join(name))?;
        }
    }
    Ok(())
}

/// Removes a directory, and those above it, while they are empty.
fn prune(store: &Inner, dir: &Path) {
    let mut dir = Some(dir);
    while let Some(empty) = dir.filter(|dir| *dir != store.root) {
        match store.env.fs().rmdir(empty) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return,
            _ => dir = empty.parent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::fs::OpenMode;
    use crate::fs::sim::{SimFs, SimHost};
    use crate::maildir::{Layout, MaildirOptions, MaildirStore};
    use crate::name::MailboxName;
    use crate::{ErrorKind, Store as _};
    use std::sync::Arc;

    #[test]
    fn what_other_programs_keep_in_a_level_stays() {
        let disk = SimFs::new();
        let put = |path: &str| disk.open(Path::new(path), OpenMode::CreateNew).map(drop).unwrap();
        let is_there = |path: &str| disk.metadata(Path::new(path)).is_ok();
        let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
        let options = MaildirOptions { layout: Layout::Fs, ..MaildirOptions::default() };
        let store = MaildirStore::open_with(env, Path::new("/m"), options).unwrap();
        let name = |text: &str| text.parse::<MailboxName>().unwrap();
        for dir in ["/m/sieve", "/m/sieve/tmp"] {
            disk.mkdir(Path::new(dir)).unwrap();
        }
        // A script of another program's, and what an earlier mailbox has left.
        ["/m/sieve/main", "/m/sieve/dovecot-uidlist"].into_iter().for_each(put);
        store.create(&name("a")).unwrap();
        let refused = store.rename(&name("a"), &name("sieve")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::MailboxExists);
        assert!(is_there("/m/sieve/main") && is_there("/m/a/cur"));
        store.create(&name("sieve")).unwrap();
        assert!(is_there("/m/sieve/main") && is_there("/m/sieve/cur"));
        store.delete(&name("sieve")).unwrap();
        assert!(is_there("/m/sieve/main") && !is_there("/m/sieve/cur") && !is_there("/m/sieve/new"));
        store.delete(&name("a")).unwrap();
        assert!(!is_there("/m/a"));
    }
}

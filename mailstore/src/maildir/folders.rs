//! Mailboxes as directories: list, create, delete, rename. What follows is told for Maildir++; `nested.rs` tells how the
//! other layout differs.
//!
//! # Order of operations
//! * **Create** `.A`: in `..unfinished.X` make `tmp/`, `new/`, `cur/`, the mark `maildirfolder` and the UID
//!   list, sync it; rename it to `.A`, sync the root; answer. A crash before the answer leaves nothing,
//!   `..unfinished.X`, or the whole mailbox.
//! * **Delete** `.A`: the spool is told of deliveries that go; rename `.A` to `..unfinished.X`, sync the
//!   root; answer; then empty `..unfinished.X` as far as that succeeds. A crash before the answer leaves `.A`
//!   or `..unfinished.X`, whole.
//! * **Rename** `.A` to `.B`: rename `.A` and each `.A.x`, the outermost first, sync the root; answer. A
//!   crash before the answer leaves each of them under one of its names (a directory cannot have two), whole,
//!   UIDs and all. Where one of them cannot be renamed, those before it get their old names again.
//! * **Rename INBOX** to `.B`: create `.B`; rename each message file into `.B/cur` or `.B/new`, sync both,
//!   sync INBOX's; a crash before the answer leaves each message in one of the two, or in both as one file
//!   with two UIDs. Where one of them cannot be moved, those before it go back, and `.B` goes.
//!
//! `..unfinished.X` is shown to nobody; the sweep removes it.
//!
//! No two mailboxes of a user ever have the same UIDVALIDITY, whatever names they go by: so a name that
//! stands for another mailbox today than yesterday cannot be mistaken for the same.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::paths::{MailboxPaths, Sub};
use super::quota::Shift;
use super::store::Inner;
use super::uids::{UidLock, Uids};
use super::{filename, nested, recount};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{DirEntry, Fs, OpenMode};
use crate::name::MailboxName;
use crate::store::{DeliveryId, MailboxInfo};

/// What the directories of mailboxes not yet made or already deleted begin with. Maildir++ has no mailbox of
/// such a name.
const UNFINISHED: &str = "..unfinished.";

pub(super) fn list(store: &Inner) -> Result<Vec<MailboxInfo>> {
    let dirs = store.quota.tree.dirs(store.env.fs(), &store.root)?;
    let names: BTreeSet<MailboxName> = dirs.into_iter().map(|(name, _)| name).collect();
    let mut missing = BTreeSet::new();
    for name in &names {
        let mut above = name.parent();
        while let Some(name) = above {
            above = name.parent();
            missing.insert(name);
        }
    }
    let missing = missing.difference(&names).map(|name| MailboxInfo::new(name.clone(), false));
    let mut list: Vec<_> =
        names.iter().map(|name| MailboxInfo::new(name.clone(), true)).chain(missing).collect();
    let uses = store.uses.load()?;
    for info in list.iter_mut().filter(|info| info.exists) {
        info.special_use = uses.get(&info.name).copied().unwrap_or_default();
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(list)
}

pub(super) fn create(store: &Inner, name: &MailboxName) -> Result<()> {
    let paths = store.paths(name)?;
    let (disk, is_fs) = (store.env.fs(), paths.tree.is_fs);
    if name.is_inbox() || paths.check_exists().is_ok() {
        return Err(exists(&paths));
    }
    store.uses.forget([name])?;
    let failed = |error: io::Error| StoreError::io("creating the mailbox", &paths.dir, &error);
    let unfinished = MailboxPaths { dir: unfinished(store), ..paths.clone() };
    let made = (|| {
        for dir in [&unfinished.dir, &unfinished.tmp(), &unfinished.sub(Sub::New), &unfinished.sub(Sub::Cur)]
        {
            disk.mkdir(dir).map_err(failed)?;
        }
        if !is_fs {
            disk.open(&unfinished.dir.join("maildirfolder"), OpenMode::CreateNew).map_err(failed)?;
        }
        Uids::load_or_create(&unfinished, &UidLock::take(&unfinished)?, None)?;
        if is_fs {
            return nested::place(store, &unfinished, &paths);
        }
        disk.rename(&unfinished.dir, &paths.dir).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => exists(&paths),
            _ => failed(error),
        })
    })();
    if made.is_err() {
        let _ = remove_tree(disk, &unfinished.dir);
    }
    made?;
    if is_fs { Ok(()) } else { paths.sync(&paths.root) }
}

pub(super) fn unfinished(store: &Inner) -> PathBuf {
    store.root.join(format!("{UNFINISHED}{}", store.env.unique_name()))
}

pub(super) fn delete(store: &Inner, name: &MailboxName) -> Result<()> {
    if name.is_inbox() {
        return Err(StoreError::new(ErrorKind::BadName, "deleting a mailbox", "INBOX cannot be deleted"));
    }
    let paths = store.paths(name)?;
    paths.check_exists()?;
    settle_all(store, &paths)?;
    let mut shift = Shift::new(&paths);
    let aside = unfinished(store);
    shift.remove(|| recount::mailbox(&paths, name), || take_away(store, &paths, &aside))?;
    paths.sync(if paths.tree.is_fs { &paths.dir } else { &store.root })?;
    clear(store, &paths, &aside);
    let _ = store.uses.forget([name]);
    Ok(())
}

/// Makes a mailbox no mailbox any more: what it was lies in `aside`.
fn take_away(store: &Inner, paths: &MailboxPaths, aside: &Path) -> Result<()> {
    if paths.tree.is_fs {
        return nested::take_away(store, paths, aside);
    }
    let renamed = store.env.fs().rename(&paths.dir, aside);
    renamed.map_err(|error| StoreError::io("deleting", &paths.dir, &error))
}

/// Removes what was taken away. Nobody sees it any more; what stays is taken by the sweep, and its use before another has
/// its name.
fn clear(store: &Inner, paths: &MailboxPaths, aside: &Path) {
    let _ = remove_tree(store.env.fs(), aside);
    if paths.tree.is_fs {
        nested::clear(store, &paths.dir);
    }
}

/// Removes a mailbox that was made for what has failed since, as far as that succeeds, unless something has come into it.
fn unmake(store: &Inner, paths: &MailboxPaths) {
    let (disk, aside) = (store.env.fs(), unfinished(store));
    if take_away(store, paths, &aside).is_err() {
        return;
    }
    let new = if paths.tree.is_fs { paths.sub(Sub::New) } else { aside.join("new") };
    let is_empty = |dir: &Path| disk.read_dir(dir).is_ok_and(|entries| entries.is_empty());
    if is_empty(&new) && is_empty(&aside.join("cur")) {
        clear(store, paths, &aside);
    } else if paths.tree.is_fs {
        let _ = disk.rename(&aside.join("cur"), &paths.sub(Sub::Cur));
    } else {
        let _ = disk.rename(&aside, &paths.dir);
    }
}

/// Removes what creations and deletions have left unfinished for longer than `age`.
pub(super) fn sweep_unfinished(store: &Inner, age: Duration) -> Result<()> {
    let disk = store.env.fs();
    let entries =
        disk.read_dir(&store.root).map_err(|error| StoreError::io("reading", &store.root, &error))?;
    for entry in entries {
        let path = store.root.join(&entry.name);
        let Ok(metadata) = disk.metadata(&path) else { continue };
        let is_old = store.env.host().now().saturating_sub(metadata.mtime) > age;
        if is_old && entry.name.to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            let _ = remove_tree(disk, &path);
        }
    }
    Ok(())
}

pub(super) fn remove_tree(disk: &dyn Fs, dir: &Path) -> io::Result<()> {
    for entry in disk.read_dir(dir)? {
        let path = dir.join(&entry.name);
        if entry.is_dir { remove_tree(disk, &path)? } else { disk.unlink(&path)? }
    }
    disk.rmdir(dir)
}

pub(super) fn rename(store: &Inner, from: &MailboxName, to: &MailboxName) -> Result<()> {
    let (source, target) = (store.paths(from)?, store.paths(to)?);
    let is_fs = source.tree.is_fs;
    source.check_exists()?;
    if to.below(from).is_some() && !from.is_inbox() {
        return Err(StoreError::new(
            ErrorKind::BadName,
            "renaming a mailbox",
            "the new name lies below the old",
        ));
    }
    if to.is_inbox() || target.check_exists().is_ok() {
        return Err(exists(&target));
    }
    if from.is_inbox() {
        create(store, to)?;
        // What a crash left of messages that came together must not go there by halves, nor what is just coming.
        let lock = UidLock::take(&source).inspect_err(|_| unmake(store, &target))?;
        let moved = moving(&source, &target, || move_messages(store, &source, &target));
        drop(lock);
        return moved.map(drop);
    }
    settle_all(store, &source)?;
    let mut moves = vec![(source, target)];
    for info in list(store)?.into_iter().filter(|info| info.exists) {
        if let Some(rest) = info.name.below(from) {
            let new = MailboxName::new(&format!("{to}/{rest}"))?;
            let moved = (store.paths(&info.name)?, store.paths(&new)?);
            if moved.1.check_exists().is_ok() {
                return Err(exists(&moved.1));
            }
            settle_all(store, &moved.0)?;
            moves.push(moved);
        }
    }
    let renames: Vec<_> =
        moves.iter().map(|(source, target)| (source.name.clone(), target.name.clone())).collect();
    store.uses.carry(&renames)?;
    if is_fs {
        nested::make_way(store, &moves[0].1)?;
    }
    let mut moved = Vec::new();
    for (at, (source, target)) in moves.iter().enumerate() {
        let renamed = if is_fs && at > 0 { come_along(source, target) } else { rename_dir(source, target) };
        match renamed {
            Ok(shift) => moved.push(shift),
            Err(error) => {
                drop(moved);
                take_back(store, &moves[..at], &renames);
                return Err(error);
            }
        }
    }
    match &moves[0] {
        (source, target) if is_fs => nested::sync_rename(store, source, target)?,
        (_, target) => target.sync(&store.root)?,
    }
    // A use that stays goes before another mailbox has that name.
    let _ = store.uses.forget(renames.iter().map(|(from, _)| from));
    Ok(())
}

fn rename_dir(source: &MailboxPaths, target: &MailboxPaths) -> Result<Option<Shift>> {
    moving(source, target, || {
        let renamed = source.env.fs().rename(&source.dir, &target.dir);
        renamed.map_err(|error| StoreError::io("renaming to", &target.dir, &error))
    })
}

/// The same for a mailbox that has gone along with the directory it lies in.
fn come_along(source: &MailboxPaths, target: &MailboxPaths) -> Result<Option<Shift>> {
    moving(&MailboxPaths { dir: target.dir.clone(), ..source.clone() }, target, || Ok(()))
}

/// Gives the mailboxes that were renamed before one that could not be their old names again, the innermost first, as far as
/// that succeeds.
fn take_back(
    store: &Inner,
    renamed: &[(MailboxPaths, MailboxPaths)],
    renames: &[(MailboxName, MailboxName)],
) {
    let stuck = match renamed {
        [(source, target), with @ ..] if source.tree.is_fs => {
            let is_stuck = rename_dir(target, source).is_err();
            for (source, target) in with.iter().filter(|_| !is_stuck) {
                // A quota that cannot be counted now is counted again some time.
                let _ = come_along(target, source);
            }
            usize::from(is_stuck)
        }
        _ => renamed.iter().rev().filter(|(source, target)| rename_dir(target, source).is_err()).count(),
    };
    // What stays under its new name keeps its use.
    if stuck == 0 {
        let _ = store.uses.forget(renames.iter().map(|(_, to)| to));
    }
    let dirs = renamed.iter().take(1).flat_map(|(source, target)| [&source.dir, &target.dir]);
    for above in dirs.filter_map(|dir| dir.parent()) {
        let _ = store.env.syncs().sync_dir(above);
    }
}

/// Makes one mailbox another; its messages may begin or cease to count. What is returned is dropped when that is durable.
fn moving(
    source: &MailboxPaths,
    target: &MailboxPaths,
    change: impl FnOnce() -> Result<()>,
) -> Result<Option<Shift>> {
    let rules = &source.quota.rules;
    let (counted, counts) = (rules.counts(&source.name), rules.counts(&target.name));
    let mut shift = Shift::new(if counted { source } else { target });
    let usage = |within: &MailboxPaths| recount::mailbox(source, &within.name);
    match (counted, counts) {
        (true, false) => shift.remove(|| usage(source), change)?,
        (false, true) => shift.add(|| usage(target), change)?,
        (true, true) | (false, false) => {
            change()?;
            return Ok(None);
        }
    }
    Ok(Some(shift))
}

/// Moves what INBOX holds into a mailbox that was just made, durably, or leaves it there.
fn move_messages(store: &Inner, source: &MailboxPaths, target: &MailboxPaths) -> Result<()> {
    let mut moved = Vec::new();
    let all = copy_keywords(source, target).and_then(|()| move_files(store, source, target, &mut moved));
    // The mailbox goes only when it is certain that it holds nothing.
    if all.is_err() && put_back(source, target, moved).is_ok() {
        unmake(store, target);
    }
    all
}

/// Letters stand for the same keywords on the other side.
fn copy_keywords(source: &MailboxPaths, target: &MailboxPaths) -> Result<()> {
    let disk = source.env.fs();
    match crate::fs::read(disk, &source.keywords()) {
        Ok(data) => {
            let scratch = target.tmp().join(target.env.unique_name());
            crate::fs::replace_durably(disk, &target.keywords(), &scratch, &data)
                .map_err(|error| StoreError::io("writing", &target.keywords(), &error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("reading", &source.keywords(), &error)),
    }
}

/// Moves all message files, durably; tells which.
fn move_files(
    store: &Inner,
    source: &MailboxPaths,
    target: &MailboxPaths,
    moved: &mut Vec<(Sub, OsString)>,
) -> Result<()> {
    let disk = source.env.fs();
    for sub in [Sub::New, Sub::Cur] {
        let (from, to) = (source.sub(sub), target.sub(sub));
        for entry in settled(store, source, sub)?.into_iter().filter(|entry| entry.is_file) {
            match disk.rename(&from.join(&entry.name), &to.join(&entry.name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("moving messages to", &to, &error)),
                Ok(()) => moved.push((sub, entry.name)),
            }
        }
    }
    for dir in [target.sub(Sub::New), target.sub(Sub::Cur), source.sub(Sub::New), source.sub(Sub::Cur)] {
        source.sync(&dir)?;
    }
    Ok(())
}

/// Moves them back, durably, as far as that succeeds.
fn put_back(source: &MailboxPaths, target: &MailboxPaths, moved: Vec<(Sub, OsString)>) -> io::Result<()> {
    let disk = source.env.fs();
    let mut all = Ok(());
    for (sub, name) in moved {
        all = all.and(disk.rename(&target.sub(sub).join(&name), &source.sub(sub).join(&name)));
    }
    all.and(disk.sync_dir(&source.sub(Sub::New))).and(disk.sync_dir(&source.sub(Sub::Cur)))
}

/// Tells the spool of every delivery whose file goes from where the spool would look for it.
fn settle_all(store: &Inner, paths: &MailboxPaths) -> Result<()> {
    [Sub::New, Sub::Cur].into_iter().try_for_each(|sub| settled(store, paths, sub).map(drop))
}

/// What is in a directory, and the spool knows of the deliveries among it.
fn settled(store: &Inner, paths: &MailboxPaths, sub: Sub) -> Result<Vec<DirEntry>> {
    let dir = paths.sub(sub);
    let entries = store.env.fs().read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
    let Some(settle) = &store.settle else { return Ok(entries) };
    let deliveries: Vec<DeliveryId> =
        entries.iter().filter_map(|entry| filename::delivery(entry.name.to_str()?)).collect();
    if !deliveries.is_empty() {
        // One that is just being made is there already, and not yet durably.
        paths.sync(&dir)?;
        deliveries.iter().try_for_each(|delivery| settle.settle(delivery))?;
    }
    Ok(entries)
}

pub(super) fn exists(paths: &MailboxPaths) -> StoreError {
    StoreError::new(ErrorKind::MailboxExists, "making a mailbox", "there is one of that name").at(&paths.dir)
}

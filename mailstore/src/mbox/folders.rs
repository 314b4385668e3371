//! Mailboxes as files in directories: list, create, delete, rename.
//!
//! # Order of operations
//! * **Create**: a new UIDVALIDITY goes into `NAME.base`, what an earlier mailbox of that name has left is removed, the
//!   file is made, its directory synced; answer. A crash before the answer leaves the mailbox or not.
//! * **Delete**: the spool is told of deliveries that go; the file is removed, its directory synced; answer. Then
//!   `NAME.base` goes.
//! * **Rename**: `NAME.base` is copied to the new name, the file renamed, both directories synced; answer. A crash before
//!   the answer leaves the mailbox under one of its names, with its UIDs, or under both, as one file.
//! * **Rename INBOX**: the new mailbox is created, all messages copied, then taken out of INBOX; a crash before the
//!   answer leaves them in one of the two or in both. When they cannot be copied, the new mailbox goes.
//!
//! No two mailboxes of a user get the same UIDVALIDITY, whatever names they go by.
//!
//! # Departures
//! A file cannot have mailboxes below it, unless `DIRNAME` says that a mailbox is a file in a directory. Files whose
//! names hold a dot are no mailboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use mail_message::{Uid, UidSet};

use super::control::{self, Control};
use super::lock::MboxLock;
use super::mailbox::MboxMailbox;
use super::place::Place;
use super::store::{Inner, bad_name};
use super::{journal, scan};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs;
use crate::name::MailboxName;
use crate::store::{Access, Expunge, Mailbox, MailboxInfo};

pub(super) fn list(store: &std::sync::Arc<Inner>) -> Result<Vec<MailboxInfo>> {
    let mut found = BTreeMap::from([(MailboxName::inbox(), true)]);
    walk(store, None, &mut found)?;
    let mut above = BTreeSet::new();
    for name in found.keys() {
        above.extend(std::iter::successors(name.parent(), MailboxName::parent));
    }
    for name in above {
        found.entry(name).or_insert(false);
    }
    let uses = store.uses.load()?;
    let info = |(name, exists): (MailboxName, bool)| {
        let mut info = MailboxInfo::new(name, exists);
        info.special_use = uses.get(&info.name).copied().filter(|_| exists).unwrap_or_default();
        info
    };
    Ok(found.into_iter().map(info).collect())
}

fn walk(store: &Inner, below: Option<&MailboxName>, found: &mut BTreeMap<MailboxName, bool>) -> Result<()> {
    let dir = below.map_or_else(|| store.location.root().to_path_buf(), |name| store.location.dir(name));
    let entries = match store.env.fs().read_dir(&dir) {
        // Removed since it was seen.
        Err(error) if error.kind() == io::ErrorKind::NotFound && below.is_some() => return Ok(()),
        entries => entries.map_err(|error| StoreError::io("reading", &dir, &error))?,
    };
    for entry in entries {
        let Some(component) = entry.name.to_str() else { continue };
        let text = below.map_or_else(|| component.to_owned(), |below| format!("{below}/{component}"));
        let Ok(name) = MailboxName::new(&text) else { continue };
        // What lies below INBOX does so in a directory of that spelling.
        if entry.is_dir && below.is_none() && component == MailboxName::inbox().as_str() {
            walk(store, Some(&name), found)?;
        }
        // `Inbox`, which would be INBOX again, is none.
        if name.is_inbox() || dir.join(&entry.name) == store.location.file(&MailboxName::inbox()) {
            continue;
        }
        match (entry.is_dir, store.location.dirname()) {
            (true, Some(dirname)) => {
                let exists = store.env.fs().metadata(&store.location.dir(&name).join(dirname)).is_ok();
                if exists {
                    found.insert(name.clone(), true);
                }
                walk(store, Some(&name), found)?;
            }
            (true, None) => {
                found.insert(name.clone(), false);
                walk(store, Some(&name), found)?;
            }
            (false, None) => {
                // A link to a mailbox is one, a pipe is none.
                let is_file = entry.is_file
                    || store.env.fs().metadata(&dir.join(&entry.name)).is_ok_and(|it| it.is_file);
                if is_file {
                    found.insert(name, true);
                }
            }
            (false, Some(_)) => {}
        }
    }
    Ok(())
}

/// Whether the mailbox can be made, and the directories above it.
fn make_room(store: &Inner, name: &MailboxName) -> Result<Place> {
    let place = store.place(name);
    let disk = store.env.fs();
    if name.is_inbox() {
        return Err(place.exists());
    }
    match disk.metadata(&place.path) {
        Ok(metadata) if metadata.is_dir => {
            return Err(bad_name("there are mailboxes below it, and a file cannot have any"));
        }
        Ok(_) => return Err(place.exists()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(bad_name("a mailbox above it is a file, and cannot have mailboxes below it"));
        }
        Err(_) => {}
    }
    let dir = place.dir();
    if disk.metadata(dir).is_err() {
        fs::create_dir_durably(disk, dir).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                bad_name("a mailbox above it is a file, and cannot have mailboxes below it")
            }
            _ => StoreError::io("creating", dir, &error),
        })?;
    }
    Ok(place)
}

pub(super) fn create(store: &Inner, name: &MailboxName) -> Result<()> {
    let place = make_room(store, name)?;
    store.uses.forget([name])?;
    forget(&place)?;
    Control { uid_validity: control::next_uid_validity(&place)?, ceiling: 0 }.save(&place)?;
    place.create()
}

/// Removes what a mailbox that is gone has left.
fn forget(place: &Place) -> Result<()> {
    for path in [place.journal(), place.base(), place.index()] {
        match place.env.fs().unlink(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("removing", &path, &error));
            }
            _ => {}
        }
    }
    sync(place, &place.control)
}

fn sync(place: &Place, dir: &Path) -> Result<()> {
    place.env.fs().sync_dir(dir).map_err(|error| StoreError::io("syncing", dir, &error))
}

pub(super) fn delete(store: &Inner, name: &MailboxName) -> Result<()> {
    if name.is_inbox() {
        return Err(StoreError::new(ErrorKind::BadName, "deleting a mailbox", "INBOX cannot be deleted"));
    }
    let place = store.place(name);
    place.stamp()?;
    let mut lock = MboxLock::take(&place)?;
    journal::recover(&place, &mut lock)?;
    settle_all(store, &place, &lock)?;
    let removed = store.env.fs().unlink(&place.path);
    removed.map_err(|error| StoreError::io("deleting", &place.path, &error))?;
    place.sync_dir()?;
    // What stays is removed when a mailbox of that name is made; so is an empty directory.
    let _ = forget(&place);
    let _ = store.uses.forget([name]);
    if store.location.dirname().is_some() {
        let _ = store.env.fs().rmdir(place.dir());
    }
    Ok(())
}

/// Tells the spool of every delivery that is not where the spool would look for it any more.
fn settle_all(store: &Inner, place: &Place, lock: &MboxLock) -> Result<()> {
    let Some(settle) = &store.settle else { return Ok(()) };
    let failed = |error: io::Error| place.failed("reading", &error);
    let size = lock.file().metadata().map_err(failed)?.size;
    let mut settled = Ok(());
    scan::scan(lock.file(), 0, size, place.options.format, &mut |_, marks| {
        settled = marks.delivery.map_or(Ok(()), |delivery| settle.settle(&delivery));
        if settled.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .map_err(failed)?;
    settled
}

pub(super) fn rename(store: &std::sync::Arc<Inner>, from: &MailboxName, to: &MailboxName) -> Result<()> {
    if from.is_inbox() {
        return rename_inbox(store, to);
    }
    let source = store.place(from);
    source.stamp()?;
    if to.below(from).is_some() {
        return Err(bad_name("the new name lies below the old"));
    }
    let mut moves = vec![(source, make_room_for_rename(store, to)?)];
    let mut renames = vec![(from.clone(), to.clone())];
    for info in list(store)?.into_iter().filter(|info| info.exists) {
        if let Some(rest) = info.name.below(from) {
            let new = MailboxName::new(&format!("{to}/{rest}"))?;
            moves.push((store.place(&info.name), store.place(&new)));
            renames.push((info.name, new));
        }
    }
    // In the order in which `moves.rs` takes two of them: else each may wait for the other.
    moves.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    let mut locks = Vec::new();
    for (source, target) in &moves {
        let mut lock = MboxLock::take(source)?;
        journal::recover(source, &mut lock)?;
        settle_all(store, source, &lock)?;
        locks.push(lock);
        forget(target)?;
        if let Some(control) = Control::load(source)? {
            control.save(target)?;
        }
    }
    store.uses.carry(&renames)?;
    let (source, target) = match store.location.dirname() {
        Some(_) => (store.location.dir(from), store.location.dir(to)),
        None => (store.location.file(from), store.location.file(to)),
    };
    store
        .env
        .fs()
        .rename(&source, &target)
        .map_err(|error| StoreError::io("renaming to", &target, &error))?;
    for dir in [target.parent(), source.parent()].into_iter().flatten() {
        sync(&moves[0].0, dir)?;
    }
    for (source, target) in &moves {
        // What is lost of it is found again, and may be lost as well if the power goes.
        let _ = store.env.fs().rename(&source.index(), &target.index());
    }
    drop(locks);
    for (source, _) in &moves {
        // What stays is removed when a mailbox of that name is made.
        let _ = forget(source);
    }
    let _ = store.uses.forget(renames.iter().map(|(from, _)| from));
    Ok(())
}

/// As for a new mailbox; but where mailboxes are directories, the whole directory comes.
fn make_room_for_rename(store: &Inner, to: &MailboxName) -> Result<Place> {
    if store.location.dirname().is_none() || to.is_inbox() {
        return make_room(store, to);
    }
    let (place, dir) = (store.place(to), store.location.dir(to));
    if store.env.fs().metadata(&dir).is_ok() {
        return Err(place.exists());
    }
    if let Some(parent) = dir.parent() {
        fs::make_dir(store.env.fs(), parent)?;
    }
    Ok(place)
}

/// Removes a mailbox that was made for what has failed since, as far as that succeeds, unless something has come into it.
fn unmake(place: &Place) {
    if let Ok(lock) = MboxLock::take(place)
        && lock.file().metadata().is_ok_and(|now| now.size == 0)
        && place.env.fs().unlink(&place.path).is_ok()
    {
        let _ = place.sync_dir();
        let _ = forget(place);
    }
}

fn rename_inbox(store: &std::sync::Arc<Inner>, to: &MailboxName) -> Result<()> {
    create(store, to)?;
    let inbox = store.place(&MailboxName::inbox());
    let mut mailbox = MboxMailbox::open(store.clone(), inbox, Access::ReadWrite)?;
    let uids: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    let uids: UidSet = uids.into_iter().collect();
    if !uids.is_empty() {
        mailbox.copy(&uids, to).inspect_err(|_| unmake(&store.place(to)))?;
        mailbox.expunge(&uids, Expunge::Any)?;
    }
    Ok(())
}

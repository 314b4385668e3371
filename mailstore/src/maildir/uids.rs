//! [`Uids`]: `dovecot-uidlist` on disk, and the only place where UIDs are given.
//!
//! # Order of operations
//! Under `dovecot-uidlist.lock`, with every file that is to get a UID durable already:
//!
//! * Append: write the new lines at the end, sync the file; only then is a UID told to anybody. If that fails
//!   the file is cut back to its former length.
//! * Rewrite (the list is missing, torn, of version 1, or a quarter of it is garbage): write a new file in
//!   `tmp/`, sync it, rename it over the old one, sync the directory.
//! * A list that is missing or worthless is replaced by one with a new UIDVALIDITY, greater than every one
//!   this user's mailboxes ever had: `dovecot-uidvalidity` in the root holds the last, and is durable before
//!   the list is.
//!
//! Readers take no lock: a rename replaces the list in one step, and the last line of an append that is under
//! way is not taken for a line before its line end is there. A reader syncs a list that it has not read
//! before, because the process that appended to it may have died between write and sync.
//!
//! # What a crash can leave
//!
//! | `dovecot-uidlist` | in `tmp/` | when | next reader |
//! | --- | --- | --- | --- |
//! | old | – or a part of the new one | before the rename is on disk | the old list; new files get UIDs again, the first ones were told to nobody |
//! | new | – or the new one too | after the rename | the new list; the file in `tmp/` goes with the next sweep |
//! | old and a part of a line, or zeros without a line end | – | in an append | passes the tail over; the next one to give UIDs rewrites the list |
//! | old and some of several whole lines | – | in an append | takes them: the files they name are durable |
//! | missing | any | the mailbox was just being created | a new UIDVALIDITY |
//!
//! `dovecot-uidlist.lock` may be left as well; see `lock.rs` for when it is stale.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail_message::{Uid, UidValidity};

use super::courier;
use super::notice::MaildirNotice;
use super::paths::MailboxPaths;
use super::uidlist::{Parsed, UidList};
use super::wal;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, Metadata, OpenMode};
use crate::index::Stamp;
use crate::lock::DotLock;

/// A list is rewritten without its garbage when that is a quarter of it, and at least this many records.
const GARBAGE_RECORDS_MIN: usize = 8;

/// How long a change of flags waits for Dovecot.
const RENAMES_WAIT_MAX: Duration = Duration::from_secs(5);

/// A list, and the file it was read from.
#[derive(Debug, Clone)]
pub(super) struct Uids {
    pub(super) list: UidList,
    stamp: Metadata,
    needs_rewrite: bool,
}

/// What an opened mailbox keeps of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct UidHead {
    pub(super) uid_validity: UidValidity,
    pub(super) next: Uid,
    /// How many messages were listed.
    pub(super) listed: u32,
    /// The file; none, when no list was read.
    pub(super) stamp: Option<Stamp>,
}

impl UidHead {
    /// Before any list was read.
    pub(super) const NONE: Self =
        Self { uid_validity: UidValidity::MIN, next: Uid::MIN, listed: 0, stamp: None };

    /// Whether so much of the list names files that are not there that it should be rewritten.
    pub(super) fn has_garbage(&self, alive: usize) -> bool {
        is_garbage((self.listed as usize).saturating_sub(alive), self.listed as usize)
    }
}

/// The lock under which UIDs are given.
#[derive(Debug)]
pub(super) struct UidLock {
    lock: DotLock,
}

impl UidLock {
    /// Takes the lock, and finishes what a crash has left of messages that were to come together (`wal.rs`).
    pub(super) fn take(paths: &MailboxPaths) -> Result<Self> {
        let lock = DotLock::take(&paths.env, &paths.uidlist(), &paths.tmp())?;
        wal::recover(paths)?;
        Ok(Self { lock })
    }

    /// Takes the lock for a moment in which files get other names: Dovecot holds it while it lists them, and what is renamed
    /// meanwhile it may miss, take for gone, and give another UID when it sees it again. `None` where the lock is not to be had
    /// soon, or nothing can be written: a change of flags does not fail of that.
    pub(super) fn for_renames(paths: &MailboxPaths) -> Option<Self> {
        let lock = DotLock::take_within(RENAMES_WAIT_MAX, &paths.env, &paths.uidlist(), &paths.tmp());
        Some(Self { lock: lock.ok()? })
    }

    /// Shows others that it is alive. To be called often while something takes long.
    pub(super) fn keep(&mut self) {
        self.lock.keep();
    }
}

impl Uids {
    /// Reads the list; `None` when there is none, or it is worthless.
    pub(super) fn load(paths: &MailboxPaths) -> Result<Option<Self>> {
        let path = paths.uidlist();
        let failed = |error: std::io::Error| StoreError::io("reading", &path, &error);
        let file = match paths.env.fs().open(&path, OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let stamp = file.metadata().map_err(failed)?;
        let data = fs::read_open(&*file).map_err(failed)?;
        file.sync().map_err(failed)?;
        let Some(Parsed { list, needs_rewrite, passed_over }) = UidList::parse(&data) else {
            return Ok(None);
        };
        if passed_over > 0 {
            paths.notices.tell(&MaildirNotice::UidsPassedOver { path, lines: passed_over });
        }
        // The list may have grown while it was read; then the stamp is old, and it is read again next time.
        Ok(Some(Self { list, stamp, needs_rewrite }))
    }

    /// Reads the list under the lock, and makes a new one when there is none. `floor` is the last list known
    /// of this mailbox: its next UID is kept.
    pub(super) fn load_or_create(
        paths: &MailboxPaths,
        lock: &UidLock,
        floor: Option<&UidHead>,
    ) -> Result<Self> {
        if let Some(mut uids) = Self::load(paths)? {
            if let Some(floor) = floor
                && floor.uid_validity == uids.list.uid_validity
                && floor.next > uids.list.next()
            {
                uids.list.raise_next(floor.next);
                uids.needs_rewrite = true;
            }
            return Ok(uids);
        }
        // A list that is there and worthless is newer than whatever was taken over before.
        let is_missing = match paths.env.fs().metadata(&paths.uidlist()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            found => {
                let path = paths.uidlist();
                found.map_err(|error| StoreError::io("reading", &path, &error))?;
                let aside = paths.damaged_uidlist();
                // As a second name, which stays when the first is another file's. What fails here is worth no mailbox.
                let _ = paths.env.fs().link(&path, &aside);
                paths.notices.tell(&MaildirNotice::UidsReplaced { path, aside });
                false
            }
        };
        let adopted = if is_missing && floor.is_none_or(|floor| floor.stamp.is_none()) {
            courier::adopt(paths)?
        } else {
            None
        };
        let list = match adopted {
            Some(list) => list,
            None => UidList::new(next_uid_validity(paths)?),
        };
        write(paths, lock, list)
    }

    /// Whether the list on disk is this one still.
    pub(super) fn is_current(&self, paths: &MailboxPaths) -> bool {
        let found = paths.env.fs().metadata(&paths.uidlist());
        !self.needs_rewrite && found.is_ok_and(|found| Stamp::of(&found) == Stamp::of(&self.stamp))
    }

    /// Takes files out of the list, so that they can get other UIDs.
    pub(super) fn forget<'a>(&mut self, bases: impl Iterator<Item = &'a str>) {
        let listed: BTreeSet<&str> = bases.filter(|base| self.list.uid(base).is_some()).collect();
        if !listed.is_empty() {
            self.list.retain(|base| !listed.contains(base));
            self.needs_rewrite = true;
        }
    }

    /// Gives UIDs to `bases`, in order, durably. `alive` tells which bases still have files; when much of the
    /// list has none, it is rewritten without them.
    ///
    /// # Errors
    /// `UidsExhausted`; else what the disk says, and no UID was given.
    pub(super) fn assign(
        &mut self,
        paths: &MailboxPaths,
        lock: &UidLock,
        bases: &[Arc<str>],
        alive: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<Vec<Uid>> {
        let exhausted = || {
            let error = StoreError::new(ErrorKind::UidsExhausted, "giving a UID", "none is left");
            error.at(&paths.uidlist())
        };
        let garbage = alive.map_or(0, |alive| self.list.bases().filter(|base| !alive(base)).count());
        if self.needs_rewrite || is_garbage(garbage, self.list.len()) {
            let mut list = self.list.clone();
            if let Some(alive) = alive {
                list.retain(alive);
            }
            list.assign(bases).ok_or_else(exhausted)?;
            *self = write(paths, lock, list)?;
        } else if !bases.is_empty() {
            let next = self.list.next();
            let lines = self.list.assign(bases).ok_or_else(exhausted)?;
            let appended = append(paths, lock, &lines);
            self.stamp = appended.inspect_err(|_| self.list.take_back(next))?;
        }
        Ok(bases.iter().filter_map(|base| self.list.uid(base)).collect())
    }

    /// What is kept of it.
    pub(super) fn head(&self) -> UidHead {
        UidHead {
            uid_validity: self.list.uid_validity,
            next: self.list.next(),
            listed: u32::try_from(self.list.len()).unwrap_or(u32::MAX),
            stamp: Some(Stamp::of(&self.stamp)),
        }
    }
}

fn is_garbage(garbage: usize, records: usize) -> bool {
    garbage >= GARBAGE_RECORDS_MIN && garbage * 4 >= records
}

fn append(paths: &MailboxPaths, lock: &UidLock, lines: &[u8]) -> Result<Metadata> {
    lock.lock.check()?;
    let path = paths.uidlist();
    let failed = |error: std::io::Error| StoreError::io("writing", &path, &error);
    let mut file = paths.env.fs().open(&path, OpenMode::Append).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.size;
    let written = file.append(lines);
    let synced;
    (file, synced) = match written {
        Ok(()) => paths.env.syncs().sync_file(file),
        Err(error) => (file, Err(error)),
    };
    if let Err(error) = synced {
        // Whether a later sync would make these lines durable is unknown, so they must not be read.
        let _ = file.set_len(length);
        return Err(failed(error));
    }
    file.metadata().map_err(failed)
}

fn write(paths: &MailboxPaths, lock: &UidLock, list: UidList) -> Result<Uids> {
    lock.lock.check()?;
    let path = paths.uidlist();
    let failed = |error: std::io::Error| StoreError::io("writing", &path, &error);
    let scratch = paths.tmp().join(paths.env.unique_name());
    fs::replace_durably(paths.env.fs(), &path, &scratch, &list.text()).map_err(failed)?;
    let stamp = paths.env.fs().metadata(&path).map_err(failed)?;
    Ok(Uids { list, stamp, needs_rewrite: false })
}

/// A UIDVALIDITY greater than all this user's mailboxes ever had: the time, or one more than the last.
fn next_uid_validity(paths: &MailboxPaths) -> Result<UidValidity> {
    let path = paths.root.join("dovecot-uidvalidity");
    let tmp = paths.root.join("tmp");
    let _lock = DotLock::take(&paths.env, &path, &tmp)?;
    let failed = |error: std::io::Error| StoreError::io("writing", &path, &error);
    let last = match fs::read(paths.env.fs(), &path) {
        Ok(data) => {
            std::str::from_utf8(&data).ok().and_then(|text| u32::from_str_radix(text.trim(), 16).ok())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("reading", &path, &error)),
    };
    let now = u32::try_from(paths.env.host().now().as_secs()).unwrap_or(u32::MAX);
    let next = last.map_or(now, |last| now.max(last.saturating_add(1)));
    let next = UidValidity::new(next).unwrap_or(UidValidity::MIN);
    let scratch: PathBuf = tmp.join(paths.env.unique_name());
    fs::replace_durably(paths.env.fs(), &path, &scratch, format!("{:08x}", next.get()).as_bytes())
        .map_err(failed)?;
    Ok(next)
}

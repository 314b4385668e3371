//! [`Together`]: messages that come into a mailbox together, all or none, also when the power fails (RFC 3502; RFC 3501
//! §6.4.7); and `postroom.wal`, the write-ahead log that this takes.
//!
//! # Order of operations
//! Under the UID lock, for two messages or more (one by itself is placed by one rename, and pays for none of this):
//!
//! 1. **Begin**: the names under which they will stand go into the log, with UIDVALIDITY and the next UID; the log is
//!    synced.
//! 2. They are placed, and the directories synced.
//! 3. They get their UIDs, durably. With the first of these lines in the list all of them are there for good.
//! 4. The log is emptied. That need not be durable: UIDs were given since it was written, so it says nothing any more.
//!
//! What fails before 3 is taken back: the names are removed, the directories synced, the log emptied. If that fails as
//! well, the log stays as it is.
//!
//! Whoever takes the UID lock looks at the log before anything else. Nobody is told of a message that has no UID, and
//! UIDs are given under this lock alone; so what is taken back was never seen.
//!
//! # What a crash can leave
//!
//! | `postroom.wal` | next UID in the list | when | who next takes the lock |
//! | --- | --- | --- | --- |
//! | none, empty, or in part | any | before the log is durable | empties it: nothing was placed |
//! | whole | as the log says | before the list is durable | removes what stands under those names, syncs, empties it |
//! | whole | higher, or of another UIDVALIDITY, or there is no list | after; or another program gave UIDs | empties it: what stands there stays |
//! | whole | as the log says, and nothing stands there | it was taken back before | empties it |
//!
//! The file must never be removed by hand while it holds anything behind its first line, which says so: some of several
//! messages would stay without the others.
//!
//! # Departures
//! A program that is none of ours and looks into the directories meanwhile sees some of several messages. One that gives
//! UIDs to them after a crash, before we have looked, or renames them, keeps what it has seen.

use std::io;
use std::path::PathBuf;

use mail_message::{Uid, UidValidity};

use super::filename;
use super::paths::{MailboxPaths, Sub};
use super::staged;
use super::uids::{UidLock, Uids};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, OpenMode};

/// What the file begins with.
const HEAD: &[u8] =
    b"postroom.wal 1: messages on their way into this mailbox; never remove it while anything follows here\n";

/// Where a message file is to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) sub: Sub,
    pub(super) name: String,
}

impl Target {
    /// In `new/`, or with flags in `cur/`.
    pub(super) fn new(base: &str, letters: &str) -> Self {
        if letters.is_empty() {
            Self { sub: Sub::New, name: base.to_owned() }
        } else {
            Self { sub: Sub::Cur, name: filename::with_letters(base, letters) }
        }
    }

    pub(super) fn path(&self, paths: &MailboxPaths) -> PathBuf {
        paths.sub(self.sub).join(&self.name)
    }
}

/// What the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uid_validity: UidValidity,
    next: Uid,
    targets: Vec<Target>,
}

impl Entry {
    fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.extend(self.uid_validity.get().to_le_bytes());
        payload.extend(self.next.get().to_le_bytes());
        for Target { sub, name } in &self.targets {
            let len =
                u8::try_from(name.len()).expect("invariant: names are cut to 255 octets by file systems");
            payload.extend([*sub as u8, len]);
            payload.extend_from_slice(name.as_bytes());
        }
        let len =
            u32::try_from(payload.len()).expect("invariant: names of a command's messages are below 4 GiB");
        [&len.to_le_bytes()[..], &crc32c::crc32c(&payload).to_le_bytes(), &payload].concat()
    }

    /// Reads a log; `None` when there is nothing in it that is whole.
    fn decode(log: &[u8]) -> Option<Self> {
        let (len, rest) = log.strip_prefix(HEAD)?.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        let payload = rest.get(..usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
        if crc32c::crc32c(payload) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (uid_validity, rest) = payload.split_first_chunk()?;
        let (next, mut rest) = rest.split_first_chunk()?;
        let mut targets = Vec::new();
        while let [sub, len, octets @ ..] = rest {
            let sub = if *sub == Sub::New as u8 { Sub::New } else { Sub::Cur };
            let (name, left) = octets.split_at_checked(usize::from(*len))?;
            targets.push(Target { sub, name: std::str::from_utf8(name).ok()?.to_owned() });
            rest = left;
        }
        let uid_validity = UidValidity::new(u32::from_le_bytes(*uid_validity))?;
        Some(Self { uid_validity, next: Uid::new(u32::from_le_bytes(*next))?, targets })
    }
}

/// Messages that come together: dropped before [`Together::done`], they are taken back.
#[derive(Debug)]
pub(super) struct Together<'a> {
    paths: &'a MailboxPaths,
    _lock: &'a UidLock,
    targets: Vec<Target>,
    /// So many of them may stand there, and are not another's.
    placed: usize,
    is_done: bool,
}

impl<'a> Together<'a> {
    /// To be called before the first of them is placed; `uids` is the list as it is on disk.
    pub(super) fn begin(
        paths: &'a MailboxPaths,
        lock: &'a UidLock,
        uids: &Uids,
        targets: Vec<Target>,
    ) -> Result<Self> {
        if targets.len() > 1 {
            let (uid_validity, next) = (uids.list.uid_validity, uids.list.next());
            let entry = Entry { uid_validity, next, targets };
            if let Err(error) = write(paths, &entry) {
                // Nothing is placed, so it may as well stay; whoever reads it finds nothing to remove.
                let _ = clear(paths);
                return Err(StoreError::io("writing", &paths.wal(), &error));
            }
            return Ok(Self { paths, _lock: lock, targets: entry.targets, placed: 0, is_done: false });
        }
        Ok(Self { paths, _lock: lock, targets, placed: 0, is_done: false })
    }

    /// Puts the next of them where it is to stand.
    pub(super) fn place(&mut self, put: impl FnOnce(&Target) -> Result<()>) -> Result<()> {
        let target = self.targets.get(self.placed).expect("invariant: as many are placed as were announced");
        let put = put(target);
        // After any other error it may stand there all the same.
        let is_taken = put.as_ref().is_err_and(|error| error.kind() == ErrorKind::DuplicateDelivery);
        self.placed += usize::from(!is_taken);
        put
    }

    /// Makes their names durable.
    pub(super) fn sync(&self) -> Result<()> {
        for sub in [Sub::New, Sub::Cur] {
            if self.targets.iter().any(|target| target.sub == sub) {
                self.paths.sync(&self.paths.sub(sub))?;
            }
        }
        Ok(())
    }

    /// They have UIDs.
    pub(super) fn done(mut self) {
        self.is_done = true;
        if self.targets.len() > 1 {
            // It says nothing any more; the next who takes the lock sees that.
            let _ = clear(self.paths);
        }
    }
}

impl Drop for Together<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let placed = &self.targets[..self.placed];
        if self.targets.len() == 1 {
            // One that stays gets a UID when it is next seen.
            placed.iter().for_each(|target| staged::remove(self.paths, &target.path(self.paths)));
        } else {
            // What fails here is done by the next who takes the lock.
            let _ = take_back(self.paths, placed);
        }
    }
}

/// Writes the log, durably.
fn write(paths: &MailboxPaths, entry: &Entry) -> io::Result<()> {
    let (disk, path) = (paths.env.fs(), paths.wal());
    let file = match disk.open(&path, OpenMode::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.open(&path, OpenMode::CreateWrite)?,
        file => file?,
    };
    if file.metadata()?.size == 0 {
        // Whoever made it may have died before its name was durable.
        paths.env.syncs().sync_dir(&paths.dir)?;
    }
    file.write_at(&[HEAD, &entry.encode()], 0)?;
    paths.env.syncs().sync_file(file).1
}

/// Empties the log, not durably.
fn clear(paths: &MailboxPaths) -> io::Result<()> {
    paths.env.fs().open(&paths.wal(), OpenMode::Write)?.set_len(HEAD.len() as u64)
}

fn take_back(paths: &MailboxPaths, targets: &[Target]) -> io::Result<()> {
    for target in targets {
        match paths.env.fs().unlink(&target.path(paths)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for sub in [Sub::New, Sub::Cur] {
        if targets.iter().any(|target| target.sub == sub) {
            paths.env.syncs().sync_dir(&paths.sub(sub))?;
        }
    }
    clear(paths)
}

/// Finishes what a crash has left. To be called under the UID lock, before anything else.
///
/// # Errors
/// When it cannot be finished; then nothing may be placed, and no UID given.
pub(super) fn recover(paths: &MailboxPaths) -> Result<()> {
    let path = paths.wal();
    let failed = |error: io::Error| StoreError::io("finishing", &path, &error);
    match paths.env.fs().metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found if found.as_ref().is_ok_and(|found| found.size <= HEAD.len() as u64) => return Ok(()),
        found => found.map_err(failed)?,
    };
    if let Some(entry) = Entry::decode(&fs::read(paths.env.fs(), &path).map_err(failed)?)
        && let Some(uids) = Uids::load(paths)?
        && uids.list.uid_validity == entry.uid_validity
        && uids.list.next() == entry.next
    {
        return take_back(paths, &entry.targets).map_err(failed);
    }
    clear(paths).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let target = |sub, name: &str| Target { sub, name: name.to_owned() };
        Entry {
            uid_validity: UidValidity::new(7).unwrap(),
            next: Uid::new(9).unwrap(),
            targets: vec![target(Sub::New, "1.a.b,S=3,W=4"), target(Sub::Cur, "2.ä.b:2,FS")],
        }
    }

    #[test]
    fn what_is_written_reads_the_same_and_a_part_of_it_reads_as_nothing() {
        let log = [HEAD, &entry().encode()].concat();
        assert_eq!(Entry::decode(&log), Some(entry()));
        assert_eq!(Entry::decode(&[&log[..], b"of an older one"].concat()), Some(entry()));
        for len in 0..log.len() {
            assert_eq!(Entry::decode(&log[..len]), None, "{len}");
        }
        for at in 0..log.len() {
            let mut spoilt = log.clone();
            spoilt[at] ^= 1;
            assert_eq!(Entry::decode(&spoilt), None, "{at}");
        }
    }
}

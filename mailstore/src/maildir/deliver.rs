//! Delivery from the spool into `new/`.
//!
//! # Order of operations
//! 0. Check the quota, and count the message in (`quota.rs`): that line is synced in step 2.
//! 1. Create a file in `tmp/` (O_EXCL), write header and body, set its date.
//! 2. Sync it, with all others that are [committed](crate::batch) at that time.
//! 3. Rename it to `new/SECONDS.DqueueidRrecipient.host,S=…,W=…`: the same name in every attempt at this
//!    delivery. Never over another file: a message of the same name is in the way ([`DuplicateDelivery`]).
//! 4. Sync `new/`, with all others again. Only then is the delivery reported, and the spool records it.
//!
//! # What a crash can leave
//!
//! | `tmp/` | `new/` or `cur/` | spool | when | next attempt |
//! | --- | --- | --- | --- | --- |
//! | – | – | pending | before 1 | delivers |
//! | any content | – | pending | in 1 or 2, before 3 is on disk | delivers; the file in `tmp/` goes with the next sweep |
//! | – or the same file | there, whole | pending | after 3 | finds the name, syncs both directories, reports `AlreadyThere` |
//! | – | there or gone | delivered | after the record | none is made |
//! | – | gone | pending | a reader of ours removed it | cannot be: it had the spool record the delivery first ([`Settle`](crate::Settle)) |
//! | – | gone | pending | another program removed it | delivers again: never lost, but doubled if it was read |
//!
//! Of a batch each delivery is in one of these states, whatever the others are in.
//!
//! The name is looked for only when an earlier attempt is possible; the first attempt reads no directory. Of the deliveries
//! that are tried again, one lists the mailbox, and the others know from it that they are not there (`arrived.rs`). A
//! listing during which `cur/` changed is not remembered: a file that is renamed there meanwhile may be missed.
//!
//! A file of that name that does not end in this message's body is another's, whose id has come twice: the delivery is
//! refused, as often as it is tried.
//!
//! [`DuplicateDelivery`]: crate::ErrorKind::DuplicateDelivery
//!
//! # Departures
//! Two messages under one id, of which the first delivery to each finds nothing of its whole name, are both stored.
//!
//! A delivery is recognised among those of one [`Env`](crate::Env), and of all processes before it; not among those of
//! another process that runs at the same time. There is none: one process opens a spool.

use std::io;
use std::path::{Path, PathBuf};

use super::paths::{MailboxPaths, Sub};
use super::quota::Reserved;
use super::scan::stamps;
use super::staged::{Staged, taken};
use super::wal::Target;
use super::{filename, warning};
use crate::arrived::MailboxKey;
use crate::batch::{self, StagedDelivery};
use crate::error::{Result, StoreError};
use crate::fs::{self, File, Metadata, OpenMode};
use crate::quota::{Adding, QuotaUsage};
use crate::store::{Delivered, Delivery, MessageReader};
use crate::sync::{Flushed, Ticket};

const CHUNK_BYTES: usize = 64 << 10;

/// Does step 1, or finds what an earlier attempt has left.
pub(super) fn stage(
    paths: &MailboxPaths,
    delivery: &Delivery<'_>,
    body: &mut dyn MessageReader,
) -> Result<batch::Staged> {
    paths.check_exists()?;
    let prefix = filename::delivery_prefix(delivery.date.0, &delivery.id);
    if delivery.maybe_delivered
        && let Some(path) = find(paths, &prefix)?
    {
        if !holds(paths, &path, body)? {
            return Err(taken(&path));
        }
        return Ok(batch::Staged::pending(Box::new(Found { paths: paths.clone() })));
    }
    let size = QuotaUsage::message(body.size_bytes().saturating_add(delivery.header.len() as u64));
    let reserved = paths.quota.reserve(&paths.name, size, Adding::Delivery)?;
    let mut staged = Staged::create(paths)?;
    staged.write(delivery.header)?;
    let mut chunk = vec![0; usize::try_from(body.size_bytes()).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)];
    let mut offset = 0;
    while offset < body.size_bytes() {
        let n = body.read_at(offset, &mut chunk)?;
        if n == 0 {
            let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(StoreError::io("reading the body for", &paths.dir, &error));
        }
        staged.write(&chunk[..n])?;
        offset += n as u64;
    }
    let file = staged.complete(delivery.date)?;
    Ok(batch::Staged::pending(Box::new(Written { paths: paths.clone(), staged, prefix, file, reserved })))
}

/// A delivery after step 1.
#[derive(Debug)]
struct Written {
    paths: MailboxPaths,
    staged: Staged,
    prefix: String,
    file: Option<Box<dyn File>>,
    reserved: Option<Reserved>,
}

impl StagedDelivery for Written {
    fn flush(&mut self) -> Ticket {
        let counted = self.reserved.as_mut().and_then(Reserved::take_file);
        self.paths.env.syncs().submit(self.file.take().into_iter().chain(counted).collect(), Vec::new())
    }

    fn publish(&mut self, written: Flushed) -> Result<Ticket> {
        written.all().map_err(|error| self.staged.failed(&error))?;
        let env = &self.paths.env;
        let unique = format!("{}{}", self.prefix, env.file_host());
        let target = Target::new(&self.staged.base(&unique), "");
        env.arrived()
            .placing([&self.prefix], || Reserved::place(&mut self.reserved, || self.staged.place(&target)))?;
        Ok(env.syncs().submit(Vec::new(), vec![self.paths.sub(Sub::New)]))
    }

    fn finish(self: Box<Self>, published: Flushed) -> Result<Delivered> {
        check(published, &self.paths)?;
        warning::warn(&self.paths);
        Ok(Delivered::Stored)
    }
}

/// A delivery of which an earlier attempt got as far as step 3; step 4 is made good.
#[derive(Debug)]
struct Found {
    paths: MailboxPaths,
}

impl StagedDelivery for Found {
    fn flush(&mut self) -> Ticket {
        self.paths.env.syncs().submit(Vec::new(), Vec::new())
    }

    fn publish(&mut self, _: Flushed) -> Result<Ticket> {
        // Both: a reader takes a message from `new/` to `cur/` not durably, and may do so now.
        let dirs = [Sub::New, Sub::Cur].map(|sub| self.paths.sub(sub));
        Ok(self.paths.env.syncs().submit(Vec::new(), dirs.into()))
    }

    fn finish(self: Box<Self>, published: Flushed) -> Result<Delivered> {
        check(published, &self.paths).map(|()| Delivered::AlreadyThere)
    }
}

fn check(flushed: Flushed, paths: &MailboxPaths) -> Result<()> {
    flushed.all().map_err(|error| StoreError::io("syncing the mailbox", &paths.dir, &error))
}

/// What an earlier attempt has put into the mailbox.
fn find(paths: &MailboxPaths, prefix: &str) -> Result<Option<PathBuf>> {
    let arrived = paths.env.arrived();
    let [new, cur] = stamps(paths)?;
    let mailbox = MailboxKey::of_dir(&new);
    if arrived.lacks(mailbox, prefix) {
        return Ok(None);
    }
    let (mut listing, mut found) = (arrived.listing(), None);
    // `new/` first: a message that is moved to `cur/` meanwhile is seen at least once.
    for sub in [Sub::New, Sub::Cur] {
        let dir = paths.sub(sub);
        let entries =
            paths.env.fs().read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
        for name in entries.iter().filter_map(|entry| entry.name.to_str()) {
            let Some(of) = filename::prefix(name) else { continue };
            listing.add(of);
            if of == prefix {
                found = Some(dir.join(name));
            }
        }
    }
    let is_same = |[then, cur_then]: [Metadata; 2]| {
        (then.device, then.inode) == (new.device, new.inode) && cur_then == cur
    };
    if stamps(paths).is_ok_and(is_same) {
        listing.finish(mailbox);
    }
    Ok(found)
}

/// Whether a message ends with `body`: what stood before it then may be another today.
fn holds(paths: &MailboxPaths, path: &Path, body: &mut dyn MessageReader) -> Result<bool> {
    let failed = |error: io::Error| StoreError::io("reading", path, &error);
    let file = match paths.env.fs().open(path, OpenMode::ReadItself) {
        // A reader has given it flags meanwhile, and with them another name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file.map_err(failed)?,
    };
    let size = body.size_bytes();
    let Some(start) = file.metadata().map_err(failed)?.size.checked_sub(size) else { return Ok(false) };
    let (mut ours, mut theirs) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut offset = 0;
    while offset < size {
        let n = body.read_at(offset, &mut ours)?;
        let read = fs::read_full(&*file, &mut theirs[..n], start + offset).map_err(failed)?;
        if n == 0 || ours[..n] != theirs[..read] {
            return Ok(false);
        }
        offset += n as u64;
    }
    Ok(true)
}

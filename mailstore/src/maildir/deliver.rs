//! Delivery from the spool into `new/`.
//!
//! # Order of operations
//! 0. Check the quota, and count the message in (`quota.rs`): that line is synced in step 2.
//! 1. Create a file in `tmp/` (O_EXCL), write header and body, set its date.
//! 2. Sync it, with all others that are [committed](crate::batch) at that time.
//! 3. Rename it to `new/SECONDS.DqueueidRrecipient.host,S=…,W=…`: the same name in every attempt at this
//!    delivery. Never over another file: of two messages under one id the second is refused.
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
//! # Departures
//! A delivery is recognised among those of one [`Env`](crate::Env), and of all processes before it; not among those of
//! another process that runs at the same time. There is none: one process opens a spool.

use super::paths::{MailboxPaths, Sub};
use super::quota::Reserved;
use super::scan::stamps;
use super::staged::Staged;
use super::wal::Target;
use super::{filename, warning};
use crate::arrived::MailboxKey;
use crate::batch::{self, StagedDelivery};
use crate::error::{Result, StoreError};
use crate::fs::{File, Metadata};
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
    if delivery.maybe_delivered && is_there(paths, &prefix)? {
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

/// Whether an earlier attempt has put the message into the mailbox.
fn is_there(paths: &MailboxPaths, prefix: &str) -> Result<bool> {
    let arrived = paths.env.arrived();
    let [new, cur] = stamps(paths)?;
    let mailbox = MailboxKey::of_dir(&new);
    if arrived.lacks(mailbox, prefix) {
        return Ok(false);
    }
    let (mut listing, mut found) = (arrived.listing(), false);
    // `new/` first: a message that is moved to `cur/` meanwhile is seen at least once.
    for sub in [Sub::New, Sub::Cur] {
        let dir = paths.sub(sub);
        let entries =
            paths.env.fs().read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
        for name in entries.iter().filter_map(|entry| filename::prefix(entry.name.to_str()?)) {
            found |= name == prefix;
            listing.add(name);
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

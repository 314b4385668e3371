//! Delivery from the spool into `new/`.
//!
//! # Order of operations
//! 1. Create a file in `tmp/` (O_EXCL), write header and body, set its date, sync it.
//! 2. Rename it to `new/SECONDS.DqueueidRrecipient.host,S=…,W=…`: the same name in every attempt at this
//!    delivery.
//! 3. Sync `new/`. Only then is the delivery reported, and the spool records it.
//!
//! # What a crash can leave
//!
//! | `tmp/` | `new/` or `cur/` | spool | when | next attempt |
//! | --- | --- | --- | --- | --- |
//! | – | – | pending | before 1 | delivers |
//! | any content | – | pending | in 1, before 2 is on disk | delivers; the file in `tmp/` goes with the next sweep |
//! | – or the same file | there | pending | after 2 | finds the name, syncs its directory, reports `AlreadyThere` |
//! | – | there or gone | delivered | after the record | none is made |
//! | – | gone | pending | a reader of ours removed it | cannot be: it had the spool record the delivery first ([`Settle`](crate::Settle)) |
//! | – | gone | pending | another program removed it | delivers again: never lost, but doubled if it was read |
//!
//! The name is looked for only when an earlier attempt is possible; the first attempt reads no directory.

use super::filename;
use super::paths::{MailboxPaths, Sub};
use super::staged::Staged;
use crate::error::{Result, StoreError};
use crate::store::{Delivered, Delivery, MessageReader};

const CHUNK_BYTES: usize = 64 << 10;

pub(super) fn deliver(
    paths: &MailboxPaths,
    delivery: &Delivery<'_>,
    body: &mut dyn MessageReader,
) -> Result<Delivered> {
    paths.check_exists()?;
    let prefix = filename::delivery_prefix(delivery.date.0, &delivery.id);
    if delivery.maybe_delivered && is_there(paths, &prefix)? {
        return Ok(Delivered::AlreadyThere);
    }
    let mut staged = Staged::create(paths)?;
    staged.write(delivery.header)?;
    let mut chunk = vec![0; CHUNK_BYTES];
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
    staged.finish(delivery.date)?;
    staged.place(&format!("{prefix}{}", paths.env.file_host()), Sub::New, "")?;
    paths.sync(&paths.sub(Sub::New))?;
    Ok(Delivered::Stored)
}

/// Whether an earlier attempt got as far as step 2; if so, step 3 is made good.
fn is_there(paths: &MailboxPaths, prefix: &str) -> Result<bool> {
    for sub in [Sub::New, Sub::Cur] {
        let dir = paths.sub(sub);
        let entries =
            paths.env.fs().read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
        if entries.iter().any(|entry| entry.name.to_str().is_some_and(|name| name.starts_with(prefix))) {
            paths.sync(&dir)?;
            return Ok(true);
        }
    }
    Ok(false)
}

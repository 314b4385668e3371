//! Telling that a user's mailboxes are nearly full.
//!
//! After a delivery that leaves them at the threshold or above, who opened the store is told, and a message is put where
//! the delivery went, if there is one; at most once in 24 hours: the file `quotawarn` keeps the time, and goes when a
//! delivery leaves them below. A failure is no failure of the delivery. Of several deliveries at once by this process one
//! warns.

use std::time::Duration;

use super::paths::{MailboxPaths, Sub};
use super::quota::Reserved;
use super::staged::Staged;
use super::wal::Target;
use crate::error::{Result, StoreError};
use crate::fs;
use crate::quota::{Adding, QuotaUsage, QuotaWarning};

/// How often the message comes at most.
const ONCE_IN: Duration = Duration::from_secs(24 * 3600);

/// Looks how full the mailboxes are after a delivery, and puts the message there when it is time.
pub(super) fn warn(paths: &MailboxPaths) {
    if let Some(warning) = &paths.quota.rules.warning {
        // The next delivery tries again.
        let _ = try_warn(paths, warning);
    }
}

fn try_warn(paths: &MailboxPaths, warning: &QuotaWarning) -> Result<()> {
    let disk = paths.env.fs();
    let mark = paths.root.join("quotawarn");
    let Some(quota) = paths.quota.quota()? else { return Ok(()) };
    let Some(percent) = quota.percent() else { return Ok(()) };
    if percent < warning.percent {
        if disk.metadata(&mark).is_ok() {
            let _ = disk.unlink(&mark);
        }
        return Ok(());
    }
    let now = paths.env.host().now();
    let is_time = || !disk.metadata(&mark).is_ok_and(|marked| now.saturating_sub(marked.mtime) < ONCE_IN);
    if !is_time() {
        return Ok(());
    }
    let held = paths.env.hold(&mark);
    // Another delivery may have marked it since.
    if !is_time() {
        return Ok(());
    }
    let scratch = paths.root.join("tmp").join(paths.env.unique_name());
    fs::replace_durably(disk, &mark, &scratch, b"")
        .map_err(|error| StoreError::io("writing", &mark, &error))?;
    drop(held);
    if let Some(tell) = &paths.quota.on_warning {
        tell(&quota);
    }
    let Some(message) = &warning.message else { return Ok(()) };
    let mut staged = Staged::create(paths)?;
    staged.write(message)?;
    staged.finish(paths.env.utc())?;
    // It comes in whatever the quota says.
    let size = QuotaUsage::message(message.len() as u64);
    let mut reserved = paths.quota.reserve(&paths.name, size, Adding::Delivery).ok().flatten();
    let target = Target::new(&staged.base(&paths.env.unique_name()), "");
    Reserved::place(&mut reserved, || staged.place(&target))?;
    paths.sync(&paths.sub(Sub::New))
}

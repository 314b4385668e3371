//! The file `.subscriptions` in the root: a name on each line, as Dovecot keeps it for mbox.
//!
//! Lines that are no names of ours are kept.

use super::store::Inner;
use crate::error::{Result, StoreError};
use crate::fs;
use crate::lines::{self, Line};
use crate::lock::DotLock;
use crate::name::MailboxName;

fn load(store: &Inner) -> Result<Vec<Line>> {
    let path = store.location.root().join(".subscriptions");
    Ok(lines::read(store.env.fs(), &path)?.unwrap_or_default())
}

fn name(line: &Line) -> Option<MailboxName> {
    MailboxName::new(lines::text(line)?).ok()
}

/// The names, sorted.
pub(super) fn names(store: &Inner) -> Result<Vec<MailboxName>> {
    let mut names: Vec<MailboxName> = load(store)?.iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

pub(super) fn change(store: &Inner, wanted: &MailboxName, subscribed: bool) -> Result<()> {
    let path = store.location.root().join(".subscriptions");
    let _lock = DotLock::take(&store.env, &path, &store.control())?;
    let mut lines = load(store)?;
    if lines.iter().any(|line| name(line).as_ref() == Some(wanted)) == subscribed {
        return Ok(());
    }
    lines.retain(|line| name(line).as_ref() != Some(wanted));
    if subscribed {
        lines.push(wanted.to_string().into_bytes());
    }
    let scratch = store.control().join(format!("tmp.{}", store.env.unique_name()));
    fs::replace_durably(store.env.fs(), &path, &scratch, &lines::join(&lines))
        .map_err(|error| StoreError::io("writing", &path, &error))
}

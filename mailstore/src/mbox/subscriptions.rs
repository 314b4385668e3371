//! The file `.subscriptions` in the root: a name on each line, as Dovecot keeps it for mbox.
//!
//! Lines that are no names of ours are kept.

use super::store::Inner;
use crate::error::{Result, StoreError};
use crate::fs;
use crate::lock::DotLock;
use crate::name::MailboxName;

fn load(store: &Inner) -> Result<Vec<String>> {
    let path = store.location.root().join(".subscriptions");
    match fs::read(store.env.fs(), &path) {
        Ok(data) => Ok(String::from_utf8_lossy(&data).lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::io("reading", &path, &error)),
    }
}

fn name(line: &str) -> Option<MailboxName> {
    MailboxName::new(line).ok()
}

/// The names, sorted.
pub(super) fn names(store: &Inner) -> Result<Vec<MailboxName>> {
    let mut names: Vec<MailboxName> = load(store)?.iter().filter_map(|line| name(line)).collect();
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
        lines.push(wanted.to_string());
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let scratch = store.control().join(format!("tmp.{}", store.env.unique_name()));
    fs::replace_durably(store.env.fs(), &path, &scratch, text.as_bytes())
        .map_err(|error| StoreError::io("writing", &path, &error))
}

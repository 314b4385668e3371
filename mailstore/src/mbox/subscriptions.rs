//! The file `.subscriptions` in the root, as Dovecot keeps it for mbox: `/` between the components of names, or tabs in
//! version 2.

use super::store::Inner;
use crate::error::{Result, StoreError};
use crate::fs;
use crate::lines;
use crate::lock::DotLock;
use crate::name::MailboxName;
use crate::subscriptions::{Spelling, Subscriptions};

/// Names as they are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsTold;

impl Spelling for AsTold {
    fn separator(self) -> char {
        '/'
    }

    fn name<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<MailboxName> {
        MailboxName::new(&parts.collect::<Vec<_>>().join("/")).ok()
    }

    fn parts(self, name: &MailboxName, separator: char) -> Result<String> {
        Ok(name.as_str().replace('/', &separator.to_string()))
    }
}

fn load(store: &Inner) -> Result<Subscriptions<AsTold>> {
    let path = store.location.root().join(".subscriptions");
    let lines = lines::read(store.env.fs(), &path)?.unwrap_or_default();
    Ok(Subscriptions::parse(lines, AsTold))
}

/// The names, sorted.
pub(super) fn names(store: &Inner) -> Result<Vec<MailboxName>> {
    load(store).map(|subscriptions| subscriptions.names())
}

pub(super) fn change(store: &Inner, wanted: &MailboxName, subscribed: bool) -> Result<()> {
    let path = store.location.root().join(".subscriptions");
    let _lock = DotLock::take(&store.env, &path, &store.control())?;
    let mut subscriptions = load(store)?;
    if !subscriptions.set(wanted, subscribed)? {
        return Ok(());
    }
    let scratch = store.control().join(format!("tmp.{}", store.env.unique_name()));
    fs::replace_durably(store.env.fs(), &path, &scratch, &subscriptions.octets())
        .map_err(|error| StoreError::io("writing", &path, &error))
}

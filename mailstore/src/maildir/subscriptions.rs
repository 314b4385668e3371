//! The file `subscriptions`: `.` between the components of names, as in the directories (`/` with `LAYOUT=fs`), or tabs in
//! version 2. Names are encoded as those of directories.

use crate::error::{Result, StoreError};
use crate::fs;
use crate::lines;
use crate::lock::DotLock;
use crate::maildir::courier;
use crate::maildir::store::Inner;
use crate::maildir::tree::Tree;
use crate::name::MailboxName;
use crate::subscriptions::{Spelling, Subscriptions};

impl Spelling for Tree {
    fn separator(self) -> char {
        self.separator()
    }

    fn name<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<MailboxName> {
        self.name(parts)
    }

    fn parts(self, name: &MailboxName, separator: char) -> Result<String> {
        self.parts(name, separator)
    }
}

pub(super) fn load(store: &Inner) -> Result<Subscriptions<Tree>> {
    let (disk, tree) = (store.env.fs(), store.quota.tree);
    let lines = match lines::read(disk, &store.root.join("subscriptions"))? {
        Some(lines) => lines,
        // Those of Courier's programs, where there are none of Dovecot's.
        None => match lines::read(disk, &store.root.join("courierimapsubscribed"))? {
            Some(lines) => courier::subscriptions(&lines),
            None => Vec::new(),
        },
    };
    Ok(Subscriptions::parse(lines, tree))
}

pub(super) fn change(store: &Inner, name: &MailboxName, subscribed: bool) -> Result<()> {
    let path = store.root.join("subscriptions");
    let tmp = store.root.join("tmp");
    let _lock = DotLock::take(&store.env, &path, &tmp)?;
    let mut subscriptions = load(store)?;
    if !subscriptions.set(name, subscribed)? {
        return Ok(());
    }
    let scratch = tmp.join(store.env.unique_name());
    fs::replace_durably(store.env.fs(), &path, &scratch, &subscriptions.octets())
        .map_err(|error| StoreError::io("writing", &path, &error))
}

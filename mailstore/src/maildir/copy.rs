//! COPY within one user's Maildirs.
//!
//! A message file never changes, so a copy is a second name for it (a hard link): it has the same octets and
//! the same date, and costs no room. The order is that of an append: under the target's UID lock link all,
//! sync the directories, append the UIDs; on an error all links are taken back, and when the power fails (`wal.rs`).
//! What the source's index knows of a message is written to the target's.

use std::sync::Arc;

use mail_message::{FlagSet, UidSet};

use super::filename;
use super::keywords::Keywords;
use super::mailbox::MaildirMailbox;
use super::paths::MailboxPaths;
use super::quota::Reserved;
use super::staged;
use super::uids::{UidLock, Uids};
use super::wal::{Target, Together};
use crate::error::Result;
use crate::index::Index;
use crate::name::MailboxName;
use crate::quota::{Adding, QuotaUsage};
use crate::store::Copied;

pub(super) fn copy(source: &mut MaildirMailbox, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
    let target = source.store.paths(target)?;
    target.check_exists()?;
    let wanted = source.select(uids);
    // A copy has the flags that it was counted with, whatever others change meanwhile.
    let (mut all, mut size, mut found) = (FlagSet::new(), QuotaUsage::default(), Vec::new());
    for uid in &wanted {
        let looked = source.with_file(*uid, "reading", |mailbox, place, path| {
            // Look, so that flags set by others meanwhile are found.
            let metadata = mailbox.paths.env.fs().metadata(&path)?;
            if target.counts(place.letters()) {
                let bytes = filename::stored_bytes(place.base()).unwrap_or(metadata.size);
                size = size.plus(QuotaUsage::message(bytes));
            }
            Ok((mailbox.keywords.flags(place.letters()), new_base(&target, place.base())))
        })?;
        let (flags, base) = looked.ok_or_else(|| source.gone())?;
        all.insert_all(&flags);
        found.push((flags, base));
    }
    // Letters mean other keywords in another mailbox.
    let mut keywords = Keywords::load(&target)?;
    keywords.ensure(&target, &all)?;

    let mut reserved = target.quota.reserve(&target.name, size, Adding::User)?;
    if let Some(reserved) = &mut reserved {
        reserved.sync()?;
    }
    let named = found
        .into_iter()
        .map(|(flags, base)| (Target::new(&base, &keywords.letters(&flags, "")), Arc::from(base)));
    let (targets, bases): (Vec<Target>, Vec<Arc<str>>) = named.unzip();
    let lock = UidLock::take(&target)?;
    let mut list = Uids::load_or_create(&target, &lock, None)?;
    let mut together = Together::begin(&target, &lock, &list, targets)?;
    let given = Reserved::place(&mut reserved, || {
        wanted.iter().try_for_each(|uid| {
            together.place(|to| {
                let (to, mut is_taken) = (to.path(&target), false);
                let linked = source.with_file(*uid, "copying", |mailbox, _, path| {
                    let linked = mailbox.paths.env.fs().link(&path, &to);
                    linked.inspect_err(|error| is_taken = error.kind() == std::io::ErrorKind::AlreadyExists)
                });
                match linked {
                    Err(_) if is_taken => Err(staged::taken(&to)),
                    linked => linked?.ok_or_else(|| source.gone()),
                }
            })
        })
    })
    .and_then(|()| together.sync())
    .and_then(|()| list.assign(&target, &lock, &bases, None));
    match given {
        Ok(given) => {
            together.done();
            drop(lock);
            let pairs = wanted.into_iter().zip(given).collect();
            let copied = Copied { uid_validity: list.list.uid_validity, pairs };
            foretell(source, &target, &copied);
            Ok(copied)
        }
        Err(error) => {
            Reserved::take_back(&mut reserved, || drop(together));
            Err(error)
        }
    }
}

/// The base of a new name for a message: with the sizes in the old one, if that was made here.
pub(super) fn new_base(target: &MailboxPaths, old: &str) -> String {
    let unique = target.env.unique_name();
    // What another program has written may be wrong, and must not become our word.
    let sizes = filename::sizes(old).filter(|_| filename::is_own(old));
    sizes.map_or_else(|| unique.clone(), |sizes| filename::with_sizes(&unique, sizes))
}

/// Writes to the target's index what the source's knows, so that no message is read there for what is known here.
pub(super) fn foretell(source: &mut MaildirMailbox, target: &MailboxPaths, copied: &Copied) {
    let mut index = Index::new(&target.env, target.index(), target.tmp());
    let known = copied.pairs.iter().filter_map(|&(from, to)| Some((to, source.index.known(from)?)));
    index.foretell(copied.uid_validity, known);
}

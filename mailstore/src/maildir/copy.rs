//! COPY within one user's Maildirs.
//!
//! A message file never changes, so a copy is a second name for it (a hard link): it has the same octets and
//! the same date, and costs no room. The order is that of an append: under the target's UID lock link all,
//! sync the directories, append the UIDs; on an error all links are taken back.

use std::path::PathBuf;
use std::sync::Arc;

use mail_message::{FlagSet, UidSet};

use super::filename;
use super::keywords::Keywords;
use super::mailbox::MaildirMailbox;
use super::paths::{MailboxPaths, Sub};
use super::quota::Reserved;
use super::staged;
use super::uids::{UidLock, Uids};
use crate::error::Result;
use crate::name::MailboxName;
use crate::quota::{Adding, QuotaUsage};
use crate::store::Copied;

pub(super) fn copy(source: &mut MaildirMailbox, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
    let target = source.store.paths(target)?;
    target.check_exists()?;
    let wanted = source.select(uids);
    // Letters mean other keywords in another mailbox.
    let mut keywords = Keywords::load(&target)?;
    let (mut all, mut size) = (FlagSet::new(), QuotaUsage::default());
    // A copy has the flags that it was counted with, whatever others change meanwhile.
    let mut flags_of = Vec::new();
    for uid in &wanted {
        let flags = source.with_file(*uid, "reading", |mailbox, place, path| {
            // Look, so that flags set by others meanwhile are found.
            let metadata = mailbox.paths.env.fs().metadata(&path)?;
            if target.counts(place.letters()) {
                let bytes = filename::stored_bytes(place.base()).unwrap_or(metadata.size);
                size = size.plus(QuotaUsage::message(bytes));
            }
            Ok(mailbox.keywords.flags(place.letters()))
        })?;
        let flags = flags.unwrap_or_default();
        all.insert_all(&flags);
        flags_of.push(flags);
    }
    keywords.ensure(&target, &all)?;

    let mut reserved = target.quota.reserve(&target.name, size, Adding::User)?;
    if let Some(reserved) = &mut reserved {
        reserved.sync()?;
    }
    let lock = UidLock::take(&target)?;
    let mut list = Uids::load_or_create(&target, &lock, None)?;
    let mut linked = Vec::new();
    let result = Reserved::place(&mut reserved, || {
        let mut bases: Vec<Arc<str>> = Vec::new();
        for (uid, flags) in wanted.iter().zip(&flags_of) {
            let link = source.with_file(*uid, "copying", |mailbox, place, path| {
                let (base, sub, to) = target_name(&target, &keywords, &place.name, flags);
                mailbox.paths.env.fs().link(&path, &to)?;
                Ok((base, sub, to))
            })?;
            let (base, sub, to) = link.ok_or_else(|| source.gone())?;
            linked.push((sub, to));
            bases.push(base.into());
        }
        Ok(bases)
    })
    .and_then(|bases| {
        for sub in [Sub::New, Sub::Cur] {
            if linked.iter().any(|(used, _)| *used == sub) {
                target.sync(&target.sub(sub))?;
            }
        }
        list.assign(&target, &lock, &bases, None)
    });
    if result.is_err() {
        let remove = || linked.iter().for_each(|(_, path)| staged::remove(&target, path));
        Reserved::take_back(&mut reserved, remove);
    }
    let pairs = wanted.into_iter().zip(result?).collect();
    Ok(Copied { uid_validity: list.list.uid_validity, pairs })
}

/// A new name for a copy: sizes as in the old name, whether true or not.
fn target_name(
    target: &MailboxPaths,
    keywords: &Keywords,
    name: &str,
    flags: &FlagSet,
) -> (String, Sub, PathBuf) {
    let unique = target.env.unique_name();
    let sizes = filename::parse(name).and_then(|name| filename::sizes(name.base));
    let base = sizes.map_or_else(|| unique.clone(), |sizes| filename::with_sizes(&unique, sizes));
    if flags.is_empty() {
        let path = target.sub(Sub::New).join(&base);
        (base, Sub::New, path)
    } else {
        let path = target.sub(Sub::Cur).join(filename::with_letters(&base, &keywords.letters(flags, "")));
        (base, Sub::Cur, path)
    }
}

//! `postroom maildir make`: a Maildir, a mailbox in it, or its quota, without a server.

use crate::config::{FolderName, MaildirLayout};
use crate::{place, wiring};
use postroom::mailstore::{MailboxName, MaildirOptions, QuotaLimits, QuotaRules, SpecialUses, Store};
use std::error::Error;
use std::path::Path;

/// Makes what is missing. A mailbox that is there already is an error, as it is for Courier's `maildirmake`.
///
/// # Errors
/// What cannot be made, with path and user.
pub fn run(
    directory: &Path,
    folder: Option<&FolderName>,
    special_use: Option<SpecialUses>,
    quota: Option<QuotaLimits>,
    layout: Option<MaildirLayout>,
) -> Result<(), Box<dyn Error>> {
    if quota.is_some_and(|limits| limits.bytes.is_none() && limits.messages.is_none()) {
        return Err(
            "--quota: it limits neither octets (S) nor messages (C); 1000000000S,10000C is expected".into()
        );
    }
    let quota_rules = quota.map_or_else(QuotaRules::default, QuotaRules::new);
    let options =
        MaildirOptions { quota: quota_rules, layout: wiring::layout(layout), ..MaildirOptions::default() };
    let store = place::maildir(&std::path::absolute(directory)?, options)?;
    if let Some(FolderName(_, name)) = folder {
        store.create(name)?;
    }
    if let Some(uses) = special_use {
        store.set_special_use(folder.map_or(&MailboxName::inbox(), |folder| &folder.1), uses)?;
    }
    if quota.is_some() {
        // Written down by being asked for.
        store.quota()?;
    }
    Ok(())
}

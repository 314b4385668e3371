//! mbox files for each account, found by a location in Dovecot's words.

use super::kept::Kept;
use super::maildirs::path;
use crate::wall::AccountId;
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore, MboxUser};
use mailstore::{Env, Settle, StoreError};
use std::path::PathBuf;
use std::sync::Arc;

/// Opens the mbox files of accounts, and keeps what is in use.
pub struct Mboxes {
    env: Env,
    base: PathBuf,
    home: String,
    location: String,
    options: MboxOptions,
    settle: Option<Arc<dyn Settle>>,
    kept: Kept<()>,
}

impl Mboxes {
    /// Mailboxes at `location`, as `mbox:~/mail:INBOX=/var/mail/%n` (see [`MboxLocation`]). A home directory is at `base`,
    /// an absolute path, joined with `home`, in which `{domain}` and `{user}` stand for the account's parts. `settle` is
    /// the spool that delivers into them. What the store has to tell besides is logged.
    pub fn new(
        env: Env,
        base: impl Into<PathBuf>,
        home: impl Into<String>,
        location: impl Into<String>,
        mut options: MboxOptions,
        settle: Option<Arc<dyn Settle>>,
    ) -> Self {
        options.notice.get_or_insert_with(|| Arc::new(|notice| tracing::warn!("{notice}")));
        let (base, home, location) = (base.into(), home.into(), location.into());
        Self { env, base, home, location, options, settle, kept: Kept::default() }
    }

    /// The mailboxes of an account; directories and INBOX are made if they are not there. It blocks.
    ///
    /// # Errors
    /// When something cannot be made or read; `BadName` when the account's name cannot be a part of a path, or the
    /// location is none.
    pub fn open(&self, account: &AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        self.kept.open(account, (), || {
            let home = path(&self.base, &self.home, account)?;
            let user = MboxUser { user: account.user(), domain: account.domain(), home: &home };
            let location = MboxLocation::parse(&self.location, &user)?;
            let (options, settle) = (self.options.clone(), self.settle.clone());
            Ok(Arc::new(MboxStore::open(self.env.clone(), location, options, settle)?))
        })
    }
}

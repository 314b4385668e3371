//! mbox files for each account, found by a location in Dovecot's words.

use super::Homes;
use super::kept::Kept;
use crate::blocking::Blocking;
use crate::wall::AccountId;
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{DefaultMailbox, Env, PathTemplate, PathUser, Settle, StoreError};
use std::path::PathBuf;
use std::sync::Arc;

/// Opens the mbox files of accounts, and keeps what is in use.
pub struct Mboxes {
    env: Env,
    base: PathBuf,
    home: PathTemplate,
    location: String,
    options: MboxOptions,
    settle: Option<Arc<dyn Settle>>,
    mailboxes: Arc<[DefaultMailbox]>,
    homes: Option<Arc<Homes>>,
    kept: Kept<Option<PathBuf>>,
}

impl Mboxes {
    /// Mailboxes at `location`, as `mbox:~/mail:INBOX=/var/mail/%n` (see [`MboxLocation`]). A home directory is at `home`,
    /// which counts from `base`, an absolute path, unless it is absolute itself. `settle` is the spool that delivers into
    /// them. What the store has to tell besides is logged.
    pub fn new(
        env: Env,
        base: impl Into<PathBuf>,
        home: PathTemplate,
        location: impl Into<String>,
        mut options: MboxOptions,
        settle: Option<Arc<dyn Settle>>,
    ) -> Self {
        options.notice.get_or_insert_with(|| Arc::new(|notice| tracing::warn!("{notice}")));
        let (base, location) = (base.into(), location.into());
        let (mailboxes, kept) = (Arc::default(), Kept::new(env.clone(), Blocking::inline()));
        Self { env, base, home, location, options, settle, mailboxes, homes: None, kept }
    }

    /// Sweeps on these threads. Default: whoever opens a store waits for that.
    #[must_use]
    pub fn with_blocking(self, blocking: Blocking) -> Self {
        Self { kept: Kept::new(self.env.clone(), blocking), ..self }
    }

    /// The mailboxes that every account has.
    #[must_use]
    pub fn with_mailboxes(self, mailboxes: Arc<[DefaultMailbox]>) -> Self {
        Self { mailboxes, ..self }
    }

    /// Home directories of accounts that have one of their own; a change holds from the next operation on.
    #[must_use]
    pub fn with_homes(self, homes: Option<Arc<Homes>>) -> Self {
        Self { homes, ..self }
    }

    /// The mailboxes of an account; directories and INBOX are made if they are not there. It blocks.
    ///
    /// # Errors
    /// When something cannot be made or read; `BadName` when the account's name cannot be a part of a path, or the
    /// location is none.
    pub fn open(&self, account: &AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        let own = self.homes.as_ref().and_then(|homes| homes(account));
        self.kept.open(account, own.clone(), &self.mailboxes, || {
            let mut user = PathUser { user: account.user(), domain: account.domain(), home: &self.base };
            let home = own.map_or_else(|| self.home.expand(&user), Ok)?;
            user.home = &home;
            let location = MboxLocation::parse(&self.location, &user)?;
            let (options, settle) = (self.options.clone(), self.settle.clone());
            Ok(Arc::new(MboxStore::open(self.env.clone(), location, options, settle)?))
        })
    }
}

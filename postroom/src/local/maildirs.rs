//! One Maildir for each account, found by a template of its path.

use super::kept::{self, Kept};
use crate::blocking::Blocking;
use crate::wall::AccountId;
use mailstore::maildir::{OnMaildirNotice, OnWarning};
use mailstore::{
    DefaultMailbox, Env, Layout, MaildirOptions, MaildirStore, NameEncoding, PathTemplate, PathUser,
    QuotaRules, Settle, StoreError,
};
use std::path::PathBuf;
use std::sync::Arc;

/// What an account's mailboxes may hold. It is asked for every operation, and must not block.
pub type Quotas = dyn Fn(&AccountId) -> Arc<QuotaRules> + Send + Sync;

/// The home directory of an account, an absolute path; `None` for those whose mail lies where that of all does. It is asked for
/// every operation, and must not block.
pub type Homes = dyn Fn(&AccountId) -> Option<PathBuf> + Send + Sync;

/// Opens Maildirs, and keeps those that are in use.
pub struct Maildirs {
    env: Env,
    base: PathBuf,
    template: PathTemplate,
    settle: Option<Arc<dyn Settle>>,
    quotas: Option<Arc<Quotas>>,
    homes: Option<Arc<Homes>>,
    mailboxes: Arc<[DefaultMailbox]>,
    layout: Layout,
    names: NameEncoding,
    kept: Kept<(Arc<QuotaRules>, Option<PathBuf>)>,
}

impl Maildirs {
    /// How many opened Maildirs are kept.
    pub const KEPT_MAX: usize = kept::STORES_MAX;

    /// Maildirs at `template`, which counts from `base`, an absolute path, unless it is absolute itself. `settle` is the
    /// spool that delivers into them.
    pub fn new(
        env: Env,
        base: impl Into<PathBuf>,
        template: PathTemplate,
        settle: Option<Arc<dyn Settle>>,
    ) -> Self {
        let base = base.into();
        let (layout, names, kept) =
            (Layout::Detect, NameEncoding::Detect, Kept::new(env.clone(), Blocking::inline()));
        let (quotas, homes, mailboxes) = (None, None, Arc::default());
        Self { env, base, template, settle, quotas, homes, mailboxes, layout, names, kept }
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

    /// Where the mailboxes lie, and how their names stand on disk, in place of what is found.
    #[must_use]
    pub fn with_layout(self, layout: Layout, names: NameEncoding) -> Self {
        Self { layout, names, ..self }
    }

    /// What accounts may hold; a change holds from the next operation on.
    #[must_use]
    pub fn with_quotas(self, quotas: Option<Arc<Quotas>>) -> Self {
        Self { quotas, ..self }
    }

    /// Accounts with a home directory have their Maildir in `Maildir` there, wherever the template leads; a change holds from
    /// the next operation on.
    #[must_use]
    pub fn with_homes(self, homes: Option<Arc<Homes>>) -> Self {
        Self { homes, ..self }
    }

    /// The Maildir of an account, made if it is not there. It blocks.
    ///
    /// # Errors
    /// When it cannot be made or read; `BadName` when the account's name cannot be a part of a path.
    pub fn open(&self, account: &AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        let rules = self.quotas.as_ref().map(|quotas| quotas(account)).unwrap_or_default();
        let home = self.homes.as_ref().and_then(|homes| homes(account));
        self.kept.open(account, (Arc::clone(&rules), home.clone()), &self.mailboxes, || {
            let user = PathUser { user: account.user(), domain: account.domain(), home: &self.base };
            let path = match home {
                Some(home) => home.join("Maildir"),
                None => self.template.expand(&user)?,
            };
            let options = MaildirOptions {
                settle: self.settle.clone(),
                quota: QuotaRules::clone(&rules),
                on_warning: Some(on_warning(account)),
                on_notice: Some(on_notice(account)),
                layout: self.layout,
                names: self.names,
            };
            Ok(Arc::new(MaildirStore::open_with(self.env.clone(), &path, options)?))
        })
    }
}

/// Logs that an account's mailboxes are nearly full.
fn on_warning(account: &AccountId) -> OnWarning {
    let account = account.clone();
    Arc::new(move |quota| {
        let percent = quota.percent().unwrap_or_default();
        tracing::warn!(%account, percent, "mailboxes are nearly full: their user must remove mail, or the quota be raised");
    })
}

/// Logs what else is to be known of them.
fn on_notice(account: &AccountId) -> OnMaildirNotice {
    let account = account.clone();
    Arc::new(move |notice| tracing::warn!(%account, "{notice}"))
}

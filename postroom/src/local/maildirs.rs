//! One Maildir for each account, found by a template of its path.

use super::kept::{self, Kept};
use crate::wall::AccountId;
use mailstore::{Env, ErrorKind, MaildirOptions, MaildirStore, QuotaRules, Settle, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an account's mailboxes may hold. It is asked for every operation, and must not block.
pub type Quotas = dyn Fn(&AccountId) -> Arc<QuotaRules> + Send + Sync;

/// Opens Maildirs, and keeps those that are in use.
pub struct Maildirs {
    env: Env,
    base: PathBuf,
    template: String,
    settle: Option<Arc<dyn Settle>>,
    quotas: Option<Arc<Quotas>>,
    kept: Kept<Arc<QuotaRules>>,
}

impl Maildirs {
    /// How many opened Maildirs are kept.
    pub const KEPT_MAX: usize = kept::STORES_MAX;

    /// Maildirs at `base`, an absolute path, joined with `template`, in which `{domain}` and `{user}` stand for the
    /// account's parts. `settle` is the spool that delivers into them.
    pub fn new(
        env: Env,
        base: impl Into<PathBuf>,
        template: impl Into<String>,
        settle: Option<Arc<dyn Settle>>,
    ) -> Self {
        let (base, template) = (base.into(), template.into());
        Self { env, base, template, settle, quotas: None, kept: Kept::default() }
    }

    /// What accounts may hold; a change holds from the next operation on.
    #[must_use]
    pub fn with_quotas(self, quotas: Option<Arc<Quotas>>) -> Self {
        Self { quotas, ..self }
    }

    /// The Maildir of an account, made if it is not there. It blocks.
    ///
    /// # Errors
    /// When it cannot be made or read; `BadName` when the account's name cannot be a part of a path.
    pub fn open(&self, account: &AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        let rules = self.quotas.as_ref().map(|quotas| quotas(account)).unwrap_or_default();
        self.kept.open(account, Arc::clone(&rules), || {
            let path = path(&self.base, &self.template, account)?;
            let options = MaildirOptions { settle: self.settle.clone(), quota: QuotaRules::clone(&rules) };
            Ok(Arc::new(MaildirStore::open_with(self.env.clone(), &path, options)?))
        })
    }
}

/// A template of a path filled in for an account.
pub(super) fn path(base: &Path, template: &str, account: &AccountId) -> Result<PathBuf, StoreError> {
    let relative = template
        .replace("{domain}", component(account.domain())?)
        .replace("{user}", component(account.user())?);
    Ok(base.join(relative))
}

/// A name that stays where it is put: no separator, not hidden, not above.
fn component(name: &str) -> Result<&str, StoreError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0', '{', '}']) {
        return Err(StoreError::new(
            ErrorKind::BadName,
            "finding a mailbox",
            "the account's name cannot be part of a path",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_cannot_leave_its_place() {
        let path = |user: &str| {
            let account = AccountId::new(user, "example.test").unwrap();
            super::path(Path::new("/data"), "mail/{domain}/{user}/Maildir", &account)
        };
        assert_eq!(path("alice").unwrap(), PathBuf::from("/data/mail/example.test/alice/Maildir"));
        for user in ["..", "../bob", "a/b", ".hidden", "{domain}", "a\0b"] {
            assert!(path(user).is_err(), "{user:?}");
        }
    }
}

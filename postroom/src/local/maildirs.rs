//! One Maildir for each account, found by a template of its path.

use crate::wall::AccountId;
use mailstore::{Env, ErrorKind, MaildirStore, Settle, StoreError};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Opens Maildirs, and keeps those that are in use.
///
/// # Limits
/// As many as [`Maildirs::KEPT_MAX`] are kept; when there are more, all are let go and opened again as they are
/// needed.
pub struct Maildirs {
    env: Env,
    base: PathBuf,
    template: String,
    settle: Option<Arc<dyn Settle>>,
    kept: Mutex<HashMap<AccountId, Arc<MaildirStore>>>,
}

impl Maildirs {
    /// How many opened Maildirs are kept.
    pub const KEPT_MAX: usize = 10_000;

    /// Maildirs at `base`, an absolute path, joined with `template`, in which `{domain}` and `{user}` stand for the
    /// account's parts. `settle` is the spool that delivers into them.
    pub fn new(
        env: Env,
        base: impl Into<PathBuf>,
        template: impl Into<String>,
        settle: Option<Arc<dyn Settle>>,
    ) -> Self {
        Self { env, base: base.into(), template: template.into(), settle, kept: Mutex::default() }
    }

    /// The Maildir of an account, made if it is not there. It blocks.
    ///
    /// # Errors
    /// When it cannot be made or read; `BadName` when the account's name cannot be a part of a path.
    pub fn open(&self, account: &AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        if let Some(store) = self.kept().get(account) {
            return Ok(Arc::clone(store) as _);
        }
        // Opened outside the lock: one slow Maildir must not hold up the others.
        let store =
            Arc::new(MaildirStore::open(self.env.clone(), &self.path(account)?, self.settle.clone())?);
        let mut kept = self.kept();
        if kept.len() >= Self::KEPT_MAX {
            kept.clear();
        }
        Ok(Arc::clone(kept.entry(account.clone()).or_insert(store)) as _)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Arc<MaildirStore>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, account: &AccountId) -> Result<PathBuf, StoreError> {
        let relative = self
            .template
            .replace("{domain}", component(account.domain())?)
            .replace("{user}", component(account.user())?);
        Ok(self.base.join(relative))
    }
}

/// A name that stays where it is put: no separator, not hidden, not above.
fn component(name: &str) -> Result<&str, StoreError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0', '{', '}']) {
        return Err(StoreError::new(
            ErrorKind::BadName,
            "finding a Maildir",
            "the account's name cannot be part of a path",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::sim::{SimFs, SimHost};

    #[test]
    fn an_account_cannot_leave_its_place() {
        let fs = SimFs::new();
        let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
        let maildirs = Maildirs::new(env, "/data", "mail/{domain}/{user}/Maildir", None);
        let path = |user: &str| maildirs.path(&AccountId::new(user, "example.test").unwrap());
        assert_eq!(path("alice").unwrap(), PathBuf::from("/data/mail/example.test/alice/Maildir"));
        for user in ["..", "../bob", "a/b", ".hidden", "{domain}", "a\0b"] {
            assert!(path(user).is_err(), "{user:?}");
        }
    }
}

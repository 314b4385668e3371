//! One Maildir for each account, found by a template of its path.

use super::kept::Kept;
use crate::wall::AccountId;
use mailstore::{Env, ErrorKind, MaildirStore, Settle, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens Maildirs, and keeps those that are in use.
pub struct Maildirs {
    env: Env,
    base: PathBuf,
    template: String,
    settle: Option<Arc<dyn Settle>>,
    kept: Kept,
}

impl Maildirs {
    /// How many opened Maildirs are kept.
    pub const KEPT_MAX: usize = Kept::STORES_MAX;

    /// Maildirs at `base`, an absolute path, joined with `template`, in which `{domain}` and `{user}` stand for the
    /// account's parts. `settle` is the spool that delivers into them.
    pub fn new(
        env: Env,
        base: impl Into<PathBuf>,
        template: impl Into<String>,
        settle: Option<Arc<dyn Settle>>,
    ) -> Self {
        Self { env, base: base.into(), template: template.into(), settle, kept: Kept::default() }
    }

    /// The Maildir of an account, made if it is not there. It blocks.
    ///
    /// # Errors
    /// When it cannot be made or read; `BadName` when the account's name cannot be a part of a path.
    pub fn open(&self, account: &AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        self.kept.open(account, || {
            let path = path(&self.base, &self.template, account)?;
            Ok(Arc::new(MaildirStore::open(self.env.clone(), &path, self.settle.clone())?))
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

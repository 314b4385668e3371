//! Accounts from a passwd-file, in the form that Dovecot reads (`user@domain:{SCHEME}hash::::::`).
//!
//! The file is one snapshot, replaced whole by [`PasswdFile::reload`]; a login that is under way ends with the one
//! it began with. Passwords are checked on threads of their own, so that nobody's login holds up anybody's mail.
//!
//! An unknown user costs what a known one costs: the password is checked against an account picked by the name
//! that was tried, and the result thrown away. A file of mixed schemes then gives unknown names the same spread of
//! times as known ones.
//!
//! # Limits
//! A password of more than 512 octets is wrong: some schemes take time proportional to it. As many passwords are
//! checked at once as the given threads allow.

mod file;
mod scheme;
#[cfg(test)]
mod tests;

pub use file::{PasswdFileError, WHAT_A_LINE_IS};
pub use scheme::{Scheme, SchemeError, hash_password};

use crate::blocking::Blocking;
use crate::wall::{AccountId, Directory, Later};
use arc_swap::ArcSwap;
use file::Table;
use proto_core::Backend;
use proto_core::sasl::Credentials;
use scheme::StoredPassword;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The accounts of a passwd-file.
#[derive(Debug)]
pub struct PasswdFile {
    /// None for accounts that are in no file.
    path: Option<PathBuf>,
    table: ArcSwap<Table>,
    default_domain: Option<String>,
    blocking: Blocking,
    picker: RandomState,
}

/// Longer passwords are wrong.
pub const PASSWORD_BYTES_MAX: usize = 512;

impl PasswdFile {
    /// Reads the file. A login name without a domain is a user of `default_domain`, or of none. Passwords are
    /// checked on `blocking`.
    ///
    /// # Errors
    /// [`PasswdFileError`], naming file and line.
    pub fn open(
        path: impl Into<PathBuf>,
        default_domain: Option<String>,
        blocking: Blocking,
    ) -> Result<Self, PasswdFileError> {
        let path = path.into();
        let table = ArcSwap::from_pointee(Table::read(&path)?);
        Ok(Self { path: Some(path), table, default_domain, blocking, picker: RandomState::new() })
    }

    /// Accounts that are in no file: `text` is what would stand in one. There is nothing to reload.
    ///
    /// # Errors
    /// As [`PasswdFile::open`]; the file is called `accounts`.
    pub fn from_text(
        text: &str,
        default_domain: Option<String>,
        blocking: Blocking,
    ) -> Result<Self, PasswdFileError> {
        let table = ArcSwap::from_pointee(Table::parse(text, Path::new("accounts"))?);
        Ok(Self { path: None, table, default_domain, blocking, picker: RandomState::new() })
    }

    /// Reads the file again. On an error the accounts stay as they were.
    ///
    /// # Errors
    /// As [`PasswdFile::open`].
    pub fn reload(&self) -> Result<(), PasswdFileError> {
        if let Some(path) = &self.path {
            self.table.store(Arc::new(Table::read(path)?));
        }
        Ok(())
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The accounts, in the order of the file.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.table.load().accounts().cloned().collect()
    }

    /// The stored password that this login is checked against, and the account it then opens.
    fn candidate(&self, login: &str) -> (Option<Arc<StoredPassword>>, Option<AccountId>) {
        let table = self.table.load();
        let account = AccountId::from_login(login, self.default_domain.as_deref());
        match account.and_then(|account| Some((table.password(&account)?, account))) {
            Some((stored, account)) => (Some(stored), Some(account)),
            None => (table.any_password(self.picker.hash_one(login)), None),
        }
    }
}

impl Directory for PasswdFile {
    fn authenticate(&self, credentials: Credentials) -> Later<'_, Result<Option<AccountId>, Backend>> {
        Box::pin(async move {
            let Credentials::Password { ref authcid, ref password, .. } = credentials else {
                return Ok(None);
            };
            let (stored, account) = self.candidate(authcid);
            let account = account.filter(|_| credentials.authzid_other().is_none());
            let (Some(stored), password) = (stored, password.clone()) else {
                return Ok(None);
            };
            if password.expose().len() > PASSWORD_BYTES_MAX {
                return Ok(None);
            }
            let right = self.blocking.run(move || stored.matches(&password)).await?;
            Ok(account.filter(|_| right))
        })
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        let known = self.table.load().password(account).is_some();
        Box::pin(std::future::ready(Ok(known)))
    }
}

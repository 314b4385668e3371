//! Accounts from a passwd-file, in the form that Dovecot reads (`user@domain:{SCHEME}hash::::::`).
//!
//! The file is one snapshot, replaced whole by [`PasswdFile::reload`]; a login that is under way ends with the one
//! it began with. Passwords are checked on threads of their own, so that nobody's login holds up anybody's mail.
//!
//! A scheme serves the mechanisms that can be answered from what it stores:
//!
//! | scheme | PLAIN, LOGIN | SCRAM-SHA-256 (-PLUS) | SCRAM-SHA-1 (-PLUS) | CRAM-MD5 |
//! | --- | --- | --- | --- | --- |
//! | `{ARGON2ID}`, `{SHA512-CRYPT}`, `{BLF-CRYPT}` | yes | | | |
//! | `{SCRAM-SHA-256}` | yes | yes | | |
//! | `{SCRAM-SHA-1}` | yes | | yes | |
//! | `{PLAIN}` | yes | yes | yes | yes |
//!
//! `{CRYPT}` is what its hash begins with (`$6$` is SHA512-CRYPT, `$2y$` and its like BLF-CRYPT). A line of a scheme that is not known is
//! logged, and nobody logs in by it; a file that has no other line is refused.
//!
//! OAUTHBEARER and XOAUTH2 are there with a [`TokenVerifier`], ANONYMOUS with an account for it. EXTERNAL opens the
//! account of the first name in the client's certificate ([`certificate_names`]) that has one, or the one asked for, if
//! the certificate names it.
//!
//! An unknown user costs what a known one costs: the password is checked against an account picked by the name
//! that was tried, and the result thrown away. A file of mixed schemes then gives unknown names the same spread of
//! times as known ones, and of salts and iterations where SCRAM shows them.
//!
//! # Limits
//! A password of more than 512 octets is wrong: some schemes take time proportional to it. As many passwords are
//! checked at once as the given threads allow. Nobody may act as somebody else.
//!
//! # Departures
//! `{CRAM-MD5}` is not read: to whom it is shown it is as good as the password.

mod certificate;
mod directory;
mod file;
mod scheme;
mod stored;
#[cfg(test)]
mod tests;

pub use certificate::certificate_names;
pub use file::{PasswdFileError, WHAT_A_LINE_IS};
pub use scheme::{Scheme, SchemeError, hash_password};

use crate::blocking::Blocking;
use crate::entropy::{Entropy as _, SystemEntropy};
use crate::wall::{AccountId, TokenVerifier};
use arc_swap::ArcSwap;
use file::Table;
use mailstore::QuotaRules;
use proto_core::sasl::{Decoys, Mechanism};
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
    decoys: Decoys,
    tokens: Option<Arc<dyn TokenVerifier>>,
    anonymous: Option<AccountId>,
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
        let table = Table::read(&path)?;
        Ok(Self::new(Some(path), table, default_domain, blocking))
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
        let table = Table::parse(text, Path::new("accounts"))?;
        Ok(Self::new(None, table, default_domain, blocking))
    }

    fn new(path: Option<PathBuf>, table: Table, default_domain: Option<String>, blocking: Blocking) -> Self {
        let mut secret = [0; 32];
        SystemEntropy.fill(&mut secret);
        Self {
            path,
            table: ArcSwap::from_pointee(table),
            default_domain,
            blocking,
            decoys: Decoys::new(secret),
            tokens: None,
            anonymous: None,
        }
    }

    /// The salts that SCRAM shows for users who do not exist, and for those whose password is in the file as it is; and
    /// which user of the file those who do not exist are like. Without them all that is another after each restart, which
    /// tells those users from the rest.
    #[must_use]
    pub fn with_decoys(self, decoys: Decoys) -> Self {
        Self { decoys, ..self }
    }

    /// Who judges bearer tokens. A token opens the account that the verifier names, if it is in the file.
    #[must_use]
    pub fn with_tokens(self, verifier: impl TokenVerifier + 'static) -> Self {
        Self { tokens: Some(Arc::new(verifier)), ..self }
    }

    /// The account, in the file, that nobody in particular gets (`auth_anonymous_username`). It has to be switched on in
    /// the settings, too, see [`SaslSecurityOptions`](crate::settings::SaslSecurityOptions).
    #[must_use]
    pub fn with_anonymous(self, account: AccountId) -> Self {
        Self { anonymous: Some(account), ..self }
    }

    /// Reads the file again. On an error the accounts stay as they were. Mechanisms that now can be used, or no longer,
    /// are offered or not after the server's own [`reload`](crate::Server::reload).
    ///
    /// # Errors
    /// As [`PasswdFile::open`].
    pub fn reload(&self) -> Result<(), PasswdFileError> {
        self.replace_with(&self.again()?);
        Ok(())
    }

    /// The same with what stands in the file now, to be put in place ([`PasswdFile::replace_with`]) once it is known that all
    /// else that is read anew can be.
    ///
    /// # Errors
    /// As [`PasswdFile::open`].
    pub fn again(&self) -> Result<Self, PasswdFileError> {
        let table = match &self.path {
            Some(path) => Arc::new(Table::read(path)?),
            None => self.table.load_full(),
        };
        Ok(Self {
            path: self.path.clone(),
            table: ArcSwap::new(table),
            default_domain: self.default_domain.clone(),
            blocking: self.blocking.clone(),
            decoys: self.decoys.clone(),
            tokens: self.tokens.clone(),
            anonymous: self.anonymous.clone(),
        })
    }

    /// Puts the accounts of `other` in the place of these: what it has read from its file, not how it judges logins.
    pub fn replace_with(&self, other: &PasswdFile) {
        self.table.store(other.table.load_full());
    }

    /// The quota of an account: that of all, and what its line in the file says besides or instead
    /// (`userdb_quota_rule`).
    pub fn quota_rules(&self, account: &AccountId, all: &Arc<QuotaRules>) -> Arc<QuotaRules> {
        let table = self.table.load();
        let own = table.quota_rules(account);
        if own.is_empty() {
            return Arc::clone(all);
        }
        let mut rules = QuotaRules::clone(all);
        for rule in own {
            rules.rule(rule).expect("invariant: each was tried when the file was read");
        }
        Arc::new(rules)
    }

    /// The home directory that an account's line in the file says (`userdb_home`), for
    /// [`LocalOptions::homes`](crate::local::LocalOptions::homes).
    pub fn home(&self, account: &AccountId) -> Option<PathBuf> {
        self.table.load().home(account).map(Path::to_path_buf)
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The line of the file that an account stands in, from 1.
    pub fn line(&self, account: &AccountId) -> Option<usize> {
        self.table.load().line(account)
    }

    /// A sentence for each account that nobody can log in to, since the scheme of its password is not known: with the file and the line. It
    /// gets mail as all others. Reading the file logs the same.
    pub fn shut(&self) -> Vec<String> {
        let path = self.path().unwrap_or(Path::new("accounts"));
        self.table.load().shut(path).collect()
    }

    /// The first account that cannot log in by this mechanism, for what its scheme stores.
    pub fn first_without(&self, mechanism: Mechanism) -> Option<AccountId> {
        let table = self.table.load();
        let wanted = directory::wanted(mechanism)?;
        let lacks =
            |account: &&AccountId| table.password(account).is_some_and(|stored| !stored.serves(wanted));
        table.accounts().find(lacks).cloned()
    }

    /// The accounts, in the order of the file.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.table.load().accounts().cloned().collect()
    }
}

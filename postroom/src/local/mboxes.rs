//! mbox files for each account, found by a location in Dovecot's words.

use super::Homes;
use super::kept::Kept;
use crate::blocking::Blocking;
use crate::wall::AccountId;
use mailstore::fs::Fs;
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{DefaultMailbox, Env, PathTemplate, PathUser, Settle, StoreError};
use std::path::{Path, PathBuf};
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
        let own = self.own_home(account);
        self.kept.open(account, own.clone(), &self.mailboxes, || {
            let (home, location) = self.place(account, own)?;
            if let Some(said) = passed_over(self.env.fs(), &home, &location) {
                tracing::warn!(%account, "{said}");
            }
            let (options, settle) = (self.options.clone(), self.settle.clone());
            Ok(Arc::new(MboxStore::open(self.env.clone(), location, options, settle)?))
        })
    }

    /// What is to be said of a Maildir of this account, where its mbox files have no mail: nobody would see what is in it. Opening the
    /// mailboxes logs the same. It blocks, and makes nothing.
    ///
    /// # Errors
    /// `BadName`, as [`open`](Self::open).
    pub fn passed_over(&self, account: &AccountId) -> Result<Option<String>, StoreError> {
        let (home, location) = self.place(account, self.own_home(account))?;
        Ok(passed_over(self.env.fs(), &home, &location))
    }

    fn own_home(&self, account: &AccountId) -> Option<PathBuf> {
        self.homes.as_ref().and_then(|homes| homes(account))
    }

    /// The home directory of an account, and where its mailboxes are.
    fn place(
        &self,
        account: &AccountId,
        own_home: Option<PathBuf>,
    ) -> Result<(PathBuf, MboxLocation), StoreError> {
        let mut user = PathUser { user: account.user(), domain: account.domain(), home: &self.base };
        let home = own_home.map_or_else(|| self.home.expand(&user), Ok)?;
        user.home = &home;
        let location = MboxLocation::parse(&self.location, &user)?;
        Ok((home, location))
    }
}

/// What is to be said of a Maildir in this home directory where the INBOX has nothing: as if the format had been changed, and no mail
/// brought over.
fn passed_over(fs: &dyn Fs, home: &Path, location: &MboxLocation) -> Option<String> {
    if fs.metadata(location.inbox()).is_ok_and(|inbox| inbox.size > 0) {
        return None;
    }
    let is_maildir = |path: &PathBuf| ["cur", "new"].iter().all(|part| fs.metadata(&path.join(part)).is_ok());
    let maildir = [home.join("Maildir"), home.to_path_buf()].into_iter().find(is_maildir)?;
    let (maildir, root, inbox) = (maildir.display(), location.root().display(), location.inbox().display());
    Some(format!(
        "there is a Maildir at {maildir}, and no mail yet in {inbox}, so that nobody sees what is in the Maildir; \
         `postroom convert maildir:{maildir} mbox:{root}:INBOX={inbox}` brings it over"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::{OpenMode, SimFs};

    #[test]
    fn a_maildir_beside_an_empty_inbox_is_told_of() {
        let fs = SimFs::new();
        let home = Path::new("/home");
        let location = MboxLocation::new("/home/mail", "/home/inbox");
        fs.mkdir(home).unwrap();
        assert_eq!(passed_over(&fs, home, &location), None);
        for part in ["Maildir", "Maildir/cur", "Maildir/new"] {
            fs.mkdir(&home.join(part)).unwrap();
        }
        let told = "there is a Maildir at /home/Maildir, and no mail yet in /home/inbox, so that nobody sees what is in the Maildir; \
            `postroom convert maildir:/home/Maildir mbox:/home/mail:INBOX=/home/inbox` brings it over";
        assert_eq!(passed_over(&fs, home, &location).as_deref(), Some(told));
        let mut inbox = fs.open(location.inbox(), OpenMode::CreateNew).unwrap();
        assert_eq!(passed_over(&fs, home, &location).as_deref(), Some(told), "an empty one");
        inbox.append(b"From x").unwrap();
        assert_eq!(passed_over(&fs, home, &location), None, "brought over");
    }
}

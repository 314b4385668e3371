//! The blocking stores of `mailstore` behind the asynchronous walls, each call on a store thread.
//!
//! Nothing here decides anything: an operation goes to a thread, its result comes back. What is dropped on the
//! reactor (a message half written) is dropped on a thread, because dropping it touches the disk.

mod deliveries;
mod files;
mod kept;
mod mailbox;
mod maildirs;
mod mboxes;
mod spool;
mod store;

use files::AliasFiles;
pub(crate) use files::plain;
pub use maildirs::{Homes, Maildirs, Quotas};
pub use mboxes::Mboxes;
pub use spool::LocalSpool;
pub use store::{LocalStore, Locate};

use mailstore::mbox::MboxOptions;
use mailstore::spool::{Recovered, SpoolLimits, SpoolNotice};
use mailstore::watch::WatchOptions;
use mailstore::{DefaultMailbox, Env, Layout, LogSpool, NameEncoding, PathTemplate, Settle};
use std::path::Path;

use crate::blocking::Blocking;
use crate::wall::{AccountId, StoreResult};
use mailstore::StoreError;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A spool and mailboxes, knowing of each other.
///
/// Mailboxes may be shared with other processes; the spool may not: two that have it open write over each other's records and
/// deliver its messages twice. Nothing here keeps a second process out, so a program that could be started twice holds a
/// lock of its own before it opens this (an exclusive [`File::try_lock`](std::fs::File::try_lock) on a file in the data directory).
pub struct LocalMail {
    /// The spool, in `spool` below the data directory.
    pub spool: LocalSpool,
    /// The mailboxes.
    pub store: LocalStore,
    /// What an earlier run left in the spool.
    pub recovered: Recovered,
    files: AliasFiles,
}

/// What may be said of everybody's mailboxes.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// What an account's mailboxes may hold. Default: nothing is limited.
    pub quotas: Option<Arc<Quotas>>,
    /// Home directories of accounts whose mail lies elsewhere: of a Maildir it is `Maildir` there, of mbox files what `~` stands
    /// for. Default: none has one.
    pub homes: Option<Arc<Homes>>,
    /// The mailboxes that every account has. They are made when its mail is first opened, by a login or a delivery.
    pub mailboxes: Arc<[DefaultMailbox]>,
    /// Where the mailboxes of Maildirs lie. Default: as what an account has already, else as Maildir++ has them.
    pub layout: Layout,
    /// How their names stand on disk. Default: as in what an account has already, else in modified UTF-7.
    pub names: NameEncoding,
}

impl LocalMail {
    /// Opens the spool and Maildirs, and makes what is missing. `data_dir` is an absolute path; `template` is the place of
    /// a Maildir, which counts from it. It blocks.
    ///
    /// # Errors
    /// When the spool cannot be made or read, or the template does not read, or would give several users one mailbox.
    pub fn open(env: Env, data_dir: &Path, template: &str, blocking: &Blocking) -> Result<Self, StoreError> {
        Self::open_with(env, data_dir, template, LocalOptions::default(), blocking)
    }

    /// As [`open`](Self::open), with more to say.
    ///
    /// # Errors
    /// When the spool cannot be made or read, or the template does not read, or would give several users one mailbox.
    pub fn open_with(
        env: Env,
        data_dir: &Path,
        template: &str,
        options: LocalOptions,
        blocking: &Blocking,
    ) -> Result<Self, StoreError> {
        let template: PathTemplate = template.parse()?;
        if !template.tells_apart(false) {
            let why = "the template has neither %u nor %n, so that all accounts would have one mailbox";
            return Err(StoreError::new(mailstore::ErrorKind::BadName, "opening mailboxes", why));
        }
        let LocalOptions { quotas, homes, mailboxes, layout, names } = options;
        let mail = Self::with(&env, data_dir, blocking, &mailboxes, |settle| {
            let maildirs = Maildirs::new(env.clone(), data_dir, template, Some(settle))
                .with_blocking(blocking.clone())
                .with_quotas(quotas.clone())
                .with_homes(homes)
                .with_mailboxes(Arc::clone(&mailboxes))
                .with_layout(layout, names);
            move |account: &AccountId| maildirs.open(account)
        })?;
        Ok(match quotas {
            Some(quotas) => Self { store: mail.store.with_quotas(quotas), ..mail },
            None => mail,
        })
    }

    /// Opens the spool and mbox files, and makes what is missing. Of `(home, location)`, the first is the place of a home
    /// directory, which counts from `data_dir`; the second and `mbox` are as for [`Mboxes::new`]. Of `options` what concerns
    /// Maildirs alone, quotas among it, is passed over. It blocks.
    ///
    /// # Errors
    /// When the spool cannot be made or read, or the template does not read.
    pub fn open_mbox(
        env: Env,
        data_dir: &Path,
        (home, location): (&str, &str),
        mbox: MboxOptions,
        options: LocalOptions,
        blocking: &Blocking,
    ) -> Result<Self, StoreError> {
        let home: PathTemplate = home.parse()?;
        let LocalOptions { homes, mailboxes, .. } = options;
        Self::with(&env, data_dir, blocking, &mailboxes, |settle| {
            let mboxes = Mboxes::new(env.clone(), data_dir, home, location, mbox, Some(settle))
                .with_blocking(blocking.clone())
                .with_homes(homes)
                .with_mailboxes(Arc::clone(&mailboxes));
            move |account: &AccountId| mboxes.open(account)
        })
    }

    fn with<O>(
        env: &Env,
        data_dir: &Path,
        blocking: &Blocking,
        mailboxes: &Arc<[DefaultMailbox]>,
        locate: impl FnOnce(Arc<dyn Settle>) -> O,
    ) -> Result<Self, StoreError>
    where
        O: Fn(&AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> + Send + Sync + 'static,
    {
        let (spool, recovered) =
            LogSpool::open(env.clone(), &data_dir.join("spool"), SpoolLimits::default())?;
        spool.on_notice(Arc::new(|notice| match notice {
            SpoolNotice::UpkeepWorks => tracing::info!("{notice}"),
            _ => tracing::error!("{notice}"),
        }));
        if !blocking.is_inline() {
            spool.start()?;
            let mut options = WatchOptions::default();
            options.notice = Some(Arc::new(|notice| tracing::warn!("{notice}")));
            env.watcher().start(options)?;
        }
        let spool = Arc::new(spool);
        let locate = locate(Arc::clone(&spool) as Arc<dyn Settle>);
        let settle = Arc::clone(&spool) as Arc<dyn Settle>;
        Ok(Self {
            spool: LocalSpool::new(spool, blocking.clone()),
            store: LocalStore::new(locate, blocking.clone()).with_mailboxes(Arc::clone(mailboxes)),
            recovered,
            files: AliasFiles::new(env.clone(), data_dir.join("files"), Some(settle)),
        })
    }

    /// Delivers to files that aliases name, too, where `allow_mail_to_files` allows that; what is needed for it lies in `files`
    /// below the data directory. They are written by this process as it is: whoever may write an alias may have it add to
    /// any file that the process may write, so it should not be root's. None becomes larger than `bytes_max` (`mailbox_size_limit` of
    /// Postfix, where it is 51,200,000): what has no room there is as for a mailbox over its quota.
    #[must_use]
    pub fn with_alias_files(mut self, bytes_max: Option<u64>) -> Self {
        self.store = self.store.with_files(self.files.clone().of_at_most(bytes_max));
        self
    }
}

/// Runs one operation on a store thread.
fn on_thread<T: Send + 'static>(
    blocking: &Blocking,
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> StoreResult<T> {
    let blocking = blocking.clone();
    Box::pin(async move { blocking.run(job).await? })
}

/// A blocking object that one operation at a time uses, on a store thread, and that is dropped there.
///
/// Operations wait for their turn on the reactor, not on the threads, and those of one account have a part of these alone: one
/// busy mailbox holds up nobody else's.
struct Shared<T: ?Sized + Send + 'static> {
    object: Option<Arc<Mutex<Box<T>>>>,
    blocking: Blocking,
}

impl<T: ?Sized + Send + 'static> Shared<T> {
    fn new(object: Box<T>, blocking: Blocking) -> Self {
        Self { object: Some(Arc::new(Mutex::new(object))), blocking }
    }

    /// Runs an operation on it.
    fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> Result<R, StoreError> + Send + 'static,
    ) -> StoreResult<R> {
        let object = self.object.clone().expect(NOT_TAKEN);
        let blocking = self.blocking.clone();
        Box::pin(async move {
            let mut object = object.lock_owned().await;
            blocking.run(move || job(&mut **object)).await?
        })
    }

    /// Runs the operation that consumes it. No other operation may be under way.
    fn finish<R: Send + 'static>(
        mut self,
        job: impl FnOnce(Box<T>) -> Result<R, StoreError> + Send + 'static,
    ) -> StoreResult<R> {
        let object = self.object.take().expect(NOT_TAKEN);
        on_thread(&self.blocking, move || match Arc::into_inner(object) {
            Some(object) => job(object.into_inner()),
            None => Err(crate::blocking::JobLost.into()),
        })
    }
}

impl<T: ?Sized + Send + 'static> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.blocking.detach(move || drop(object));
        }
    }
}

const NOT_TAKEN: &str = "invariant: taken only by what consumes it";

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::SimFs;
    use mailstore::fs::sim::SimHost;

    #[test]
    fn a_template_that_gives_all_accounts_one_mailbox_is_refused() {
        let fs = SimFs::new();
        let open = |template: &str| {
            let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
            LocalMail::open(env, Path::new("/"), template, &Blocking::inline()).map(drop)
        };
        assert_eq!(open("mail/%d").unwrap_err().kind(), mailstore::ErrorKind::BadName);
        assert!(open("mail/%d/%n").is_ok() && open("mail/%u").is_ok());
    }
}

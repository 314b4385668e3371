//! [`MaildirStore`] itself: the [`Store`] wall in front of the Maildir modules.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::append::MaildirAppend;
use super::mailbox::MaildirMailbox;
use super::notice::{Notices, OnMaildirNotice};
use super::paths::{MailboxPaths, Sub};
use super::quota::QuotaRoot;
use super::tree::{Layout, NameEncoding, Tree};
use super::uids::{UidLock, Uids};
use super::{deliver, filename, folders, subscriptions};
use crate::batch::{self, Staged};
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, Interest};
use crate::name::MailboxName;
use crate::quota::{Adding, Quota, QuotaRules, QuotaUsage};
use crate::special_use::{SpecialUseFile, SpecialUses};
use crate::store::{Access, Append, Delivered, Delivery, Mailbox, MailboxInfo, MessageReader, Settle, Store};
use crate::watch::{Target, Tell, Watch};

/// Files in `tmp/` older than this are nobody's (the Maildir convention).
const SWEEP_AFTER: Duration = Duration::from_secs(36 * 3600);

/// Who is told, after a delivery, that a user's mailboxes are nearly full ([`QuotaRules::warning`]); it must not block.
pub type OnWarning = Arc<dyn Fn(&Quota) + Send + Sync>;

/// How a Maildir is used.
#[derive(Clone, Default)]
pub struct MaildirOptions {
    /// The spool that delivers into it: it hears of deliveries that readers remove.
    pub settle: Option<Arc<dyn Settle>>,
    /// What its mailboxes may hold. Without limits, those of a `maildirsize` that is there already.
    pub quota: QuotaRules,
    /// Who is told that they are nearly full. Default nobody.
    pub on_warning: Option<OnWarning>,
    /// Who is told what else an administrator should know. Default nobody.
    pub on_notice: Option<OnMaildirNotice>,
    /// Where the mailboxes lie.
    pub layout: Layout,
    /// How their names stand on disk.
    pub names: NameEncoding,
}

impl std::fmt::Debug for MaildirOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { quota, layout, names, .. } = self;
        f.debug_struct("MaildirOptions")
            .field("quota", quota)
            .field("layout", layout)
            .field("names", names)
            .finish_non_exhaustive()
    }
}

/// One user's mail in a Maildir++. Cloning shares.
#[derive(Debug, Clone)]
pub struct MaildirStore(Arc<Inner>);

pub(super) struct Inner {
    pub(super) env: Env,
    pub(super) root: PathBuf,
    pub(super) settle: Option<Arc<dyn Settle>>,
    pub(super) quota: Arc<QuotaRoot>,
    pub(super) uses: SpecialUseFile,
    pub(super) notices: Notices,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MaildirStore").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Inner {
    /// # Errors
    /// `BadName`.
    pub(super) fn paths(&self, name: &MailboxName) -> Result<MailboxPaths> {
        let tree = self.quota.tree;
        Ok(MailboxPaths {
            env: self.env.clone(),
            root: self.root.clone(),
            dir: if name.is_inbox() { self.root.clone() } else { self.root.join(tree.dir(name)?) },
            name: name.clone(),
            tree,
            quota: Arc::clone(&self.quota),
            notices: self.notices.clone(),
        })
    }

    /// Makes what is missing of INBOX.
    fn make(&self) -> Result<()> {
        let inbox = self.paths(&MailboxName::inbox())?;
        // The list of UIDs is written after the directories are durable: where it is, they are.
        let is_made = match Uids::load(&inbox) {
            // What keeps it from being made is told better.
            Err(error) if error.kind() == ErrorKind::BadPath => false,
            loaded => loaded?.is_some(),
        };
        if !is_made {
            for sub in ["tmp", "new", "cur"] {
                let dir = self.root.join(sub);
                fs::make_dir(self.env.fs(), &dir)?;
            }
        }
        // Before anything is written here that is made durable together with others.
        let attached = self.env.syncs().attach(&self.root);
        attached.map_err(|error| StoreError::io("opening the file system of", &self.root, &error))?;
        if !is_made {
            Uids::load_or_create(&inbox, &UidLock::take(&inbox)?, None)?;
        }
        Ok(())
    }
}

impl MaildirStore {
    /// Opens the Maildir at `root`, an absolute path; makes it, and every directory above it, where it is
    /// missing. `settle` is the spool that delivers into it, if any: it hears of deliveries that readers
    /// remove.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(env: Env, root: &Path, settle: Option<Arc<dyn Settle>>) -> Result<Self> {
        Self::open_with(env, root, MaildirOptions { settle, ..MaildirOptions::default() })
    }

    /// As [`open`](Self::open), with more to say.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open_with(env: Env, root: &Path, options: MaildirOptions) -> Result<Self> {
        let MaildirOptions { settle, quota, on_warning, on_notice, layout, names } = options;
        let tree = Tree::find(env.fs(), root, layout, names)?;
        let quota = Arc::new(QuotaRoot::new(env.clone(), root.to_path_buf(), quota, tree, on_warning));
        let uses = SpecialUseFile::new(env.clone(), root.join("postroom.special-use"), root.join("tmp"));
        let notices = Notices(on_notice);
        let store = Inner { env, root: root.to_path_buf(), settle, quota, uses, notices };
        store.make()?;
        Ok(Self(Arc::new(store)))
    }
}

impl Store for MaildirStore {
    fn list(&self) -> Result<Vec<MailboxInfo>> {
        folders::list(&self.0)
    }

    /// In the `tmp/` directories; also what is left of mailboxes whose creation or deletion was cut off. One that cannot be read
    /// keeps none of the others from being swept.
    fn sweep(&self) -> Result<()> {
        let disk = self.0.env.fs();
        folders::sweep_unfinished(&self.0, SWEEP_AFTER)?;
        let mut swept = Ok(());
        for info in self.list()?.into_iter().filter(|info| info.exists) {
            let tmp = self.0.paths(&info.name)?.tmp();
            let entries = match disk.read_dir(&tmp) {
                // Some tools leave out what is empty when they restore a copy.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    swept = swept.and(Err(StoreError::io("reading", &tmp, &error)));
                    continue;
                }
                Ok(entries) => entries,
            };
            for entry in entries {
                let path = tmp.join(&entry.name);
                let Ok(metadata) = disk.metadata(&path) else { continue };
                // A file that is about to be placed has the date of its message; when it was begun, its name tells.
                let begun = entry.name.to_str().and_then(filename::saved).unwrap_or_default();
                let begun = Duration::from_secs(u64::try_from(begun).unwrap_or(0));
                let age = self.0.env.host().now().saturating_sub(metadata.mtime.max(begun));
                if !metadata.is_dir && age > SWEEP_AFTER {
                    let _ = disk.unlink(&path);
                }
            }
        }
        swept
    }

    fn create(&self, name: &MailboxName) -> Result<()> {
        folders::create(&self.0, name)
    }

    fn delete(&self, name: &MailboxName) -> Result<()> {
        folders::delete(&self.0, name)
    }

    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Result<()> {
        folders::rename(&self.0, from, to)
    }

    fn subscribe(&self, name: &MailboxName) -> Result<()> {
        subscriptions::change(&self.0, name, true)
    }

    fn unsubscribe(&self, name: &MailboxName) -> Result<()> {
        subscriptions::change(&self.0, name, false)
    }

    fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        subscriptions::load(&self.0).map(|subscriptions| subscriptions.names())
    }

    fn set_special_use(&self, name: &MailboxName, uses: SpecialUses) -> Result<()> {
        self.0.paths(name)?.check_exists()?;
        self.0.uses.set(name, uses)
    }

    fn open(&self, name: &MailboxName, access: Access) -> Result<Box<dyn Mailbox>> {
        Ok(Box::new(MaildirMailbox::open(self.0.clone(), self.0.paths(name)?, access)?))
    }

    fn append(&self, name: &MailboxName) -> Result<Box<dyn Append>> {
        Ok(Box::new(MaildirAppend::open(self.0.paths(name)?)?))
    }

    fn quota(&self) -> Result<Option<Quota>> {
        self.0.quota.quota()
    }

    fn check_quota(&self, name: &MailboxName, bytes: u64) -> Result<()> {
        self.0.quota.check(name, QuotaUsage::message(bytes), Adding::Delivery)
    }

    fn deliver(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> Result<Delivered> {
        let staged = self.stage(name, delivery, body)?;
        batch::commit([staged]).pop().expect("invariant: one result for each delivery")
    }

    fn stage(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> Result<Staged> {
        let paths = self.0.paths(name)?;
        match deliver::stage(&paths, delivery, body) {
            // INBOX is always there: one that was taken away while this was open is made anew, as it is by `open`.
            Err(error) if error.kind() == ErrorKind::NoSuchMailbox && name.is_inbox() => {
                self.0.make()?;
                deliver::stage(&paths, delivery, body)
            }
            staged => staged,
        }
    }

    fn watch(&self, name: &MailboxName, tell: &Tell) -> Result<Option<Watch>> {
        let paths = self.0.paths(name)?;
        // A directory that is renamed takes those in it along, and they hear nothing of it.
        let targets = vec![
            Target::new(paths.sub(Sub::New), Interest::Entries),
            Target::new(paths.sub(Sub::Cur), Interest::Entries),
            Target::new(paths.dir, Interest::Itself),
        ];
        self.0.env.watcher().watch(targets, tell)
    }
}

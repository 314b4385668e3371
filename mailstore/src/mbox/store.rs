//! [`MboxStore`] itself: the [`Store`] wall in front of the mbox modules.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::append::MboxAppend;
use super::deliver::deliver;
use super::location::MboxLocation;
use super::mailbox::MboxMailbox;
use super::place::{CONTROL, CONTROL_BEFORE, Place, TMP};
use super::{MboxOptions, folders, subscriptions};
use crate::batch::{Arrival, Staged};
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, Interest};
use crate::name::MailboxName;
use crate::special_use::{SpecialUseFile, SpecialUses};
use crate::store::{Access, Append, Delivered, Delivery, Mailbox, MailboxInfo, MessageReader, Settle, Store};
use crate::watch::{Target, Tell, Watch};

/// Files in the control directory that carry a name of ours for one use, and are older than this, are nobody's.
const SWEEP_AFTER: Duration = Duration::from_secs(36 * 3600);

/// One user's mail in mbox files. Cloning shares.
#[derive(Debug, Clone)]
pub struct MboxStore(Arc<Inner>);

pub(super) struct Inner {
    pub(super) env: Env,
    pub(super) options: Arc<MboxOptions>,
    pub(super) location: MboxLocation,
    pub(super) settle: Option<Arc<dyn Settle>>,
    pub(super) uses: SpecialUseFile,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MboxStore").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn control(&self) -> PathBuf {
        self.location.root().join(CONTROL)
    }

    pub(super) fn place(&self, name: &MailboxName) -> Place {
        Place {
            env: self.env.clone(),
            options: Arc::clone(&self.options),
            path: self.location.file(name),
            control: self.control(),
            // No component holds a dot, so that no two names become one.
            key: name.as_str().replace('/', "."),
        }
    }

    /// What is kept in [`CONTROL`] was kept in [`CONTROL_BEFORE`] once: it goes there, whole. A journal that nobody finds would
    /// leave a mailbox half changed.
    fn take_over(&self) -> Result<()> {
        let (disk, root) = (self.env.fs(), self.location.root());
        let (before, now) = (root.join(CONTROL_BEFORE), self.control());
        let is_dir = |path: &std::path::Path| disk.metadata(path).is_ok_and(|metadata| metadata.is_dir);
        if !is_dir(&before) {
            return Ok(());
        }
        if is_dir(&now) {
            let why = "what earlier versions kept lies beside what is kept now";
            return Err(StoreError::new(ErrorKind::OldFormat, "opening the mailboxes", why).at(&before));
        }
        let failed = |error: std::io::Error| StoreError::io("moving to its place", &before, &error);
        if let Some(parent) = now.parent() {
            fs::make_dir(disk, parent)?;
            disk.rename(&before, &now).and_then(|()| disk.sync_dir(parent)).map_err(failed)?;
        }
        disk.sync_dir(root).map_err(failed)
    }

    /// Makes the directories that are missing.
    fn make_dirs(&self) -> Result<()> {
        let make = |dir: &std::path::Path| match self.env.fs().metadata(dir) {
            Ok(metadata) if metadata.is_dir => Ok(()),
            _ => fs::make_dir(self.env.fs(), dir),
        };
        make(&self.control().join(TMP))?;
        self.location.file(&MailboxName::inbox()).parent().map_or(Ok(()), make)
    }

    /// Makes the file of INBOX, if it is missing, and the directories: somebody may have taken them away.
    fn make_inbox(&self) -> Result<Place> {
        self.make_dirs()?;
        let place = self.place(&MailboxName::inbox());
        if self.env.fs().metadata(&place.path).is_ok() {
            return Ok(place);
        }
        match place.create() {
            Err(error) if error.kind() == ErrorKind::MailboxExists => Ok(place),
            Err(error) => Err(error),
            Ok(()) => Ok(place),
        }
    }
}

impl MboxStore {
    /// Opens the mailboxes at a location, and makes the directories and the file of INBOX where they are missing.
    /// `settle` is the spool that delivers into them, if any: it hears of deliveries that readers remove.
    ///
    /// # Errors
    /// When something cannot be made.
    pub fn open(
        env: Env,
        location: MboxLocation,
        options: MboxOptions,
        settle: Option<Arc<dyn Settle>>,
    ) -> Result<Self> {
        let control = location.root().join(CONTROL);
        let uses = SpecialUseFile::new(env.clone(), control.join("special-use"), control.clone());
        let inner = Inner { env, options: Arc::new(options), location, settle, uses };
        inner.take_over()?;
        inner.make_dirs()?;
        let inbox = inner.location.file(&MailboxName::inbox());
        for dir in [Some(&*control), inbox.parent()].into_iter().flatten() {
            // One that may be entered but not read: what lies there is synced file by file.
            let _ = inner.env.syncs().attach(dir);
        }
        inner.make_inbox()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Where a mailbox lies, of which an INBOX is made where it is missing.
    fn place_to_add(&self, name: &MailboxName) -> Result<Place> {
        if name.is_inbox() { self.0.make_inbox() } else { Ok(self.0.place(name)) }
    }

    /// Delivers to the mailbox of the first.
    fn deliver_to_one(&self, arrivals: &mut [Arrival<'_>]) -> Vec<Result<Delivered>> {
        let place = arrivals.first().map(|first| self.place_to_add(first.mailbox));
        match place {
            None => Vec::new(),
            Some(Ok(place)) => deliver(&place, arrivals),
            Some(Err(error)) => arrivals.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

impl Store for MboxStore {
    fn list(&self) -> Result<Vec<MailboxInfo>> {
        folders::list(&self.0)
    }

    /// In the control directory. Journals are never removed, those that were set aside least of all.
    fn sweep(&self) -> Result<()> {
        let (control, disk) = (self.0.control(), self.0.env.fs());
        for (dir, prefix) in [(control.join(TMP), ""), (control, "tmp.")] {
            let entries = disk.read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
            let is_ours = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
            for entry in entries.iter().filter(|entry| !entry.is_dir && is_ours(&entry.name)) {
                let path = dir.join(&entry.name);
                let age = disk.metadata(&path).map(|it| self.0.env.host().now().saturating_sub(it.mtime));
                if age.is_ok_and(|age| age > SWEEP_AFTER) {
                    let _ = disk.unlink(&path);
                }
            }
        }
        Ok(())
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
        subscriptions::names(&self.0)
    }

    fn set_special_use(&self, name: &MailboxName, uses: SpecialUses) -> Result<()> {
        self.0.place(name).stamp()?;
        self.0.uses.set(name, uses)
    }

    fn open(&self, name: &MailboxName, access: Access) -> Result<Box<dyn Mailbox>> {
        let place = self.place_to_add(name)?;
        Ok(Box::new(MboxMailbox::open(self.0.clone(), place, access)?))
    }

    fn append(&self, name: &MailboxName) -> Result<Box<dyn Append>> {
        let place = self.place_to_add(name)?;
        Ok(Box::new(MboxAppend::begin_at(place)?))
    }

    fn deliver(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> Result<Delivered> {
        let mut arrival = [Arrival { mailbox: name, delivery: delivery.clone(), body }];
        self.deliver_to_one(&mut arrival).pop().expect("invariant: one result for each delivery")
    }

    /// Makes them: those to one mailbox that stand side by side together.
    fn stage_all(&self, arrivals: &mut [Arrival<'_>]) -> Vec<Result<Staged>> {
        let to_one = arrivals.chunk_by_mut(|one, next| one.mailbox == next.mailbox);
        to_one.flat_map(|to_one| self.deliver_to_one(to_one)).map(|result| result.map(Staged::done)).collect()
    }

    fn watch(&self, name: &MailboxName, tell: &Tell) -> Result<Option<Watch>> {
        // The file and not its directory: in one that all users share, each change of anybody's mailbox, and each lock
        // file, would be told to all.
        let file = Target::new(self.0.place(name).path, Interest::Content);
        self.0.env.watcher().watch(vec![file], tell)
    }
}

/// What is refused of a mailbox's name here.
pub(super) fn bad_name(why: &'static str) -> StoreError {
    StoreError::new(ErrorKind::BadName, "naming a mailbox", why)
}

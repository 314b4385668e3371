//! Blocking stores, one for each account, behind [`Store`].

use super::deliveries::{Deliveries, Place};
use super::files::AliasFiles;
use super::mailbox::{LocalAppend, LocalMailbox};
use super::maildirs::Quotas;
use super::on_thread;
use crate::blocking::Blocking;
use crate::wall::{AccountId, Append, Delivery, Opened, Store, StoreResult};
use mailstore::{
    Access, DefaultMailbox, Delivered, ErrorKind, MailboxInfo, MailboxName, MailboxStatus, StoreError, Tell,
    Watch, defaults,
};
use std::path::Path;
use std::sync::Arc;

/// Finds the store of an account; it may block, and is called on a store thread, for every operation.
pub type Locate = dyn Fn(&AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> + Send + Sync;

/// The `mailstore` stores of all accounts, on store threads.
#[derive(Clone)]
pub struct LocalStore {
    locate: Arc<Locate>,
    blocking: Blocking,
    deliveries: Arc<Deliveries>,
    quotas: Option<Arc<Quotas>>,
    mailboxes: Arc<[DefaultMailbox]>,
    files: bool,
}

impl LocalStore {
    /// The way to find an account's store, and the threads it may block.
    pub fn new(
        locate: impl Fn(&AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> + Send + Sync + 'static,
        blocking: Blocking,
    ) -> Self {
        let locate: Arc<Locate> = Arc::new(locate);
        let deliveries = deliveries(&locate, None, &blocking);
        Self { locate, blocking, deliveries, quotas: None, mailboxes: Arc::default(), files: false }
    }

    /// Adds what the settings say mailboxes are for to what the stores say.
    #[must_use]
    pub fn with_mailboxes(self, mailboxes: Arc<[DefaultMailbox]>) -> Self {
        Self { mailboxes, ..self }
    }

    /// Checks quotas before mail is accepted, for accounts that have limits in `quotas`. What the stores themselves
    /// refuse does not depend on it.
    #[must_use]
    pub fn with_quotas(self, quotas: Arc<Quotas>) -> Self {
        Self { quotas: Some(quotas), ..self }
    }

    /// Delivers to files that aliases name, too.
    #[must_use]
    pub(super) fn with_files(self, files: AliasFiles) -> Self {
        let deliveries = deliveries(&self.locate, Some(files), &self.blocking);
        Self { deliveries, files: true, ..self }
    }

    /// Runs an operation on the store of an account.
    fn on<T: Send + 'static>(
        &self,
        account: &AccountId,
        job: impl FnOnce(&dyn mailstore::Store) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreResult<T> {
        let (locate, account) = (Arc::clone(&self.locate), account.clone());
        on_thread(&self.blocking, move || job(&*locate(&account)?))
    }
}

/// Deliveries to accounts, and to files where there are any.
fn deliveries(locate: &Arc<Locate>, files: Option<AliasFiles>, blocking: &Blocking) -> Arc<Deliveries> {
    let locate = Arc::clone(locate);
    let find = move |place: &Place| match place {
        Place::Account(account) => locate(account),
        Place::File(path) => match &files {
            Some(files) => files.open(path),
            None => {
                let why = "nothing is delivered to files here, or not any more";
                Err(StoreError::new(ErrorKind::Denied, "delivering to a file", why).at(Path::new(path)))
            }
        },
    };
    Deliveries::new(find, blocking.clone())
}

impl Store for LocalStore {
    fn list(&self, account: &AccountId) -> StoreResult<Vec<MailboxInfo>> {
        let mailboxes = Arc::clone(&self.mailboxes);
        self.on(account, move |store| {
            let mut list = store.list()?;
            defaults::show_uses(&mut list, &mailboxes);
            Ok(list)
        })
    }

    fn create(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()> {
        let name = name.clone();
        self.on(account, move |store| store.create(&name))
    }

    fn delete(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()> {
        let name = name.clone();
        self.on(account, move |store| store.delete(&name))
    }

    fn rename(&self, account: &AccountId, from: &MailboxName, to: &MailboxName) -> StoreResult<()> {
        let (from, to) = (from.clone(), to.clone());
        self.on(account, move |store| store.rename(&from, &to))
    }

    fn subscribe(&self, account: &AccountId, name: &MailboxName, subscribed: bool) -> StoreResult<()> {
        let name = name.clone();
        self.on(
            account,
            move |store| {
                if subscribed { store.subscribe(&name) } else { store.unsubscribe(&name) }
            },
        )
    }

    fn subscriptions(&self, account: &AccountId) -> StoreResult<Vec<MailboxName>> {
        self.on(account, |store| store.subscriptions())
    }

    fn open(&self, account: &AccountId, name: &MailboxName, access: Access) -> StoreResult<Opened> {
        let (name, blocking) = (name.clone(), self.blocking.clone());
        self.on(account, move |store| Ok(LocalMailbox::opened(store.open(&name, access)?, blocking)))
    }

    fn status(&self, account: &AccountId, name: &MailboxName) -> StoreResult<MailboxStatus> {
        let name = name.clone();
        self.on(account, move |store| store.status(&name))
    }

    fn append(&self, account: &AccountId, name: &MailboxName) -> StoreResult<Box<dyn Append>> {
        let (name, blocking) = (name.clone(), self.blocking.clone());
        self.on(account, move |store| Ok(LocalAppend::boxed(store.append(&name)?, blocking)))
    }

    fn check_quota(&self, account: &AccountId, name: &MailboxName, bytes: u64) -> StoreResult<()> {
        if self.quotas.as_ref().is_none_or(|quotas| quotas(account).limits.is_none()) {
            return Box::pin(std::future::ready(Ok(())));
        }
        let name = name.clone();
        self.on(account, move |store| store.check_quota(&name, bytes))
    }

    fn deliver(
        &self,
        account: &AccountId,
        name: &MailboxName,
        delivery: Delivery,
        body: Box<dyn mailstore::MessageReader>,
    ) -> StoreResult<Delivered> {
        let place = Place::Account(account.clone());
        Box::pin(Arc::clone(&self.deliveries).deliver(place, name.clone(), delivery, body))
    }

    fn delivers_to_files(&self) -> bool {
        self.files
    }

    fn deliver_to_file(
        &self,
        path: &str,
        delivery: Delivery,
        body: Box<dyn mailstore::MessageReader>,
    ) -> StoreResult<Delivered> {
        let place = Place::File(path.to_owned());
        Box::pin(Arc::clone(&self.deliveries).deliver(place, MailboxName::inbox(), delivery, body))
    }

    fn watch(&self, account: &AccountId, name: &MailboxName, tell: Tell) -> StoreResult<Option<Watch>> {
        let name = name.clone();
        self.on(account, move |store| store.watch(&name, &tell))
    }
}

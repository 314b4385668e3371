//! Blocking stores, one for each account, behind [`Store`].

use super::deliveries::{Deliveries, Place};
use super::files::AliasFiles;
use super::mailbox::{LocalAppend, LocalMailbox};
use super::maildirs::Quotas;
use super::on_thread;
use crate::blocking::Blocking;
use crate::wall::{AccountId, Append, Delivery, Later, Opened, Store, StoreResult};
use mailstore::{
    Access, DefaultMailbox, Delivered, ErrorKind, MailboxInfo, MailboxName, MailboxStatus, StoreError, Tell,
    Watch, defaults,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Semaphore;

/// Finds the store of an account; it may block, and is called on a store thread, for every operation.
pub type Locate = dyn Fn(&AccountId) -> Result<Arc<dyn mailstore::Store>, StoreError> + Send + Sync;

/// The `mailstore` stores of all accounts, on store threads.
///
/// # Limits
/// The operations of one account have a quarter of the threads at a time, those on what it has opened included; what comes beyond
/// waits on the reactor. Deliveries are not among them.
#[derive(Clone)]
pub struct LocalStore {
    locate: Arc<Locate>,
    blocking: Blocking,
    shares: Arc<Shares>,
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
        Self {
            locate,
            blocking,
            shares: Arc::default(),
            deliveries,
            quotas: None,
            mailboxes: Arc::default(),
            files: false,
        }
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
        let (locate, blocking, account) =
            (Arc::clone(&self.locate), self.threads_of(account), account.clone());
        on_thread(&blocking, move || job(&*locate(&account)?))
    }

    /// The threads, as far as an account may have them: one whose mailbox is slow or locked must not hold them all.
    fn threads_of(&self, account: &AccountId) -> Blocking {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(account).and_then(Weak::upgrade) {
            return self.blocking.of(share);
        }
        if shares.len().is_power_of_two() {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = self.blocking.share();
        shares.insert(account.clone(), Arc::downgrade(&share));
        self.blocking.of(share)
    }
}

/// What accounts that have something to do or something open may have of the threads.
type Shares = Mutex<HashMap<AccountId, Weak<Semaphore>>>;

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
        let (name, blocking) = (name.clone(), self.threads_of(account));
        self.on(account, move |store| Ok(LocalMailbox::opened(store.open(&name, access)?, blocking)))
    }

    fn status(&self, account: &AccountId, name: &MailboxName) -> StoreResult<MailboxStatus> {
        let name = name.clone();
        self.on(account, move |store| store.status(&name))
    }

    fn append(&self, account: &AccountId, name: &MailboxName) -> StoreResult<Box<dyn Append>> {
        let (name, blocking) = (name.clone(), self.threads_of(account));
        self.on(account, move |store| Ok(LocalAppend::boxed(store.append(&name)?, blocking)))
    }

    fn settled(&self) -> Later<'static, ()> {
        let blocking = self.blocking.clone();
        Box::pin(async move { blocking.settled().await })
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

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::MemoryStore;
    use mailstore::RealHost;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Sessions of one account, as many as there are threads, wait for its store; another account has its answer.
    #[tokio::test]
    async fn an_account_whose_store_hangs_leaves_threads_to_others() {
        let account = |name| AccountId::new(name, "example.test").expect("a name");
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let memory: Arc<dyn mailstore::Store> = Arc::new(MemoryStore::new(RealHost::new("test")));
        let locate = move |account: &AccountId| {
            if account.to_string().starts_with("slow") {
                let _ = released.lock().map(|released| released.recv());
            }
            Ok(Arc::clone(&memory))
        };
        let blocking = Blocking::threads("test", 4, 100).expect("threads");
        let store = LocalStore::new(locate, blocking);
        let inbox = MailboxName::inbox();
        let slow: Vec<_> = (0..20).map(|_| tokio::spawn(store.status(&account("slow"), &inbox))).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Else it would wait for the others, which wait for it.
        let quick = store.status(&account("quick"), &inbox);
        tokio::time::timeout(Duration::from_secs(30), quick)
            .await
            .expect("a thread")
            .expect("it has an inbox");
        drop(release);
        for status in slow {
            status.await.expect("no panic").expect("it has an inbox");
        }
        store.status(&account("quick"), &inbox).await.expect("it has an inbox");
    }
}

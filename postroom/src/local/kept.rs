//! Opened stores, kept while they are in use, and swept: what crashes left in them long ago is removed.

use crate::wall::AccountId;
use mailstore::{DefaultMailbox, Store, StoreError, defaults};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many stores are kept.
pub(super) const STORES_MAX: usize = 10_000;

/// A store in use is swept when it is opened, and then so often. The one who finds that it is time does it.
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The stores of accounts, each with what it was opened with: when that is another, it is opened anew.
///
/// # Limits
/// As many as `STORES_MAX` are kept; when there are more, all are let go and opened again as they are needed.
#[derive(Default)]
pub(super) struct Kept<K>(Mutex<HashMap<AccountId, Entry<K>>>);

struct Entry<K> {
    with: K,
    store: Arc<dyn Store>,
    sweep_at: Instant,
}

impl<K: PartialEq> Kept<K> {
    /// The store of an account. When it is opened, those of `mailboxes` are made that are to be made by themselves.
    pub(super) fn open(
        &self,
        account: &AccountId,
        with: K,
        mailboxes: &[DefaultMailbox],
        open: impl FnOnce() -> Result<Arc<dyn Store>, StoreError>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        if let Some((store, is_due)) = self.known(account, &with) {
            if is_due {
                sweep(account, &*store);
            }
            return Ok(store);
        }
        // Opened outside the lock: one slow store must not hold up the others.
        let store = open()?;
        if let Err(error) = defaults::provide(&*store, mailboxes) {
            // What the user has already is there all the same.
            tracing::warn!(%account, %error, "a default mailbox could not be made");
        }
        sweep(account, &*store);
        let mut entries = self.entries();
        if entries.len() >= STORES_MAX {
            entries.clear();
        }
        match entries.get(account) {
            Some(entry) if entry.with == with => Ok(Arc::clone(&entry.store)),
            _ => {
                let entry = Entry { with, store: Arc::clone(&store), sweep_at: Instant::now() + SWEEP_EVERY };
                entries.insert(account.clone(), entry);
                Ok(store)
            }
        }
    }

    /// The store that is kept, and whether who asks is to sweep it.
    fn known(&self, account: &AccountId, with: &K) -> Option<(Arc<dyn Store>, bool)> {
        let mut entries = self.entries();
        let entry = entries.get_mut(account).filter(|entry| entry.with == *with)?;
        let now = Instant::now();
        let is_due = entry.sweep_at <= now;
        if is_due {
            entry.sweep_at = now + SWEEP_EVERY;
        }
        Some((Arc::clone(&entry.store), is_due))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Entry<K>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sweep(account: &AccountId, store: &dyn Store) {
    if let Err(error) = store.sweep() {
        tracing::warn!(%account, %error, "what crashes left could not be looked for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::sim::SimHost;
    use mailstore::fs::{Fs as _, OpenMode, SimFs};
    use mailstore::{Env, MaildirStore};
    use std::path::Path;

    const DAYS: Duration = Duration::from_secs(48 * 3600);

    #[test]
    fn a_store_is_swept_when_it_is_opened_and_daily() {
        let disk = SimFs::new();
        let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
        let (kept, account) =
            (Kept::<()>::default(), AccountId::new("alice", "example.test").expect("a name"));
        let open = || {
            let store = || MaildirStore::open(env.clone(), Path::new("/mail"), None);
            kept.open(&account, (), &[], || Ok(Arc::new(store()?))).expect("it opens")
        };
        let leave = || {
            disk.open("/mail/tmp/1.x".as_ref(), OpenMode::CreateNew).expect("it is free");
            disk.advance(DAYS);
        };
        let is_left = || disk.metadata("/mail/tmp/1.x".as_ref()).is_ok();
        drop(MaildirStore::open(env.clone(), Path::new("/mail"), None).expect("it opens"));
        leave();
        open();
        assert!(!is_left(), "swept when it is opened");
        leave();
        open();
        assert!(is_left(), "not at each use");
        kept.entries().get_mut(&account).expect("it is kept").sweep_at = Instant::now();
        open();
        assert!(!is_left(), "but when a day is over");
        leave();
        open();
        assert!(is_left(), "once");
    }
}

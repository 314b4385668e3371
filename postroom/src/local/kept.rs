//! Opened stores, kept while they are in use.

use crate::wall::AccountId;
use mailstore::{DefaultMailbox, Store, StoreError, defaults};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many stores are kept.
pub(super) const STORES_MAX: usize = 10_000;

/// The stores of accounts, each with what it was opened with: when that is another, it is opened anew.
///
/// # Limits
/// As many as `STORES_MAX` are kept; when there are more, all are let go and opened again as they are needed.
#[derive(Default)]
pub(super) struct Kept<K>(Mutex<Stores<K>>);

type Stores<K> = HashMap<AccountId, (K, Arc<dyn Store>)>;

impl<K: PartialEq> Kept<K> {
    /// The store of an account. When it is opened, those of `mailboxes` are made that are to be made by themselves.
    pub(super) fn open(
        &self,
        account: &AccountId,
        with: K,
        mailboxes: &[DefaultMailbox],
        open: impl FnOnce() -> Result<Arc<dyn Store>, StoreError>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        if let Some((known, store)) = self.stores().get(account)
            && *known == with
        {
            return Ok(Arc::clone(store));
        }
        // Opened outside the lock: one slow store must not hold up the others.
        let store = open()?;
        if let Err(error) = defaults::provide(&*store, mailboxes) {
            // What the user has already is there all the same.
            tracing::warn!(%account, %error, "a default mailbox could not be made");
        }
        let mut stores = self.stores();
        if stores.len() >= STORES_MAX {
            stores.clear();
        }
        match stores.get(account) {
            Some((known, kept)) if *known == with => Ok(Arc::clone(kept)),
            _ => {
                stores.insert(account.clone(), (with, Arc::clone(&store)));
                Ok(store)
            }
        }
    }

    fn stores(&self) -> std::sync::MutexGuard<'_, Stores<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

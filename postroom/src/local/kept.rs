//! Opened stores, kept while they are in use.

use crate::wall::AccountId;
use mailstore::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The stores of accounts.
///
/// # Limits
/// As many as [`Kept::STORES_MAX`] are kept; when there are more, all are let go and opened again as they are needed.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<AccountId, Arc<dyn Store>>>);

impl Kept {
    pub(super) const STORES_MAX: usize = 10_000;

    /// The store of an account.
    pub(super) fn open(
        &self,
        account: &AccountId,
        open: impl FnOnce() -> Result<Arc<dyn Store>, StoreError>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        if let Some(store) = self.stores().get(account) {
            return Ok(Arc::clone(store));
        }
        // Opened outside the lock: one slow store must not hold up the others.
        let store = open()?;
        let mut stores = self.stores();
        if stores.len() >= Self::STORES_MAX {
            stores.clear();
        }
        Ok(Arc::clone(stores.entry(account.clone()).or_insert(store)))
    }

    fn stores(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Arc<dyn Store>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Who there is, and who may come in.

use super::{AccountId, Later};
use proto_core::Backend;
use proto_core::sasl::Credentials;
use std::fmt;

/// Knows the accounts.
pub trait Directory: Send + Sync + fmt::Debug {
    /// Whether the credentials are right: the account that the client may act as, or `None`.
    ///
    /// The answer to a wrong password and to an unknown user must not differ, in time neither.
    ///
    /// # Errors
    /// When it cannot be found out now.
    fn authenticate(&self, credentials: Credentials) -> Later<'_, Result<Option<AccountId>, Backend>>;

    /// Whether there is such an account, to receive mail.
    ///
    /// # Errors
    /// When it cannot be found out now.
    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>>;
}

/// One directory for several holders: who keeps a clone can reload it.
impl<D: Directory + ?Sized> Directory for std::sync::Arc<D> {
    fn authenticate(&self, credentials: Credentials) -> Later<'_, Result<Option<AccountId>, Backend>> {
        (**self).authenticate(credentials)
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        (**self).contains(account)
    }
}

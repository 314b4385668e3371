//! The login of every protocol: the directory's answer, logged, as the machines take it.

use crate::wall::{AccountId, Directory};
use proto_core::sasl::{AuthVerdict, Credentials};

/// Asks the directory; with `Accept` comes the account.
pub(super) async fn login(
    directory: &dyn Directory,
    credentials: Credentials,
) -> (AuthVerdict, Option<AccountId>) {
    let user = credentials.authcid().to_owned();
    match directory.authenticate(credentials).await {
        Ok(Some(account)) => {
            tracing::info!(%account, "logged in");
            (AuthVerdict::Accept, Some(account))
        }
        Ok(None) => {
            tracing::info!(user, "login refused");
            (AuthVerdict::Reject, None)
        }
        Err(error) => {
            tracing::error!(user, %error, "login could not be checked");
            (AuthVerdict::Backend(error), None)
        }
    }
}

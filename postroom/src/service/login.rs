//! The login of every protocol: the directory's answer, logged, as the machines take it.

use crate::wall::{AccountId, Directory};
use proto_core::TlsInfo;
use proto_core::sasl::{AuthVerdict, Authenticate, Mechanism};

/// Asks the directory; with `Accept` comes the account. `tls` is what the connection is protected by.
pub(super) async fn login(
    directory: &dyn Directory,
    asked: Authenticate,
    tls: Option<TlsInfo>,
) -> (AuthVerdict, Option<AccountId>) {
    let user = asked.credentials.authcid().or(asked.credentials.authzid()).unwrap_or_default().to_owned();
    // The protocol's own command, where there is no mechanism.
    let method = asked.mechanism.map_or("password", Mechanism::name);
    let tls = tls.map_or_else(|| "none".to_owned(), |tls| tls.version);
    match directory.authenticate(asked.credentials).await {
        Ok(Some(account)) => {
            tracing::info!(%account, method, tls, "logged in");
            (AuthVerdict::Accept, Some(account))
        }
        Ok(None) => {
            tracing::info!(user, method, tls, "login refused");
            (AuthVerdict::Reject, None)
        }
        Err(error) => {
            tracing::error!(user, %error, "login could not be checked");
            (AuthVerdict::Backend(error), None)
        }
    }
}

//! The login of every protocol: what the directory says, logged, as the machines take it.
//!
//! The fields of a log line have the names that Postfix gives them, `sasl_method` and `sasl_username`.

use crate::wall::{AccountId, Directory, Login};
use proto_core::TlsInfo;
use proto_core::sasl::{AuthVerdict, Authenticate, Credentials, LoginFailed, Mechanism};
use std::time::Duration;

/// Logs a login that the machine has refused by itself, as one that the directory has.
pub(super) fn login_failed(failed: &LoginFailed, tls: Option<&TlsInfo>) {
    refused(failed.authcid.as_deref().unwrap_or_default(), method(failed.mechanism), &version(tls));
}

fn refused(sasl_username: &str, sasl_method: &str, tls: &str) {
    tracing::info!(sasl_username, sasl_method, tls, "login refused");
}

/// What a connection is protected by.
fn version(tls: Option<&TlsInfo>) -> String {
    tls.map_or_else(|| "none".to_owned(), |tls| tls.version.clone())
}

/// The protocol's own command, where there is no mechanism.
fn method(mechanism: Option<Mechanism>) -> &'static str {
    mechanism.map_or("password", Mechanism::name)
}

/// Asks the directory; with `Accept` comes the account. `tls` is what the connection is protected by.
pub(super) async fn login(
    directory: &dyn Directory,
    asked: Authenticate,
    tls: Option<TlsInfo>,
) -> (AuthVerdict, Option<AccountId>) {
    let Authenticate { mechanism, credentials } = asked;
    let sasl_method = method(mechanism);
    let version = version(tls.as_ref());
    let claimed = claimed(&credentials);
    if let Credentials::Lookup { authcid, wanted } = &credentials {
        tracing::debug!(sasl_username = authcid, sasl_method, tls = version, "login begins");
        let verdict = match directory.secret(authcid, *wanted).await {
            Ok(Some(secret)) => AuthVerdict::Secret(secret),
            Ok(None) => AuthVerdict::Reject,
            Err(error) => {
                tracing::error!(sasl_username = claimed, sasl_method, %error, "login could not be checked");
                AuthVerdict::Backend(error)
            }
        };
        return (verdict, None);
    }
    let mut login = Login::new(credentials);
    login.mechanism = mechanism;
    login.tls = tls;
    match directory.authenticate(login).await {
        Ok(Some(account)) => {
            tracing::info!(sasl_username = %account, sasl_method, tls = version, "logged in");
            (AuthVerdict::Accept, Some(account))
        }
        Ok(None) => {
            refused(&claimed, sasl_method, &version);
            tokio::time::sleep(FAILED_LOGIN_DELAY).await;
            (AuthVerdict::Reject, None)
        }
        Err(error) => {
            tracing::error!(sasl_username = claimed, sasl_method, %error, "login could not be checked");
            (AuthVerdict::Backend(error), None)
        }
    }
}

/// How long the refusal of a wrong password is held back, so that passwords are not tried out at the speed of the wire; as
/// long as Dovecot's `auth_failure_delay`. A wrong proof (SCRAM, CRAM-MD5), which the machine judges, is refused at once.
const FAILED_LOGIN_DELAY: Duration = Duration::from_secs(2);

/// Who the client says that it is, as far as it has.
fn claimed(credentials: &Credentials) -> String {
    let name = match credentials {
        Credentials::Anonymous { trace } => trace.as_deref(),
        other => other.authcid().or(other.authzid()),
    };
    name.unwrap_or_default().to_owned()
}

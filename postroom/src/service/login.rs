//! The login of every protocol: what the directory says, logged, as the machines take it.
//!
//! The fields of a log line have the names that Postfix gives them, `sasl_method` and `sasl_username`.

use crate::wall::{AccountId, Directory, Login};
use proto_core::TlsInfo;
use proto_core::sasl::{AuthVerdict, Authenticate, Credentials, Mechanism};

/// The logins of a session that have begun with the lookup of a secret, for the log: that a client did not know the
/// secret, or went away before it said so, only the machine sees. It is told of the last one when the next begins, or
/// the session ends.
#[derive(Debug, Default)]
pub(super) struct Logins(Option<(String, &'static str)>);

impl Logins {
    /// The machine has a question.
    pub(super) fn asked(&mut self, asked: &Authenticate) {
        let begun = self.0.take();
        match &asked.credentials {
            Credentials::Verified { .. } => {}
            Credentials::Lookup { authcid, .. } => {
                unproved(begun);
                self.0 = Some((authcid.clone(), method(asked.mechanism)));
            }
            _ => unproved(begun),
        }
    }

    /// The session is over.
    pub(super) fn ended(&mut self) {
        unproved(self.0.take());
    }
}

fn unproved(begun: Option<(String, &'static str)>) {
    if let Some((sasl_username, sasl_method)) = begun {
        tracing::info!(sasl_username, sasl_method, "login refused: the secret was not shown to be known");
    }
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
    let version = tls.as_ref().map_or_else(|| "none".to_owned(), |tls| tls.version.clone());
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
            tracing::info!(sasl_username = claimed, sasl_method, tls = version, "login refused");
            (AuthVerdict::Reject, None)
        }
        Err(error) => {
            tracing::error!(sasl_username = claimed, sasl_method, %error, "login could not be checked");
            (AuthVerdict::Backend(error), None)
        }
    }
}

/// Who the client says that it is, as far as it has.
fn claimed(credentials: &Credentials) -> String {
    let name = match credentials {
        Credentials::Anonymous { trace } => trace.as_deref(),
        other => other.authcid().or(other.authzid()),
    };
    name.unwrap_or_default().to_owned()
}

//! Who there is, and who may come in.

use super::{AccountId, Later};
use proto_core::sasl::{Credentials, Mechanism, StoredSecret, Wanted};
use proto_core::{Backend, TlsInfo};
use std::fmt;
use std::sync::Arc;

/// Knows the accounts.
///
/// Only [`authenticate`](Directory::authenticate) and [`contains`](Directory::contains) must be there. Who has them alone
/// serves the mechanisms that show the password, PLAIN and LOGIN.
pub trait Directory: Send + Sync + fmt::Debug {
    /// Whether the credentials are right: the account that the client may act as, or `None`.
    ///
    /// [`Credentials::Lookup`] never comes here. An account that may act as others says so here too; most answer `None`
    /// to every [`Credentials::authzid`] that means another account.
    ///
    /// The answer to a wrong password and to an unknown user must not differ, in time neither.
    ///
    /// # Errors
    /// When it cannot be found out now.
    fn authenticate(&self, login: Login) -> Later<'_, Result<Option<AccountId>, Backend>>;

    /// The secret that a mechanism wants which never sees the password, as [`Credentials::Lookup`] asks for it. When
    /// the client has shown that it knows the secret, [`Credentials::Verified`] comes to
    /// [`authenticate`](Directory::authenticate).
    ///
    /// `None` when there is none of the kind, or no such user; the client is not told which.
    ///
    /// # Errors
    /// When it cannot be found out now.
    fn secret<'a>(
        &'a self,
        _authcid: &'a str,
        _wanted: Wanted,
    ) -> Later<'a, Result<Option<StoredSecret>, Backend>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Who can log in by a mechanism: what nobody can use is not offered, whatever the settings say.
    fn serves(&self, mechanism: Mechanism) -> Serves {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => Serves::Everybody,
            _ => Serves::Nobody,
        }
    }

    /// Whether there is such an account, to receive mail.
    ///
    /// # Errors
    /// When it cannot be found out now.
    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>>;
}

/// What a client has shown, and over what it came.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Login {
    /// What is to be judged.
    pub credentials: Credentials,
    /// By which mechanism; `None` by a command of the protocol's own (IMAP LOGIN, POP3 USER and PASS).
    pub mechanism: Option<Mechanism>,
    /// The TLS session, if there is one. It holds the certificate of [`Credentials::External`].
    pub tls: Option<TlsInfo>,
}

impl Login {
    /// Credentials that came by no mechanism and outside TLS.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, mechanism: None, tls: None }
    }
}

/// How many of the users of a [`Directory`] can log in by a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Each of them; it is offered unless the settings say otherwise.
    Everybody,
    /// Some of them; it is offered where the settings name it. Clients take the strongest mechanism that is offered, and
    /// seldom try a second.
    Somebody,
    /// None; it is never offered.
    Nobody,
}

/// Judges bearer tokens (RFC 6750), for the mechanisms OAUTHBEARER and XOAUTH2.
pub trait TokenVerifier: Send + Sync + fmt::Debug {
    /// Whose token it is; `None` when it is not good.
    ///
    /// # Errors
    /// When it cannot be found out now.
    fn verify(&self, token: BearerToken) -> Later<'_, Result<Option<AccountId>, Backend>>;
}

/// A bearer token, and what the client said with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BearerToken {
    /// The token.
    pub token: proto_core::Secret,
    /// Whom the client wants to act as, if it said so. The answer is compared with it; it proves nothing.
    pub authzid: Option<String>,
    /// The server's name as the client knows it. RFC 7628 section 3.2: an application that knows its name must see that
    /// it is this one.
    pub host: Option<String>,
    /// The server's port as the client knows it.
    pub port: Option<u16>,
}

/// One directory for several holders: who keeps a clone can reload it.
impl<D: Directory + ?Sized> Directory for Arc<D> {
    fn authenticate(&self, login: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        (**self).authenticate(login)
    }

    fn secret<'a>(
        &'a self,
        authcid: &'a str,
        wanted: Wanted,
    ) -> Later<'a, Result<Option<StoredSecret>, Backend>> {
        (**self).secret(authcid, wanted)
    }

    fn serves(&self, mechanism: Mechanism) -> Serves {
        (**self).serves(mechanism)
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        (**self).contains(account)
    }
}

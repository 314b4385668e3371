//! The passwd-file as a [`Directory`]: who a client is, and what a mechanism needs to find out.

use super::stored::StoredPassword;
use super::{PASSWORD_BYTES_MAX, PasswdFile, certificate_names};
use crate::wall::{AccountId, BearerToken, Directory, Later, Login, Serves};
use proto_core::Backend;
use proto_core::sasl::{Credentials, Mechanism, ScramHash, StoredSecret, Wanted};
use proto_core::secret::Secret;
use std::sync::Arc;

impl PasswdFile {
    /// The account of that name, whether it is there or not.
    fn named(&self, name: &str) -> Option<AccountId> {
        AccountId::from_login(name, self.default_domain.as_deref())
    }

    /// Whether an account can be logged in to: it is there, and its line is whole.
    fn opens(&self, account: &AccountId) -> bool {
        self.table.load().password(account).is_some()
    }

    /// The account itself, if the client does not ask for another one.
    fn as_asked(&self, account: AccountId, authzid: Option<&str>) -> Option<AccountId> {
        let asked = authzid.is_none_or(|name| self.named(name).as_ref() == Some(&account));
        Some(account).filter(|_| asked)
    }

    /// The name by which decoys are made: that of the account, by whatever spelling of it a client came.
    fn spelt(&self, name: &str) -> String {
        self.named(name).map_or_else(|| name.to_owned(), |account| account.to_string())
    }

    /// The stored password of those that `fit` that this name is checked against, and the account it then opens.
    pub(super) fn candidate(
        &self,
        name: &str,
        fit: impl Fn(&StoredPassword) -> bool,
    ) -> (Option<Arc<StoredPassword>>, Option<AccountId>) {
        let table = self.table.load();
        // Looked for in any case: it takes a time that grows with the file.
        let other = table.any_password(self.decoys.number(&self.spelt(name)), &fit);
        let own = self.named(name).and_then(|account| {
            let stored = table.password(&account).filter(|stored| fit(stored))?;
            Some((stored, account))
        });
        match own {
            Some((stored, account)) => (Some(stored), Some(account)),
            None => (other, None),
        }
    }

    async fn by_password(
        &self,
        authcid: &str,
        authzid: Option<&str>,
        password: &Secret,
    ) -> Result<Option<AccountId>, Backend> {
        let (stored, account) = self.candidate(authcid, |_| true);
        let account = account.and_then(|account| self.as_asked(account, authzid));
        let (Some(stored), password) = (stored, password.clone()) else {
            return Ok(None);
        };
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Ok(None);
        }
        let right = self.blocking.run(move || stored.matches(&password)).await?;
        Ok(account.filter(|_| right))
    }

    /// A certificate may have several names; one that has no account says nothing about the next.
    fn by_certificate(&self, certificate: &[u8], authzid: Option<&str>) -> Option<AccountId> {
        let names = certificate_names(certificate);
        // A name without a domain is one of whoever signed the certificate, and no user of ours for that.
        let mut accounts = names.iter().filter_map(|name| AccountId::from_login(name, None));
        accounts.find_map(|account| self.as_asked(account, authzid).filter(|account| self.opens(account)))
    }

    async fn by_token(&self, token: BearerToken) -> Result<Option<AccountId>, Backend> {
        let Some(verifier) = &self.tokens else { return Ok(None) };
        let authzid = token.authzid.clone();
        let account = verifier.verify(token).await?.filter(|account| self.opens(account));
        Ok(account.and_then(|account| self.as_asked(account, authzid.as_deref())))
    }

    fn by_lookup(
        &self,
        authcid: &str,
        wanted: Wanted,
    ) -> impl FnOnce() -> Option<StoredSecret> + Send + 'static {
        let (stored, account) = self.candidate(authcid, |stored| stored.serves(wanted));
        let name = self.spelt(authcid);
        let decoys = self.decoys.clone();
        move || match (stored, account) {
            (Some(stored), Some(_)) => stored.secret(wanted, &name, &decoys),
            (Some(stored), None) => stored.decoy(wanted, &name, &decoys),
            (None, _) => None,
        }
    }
}

/// What a mechanism wants that never sees the password.
pub(super) fn wanted(mechanism: Mechanism) -> Option<Wanted> {
    Some(match mechanism {
        Mechanism::CramMd5 => Wanted::Password,
        Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => Wanted::ScramKeys(ScramHash::Sha256),
        Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => Wanted::ScramKeys(ScramHash::Sha1),
        _ => return None,
    })
}

impl Directory for PasswdFile {
    fn authenticate(&self, login: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        Box::pin(async move {
            match login.credentials {
                Credentials::Password { authzid, authcid, password } => {
                    self.by_password(&authcid, authzid.as_deref(), &password).await
                }
                Credentials::Verified { authzid, authcid } => {
                    let account = self.named(&authcid).filter(|account| self.opens(account));
                    Ok(account.and_then(|account| self.as_asked(account, authzid.as_deref())))
                }
                Credentials::Token { authzid, token, host, port } => {
                    self.by_token(BearerToken { authzid, token, host, port }).await
                }
                Credentials::External { authzid } => {
                    let certificate = login.tls.and_then(|tls| tls.peer_certificate);
                    Ok(certificate.and_then(|der| self.by_certificate(&der, authzid.as_deref())))
                }
                Credentials::Anonymous { .. } => {
                    Ok(self.anonymous.clone().filter(|account| self.opens(account)))
                }
                _ => Ok(None),
            }
        })
    }

    fn secret<'a>(
        &'a self,
        authcid: &'a str,
        wanted: Wanted,
    ) -> Later<'a, Result<Option<StoredSecret>, Backend>> {
        let found = self.by_lookup(authcid, wanted);
        Box::pin(async move { Ok(self.blocking.run(found).await?) })
    }

    fn serves(&self, mechanism: Mechanism) -> Serves {
        let wanted = match mechanism {
            Mechanism::Plain | Mechanism::Login | Mechanism::External => return Serves::Everybody,
            Mechanism::OauthBearer | Mechanism::Xoauth2 if self.tokens.is_some() => return Serves::Everybody,
            Mechanism::Anonymous if self.anonymous.is_some() => return Serves::Everybody,
            _ => match wanted(mechanism) {
                Some(wanted) => wanted,
                None => return Serves::Nobody,
            },
        };
        let table = self.table.load();
        let (mut all, mut some) = (true, false);
        for stored in table.passwords() {
            let served = stored.serves(wanted);
            all &= served;
            some |= served;
        }
        match (all, some) {
            (true, true) => Serves::Everybody,
            (false, true) => Serves::Somebody,
            (_, false) => Serves::Nobody,
        }
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        Box::pin(std::future::ready(Ok(self.table.load().line(account).is_some())))
    }
}

//! The key of everything that belongs to one user: domain and user name.

use proto_core::address::{Domain, Mailbox};
use std::fmt;

/// An account: the user `user` of the tenant `domain`.
///
/// Both are lower case (ASCII; other letters stay as they are): a directory that tells `Bob` from `bob` is a trap for
/// those who write to them, and RFC 5321 section 2.4 leaves that to the receiving host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId {
    domain: String,
    user: String,
}

impl AccountId {
    /// The account of that name; `None` when either part is empty.
    pub fn new(user: &str, domain: &str) -> Option<Self> {
        (!user.is_empty() && !domain.is_empty())
            .then(|| Self { domain: domain.to_ascii_lowercase(), user: user.to_ascii_lowercase() })
    }

    /// The account that a login name means: `user@domain`, divided at the last `@`, or a user of
    /// `default_domain`.
    pub fn from_login(name: &str, default_domain: Option<&str>) -> Option<Self> {
        match name.rsplit_once('@') {
            Some((user, domain)) => Self::new(user, domain),
            None => Self::new(name, default_domain?),
        }
    }

    /// The account with this address; `None` when its domain is an address literal.
    pub fn from_mailbox(mailbox: &Mailbox) -> Option<Self> {
        match mailbox.domain() {
            Domain::Name(domain) => Self::new(mailbox.local_part().as_str(), domain.as_str()),
            _ => None,
        }
    }

    /// The tenant.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The user's name within it.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_after_the_last_at() {
        let id = AccountId::from_login("A@b@Example.Test", None).unwrap();
        assert_eq!((id.user(), id.domain()), ("a@b", "example.test"));
        assert_eq!(AccountId::from_login("bob", None), None);
        assert_eq!(AccountId::from_login("bob", Some("x.test")), AccountId::new("bob", "x.test"));
        assert_eq!(AccountId::from_login("@x.test", None), None);
    }
}

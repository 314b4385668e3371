//! What a policy is compiled from, and what is refused there.

use crate::address::Routing;
use crate::decision::Destination;
use crate::evaluate::Evaluation;
use crate::network::{NetworkError, NetworkList};
use crate::request::{Listener, Request, Stage};
use crate::resolve::{Resolved, resolve, routing};
use crate::restriction::{ListName, Restriction};
use proto_core::address::Mailbox;
use std::collections::BTreeMap;

/// What holds for all listeners.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// The domains whose mailboxes are here, in A-labels or U-labels. A subdomain is another domain.
    pub local_domains: Vec<String>,
    /// The clients that are trusted by their address: `127.0.0.0/8`, `::1`, `[2001:db8::]/32`; `!` before an entry
    /// excludes it, and the first entry that matches decides.
    pub mynetworks: Vec<String>,
    /// Whose mailbox takes what is for `<Postmaster>`, and for `postmaster` of a local domain that has no such mailbox.
    /// It is in a local domain. Where it does not exist, the postmaster cannot be reached, which RFC 5321 section 4.5.1
    /// forbids: the application should see to it.
    pub postmaster: Mailbox,
}

impl PolicyConfig {
    /// No local domain and no trusted network yet.
    pub fn new(postmaster: Mailbox) -> Self {
        Self { local_domains: Vec::new(), mynetworks: Vec::new(), postmaster }
    }
}

/// What one listener has in place of the common configuration and of the lists its kind comes with.
#[derive(Debug, Clone, Default)]
pub struct PolicyOverrides {
    /// In place of [`PolicyConfig::mynetworks`].
    pub mynetworks: Option<Vec<String>>,
    /// Lists in place of the listener's own. Those not named here stay: on [`Listener::Smtp`] the relay list
    /// `permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination`; on [`Listener::Submission`]
    /// `permit_sasl_authenticated, reject`; on [`Listener::Lmtp`] `reject_unauth_destination`; all others are empty.
    pub lists: BTreeMap<ListName, Vec<Restriction>>,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An entry of `mynetworks`.
    #[error("mynetworks: {0}")]
    Network(NetworkError),
    /// An entry of the local domains.
    #[error("local domains: {0}: not a domain name")]
    Domain(String),
    /// The postmaster's mailbox is not in a local domain.
    #[error("postmaster: {0}: not in a local domain")]
    Postmaster(Mailbox),
    /// Neither the relay list nor the recipient list refuses anybody.
    #[error(
        "an open relay: neither the relay list nor the recipient list has reject_unauth_destination or reject \
         where a stranger reaches it"
    )]
    OpenRelay,
}

/// The policy of one listener, compiled; it decides nothing by itself, see [`Policy::evaluate`].
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) listener: Listener,
    pub(crate) routing: Routing,
    pub(crate) mynetworks: NetworkList,
    pub(crate) postmaster: Destination,
    lists: BTreeMap<ListName, Vec<Restriction>>,
}

impl Policy {
    /// Checks a configuration and makes it ready for use.
    ///
    /// # Errors
    /// [`ConfigError`] names the entry that is wrong.
    pub fn compile(
        config: &PolicyConfig,
        listener: Listener,
        overrides: &PolicyOverrides,
    ) -> Result<Self, ConfigError> {
        let mynetworks = overrides.mynetworks.as_ref().unwrap_or(&config.mynetworks);
        let mut lists = default_lists(listener);
        lists.extend(overrides.lists.clone());
        let routing =
            routing(&config.local_domains, config.postmaster.domain()).map_err(ConfigError::Domain)?;
        let postmaster = resolve(&config.postmaster, &routing)
            .ok()
            .filter(Resolved::is_authorised)
            .ok_or_else(|| ConfigError::Postmaster(config.postmaster.clone()))?;
        let policy = Self {
            listener,
            routing,
            mynetworks: NetworkList::new(mynetworks).map_err(ConfigError::Network)?,
            postmaster: postmaster.destination,
            lists,
        };
        let guards = [ListName::Relay, ListName::Recipient];
        if guards.into_iter().any(|name| stops_strangers(policy.list(name))) {
            Ok(policy)
        } else {
            Err(ConfigError::OpenRelay)
        }
    }

    /// Begins a decision.
    pub fn evaluate<'a>(&'a self, request: &'a Request, stage: Stage<'a>) -> Evaluation<'a> {
        Evaluation::new(self, request, stage)
    }

    pub(crate) fn list(&self, name: ListName) -> &[Restriction] {
        self.lists.get(&name).map_or(&[], Vec::as_slice)
    }
}

fn default_lists(listener: Listener) -> BTreeMap<ListName, Vec<Restriction>> {
    use Restriction::{PermitMynetworks, PermitSaslAuthenticated, Reject, RejectUnauthDestination};
    let relay = match listener {
        Listener::Smtp => vec![PermitMynetworks, PermitSaslAuthenticated, RejectUnauthDestination],
        Listener::Submission => vec![PermitSaslAuthenticated, Reject],
        Listener::Lmtp => vec![RejectUnauthDestination],
    };
    BTreeMap::from([(ListName::Relay, relay)])
}

/// Whether a client that no rule knows is refused a foreign recipient by this list.
fn stops_strangers(list: &[Restriction]) -> bool {
    list.iter()
        .take_while(|restriction| **restriction != Restriction::Permit)
        .any(|restriction| matches!(restriction, Restriction::Reject | Restriction::RejectUnauthDestination))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(relay: &str, recipient: &str) -> Result<Policy, ConfigError> {
        let config = PolicyConfig {
            local_domains: vec!["example.test".into()],
            ..PolicyConfig::new("postmaster@example.test".parse().unwrap())
        };
        let lists = [(ListName::Relay, relay), (ListName::Recipient, recipient)]
            .map(|(name, list)| (name, Restriction::parse_list(list).unwrap()));
        let overrides = PolicyOverrides { mynetworks: None, lists: lists.into() };
        Policy::compile(&config, Listener::Smtp, &overrides)
    }

    #[test]
    fn an_open_relay_does_not_compile() {
        for (relay, recipient) in [
            ("", ""),
            ("permit_mynetworks", "reject_unlisted_recipient"),
            ("permit, reject_unauth_destination", "permit, reject"),
        ] {
            assert_eq!(
                compile(relay, recipient).unwrap_err(),
                ConfigError::OpenRelay,
                "{relay} / {recipient}"
            );
        }
        assert!(compile("", "permit_mynetworks reject_unauth_destination").is_ok());
        assert!(compile("reject", "permit").is_ok());
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let postmaster: Mailbox = "postmaster@example.test".parse().unwrap();
        let refused = |domains: &[&str], networks: &[&str]| {
            let config = PolicyConfig {
                local_domains: domains.iter().map(ToString::to_string).collect(),
                mynetworks: networks.iter().map(ToString::to_string).collect(),
                postmaster: postmaster.clone(),
            };
            Policy::compile(&config, Listener::Smtp, &PolicyOverrides::default()).unwrap_err().to_string()
        };
        assert_eq!(refused(&["a.test"], &[]), "postmaster: postmaster@example.test: not in a local domain");
        assert_eq!(refused(&["a..b"], &[]), "local domains: a..b: not a domain name");
        assert_eq!(
            refused(&["example.test"], &["10.0.0.1/8"]),
            "mynetworks: 10.0.0.1/8: bits are set beyond the network's length: write 10.0.0.0/8"
        );
    }
}

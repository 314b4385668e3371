//! What aliases lead to.

use super::Rehearsal;
use crate::policy::{Answerer, why_unusable};
use crate::settings::SmtpProfile;
use relay_policy::address::{Address, Failure, INCLUDE};
use relay_policy::table::{Answers, Entry};

/// How many keys of a listener's alias tables are followed.
const KEYS_MAX: usize = 10_000;

/// How many recipients all of them together may lead to, so that a table of large lists takes no minutes.
const RECIPIENTS_MAX: usize = 500_000;

/// Who stands for everybody in a domain that has one alias for all.
const ANYBODY: &str = "postroom-check-asks-for-anybody";

/// A key of an alias table, mail for which is refused, or comes to a command that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostAlias {
    /// Where it is written: the file, with the line where the table knows it.
    pub place: String,
    /// The key.
    pub key: String,
    /// Who cannot get the mail, and why: the first, where there are several.
    pub why: String,
}

/// What came of following the aliases of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LostAliases {
    /// The keys that lead nowhere, in the order of the tables.
    pub lost: Vec<LostAlias>,
    /// How many keys were not followed, since there are more than [`Rehearsal::lost_aliases`] follows.
    pub not_followed: usize,
}

impl Rehearsal {
    /// Follows each key of `alias_maps` and `virtual_alias_maps`, on a listener named as in the settings, to those who would get the
    /// mail, and tells which lead to somebody who does not: a user who is not there, each other, a file that cannot be included, a
    /// program that is not there. Files are read, and programs looked for, as whoever calls; so it blocks.
    ///
    /// # Limits
    /// Tables that are not in memory, and patterns, have no keys to follow; nor is a name alone in `virtual_alias_maps` that looks like a
    /// domain, or a domain that stands for another. At most 10,000 keys are followed, and fewer where they lead to more than 500,000
    /// recipients. Of a command, the first word is looked at, if it is a path.
    pub async fn lost_aliases(&self, listener: &str) -> LostAliases {
        let (Ok(answerer), Some(profile)) = (self.answerer(listener), self.smtp(listener)) else {
            return LostAliases::default();
        };
        let mut found = LostAliases::default();
        let (aliases, more) = aliases(profile);
        found.not_followed = more;
        let mut recipients = 0;
        for Alias { place, key, address } in aliases {
            if recipients > RECIPIENTS_MAX {
                found.not_followed += 1;
                continue;
            }
            let (why, count) = answerer.why_lost(address).await;
            recipients += count;
            found.lost.extend(why.map(|why| LostAlias { place, key, why }));
        }
        found
    }
}

/// A key, and an address that it is looked up for.
struct Alias {
    place: String,
    key: String,
    address: Address,
}

/// The keys of a listener's tables, as far as they are followed, and how many more there are.
fn aliases(profile: &SmtpProfile) -> (Vec<Alias>, usize) {
    let (mut aliases, mut more) = (Vec::new(), 0);
    let router = &profile.router;
    let ours = local_domain(profile);
    let mut add = |entry: &Entry<'_>, key: &str, address: String| {
        if aliases.len() == KEYS_MAX {
            more += 1;
            return;
        }
        let (place, key) = (entry.place.to_string(), key.to_owned());
        aliases.push(Alias { place, key, address: Address::parse(&address) });
    };
    router.virtual_aliases.maps.visit(&mut |entry| {
        let Some(key) = entry.key else { return };
        match (key.rsplit_once('@'), ours) {
            (Some(("", domain)), _) if !entry.text.trim_start().starts_with('@') => {
                add(&entry, key, format!("{ANYBODY}@{domain}"));
            }
            (Some(("", _)), _) => {}
            (Some(_), _) => add(&entry, key, key.to_owned()),
            (None, Some(domain)) if !key.contains('.') => add(&entry, key, format!("{key}@{domain}")),
            (None, _) => {}
        }
    });
    if let Some(domain) = ours {
        router.local_aliases.alias_maps.visit(&mut |entry| {
            // A compiled table may have one that other programs know it by.
            if let Some(key) = entry.key.filter(|key| *key != "@") {
                add(&entry, key, format!("{key}@{domain}"));
            }
        });
    }
    (aliases, more)
}

/// A domain whose users are looked up in `alias_maps`; none where only tables and files have them.
fn local_domain(profile: &SmtpProfile) -> Option<&str> {
    let domains = &profile.router.routing.domains;
    let named = profile.policy.parameters().mydestination.iter().map(String::as_str);
    let mut named = named.filter(|name| !name.contains(['/', ':']));
    named.find(|name| matches!(domains.is_local(name, &Answers::default()), Ok(true)))
}

impl Answerer<'_> {
    /// Why mail for an address does not get to all that it stands for, and how many those are.
    async fn why_lost(&self, address: Address) -> (Option<String>, usize) {
        let routed = self.routed(self.profile.router.recipient(address, Address::default())).await;
        let failed = routed.failures.first().map(|Failure { target, reason }| {
            // What is wrong with a file, the refusal does not tell strangers.
            let why = target.strip_prefix(INCLUDE).and_then(why_unusable);
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            format!("{target}: {reason}{why}")
        });
        let nowhere = || routed.recipients.iter().find_map(|to| self.why_nowhere(to));
        (failed.or_else(nowhere), routed.recipients.len() + 1)
    }
}

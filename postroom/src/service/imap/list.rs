//! LIST and LSUB.
//!
//! RFC 3501 sections 6.3.8 and 6.3.9, RFC 3348 (CHILDREN). A level above a mailbox that is none itself is listed with
//! `\Noselect`. What a mailbox is for (RFC 6154 section 2) is told in every LIST; the capability SPECIAL-USE stands for an
//! extended LIST, which there is not. LSUB with a pattern that ends in `%` lists, in the same way, the levels above subscribed names.

use super::refusal::refused;
use super::{ImapService, Responding, User, name};
use crate::service::told;
use crate::wall::Store as _;
use imap_proto::server::{List, Refusal, Server};
use imap_proto::types::{ListData, ListPattern, MailboxAttribute, MailboxName};
use mailstore::{SpecialUse, SpecialUses};
use proto_core::{Ask, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Names on their way out.
pub(super) struct Listing {
    ask: Ask<List>,
    names: VecDeque<ListData>,
}

impl ImapService {
    pub(super) fn list(&mut self, server: &mut Server, now: Now, ask: Ask<List>) {
        let Some(user) = self.user.clone() else {
            return told(server.answer(now, ask, Err(super::UNAVAILABLE)));
        };
        let (pattern, subscribed) = (ask.detail.pattern.clone(), ask.detail.subscribed);
        let found = async move {
            if subscribed { subscriptions(&user, &pattern).await } else { mailboxes(&user, &pattern).await }
        };
        self.begin(found, move |service, server, now, found| match found {
            Ok(names) => service.responding = Responding::List(Listing { ask, names }),
            Err(refusal) => told(server.answer(now, ask, Err(refusal))),
        });
    }

    pub(super) fn list_on(&mut self, server: &mut Server, now: Now, mut listing: Listing) {
        while server.room() > 0 {
            match listing.names.pop_front() {
                Some(name) => told(server.listed(now, &listing.ask, name)),
                None => return told(server.answer(now, listing.ask, Ok(()))),
            }
        }
        self.responding = Responding::List(listing);
    }
}

async fn mailboxes(user: &User, pattern: &ListPattern) -> Result<VecDeque<ListData>, Refusal> {
    let infos = user.hub.list(&user.account).await.map_err(refused("listing mailboxes"))?;
    let known = |info: &mailstore::MailboxInfo| {
        Some((name::from_store(&info.name)?, (info.exists, info.special_use)))
    };
    let all: BTreeMap<MailboxName, (bool, SpecialUses)> = infos.iter().filter_map(known).collect();
    let parents: BTreeSet<MailboxName> = all.keys().flat_map(ancestors).collect();
    let levels = parents.iter().filter(|parent| !all.contains_key(*parent));
    let levels = levels.map(|parent| (parent, (false, SpecialUses::NONE)));
    let mut listed: Vec<ListData> = all
        .iter()
        .map(|(name, known)| (name, *known))
        .chain(levels)
        .filter(|(name, _)| pattern.matches(name))
        .map(|(name, (exists, special_use))| {
            let mut attributes = Vec::with_capacity(2);
            if !exists {
                attributes.push(MailboxAttribute::NoSelect);
            }
            attributes.push(match parents.contains(name) {
                true => MailboxAttribute::HasChildren,
                false => MailboxAttribute::HasNoChildren,
            });
            attributes.extend(special_use.iter().map(attribute));
            ListData { attributes, mailbox: name.clone() }
        })
        .collect();
    listed.sort_by(|a, b| a.mailbox.cmp(&b.mailbox));
    Ok(listed.into())
}

/// What a mailbox is for, as LIST has it.
fn attribute(special_use: SpecialUse) -> MailboxAttribute {
    match special_use {
        SpecialUse::All => MailboxAttribute::All,
        SpecialUse::Archive => MailboxAttribute::Archive,
        SpecialUse::Drafts => MailboxAttribute::Drafts,
        SpecialUse::Flagged => MailboxAttribute::Flagged,
        SpecialUse::Junk => MailboxAttribute::Junk,
        SpecialUse::Sent => MailboxAttribute::Sent,
        SpecialUse::Trash => MailboxAttribute::Trash,
    }
}

async fn subscriptions(user: &User, pattern: &ListPattern) -> Result<VecDeque<ListData>, Refusal> {
    let names = user.hub.subscriptions(&user.account).await.map_err(refused("reading subscriptions"))?;
    let subscribed: BTreeSet<MailboxName> = names.iter().filter_map(name::from_store).collect();
    let mut listed: BTreeMap<MailboxName, Vec<MailboxAttribute>> = BTreeMap::new();
    if pattern.as_str().ends_with('%') {
        let levels = subscribed.iter().flat_map(ancestors);
        listed.extend(levels.map(|level| (level, vec![MailboxAttribute::NoSelect])));
    }
    listed.extend(subscribed.into_iter().map(|name| (name, Vec::new())));
    let matching = listed.into_iter().filter(|(name, _)| pattern.matches(name));
    Ok(matching.map(|(mailbox, attributes)| ListData { attributes, mailbox }).collect())
}

/// The names of the levels above, innermost first.
pub(super) fn ancestors(name: &MailboxName) -> impl Iterator<Item = MailboxName> + use<> {
    std::iter::successors(name.parent(), MailboxName::parent)
}

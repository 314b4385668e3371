//! SEARCH: which messages meet a condition.
//!
//! RFC 3501 section 6.4.4, RFC 9051 section 6.4.4 (texts are decoded first). The condition is compiled once (`plan`) and
//! asked of each message with what is known of it: first flags and UID, then date and size, then the header, last the
//! body (`look`). Most messages are decided before they have to be opened, and those that are asked for common fields
//! from what the store remembers of them.
//!
//! When the session ends, the search ends with the step it is at.
//!
//! # Limits
//! [`BATCH_MESSAGES`] messages are looked at together, and as many of them are open as [`OPENED_MAX`] says. Of a message
//! its summary is in memory; headers and bodies stream.

mod look;
mod plan;

use super::ImapService;
use super::refusal::refused;
use crate::hub::Snapshot;
use crate::service::told;
use crate::wall::Mailbox;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use imap_proto::server::{Search, Server};
use imap_proto::types::SearchKey;
use mail_message::{Uid, UidSet};
use mailstore::{ErrorKind, Meta, StoreError};
use plan::{Facts, Plan};
use proto_core::{Ask, Now};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many messages are looked at together.
const BATCH_MESSAGES: usize = 256;

/// How many of them are open at a time.
const OPENED_MAX: usize = 4;

impl ImapService {
    pub(super) fn search(&mut self, server: &mut Server, now: Now, ask: Ask<Search>) {
        let Some(selection) = &self.selection else {
            // Deleted or renamed by this session: there is nothing in it any more.
            return told(server.answer(now, ask, Ok(UidSet::new())));
        };
        let (snapshot, mailbox) = (selection.seat.snapshot(), selection.seat.mailbox());
        let key = ask.detail.key.clone();
        let found =
            async move { search(&key, &snapshot, mailbox).await.map_err(refused("searching a mailbox")) };
        self.answer_with(ask, found);
    }
}

async fn search(
    key: &SearchKey,
    snapshot: &Snapshot,
    mailbox: Arc<dyn Mailbox>,
) -> Result<UidSet, StoreError> {
    let plan = Arc::new(Plan::new(key));
    let mut found = UidSet::new();
    for batch in snapshot.entries().chunks(BATCH_MESSAGES) {
        let mut open: Vec<Facts> = Vec::new();
        for entry in batch {
            let facts = Facts::new(entry.uid, entry.flags.clone());
            match plan.meets(&facts) {
                Some(true) => found.extend([entry.uid]),
                Some(false) => {}
                None => open.push(facts),
            }
        }
        if open.is_empty() {
            // A search that needs nothing but flags must not hold up the sessions beside it.
            tokio::task::yield_now().await;
            continue;
        }
        if plan.asks_meta() {
            open = with_meta(&plan, open, &mut found, &*mailbox).await?;
        }
        let (plan, mailbox) = (&plan, &mailbox);
        let looked: Vec<Option<Uid>> = stream::iter(open)
            .map(|facts| async move {
                let uid = facts.uid;
                match look::meets(plan, facts, &**mailbox).await {
                    Ok(meets) => Ok(meets.then_some(uid)),
                    Err(error) if error.kind() == ErrorKind::NoSuchMessage => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .buffered(OPENED_MAX)
            .try_collect()
            .await?;
        found = found.union(&looked.into_iter().flatten().collect());
    }
    Ok(found)
}

/// Decides what dates and sizes decide; returns the messages that have to be opened.
async fn with_meta(
    plan: &Plan,
    open: Vec<Facts>,
    found: &mut UidSet,
    mailbox: &dyn Mailbox,
) -> Result<Vec<Facts>, StoreError> {
    let metas = mailbox.meta(open.iter().map(|facts| facts.uid).collect()).await?;
    let metas: BTreeMap<Uid, Meta> = metas.into_iter().collect();
    let mut undecided = Vec::new();
    for mut facts in open {
        // One that is not among them is gone, and meets nothing.
        let Some(meta) = metas.get(&facts.uid) else { continue };
        facts.meta = Some(*meta);
        match plan.meets(&facts) {
            Some(true) => _ = found.insert(facts.uid),
            Some(false) => {}
            None => undecided.push(facts),
        }
    }
    Ok(undecided)
}

//! STORE and COPY.
//!
//! RFC 3501 sections 6.4.6 and 6.4.7, RFC 2180 sections 4.2 and 4.4 (messages that are gone).

use super::refusal::{refused, refused_message};
use super::{ImapService, Responding, UNAVAILABLE, name};
use crate::service::told;
use imap_proto::server::{Copied, CopyMessages, Server, Store};
use imap_proto::types::StoreAction;
use mail_message::{FlagSet, Uid, UidSet};
use mailstore::{ErrorKind, FlagChange};
use proto_core::{Ask, Now};
use std::collections::VecDeque;
use tracing::Instrument as _;

/// Flags on their way out.
pub(super) struct Storing {
    ask: Ask<Store>,
    /// The messages with the flags they have now; without, those that are gone.
    results: VecDeque<(Uid, Option<FlagSet>)>,
}

impl ImapService {
    pub(super) fn store(&mut self, server: &mut Server, now: Now, ask: Ask<Store>) {
        let Some(selection) = &self.selection else {
            return told(server.answer(now, ask, Err(UNAVAILABLE)));
        };
        let change = match ask.detail.action {
            StoreAction::Add => FlagChange::Add,
            StoreAction::Remove => FlagChange::Remove,
            StoreAction::Replace => FlagChange::Replace,
        };
        let (room, uids) = (selection.seat.room(), ask.detail.messages.uids());
        let storing = room.set_flags(selection.seat.id(), uids.clone(), change, ask.detail.flags.clone());
        let stored = async move {
            let stored = storing.await.map_err(refused("changing flags"))?;
            let mut results = VecDeque::with_capacity(stored.len());
            let mut stored = stored.into_iter().peekable();
            for uid in uids.iter() {
                results
                    .push_back((uid, stored.next_if(|stored| stored.uid == uid).map(|stored| stored.flags)));
            }
            if results.iter().any(|(_, flags)| flags.is_none()) {
                // So that the client hears which ones are gone as soon as it may. A failure is logged elsewhere.
                let _ = room.refresh().await;
            }
            Ok(results)
        };
        self.begin(stored, move |service, server, now, stored| match stored {
            Ok(results) => service.responding = Responding::Store(Storing { ask, results }),
            Err(refusal) => told(server.answer(now, ask, Err(refusal))),
        });
    }

    pub(super) fn store_on(&mut self, server: &mut Server, now: Now, mut storing: Storing) {
        while server.room() > 0 {
            match storing.results.pop_front() {
                Some((uid, Some(flags))) => told(server.stored(now, &storing.ask, uid, flags)),
                Some((uid, None)) => told(server.gone(now, &storing.ask, uid)),
                None => return told(server.answer(now, storing.ask, Ok(()))),
            }
        }
        self.responding = Responding::Store(storing);
    }

    pub(super) fn copy(&mut self, server: &mut Server, now: Now, ask: Ask<CopyMessages>) {
        let (Some(selection), Some(user)) = (&self.selection, self.user.clone()) else {
            return told(server.answer(now, ask, Err(UNAVAILABLE)));
        };
        let (mailbox, room) = (selection.seat.mailbox(), selection.seat.room());
        let CopyMessages { messages, mailbox: target, .. } = ask.detail.clone();
        let copying = async move {
            let stored = name::to_store(&target)?;
            let copied = match mailbox.copy(messages.uids(), &stored).await {
                Ok(copied) => copied,
                Err(error) => {
                    if error.kind() == ErrorKind::NoSuchMessage {
                        let _ = room.refresh().await;
                    }
                    return Err(refused_message(&user.account, &target, None, &error));
                }
            };
            user.hub.changed(&user.account, &stored).await;
            tracing::info!(copied = copied.pairs.len(), %target, "messages copied");
            let (from, to): (Vec<Uid>, Vec<Uid>) = copied.pairs.into_iter().unzip();
            let set = |uids: Vec<Uid>| uids.into_iter().collect::<UidSet>();
            Ok(Some(Copied { uid_validity: copied.uid_validity, from: set(from), to: set(to) }))
        };
        // A task of its own: others must hear of the copies even when the session ends meanwhile.
        let task = tokio::spawn(copying.in_current_span());
        self.answer_with(ask, async move { task.await.unwrap_or(Err(UNAVAILABLE)) });
    }
}

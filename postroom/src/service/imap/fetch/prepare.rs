//! What FETCH tells of a message, found out.

use super::source::{self, Source};
use super::{Found, Prepared, parts};
use crate::hub::{Room, Seat, SeatId, Snapshot};
use crate::wall::Mailbox;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use imap_proto::server::{Fetch, MessageData};
use imap_proto::types::{DateTime, FetchItem};
use mail_message::{Flag, FlagSet, Uid};
use mailstore::{ErrorKind, FlagChange, Meta, StoreError, Summary};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a FETCH needs to know of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Date or size.
    pub(super) meta: bool,
    /// Envelope, structure, or where its parts lie.
    pub(super) summary: bool,
    /// Octets that are not in the summary.
    pub(super) octets: bool,
    seen: bool,
}

impl Needs {
    pub(super) fn of(fetch: &Fetch) -> Self {
        let mut needs = Self { meta: false, summary: false, octets: false, seen: fetch.set_seen };
        for item in &fetch.items {
            match item {
                FetchItem::InternalDate | FetchItem::Rfc822Size => needs.meta = true,
                FetchItem::Envelope
                | FetchItem::Body
                | FetchItem::BodyStructure
                | FetchItem::Section { .. }
                | FetchItem::Rfc822
                | FetchItem::Rfc822Header
                | FetchItem::Rfc822Text => needs.summary = true,
                _ => {}
            }
        }
        needs.octets = fetch.sections().any(|item| !source::is_summarised(item));
        needs
    }

    /// Whether nothing is asked for but flags and UIDs.
    pub(super) fn is_snapshot_enough(self) -> bool {
        !self.meta && !self.summary && !self.seen
    }
}

/// Flags and UIDs, of which there is no need to ask the store.
pub(super) fn from_snapshot(seat: &Seat, uids: &[Uid]) -> VecDeque<Prepared> {
    let snapshot = seat.snapshot();
    let found = |uid| {
        let mut data = MessageData::default();
        data.flags = Some(snapshot.flags(uid)?.clone());
        Some(Found { data, ..Found::default() })
    };
    uids.iter().map(|&uid| Prepared { uid, found: found(uid) }).collect()
}

/// What it takes to prepare messages, wherever that is done.
pub(super) struct Preparation {
    room: Arc<Room>,
    mailbox: Arc<dyn Mailbox>,
    by: SeatId,
    snapshot: Arc<Snapshot>,
    items: Vec<FetchItem>,
    /// Those of `items` that are octets, in their order.
    sections: Vec<FetchItem>,
    needs: Needs,
    looked_at: Option<LookedAt>,
}

/// The message that was looked at last: not every store remembers summaries.
#[derive(Debug, Clone)]
pub(in crate::service::imap) struct LookedAt {
    uid: Uid,
    summary: Arc<Summary>,
}

impl Preparation {
    pub(super) fn new(seat: &Seat, fetch: &Fetch, needs: Needs, looked_at: Option<LookedAt>) -> Self {
        let (room, mailbox) = parts(seat);
        let (by, snapshot, items) = (seat.id(), seat.snapshot(), fetch.items.clone());
        let sections = fetch.sections().cloned().collect();
        Self { room, mailbox, by, snapshot, items, sections, needs, looked_at }
    }

    /// Prepares these messages.
    pub(super) async fn run(self, uids: Vec<Uid>) -> Result<VecDeque<Prepared>, StoreError> {
        let metas: BTreeMap<Uid, Meta> = match self.needs.meta {
            true => self.mailbox.meta(uids.clone()).await?.into_iter().collect(),
            false => BTreeMap::new(),
        };
        let summaries: BTreeMap<Uid, Arc<Summary>> = match (&self.looked_at, &uids[..]) {
            (Some(looked_at), [uid]) if looked_at.uid == *uid => {
                BTreeMap::from([(*uid, Arc::clone(&looked_at.summary))])
            }
            _ if self.needs.summary => self.mailbox.summaries(uids.clone()).await?.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let (this, metas, summaries) = (&self, &metas, &summaries);
        let prepared = stream::iter(uids).map(|uid| async move {
            let found = this.message(uid, metas.get(&uid), summaries.get(&uid)).await;
            match found {
                Ok(found) => Ok(Prepared { uid, found }),
                Err(error) if error.kind() == ErrorKind::NoSuchMessage => Ok(Prepared { uid, found: None }),
                Err(error) => Err(error),
            }
        });
        // One message is opened while another is read.
        prepared.buffered(OPENED_MAX).try_collect().await
    }

    /// `None` when it is gone: when there are no facts of it.
    async fn message(
        &self,
        uid: Uid,
        meta: Option<&Meta>,
        summary: Option<&Arc<Summary>>,
    ) -> Result<Option<Found>, StoreError> {
        if self.needs.meta && meta.is_none() || self.needs.summary && summary.is_none() {
            return Ok(None);
        }
        let Some(mut flags) = self.snapshot.flags(uid).cloned() else { return Ok(None) };
        let mut data = MessageData::default();
        if let Some(meta) = meta {
            data.size = Some(meta.size_bytes);
            // A date beyond the calendar of the wire is told as the nearest thing there is.
            data.internal_date = DateTime::from_unix(meta.internal_date)
                .or_else(|| DateTime::from_unix(proto_core::UnixTime(0)));
        }
        let mut sections = VecDeque::new();
        if let Some(summary) = summary {
            let mut reader = None;
            for item in &self.sections {
                let source = match Source::of_summary(item, summary) {
                    Some(source) => Some(source),
                    None => {
                        let reader = match &reader {
                            Some(reader) => reader,
                            None => reader.insert(self.mailbox.message(uid).await?),
                        };
                        Source::find(item, reader, &summary.message).await?
                    }
                };
                sections.push_back(source);
            }
            if self.wants(&FetchItem::Envelope) {
                data.envelope = Some(Box::new(summary.message.envelope.clone()));
            }
            if self.wants(&FetchItem::Body) || self.wants(&FetchItem::BodyStructure) {
                data.structure = Some(Box::new(summary.message.body_structure()));
            }
        }
        let becomes_seen = self.needs.seen && !flags.contains(&Flag::Seen);
        if becomes_seen && !self.set_seen(uid, &mut flags).await {
            return Ok(None);
        }
        data.flags = (becomes_seen || self.wants(&FetchItem::Flags)).then_some(flags);
        let looked_at = summary.map(|summary| LookedAt { uid, summary: Arc::clone(summary) });
        Ok(Some(Found { data, sections, looked_at }))
    }

    /// False when the message is gone. A store that cannot set flags does not keep a client from reading.
    async fn set_seen(&self, uid: Uid, flags: &mut FlagSet) -> bool {
        let seen: FlagSet = [Flag::Seen].into_iter().collect();
        let set = self.room.set_flags(self.by, [uid].into_iter().collect(), FlagChange::Add, seen);
        match set.await {
            Ok(set) => match set.into_iter().next() {
                Some(now) => *flags = now.flags,
                None => return false,
            },
            Err(error) => tracing::warn!(%error, %uid, "message not marked as seen"),
        }
        true
    }

    fn wants(&self, item: &FetchItem) -> bool {
        self.items.contains(item)
    }
}

/// How many messages are open at a time.
const OPENED_MAX: usize = 4;

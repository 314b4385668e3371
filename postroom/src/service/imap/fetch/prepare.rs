//! What FETCH tells of a message, found out.

use super::layout::{Depth, Layout};
use super::source::Source;
use super::{Found, Prepared, parts};
use crate::hub::{Room, Seat, SeatId, Snapshot};
use crate::wall::{Mailbox, MessageReader};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use imap_proto::server::{Fetch, MessageData};
use imap_proto::types::{DateTime, FetchItem};
use mail_message::{Flag, FlagSet, Uid};
use mailstore::{ErrorKind, FlagChange, Meta, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a FETCH needs to know of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Date or size.
    pub(super) meta: bool,
    /// The message itself, and how deep one has to look into it.
    pub(super) layout: Option<Depth>,
    /// Octets of it.
    pub(super) octets: bool,
    seen: bool,
}

impl Needs {
    pub(super) fn of(fetch: &Fetch) -> Self {
        let mut needs = Self { meta: false, layout: None, octets: false, seen: fetch.set_seen };
        for item in &fetch.items {
            let depth = match item {
                FetchItem::InternalDate | FetchItem::Rfc822Size => {
                    needs.meta = true;
                    continue;
                }
                FetchItem::Envelope => Depth::Header,
                FetchItem::Body | FetchItem::BodyStructure => Depth::Structure,
                FetchItem::Section { section, .. } if !section.part.is_empty() => Depth::Structure,
                FetchItem::Section { .. }
                | FetchItem::Rfc822
                | FetchItem::Rfc822Header
                | FetchItem::Rfc822Text => Depth::Header,
                _ => continue,
            };
            needs.layout = needs.layout.max(Some(depth));
        }
        needs.octets = fetch.sections().next().is_some();
        needs
    }

    /// Whether nothing is asked for but flags and UIDs.
    pub(super) fn is_snapshot_enough(self) -> bool {
        !self.meta && self.layout.is_none() && !self.seen
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
    /// Of the message that was looked at last.
    layout: Option<Layout>,
}

impl Preparation {
    pub(super) fn new(seat: &Seat, fetch: &Fetch, needs: Needs, layout: Option<Layout>) -> Self {
        let (room, mailbox) = parts(seat);
        let (by, snapshot, items) = (seat.id(), seat.snapshot(), fetch.items.clone());
        let sections = fetch.sections().cloned().collect();
        Self { room, mailbox, by, snapshot, items, sections, needs, layout }
    }

    /// Prepares these messages.
    pub(super) async fn run(self, uids: Vec<Uid>) -> Result<VecDeque<Prepared>, StoreError> {
        let metas: BTreeMap<Uid, Meta> = match self.needs.meta {
            true => self.mailbox.meta(uids.clone()).await?.into_iter().collect(),
            false => BTreeMap::new(),
        };
        let (this, metas) = (&self, &metas);
        let prepared = stream::iter(uids).map(|uid| async move {
            let found = this.message(uid, metas.get(&uid)).await;
            match found {
                Ok(found) => Ok(Prepared { uid, found }),
                Err(error) if error.kind() == ErrorKind::NoSuchMessage => Ok(Prepared { uid, found: None }),
                Err(error) => Err(error),
            }
        });
        // One message is opened while another is read.
        prepared.buffered(OPENED_MAX).try_collect().await
    }

    async fn message(&self, uid: Uid, meta: Option<&Meta>) -> Result<Option<Found>, StoreError> {
        if self.needs.meta && meta.is_none() {
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
        let (mut sections, mut found_layout) = (VecDeque::new(), None);
        if let Some(depth) = self.needs.layout {
            let reader = self.mailbox.message(uid).await?;
            let layout = self.layout(uid, &reader, depth).await?;
            for item in &self.sections {
                sections.push_back(Source::find(item, &reader, &layout.message).await?);
            }
            if self.wants(&FetchItem::Envelope) {
                data.envelope = Some(Box::new(layout.message.envelope.clone()));
            }
            if self.wants(&FetchItem::Body) || self.wants(&FetchItem::BodyStructure) {
                data.structure = Some(Box::new(layout.message.body_structure()));
            }
            found_layout = Some(layout);
        }
        let becomes_seen = self.needs.seen && !flags.contains(&Flag::Seen);
        if becomes_seen && !self.set_seen(uid, &mut flags).await {
            return Ok(None);
        }
        data.flags = (becomes_seen || self.wants(&FetchItem::Flags)).then_some(flags);
        Ok(Some(Found { data, sections, layout: found_layout }))
    }

    async fn layout(
        &self,
        uid: Uid,
        reader: &Arc<dyn MessageReader>,
        depth: Depth,
    ) -> Result<Layout, StoreError> {
        match &self.layout {
            Some(layout) if layout.is_of(uid, depth) => Ok(layout.clone()),
            _ => Layout::read(uid, reader, depth).await,
        }
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

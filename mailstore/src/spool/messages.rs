//! What is in the spool, in memory: each message with its states, what is due, and what of each segment is needed.
//!
//! A segment holds something that is *live* when a message in the spool needs it: its envelope, a piece of its body,
//! the newest state of one of its recipients, its hold or expiry. A segment without anything live may still hold the
//! news that a message is done, and that is needed as long as an older record of that message could be read again: no
//! earlier segment from the message's birth on may be left when it is dropped. `birth_min` is the earliest of these.
//!
//! # Limits
//! About 1 KiB of memory a message with one recipient: envelope, states, three entries in trees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto_core::UnixTime;

use super::envelope::Envelope;
use super::log::Place;
use super::record::{self, Buffer, Extent, MessageRecord, Subject, SubjectStates, Terms};
use super::{Job, QueueEntry, QueueId, RecipientState, Status};
use crate::error::{ErrorKind, Result, StoreError};

#[derive(Debug, Default)]
pub(super) struct Messages {
    messages: BTreeMap<QueueId, Message>,
    /// Messages that wait, by the time they fall due.
    due: BTreeSet<(UnixTime, QueueId)>,
    segments: BTreeMap<u64, Segment>,
    /// How many messages are being written.
    pub(super) writing: usize,
    /// Octets of bodies in the spool and being written.
    pub(super) body_bytes: u64,
    /// Octets that are no longer needed, since somebody looked; all there are when a segment may be free.
    freed_bytes: u64,
}

/// What of a segment is needed.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// How many things in it messages need.
    pub(super) live: usize,
    /// Their octets, about.
    pub(super) live_bytes: u64,
    /// Who reads it now, or will soon refer to it.
    pub(super) pins: usize,
    pub(super) birth_min: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Message {
    envelope: Arc<Envelope>,
    recipients: Vec<Recipient>,
    extents: Box<[Extent]>,
    body_bytes: u64,
    terms: Terms,
    birth: u64,
    /// The segment its envelope stands in.
    home: u64,
    /// The segment its terms stand in, if not with the envelope.
    terms_at: Option<u64>,
    active: bool,
    /// Whether it has been in a deliverer's hands, or may have been before a restart.
    attempted: bool,
    /// Records about it on their way to the disk.
    in_flight: usize,
}

#[derive(Debug, Default)]
struct Recipient {
    status: Status,
    /// The segment its state stands in, if not with the envelope.
    at: Option<u64>,
}

/// What a record about a message is reckoned at, beside the octets of a body.
const RECORD_BYTES: u64 = 256;

impl Message {
    /// A message as its record says, at `place`.
    pub(super) fn new(record: MessageRecord, place: Place, attempted: bool) -> Self {
        let extents: Box<[Extent]> = if record.extents.is_empty() {
            let (start, bytes) = record.body;
            let narrow = |n: usize| u32::try_from(n).expect("invariant: a record is smaller than 4 GiB");
            let offset = place.offset + narrow(start);
            if bytes == 0 {
                Box::default()
            } else {
                Box::new([Extent { segment: place.segment, offset, bytes: narrow(bytes) }])
            }
        } else {
            record.extents.into()
        };
        let mut recipients: Vec<Recipient> =
            record.statuses.into_iter().map(|status| Recipient { status, at: None }).collect();
        recipients.resize_with(record.envelope.recipients.len(), Recipient::default);
        Self {
            envelope: Arc::new(record.envelope),
            recipients,
            body_bytes: extents.iter().map(|extent| u64::from(extent.bytes)).sum(),
            extents,
            terms: record.terms,
            birth: record.subject.birth.unwrap_or(place.segment),
            home: place.segment,
            terms_at: None,
            active: false,
            attempted,
            in_flight: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.recipients.iter().all(|recipient| recipient.status.state.is_done())
    }

    /// When it is to be given to a deliverer; `None` when it is not to be.
    fn due(&self) -> Option<UnixTime> {
        let due = |recipient: &Recipient| match recipient.status.state {
            RecipientState::Pending => Some(self.envelope.received_at),
            RecipientState::Deferred(until) => Some(until),
            RecipientState::Delivered | RecipientState::Bounced => None,
        };
        if self.active || self.terms.hold { None } else { self.recipients.iter().filter_map(due).min() }
    }

    /// What of the log it needs: segments, and octets there.
    fn needs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let states = self.recipients.iter().filter_map(|recipient| recipient.at);
        let records = states.chain(self.terms_at).chain([self.home]).map(|segment| (segment, RECORD_BYTES));
        records.chain(self.extents.iter().map(|extent| (extent.segment, u64::from(extent.bytes))))
    }

    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    fn statuses(&self) -> Vec<Status> {
        self.recipients.iter().map(|recipient| recipient.status.clone()).collect()
    }
}

impl Messages {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn get(&self, id: &QueueId) -> Result<&Message> {
        self.messages.get(id).ok_or_else(no_such_message)
    }

    /// A record about a message is on its way to the disk, or has come there.
    pub(super) fn in_flight(&mut self, id: &QueueId, begins: bool) {
        if let Some(message) = self.messages.get_mut(id) {
            message.in_flight = if begins { message.in_flight + 1 } else { message.in_flight - 1 };
        }
    }

    /// Puts a message in, in the place of one of the same id, unless it is done. Its octets have been counted by whoever brings it.
    pub(super) fn insert(&mut self, id: QueueId, message: Message) {
        if let Some(old) = self.unlist(&id) {
            self.count(&old, false);
        }
        self.note(message.home, message.birth);
        self.count(&message, true);
        let is_done = message.is_done();
        self.list_again(id.clone(), message);
        if is_done {
            self.remove(&id);
        }
    }

    /// Takes a message out. Its octets are no longer counted.
    pub(super) fn remove(&mut self, id: &QueueId) -> Option<Message> {
        let message = self.unlist(id)?;
        self.count(&message, false);
        self.body_bytes = self.body_bytes.saturating_sub(message.body_bytes);
        Some(message)
    }

    fn unlist(&mut self, id: &QueueId) -> Option<Message> {
        let message = self.messages.remove(id)?;
        if let Some(due) = message.due() {
            self.due.remove(&(due, id.clone()));
        }
        Some(message)
    }

    fn list_again(&mut self, id: QueueId, message: Message) {
        if let Some(due) = message.due() {
            self.due.insert((due, id.clone()));
        }
        self.messages.insert(id, message);
    }

    /// Changes a message in place, and keeps the list of what is due. A message that is done and in nobody's hands
    /// leaves.
    fn change<T>(&mut self, id: &QueueId, change: impl FnOnce(&mut Message) -> T) -> Option<T> {
        let message = self.messages.get_mut(id)?;
        let before = message.due();
        let changed = change(message);
        let (after, leaves) = (message.due(), !message.active && message.is_done());
        if before != after {
            if let Some(due) = before {
                self.due.remove(&(due, id.clone()));
            }
            if let Some(due) = after {
                self.due.insert((due, id.clone()));
            }
        }
        if leaves {
            self.remove(id);
        }
        Some(changed)
    }

    fn count(&mut self, message: &Message, more: bool) {
        message.needs().for_each(|(segment, bytes)| self.count_one(segment, bytes, more));
    }

    fn count_one(&mut self, segment: u64, bytes: u64, more: bool) {
        let last = self.segments.last_key_value().map_or(0, |(&last, _)| last);
        let known = self.segments.entry(segment).or_default();
        if more {
            known.live += 1;
            known.live_bytes += bytes;
        } else {
            known.live -= 1;
            known.live_bytes -= bytes;
            self.freed_bytes = self.freed_bytes.saturating_add(bytes);
        }
        // The last one is written to and not free; when the first thing comes into another, those before it may be.
        if known.live == 0 && segment < last || more && known.live == 1 {
            self.freed_bytes = u64::MAX;
        }
    }

    /// Whether it is worth looking after the segments: one may be free, or so many octets are.
    pub(super) fn take_freed(&mut self, bytes: u64) -> bool {
        let freed = self.freed_bytes >= bytes;
        if freed {
            self.freed_bytes = 0;
        }
        freed
    }

    /// Takes note that a record in `segment` speaks of a message whose first record is in `birth`.
    pub(super) fn note(&mut self, segment: u64, birth: u64) {
        if birth < segment {
            let known = &mut self.segments.entry(segment).or_default().birth_min;
            *known = Some(known.map_or(birth, |known| known.min(birth)));
        }
    }

    /// A record of states has become durable in `segment`.
    pub(super) fn apply_states(&mut self, segment: u64, states: &[SubjectStates]) {
        for (subject, states) in states {
            self.note(segment, subject.birth.unwrap_or(segment));
            let Some(message) = self.messages.get_mut(&subject.id) else { continue };
            let mut moved = Vec::new();
            let due = message.due();
            for (number, status) in states {
                if let Some(recipient) = message.recipients.get_mut(*number as usize)
                    && !recipient.status.state.is_done()
                {
                    recipient.status = status.clone();
                    moved.push(recipient.at.replace(segment));
                }
            }
            if due != message.due() || message.is_done() {
                // What is due is listed by the time it had.
                if let Some(due) = due {
                    self.due.remove(&(due, subject.id.clone()));
                }
                if let Some(due) = message.due() {
                    self.due.insert((due, subject.id.clone()));
                }
            }
            let leaves = !message.active && message.is_done();
            for old in moved {
                if let Some(old) = old {
                    self.count_one(old, RECORD_BYTES, false);
                }
                self.count_one(segment, RECORD_BYTES, true);
            }
            if leaves {
                self.remove(&subject.id);
            }
        }
    }

    /// Sets hold and expiry, and returns them.
    pub(super) fn set_terms(&mut self, id: &QueueId, change: impl FnOnce(&mut Terms)) -> Option<Terms> {
        self.change(id, |message| {
            change(&mut message.terms);
            message.terms
        })
    }

    /// A record of hold and expiry has become durable in `segment`.
    pub(super) fn apply_terms(&mut self, segment: u64, subject: &Subject) {
        self.note(segment, subject.birth.unwrap_or(segment));
        let Some(message) = self.messages.get_mut(&subject.id) else { return };
        if let Some(old) = message.terms_at.replace(segment) {
            self.count_one(old, RECORD_BYTES, false);
        }
        self.count_one(segment, RECORD_BYTES, true);
    }

    /// A message has been written anew: with all that is known of it, at `place`.
    pub(super) fn apply_move(&mut self, id: &QueueId, place: Place, extents: Vec<Extent>) {
        let Some(mut message) = self.messages.remove(id) else { return };
        self.count(&message, false);
        message.extents = extents.into();
        message.home = place.segment;
        message.terms_at = None;
        message.recipients.iter_mut().for_each(|recipient| recipient.at = None);
        self.note(place.segment, message.birth);
        self.count(&message, true);
        self.messages.insert(id.clone(), message);
    }

    /// Where the body of a message stands; pins it.
    pub(super) fn extents(&mut self, id: &QueueId) -> Result<Vec<Extent>> {
        let extents = self.get(id)?.extents.to_vec();
        self.pin(&extents);
        Ok(extents)
    }

    /// The record of a message whose body has been copied from `old` to `new`; none when it cannot be written now.
    pub(super) fn rewritten(&self, id: &QueueId, old: &[Extent], new: &[Extent]) -> Option<Buffer> {
        let message = self.messages.get(id)?;
        if message.in_flight > 0 || *message.extents != *old {
            return None;
        }
        let subject = Subject { id: id.clone(), birth: Some(message.birth) };
        let mut buffer = record::message(&subject, &message.envelope, &message.statuses(), new);
        record::end_message(&mut buffer, message.terms, &[]);
        Some(buffer)
    }

    /// What the log calls a message.
    pub(super) fn subject(&self, id: &QueueId) -> Result<Subject> {
        Ok(Subject { id: id.clone(), birth: Some(self.get(id)?.birth) })
    }

    /// The state of a recipient.
    pub(super) fn state(&self, id: &QueueId, recipient: u32) -> Result<RecipientState> {
        let recipient = self.get(id)?.recipients.get(recipient as usize);
        recipient.map(|recipient| recipient.status.state).ok_or_else(|| {
            StoreError::new(ErrorKind::NoSuchQueueId, "recording a delivery", "no such recipient")
        })
    }

    /// Gives out what has been due longest.
    pub(super) fn next_ready(&mut self, now: UnixTime) -> Option<Job> {
        let (_, id) = self.due.first().filter(|(due, _)| *due <= now)?.clone();
        self.change(&id, |message| {
            message.active = true;
            Job {
                id: id.clone(),
                envelope: Envelope::clone(&message.envelope),
                statuses: message.statuses(),
                body_bytes: message.body_bytes,
                maybe_delivered: std::mem::replace(&mut message.attempted, true),
                expires: message.terms.expires,
            }
        })
    }

    pub(super) fn next_due(&self) -> Option<UnixTime> {
        self.due.first().map(|(time, _)| *time)
    }

    pub(super) fn release(&mut self, id: &QueueId) {
        self.change(id, |message| message.active = false);
    }

    /// Makes deferred recipients due, and says whether there were any.
    pub(super) fn retry_now(&mut self, id: &QueueId) -> bool {
        let retried = self.change(id, |message| {
            let mut any = false;
            for recipient in &mut message.recipients {
                if matches!(recipient.status.state, RecipientState::Deferred(_)) {
                    recipient.status.state = RecipientState::Pending;
                    any = true;
                }
            }
            any
        });
        retried.unwrap_or(false)
    }

    pub(super) fn ids(&self) -> Vec<QueueId> {
        self.messages.keys().cloned().collect()
    }

    /// The first `count` messages behind `after` that need something in `segment`.
    pub(super) fn in_segment(&self, segment: u64, after: Option<&QueueId>, count: usize) -> Vec<QueueId> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let messages = self.messages.range((from, Bound::Unbounded));
        let needing = messages.filter(|(_, message)| message.needs().any(|(at, _)| at == segment));
        needing.take(count).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn list(&self) -> Vec<QueueEntry> {
        let entry = |(id, message): (&QueueId, &Message)| QueueEntry {
            id: id.clone(),
            envelope: Envelope::clone(&message.envelope),
            statuses: message.statuses(),
            body_bytes: message.body_bytes,
            active: message.active,
            hold: message.terms.hold,
            expires: message.terms.expires,
        };
        let mut list: Vec<_> = self.messages.iter().map(entry).collect();
        list.sort_by_key(|entry| entry.envelope.received_at);
        list
    }

    /// What of a segment is needed.
    pub(super) fn segment(&mut self, number: u64) -> &mut Segment {
        self.segments.entry(number).or_default()
    }

    /// Keeps the segments of these pieces from being dropped.
    pub(super) fn pin(&mut self, extents: &[Extent]) {
        extents.iter().for_each(|extent| self.segment(extent.segment).pins += 1);
    }

    /// Undoes [`Messages::pin`].
    pub(super) fn unpin(&mut self, extents: &[Extent]) {
        extents.iter().for_each(|extent| self.segment(extent.segment).pins -= 1);
    }

    /// Forgets segments that are gone.
    pub(super) fn drop_segments(&mut self, gone: &[u64]) {
        self.segments.retain(|number, _| !gone.contains(number));
    }
}

fn no_such_message() -> StoreError {
    StoreError::new(ErrorKind::NoSuchQueueId, "looking for a message", "not in the queue")
}

//! The records of the log: how a message, a part of one, and what became of it stand in octets.
//!
//! Numbers are little-endian; a text is its length (u32) and UTF-8. A record is its payload behind a header of
//! [`HEADER_BYTES`], filled up with zeros to a multiple of [`ALIGN`]:
//!
//! | octets | field |
//! | --- | --- |
//! | 4 | the segment's tag: octets of another life of the file are no record |
//! | 4 | CRC-32C over tag, salt, segment number, offset, and the fields below: a record is valid in its own place only |
//! | 4 | length of the payload |
//! | 4 | CRC-32C of the payload |
//! | 4 | how many octets of the segment were durable when this was written: what is damaged before that was whole once |
//! | 1 + 3 | kind, zeros |
//!
//! Tag and salt are drawn for each segment and stand in its prelude. A file is written over when it becomes another
//! segment, and behind its records lie those of its earlier life, and mail of strangers: who sends a body that looks
//! like a record would have to guess both, 64 bits.
//!
//! The payload's sum does not depend on the place, so that it is made while the message arrives, by whoever brings it.
//!
//! Reading is total: any octets give a record or nothing, and nothing is allocated because a length was announced.

use proto_core::UnixTime;

use super::envelope::{Envelope, Recipient};
use super::{QueueId, RecipientState, Status};

/// The length of a record's header.
pub(super) const HEADER_BYTES: usize = 24;

/// Records begin at multiples of this.
pub(super) const ALIGN: usize = 8;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A message with its envelope and states; its body stands in it, or in chunks before it. A later one of the
    /// same id takes the place of an earlier.
    Message = 1,
    /// A part of a body.
    Chunk = 2,
    /// States of recipients.
    States = 3,
    /// Hold and expiry.
    Terms = 4,
    /// The message has left the spool.
    Gone = 5,
    /// Nothing: what recovery could not read lies under it.
    Void = 6,
}

impl Kind {
    fn read(octet: u8) -> Option<Self> {
        [Kind::Message, Kind::Chunk, Kind::States, Kind::Terms, Kind::Gone, Kind::Void]
            .into_iter()
            .find(|kind| *kind as u8 == octet)
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) payload_bytes: u32,
    pub(super) payload_sum: u32,
    pub(super) durable: u32,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) tag: u32,
    pub(super) salt: u32,
    pub(super) segment: u64,
    pub(super) offset: u32,
}

impl Header {
    pub(super) fn write(&self, spot: Spot) -> [u8; HEADER_BYTES] {
        let mut octets = [0; HEADER_BYTES];
        octets[..4].copy_from_slice(&spot.tag.to_le_bytes());
        octets[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        octets[12..16].copy_from_slice(&self.payload_sum.to_le_bytes());
        octets[16..20].copy_from_slice(&self.durable.to_le_bytes());
        octets[20] = self.kind as u8;
        let sum = header_sum(&octets, spot);
        octets[4..8].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    /// The header at that place, if it is one.
    pub(super) fn read(octets: &[u8; HEADER_BYTES], spot: Spot) -> Option<Self> {
        let word =
            |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        if word(0) != spot.tag || word(4) != header_sum(octets, spot) {
            return None;
        }
        Some(Self {
            kind: Kind::read(octets[20])?,
            payload_bytes: word(8),
            payload_sum: word(12),
            durable: word(16),
        })
    }

    /// The length of the record, header and filling included.
    pub(super) fn record_bytes(&self) -> u64 {
        aligned(HEADER_BYTES as u64 + u64::from(self.payload_bytes))
    }
}

fn header_sum(octets: &[u8; HEADER_BYTES], spot: Spot) -> u32 {
    let sum = crc32c::crc32c(&spot.tag.to_le_bytes()) ^ spot.salt;
    let sum = crc32c::crc32c_append(sum, &spot.segment.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &spot.offset.to_le_bytes());
    crc32c::crc32c_append(sum, &octets[8..])
}

/// `bytes` up to the next place where a record may begin.
pub(super) fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGN as u64)
}

/// A record on its way: room for the header, the payload, and the payload's sum as it grows.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) kind: Kind,
    octets: Vec<u8>,
    summed: usize,
    sum: u32,
}

impl Buffer {
    /// An empty payload.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, octets: vec![0; HEADER_BYTES], summed: HEADER_BYTES, sum: 0 }
    }

    /// Adds to the payload.
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The length of the payload.
    pub(super) fn payload_bytes(&self) -> usize {
        self.octets.len() - HEADER_BYTES
    }

    /// The payload so far.
    pub(super) fn payload(&self) -> &[u8] {
        &self.octets[HEADER_BYTES..]
    }

    /// The length of the record.
    pub(super) fn record_bytes(&self) -> u64 {
        aligned(self.octets.len() as u64)
    }

    /// Sums what has been added since the last time, while it is still in the cache.
    pub(super) fn sum(&mut self) {
        self.sum = crc32c::crc32c_append(self.sum, &self.octets[self.summed..]);
        self.summed = self.octets.len();
    }

    /// The record, as [`Buffer::place`] has made it.
    pub(super) fn record(&self) -> &[u8] {
        &self.octets
    }

    /// The record as it stands at `spot`.
    pub(super) fn place(&mut self, spot: Spot, durable: u32) -> &[u8] {
        self.sum();
        let header = Header {
            kind: self.kind,
            payload_bytes: u32::try_from(self.payload_bytes()).expect("invariant: limited by the writer"),
            payload_sum: self.sum,
            durable,
        };
        self.octets[..HEADER_BYTES].copy_from_slice(&header.write(spot));
        let whole = self.octets.len().next_multiple_of(ALIGN);
        self.octets.resize(whole, 0);
        &self.octets
    }

    fn u32(&mut self, number: u32) {
        self.put(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.put(&number.to_le_bytes());
    }

    fn time(&mut self, time: Option<UnixTime>) {
        self.put(&time.map_or(i64::MIN, |time| time.0).to_le_bytes());
    }

    fn count(&mut self, number: usize) {
        self.u32(u32::try_from(number).expect("invariant: counts of things in memory, far below 2^32"));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.put(text.as_bytes());
    }

    fn facts(&mut self, facts: &[(String, String)]) {
        self.count(facts.len());
        for (name, value) in facts {
            self.text(name);
            self.text(value);
        }
    }

    fn status(&mut self, status: &Status) {
        let (word, until) = match status.state {
            RecipientState::Pending => (0, None),
            RecipientState::Deferred(until) => (1, Some(until)),
            RecipientState::Delivered => (2, None),
            RecipientState::Bounced => (3, None),
        };
        self.put(&[word, u8::from(status.reason.is_some()) | u8::from(status.delay_told) << 1]);
        self.time(until);
        self.text(status.reason.as_deref().unwrap_or_default());
    }

    fn states(&mut self, subjects: &[SubjectStates]) {
        self.count(subjects.len());
        for (subject, states) in subjects {
            subject.put(self);
            self.count(states.len());
            for (recipient, status) in states {
                self.u32(*recipient);
                self.status(status);
            }
        }
    }

    fn trailer(&mut self, terms: Terms, outcomes_bytes: usize) {
        self.put(&[u8::from(terms.hold), 0, 0, 0]);
        self.count(outcomes_bytes);
        self.time(terms.expires);
    }
}

/// A piece of a body: where its octets stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) segment: u64,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// Hold and expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Terms {
    pub(super) hold: bool,
    pub(super) expires: Option<UnixTime>,
}

/// What a message is known by, and the segment its first record stood in. `None` is the segment of this record. What
/// the log says of a message never stands before that segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) id: QueueId,
    pub(super) birth: Option<u64>,
}

impl Subject {
    fn put(&self, buffer: &mut Buffer) {
        buffer.text(self.id.as_str());
        buffer.u64(self.birth.unwrap_or(0));
    }
}

/// States of some recipients of one message.
pub(super) type SubjectStates = (Subject, Vec<(u32, Status)>);

/// What a record says, but for the octets of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Message(MessageRecord),
    Chunk { id: QueueId, body: usize },
    States(Vec<SubjectStates>),
    Terms(Subject, Terms),
    Gone(Subject),
    Void,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageRecord {
    pub(super) subject: Subject,
    pub(super) envelope: Envelope,
    /// None when nothing has become of any recipient.
    pub(super) statuses: Vec<Status>,
    /// Where the body stands; none when it stands in the record.
    pub(super) extents: Vec<Extent>,
    pub(super) terms: Terms,
    /// What it records of other messages.
    pub(super) outcomes: Vec<SubjectStates>,
    /// Where the body begins in the payload, and its length there.
    pub(super) body: (usize, usize),
}

/// What stands at the end of a message: hold, zeros, the length of the states of others before this (u32), expiry.
const TRAILER_BYTES: usize = 16;

/// Begins a message record; the body may follow.
pub(super) fn message(
    subject: &Subject,
    envelope: &Envelope,
    statuses: &[Status],
    extents: &[Extent],
) -> Buffer {
    let mut buffer = Buffer::new(Kind::Message);
    subject.put(&mut buffer);
    buffer.text(&envelope.reverse_path);
    buffer.time(Some(envelope.received_at));
    buffer.facts(&envelope.facts);
    buffer.count(envelope.recipients.len());
    for recipient in &envelope.recipients {
        buffer.text(&recipient.address);
        buffer.facts(&recipient.facts);
    }
    buffer.count(statuses.len());
    statuses.iter().for_each(|status| buffer.status(status));
    buffer.count(extents.len());
    for extent in extents {
        buffer.u64(extent.segment);
        buffer.u32(extent.offset);
        buffer.u32(extent.bytes);
    }
    buffer
}

/// Ends a message record, which tells outcomes of others, too.
pub(super) fn end_message(buffer: &mut Buffer, terms: Terms, outcomes: &[SubjectStates]) {
    let from = buffer.payload_bytes();
    if !outcomes.is_empty() {
        buffer.states(outcomes);
    }
    buffer.trailer(terms, buffer.payload_bytes() - from);
}

/// Begins a chunk; octets of the body follow. Its length limits what follows it in memory: `id` tells whose it is.
pub(super) fn chunk(id: &QueueId) -> Buffer {
    let mut buffer = Buffer::new(Kind::Chunk);
    buffer.text(id.as_str());
    buffer
}

/// A record of states.
pub(super) fn states(subjects: &[SubjectStates]) -> Buffer {
    let mut buffer = Buffer::new(Kind::States);
    buffer.states(subjects);
    buffer
}

/// A record of hold and expiry.
pub(super) fn terms(subject: &Subject, terms: Terms) -> Buffer {
    let mut buffer = Buffer::new(Kind::Terms);
    subject.put(&mut buffer);
    buffer.trailer(terms, 0);
    buffer
}

/// A record that ends a message.
pub(super) fn gone(subject: &Subject) -> Buffer {
    let mut buffer = Buffer::new(Kind::Gone);
    subject.put(&mut buffer);
    buffer
}

/// Reads a payload whose sum is right. `None` when it is not as we write it.
pub(super) fn read(kind: Kind, payload: &[u8]) -> Option<Record> {
    let mut fields = Fields { octets: payload };
    let record = match kind {
        Kind::Message => {
            let (octets, trailer) = payload.split_at_checked(payload.len().checked_sub(TRAILER_BYTES)?)?;
            let (terms, outcomes_bytes) = Fields { octets: trailer }.trailer()?;
            let (octets, outcomes) = octets.split_at_checked(octets.len().checked_sub(outcomes_bytes)?)?;
            fields.octets = octets;
            let mut record = fields.message(terms)?;
            if !record.extents.is_empty() && record.body.1 != 0 {
                return None;
            }
            if outcomes_bytes > 0 {
                let mut fields = Fields { octets: outcomes };
                record.outcomes = fields.states()?;
                if record.outcomes.is_empty() || !fields.octets.is_empty() {
                    return None;
                }
            }
            return Some(Record::Message(record));
        }
        Kind::Chunk => {
            let id = fields.text()?.parse().ok()?;
            return Some(Record::Chunk { id, body: payload.len() - fields.octets.len() });
        }
        Kind::States => Record::States(fields.states()?),
        Kind::Terms => {
            let subject = fields.subject()?;
            let (terms, 0) = fields.trailer()? else { return None };
            Record::Terms(subject, terms)
        }
        Kind::Gone => Record::Gone(fields.subject()?),
        Kind::Void => return Some(Record::Void),
    };
    fields.octets.is_empty().then_some(record)
}

struct Fields<'a> {
    octets: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.octets.split_at_checked(n)?;
        self.octets = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn time(&mut self) -> Option<Option<UnixTime>> {
        let seconds = i64::from_le_bytes(self.take(8)?.try_into().ok()?);
        Some((seconds != i64::MIN).then_some(UnixTime(seconds)))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()?;
        std::str::from_utf8(self.take(length as usize)?).ok()
    }

    /// As many things as a count says. A count is believed only as far as the octets go: every thing takes some.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        list.shrink_to_fit();
        Some(list)
    }

    fn facts(&mut self) -> Option<Vec<(String, String)>> {
        self.list(|fields| Some((fields.text()?.to_owned(), fields.text()?.to_owned())))
    }

    fn subject(&mut self) -> Option<Subject> {
        let id = self.text()?.parse().ok()?;
        let birth = self.u64()?;
        Some(Subject { id, birth: (birth != 0).then_some(birth) })
    }

    fn status(&mut self) -> Option<Status> {
        let (word, flags) = (self.octet()?, self.octet()?);
        let until = self.time()?;
        let reason = self.text()?;
        let state = match (word, until) {
            (0, None) => RecipientState::Pending,
            (1, Some(until)) => RecipientState::Deferred(until),
            (2, None) => RecipientState::Delivered,
            (3, None) => RecipientState::Bounced,
            _ => return None,
        };
        let reason = match flags & 1 {
            0 if reason.is_empty() => None,
            1 => Some(reason.into()),
            _ => return None,
        };
        (flags <= 3).then_some(Status { state, reason, delay_told: flags & 2 != 0 })
    }

    fn states(&mut self) -> Option<Vec<SubjectStates>> {
        let state = |fields: &mut Fields<'_>| Some((fields.u32()?, fields.status()?));
        self.list(|fields| Some((fields.subject()?, fields.list(state)?)))
    }

    /// Hold and expiry, and the length of the states of others.
    fn trailer(&mut self) -> Option<(Terms, usize)> {
        let [hold @ (0 | 1), 0, 0, 0] = self.take(4)? else { return None };
        let outcomes_bytes = self.u32()? as usize;
        Some((Terms { hold: *hold == 1, expires: self.time()? }, outcomes_bytes))
    }

    fn message(&mut self, terms: Terms) -> Option<MessageRecord> {
        let whole = self.octets.len();
        let subject = self.subject()?;
        let mut envelope = Envelope::new(self.text()?, UnixTime(0));
        envelope.received_at = self.time()??;
        envelope.facts = self.facts()?;
        envelope.recipients = self.list(|fields| {
            let mut recipient = Recipient::new(fields.text()?);
            recipient.facts = fields.facts()?;
            Some(recipient)
        })?;
        let statuses = self.list(Fields::status)?;
        if !statuses.is_empty() && statuses.len() != envelope.recipients.len() {
            return None;
        }
        let extents = self.list(|fields| {
            Some(Extent { segment: fields.u64()?, offset: fields.u32()?, bytes: fields.u32()? })
        })?;
        let body = (whole - self.octets.len(), self.octets.len());
        Some(MessageRecord { subject, envelope, statuses, extents, terms, outcomes: Vec::new(), body })
    }
}

//! Reading a segment from its beginning to its end, whatever stands in it.
//!
//! What is no record is passed over to the next place at which a whole one stands, if there is one: a record is valid
//! in its own place only, so none is found that was not written there. What was passed over is a [`Hole`]; whether it
//! is damage or the torn end of a group that was never answered, recovery decides.
//!
//! # Limits
//! One record is in memory at a time, and a block of [`BLOCK_BYTES`] while looking for the next one. An error of the
//! disk ends the reading: what cannot be read now may be read tomorrow, and must not be taken for lost.

use std::io;
use std::path::Path;

use super::record::{self, ALIGN, HEADER_BYTES, Header, Kind, Record};
use super::segment::{Prelude, RECORDS_AT};
use crate::fs::{self, File, Fs as _, OpenMode, SimFs};

const BLOCK_BYTES: usize = 64 << 10;

/// Octets that are no record, before one that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Reads one segment.
pub(super) struct Scanner<'a> {
    file: &'a dyn File,
    prelude: Prelude,
    at: u64,
    end: u64,
    payload: Vec<u8>,
    pub(super) holes: Vec<Hole>,
    /// How much was durable when the last record that can be read was written.
    pub(super) durable: u64,
    /// How much of the segment counts, when it says so itself.
    pub(super) closed: Option<u64>,
}

/// A record and where it stands.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) record: Record,
    /// Where its payload begins.
    pub(super) offset: u32,
    pub(super) payload_bytes: u32,
}

impl<'a> Scanner<'a> {
    /// Reads up to `end` at most.
    pub(super) fn new(file: &'a dyn File, prelude: &Prelude, end: u64) -> Self {
        let end = end.min(u64::from(u32::MAX));
        let payload = Vec::new();
        Self {
            file,
            prelude: *prelude,
            at: RECORDS_AT,
            end,
            payload,
            holes: Vec::new(),
            durable: 0,
            closed: None,
        }
    }

    /// Where the last record that can be read ends.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next record.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        loop {
            let Some(header) = self.header(self.at)? else {
                let Some(next) = self.search()? else { return Ok(None) };
                self.hole(self.at, next);
                self.at = next;
                continue;
            };
            let start = self.at;
            self.at = start + header.record_bytes();
            self.durable = self.durable.max(u64::from(header.durable));
            if header.kind == Kind::Void {
                if header.durable > 0 {
                    return Ok(self.close(header.durable.into()));
                }
                continue;
            }
            match self.read(start, &header)? {
                Some(record) => {
                    let offset = narrow(start) + HEADER_BYTES as u32;
                    return Ok(Some(Found { record, offset, payload_bytes: header.payload_bytes }));
                }
                // The header is whole, so its length is right: what stands inside is not looked at for records.
                None => self.hole(start, self.at),
            }
        }
    }

    /// The segment ends here: what stands from there to its closing is no part of it.
    fn close(&mut self, durable: u64) -> Option<Found> {
        (self.at, self.end, self.closed) = (durable, durable, Some(durable));
        self.holes.retain_mut(|hole| {
            hole.to = hole.to.min(durable);
            hole.from < hole.to
        });
        None
    }

    /// Notes octets that are no record; next to others they are one hole.
    fn hole(&mut self, from: u64, to: u64) {
        match self.holes.last_mut() {
            Some(last) if last.to == from => last.to = to,
            _ => self.holes.push(Hole { from, to }),
        }
    }

    /// The header at a place, when the record could be whole.
    fn header(&self, at: u64) -> io::Result<Option<Header>> {
        let mut octets = [0; HEADER_BYTES];
        if at + HEADER_BYTES as u64 > self.end || fs::read_full(self.file, &mut octets, at)? < HEADER_BYTES {
            return Ok(None);
        }
        Ok(self.check(&octets, at))
    }

    fn check(&self, octets: &[u8; HEADER_BYTES], at: u64) -> Option<Header> {
        Header::read(octets, self.prelude.spot(narrow(at)))
            .filter(|header| at + header.record_bytes() <= self.end)
    }

    /// The record behind a header, when its payload is whole.
    fn read(&mut self, start: u64, header: &Header) -> io::Result<Option<Record>> {
        self.payload.resize(header.payload_bytes as usize, 0);
        let whole = fs::read_full(self.file, &mut self.payload, start + HEADER_BYTES as u64)?;
        if whole < self.payload.len() || crc32c::crc32c(&self.payload) != header.payload_sum {
            return Ok(None);
        }
        Ok(record::read(header.kind, &self.payload))
    }

    /// The next place behind this one at which a whole record stands.
    fn search(&mut self) -> io::Result<Option<u64>> {
        let mut block = vec![0; BLOCK_BYTES + HEADER_BYTES];
        let mut from = self.at + ALIGN as u64;
        while from < self.end {
            let filled = fs::read_full(self.file, &mut block, from)?;
            for start in (0..filled.min(BLOCK_BYTES)).step_by(ALIGN) {
                let Some(octets) = block[start..filled].first_chunk::<HEADER_BYTES>() else { break };
                if octets[..4] != self.prelude.tag.to_le_bytes() {
                    continue;
                }
                let at = from + start as u64;
                if let Some(header) = self.check(octets, at)
                    && (header.kind == Kind::Void || self.read(at, &header)?.is_some())
                {
                    return Ok(Some(at));
                }
            }
            from += BLOCK_BYTES as u64;
            if filled < block.len() {
                break;
            }
        }
        Ok(None)
    }
}

fn narrow(offset: u64) -> u32 {
    u32::try_from(offset).expect("invariant: the end of a segment is below 2^32")
}

/// Reads any octets as a segment, and as each kind of payload; what is read must read the same when it is written again.
/// For fuzzing.
#[doc(hidden)]
pub fn fuzz_spool_segment(data: &[u8]) {
    for kind in [Kind::Message, Kind::Chunk, Kind::States, Kind::Terms, Kind::Gone] {
        let Some(record) = record::read(kind, data) else { continue };
        let (mut buffer, body) = match &record {
            Record::Message(message) => {
                let (from, bytes) = message.body;
                let head =
                    record::message(&message.subject, &message.envelope, &message.statuses, &message.extents);
                (head, &data[from..from + bytes])
            }
            Record::Chunk { id, body } => (record::chunk(id), &data[*body..]),
            Record::States(states) => (record::states(states), &[][..]),
            Record::Terms(subject, terms) => (record::terms(subject, *terms), &[][..]),
            Record::Gone(subject) => (record::gone(subject), &[][..]),
            Record::Void => continue,
        };
        buffer.put(body);
        if let Record::Message(message) = &record {
            record::end_message(&mut buffer, message.terms, &message.outcomes);
        }
        assert_eq!(buffer.payload(), data, "{kind:?}");
        assert_eq!(record::read(kind, buffer.payload()), Some(record));
    }
    fuzz_scanner(data);
}

/// Writes records cut from `data`, damages what `data` says, and reads: nothing is found that was not written.
fn fuzz_scanner(data: &[u8]) {
    let prelude = Prelude {
        number: 7,
        tag: 0x7461_6721,
        salt: 0x7361_6C74,
        reused: true,
        previous: 6,
        previous_bytes: 0,
    };
    let (orders, mut octets) = data.split_at(data.len().min(8));
    let mut segment = vec![0; RECORDS_AT as usize];
    let mut written = Vec::new();
    for order in orders {
        let (part, rest) = octets.split_at(octets.len().min(usize::from(*order)));
        octets = rest;
        let mut buffer = record::chunk(&"1".parse().expect("invariant: a digit is a queue id"));
        buffer.put(part);
        let spot = prelude.spot(narrow(segment.len() as u64));
        written.push((spot.offset + HEADER_BYTES as u32, narrow(buffer.payload_bytes() as u64)));
        segment.extend_from_slice(buffer.place(spot, 0));
    }
    let whole = segment.len();
    segment.extend_from_slice(octets);
    for (at, order) in orders.iter().enumerate().filter(|(_, order)| **order & 1 == 1) {
        let at = RECORDS_AT as usize + usize::from(*order) * (at + 1);
        if let Some(octet) = segment[..whole].get_mut(at) {
            *octet ^= order;
        }
    }
    let file =
        SimFs::new().open(Path::new("/1"), OpenMode::CreateWrite).expect("invariant: a new disk is empty");
    file.write_at(&[&segment], 0).expect("invariant: the simulated disk fails when told to");
    let mut scanner = Scanner::new(&*file, &prelude, segment.len() as u64);
    let mut last = 0;
    while let Some(found) = scanner.next().expect("invariant: the simulated disk fails when told to") {
        assert!(written.contains(&(found.offset, found.payload_bytes)), "found what was not written");
        assert!(last < found.offset, "found twice");
        last = found.offset;
    }
    assert!(scanner.holes.iter().all(|hole| hole.from < hole.to && hole.to <= scanner.at()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the fuzzer starts from: a payload of each kind.
    fn payloads() -> Vec<Vec<u8>> {
        use super::super::{Envelope, RecipientState, Status};
        use super::record::{Extent, Subject, Terms};
        use proto_core::UnixTime;

        let mut envelope = Envelope::new("a b@x", UnixTime(5)).to("c\u{e4}@y").to("d@z");
        envelope.facts.push(("login".into(), "e".into()));
        envelope.recipients[1].facts.push(("ORCPT".into(), "rfc822;d@z".into()));
        let later = RecipientState::Deferred(UnixTime(-9));
        let statuses = [
            Status { state: later, reason: Some("451 4.3.0 later".into()), delay_told: true },
            Status { state: RecipientState::Bounced, ..Status::default() },
        ];
        let subject = Subject { id: "A1".parse().unwrap(), birth: Some(3) };
        let terms = Terms { hold: true, expires: Some(UnixTime(77)) };
        let mut whole = record::message(&subject, &envelope, &[], &[]);
        whole.put(b"Subject: x\r\n\r\nbody\r\n");
        record::end_message(&mut whole, terms, &[]);
        let extents = [Extent { segment: 9, offset: 4160, bytes: 70_000 }];
        let mut parts = record::message(&subject, &envelope, &statuses, &extents);
        record::end_message(&mut parts, Terms::default(), &[]);
        let [first, second] = statuses;
        let states = vec![(subject.clone(), vec![(0, first), (1, second)])];
        let mut telling = record::message(&subject, &envelope, &[], &[]);
        telling.put(b"body\r\n");
        record::end_message(&mut telling, terms, &states);
        let buffers = [
            whole,
            parts,
            telling,
            record::states(&states),
            record::terms(&subject, terms),
            record::gone(&subject),
        ];
        buffers.iter().map(|buffer| buffer.payload().to_vec()).collect()
    }

    #[test]
    fn every_payload_reads_back_and_no_part_of_one_does() {
        for payload in payloads() {
            fuzz_spool_segment(&payload);
            let kinds = [Kind::Message, Kind::States, Kind::Terms, Kind::Gone];
            let reads =
                |octets: &[u8]| kinds.iter().filter(|kind| record::read(**kind, octets).is_some()).count();
            assert!(reads(&payload) >= 1);
            for end in 0..payload.len() {
                fuzz_spool_segment(&payload[..end]);
            }
        }
    }

    #[test]
    fn a_record_of_another_life_is_none() {
        let prelude =
            Prelude { number: 7, tag: 8, salt: 9, reused: false, previous: 6, previous_bytes: 5000 };
        let file = SimFs::new().open(Path::new("/1"), OpenMode::CreateWrite).unwrap();
        let mut buffer = record::gone(&record::Subject { id: "A1".parse().unwrap(), birth: None });
        let at = RECORDS_AT as u32;
        file.write_at(&[buffer.place(prelude.spot(at), at)], RECORDS_AT).unwrap();
        let finds = |prelude: &Prelude| Scanner::new(&*file, prelude, 9000).next().unwrap().is_some();
        assert!(finds(&prelude));
        for other in [
            Prelude { number: 8, ..prelude },
            Prelude { tag: 9, ..prelude },
            Prelude { salt: 8, ..prelude },
            Prelude { salt: 0, ..prelude },
        ] {
            assert!(!finds(&other), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(data in prop::collection::vec(any::<u8>(), 0..600)) {
            fuzz_spool_segment(&data);
        }

        #[test]
        fn a_changed_payload_is_read_without_panic(
            which in 0..6_usize,
            at in any::<prop::sample::Index>(),
            octet in any::<u8>(),
        ) {
            let mut payload = payloads().remove(which);
            let at = at.index(payload.len());
            payload[at] = octet;
            fuzz_spool_segment(&payload);
        }
    }
}

//! A message whose commit records what became of another one, on a disk that loses power at every operation: both are there, or
//! neither. (That it stays so when segments are emptied, `spool_model.rs` has.)
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{SPOOL, commit, env, read_all, record, some_power_cuts};
use mailstore::DeliveryId;
use mailstore::fs::SimFs;
use mailstore::spool::{Envelope, LogSpool, Outcome, QueueId, RecipientState, Spool, SpoolLimits, Status};
use proto_core::UnixTime;
use std::ops::Range;
use std::path::Path;

/// What is longer than 40 octets comes in chunks, and few messages fill a segment.
const LIMITS: SpoolLimits =
    SpoolLimits { messages_max: 100, bytes_max: 1 << 20, small_bytes_max: 40, segment_bytes: 5000 };

fn open(fs: &SimFs, pid: u32) -> LogSpool {
    let (spool, recovered) = LogSpool::open(env(fs, pid), Path::new(SPOOL), LIMITS).unwrap();
    assert_eq!(recovered.corrupt, []);
    spool
}

fn accept(spool: &LogSpool, to: &[&str], body: &[u8], outcomes: Vec<Outcome>) -> QueueId {
    let envelope = to.iter().fold(Envelope::new("s@x.test", UnixTime(0)), |envelope, to| envelope.to(*to));
    let mut writer = spool.begin(envelope).unwrap();
    body.chunks(50).for_each(|part| writer.write(part).unwrap());
    writer.record(outcomes);
    commit(writer).unwrap()
}

/// Fills segments with what comes and goes, and something that stays.
fn pass_through(spool: &LogSpool, count: usize) {
    for number in 0..count {
        if number % 5 == 4 {
            accept(spool, &["b@x.test"], b"stays\r\n", Vec::new());
        }
        let id = accept(spool, &["a@x.test"], &[b'x'; 300], Vec::new());
        record(spool, &id, 0, RecipientState::Delivered).unwrap();
    }
}

fn listed(spool: &LogSpool) -> Vec<(QueueId, Vec<Status>, Vec<u8>)> {
    let list = spool.list().into_iter();
    let with_body = |id: &QueueId| read_all(&mut *spool.body(id).unwrap()).unwrap();
    list.map(|entry| (entry.id.clone(), entry.statuses, with_body(&entry.id))).collect()
}

/// A message, one that records what became of it, and before which operations what was begun and answered.
struct Told {
    of: QueueId,
    report: QueueId,
    body: &'static [u8],
    begun: u64,
    answered: u64,
    /// When the latter's delivery was recorded.
    delivered: Range<u64>,
}

impl Told {
    fn play(fs: &SimFs, spool: &LogSpool, before: usize, body: &'static [u8]) -> Self {
        // From then on files are written over, and a write may lose any of its blocks.
        pass_through(spool, before);
        let of = accept(spool, &["a@x.test", "b@x.test", "c@x.test"], &[b'z'; 100], Vec::new());
        pass_through(spool, 1);
        let outcome = |recipient, state| {
            let delivery = DeliveryId { queue_id: of.clone(), recipient };
            Outcome::new(delivery, state).because("5.1.1 no")
        };
        let mut delayed = outcome(1, RecipientState::Deferred(UnixTime(7)));
        delayed.status.delay_told = true;
        let outcomes = vec![outcome(0, RecipientState::Bounced), delayed];
        fs.record_crash_points();
        let begun = fs.ops();
        let report = accept(spool, &["s@x.test"], body, outcomes);
        Self { of, report, body, begun, answered: fs.ops(), delivered: u64::MAX..u64::MAX }
    }

    fn check(&self, op: u64, disk: &SimFs) {
        let told = listed(&open(disk, 2));
        assert_eq!(listed(&open(disk, 3)), told, "op {op}: it opens as it was");
        let known = |id: &QueueId| told.iter().find(|(known, ..)| known == id);
        let (_, statuses, _) = known(&self.of).unwrap();
        let [bounced, delayed, pending] = &statuses[..] else { panic!("op {op}: {statuses:?}") };
        let is_recorded = bounced.state == RecipientState::Bounced;
        if is_recorded {
            assert!(op > self.begun, "op {op}");
            assert_eq!(bounced.reason.as_deref(), Some("5.1.1 no"), "op {op}");
            assert_eq!(delayed.state, RecipientState::Deferred(UnixTime(7)), "op {op}");
            assert!(delayed.delay_told, "op {op}");
        } else {
            assert!(op < self.answered, "op {op}: what was answered is lost");
            assert_eq!((bounced, delayed), (&Status::default(), &Status::default()), "op {op}");
        }
        assert_eq!(pending, &Status::default(), "op {op}");
        match known(&self.report) {
            Some((.., there)) => {
                assert!(is_recorded && there == self.body && op < self.delivered.end, "op {op}")
            }
            None => assert!(!is_recorded || op > self.delivered.start, "op {op}: recorded, and no message"),
        }
    }
}

#[test]
fn what_a_message_records_is_there_with_it_or_not_at_all() {
    // Where a segment ends depends on what was before.
    for (before, body) in (40..44).map(|before| (before, &[b'y'; 200][..])).chain([(40, &b"small\r\n"[..])]) {
        let fs = SimFs::new();
        let told = Told::play(&fs, &open(&fs, 1), before, body);
        some_power_cuts(&fs, 400, |op| op, |op, disk| told.check(op, disk));
    }
}

#[test]
fn what_a_message_has_recorded_stays_when_it_is_gone() {
    let fs = SimFs::new();
    let spool = open(&fs, 1);
    let mut told = Told::play(&fs, &spool, 40, &[b'y'; 400]);
    pass_through(&spool, 1);
    let begun = fs.ops();
    record(&spool, &told.report, 0, RecipientState::Delivered).unwrap();
    told.delivered = begun..fs.ops();
    pass_through(&spool, 6);
    spool.upkeep().unwrap();
    some_power_cuts(&fs, 8, |op| op, |op, disk| told.check(op, disk));
}

//! The spool on a disk that loses power at every operation, and fails at every operation.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{SPOOL, env, every_power_cut, message, read_all};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::spool::{Envelope, FileSpool, QueueId, RecipientState, Recovered, Spool, SpoolLimits};
use mailstore::{Class, ErrorKind, Result};
use proto_core::UnixTime;

/// What was done with one message, and before which operation each step began and had been answered.
#[derive(Debug, Clone, Default)]
struct Story {
    body: Vec<u8>,
    begun: u64,
    committed: Option<u64>,
    /// State of recipient 0 or 1: begun, answered.
    records: Vec<(u32, RecipientState, u64, Option<u64>)>,
    released: Option<u64>,
}

type Stories = BTreeMap<QueueId, Story>;

fn open(fs: &SimFs, pid: u32) -> Result<(FileSpool, Recovered)> {
    FileSpool::open(env(fs, pid), Path::new(SPOOL), SpoolLimits::default())
}

fn envelope(number: u32) -> Envelope {
    Envelope::new("sender@example.test", UnixTime(i64::from(number)))
        .to("a@example.test")
        .to("b@example.test")
}

fn accept(fs: &SimFs, spool: &FileSpool, stories: &mut Stories, number: u32) -> Result<QueueId> {
    let begun = fs.ops();
    let mut writer = spool.begin(envelope(number))?;
    let id = writer.id().clone();
    let body = message(number);
    stories.insert(id.clone(), Story { body: body.clone(), begun, ..Story::default() });
    for chunk in body.chunks(7) {
        writer.write(chunk)?;
    }
    writer.commit()?;
    stories.get_mut(&id).unwrap().committed = Some(fs.ops());
    Ok(id)
}

/// Three messages in all their stages. Steps that fail are passed over, as a server does.
fn play(fs: &SimFs, stories: &mut Stories) -> Result<()> {
    let (spool, _) = open(fs, 1)?;
    for number in 1..=3 {
        let _ = accept(fs, &spool, stories, number);
    }
    let mut aborted = spool.begin(envelope(9))?;
    let _ = aborted.write(b"never committed");
    aborted.abort();
    let steps = [
        [RecipientState::Deferred(UnixTime(50)), RecipientState::Delivered],
        [RecipientState::Delivered, RecipientState::Failed],
    ];
    for states in steps {
        let Some(job) = spool.next_ready(UnixTime(10))? else { break };
        for (recipient, state) in (0..).zip(states) {
            let begun = fs.ops();
            let answered = spool.record(&job.id, recipient, state).is_ok().then(|| fs.ops());
            stories.get_mut(&job.id).unwrap().records.push((recipient, state, begun, answered));
        }
        stories.get_mut(&job.id).unwrap().released = Some(fs.ops());
        let _ = spool.release(&job.id);
    }
    Ok(())
}

/// Everything that was answered before operation `op` must hold on the disk found after a power cut there.
fn check(op: u64, disk: &SimFs, stories: &Stories) {
    let (spool, recovered) = open(disk, 2).unwrap();
    assert_eq!(recovered.corrupt, []);
    let listed: BTreeMap<_, _> = spool.list().into_iter().map(|entry| (entry.id.clone(), entry)).collect();
    for id in listed.keys() {
        assert!(stories.contains_key(id), "op {op}: {id} was never begun, or was aborted");
    }
    for (id, story) in stories {
        let answered = |at: Option<u64>| at.is_some_and(|at| at <= op);
        let Some(entry) = listed.get(id) else {
            let done = |recipient| {
                story
                    .records
                    .iter()
                    .any(|&(to, state, begun, _)| to == recipient && state.is_done() && begun < op)
            };
            assert!(
                !answered(story.committed) || done(0) && done(1),
                "op {op}: {id} was accepted and is lost"
            );
            continue;
        };
        assert!(story.begun < op);
        assert_eq!(entry.envelope.recipients.len(), 2);
        assert_eq!(read_all(&mut *spool.body(id).unwrap()).unwrap(), story.body, "op {op}: half a message");
        for recipient in 0..2 {
            let mut allowed = vec![RecipientState::Pending];
            for &(_, state, begun, end) in story.records.iter().filter(|record| record.0 == recipient) {
                if answered(end) {
                    allowed = vec![state];
                } else if begun < op {
                    allowed.push(state);
                }
            }
            assert!(
                allowed.contains(&entry.states[recipient as usize]),
                "op {op}: {:?} not in {allowed:?}",
                entry.states
            );
        }
    }
    assert_eq!(
        mailstore::fs::Fs::read_dir(disk, Path::new("/spool/tmp")).unwrap(),
        [],
        "half-written files are gone"
    );
    // And it works on.
    let mut more = Stories::new();
    let id = accept(disk, &spool, &mut more, 100).unwrap();
    assert!(!stories.contains_key(&id), "a queue id is not given twice");
}

#[test]
fn the_power_fails_at_every_operation() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut stories = Stories::new();
    play(&fs, &mut stories).unwrap();
    assert_eq!(stories.values().filter(|story| story.committed.is_some()).count(), 3);
    let done = stories.values().filter(|story| story.released.is_some()).count();
    assert_eq!(done, 2);
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &stories));
}

#[test]
fn recovery_itself_may_be_cut_off() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut stories = Stories::new();
    play(&fs, &mut stories).unwrap();
    let end = fs.ops();
    for point in fs.crash_points().into_iter().step_by(5) {
        for disk in point.outcomes(common::seed(), 4).take(4) {
            disk.record_crash_points();
            open(&disk, 2).unwrap();
            for again in disk.crash_points() {
                for disk in again.outcomes(common::seed(), 4).take(8) {
                    check(point.op.min(end), &disk, &stories);
                }
            }
        }
    }
}

#[test]
fn every_operation_fails_once() {
    let count = {
        let fs = SimFs::new();
        play(&fs, &mut Stories::new()).unwrap();
        fs.ops()
    };
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..count {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let mut stories = Stories::new();
            if let Err(error) = play(&fs, &mut stories) {
                assert_eq!(error.class(), Class::Temporary, "{error}");
                if fault == Fault::NoSpace {
                    assert_eq!(error.kind(), ErrorKind::DiskFull);
                }
            }
            for disk in fs.crash_point().outcomes(common::seed(), 8).take(40) {
                check(u64::MAX, &disk, &stories);
            }
        }
    }
}

#[test]
fn above_the_backlog_limit_new_mail_is_refused_for_now() {
    let fs = SimFs::new();
    let limits = SpoolLimits { messages_max: 2 };
    let (spool, _) = FileSpool::open(env(&fs, 1), Path::new(SPOOL), limits).unwrap();
    let first = spool.begin(envelope(1)).unwrap();
    let second = spool.begin(envelope(2)).unwrap();
    let error = spool.begin(envelope(3)).err().unwrap();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Backlog, Class::Temporary));
    first.abort();
    drop(second);
    let id = spool.begin(envelope(4)).unwrap().commit().unwrap();
    assert_eq!(spool.backlog(), 1);
    spool.remove(&id).unwrap();
    assert_eq!(spool.backlog(), 0);
}

#[test]
fn messages_fall_due_in_order_and_one_deliverer_has_each() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1).unwrap();
    let mut stories = Stories::new();
    let late = accept(&fs, &spool, &mut stories, 20).unwrap();
    let early = accept(&fs, &spool, &mut stories, 10).unwrap();
    assert_eq!(spool.next_due(), Some(UnixTime(10)));
    let job = spool.next_ready(UnixTime(15)).unwrap().unwrap();
    assert_eq!((&job.id, job.maybe_delivered), (&early, false));
    assert_eq!(spool.next_ready(UnixTime(15)).unwrap(), None);
    for recipient in 0..2 {
        spool.record(&early, recipient, RecipientState::Deferred(UnixTime(30))).unwrap();
    }
    spool.release(&early).unwrap();
    assert_eq!(spool.next_ready(UnixTime(25)).unwrap().unwrap().id, late);
    assert_eq!(spool.next_due(), Some(UnixTime(30)));
    let again = spool.next_ready(UnixTime(30)).unwrap().unwrap();
    assert_eq!((&again.id, again.maybe_delivered), (&early, true));
    assert!(spool.record(&early, 2, RecipientState::Delivered).is_err());
}

#[test]
fn a_damaged_file_is_set_aside_and_reported() {
    let fs = SimFs::new();
    let mut stories = Stories::new();
    let (spool, _) = open(&fs, 1).unwrap();
    let id = accept(&fs, &spool, &mut stories, 1).unwrap();
    drop(spool);
    let queue = Path::new("/spool/queue");
    let file = mailstore::fs::Fs::read_dir(&fs, queue).unwrap().remove(0).name;
    mailstore::fs::Fs::rename(&fs, &queue.join(&file), &queue.join(format!("{id},99999"))).unwrap();
    let (spool, recovered) = open(&fs, 2).unwrap();
    assert_eq!(spool.backlog(), 0);
    assert_eq!(recovered.corrupt.len(), 1);
    assert_eq!(recovered.corrupt[0].1, "shorter than its name says");
}

//! The spool on a disk that loses power at every operation, and fails at every operation.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use common::{SPOOL, commit, env, every_power_cut, message, read_all, record};
use mailstore::fs::Fs as _;
use mailstore::fs::sim::{Fault, Operation, SimFs};
use mailstore::spool::{
    Envelope, LogSpool, QueueEntry, QueueId, RecipientState, Recovered, Spool, SpoolLimits, SpoolWriter, wait,
};
use mailstore::{Class, ErrorKind, Result};
use proto_core::UnixTime;

/// Small enough that a few messages fill a segment, and that most of them arrive in chunks.
const LIMITS: SpoolLimits =
    SpoolLimits { messages_max: 100, bytes_max: 1 << 20, small_bytes_max: 40, segment_bytes: 5000 };

/// A step: what was asked for, before which operation, and before which operation it had been answered.
#[derive(Debug, Clone)]
struct Step<T> {
    what: T,
    begun: u64,
    answered: Option<u64>,
}

/// What was done with one message.
#[derive(Debug, Clone, Default)]
struct Story {
    body: Vec<u8>,
    begun: u64,
    committed: Option<u64>,
    records: Vec<Step<(u32, RecipientState)>>,
    holds: Vec<Step<bool>>,
    removed: Option<Step<()>>,
}

impl Story {
    /// The states that may be found of a recipient after a power cut before `op`.
    fn states(&self, op: u64, recipient: u32) -> Vec<RecipientState> {
        let steps: Vec<_> = self.records.iter().filter(|step| step.what.0 == recipient).collect();
        // Who is done stays done: nothing that comes later is recorded.
        let done =
            steps.iter().position(|step| step.what.1.is_done() && step.answered.is_some_and(|at| at <= op));
        let steps = steps.iter().take(done.map_or(usize::MAX, |done| done + 1));
        allowed(op, RecipientState::Pending, steps.map(|step| (step.what.1, *step)))
    }

    /// Whether the message may be gone.
    fn may_be_gone(&self, op: u64) -> bool {
        let done = |recipient| self.states(op, recipient).iter().any(|state| state.is_done());
        self.committed.is_none_or(|at| at > op)
            || self.removed.as_ref().is_some_and(|step| step.begun < op)
            || (done(0) && done(1))
    }

    /// Whether the message must be gone.
    fn must_be_gone(&self, op: u64) -> bool {
        let done = |recipient| self.states(op, recipient).iter().all(|state| state.is_done());
        let removed = self.removed.as_ref().and_then(|step| step.answered);
        removed.is_some_and(|at| at <= op) || (done(0) && done(1))
    }
}

/// What may be found: what was answered last, or anything asked for since.
fn allowed<T, S: 'static>(op: u64, first: T, steps: impl Iterator<Item = (T, impl AsStep<S>)>) -> Vec<T> {
    let mut allowed = vec![first];
    for (what, step) in steps {
        let (begun, answered) = step.times();
        if answered.is_some_and(|at| at <= op) {
            allowed = vec![what];
        } else if begun < op {
            allowed.push(what);
        }
    }
    allowed
}

trait AsStep<T> {
    fn times(&self) -> (u64, Option<u64>);
}

impl<T> AsStep<T> for &Step<T> {
    fn times(&self) -> (u64, Option<u64>) {
        (self.begun, self.answered)
    }
}

type Stories = BTreeMap<QueueId, Story>;

fn open(fs: &SimFs, pid: u32) -> Result<(LogSpool, Recovered)> {
    open_with(fs, pid, LIMITS)
}

fn open_with(fs: &SimFs, pid: u32, limits: SpoolLimits) -> Result<(LogSpool, Recovered)> {
    LogSpool::open(env(fs, pid), Path::new(SPOOL), limits)
}

fn envelope(number: u32) -> Envelope {
    Envelope::new("sender@example.test", UnixTime(i64::from(number)))
        .to("a@example.test")
        .to("b@example.test")
}

/// The play of one process, as the messages lived through it.
struct Play<'a> {
    fs: &'a SimFs,
    spool: LogSpool,
    stories: &'a mut Stories,
}

impl Play<'_> {
    fn begin(&mut self, number: u32) -> Result<Box<dyn SpoolWriter>> {
        let begun = self.fs.ops();
        let writer = self.spool.begin(envelope(number))?;
        let story = Story { body: message(number), begun, ..Story::default() };
        self.stories.insert(writer.id().clone(), story);
        Ok(writer)
    }

    fn accept(&mut self, number: u32) -> Result<QueueId> {
        let mut writer = self.begin(number)?;
        for chunk in message(number).chunks(7) {
            writer.write(chunk)?;
        }
        self.commit(writer)
    }

    fn commit(&mut self, writer: Box<dyn SpoolWriter>) -> Result<QueueId> {
        let id = commit(writer)?;
        self.stories.get_mut(&id).unwrap().committed = Some(self.fs.ops());
        Ok(id)
    }

    fn step<T>(&self, what: T, act: impl FnOnce(&LogSpool) -> Result<()>) -> Step<T> {
        let begun = self.fs.ops();
        let answered = act(&self.spool).is_ok().then(|| self.fs.ops());
        Step { what, begun, answered }
    }

    fn record(&mut self, id: &QueueId, recipient: u32, state: RecipientState) {
        let step = self.step((recipient, state), |spool| record(spool, id, recipient, state));
        self.stories.get_mut(id).unwrap().records.push(step);
    }

    fn hold(&mut self, id: &QueueId, hold: bool) {
        let step = self.step(hold, |spool| wait(|done| spool.hold(id, hold, done)));
        self.stories.get_mut(id).unwrap().holds.push(step);
    }

    fn remove(&mut self, id: &QueueId) {
        let step = self.step((), |spool| wait(|done| spool.remove(id, done)));
        self.stories.get_mut(id).unwrap().removed = Some(step);
    }

    /// Takes the next message and leaves its recipients in these states.
    fn serve(&mut self, states: [RecipientState; 2]) -> Result<()> {
        let Some(job) = self.spool.next_ready(UnixTime(1000))? else { return Ok(()) };
        for (recipient, state) in (0..).zip(states) {
            self.record(&job.id, recipient, state);
        }
        self.spool.release(&job.id);
        Ok(())
    }
}

const DEFERRED: RecipientState = RecipientState::Deferred(UnixTime(5000));

/// Messages in all their stages. Steps that fail are passed over, as a server does.
fn play(fs: &SimFs, stories: &mut Stories) -> Result<()> {
    let (spool, _) = open(fs, 1)?;
    let mut play = Play { fs, spool, stories };
    let small = play.accept(7);
    // Two that arrive at the same time, in several chunks each, and one that never comes to its end.
    let mut first = play.begin(5)?;
    let mut second = play.begin(6)?;
    let mut never = play.spool.begin(envelope(99))?;
    for (one, other) in message(5).chunks(25).zip(message(6).chunks(25)) {
        let _ = never.write(&[b'x'; 30]);
        let _ = first.write(one);
        let _ = second.write(other);
    }
    let rest = |number: u32, other: u32| {
        let rounds = message(5).chunks(25).count().min(message(6).chunks(25).count());
        assert!(number != other);
        message(number).chunks(25).skip(rounds).flatten().copied().collect::<Vec<u8>>()
    };
    let (more, less) = (first.write(&rest(5, 6)), second.write(&rest(6, 5)));
    let first = more.and_then(|()| play.commit(first));
    let second = less.and_then(|()| play.commit(second));
    drop(never);
    if let Ok(small) = &small {
        play.hold(small, true);
        let _ = wait(|done| play.spool.expire(small, Some(UnixTime(77)), done));
    }
    play.serve([DEFERRED, RecipientState::Delivered])?;
    play.serve([RecipientState::Delivered, RecipientState::Bounced])?;
    // Some stay, others pass through: segments are dropped and emptied.
    for number in 10..20 {
        let _ = play.accept(number);
        let stays = number % 3 == 0;
        play.serve([if stays { DEFERRED } else { RecipientState::Delivered }, RecipientState::Delivered])?;
    }
    let removed = play.accept(29);
    if let Ok(removed) = &removed {
        play.remove(removed);
    }
    if let Ok(small) = &small {
        play.hold(small, false);
    }
    let _ = (first, second);
    for number in 30..32 {
        let _ = play.accept(number);
        play.serve([RecipientState::Delivered, RecipientState::Delivered])?;
    }
    let _ = play.spool.upkeep();
    Ok(())
}

/// Everything that was answered before operation `op` must hold on the disk found after a power cut there.
fn check(op: u64, disk: &SimFs, stories: &Stories) {
    let (spool, recovered) = open(disk, 2).unwrap();
    assert_eq!(recovered.corrupt, [], "op {op}");
    let listed: BTreeMap<_, _> = spool.list().into_iter().map(|entry| (entry.id.clone(), entry)).collect();
    for id in listed.keys() {
        assert!(stories.contains_key(id), "op {op}: {id} was never begun, or was aborted");
    }
    for (id, story) in stories {
        let Some(entry) = listed.get(id) else {
            assert!(story.may_be_gone(op), "op {op}: {id} was accepted and is lost: {story:?}");
            continue;
        };
        assert!(story.begun < op && !story.must_be_gone(op), "op {op}: {id} has come back: {story:?}");
        assert_eq!(entry.envelope.recipients.len(), 2);
        let body = spool.body(id).and_then(|mut body| read_all(&mut *body)).unwrap();
        assert_eq!(body, story.body, "op {op}: half a message");
        for recipient in 0..2 {
            let (found, allowed) = (entry.statuses[recipient as usize].state, story.states(op, recipient));
            assert!(allowed.contains(&found), "op {op}: {found:?} not in {allowed:?}");
        }
        let holds = allowed(op, false, story.holds.iter().map(|step| (step.what, step)));
        assert!(holds.contains(&entry.hold), "op {op}: {id} on hold: {} not in {holds:?}", entry.hold);
    }
    // And it works on.
    let mut more = Stories::new();
    let id = Play { fs: disk, spool, stories: &mut more }.accept(100).unwrap();
    assert!(!stories.contains_key(&id), "a queue id is not given twice");
    // Into a file that is nothing else.
    let (spool, recovered) = open(disk, 4).unwrap();
    assert_eq!((recovered.messages, recovered.corrupt), (listed.len() + 1, vec![]), "op {op}: opened again");
    for id in listed.keys() {
        let body = spool.body(id).and_then(|mut body| read_all(&mut *body)).unwrap();
        assert_eq!(body, stories[id].body, "op {op}: written over");
    }
}

#[test]
fn the_power_fails_at_every_operation() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut stories = Stories::new();
    play(&fs, &mut stories).unwrap();
    assert_eq!(stories.values().filter(|story| story.committed.is_some()).count(), 16);
    let log = fs.log();
    let renamed_to_spare = |operation: &&Operation| {
        operation.name == "rename" && operation.path.to_str().unwrap().contains("spare")
    };
    let renamed = log.iter().filter(|operation| operation.name == "rename").count();
    let kept = log.iter().filter(renamed_to_spare).count();
    assert!(
        kept > 3 && renamed - kept > 3,
        "{kept} segments became spares, {} again segments",
        renamed - kept
    );
    let first = Path::new("/spool/log/0000000000000001");
    assert!(fs.metadata(first).is_err(), "what stays was moved out of the first segment");
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &stories));
}

#[test]
fn recovery_itself_may_be_cut_off() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut stories = Stories::new();
    play(&fs, &mut stories).unwrap();
    for point in fs.crash_points().into_iter().step_by(11) {
        for disk in point.outcomes(common::seed(), 4).take(3) {
            disk.record_crash_points();
            open(&disk, 2).unwrap();
            for again in disk.crash_points() {
                for disk in again.outcomes(common::seed(), 4).take(6) {
                    check(point.op, &disk, &stories);
                }
            }
        }
    }
}

/// What a spool shows, as if it had been answered before the first operation.
fn told(spool: &LogSpool) -> Stories {
    let told = |entry: QueueEntry| {
        let body = spool.body(&entry.id).and_then(|mut body| read_all(&mut *body)).unwrap();
        let statuses = (0..).zip(&entry.statuses);
        let records = statuses.map(|(recipient, status)| Step {
            what: (recipient, status.state),
            begun: 0,
            answered: Some(0),
        });
        let hold = Step { what: entry.hold, begun: 0, answered: Some(0) };
        let (committed, records, holds) = (Some(0), records.collect(), vec![hold]);
        (entry.id, Story { body, begun: 0, committed, records, holds, removed: None })
    };
    spool.list().into_iter().map(told).collect()
}

/// The second life begins with what the first one left: spares, whole or half made, and what stands in them.
#[test]
fn work_goes_on_between_two_power_cuts() {
    let fs = SimFs::new();
    fs.record_crash_points();
    play(&fs, &mut Stories::new()).unwrap();
    let mut again = 0;
    for point in fs.crash_points().into_iter().step_by(17) {
        let disks: Vec<SimFs> = point.outcomes(common::seed(), 4).take(9).collect();
        let disk = &disks[point.op as usize % disks.len()];
        disk.record_crash_points();
        let (spool, _) = open(disk, 3).unwrap();
        let mut stories = told(&spool);
        let mut play = Play { fs: disk, spool, stories: &mut stories };
        for number in 40..48 {
            play.accept(number).unwrap();
            play.serve([RecipientState::Delivered, RecipientState::Delivered]).unwrap();
        }
        let log = disk.log();
        again += log.iter().filter(|operation| operation.name == "rename").count();
        for point in disk.crash_points().into_iter().skip(1) {
            for disk in point.outcomes(common::seed(), 2).take(5) {
                check(point.op, &disk, &stories);
            }
        }
    }
    assert!(again > 100, "{again} renames");
}

#[test]
fn groups_of_many_writers_are_cut_off() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let (spool, _) = open_with(&fs, 1, SpoolLimits { segment_bytes: 16_000, ..LIMITS }).unwrap();
    spool.start().unwrap();
    let stories = Arc::new(Mutex::new(Stories::new()));
    let (send, receive) = mpsc::channel();
    for round in 0..3 {
        let mut writers = Vec::new();
        for number in 0..5 {
            let number = round * 10 + number;
            let mut writer = spool.begin(envelope(number)).unwrap();
            let story = Story { body: message(number), begun: 0, ..Story::default() };
            stories.lock().unwrap().insert(writer.id().clone(), story);
            writer.write(&message(number)).unwrap();
            writers.push(writer);
        }
        for writer in writers {
            let (fs, stories, send) = (fs.clone(), Arc::clone(&stories), send.clone());
            writer.commit(Box::new(move |result| {
                let id = result.unwrap();
                stories.lock().unwrap().get_mut(&id).unwrap().committed = Some(fs.ops());
                send.send(id).unwrap();
            }));
        }
        let ids: Vec<QueueId> = receive.iter().take(5).collect();
        for (id, recipient) in ids.iter().take(3).zip([0, 1, 1]) {
            let step = {
                let begun = fs.ops();
                record(&spool, id, recipient, RecipientState::Delivered).unwrap();
                Step { what: (recipient, RecipientState::Delivered), begun, answered: Some(fs.ops()) }
            };
            stories.lock().unwrap().get_mut(id).unwrap().records.push(step);
        }
    }
    drop(spool);
    let log = fs.log();
    let (syncs, answered) = (log.iter().filter(|operation| operation.name == "sync").count(), 3 * 5 + 3 * 3);
    assert!(syncs < answered, "{syncs} syncs for {answered} answers");
    let stories = stories.lock().unwrap();
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &stories));
}

/// What was torn and never answered is no loss, neither at the next start nor when that is cut off too.
#[test]
fn large_messages_of_one_group_are_cut_off_and_recovery_is() {
    let fs = SimFs::new();
    let (spool, _) = open_with(&fs, 1, SpoolLimits { segment_bytes: 16_000, ..LIMITS }).unwrap();
    spool.start().unwrap();
    let (open_gate, gate) = mpsc::channel::<()>();
    let (send, receive) = mpsc::channel();
    // While this one is answered, nothing else is written: the other two share what follows.
    let first = spool.begin(envelope(0)).unwrap();
    first.commit(Box::new(move |result| {
        result.unwrap();
        gate.recv().unwrap();
    }));
    fs.record_crash_points();
    for number in 1..3 {
        let mut writer = spool.begin(envelope(number)).unwrap();
        writer.write(&[b'x'; LIMITS.small_bytes_max + 1]).unwrap();
        let send = send.clone();
        writer.commit(Box::new(move |result| send.send(result.unwrap()).unwrap()));
    }
    open_gate.send(()).unwrap();
    assert_eq!(receive.iter().take(2).count(), 2);
    drop(spool);
    for point in fs.crash_points() {
        for disk in point.outcomes(common::seed(), 20).step_by(7) {
            disk.record_crash_points();
            assert_eq!(open(&disk, 2).unwrap().1.corrupt, [], "op {}", point.op);
            for again in disk.crash_points() {
                for disk in again.outcomes(common::seed(), 4).take(6) {
                    let recovered = open(&disk, 3).unwrap().1;
                    assert_eq!(recovered.corrupt, [], "op {}, then {}", point.op, again.op);
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
            for disk in fs.crash_point().outcomes(common::seed(), 8).take(12) {
                check(u64::MAX, &disk, &stories);
            }
        }
    }
}

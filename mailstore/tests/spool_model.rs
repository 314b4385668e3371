//! The spool against a model: any order of what can be asked of it, with restarts and power cuts in between, shows the
//! same queue as a map in memory.
//!
//! Every step waits for its answer, so a power cut between two steps may change nothing, whatever the disk had not written
//! by itself.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{SPOOL, commit, env, read_all};
use mailstore::fs::SimFs;
use mailstore::spool::{
    Envelope, LogSpool, Outcome, QueueId, RecipientState, Spool, SpoolLimits, SpoolWriter, wait,
};
use mailstore::{DeliveryId, ErrorKind};
use proptest::prelude::*;
use proto_core::UnixTime;

const LIMITS: SpoolLimits =
    SpoolLimits { messages_max: 1000, bytes_max: 1 << 20, small_bytes_max: 50, segment_bytes: 5000 };

#[derive(Debug, Clone)]
enum Step {
    /// Length of the body, number of recipients, hold.
    Accept(usize, usize, bool),
    /// A message that records, with its commit, what became of that recipient of that message.
    AcceptRecording(usize, usize, u32, RecipientState),
    Abort(usize),
    /// Which message, which recipient, and what became of it.
    Record(usize, u32, RecipientState),
    /// States of the first recipient of several messages at once.
    RecordMany(RecipientState),
    Take(i64),
    Release(usize),
    Hold(usize, bool),
    Expire(usize, Option<i64>),
    RetryNow(Option<usize>),
    Remove(usize),
    Upkeep,
    Restart,
    PowerCut(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    body: Vec<u8>,
    states: Vec<RecipientState>,
    hold: bool,
    expires: Option<UnixTime>,
    active: bool,
}

impl Known {
    fn is_done(&self) -> bool {
        self.states.iter().all(|state| state.is_done())
    }

    fn due(&self) -> Option<i64> {
        let due = |state: &RecipientState| match state {
            RecipientState::Pending => Some(0),
            RecipientState::Deferred(until) => Some(until.0),
            _ => None,
        };
        if self.active || self.hold { None } else { self.states.iter().filter_map(due).min() }
    }
}

fn state() -> impl Strategy<Value = RecipientState> {
    prop_oneof![
        Just(RecipientState::Delivered),
        Just(RecipientState::Delivered),
        Just(RecipientState::Bounced),
        (1..100_i64).prop_map(|at| RecipientState::Deferred(UnixTime(at))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..20_usize;
    prop_oneof![
        6 => (0..400_usize, 1..4_usize, prop::bool::weighted(0.1))
            .prop_map(|(bytes, to, hold)| Step::Accept(bytes, to, hold)),
        2 => (0..400_usize, which.clone(), 0..4_u32, state())
            .prop_map(|(bytes, id, to, state)| Step::AcceptRecording(bytes, id, to, state)),
        1 => (0..300_usize).prop_map(Step::Abort),
        6 => (which.clone(), 0..4_u32, state()).prop_map(|(id, to, state)| Step::Record(id, to, state)),
        2 => state().prop_map(Step::RecordMany),
        4 => (0..100_i64).prop_map(Step::Take),
        4 => which.clone().prop_map(Step::Release),
        1 => (which.clone(), any::<bool>()).prop_map(|(id, hold)| Step::Hold(id, hold)),
        1 => (which.clone(), prop::option::of(0..9_i64)).prop_map(|(id, at)| Step::Expire(id, at)),
        1 => prop::option::of(which.clone()).prop_map(Step::RetryNow),
        1 => which.prop_map(Step::Remove),
        1 => Just(Step::Upkeep),
        1 => Just(Step::Restart),
        2 => (0..30_usize).prop_map(Step::PowerCut),
    ]
}

struct Run {
    fs: SimFs,
    pid: u32,
    spool: LogSpool,
    model: BTreeMap<QueueId, Known>,
    number: usize,
}

impl Run {
    fn open(fs: &SimFs, pid: u32) -> LogSpool {
        let (spool, recovered) = LogSpool::open(env(fs, pid), Path::new(SPOOL), LIMITS).unwrap();
        assert_eq!(recovered.corrupt, []);
        spool
    }

    fn pick(&self, which: usize) -> Option<QueueId> {
        self.model.keys().nth(which % self.model.len().max(1)).cloned()
    }

    /// Starts again. What is in memory alone is forgotten: whose hands a message was in.
    fn restart(&mut self, fs: SimFs) {
        self.pid += 1;
        self.spool = Self::open(&fs, self.pid);
        self.fs = fs;
        for known in self.model.values_mut() {
            known.active = false;
        }
        self.model.retain(|_, known| !known.is_done());
    }

    fn record(&mut self, outcomes: Vec<(QueueId, u32, RecipientState)>) {
        let told = |(id, recipient, state): &(QueueId, u32, RecipientState)| {
            Outcome::new(DeliveryId { queue_id: id.clone(), recipient: *recipient }, *state)
        };
        wait(|done| self.spool.record(outcomes.iter().map(told).collect(), done)).unwrap();
        outcomes.iter().for_each(|(id, recipient, state)| self.recorded(id, *recipient, *state));
    }

    /// The model is told what was recorded.
    fn recorded(&mut self, id: &QueueId, recipient: u32, state: RecipientState) {
        let known = self.model.get_mut(id).unwrap();
        let slot = &mut known.states[recipient as usize];
        if !slot.is_done() {
            *slot = state;
        }
        if known.is_done() && !known.active {
            self.model.remove(id);
        }
    }

    /// A message that has not been committed, and what the model will know of it.
    fn begin(&mut self, bytes: usize, recipients: usize, hold: bool) -> (Box<dyn SpoolWriter>, Known) {
        self.number += 1;
        let body: Vec<u8> = (0..bytes).map(|at| (at * 7 + self.number) as u8).collect();
        let mut envelope = Envelope::new("s@x.test", UnixTime(0));
        for recipient in 0..recipients {
            envelope = envelope.to(format!("{recipient}@x.test"));
        }
        let mut writer = self.spool.begin(envelope).unwrap();
        body.chunks(33).for_each(|part| writer.write(part).unwrap());
        if hold {
            writer.hold();
        }
        let states = vec![RecipientState::Pending; recipients];
        (writer, Known { body, states, hold, expires: None, active: false })
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Accept(bytes, recipients, hold) => {
                let (writer, known) = self.begin(bytes, recipients, hold);
                let id = commit(writer).unwrap();
                assert!(self.model.insert(id, known).is_none());
            }
            Step::AcceptRecording(bytes, which, recipient, state) => {
                let Some(of) = self.pick(which) else { return };
                let recipient = recipient % self.model[&of].states.len() as u32;
                let (mut writer, known) = self.begin(bytes, 1, false);
                let delivery = DeliveryId { queue_id: of.clone(), recipient };
                writer.record(vec![Outcome::new(delivery, state)]);
                if self.model[&of].states[recipient as usize].is_done() {
                    assert_eq!(commit(writer).unwrap_err().kind(), ErrorKind::NoSuchQueueId);
                } else {
                    let id = commit(writer).unwrap();
                    assert!(self.model.insert(id, known).is_none());
                    self.recorded(&of, recipient, state);
                }
            }
            Step::Abort(bytes) => {
                let mut writer = self.spool.begin(Envelope::new("", UnixTime(0)).to("a@x.test")).unwrap();
                writer.write(&vec![1; bytes]).unwrap();
            }
            Step::Record(which, recipient, state) => {
                let Some(id) = self.pick(which) else { return };
                let recipient = recipient % self.model[&id].states.len() as u32;
                self.record(vec![(id, recipient, state)]);
            }
            Step::RecordMany(state) => {
                let outcomes = self.model.keys().step_by(2).map(|id| (id.clone(), 0, state)).collect();
                self.record(outcomes);
            }
            Step::Take(now) => {
                let due = self.model.values().filter_map(Known::due).min();
                assert_eq!(self.spool.next_due().map(|at| at.0), due);
                let job = self.spool.next_ready(UnixTime(now)).unwrap();
                assert_eq!(job.is_some(), due.is_some_and(|due| due <= now));
                if let Some(job) = job {
                    let known = self.model.get_mut(&job.id).unwrap();
                    assert_eq!(known.due(), due);
                    let states: Vec<_> = job.statuses.iter().map(|status| status.state).collect();
                    assert_eq!((&states, job.expires), (&known.states, known.expires));
                    known.active = true;
                }
            }
            Step::Release(which) => {
                let Some(id) = self.pick(which) else { return };
                self.spool.release(&id);
                let known = self.model.get_mut(&id).unwrap();
                known.active = false;
                if known.is_done() {
                    self.model.remove(&id);
                }
            }
            Step::Hold(which, hold) => {
                let Some(id) = self.pick(which) else { return };
                wait(|done| self.spool.hold(&id, hold, done)).unwrap();
                self.model.get_mut(&id).unwrap().hold = hold;
            }
            Step::Expire(which, expires) => {
                let Some(id) = self.pick(which) else { return };
                let expires = expires.map(UnixTime);
                wait(|done| self.spool.expire(&id, expires, done)).unwrap();
                self.model.get_mut(&id).unwrap().expires = expires;
            }
            Step::RetryNow(which) => {
                let id = which.and_then(|which| self.pick(which));
                self.spool.retry_now(id.as_ref());
                let asked = |known: &&QueueId| id.as_ref().is_none_or(|id| id == *known);
                let ids: Vec<QueueId> = self.model.keys().filter(asked).cloned().collect();
                for id in ids {
                    let later: Vec<_> = (0..)
                        .zip(self.model[&id].states.clone())
                        .filter(|(_, state)| matches!(state, RecipientState::Deferred(_)))
                        .collect();
                    // It is forgotten at a restart; so that the model need not know, it is said again durably.
                    for (recipient, _) in later {
                        self.record(vec![(id.clone(), recipient, RecipientState::Pending)]);
                    }
                }
            }
            Step::Remove(which) => {
                let Some(id) = self.pick(which) else { return };
                wait(|done| self.spool.remove(&id, done)).unwrap();
                self.model.remove(&id);
            }
            Step::Upkeep => self.spool.upkeep().unwrap(),
            Step::Restart => {
                let fs = self.fs.clone();
                self.restart(fs);
            }
            Step::PowerCut(which) => {
                let point = self.fs.crash_point();
                let count = point.outcomes(which as u64, 4).count();
                let disk = point.outcomes(which as u64, 4).nth(which * 31 % count).unwrap();
                self.restart(disk);
            }
        }
        self.compare();
    }

    fn compare(&self) {
        let found: BTreeMap<QueueId, Known> = self
            .spool
            .list()
            .into_iter()
            .map(|entry| {
                let body = read_all(&mut *self.spool.body(&entry.id).unwrap()).unwrap();
                let states = entry.statuses.iter().map(|status| status.state).collect();
                let (hold, expires, active) = (entry.hold, entry.expires, entry.active);
                (entry.id, Known { body, states, hold, expires, active })
            })
            .collect();
        assert_eq!(found, self.model);
        assert_eq!(self.spool.backlog(), self.model.len());
    }
}

fn run(steps: Vec<Step>) {
    let fs = SimFs::new();
    let spool = Run::open(&fs, 1);
    let mut run = Run { fs, pid: 1, spool, model: BTreeMap::new(), number: 0 };
    steps.into_iter().for_each(|step| run.step(step));
}

/// A message is written anew when its last recipient is served and its deliverer still has it; what it was moved from goes,
/// and the power fails. It is done, not damaged.
#[test]
fn a_message_moved_when_it_was_done_is_not_taken_for_damaged() {
    use Step::{Abort, Accept, Record, RecordMany, Take};
    let accept = |bytes, to| Accept(bytes, to, false);
    let later = RecipientState::Deferred(UnixTime(43));
    run(vec![
        accept(23, 2),
        Abort(51),
        accept(251, 1),
        accept(153, 1),
        accept(301, 1),
        accept(53, 2),
        Step::Upkeep,
        Step::Remove(8),
        Abort(51),
        Step::Release(0),
        Abort(150),
        Record(4, 1, RecipientState::Delivered),
        Record(6, 1, later),
        accept(105, 1),
        Record(2, 1, RecipientState::Delivered),
        Take(17),
        accept(339, 3),
        accept(299, 2),
        RecordMany(RecipientState::Bounced),
        Step::Release(14),
        Step::Upkeep,
        Step::PowerCut(15),
        Step::PowerCut(10),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_spool_is_the_model(steps in prop::collection::vec(step(), 1..120)) {
        run(steps);
    }
}

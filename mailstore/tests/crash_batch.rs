//! Batches of deliveries from the spool into several mailboxes, on a disk that loses power at every operation, and
//! fails at every operation: what was accepted is in each recipient's mailbox exactly once, whatever shared its flush.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::{Octets, SPOOL, env, every_power_cut, inbox, message, read_all};
use mailstore::batch::commit;
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::fs::{Fs, OpenMode};
use mailstore::spool::{Envelope, Job, LogSpool, Outcome, QueueId, RecipientState, Spool, SpoolLimits, wait};
use mailstore::{Access, Class, Delivered, Delivery, DeliveryId, MaildirStore, Result, Store};
use proto_core::UnixTime;

const HEADER: &[u8] = b"Return-Path: <>\r\n";
const ACCEPTED_AT: UnixTime = UnixTime(1_700_000_000);
const DUE: UnixTime = UnixTime(4_000_000_000);
const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// The messages, and to whom each goes.
const MAIL: [(u32, &[&str]); 5] =
    [(1, &["alice", "bob"]), (2, &["bob"]), (3, &["carol", "alice", "bob"]), (4, &["alice"]), (5, &["bob"])];

/// Number of each message whose acceptance was answered, and before which operation.
type Story = Vec<(u32, u64)>;

struct Post {
    spool: LogSpool,
    stores: BTreeMap<&'static str, MaildirStore>,
}

impl Post {
    fn open(fs: &SimFs, pid: u32) -> Result<Self> {
        let env = env(fs, pid);
        let (spool, _) = LogSpool::open(env.clone(), Path::new(SPOOL), SpoolLimits::default())?;
        let mut stores = BTreeMap::new();
        for user in USERS {
            let root = format!("/mail/{user}/Maildir");
            let settle = Arc::new(spool.clone());
            stores.insert(user, MaildirStore::open(env.clone(), Path::new(&root), Some(settle))?);
        }
        Ok(Self { spool, stores })
    }

    fn accept(&self, number: u32, to: &[&str]) -> Result<()> {
        let mut envelope = Envelope::new("s@example.test", ACCEPTED_AT);
        for to in to {
            envelope = envelope.to(*to);
        }
        let mut writer = self.spool.begin(envelope)?;
        writer.write(&message(number))?;
        wait(|done| writer.commit(done)).map(drop)
    }

    /// Takes up to `jobs_max` messages, delivers them in one batch, records what became of each. Whether there were any.
    fn deliver_batch(&self, jobs_max: usize) -> Result<bool> {
        let mut jobs: Vec<Job> = Vec::new();
        while jobs.len() < jobs_max
            && let Some(job) = self.spool.next_ready(DUE)?
        {
            jobs.push(job);
        }
        let (mut staged, mut whose) = (Vec::new(), Vec::new());
        for job in &jobs {
            for (place, recipient) in job.envelope.recipients.iter().enumerate() {
                let delivery = Delivery {
                    id: DeliveryId { queue_id: job.id.clone(), recipient: place as u32 },
                    maybe_delivered: job.maybe_delivered,
                    date: job.envelope.received_at,
                    header: HEADER,
                };
                if job.statuses[place].state.is_done() {
                    continue;
                }
                let store = &self.stores[&*recipient.address];
                let stage = || store.stage(&inbox(), &delivery, &mut *self.spool.body(&job.id)?);
                if let Ok(delivery) = stage() {
                    staged.push(delivery);
                    whose.push((&job.id, place as u32));
                }
            }
        }
        let delivered = commit(staged).into_iter().zip(whose).filter(|(result, _)| result.is_ok());
        let outcome = |(id, recipient): (&QueueId, u32)| {
            let delivery = DeliveryId { queue_id: id.clone(), recipient };
            Outcome::new(delivery, RecipientState::Delivered)
        };
        let outcomes = delivered.map(|(_, whose)| outcome(whose)).collect();
        let _ = wait(|done| self.spool.record(outcomes, done));
        for job in &jobs {
            self.spool.release(&job.id);
        }
        Ok(!jobs.is_empty())
    }

    /// How often each message is in each mailbox, whole.
    fn copies(&self) -> BTreeMap<(u32, &'static str), usize> {
        let mut copies = BTreeMap::new();
        for (user, store) in &self.stores {
            let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
            let entries = mailbox.entries().to_vec();
            for entry in entries {
                let read = read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap();
                let body = read.strip_prefix(HEADER).expect("the header stands before the body");
                let number = (1..=5).find(|&number| body == message(number)).expect("a whole message");
                assert_eq!(mailbox.meta(entry.uid).unwrap().internal_date, ACCEPTED_AT);
                *copies.entry((number, *user)).or_default() += 1;
            }
        }
        copies
    }
}

fn play(fs: &SimFs, story: &mut Story) -> Result<()> {
    let post = Post::open(fs, 1)?;
    for (number, to) in MAIL {
        // A batch of one message to two mailboxes, one of three messages to three, and what is left.
        match number {
            2 => drop(post.deliver_batch(1)?),
            5 => drop(post.deliver_batch(3)?),
            _ => {}
        }
        if post.accept(number, to).is_ok() {
            story.push((number, fs.ops()));
        }
    }
    while post.spool.backlog() > 0 && post.deliver_batch(10)? {}
    Ok(())
}

/// Starts again on a disk and delivers everything; nothing that was accepted by `op` is missing, nothing is doubled.
fn check(op: u64, disk: &SimFs, story: &Story) {
    let post = Post::open(disk, 2).unwrap();
    while post.deliver_batch(10).unwrap() {}
    assert_eq!(post.spool.backlog(), 0);
    let copies = post.copies();
    for (number, to) in MAIL {
        let accepted = story.iter().any(|&(accepted, at)| accepted == number && at <= op);
        for user in USERS {
            let found = copies.get(&(number, user)).copied().unwrap_or(0);
            let most = usize::from(to.contains(&user));
            let least = if accepted { most } else { 0 };
            assert!((least..=most).contains(&found), "op {op}: message {number}: {found} for {user}");
        }
    }
}

#[test]
fn the_power_fails_at_every_operation_of_a_batch() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut story = Story::new();
    play(&fs, &mut story).unwrap();
    assert_eq!(story.len(), MAIL.len());
    let flushes = fs.log().iter().filter(|operation| operation.name == "sync_fs").count();
    assert!(flushes >= 2, "batches share flushes");
    check(u64::MAX, &fs.fork(), &story);
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &story));
}

#[test]
fn every_operation_of_a_batch_fails_once() {
    let count = {
        let fs = SimFs::new();
        play(&fs, &mut Story::new()).unwrap();
        fs.ops()
    };
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..count {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let mut story = Story::new();
            if let Err(error) = play(&fs, &mut story) {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            check(u64::MAX, &fs.fork(), &story);
            for disk in fs.crash_point().outcomes(common::seed(), 2).take(4) {
                check(u64::MAX, &disk, &story);
            }
        }
    }
}

fn delivery(number: u32, maybe_delivered: bool) -> Delivery<'static> {
    let id = DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 };
    Delivery { id, maybe_delivered, date: ACCEPTED_AT, header: HEADER }
}

#[test]
fn one_that_cannot_be_written_fails_alone() {
    let fs = SimFs::new();
    let post = Post::open(&fs, 1).unwrap();
    let stage = |user: &str, number| {
        post.stores[user].stage(&inbox(), &delivery(number, false), &mut Octets(message(number)))
    };
    let first = stage("alice", 1).unwrap();
    // In the place of Bob's directory of new mail there is a file.
    fs.rmdir(Path::new("/mail/bob/Maildir/new")).unwrap();
    fs.open(Path::new("/mail/bob/Maildir/new"), OpenMode::CreateNew).unwrap();
    let results = commit([first, stage("bob", 2).unwrap(), stage("carol", 3).unwrap()]);
    assert_eq!(results[0].as_ref().unwrap(), &Delivered::Stored);
    assert_eq!(results[1].as_ref().unwrap_err().class(), Class::Temporary);
    assert_eq!(results[2].as_ref().unwrap(), &Delivered::Stored);
    assert!(common::read_names(&fs, "/mail/bob/Maildir/tmp").is_empty(), "taken back");
}

#[test]
fn nothing_is_seen_before_it_is_durable_and_nothing_stays_of_what_is_dropped() {
    let fs = SimFs::new();
    let post = Post::open(&fs, 1).unwrap();
    let alice = &post.stores["alice"];
    let stage =
        |number| alice.stage(&inbox(), &delivery(number, true), &mut Octets(message(number))).unwrap();
    let (kept, dropped) = (stage(1), stage(2));
    assert!(post.copies().is_empty());
    drop(dropped);
    assert_eq!(common::read_names(&fs, "/mail/alice/Maildir/tmp").len(), 1);
    assert_eq!(commit([kept]).pop().unwrap().unwrap(), Delivered::Stored);
    assert_eq!(commit([stage(1), stage(2)]).pop().unwrap().unwrap(), Delivered::Stored);
    assert_eq!(commit([stage(1), stage(2)]).pop().unwrap().unwrap(), Delivered::AlreadyThere);
    assert_eq!(post.copies(), BTreeMap::from([((1, "alice"), 1), ((2, "alice"), 1)]));
}

#[test]
fn an_inbox_that_was_taken_away_is_made_anew() {
    let fs = SimFs::new();
    let post = Post::open(&fs, 1).unwrap();
    fs.rename(Path::new("/mail/alice/Maildir"), Path::new("/elsewhere")).unwrap();
    let alice = &post.stores["alice"];
    let delivered = alice.deliver(&inbox(), &delivery(1, false), &mut Octets(message(1)));
    assert_eq!(delivered.unwrap(), Delivered::Stored);
    assert_eq!(post.copies(), BTreeMap::from([((1, "alice"), 1)]));
}

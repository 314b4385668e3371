//! From the spool into a mailbox, on a disk that loses power at every operation, and fails at every
//! operation: what was accepted is delivered once, whoever reads, expunges or moves it meanwhile.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{
    SPOOL, all, commit, env, every_power_cut, inbox, maildir_with, message, name, read_all, record,
};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::spool::{Envelope, Job, LogSpool, RecipientState, Spool, SpoolLimits};
use mailstore::{Access, Class, Delivered, Delivery, DeliveryId, Expunge, MaildirStore, Result, Store};
use proto_core::UnixTime;

const DUE: UnixTime = UnixTime(4_000_000_000);

/// What a reader does between a delivery and its record in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Nobody,
    Expunges,
    RenamesInbox,
}

#[derive(Debug, Default)]
struct Story {
    /// Number of each message whose acceptance was answered, and when.
    accepted: Vec<(u32, u64)>,
    /// Which message the reader removed, when it began to, and when that was answered.
    removal: Option<(u32, u64, Option<u64>)>,
}

fn open(fs: &SimFs, pid: u32) -> Result<(LogSpool, MaildirStore)> {
    let env = env(fs, pid);
    let (spool, _) = LogSpool::open(env.clone(), Path::new(SPOOL), SpoolLimits::default())?;
    let store = MaildirStore::open(env, Path::new(common::ROOT), Some(Arc::new(spool.clone())))?;
    Ok((spool, store))
}

fn deliver(spool: &LogSpool, store: &MaildirStore, job: &Job) -> Result<Delivered> {
    let id = DeliveryId { queue_id: job.id.clone(), recipient: 0 };
    let delivery = Delivery {
        id,
        maybe_delivered: job.maybe_delivered,
        date: job.envelope.received_at,
        header: b"Return-Path: <>\r\n",
    };
    store.deliver(&inbox(), &delivery, &mut *spool.body(&job.id)?)
}

/// Delivers all that is due. What fails is due again at once.
fn drain(spool: &LogSpool, store: &MaildirStore) -> Result<()> {
    while let Some(job) = spool.next_ready(DUE)? {
        if !job.statuses[0].state.is_done() && deliver(spool, store, &job).is_ok() {
            let _ = record(spool, &job.id, 0, RecipientState::Delivered);
        }
        spool.release(&job.id);
    }
    Ok(())
}

fn play(fs: &SimFs, reader: Reader, story: &mut Story) -> Result<()> {
    let (spool, store) = open(fs, 1)?;
    for number in 1..=2 {
        let envelope = Envelope::new("s@example.test", UnixTime(1_700_000_000)).to("alice@example.test");
        let accept = || {
            let mut writer = spool.begin(envelope)?;
            writer.write(&message(number))?;
            commit(writer)
        };
        if accept().is_ok() {
            story.accepted.push((number, fs.ops()));
        }
    }
    let Some(job) = spool.next_ready(DUE)? else { return Ok(()) };
    if story.accepted.is_empty() {
        return Ok(());
    }
    deliver(&spool, &store, &job)?;
    story.removal = (reader != Reader::Nobody).then(|| (story.accepted[0].0, fs.ops(), None));
    match reader {
        Reader::Nobody => {}
        Reader::Expunges => {
            let mut mailbox = store.open(&inbox(), Access::ReadWrite)?;
            // Where no UID could be given for want of room, there is nothing to see yet.
            let seen = mailbox.entries().len();
            assert_eq!(mailbox.expunge(&all(), Expunge::Any)?.len(), seen);
            story.removal = story.removal.filter(|_| seen == 1);
        }
        Reader::RenamesInbox => store.rename(&inbox(), &name("Read"))?,
    }
    if let Some(removal) = &mut story.removal {
        removal.2 = Some(fs.ops());
    }
    record(&spool, &job.id, 0, RecipientState::Delivered)?;
    spool.release(&job.id);
    drain(&spool, &store)
}

/// How often each message is in the user's mailboxes after everything that waits has been delivered.
fn copies(disk: &SimFs) -> [usize; 3] {
    let (spool, store) = open(disk, 2).unwrap();
    drain(&spool, &store).unwrap();
    assert_eq!(spool.backlog(), 0);
    let mut copies = [0; 3];
    for info in store.list().unwrap() {
        let mut mailbox = store.open(&info.name, Access::ReadWrite).unwrap();
        let entries = mailbox.entries().to_vec();
        for entry in entries {
            let read = read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap();
            let body = read.strip_prefix(b"Return-Path: <>\r\n").expect("the header stands before the body");
            let number = (1..=2).find(|&number| body == message(number)).expect("a whole message");
            assert_eq!(mailbox.meta(entry.uid).unwrap().internal_date, UnixTime(1_700_000_000));
            copies[number as usize] += 1;
        }
    }
    copies
}

fn check(op: u64, disk: &SimFs, story: &Story) {
    let copies = copies(disk);
    for number in 1..=2 {
        let accepted = story.accepted.iter().any(|&(accepted, at)| accepted == number && at <= op);
        let found = copies[number as usize];
        assert!(found <= 1, "op {op}: message {number} is there {found} times");
        let removed = story.removal.is_some_and(|(of, begun, _)| of == number && begun < op);
        assert!(found == 1 || removed || !accepted, "op {op}: message {number} is lost");
    }
}

#[test]
fn the_power_fails_at_every_operation_and_nobody_reads() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut story = Story::default();
    play(&fs, Reader::Nobody, &mut story).unwrap();
    assert_eq!(copies(&fs.fork()), [0, 1, 1]);
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &story));
}

#[test]
fn a_message_expunged_before_its_delivery_is_recorded_does_not_come_back() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut story = Story::default();
    play(&fs, Reader::Expunges, &mut story).unwrap();
    let answered = story.removal.unwrap().2.unwrap();
    every_power_cut(
        &fs,
        |op| op,
        |op, disk| {
            check(op, disk, &story);
            if op >= answered {
                assert_eq!(copies(disk)[1], 0, "op {op}: the expunged message is back");
            }
        },
    );
}

#[test]
fn a_message_moved_away_before_its_delivery_is_recorded_is_not_doubled() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let mut story = Story::default();
    play(&fs, Reader::RenamesInbox, &mut story).unwrap();
    let begun = story.removal.unwrap().1;
    every_power_cut(
        &fs,
        |op| op,
        |op, disk| {
            // While INBOX is emptied, a message may stand in both as one file; that is `folders.rs`'s to
            // tell. It is never delivered again.
            if op <= begun {
                check(op, disk, &story);
            } else {
                assert!(copies(disk)[1] >= 1, "op {op}: lost");
            }
        },
    );
    assert_eq!(copies(&fs.fork()), [0, 1, 1]);
}

#[test]
fn every_operation_fails_once() {
    let count = {
        let fs = SimFs::new();
        play(&fs, Reader::Expunges, &mut Story::default()).unwrap();
        fs.ops()
    };
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..count {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let mut story = Story::default();
            if let Err(error) = play(&fs, Reader::Expunges, &mut story) {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            check(u64::MAX, &fs.fork(), &story);
            for disk in fs.crash_point().outcomes(common::seed(), 2).take(4) {
                check(u64::MAX, &disk, &story);
            }
        }
    }
}

#[test]
fn a_delivery_is_recognised_in_new_and_in_cur_with_flags() {
    let fs = SimFs::new();
    let store = maildir_with(&fs, 1, Arc::new(open(&fs, 1).unwrap().0)).unwrap();
    let id = DeliveryId { queue_id: "Q1".parse().unwrap(), recipient: 3 };
    let other = DeliveryId { queue_id: "Q1".parse().unwrap(), recipient: 33 };
    let deliver = |id: &DeliveryId| {
        let delivery = Delivery { id: id.clone(), maybe_delivered: true, date: UnixTime(5), header: b"" };
        store.deliver(&inbox(), &delivery, &mut common::Octets(message(1))).unwrap()
    };
    assert_eq!(deliver(&id), Delivered::Stored);
    assert_eq!(deliver(&id), Delivered::AlreadyThere);
    assert_eq!(deliver(&other), Delivered::Stored);
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    mailbox.set_flags(&all(), mailstore::FlagChange::Add, &common::flags("\\Seen work"), None).unwrap();
    assert_eq!(deliver(&id), Delivered::AlreadyThere);
    assert_eq!(deliver(&other), Delivered::AlreadyThere);
}

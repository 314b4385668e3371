//! Threads that deliver at the same time, to one mailbox and to several, while a reader looks, on a disk that loses power at
//! every operation, and fails at every operation.
//!
//! How the threads take turns is the system's to say: no two runs are the same, and the seed repeats the disks of a power
//! cut alone. `MAILSTORE_PARALLEL_ROUNDS` says how often they run (2). Whatever the turns: what was answered is there once, whole, and no UID that the reader saw stands for another
//! message.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::cell::RefCell;
use std::sync::{Arc, Barrier, Mutex};

use common::crash::{deliver_together, every_power_cut_of_mailboxes, mbox_without_dotlock};
use common::journal::{Journal, Step, contents};
use common::{from_environment, inbox, maildir, name};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::{Access, Class, Delivered, Result, Store};

/// What each thread delivers at a time.
const THREADS: [&[(u32, &str)]; 4] = [
    &[(1, "INBOX"), (2, "INBOX")],
    &[(3, "INBOX"), (4, "Archive")],
    &[(5, "Archive"), (6, "Archive"), (7, "INBOX")],
    &[(8, "INBOX")],
];

type Open = fn(&SimFs, u32) -> Result<Arc<dyn Store>>;

/// The stores of this test.
const STORES: [(&str, Open); 2] = [
    ("Maildir", |fs, pid| Ok(Arc::new(maildir(fs, pid)?))),
    ("mbox", |fs, pid| Ok(Arc::new(mbox_without_dotlock(fs, pid, None)?))),
];

/// Which message was delivered.
type Story = Journal<u32>;

/// All threads at once.
fn play(fs: &SimFs, store: &Arc<dyn Store>) -> Story {
    let (story, start) = (Mutex::new(Story::default()), Barrier::new(THREADS.len() + 1));
    let note = |number, begun, answered| {
        let step = Step { begun, answered, what: number };
        story.lock().unwrap().steps.push(step);
    };
    std::thread::scope(|scope| {
        for mail in THREADS {
            scope.spawn(|| {
                start.wait();
                let begun = fs.ops();
                for ((number, _), ended) in mail.iter().zip(deliver_together(&**store, mail, false)) {
                    let answered = match ended {
                        Ok(delivered) => {
                            assert_eq!(delivered, Delivered::Stored);
                            Some(fs.ops())
                        }
                        Err(error) => {
                            assert_eq!(error.class(), Class::Temporary, "{error}");
                            None
                        }
                    };
                    note(*number, begun, answered);
                }
            });
        }
        start.wait();
        let told = RefCell::default();
        // What fails is asked for again.
        for _ in 0..4 {
            let look =
                || Story::tell_all(&told, fs, &inbox(), &mut *store.open(&inbox(), Access::ReadWrite)?);
            if let Err(error) = look() {
                assert_eq!(error.class(), Class::Temporary, "{error}");
            }
        }
        story.lock().unwrap().told = told.into_inner().told;
    });
    story.into_inner().unwrap()
}

/// What was answered and told before operation `op` holds, and what was not answered can be tried again.
fn check(open: Open, op: u64, disk: &SimFs, story: &Story) {
    let store = open(disk, 2).unwrap();
    for of in [inbox(), name("Archive")] {
        let mut mailbox = store.open(&of, Access::ReadWrite).unwrap();
        let found = contents(&mut *mailbox).unwrap();
        for step in &story.steps {
            let is_here = THREADS.concat().contains(&(step.what, of.as_str()));
            let copies = found.iter().filter(|(_, number, _)| *number == step.what).count();
            assert!(
                copies <= usize::from(is_here && step.begun < op),
                "op {op}: {step:?} is there {copies} times"
            );
            assert!(copies == 1 || !is_here || !step.is_answered(op), "op {op}: {step:?} is lost");
        }
        assert!(found.iter().all(|(_, number, _)| *number > 0), "op {op}: a message in part: {found:?}");
        for told in story.told.iter().filter(|told| told.at <= op && told.mailbox == of) {
            assert_eq!(mailbox.uid_validity(), told.uid_validity, "op {op}");
            let is_it = |(uid, number, _): &(_, u32, _)| (*uid, *number) == (told.uid, told.number);
            assert!(found.iter().any(is_it), "op {op}: {told:?} is not in {found:?}");
        }
    }
    for mail in THREADS {
        assert!(deliver_together(&*store, mail, true).iter().all(|ended| ended.is_ok()));
    }
    for of in [inbox(), name("Archive")] {
        let found = contents(&mut *store.open(&of, Access::ReadWrite).unwrap()).unwrap();
        let mut numbers: Vec<u32> = found.iter().map(|(_, number, _)| *number).collect();
        numbers.sort_unstable();
        let all: Vec<u32> =
            THREADS.concat().iter().filter(|(_, to)| *to == of.as_str()).map(|mail| mail.0).collect();
        assert_eq!(numbers, all, "op {op}: after all were tried again");
    }
}

fn begin(open: Open) -> (SimFs, Arc<dyn Store>) {
    let fs = SimFs::new();
    let store = open(&fs, 1).unwrap();
    store.create(&name("Archive")).unwrap();
    (fs, store)
}

/// Whether messages of more than one thread were under way at the same time.
fn is_shared(fs: &SimFs, story: &Story) -> bool {
    let by_thread = THREADS.iter().map(|mail| mail.len()).max().unwrap();
    let under_way =
        |op: u64| story.steps.iter().filter(|step| step.begun < op && !step.is_answered(op)).count();
    (0..fs.ops()).any(|op| under_way(op) > by_thread)
}

#[test]
fn the_power_fails_at_every_operation_of_threads_that_deliver() {
    for (of, open) in STORES {
        for _ in 0..from_environment("MAILSTORE_PARALLEL_ROUNDS", 2) {
            // A busy machine may run the threads one after the other all the same.
            let (fs, story) = (0..1000)
                .find_map(|_| {
                    let (fs, store) = begin(open);
                    fs.take_turns();
                    fs.record_crash_points();
                    let story = play(&fs, &store);
                    assert!(story.steps.iter().all(|step| step.answered.is_some()), "{of}: {story:?}");
                    is_shared(&fs, &story).then_some((fs, story))
                })
                .unwrap();
            every_power_cut_of_mailboxes(&fs, |op, disk| check(open, op, disk, &story));
        }
    }
}

#[test]
fn each_operation_of_threads_that_deliver_fails_once() {
    for (_, open) in STORES {
        let (fs, store) = begin(open);
        let begun = fs.ops();
        play(&fs, &store);
        for fault in [Fault::Io, Fault::NoSpace] {
            for op in begun..fs.ops() {
                let (fs, store) = begin(open);
                fs.fail_at(op, fault);
                let story = play(&fs, &store);
                check(open, u64::MAX, &fs.fork(), &story);
                for disk in fs.crash_point().outcomes(common::seed(), 1).take(2) {
                    check(open, u64::MAX, &disk, &story);
                }
            }
        }
    }
}

//! Mailboxes of an mbox store that are made, renamed and deleted, and messages that come into them, on a disk that loses
//! power at every operation, and fails at every operation.
//!
//! A message is in its mailbox under one of its names, with the UID and UIDVALIDITY that were told; what INBOX held is in
//! INBOX or in what INBOX was renamed to; the spool was told of a delivery before it went with its mailbox.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::crash::{
    delivery_id, every_operation_fails_once, every_power_cut_of_mailboxes, mbox_without_dotlock,
};
use common::journal::{self, TRACE, contents};
use common::{Octets, append_told, flags, inbox, message, name};
use mail_message::{FlagSet, Uid, UidValidity};
use mailstore::fs::sim::SimFs;
use mailstore::mbox::MboxStore;
use mailstore::{Access, Delivery, DeliveryId, MailboxName, Result, Settle, Store};
use proto_core::UnixTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// `A` and `D/x` are there.
    Create,
    /// This message is in its mailbox.
    Add(u32),
    /// `A` is `B` now.
    Rename,
    /// `D/x` is `E/x` now.
    RenameBelow,
    /// INBOX is empty, and what it held is in `Old`.
    RenameInbox,
    /// `B` is gone.
    Delete,
}

type Journal = journal::Journal<What>;

/// Which deliveries the spool was told of, and before which operation.
struct Settled(SimFs, Mutex<BTreeMap<DeliveryId, u64>>);

impl Settle for Settled {
    fn settle(&self, delivery: &DeliveryId) -> Result<()> {
        self.1.lock().unwrap().entry(delivery.clone()).or_insert(self.0.ops());
        Ok(())
    }
}

/// Steps that fail are passed over.
fn play(fs: &SimFs, journal: &RefCell<Journal>, settled: &Arc<Settled>) -> Result<()> {
    let store = mbox_without_dotlock(fs, 1, Some(Arc::clone(settled) as Arc<dyn Settle>))?;
    let (a, b, old) = (name("A"), name("B"), name("Old"));
    Journal::step(journal, fs, What::Create, || {
        store.create(&a)?;
        store.create(&name("D/x"))
    })?;
    let add = |to: &MailboxName, number: u32, with: &str| {
        let appended = Journal::step(journal, fs, What::Add(number), || {
            append_told(&store, to, &message(number), &flags(with))
        });
        if let Ok(appended) = appended {
            Journal::tell(journal, fs, to, appended.uid_validity, appended.uids[0], number);
        }
    };
    add(&a, 1, "\\Seen work");
    let _ = Journal::step(journal, fs, What::Add(2), || {
        let (date, header) = (UnixTime(1_700_000_000), TRACE.as_bytes());
        let delivery = Delivery { id: delivery_id(2), maybe_delivered: false, date, header };
        store.deliver(&a, &delivery, &mut Octets(message(2)))
    });
    add(&name("D/x"), 3, "");
    add(&inbox(), 4, "\\Flagged");
    add(&inbox(), 5, "");
    let _ = Journal::step(journal, fs, What::Rename, || store.rename(&a, &b));
    let _ = Journal::step(journal, fs, What::RenameBelow, || store.rename(&name("D/x"), &name("E/x")));
    let _ = Journal::step(journal, fs, What::RenameInbox, || store.rename(&inbox(), &old));
    let _ = Journal::step(journal, fs, What::Delete, || store.delete(&b));
    Ok(())
}

/// Where a message is: names, and by which UIDs.
type Found = BTreeMap<u32, Vec<(String, UidValidity, Uid, FlagSet)>>;

fn find(store: &MboxStore) -> Found {
    let mut found = Found::new();
    for info in store.list().unwrap().into_iter().filter(|info| info.exists) {
        let mut mailbox = store.open(&info.name, Access::ReadWrite).unwrap();
        for (uid, number, flags) in contents(&mut *mailbox).unwrap() {
            let there = (info.name.to_string(), mailbox.uid_validity(), uid, flags);
            found.entry(number).or_default().push(there);
        }
        assert!(mailbox.highest_modseq() > mail_message::ModSeq::ZERO);
    }
    found
}

fn check(op: u64, disk: &SimFs, journal: &Journal, settled: &Settled) {
    let store = mbox_without_dotlock(disk, 2, None).unwrap();
    let found = find(&store);
    let begun = |what| journal.steps.iter().any(|step| step.what == what && step.begun < op);
    let done = |what| journal.steps.iter().any(|step| step.what == what && step.is_answered(op));
    assert!(!found.contains_key(&0), "op {op}: a message in part");
    for (number, before, rename, after, delete) in [
        (1, "A", What::Rename, "B", Some(What::Delete)),
        (2, "A", What::Rename, "B", Some(What::Delete)),
        (3, "D/x", What::RenameBelow, "E/x", None),
        (4, "INBOX", What::RenameInbox, "Old", None),
        (5, "INBOX", What::RenameInbox, "Old", None),
    ] {
        let here = found.get(&number).map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = here.iter().map(|(name, ..)| &**name).collect();
        let is_deletable = delete.is_some_and(begun);
        match names[..] {
            [] => assert!(is_deletable || !done(What::Add(number)), "op {op}: {number} is lost"),
            [only] if only == before => {
                assert!(begun(What::Add(number)) && !done(rename), "op {op}: {names:?}")
            }
            [only] if only == after => {
                assert!(begun(rename) && !delete.is_some_and(done), "op {op}: {names:?}");
            }
            // The same file, or copies that are not answered yet.
            [_, _] => {
                assert!(names == [before, after] && begun(rename) && !done(rename), "op {op}: {names:?}");
            }
            _ => panic!("op {op}: {number} is in {names:?}"),
        }
        if here.is_empty() && number == 2 && done(What::Add(2)) {
            let told = settled.1.lock().unwrap().get(&delivery_id(2)).copied();
            assert!(told.is_some_and(|told| told <= op), "op {op}: gone, and the spool does not know");
        }
        let told = journal.told.iter().filter(|told| told.number == number && told.at <= op);
        for told in told.filter(|_| before != "INBOX") {
            for (name, uid_validity, uid, _) in here {
                assert_eq!(
                    (*uid_validity, *uid),
                    (told.uid_validity, told.uid),
                    "op {op}: {number} in {name}"
                );
            }
        }
        let with = [flags("\\Seen work"), flags(""), flags(""), flags("\\Flagged"), flags("")]
            [number as usize - 1]
            .clone();
        assert!(here.iter().all(|(.., flags)| *flags == with), "op {op}: {here:?}");
    }
    // That takes long, and what it needs differs little from one operation to the next.
    if op != u64::MAX && !op.is_multiple_of(5) {
        return;
    }
    // Every name can be used, and no two mailboxes have a UIDVALIDITY.
    let mut validities = Vec::new();
    for (number, to) in (70..).zip([name("A"), name("B"), name("D/x"), name("E/x"), inbox(), name("Old")]) {
        if !to.is_inbox() {
            let _ = store.create(&to);
        }
        let appended = append_told(&store, &to, &message(number), &FlagSet::new()).unwrap();
        validities.push(appended.uid_validity);
    }
    let now = find(&store);
    assert!((70..76).all(|number| now.contains_key(&number)), "op {op}");
    let is_one_file = found.values().any(|here| here.len() == 2);
    validities.sort();
    validities.dedup();
    assert!(validities.len() == 6 || is_one_file, "op {op}: {validities:?}");
}

#[test]
fn the_power_fails_at_every_operation() {
    let fs = SimFs::new();
    drop(mbox_without_dotlock(&fs, 1, None).unwrap());
    fs.record_crash_points();
    let (journal, settled) = (RefCell::default(), Arc::new(Settled(fs.clone(), Mutex::default())));
    play(&fs, &journal, &settled).unwrap();
    let journal = journal.into_inner();
    assert!(journal.steps.iter().all(|step| step.answered.is_some()));
    every_power_cut_of_mailboxes(&fs, |op, disk| check(op, disk, &journal, &settled));
}

#[test]
fn each_operation_fails_once() {
    let run = |fs: &SimFs| {
        let (journal, settled) = (RefCell::default(), Arc::new(Settled(fs.clone(), Mutex::default())));
        (play(fs, &journal, &settled), (journal.into_inner(), settled))
    };
    every_operation_fails_once(run, |disk, (journal, settled)| check(u64::MAX, disk, journal, settled));
}

//! What crashes and failed writers left goes after 36 hours, and not before; nothing else does.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod common;

use common::{ROOT, append, inbox, maildir, mbox, message, name};
use mail_message::FlagSet;
use mailstore::batch::commit;
use mailstore::fs::{Fs as _, OpenMode, SimFs};
use mailstore::{Access, Delivery, DeliveryId, Store};
use proto_core::UnixTime;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Leaves `old`, and `young` 20 hours later; then sweeps once before any of them is old enough, and once when `old` is.
fn leave_and_sweep(disk: &SimFs, store: &dyn Store, old: &[&str], young: &[&str]) {
    let leave = |paths: &[&str]| {
        for path in paths {
            disk.open(path.as_ref(), OpenMode::CreateNew).unwrap().append(b"half a mess").unwrap();
        }
    };
    let is_there = |path: &&str| disk.metadata(path.as_ref()).is_ok();
    leave(old);
    disk.advance(20 * HOUR);
    leave(young);
    disk.advance(15 * HOUR);
    store.sweep().unwrap();
    assert!(old.iter().chain(young).all(is_there), "35 hours are not enough");
    disk.advance(2 * HOUR);
    store.sweep().unwrap();
    assert_eq!(old.iter().copied().filter(|path| is_there(path)).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(young.iter().filter(|path| !is_there(path)).collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn a_maildir_is_swept_in_every_mailbox() {
    let disk = SimFs::new();
    let store = maildir(&disk, 1).unwrap();
    store.create(&name("Work")).unwrap();
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
    let at = |place: &str| format!("{ROOT}/{place}");
    let unfinished = at("..unfinished.9");
    disk.mkdir(unfinished.as_ref()).unwrap();
    let old = [at("tmp/1.x"), at(".Work/tmp/2.x"), format!("{unfinished}/3.x")];
    let young = [at("tmp/4.x"), at(".Work/tmp/5.x")];
    leave_and_sweep(
        &disk,
        &store,
        &old.each_ref().map(String::as_str),
        &young.each_ref().map(String::as_str),
    );
    assert!(disk.metadata(unfinished.as_ref()).is_err(), "nor is its directory");
    assert_eq!(
        store.open(&inbox(), Access::ReadOnly).unwrap().entries().len(),
        1,
        "mail is as old, and stays"
    );
    assert_eq!(store.list().unwrap().len(), 2);
}

#[test]
fn an_mbox_is_swept_in_its_control_directory() {
    let disk = SimFs::new();
    let store = mbox(&disk, 1).unwrap();
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
    let at = |place: &str| format!("/home/alice/mail/.imap/.postroom/{place}");
    let (old, young) = ([at("tmp/1.x"), at("tmp.2")], [at("tmp/3.x"), at("tmp.4")]);
    let journal = at("journal-that-was-set-aside");
    disk.open(journal.as_ref(), OpenMode::CreateNew).unwrap();
    leave_and_sweep(
        &disk,
        &store,
        &old.each_ref().map(String::as_str),
        &young.each_ref().map(String::as_str),
    );
    assert!(disk.metadata(journal.as_ref()).is_ok(), "nothing else of ours goes");
    assert_eq!(store.open(&inbox(), Access::ReadOnly).unwrap().entries().len(), 1);
}

#[test]
fn a_message_of_an_old_date_is_not_swept_before_it_has_its_place() {
    let disk = SimFs::new();
    let store = maildir(&disk, 1).unwrap();
    let delivery = Delivery {
        id: DeliveryId { queue_id: "Q1".parse().unwrap(), recipient: 0 },
        maybe_delivered: false,
        date: UnixTime(1),
        header: b"",
    };
    let staged = store.stage(&inbox(), &delivery, &mut common::Octets(message(1))).unwrap();
    let mut append = store.append(&inbox()).unwrap();
    for number in [2, 3] {
        append.begin(&FlagSet::new(), Some(UnixTime(1))).unwrap();
        append.write(&message(number)).unwrap();
    }
    disk.advance(35 * HOUR);
    store.sweep().unwrap();
    append.commit().unwrap();
    commit([staged]).pop().unwrap().unwrap();
    assert_eq!(store.open(&inbox(), Access::ReadOnly).unwrap().entries().len(), 3);
}

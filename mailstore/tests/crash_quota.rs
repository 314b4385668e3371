//! The quota on a disk that loses power at every operation, and fails at every operation: deliveries, appends, copies,
//! flags, removals, and folders that go.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;

use common::{ROOT, append, env, every_power_cut, flags, inbox, name, uid};
use mail_message::UidSet;
use mailstore::fs::Fs;
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::maildir::MaildirOptions;
use mailstore::{
    Access, Class, Delivery, DeliveryId, ErrorKind, Expunge, FlagChange, MaildirStore, QuotaRules,
    QuotaUsage, Result, Store,
};
use proto_core::UnixTime;

const LIMITS: &str = "400S,9C";

fn open(disk: &SimFs, pid: u32) -> Result<MaildirStore> {
    let quota = QuotaRules::new(LIMITS.parse().unwrap());
    let options = MaildirOptions { quota, ..MaildirOptions::default() };
    MaildirStore::open_with(env(disk, pid), Path::new(ROOT), options)
}

fn deliver(store: &dyn Store, recipient: u32) -> Result<()> {
    let id = DeliveryId { queue_id: "0ADRZ1R2".parse().unwrap(), recipient };
    let delivery = Delivery { id, maybe_delivered: true, date: UnixTime(1_700_000_000), header: b"" };
    store.deliver(&inbox(), &delivery, &mut common::Octets(vec![b'x'; 50])).map(|_| ())
}

/// What fails is passed over, as a server does. `gone` is told of what was removed durably.
fn play(disk: &SimFs) {
    let Ok(store) = open(disk, 1) else { return };
    let _ = store.create(&name("Old"));
    let _ = store.create(&name("Trash"));
    let _ = deliver(&store, 1);
    let _ = deliver(&store, 2);
    let _ = append(&store, &inbox(), &[b'x'; 60], &flags("\\Seen"));
    let _ = append(&store, &inbox(), &[b'x'; 900], &flags(""));
    if let Ok(mut mailbox) = store.open(&inbox(), Access::ReadWrite) {
        let some = |raw: &[u32]| raw.iter().map(|&raw| uid(raw)).collect::<UidSet>();
        let _ = mailbox.copy(&some(&[1, 2]), &name("Old"));
        let _ = mailbox.copy(&some(&[1]), &name("Trash"));
        // Begins to count, and ceases to. (One that counts before and after may be in both mailboxes after a power cut,
        // and then counts once too few: `maildir/quota.rs`.)
        for (from, to) in [("Trash", "INBOX"), ("INBOX", "Trash")] {
            if let Ok(mut mailbox) = store.open(&name(from), Access::ReadWrite)
                && let Some(last) = mailbox.entries().last().map(|entry| entry.uid)
                && (from != "INBOX" || last == uid(4))
            {
                let _ = mailbox.move_to(&[last].into_iter().collect(), &name(to));
            }
        }
        let _ = mailbox.set_flags(&some(&[2]), FlagChange::Add, &flags("\\Deleted"), None);
        let _ = mailbox.expunge(&some(&[1]), Expunge::Any);
        let _ = mailbox.expunge(&some(&[2, 3]), Expunge::Deleted);
    }
    let _ = store.rename(&name("Old"), &name("Older"));
    let _ = store.delete(&name("Older"));
    let _ = deliver(&store, 3);
}

/// What is written down, and what is there.
fn written_and_counted(disk: &SimFs) -> (QuotaUsage, QuotaUsage) {
    let store = open(disk, 2).unwrap();
    let written = store.quota().unwrap().unwrap();
    // A message that a crash left under two names gets one again.
    for info in store.list().unwrap().iter().filter(|info| info.exists) {
        store.open(&info.name, Access::ReadWrite).unwrap();
    }
    assert_eq!(written.limits.to_string(), LIMITS);
    disk.unlink(Path::new(&format!("{ROOT}/maildirsize"))).unwrap();
    let counted = open(disk, 3).unwrap().quota().unwrap().unwrap();
    (written.usage, counted.usage)
}

#[test]
fn a_power_cut_never_makes_the_count_too_low() {
    let disk = SimFs::new();
    disk.record_crash_points();
    play(&disk);
    let (written, counted) = written_and_counted(&disk.fork());
    assert_eq!((written, counted), (counted, QuotaUsage { bytes: 100, messages: 2 }));
    every_power_cut(
        &disk,
        |_| 0,
        |op, disk| {
            let (written, counted) = written_and_counted(disk);
            assert!(
                written.bytes >= counted.bytes && written.messages >= counted.messages,
                "op {op}: {written:?} is written, {counted:?} is there"
            );
        },
    );
}

#[test]
fn a_disk_that_fails_once_leaves_a_count_that_is_not_too_low_and_refuses_nobody_falsely() {
    let run = SimFs::new();
    play(&run);
    let operations = run.ops();
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..operations {
            let disk = SimFs::new();
            disk.fail_at(op, fault);
            play(&disk);
            let (written, counted) = written_and_counted(&disk.fork());
            assert!(
                written.bytes >= counted.bytes && written.messages >= counted.messages,
                "{fault:?} at {op}: {written:?} is written, {counted:?} is there"
            );
            // Too much may be written down; before that refuses anything it is counted.
            let store = open(&disk, 4).unwrap();
            let room = 400 - counted.bytes;
            let error = store.check_quota(&inbox(), room + 1).unwrap_err();
            assert_eq!((error.kind(), error.class()), (ErrorKind::OverQuota, Class::Permanent));
            disk.advance(std::time::Duration::from_secs(16 * 60));
            assert!(store.check_quota(&inbox(), room).is_ok(), "{fault:?} at {op}");
        }
    }
}

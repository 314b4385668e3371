//! Maildir to mbox and back: everything comes back, a conversion that was cut off goes on, the source stays as it is.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{append_told, flags, inbox, maildir, mbox, message, name, read_all};
use mail_message::FlagSet;
use mailstore::convert::convert;
use mailstore::fs::SimFs;
use mailstore::fs::sim::Fault;
use mailstore::{Access, ErrorKind, Store};

/// Content, flags and date.
type Message = (Vec<u8>, FlagSet, i64);

/// Everything of a store but UIDs: mailboxes, and of each message content, flags and date.
fn everything(store: &dyn Store) -> Vec<(String, Vec<Message>)> {
    let mut all = Vec::new();
    for info in store.list().unwrap().into_iter().filter(|info| info.exists) {
        let mut mailbox = store.open(&info.name, Access::ReadOnly).unwrap();
        let entries = mailbox.entries().to_vec();
        let messages = entries.into_iter().map(|entry| {
            let content = read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap();
            (content, entry.flags, mailbox.meta(entry.uid).unwrap().internal_date.0)
        });
        all.push((info.name.to_string(), messages.collect()));
    }
    all
}

fn fill(store: &dyn Store) {
    store.create(&name("Lists/rust")).unwrap();
    store.subscribe(&name("Lists/rust")).unwrap();
    for number in 1..=6 {
        let flags =
            flags(["", "\\Seen", "\\Flagged work", "\\Deleted \\Draft \\Answered"][number as usize % 4]);
        append_told(store, &inbox(), &message(number), &flags).unwrap();
    }
    append_told(store, &name("Lists/rust"), b"From: x\r\n\r\nFrom y\r\n>From z\r\n", &flags("play")).unwrap();
}

#[test]
fn r143_a_maildir_becomes_an_mbox_and_a_maildir_again() {
    let (one, two) = (SimFs::new(), SimFs::new());
    let source = maildir(&one, 1).unwrap();
    fill(&source);
    let expected = everything(&source);
    let middle = mbox(&one, 1).unwrap();
    let mut told = Vec::new();
    let converted = convert(&source, &middle, &mut |progress| {
        told.push(format!("{} {}/{}", progress.mailbox, progress.done, progress.messages));
    })
    .unwrap();
    assert_eq!((converted.mailboxes, converted.messages, converted.there_already), (2, 7, 0));
    assert_eq!(told, ["INBOX 0/6", "INBOX 6/6", "Lists/rust 0/1", "Lists/rust 1/1"]);
    assert_eq!(everything(&middle), expected);
    assert_eq!(middle.subscriptions().unwrap(), [name("Lists/rust")]);
    let back = maildir(&two, 1).unwrap();
    assert_eq!(convert(&middle, &back, &mut |_| ()).unwrap().messages, 7);
    assert_eq!(everything(&back), expected);
    assert_eq!(everything(&source), expected, "the source is as it was");

    assert_eq!(convert(&middle, &back, &mut |_| ()).unwrap().there_already, 7, "a second time does nothing");
    append_told(&back, &inbox(), &message(50), &FlagSet::new()).unwrap();
    assert_eq!(convert(&middle, &back, &mut |_| ()).unwrap_err().kind(), ErrorKind::MailboxExists);
}

#[test]
fn a_conversion_that_fails_or_loses_power_anywhere_goes_on() {
    let prepared = SimFs::new();
    fill(&maildir(&prepared, 1).unwrap());
    let expected = everything(&maildir(&prepared, 1).unwrap());
    let run = |fs: &SimFs, pid: u32| {
        let (source, target) = (maildir(fs, pid)?, mbox(fs, pid)?);
        convert(&source, &target, &mut |_| ())
    };
    let count = {
        let fs = prepared.fork();
        run(&fs, 2).unwrap();
        fs.ops()
    };
    for op in 0..count {
        let fs = prepared.fork();
        fs.fail_at(op, if op % 2 == 0 { Fault::Io } else { Fault::NoSpace });
        let _ = run(&fs, 2);
        run(&fs, 3).unwrap_or_else(|error| panic!("op {op}: {error}"));
        assert_eq!(everything(&mbox(&fs, 4).unwrap()), expected, "op {op}");

        let fs = prepared.fork();
        fs.power_off_at(op);
        let _ = run(&fs, 2);
        for disk in fs.crash_point().outcomes(common::seed(), 1).take(3) {
            run(&disk, 3).unwrap_or_else(|error| panic!("power off at {op}: {error}"));
            assert_eq!(everything(&mbox(&disk, 4).unwrap()), expected, "power off at {op}");
        }
    }
}

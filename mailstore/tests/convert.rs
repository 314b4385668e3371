//! Maildir to mbox and back: everything comes back, a conversion that was cut off goes on, the source stays as it is.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{append_told, flags, inbox, maildir, mbox, message, name, read_all};
use mail_message::FlagSet;
use mailstore::convert::{BATCH_MESSAGES_MAX, Converted, convert};
use mailstore::fs::SimFs;
use mailstore::fs::sim::Fault;
use mailstore::{Access, ErrorKind, Result, Store};

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
fn other_mail_of_the_same_dates_and_lengths_is_no_beginning() {
    let (one, two) = (SimFs::new(), SimFs::new());
    let (source, target) = (maildir(&one, 1).unwrap(), mbox(&two, 1).unwrap());
    for (store, word) in [(&source as &dyn Store, "ours"), (&target, "else")] {
        for _ in 0..3 {
            append_told(
                store,
                &inbox(),
                format!("Subject: report\r\n\r\n{word}\r\n").as_bytes(),
                &FlagSet::new(),
            )
            .unwrap();
        }
    }
    assert_eq!(convert(&source, &target, &mut |_| ()).unwrap_err().kind(), ErrorKind::MailboxExists);
    assert_eq!(everything(&target)[0].1.len(), 3);
}

type Open = fn(&SimFs, u32) -> Result<Box<dyn Store>>;

fn open_maildir(fs: &SimFs, pid: u32) -> Result<Box<dyn Store>> {
    Ok(Box::new(maildir(fs, pid)?))
}

fn open_mbox(fs: &SimFs, pid: u32) -> Result<Box<dyn Store>> {
    Ok(Box::new(mbox(fs, pid)?))
}

const WAYS: [(Open, Open); 2] = [(open_maildir, open_mbox), (open_mbox, open_maildir)];

fn run(fs: &SimFs, pid: u32, (source, target): (Open, Open)) -> Result<Converted> {
    convert(&*source(fs, pid)?, &*target(fs, pid)?, &mut |_| ())
}

#[test]
fn a_conversion_that_fails_or_loses_power_anywhere_goes_on() {
    for way in WAYS {
        let prepared = SimFs::new();
        fill(&*way.0(&prepared, 1).unwrap());
        let expected = everything(&*way.0(&prepared, 1).unwrap());
        let count = {
            let fs = prepared.fork();
            run(&fs, 2, way).unwrap();
            fs.ops()
        };
        let check = |disk: &SimFs, what: &str| {
            run(disk, 3, way).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(everything(&*way.1(disk, 4).unwrap()), expected, "{what}");
        };
        for op in 0..count {
            let fs = prepared.fork();
            fs.fail_at(op, if op % 2 == 0 { Fault::Io } else { Fault::NoSpace });
            let _ = run(&fs, 2, way);
            check(&fs, &format!("error at {op}"));

            let fs = prepared.fork();
            fs.power_off_at(op);
            let _ = run(&fs, 2, way);
            for disk in fs.crash_point().outcomes(common::seed(), 1).take(2) {
                check(&disk, &format!("power off at {op}"));
            }
        }
    }
}

/// A store with so many messages in its INBOX.
fn filled(open: Open, messages: u32) -> SimFs {
    let fs = SimFs::new();
    let store = open(&fs, 1).unwrap();
    let mut append = store.append(&inbox()).unwrap();
    for number in 1..=messages {
        append.begin(&flags(["", "\\Seen"][number as usize % 2]), None).unwrap();
        append.write(&message(number)).unwrap();
    }
    append.commit().unwrap();
    // What the first look costs is not what converting costs.
    store.open(&inbox(), Access::ReadOnly).unwrap();
    fs
}

#[test]
fn a_conversion_that_lost_power_between_its_batches_goes_on() {
    let messages = BATCH_MESSAGES_MAX as u32 + 40;
    for way in WAYS {
        let prepared = filled(way.0, messages);
        let fs = prepared.fork();
        let (source, target) = (way.0(&fs, 2).unwrap(), way.1(&fs, 2).unwrap());
        let mut begun = 0;
        convert(&*source, &*target, &mut |progress| {
            if progress.done == BATCH_MESSAGES_MAX {
                begun = fs.ops();
            }
        })
        .unwrap();
        let ops = fs.ops();
        let expected = everything(&*source);
        assert!(0 < begun && begun < ops);
        for at in [begun, begun + (ops - begun) / 2, begun + (ops - begun) * 9 / 10] {
            let fs = prepared.fork();
            fs.power_off_at(at);
            run(&fs, 2, way).unwrap_err();
            let disk = fs.crash_point().outcomes(common::seed(), 1).next().unwrap();
            let converted = run(&disk, 3, way).unwrap();
            assert!(converted.there_already >= BATCH_MESSAGES_MAX, "power off at {at}: {converted:?}");
            assert_eq!(converted.there_already + converted.messages, messages as usize);
            assert!(everything(&*way.1(&disk, 4).unwrap()) == expected, "power off at {at}");
        }
    }
}

#[test]
fn converting_costs_what_is_converted() {
    let base = BATCH_MESSAGES_MAX as u32 + 76;
    for way in WAYS {
        let [small, large] = [base, 4 * base].map(|messages| {
            let fs = filled(way.0, messages);
            let before = (fs.read_bytes(), fs.ops());
            assert_eq!(run(&fs, 2, way).unwrap().messages, messages as usize);
            (fs.read_bytes() - before.0, fs.ops() - before.1)
        });
        assert!(large.0 <= 4 * small.0 && large.1 <= 4 * small.1, "{small:?}, {large:?}");
    }
}

#[test]
fn mail_that_comes_into_the_target_meanwhile_is_kept() {
    for way in WAYS {
        let fs = filled(way.0, BATCH_MESSAGES_MAX as u32 + 1);
        let (source, target) = (way.0(&fs, 2).unwrap(), way.1(&fs, 2).unwrap());
        let converted = convert(&*source, &*target, &mut |progress| {
            if progress.done == BATCH_MESSAGES_MAX {
                append_told(&*way.1(&fs, 3).unwrap(), &inbox(), &message(9999), &FlagSet::new()).unwrap();
            }
        });
        let count = BATCH_MESSAGES_MAX + 1;
        assert_eq!(converted.unwrap().messages, count);
        let mailbox = target.open(&inbox(), Access::ReadOnly).unwrap();
        let uids: Vec<u32> = mailbox.entries().iter().map(|entry| entry.uid.get()).collect();
        assert_eq!(uids, (1..=count as u32 + 1).collect::<Vec<_>>());
        drop(mailbox);
        let again = convert(&*source, &*target, &mut |_| ()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::MailboxExists);
    }
}

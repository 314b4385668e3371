//! An mbox on a disk that loses power at every operation, and fails at every operation: append, delivery, first sight
//! of mail that others delivered, flag changes in place and not, copy, expunge, folders.
//!
//! Whatever happens, what was answered is there, no message is there in part, none twice, and no UID that anybody was
//! told stands for another message.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use common::crash::{
    deliver_together, delivery_id, every_operation_fails_once, every_power_cut_of_mailboxes,
    mbox_without_dotlock,
};
use common::journal::{self, Step, TRACE, contents};
use common::{Octets, append_told, every_power_cut, flags, inbox, mbox, message, name, set};
use mail_message::{FlagSet, Uid};
use mailstore::fs::sim::SimFs;
use mailstore::fs::{Fs, LockKind, OpenMode};
use mailstore::{Access, Delivered, Delivery, ErrorKind, Expunge, FlagChange, MailboxName, Result, Store};
use proto_core::UnixTime;

const INBOX: &str = "/var/mail/alice";

#[derive(Debug, Clone)]
enum What {
    /// A message comes into a mailbox.
    Add(u32, MailboxName, FlagSet),
    /// Another program delivers: from now on its message may stand at the end of the INBOX in part.
    Foreign,
    Replace(u32, FlagSet),
    Expunge(Vec<u32>),
}

type Journal = journal::Journal<What>;

fn deliver(store: &dyn Store, number: u32, maybe_delivered: bool) -> Result<Delivered> {
    let (id, date) = (delivery_id(number), UnixTime(1_700_000_000));
    let delivery = Delivery { id, maybe_delivered, date, header: TRACE.as_bytes() };
    store.deliver(&inbox(), &delivery, &mut Octets(message(number)))
}

/// Another program's delivery: it locks, appends, and syncs.
fn foreign(fs: &SimFs, number: u32) -> std::io::Result<()> {
    let text = String::from_utf8(message(number)).unwrap().replace("\r\n", "\n");
    let mut file = fs.open(Path::new(INBOX), OpenMode::Append)?;
    assert!(file.try_lock(LockKind::Exclusive)?, "our locks are not left behind");
    file.append(format!("From f@example.test Tue Nov 14 22:13:20 2023\n{text}\n").as_bytes())?;
    file.sync()
}

/// The life of a mailbox. Steps that fail are passed over, as a server does; what fails in between ends it.
fn play(fs: &SimFs, journal: &RefCell<Journal>) -> Result<()> {
    let store = mbox_without_dotlock(fs, 1, None)?;
    let archive = name("Archive");
    let _ = store.create(&archive);
    let add = |number: u32, with: &str| -> Result<Uid> {
        let what = What::Add(number, inbox(), flags(with));
        let appended = Journal::step(journal, fs, what, || {
            append_told(&store, &inbox(), &message(number), &flags(with))
        })?;
        Journal::tell(journal, fs, &inbox(), appended.uid_validity, appended.uids[0], number);
        Ok(appended.uids[0])
    };
    let one = add(1, "");
    let what = What::Add(2, inbox(), FlagSet::new());
    let _ = Journal::step(journal, fs, what, || deliver(&store, 2, false));
    // Its failure is its own.
    let _ = Journal::step(journal, fs, What::Foreign, || {
        let _ = foreign(fs, 3);
        Ok(())
    });
    // A client whose SELECT fails tries again.
    let open = || store.open(&inbox(), Access::ReadWrite);
    let mut mailbox = open().or_else(|_| open())?;
    Journal::tell_all(journal, fs, &inbox(), &mut *mailbox)?;
    let four = add(4, "\\Seen work");
    mailbox.refresh()?;
    let long = "a-long-keyword-that-does-not-fit another-long-keyword-that-does-not-fit";
    for (of, uid, to) in
        [(1, &one, "\\Flagged"), (1, &one, "\\Deleted \\Draft"), (1, &one, long), (4, &four, "play")]
    {
        if let Ok(uid) = uid {
            let _ = Journal::step(journal, fs, What::Replace(of, flags(to)), || {
                mailbox.set_flags(&set(&[*uid]), FlagChange::Replace, &flags(to), None)
            });
        }
    }
    if let (Ok(one), Ok(four)) = (&one, &four) {
        let now = |uid: &Uid| mailbox.entries().iter().find(|entry| entry.uid == *uid).unwrap().flags.clone();
        let whats = vec![What::Add(1, archive.clone(), now(one)), What::Add(4, archive.clone(), now(four))];
        let copied = Journal::steps(journal, fs, whats, || mailbox.copy(&set(&[*one, *four]), &archive));
        if let Ok(copied) = copied {
            for ((_, copy), number) in copied.pairs.iter().zip([1, 4]) {
                Journal::tell(journal, fs, &archive, copied.uid_validity, *copy, number);
            }
        }
        let what = What::Expunge(vec![1]);
        let _ = Journal::step(journal, fs, what, || mailbox.expunge(&set(&[*one]), Expunge::Any));
    }
    let _ = add(5, "\\Draft");
    let mail = [(7, "INBOX"), (8, "INBOX"), (9, "Archive")];
    let whats = mail.iter().map(|(number, to)| What::Add(*number, name(to), FlagSet::new())).collect();
    let _ = Journal::steps(journal, fs, whats, || {
        deliver_together(&store, &mail, false).into_iter().collect::<Result<Vec<_>>>()
    });
    mailbox.refresh()?;
    Journal::tell_all(journal, fs, &inbox(), &mut *mailbox)?;
    let all: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    let what = What::Expunge(vec![1, 2, 3, 4, 5, 7, 8]);
    let _ = Journal::step(journal, fs, what, || mailbox.expunge(&set(&all), Expunge::Any));
    add(6, "\\Answered").map(drop)
}

/// Everything that was answered before operation `op` must hold on this disk.
fn check(op: u64, disk: &SimFs, journal: &Journal) {
    let booted = disk.now();
    let store = mbox_without_dotlock(disk, 2, None).unwrap();
    for of in [inbox(), name("Archive")] {
        let told: Vec<_> = journal.told.iter().filter(|told| told.at <= op && told.mailbox == of).collect();
        let mut mailbox = match store.open(&of, Access::ReadWrite) {
            Ok(mailbox) => mailbox,
            Err(error) => {
                let used = journal.steps.iter().any(|step| {
                    step.is_answered(op) && matches!(&step.what, What::Add(_, to, _) if *to == of)
                });
                assert!(!of.is_inbox() && told.is_empty() && !used, "op {op}: {error}");
                continue;
            }
        };
        let found = contents(&mut *mailbox).unwrap();
        for told in &told {
            assert_eq!(
                told.uid_validity,
                mailbox.uid_validity(),
                "op {op}: UIDVALIDITY changed without need"
            );
            assert!(mailbox.uid_next() > told.uid, "op {op}: UIDNEXT went back");
            for (uid, number, _) in &found {
                assert!(
                    (*uid == told.uid) == (*number == told.number) || *number == 0,
                    "op {op}: {told:?} became {uid} = {number}"
                );
            }
        }
        // What another program has not synced may be anything: also octets behind the last message before it.
        let soiled = found.iter().filter(|(_, number, _)| *number == 0).count();
        let may_be_soiled =
            of.is_inbox() && has_foreign(journal, op) && told.iter().all(|told| told.number != 3);
        assert!(soiled == 0 || soiled == 1 && may_be_soiled, "op {op}: a message in part: {found:?}");
        if soiled == 0 {
            (1..=40).for_each(|number| check_message(op, journal, &of, number, &found));
        }
        // Looking again finds the same, and UIDs go on.
        let next = mailbox.uid_next();
        let new = common::append(&store, &of, &message(77), &FlagSet::new()).unwrap();
        assert!(new >= next);
        mailbox.refresh().unwrap();
        let mut again = contents(&mut *mailbox).unwrap();
        again.retain(|(uid, _, _)| *uid != new);
        if soiled == 0 {
            assert_eq!(again, found, "op {op}");
        }
    }
    for entry in disk.read_dir(Path::new("/home/alice/mail/.imap/.postroom")).unwrap() {
        let path = Path::new("/home/alice/mail/.imap/.postroom").join(&entry.name);
        let is_journal = entry.name.as_encoded_bytes().ends_with(b".journal");
        assert!(
            !is_journal || disk.metadata(&path).unwrap().size == 0,
            "op {op}: {path:?} asks for something"
        );
    }
    let waited = disk.now() - booted;
    assert!(waited < Duration::from_secs(1), "op {op}: waited for a lock that nobody holds");
}

/// Whether another program had begun to deliver.
fn has_foreign(journal: &Journal, op: u64) -> bool {
    journal.steps.iter().any(|step| matches!(step.what, What::Foreign) && step.begun <= op)
}

fn check_message(op: u64, journal: &Journal, of: &MailboxName, number: u32, found: &[(Uid, u32, FlagSet)]) {
    let here: Vec<_> = found.iter().filter(|(_, found, _)| *found == number).collect();
    let (mut must, mut may) = (false, number == 3 && of.is_inbox() && has_foreign(journal, op));
    let (mut before, mut after) = (FlagSet::new(), FlagSet::new());
    for step in journal.steps.iter().filter(|step| step.begun < op) {
        let done = step.is_answered(op);
        match &step.what {
            What::Add(added, to, flags) if *added == number && to == of => {
                (must, may) = (done, true);
                (before, after) = (flags.clone(), flags.clone());
            }
            What::Replace(changed, flags) if *changed == number && of.is_inbox() => {
                after.clone_from(flags);
                if done {
                    before.clone_from(flags);
                }
            }
            What::Expunge(gone) if gone.contains(&number) && of.is_inbox() => {
                must = false;
                may &= !done;
            }
            _ => {}
        }
    }
    assert!(here.len() <= 1, "op {op}: message {number} is doubled in {of}");
    match here.first() {
        None => assert!(!must, "op {op}: message {number} is lost from {of}"),
        Some((_, _, flags)) => {
            assert!(may, "op {op}: message {number} is back in {of}");
            if !of.is_inbox() {
                // A change that was answered with an error may have been made all the same, before the copy.
                let ever = |step: &Step<What>| match &step.what {
                    What::Add(of, _, set) | What::Replace(of, set) => *of == number && set == flags,
                    What::Expunge(_) | What::Foreign => false,
                };
                assert!(journal.steps.iter().any(ever), "op {op}: message {number} in {of} has {flags:?}");
                return;
            }
            // Each flag as it was or as it was to be; those of a rewrite all at once, which this does not ask for.
            let all = before.iter().chain(after.iter()).chain(flags.iter()).collect::<FlagSet>();
            for flag in all.iter() {
                let has = |set: &FlagSet| set.contains(&flag);
                let allowed = has(flags) == has(&before) || has(flags) == has(&after);
                assert!(
                    allowed,
                    "op {op}: message {number} in {of} has {flags:?}, not {before:?} or {after:?}"
                );
            }
            let keywords = |set: &FlagSet| set.keywords().to_vec();
            assert!(
                keywords(flags) == keywords(&before) || keywords(flags) == keywords(&after),
                "op {op}: message {number} in {of} has some of the keywords: {flags:?}"
            );
        }
    }
}

#[test]
fn the_power_fails_at_every_operation_while_others_deliver_as_well() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let journal = RefCell::default();
    play(&fs, &journal).unwrap();
    let journal = journal.into_inner();
    assert!(journal.steps.iter().all(|step| step.answered.is_some()));
    every_power_cut_of_mailboxes(&fs, |op, disk| check(op, disk, &journal));
}

/// A rewrite goes by what stands before it: that must not be lost while the journal still asks for the rewrite. Another program
/// has changed a flag in place and has synced nothing, and then a message behind it goes.
#[test]
fn a_rewrite_rests_on_nothing_that_a_power_cut_takes_away() {
    let fs = SimFs::new();
    let store = mbox_without_dotlock(&fs, 1, None).unwrap();
    for number in [1, 2, 4, 5] {
        deliver(&store, number, false).unwrap();
    }
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let uids: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    mailbox.set_flags(&set(&uids[..1]), FlagChange::Replace, &flags("\\Seen"), None).unwrap();
    let text = fs.open(Path::new(INBOX), OpenMode::Read).unwrap();
    let mut octets = vec![0; text.metadata().unwrap().size as usize];
    text.read_at(&mut octets, 0).unwrap();
    let status = octets.windows(11).position(|octets| octets == b"\nStatus: RO").unwrap();
    let file = fs.open(Path::new(INBOX), OpenMode::Write).unwrap();
    file.write_at(&[b" "], status as u64 + 9).unwrap();
    fs.record_crash_points();
    mailbox.expunge(&set(&uids[1..2]), Expunge::Any).unwrap();
    let expunged = fs.ops();
    assert_eq!(contents(&mut *mailbox).unwrap().len(), 3);
    every_power_cut_of_mailboxes(&fs, |op, disk| {
        let store = mbox_without_dotlock(disk, 2, None).unwrap();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        let found = contents(&mut *mailbox).unwrap();
        let numbers: Vec<u32> = found.iter().map(|(_, number, _)| *number).collect();
        let is_right = numbers == [1, 4, 5] || op < expunged && numbers == [1, 2, 4, 5];
        assert!(is_right, "op {op}: {found:?}");
    });
}

/// A journal too, of which nobody knows what it asks for but who finds it.
#[test]
fn what_lies_where_it_lay_before_is_taken_over() {
    let fs = SimFs::new();
    let store = mbox_without_dotlock(&fs, 1, None).unwrap();
    for number in [1, 2, 4] {
        deliver(&store, number, false).unwrap();
    }
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let first = mailbox.entries()[0].uid;
    fs.record_crash_points();
    mailbox.expunge(&set(&[first]), Expunge::Any).unwrap();
    let [root, now] = ["/home/alice/mail", "/home/alice/mail/.imap/.postroom"].map(Path::new);
    let before = root.join(".postroom");
    let mut journals = 0;
    every_power_cut_of_mailboxes(&fs, |op, disk| {
        let journal = disk.metadata(&now.join("INBOX.journal"));
        journals += u32::from(journal.is_ok_and(|journal| journal.size > 0));
        let moved = disk.fork();
        moved.rename(now, &before).unwrap();
        let read = |disk: &SimFs| {
            let store = mbox_without_dotlock(disk, 2, None).unwrap();
            let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
            (mailbox.uid_validity(), contents(&mut *mailbox).unwrap())
        };
        assert_eq!(read(&moved), read(disk), "op {op}");
        assert!(moved.metadata(&before).is_err());
    });
    assert!(journals > 5, "{journals}");
    fs.mkdir(&before).unwrap();
    let error = mbox_without_dotlock(&fs, 2, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OldFormat, "neither is thrown away: {error}");
}

/// Only the lock is of interest here.
#[test]
fn the_power_fails_with_a_dotlock() {
    let fs = SimFs::new();
    let store = mbox(&fs, 1).unwrap();
    deliver(&store, 1, false).unwrap();
    fs.record_crash_points();
    let begun = fs.ops();
    deliver(&store, 2, false).unwrap();
    let done = fs.ops();
    every_power_cut(
        &fs,
        |op| u64::from(op >= done),
        |op, disk| {
            assert!(op >= begun);
            let booted = disk.now();
            let store = mbox(disk, 2).unwrap();
            let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
            let numbers: Vec<u32> = contents(&mut *mailbox).unwrap().iter().map(|found| found.1).collect();
            assert!(numbers == [1, 2] || numbers == [1] && op < done, "op {op}: {numbers:?}");
            assert!(disk.now() - booted < Duration::from_secs(1), "op {op}: waited for a lock of the dead");
        },
    );
}

#[test]
fn each_operation_fails_once() {
    let run = |fs: &SimFs| {
        let journal = RefCell::default();
        (play(fs, &journal), journal.into_inner())
    };
    every_operation_fails_once(run, |disk, journal| check(u64::MAX, disk, journal));
}

//! A mailbox on a disk that loses power at every operation, and fails at every operation: append, flag
//! change, copy, expunge, first sight of mail that others delivered, and the rewriting of the UID list.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::journal::{self, contents};
use common::{
    all, append, append_told, env, every_power_cut, flags, inbox, maildir, message, name, read_all,
    read_names, set, uid,
};
use mail_message::{FlagSet, Uid, UidSet};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::fs::{Fs, OpenMode};
use mailstore::{Access, Class, ErrorKind, Expunge, FlagChange, MailboxName, Result, Store};

#[derive(Debug, Clone)]
enum What {
    Append(u32, FlagSet),
    /// Another program's delivery, which it synced or did not.
    Foreign(u32),
    Replace(u32, FlagSet),
    Expunge(Vec<u32>),
    Copy(Vec<u32>, MailboxName),
}

/// Delivers as a program does that syncs nothing, or only the file.
fn foreign(fs: &SimFs, number: u32, syncs: bool) -> Result<()> {
    let put = || -> std::io::Result<()> {
        let tmp = format!("{}/tmp/{number}.foreign", common::ROOT);
        let mut file = fs.open(tmp.as_ref(), OpenMode::CreateNew)?;
        file.append(&message(number))?;
        if syncs {
            file.sync()?;
        }
        fs.rename(tmp.as_ref(), format!("{}/new/{number}.foreign", common::ROOT).as_ref())
    };
    // A foreign program's failure is its own.
    let _ = put();
    Ok(())
}

type Journal = journal::Journal<What>;

/// The life of a mailbox. Steps that fail are passed over, as a server does; what fails in between ends it.
fn play(fs: &SimFs, journal: &RefCell<Journal>, foreign_syncs: bool) -> Result<()> {
    let store = maildir(fs, 1)?;
    store.create(&name("Archive"))?;
    let add = |number: u32, with: &str| -> Result<Uid> {
        let appended = Journal::step(journal, fs, What::Append(number, flags(with)), || {
            append_told(&store, &inbox(), &message(number), &flags(with))
        })?;
        Journal::tell(journal, fs, &inbox(), appended.uid_validity, appended.uids[0], number);
        Ok(appended.uids[0])
    };
    let one = add(1, "");
    let two = add(2, "\\Seen work");
    Journal::step(journal, fs, What::Foreign(3), || foreign(fs, 3, foreign_syncs))?;
    // A client whose SELECT fails tries again.
    let open = || store.open(&inbox(), Access::ReadWrite);
    let mut mailbox = open().or_else(|_| open())?;
    Journal::tell_all(journal, fs, &inbox(), &mut *mailbox)?;
    for (of, uid, to) in [(1, &one, "\\Flagged"), (1, &one, "\\Flagged play"), (2, &two, "")] {
        if let Ok(uid) = uid {
            let _ = Journal::step(journal, fs, What::Replace(of, flags(to)), || {
                mailbox.set_flags(&set(&[*uid]), FlagChange::Replace, &flags(to), None)
            });
        }
    }
    if let (Ok(one), Ok(two)) = (&one, &two) {
        let archive = name("Archive");
        let copied = Journal::step(journal, fs, What::Copy(vec![1, 2], archive.clone()), || {
            mailbox.copy(&set(&[*one, *two]), &archive)
        });
        if let Ok(copied) = copied {
            for ((_, copy), number) in copied.pairs.iter().zip([1, 2]) {
                Journal::tell(journal, fs, &archive, copied.uid_validity, *copy, number);
            }
        }
        let _ = Journal::step(journal, fs, What::Expunge(vec![1]), || {
            mailbox.expunge(&set(&[*one]), Expunge::Any)
        });
    }
    let _ = add(4, "\\Draft");
    mailbox.refresh()?;
    Journal::tell_all(journal, fs, &inbox(), &mut *mailbox)
}

/// Everything that was answered before operation `op` must hold on this disk.
fn check(op: u64, disk: &SimFs, journal: &Journal) {
    let booted = disk.now();
    let store = maildir(disk, 2).unwrap();
    for mailbox_name in [inbox(), name("Archive")] {
        let told: Vec<_> =
            journal.told.iter().filter(|told| told.at <= op && told.mailbox == mailbox_name).collect();
        let mut mailbox = match store.open(&mailbox_name, Access::ReadWrite) {
            Ok(mailbox) => mailbox,
            Err(error) => {
                let used = journal
                    .steps
                    .iter()
                    .any(|step| step.is_answered(op) && matches!(step.what, What::Copy(..)));
                assert!(!mailbox_name.is_inbox() && told.is_empty() && !used, "op {op}: {error}");
                continue;
            }
        };
        let found = contents(&mut *mailbox).unwrap();
        // What another program did not sync may be in part, until we gave it a UID.
        let torn = found.iter().filter(|(_, number, _)| *number == 0).count();
        let foreign =
            journal.steps.iter().any(|step| matches!(step.what, What::Foreign(_)) && step.begun < op);
        let foreign_told = told.iter().any(|told| told.number == 3);
        assert!(torn == 0 || torn == 1 && foreign && !foreign_told, "op {op}: half a message");
        for told in &told {
            assert_eq!(
                told.uid_validity,
                mailbox.uid_validity(),
                "op {op}: UIDVALIDITY changed without need"
            );
            assert!(mailbox.uid_next() > told.uid, "op {op}: UIDNEXT went back");
            for (uid, number, _) in &found {
                assert_eq!(
                    *uid == told.uid,
                    *number == told.number,
                    "op {op}: {told:?} became {uid} = {number}"
                );
            }
        }
        for number in 1..=40 {
            let here: Vec<_> = found.iter().filter(|(_, found, _)| *found == number).collect();
            check_message(op, journal, &mailbox_name, number, &here);
        }
        check_names(op, disk, &mailbox_name);
        // Looking again finds the same, and UIDs go on.
        let next = mailbox.uid_next();
        let new = append(&store, &mailbox_name, &message(77), &FlagSet::new()).unwrap();
        assert!(new >= next);
        mailbox.refresh().unwrap();
        let mut again = contents(&mut *mailbox).unwrap();
        again.retain(|(uid, _, _)| *uid != new);
        assert_eq!(again, found);
    }
    let waited = disk.now() - booted;
    assert!(waited < Duration::from_secs(1), "op {op}: waited for a lock that nobody holds");
}

/// No message has two names once a mailbox was opened for writing.
fn check_names(op: u64, disk: &SimFs, mailbox: &MailboxName) {
    let dir = if mailbox.is_inbox() { common::ROOT.into() } else { format!("{}/.{mailbox}", common::ROOT) };
    let mut bases = Vec::new();
    for sub in ["new", "cur"] {
        for entry in disk.read_dir(format!("{dir}/{sub}").as_ref()).unwrap() {
            let name = entry.name.into_string().unwrap();
            bases.push(name.split(':').next().unwrap().to_owned());
        }
    }
    bases.sort();
    assert!(bases.windows(2).all(|pair| pair[0] != pair[1]), "op {op}: two names in {bases:?}");
}

fn check_message(
    op: u64,
    journal: &Journal,
    mailbox: &MailboxName,
    number: u32,
    here: &[&(Uid, u32, FlagSet)],
) {
    let (mut must, mut may, mut allowed) = (false, false, Vec::<FlagSet>::new());
    let mut source = Vec::<FlagSet>::new();
    for step in &journal.steps {
        if step.begun >= op {
            continue;
        }
        let done = step.is_answered(op);
        match &step.what {
            What::Append(of, flags) if *of == number && mailbox.is_inbox() => {
                (must, may) = (done, true);
                (allowed, source) = (vec![flags.clone()], vec![flags.clone()]);
            }
            What::Append(of, flags) if *of == number => source = vec![flags.clone()],
            What::Foreign(of) if *of == number && mailbox.is_inbox() => {
                // Safe from the moment we told its UID, not before.
                must = journal.told.iter().any(|told| told.number == number && told.at <= op);
                (may, allowed) = (true, vec![FlagSet::new()]);
            }
            What::Replace(of, flags) if *of == number => {
                if done {
                    source.clear();
                }
                source.push(flags.clone());
                if mailbox.is_inbox() {
                    if done {
                        allowed.clear();
                    }
                    allowed.push(flags.clone());
                }
            }
            What::Expunge(of) if of.contains(&number) && mailbox.is_inbox() => {
                (must, may) = (false, !done);
            }
            What::Copy(of, target) if of.contains(&number) && target == mailbox => {
                (must, may) = (done, true);
                allowed = source.clone();
            }
            _ => {}
        }
    }
    assert!(here.len() <= 1, "op {op}: message {number} is doubled in {mailbox}");
    match here.first() {
        None => assert!(!must, "op {op}: message {number} is lost from {mailbox}"),
        Some((_, _, flags)) => {
            assert!(may, "op {op}: message {number} is back in {mailbox}");
            assert!(
                allowed.contains(flags),
                "op {op}: message {number} in {mailbox} has {flags:?}, not of {allowed:?}"
            );
        }
    }
}

#[test]
fn the_power_fails_at_every_operation() {
    let fs = SimFs::new();
    fs.record_crash_points();
    let journal = RefCell::default();
    play(&fs, &journal, false).unwrap();
    let journal = journal.into_inner();
    assert!(journal.steps.iter().all(|step| step.answered.is_some()));
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &journal));
}

#[test]
fn every_operation_fails_once() {
    let count = {
        let fs = SimFs::new();
        play(&fs, &RefCell::default(), true).unwrap();
        fs.ops()
    };
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..count {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let journal = RefCell::default();
            if let Err(error) = play(&fs, &journal, true) {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            let journal = journal.into_inner();
            check(u64::MAX, &fs.fork(), &journal);
            for disk in fs.crash_point().outcomes(common::seed(), 2).take(4) {
                check(u64::MAX, &disk, &journal);
            }
        }
    }
}

/// Ten messages, most of them expunged: the next look rewrites the UID list.
fn play_rewrite(fs: &SimFs, journal: &RefCell<Journal>) -> Result<()> {
    let store = maildir(fs, 1)?;
    for number in 1..=10 {
        Journal::step(journal, fs, What::Append(number, FlagSet::new()), || {
            append(&store, &inbox(), &message(number), &FlagSet::new())
        })?;
    }
    let mut mailbox = store.open(&inbox(), Access::ReadWrite)?;
    Journal::tell_all(journal, fs, &inbox(), &mut *mailbox)?;
    fs.record_crash_points();
    // The highest too: only the header remembers it afterwards.
    let numbers: Vec<u32> = (2..=10).collect();
    let uids: UidSet = numbers.iter().map(|&raw| uid(raw)).collect();
    Journal::step(journal, fs, What::Expunge(numbers), || mailbox.expunge(&uids, Expunge::Any))?;
    mailbox.refresh()?;
    let rewritten = mailstore::fs::read(fs, format!("{}/dovecot-uidlist", common::ROOT).as_ref()).unwrap();
    assert_eq!(rewritten.iter().filter(|&&octet| octet == b'\n').count(), 2, "rewritten without garbage");
    Journal::step(journal, fs, What::Append(11, FlagSet::new()), || {
        append(&store, &inbox(), &message(11), &FlagSet::new())
    })?;
    Ok(())
}

#[test]
fn the_power_fails_while_the_uid_list_is_rewritten() {
    let fs = SimFs::new();
    let journal = RefCell::default();
    play_rewrite(&fs, &journal).unwrap();
    let journal = journal.into_inner();
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &journal));
}

#[test]
fn a_lost_or_spoilt_uid_list_gives_a_greater_uidvalidity() {
    let fs = SimFs::new();
    let path = format!("{}/dovecot-uidlist", common::ROOT);
    let store = maildir(&fs, 1).unwrap();
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut last = mailbox.uid_validity();
    for spoil in ["", "3 V1 N1\nspoilt\n", "nothing of ours\n"] {
        fs.unlink(path.as_ref()).unwrap();
        if !spoil.is_empty() {
            fs.open(path.as_ref(), OpenMode::CreateNew).unwrap().append(spoil.as_bytes()).unwrap();
        }
        let changes = mailbox.refresh().unwrap();
        assert!(changes.invalidated && mailbox.uid_validity() > last);
        assert_eq!(mailbox.entries().len(), 1);
        assert_eq!(store.open(&inbox(), Access::ReadOnly).unwrap().uid_validity(), mailbox.uid_validity());
        last = mailbox.uid_validity();
    }
}

#[test]
fn a_second_process_finds_a_lock_of_a_dead_one_and_goes_on() {
    let fs = SimFs::new();
    drop(maildir(&fs, 1).unwrap());
    let lock = format!("{}/dovecot-uidlist.lock", common::ROOT);
    fs.open(lock.as_ref(), OpenMode::CreateNew).unwrap().append(b"1:sim.example:boot-0\n").unwrap();
    let store = maildir(&fs, 2).unwrap();
    let before = env(&fs, 2).host().now();
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
    assert!(env(&fs, 2).host().now() - before < Duration::from_secs(1), "it did not wait");
    // One that says nothing is waited for, but not until it is stale.
    fs.open(lock.as_ref(), OpenMode::CreateNew).unwrap();
    let held = append(&store, &inbox(), &message(2), &FlagSet::new()).unwrap_err();
    assert_eq!((held.kind(), held.class()), (ErrorKind::Locked, Class::Temporary), "{held}");
    let waited = env(&fs, 2).host().now() - before;
    assert!(waited > Duration::from_secs(29) && waited < Duration::from_secs(35), "{waited:?}");
    fs.advance(Duration::from_secs(120));
    append(&store, &inbox(), &message(2), &FlagSet::new()).unwrap();
    assert_eq!(store.open(&inbox(), Access::ReadOnly).unwrap().entries().len(), 2);
    assert_eq!(contents(&mut *store.open(&inbox(), Access::ReadOnly).unwrap()).unwrap().len(), 2);
    assert_eq!(store.status(&inbox()).unwrap().messages, 2);
    assert!(all().contains(uid(1)));
}

#[test]
fn an_append_that_finds_its_place_taken_leaves_what_stands_there() {
    let fs = SimFs::new();
    let store = maildir(&fs, 1).unwrap();
    let name = {
        // The same operations give the same name.
        let fork = fs.fork();
        let store = maildir(&fork, 1).unwrap();
        fork.open(format!("{}/new/other", common::ROOT).as_ref(), OpenMode::CreateNew).unwrap();
        append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
        common::read_names(&fork, &format!("{}/new", common::ROOT)).into_iter().find(|name| name != "other")
    };
    drop(store);
    let store = maildir(&fs, 1).unwrap();
    let path = format!("{}/new/{}", common::ROOT, name.unwrap());
    fs.open(path.as_ref(), OpenMode::CreateNew).unwrap();
    let refused = append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DuplicateDelivery);
    assert!(fs.metadata(path.as_ref()).is_ok(), "another's message");
}

/// Two different messages under one base: another program's, or a restored backup. Whatever fails while the second gets a
/// name of its own, both are there.
#[test]
fn two_messages_under_one_name_are_both_kept() {
    let begin = || {
        let fs = SimFs::new();
        let store = maildir(&fs, 1).unwrap();
        append(&store, &inbox(), b"first\r\n", &flags("")).unwrap();
        drop(store.open(&inbox(), Access::ReadWrite).unwrap());
        // What is on its way from one to the other when the second comes has arrived.
        for sub in ["new", "cur"] {
            fs.sync_dir(format!("{}/{sub}", common::ROOT).as_ref()).unwrap();
        }
        let known = read_names(&fs, &format!("{}/cur", common::ROOT)).remove(0);
        let second = format!("{}/new/{}", common::ROOT, known.split(':').next().unwrap());
        let mut file = fs.open(second.as_ref(), OpenMode::CreateNew).unwrap();
        file.append(b"second\r\n").unwrap();
        file.sync().unwrap();
        fs.sync_dir(format!("{}/new", common::ROOT).as_ref()).unwrap();
        fs
    };
    let look = |fs: &SimFs, pid| maildir(fs, pid)?.open(&inbox(), Access::ReadWrite).map(drop);
    let texts = |fs: &SimFs| {
        let store = maildir(fs, 9).unwrap();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        // What has got a name of its own is seen at the next look.
        mailbox.refresh().unwrap();
        let all: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
        let mut texts: Vec<_> =
            all.iter().map(|uid| read_all(&mut *mailbox.message(*uid).unwrap()).unwrap()).collect();
        texts.sort();
        // A rename that a power cut leaves half done leaves one of them under two names.
        texts.dedup();
        texts
    };
    let both = [b"first\r\n".to_vec(), b"second\r\n".to_vec()];
    let fs = begin();
    let begun = fs.ops();
    fs.record_crash_points();
    look(&fs, 2).unwrap();
    let ended = fs.ops();
    every_power_cut(&fs, |op| op, |op, disk| assert_eq!(texts(disk), both, "op {op}"));
    assert_eq!(texts(&fs), both);
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in begun..ended {
            let fs = begin();
            fs.fail_at(op, fault);
            let _ = look(&fs, 2);
            assert_eq!(texts(&fs), both, "op {op}: {fault:?}");
            for disk in fs.crash_point().outcomes(common::seed(), 2).take(4) {
                assert_eq!(texts(&disk), both, "op {op}: {fault:?}, power cut");
            }
        }
    }
}

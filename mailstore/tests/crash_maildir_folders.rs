//! Mailboxes of a Maildir that are renamed and deleted, with those below them, in both layouts, on a disk that loses power
//! at every operation, and fails at every operation.
//!
//! A message is in its mailbox under one of its names, with the UID and UIDVALIDITY that were told; what INBOX held is in
//! INBOX or in what INBOX was renamed to; subscriptions are what they were; what did not succeed can be asked for again.
//! Where an operation fails and the power stays, a mailbox and those below it are together under one of the names, and what
//! INBOX held is together in one mailbox.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and it shows which operation it was"
)]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use common::journal::{self, contents};
use common::{append_told, flags, inbox, maildir, maildir_nested, message, name, some_power_cuts};
use mail_message::{FlagSet, Uid, UidValidity};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::{
    Access, Class, ErrorKind, MailboxName, MaildirStore, Result, SpecialUse, SpecialUses, Store,
};

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Create(&'static str),
    Add(u32),
    Subscribe(&'static str),
    /// `A/x` is for what was sent.
    Use,
    Rename(&'static str, &'static str),
    /// `C` is gone; `C/x`, which lies below it, is not.
    Delete,
}

type Journal = journal::Journal<What>;
type Open = fn(&SimFs, u32) -> Result<MaildirStore>;

/// One with two levels below it, and one that comes to lie in another directory.
const RENAMES: [(&str, &str); 3] = [("A", "B"), ("D/y", "E/F/y"), ("INBOX", "Old")];

/// Where each message is put, what that mailbox is called in the end, and with which flags.
const MESSAGES: [(&str, &str, &str); 10] = [
    ("A", "B", "\\Seen work"),
    ("A", "B", ""),
    ("A/x", "B/x", "\\Flagged"),
    ("A/x/z", "B/x/z", "play"),
    ("D/y", "E/F/y", "\\Draft"),
    ("INBOX", "Old", "\\Answered work"),
    ("INBOX", "Old", ""),
    ("INBOX", "Old", "play"),
    ("C", "", ""),
    ("C/x", "C/x", "\\Seen"),
];

const MADE: [&str; 6] = ["A", "A/x", "A/x/z", "D/y", "C", "C/x"];
const SUBSCRIBED: [&str; 3] = ["A", "A/x", "D/y"];

/// Steps that fail are passed over, as a server does.
fn play(open: Open, fs: &SimFs, journal: &RefCell<Journal>) -> Result<MaildirStore> {
    let store = open(fs, 1)?;
    for made in MADE {
        let _ = Journal::step(journal, fs, What::Create(made), || store.create(&name(made)));
    }
    for (number, (to, _, with)) in (1..).zip(MESSAGES) {
        let appended = Journal::step(journal, fs, What::Add(number), || {
            append_told(&store, &name(to), &message(number), &flags(with))
        });
        if let Ok(appended) = appended {
            Journal::tell(journal, fs, &name(to), appended.uid_validity, appended.uids[0], number);
        }
    }
    for subscribed in SUBSCRIBED {
        let _ =
            Journal::step(journal, fs, What::Subscribe(subscribed), || store.subscribe(&name(subscribed)));
    }
    let sent = SpecialUse::Sent.into();
    let _ = Journal::step(journal, fs, What::Use, || store.set_special_use(&name("A/x"), sent));
    for (from, to) in RENAMES {
        let _ = Journal::step(journal, fs, What::Rename(from, to), || store.rename(&name(from), &name(to)));
    }
    let _ = Journal::step(journal, fs, What::Delete, || store.delete(&name("C")));
    Ok(store)
}

/// Where each message is.
type Found = BTreeMap<u32, Vec<(String, UidValidity, Uid, FlagSet)>>;

/// What is there: messages, and the UIDVALIDITY of every mailbox.
fn find(op: u64, store: &MaildirStore) -> (Found, BTreeMap<String, UidValidity>) {
    let (mut found, mut validities) = (Found::new(), BTreeMap::new());
    for info in store.list().unwrap().into_iter().filter(|info| info.exists) {
        let mut mailbox =
            store.open(&info.name, Access::ReadWrite).unwrap_or_else(|error| panic!("op {op}: {error}"));
        validities.insert(info.name.to_string(), mailbox.uid_validity());
        for (uid, number, flags) in contents(&mut *mailbox).unwrap() {
            let there = (info.name.to_string(), mailbox.uid_validity(), uid, flags);
            found.entry(number).or_default().push(there);
        }
    }
    let distinct: BTreeSet<_> = validities.values().collect();
    assert_eq!(distinct.len(), validities.len(), "op {op}: one UIDVALIDITY twice in {validities:?}");
    (found, validities)
}

/// Everything that was answered before operation `op` must hold.
fn check_messages(op: u64, found: &Found, journal: &Journal) {
    let begun = |what: &What| journal.steps.iter().any(|step| step.what == *what && step.begun < op);
    let done = |what: &What| journal.steps.iter().any(|step| step.what == *what && step.is_answered(op));
    assert!(!found.contains_key(&0), "op {op}: a message in part");
    for (number, (before, after, with)) in (1..).zip(MESSAGES) {
        let here = found.get(&number).map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = here.iter().map(|(name, ..)| &**name).collect();
        let rename = RENAMES
            .into_iter()
            .find(|(from, _)| before == *from || name(before).below(&name(from)).is_some());
        let rename = rename.map(|(from, to)| What::Rename(from, to));
        let (has_begun, is_done) =
            rename.as_ref().map_or((false, false), |rename| (begun(rename), done(rename)));
        match names[..] {
            [] if before == "C" => {
                assert!(begun(&What::Delete) || !done(&What::Add(number)), "op {op}: {number} is lost")
            }
            [] => assert!(!done(&What::Add(number)), "op {op}: {number} is lost"),
            [only] if only == before => {
                assert!(begun(&What::Add(number)) && !is_done, "op {op}: {number} is in {only} again");
                assert!(before != "C" || !done(&What::Delete), "op {op}: {only} is back");
            }
            [only] if only == after => assert!(has_begun, "op {op}: {number} is in {only}"),
            // One file with two names.
            ["INBOX", "Old"] => assert!(has_begun && !is_done, "op {op}: {names:?}"),
            _ => panic!("op {op}: {number} is in {names:?}"),
        }
        let told = journal.told.iter().filter(|told| told.number == number && told.at <= op);
        for told in told {
            for (name, uid_validity, uid, _) in
                here.iter().filter(|here| before != "INBOX" || here.0 == before)
            {
                assert_eq!(
                    (*uid_validity, *uid),
                    (told.uid_validity, told.uid),
                    "op {op}: {number} in {name}"
                );
            }
        }
        assert!(here.iter().all(|(.., kept)| *kept == flags(with)), "op {op}: {here:?}");
    }
}

fn check_subscriptions(op: u64, store: &MaildirStore, journal: &Journal) {
    let now = store.subscriptions().unwrap();
    for subscribed in SUBSCRIBED {
        let step = journal.steps.iter().find(|step| step.what == What::Subscribe(subscribed));
        let (may, must) = step.map_or((false, false), |step| (step.begun < op, step.is_answered(op)));
        let is = now.contains(&name(subscribed));
        assert!(is && may || !is && !must, "op {op}: {subscribed} of {now:?}");
    }
    assert!(now.iter().all(|name| SUBSCRIBED.contains(&name.as_str())), "op {op}: {now:?}");
}

fn check(op: u64, open: Open, disk: &SimFs, journal: &Journal) {
    let store = open(disk, 2).unwrap();
    let (found, validities) = find(op, &store);
    check_messages(op, &found, journal);
    check_subscriptions(op, &store, journal);
    if !journal.steps.iter().any(|step| matches!(step.what, What::Rename(..)) && step.begun < op) {
        return;
    }
    // What was cut off can be done again, mailbox by mailbox, and takes everything along.
    for (from, to) in [("A", "B"), ("A/x", "B/x"), ("A/x/z", "B/x/z"), ("D/y", "E/F/y")] {
        match store.rename(&name(from), &name(to)) {
            Ok(()) => assert!(validities.contains_key(from), "op {op}: {from}"),
            Err(error) if error.kind() == ErrorKind::NoSuchMailbox => {}
            Err(error) => panic!("op {op}: {from}: {error}"),
        }
    }
    let (again, named) = find(op, &store);
    for (number, (before, after, _)) in
        (1..).zip(MESSAGES).filter(|(_, (before, ..))| *before != "INBOX" && *before != "C")
    {
        let ids = |found: &Found| -> Vec<(UidValidity, Uid, FlagSet)> {
            let here = found.get(&number).into_iter().flatten();
            here.map(|(_, validity, uid, flags)| (*validity, *uid, flags.clone())).collect()
        };
        assert_eq!(ids(&again), ids(&found), "op {op}: {number} of {before}");
        assert!(
            again.get(&number).into_iter().flatten().all(|(name, ..)| name == after),
            "op {op}: {number}"
        );
    }
    if journal.steps.iter().any(|step| step.what == What::Use && step.is_answered(op)) {
        let list = store.list().unwrap();
        let sent = list.iter().find(|info| info.exists && info.name == name("B/x")).unwrap();
        assert_eq!(sent.special_use, SpecialUses::from(SpecialUse::Sent), "op {op}");
    }
    // Old names are free for others, which nobody takes for those that had them.
    for old in ["A", "A/x", "D/y"] {
        store.create(&name(old)).unwrap();
        let fresh = append_told(&store, &name(old), &message(70), &FlagSet::new()).unwrap();
        let used = validities.values().chain(named.values()).any(|used| *used == fresh.uid_validity);
        let told = journal.told.iter().any(|told| told.uid_validity == fresh.uid_validity);
        assert!(!used && !told, "op {op}: {old} has the UIDVALIDITY of another");
    }
    store.sweep().unwrap();
    find(op, &store);
}

/// After a failure that is no power cut, a mailbox has not left behind what lies below it, nor the other way round; nor has
/// INBOX kept a part.
fn check_together(op: u64, store: &MaildirStore, found: &Found, journal: &Journal) {
    let of_inbox = (1..).zip(MESSAGES).filter(|(_, (before, ..))| *before == "INBOX");
    let places: BTreeSet<&str> =
        of_inbox.flat_map(|(number, _)| found.get(&number)).flatten().map(|(name, ..)| &**name).collect();
    assert!(places.len() <= 1, "op {op}: {places:?}");
    let exists: BTreeSet<MailboxName> =
        store.list().unwrap().into_iter().filter(|info| info.exists).map(|info| info.name).collect();
    let made = |made: &'static str| {
        let step = journal.steps.iter().find(|step| step.what == What::Create(made));
        step.is_some_and(|step| step.answered.is_some())
    };
    let under = |top: &str| -> Vec<bool> {
        ["", "/x", "/x/z"].map(|below| exists.contains(&name(&format!("{top}{below}")))).to_vec()
    };
    if ["A", "A/x", "A/x/z"].into_iter().all(made) {
        let (old, new) = (under("A"), under("B"));
        assert!(
            old == [true; 3] && new == [false; 3] || old == [false; 3] && new == [true; 3],
            "op {op}: {exists:?}"
        );
    }
}

fn cut(open: Open) {
    let fs = SimFs::new();
    fs.record_crash_points();
    let journal = RefCell::default();
    play(open, &fs, &journal).unwrap();
    let journal = journal.into_inner();
    assert!(journal.steps.iter().all(|step| step.answered.is_some()));
    some_power_cuts(&fs, 12, |op| op, |op, disk| check(op, open, disk, &journal));
}

fn fail(open: Open) {
    let whole = SimFs::new();
    play(open, &whole, &RefCell::default()).unwrap();
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..whole.ops() {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            // Shown when the test fails.
            println!("{fault:?} at {op}: {:?}", whole.log()[usize::try_from(op).unwrap()]);
            let journal = RefCell::default();
            let played = play(open, &fs, &journal);
            let journal = journal.into_inner();
            let (now, cut) = (fs.fork(), fs.crash_point());
            match played {
                Err(error) => assert_eq!(error.class(), Class::Temporary, "op {op}: {error}"),
                // Those who go on without a restart find the same.
                Ok(store) => {
                    let (found, _) = find(op, &store);
                    check_together(op, &store, &found, &journal);
                    check_messages(u64::MAX, &found, &journal);
                    check_subscriptions(u64::MAX, &store, &journal);
                }
            }
            check(u64::MAX, open, &now, &journal);
            for disk in cut.outcomes(common::seed(), 1).take(2) {
                check(u64::MAX, open, &disk, &journal);
            }
        }
    }
}

#[test]
fn the_power_fails_at_every_operation() {
    cut(maildir);
}

#[test]
fn the_power_fails_at_every_operation_where_directories_are_in_directories() {
    cut(maildir_nested);
}

#[test]
fn each_operation_fails_once() {
    fail(maildir);
}

#[test]
fn each_operation_fails_once_where_directories_are_in_directories() {
    fail(maildir_nested);
}

#[test]
fn inbox_can_be_renamed_after_that_has_failed() {
    for open in [maildir as Open, maildir_nested] {
        let begin = || {
            let fs = SimFs::new();
            let store = open(&fs, 1).unwrap();
            (1..=3).for_each(|number| {
                append_told(&store, &inbox(), &message(number), &flags("work")).unwrap();
            });
            (fs, store)
        };
        let (fs, store) = begin();
        let begun = fs.ops();
        store.rename(&inbox(), &name("Old")).unwrap();
        let is_message = |path: &str| path.contains("/cur/") || path.contains("/new/");
        let mut moves = fs.log().into_iter().zip(0..).filter(|(operation, op)| {
            *op > begun && operation.name == "rename" && is_message(operation.path.to_str().unwrap())
        });
        let (_, second) = moves.nth(1).unwrap();
        let (fs, store) = begin();
        fs.fail_at(second, Fault::Io);
        store.rename(&inbox(), &name("Old")).unwrap_err();
        assert_eq!(store.list().unwrap().len(), 1);
        store.rename(&inbox(), &name("Old")).unwrap();
        assert_eq!(find(0, &store).0.values().flatten().filter(|(name, ..)| name == "Old").count(), 3);
    }
}

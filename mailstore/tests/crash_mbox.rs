//! An mbox on a disk that loses power at every operation, and fails at every operation: append, delivery, first sight
//! of mail that others delivered, flag changes in place and not, copy, expunge, folders.
//!
//! Whatever happens, what was answered is there, no message is there in part, none twice, and no UID that anybody was
//! told stands for another message.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and says where"
)]

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use common::{Octets, append_told, every_power_cut, flags, inbox, mbox, mbox_with, message, name, read_all};
use mail_message::{FlagSet, Uid, UidSet, UidValidity};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::fs::{Fs, LockKind, OpenMode};
use mailstore::mbox::{LockMethod, MboxOptions};
use mailstore::{
    Access, Class, Delivered, Delivery, DeliveryId, Expunge, FlagChange, Mailbox, MailboxName, Result, Store,
};
use proto_core::UnixTime;

const INBOX: &str = "/var/mail/alice";

/// Something that was asked for: before which operation it began, and by which it had been answered.
#[derive(Debug, Clone)]
struct Step {
    begun: u64,
    answered: Option<u64>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// A message comes into a mailbox.
    Add(u32, MailboxName, FlagSet),
    Replace(u32, FlagSet),
    Expunge(Vec<u32>),
}

/// A UID that somebody was told.
#[derive(Debug, Clone)]
struct Told {
    at: u64,
    mailbox: MailboxName,
    uid_validity: UidValidity,
    uid: Uid,
    number: u32,
}

#[derive(Debug, Default)]
struct Journal {
    steps: Vec<Step>,
    told: Vec<Told>,
    /// From when on another program's message may stand at the end of the INBOX in part.
    foreign: Option<u64>,
}

impl Journal {
    fn step<T>(
        this: &RefCell<Self>,
        fs: &SimFs,
        whats: Vec<What>,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let (begun, first) = (fs.ops(), this.borrow().steps.len());
        this.borrow_mut().steps.extend(whats.into_iter().map(|what| Step { begun, answered: None, what }));
        let result = run();
        if result.is_ok() {
            this.borrow_mut().steps[first..].iter_mut().for_each(|step| step.answered = Some(fs.ops()));
        }
        result
    }

    fn tell(
        this: &RefCell<Self>,
        fs: &SimFs,
        of: &MailboxName,
        uid_validity: UidValidity,
        uid: Uid,
        number: u32,
    ) {
        let told = Told { at: fs.ops(), mailbox: of.clone(), uid_validity, uid, number };
        this.borrow_mut().told.push(told);
    }
}

/// What the deliverer writes before a message.
const TRACE: &str = "Return-Path: <s@example.test>\r\n";

/// Which message this is; 0 when it is only a part of one.
fn number(content: &[u8]) -> u32 {
    let content = content.strip_prefix(TRACE.as_bytes()).unwrap_or(content);
    (1..=100).find(|&number| content == message(number)).unwrap_or(0)
}

fn contents(mailbox: &mut dyn Mailbox) -> Result<Vec<(Uid, u32, FlagSet)>> {
    let entries = mailbox.entries().to_vec();
    let mut contents = Vec::new();
    for entry in entries {
        let read = read_all(&mut *mailbox.message(entry.uid)?)?;
        contents.push((entry.uid, number(&read), entry.flags));
    }
    Ok(contents)
}

fn tell_all(
    journal: &RefCell<Journal>,
    fs: &SimFs,
    of: &MailboxName,
    mailbox: &mut dyn Mailbox,
) -> Result<()> {
    for (uid, number, _) in contents(mailbox)? {
        Journal::tell(journal, fs, of, mailbox.uid_validity(), uid, number);
    }
    Ok(())
}

fn deliver(store: &dyn Store, number: u32, maybe_delivered: bool) -> Result<Delivered> {
    let id = DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 };
    let date = UnixTime(1_700_000_000);
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

fn set(uids: &[Uid]) -> UidSet {
    uids.iter().copied().collect()
}

/// Without a dotlock: what it leaves in a directory that is never synced multiplies what may be found. It has a test of
/// its own.
fn options() -> MboxOptions {
    let mut options = MboxOptions::default();
    options.write_locks = vec![LockMethod::Fcntl];
    options
}

/// The life of a mailbox. Steps that fail are passed over, as a server does; what fails in between ends it.
fn play(fs: &SimFs, journal: &RefCell<Journal>, with_foreign: bool) -> Result<()> {
    let store = mbox_with(fs, 1, options(), None)?;
    let archive = name("Archive");
    let _ = store.create(&archive);
    let add = |number: u32, with: &str| -> Result<Uid> {
        let what = What::Add(number, inbox(), flags(with));
        let appended = Journal::step(journal, fs, vec![what], || {
            append_told(&store, &inbox(), &message(number), &flags(with))
        })?;
        Journal::tell(journal, fs, &inbox(), appended.uid_validity, appended.uids[0], number);
        Ok(appended.uids[0])
    };
    let one = add(1, "");
    let what = What::Add(2, inbox(), FlagSet::new());
    let _ = Journal::step(journal, fs, vec![what], || deliver(&store, 2, false));
    if with_foreign {
        journal.borrow_mut().foreign = Some(fs.ops());
        // Its failure is its own.
        let _ = foreign(fs, 3);
    }
    // A client whose SELECT fails tries again.
    let open = || store.open(&inbox(), Access::ReadWrite);
    let mut mailbox = open().or_else(|_| open())?;
    tell_all(journal, fs, &inbox(), &mut *mailbox)?;
    let four = add(4, "\\Seen work");
    mailbox.refresh()?;
    let long = "a-long-keyword-that-does-not-fit another-long-keyword-that-does-not-fit";
    for (of, uid, to) in
        [(1, &one, "\\Flagged"), (1, &one, "\\Deleted \\Draft"), (1, &one, long), (4, &four, "play")]
    {
        if let Ok(uid) = uid {
            let _ = Journal::step(journal, fs, vec![What::Replace(of, flags(to))], || {
                mailbox.set_flags(&set(&[*uid]), FlagChange::Replace, &flags(to), None)
            });
        }
    }
    if let (Ok(one), Ok(four)) = (&one, &four) {
        let now = |uid: &Uid| mailbox.entries().iter().find(|entry| entry.uid == *uid).unwrap().flags.clone();
        let whats = vec![What::Add(1, archive.clone(), now(one)), What::Add(4, archive.clone(), now(four))];
        let copied = Journal::step(journal, fs, whats, || mailbox.copy(&set(&[*one, *four]), &archive));
        if let Ok(copied) = copied {
            for ((_, copy), number) in copied.pairs.iter().zip([1, 4]) {
                Journal::tell(journal, fs, &archive, copied.uid_validity, *copy, number);
            }
        }
        let what = What::Expunge(vec![1]);
        let _ = Journal::step(journal, fs, vec![what], || mailbox.expunge(&set(&[*one]), Expunge::Any));
    }
    let _ = add(5, "\\Draft");
    mailbox.refresh()?;
    tell_all(journal, fs, &inbox(), &mut *mailbox)?;
    let all: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    let what = What::Expunge(vec![1, 2, 3, 4, 5]);
    let _ = Journal::step(journal, fs, vec![what], || mailbox.expunge(&set(&all), Expunge::Any));
    add(6, "\\Answered").map(drop)
}

/// Everything that was answered before operation `op` must hold on this disk.
fn check(op: u64, disk: &SimFs, journal: &Journal) {
    let booted = disk.now();
    let store = mbox_with(disk, 2, options(), None).unwrap();
    let answered = |step: &Step| step.answered.is_some_and(|at| at <= op);
    for of in [inbox(), name("Archive")] {
        let told: Vec<_> = journal.told.iter().filter(|told| told.at <= op && told.mailbox == of).collect();
        let mut mailbox = match store.open(&of, Access::ReadWrite) {
            Ok(mailbox) => mailbox,
            Err(error) => {
                let used = journal
                    .steps
                    .iter()
                    .any(|step| answered(step) && matches!(&step.what, What::Add(_, to, _) if *to == of));
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
        let may_be_soiled = of.is_inbox()
            && journal.foreign.is_some_and(|at| at <= op)
            && told.iter().all(|told| told.number != 3);
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
    for entry in disk.read_dir(Path::new("/home/alice/mail/.postroom")).unwrap() {
        let path = Path::new("/home/alice/mail/.postroom").join(&entry.name);
        let is_journal = entry.name.as_encoded_bytes().ends_with(b".journal");
        assert!(
            !is_journal || disk.metadata(&path).unwrap().size == 0,
            "op {op}: {path:?} asks for something"
        );
    }
    let waited = disk.now() - booted;
    assert!(waited < Duration::from_secs(1), "op {op}: waited for a lock that nobody holds");
}

fn check_message(op: u64, journal: &Journal, of: &MailboxName, number: u32, found: &[(Uid, u32, FlagSet)]) {
    let here: Vec<_> = found.iter().filter(|(_, found, _)| *found == number).collect();
    let (mut must, mut may) = (false, number == 3 && of.is_inbox() && journal.foreign.is_some());
    let (mut before, mut after) = (FlagSet::new(), FlagSet::new());
    for step in journal.steps.iter().filter(|step| step.begun < op) {
        let done = step.answered.is_some_and(|at| at <= op);
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
                let ever = |step: &Step| match &step.what {
                    What::Add(of, _, set) | What::Replace(of, set) => *of == number && set == flags,
                    What::Expunge(_) => false,
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

fn power_fails(with_foreign: bool) {
    let fs = SimFs::new();
    fs.record_crash_points();
    let journal = RefCell::default();
    play(&fs, &journal, with_foreign).unwrap();
    let journal = journal.into_inner();
    assert!(journal.steps.iter().all(|step| step.answered.is_some()));
    every_power_cut(&fs, |op| op, |op, disk| check(op, disk, &journal));
}

#[test]
fn the_power_fails_at_every_operation() {
    power_fails(false);
}

#[test]
fn the_power_fails_while_others_deliver_as_well() {
    power_fails(true);
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
            let played = play(&fs, &journal, true);
            println!("{fault:?} at {op}: {:?}", fs.log().get(op as usize));
            if let Err(error) = played {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            let mut journal = journal.into_inner();
            // Of what the other program wrote when the disk failed it, nothing is known.
            journal.foreign.get_or_insert(0);
            check(u64::MAX, &fs.fork(), &journal);
            for disk in fs.crash_point().outcomes(common::seed(), 1).take(2) {
                check(u64::MAX, &disk, &journal);
            }
        }
    }
}

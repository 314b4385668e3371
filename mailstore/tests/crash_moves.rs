//! Messages that come or go together, on a disk that loses power, or fails, at every operation: moves of one and of
//! several, several appended, several copied; in a Maildir and in mbox files.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and counts are shown"
)]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;

use common::clients::Client;
use common::{append, every_power_cut, flags, inbox, message, name, read_all, uids};
use mail_message::{FlagSet, Uid, UidSet, UidValidity};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::{Access, Class, Mailbox, MailboxName, Result, Store};
use proto_core::UnixTime;

type Open = dyn Fn(&SimFs, u32) -> Result<Box<dyn Store>>;

/// What was asked for, of messages by their numbers.
#[derive(Debug, Clone)]
enum What {
    Append(MailboxName, Vec<u32>),
    Copy(MailboxName, Vec<u32>),
    Move(MailboxName, Vec<u32>),
}

/// It began before operation `begun`, and was answered before `answered`.
#[derive(Debug, Clone)]
struct Step {
    begun: u64,
    answered: Option<u64>,
    what: What,
}

/// A UID that somebody was told before operation `at`.
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
    /// What a client knew of INBOX.
    clients: Vec<(u64, Client)>,
    /// The operation with which that begins which other tests do not look at.
    from: u64,
}

/// The flags of a message, wherever it is.
fn flags_of(number: u32) -> FlagSet {
    flags(["", "\\Seen work", "\\Flagged"][number as usize % 3])
}

/// Which message this is; 0 when it is only a part of one.
fn number(content: &[u8]) -> u32 {
    (1..=100).find(|&number| content == message(number)).unwrap_or(0)
}

fn contents(mailbox: &mut dyn Mailbox) -> Result<Vec<(Uid, u32, FlagSet)>> {
    let entries = mailbox.entries().to_vec();
    let read = |entry: mailstore::Entry| {
        Ok((entry.uid, number(&read_all(&mut *mailbox.message(entry.uid)?)?), entry.flags))
    };
    entries.into_iter().map(read).collect()
}

/// One life of a disk.
struct Life<'a> {
    fs: &'a SimFs,
    journal: &'a RefCell<Journal>,
}

impl Life<'_> {
    /// Does one step. What fails is passed over, as a server does.
    fn step(&self, what: What, to: &MailboxName, run: impl FnOnce() -> Result<(UidValidity, Vec<Uid>)>) {
        let numbers = match &what {
            What::Append(_, numbers) | What::Copy(_, numbers) | What::Move(_, numbers) => numbers.clone(),
        };
        let begun = self.fs.ops();
        self.journal.borrow_mut().steps.push(Step { begun, answered: None, what });
        let Ok((uid_validity, uids)) = run() else { return };
        let (at, mut journal) = (self.fs.ops(), self.journal.borrow_mut());
        journal.steps.last_mut().unwrap().answered = Some(at);
        assert_eq!(uids.len(), numbers.len());
        for (uid, number) in uids.into_iter().zip(numbers) {
            journal.told.push(Told { at, mailbox: to.clone(), uid_validity, uid, number });
        }
    }

    fn append(&self, store: &dyn Store, to: &MailboxName, numbers: &[u32]) {
        self.step(What::Append(to.clone(), numbers.to_vec()), to, || {
            let mut append = store.append(to)?;
            for &number in numbers {
                append.begin(&flags_of(number), Some(UnixTime(1_700_000_000)))?;
                append.write(&message(number))?;
            }
            append.commit().map(|appended| (appended.uid_validity, appended.uids))
        });
    }

    /// Moves or copies messages out of a mailbox where they are, as far as the session knows.
    fn take(&self, from: &mut dyn Mailbox, what: What) -> Result<()> {
        let (What::Append(to, numbers) | What::Copy(to, numbers) | What::Move(to, numbers)) = what.clone();
        // What failed before may have happened all the same.
        from.refresh().or_else(|_| from.refresh())?;
        let known: BTreeMap<u32, Uid> =
            contents(from)?.into_iter().map(|(uid, number, _)| (number, uid)).collect();
        let wanted: Option<UidSet> = numbers.iter().map(|number| known.get(number).copied()).collect();
        // Where an earlier step failed there may be nothing to move.
        let Some(wanted) = wanted else { return Ok(()) };
        let is_move = matches!(what, What::Move(..));
        self.step(what, &to, || {
            let done = if is_move { from.move_to(&wanted, &to) } else { from.copy(&wanted, &to) }?;
            Ok((done.uid_validity, done.pairs.into_iter().map(|pair| pair.1).collect()))
        });
        self.journal.borrow_mut().clients.push((self.fs.ops(), Client::of(from)));
        Ok(())
    }
}

/// Moves of one and of several, to another mailbox and to the end of the same; several appended, and copied.
fn play(fs: &SimFs, open: &Open, journal: &RefCell<Journal>, records: bool) -> Result<()> {
    let life = Life { fs, journal };
    let (archive, drafts) = (name("Archive"), name("Drafts"));
    let store = open(fs, 1)?;
    store.create(&archive)?;
    store.create(&drafts)?;
    life.append(&*store, &inbox(), &[1, 2, 3, 4, 5, 6]);
    let select = || store.open(&inbox(), Access::ReadWrite);
    // A client whose SELECT fails tries again.
    let mut mailbox = select().or_else(|_| select())?;
    // So that there is something to be carried from index to index.
    let _ = mailbox.entries().first().map(|entry| entry.uid).map(|uid| mailbox.summary(uid));
    journal.borrow_mut().clients.push((fs.ops(), Client::of(&*mailbox)));
    let mailbox = &mut *mailbox;
    journal.borrow_mut().from = fs.ops();
    if records {
        fs.record_crash_points();
    }
    life.take(mailbox, What::Move(archive.clone(), vec![1]))?;
    life.take(mailbox, What::Move(archive.clone(), vec![2, 3]))?;
    life.append(&*store, &archive, &[11, 12, 13]);
    life.take(mailbox, What::Copy(drafts.clone(), vec![4, 5]))?;
    life.append(&*store, &drafts, &[14, 15]);
    life.take(mailbox, What::Move(inbox(), vec![6]))?;
    Ok(())
}

/// What must be true of one message in one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    No,
    Maybe,
    Yes,
}

/// Everything that was answered before operation `op` must hold on this disk. With `once`, a message that should be moved
/// is in one of the two places.
fn check(op: u64, disk: &SimFs, open: &Open, once: bool, journal: &Journal) {
    let store = open(disk, 2).unwrap();
    let mut found = BTreeMap::<(MailboxName, u32), Vec<Uid>>::new();
    let mut known = Vec::new();
    for mailbox_name in [inbox(), name("Archive"), name("Drafts")] {
        let Ok(mut mailbox) = store.open(&mailbox_name, Access::ReadWrite) else {
            assert!(journal.steps.iter().all(|step| step.begun >= op), "op {op}: {mailbox_name} is gone");
            continue;
        };
        let here = contents(&mut *mailbox).unwrap();
        for (uid, number, flags) in &here {
            assert!(*number > 0, "op {op}: half a message in {mailbox_name}");
            assert_eq!(*flags, flags_of(*number), "op {op}: flags of {number} in {mailbox_name}");
            assert_eq!(mailbox.meta(*uid).unwrap().internal_date, UnixTime(1_700_000_000), "op {op}");
            found.entry((mailbox_name.clone(), *number)).or_default().push(*uid);
        }
        for told in journal.told.iter().filter(|told| told.at <= op && told.mailbox == mailbox_name) {
            assert_eq!(told.uid_validity, mailbox.uid_validity(), "op {op}: UIDVALIDITY has changed");
            assert!(mailbox.uid_next() > told.uid, "op {op}: UIDNEXT went back");
            let now = here.iter().find(|(uid, ..)| *uid == told.uid);
            assert!(now.is_none_or(|now| now.1 == told.number), "op {op}: {told:?} became {now:?}");
        }
        if mailbox_name.is_inbox() {
            let clients = journal.clients.iter().filter(|(at, _)| *at <= op);
            clients.for_each(|(_, client)| client.clone().sync(&*mailbox));
        }
        known.push((mailbox_name, mailbox, here));
    }
    check_steps(op, &found, once, journal);
    // Looking again finds the same, and UIDs go on.
    for (mailbox_name, mut mailbox, mut here) in known {
        let new = append(&*store, &mailbox_name, &message(77), &FlagSet::new()).unwrap();
        mailbox.refresh().unwrap();
        here.push((new, 77, FlagSet::new()));
        assert_eq!(contents(&mut *mailbox).unwrap(), here, "op {op}: {mailbox_name}");
    }
}

fn check_steps(op: u64, found: &BTreeMap<(MailboxName, u32), Vec<Uid>>, once: bool, journal: &Journal) {
    let count =
        |mailbox: &MailboxName, number: u32| found.get(&(mailbox.clone(), number)).map_or(0, Vec::len);
    let mut expected = BTreeMap::<(MailboxName, u32), Here>::new();
    for step in journal.steps.iter().filter(|step| step.begun < op) {
        let done = step.answered.is_some_and(|at| at <= op);
        let (What::Append(to, numbers) | What::Copy(to, numbers) | What::Move(to, numbers)) = &step.what;
        let is_move = matches!(step.what, What::Move(..));
        for &number in numbers {
            if is_move {
                let before = expected.insert((inbox(), number), if done { Here::No } else { Here::Maybe });
                // What was to be moved was there.
                assert!(before == Some(Here::Yes) || !done || before == Some(Here::Maybe));
                let places = count(&inbox(), number) + if to.is_inbox() { 0 } else { count(to, number) };
                let allowed = if done || once { 1..=1 } else { 1..=2 };
                assert!(allowed.contains(&places), "op {op}: {number} is in {places} places, {step:?}");
            }
            expected.insert((to.clone(), number), if done { Here::Yes } else { Here::Maybe });
        }
        if !is_move {
            let here = numbers.iter().filter(|number| count(to, **number) > 0).count();
            // Those that were moved away since are not here.
            let moved = |number: &u32| {
                journal.steps.iter().any(|other| {
                    other.begun < op && matches!(&other.what, What::Move(_, away) if away.contains(number))
                })
            };
            let stay: Vec<u32> =
                numbers.iter().copied().filter(|number| !to.is_inbox() || !moved(number)).collect();
            let here_of_stay = stay.iter().filter(|number| count(to, **number) > 0).count();
            assert!(
                here_of_stay == 0 || here_of_stay == stay.len(),
                "op {op}: {here} of {numbers:?} are in {to}: some without the others"
            );
        }
    }
    for ((mailbox, number), here) in &expected {
        let places = count(mailbox, *number);
        let is_right = match here {
            Here::No => places == 0,
            Here::Maybe => places <= 2,
            Here::Yes => places == 1,
        };
        assert!(is_right, "op {op}: {number} is {places} times in {mailbox}: {here:?}");
    }
    let strange: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(strange.is_empty(), "op {op}: {strange:?} were never there");
}

fn power_cuts(open: &Open) {
    let fs = SimFs::new();
    let journal = RefCell::default();
    play(&fs, open, &journal, true).unwrap();
    let journal = journal.into_inner();
    assert!(journal.steps.len() == 7 && journal.steps.iter().all(|step| step.answered.is_some()));
    check(u64::MAX, &fs.fork(), open, true, &journal);
    // What is demanded changes only where something begins or was answered.
    let demands = |op: u64| {
        let begun = journal.steps.iter().filter(|step| step.begun < op).count();
        let answered = journal.steps.iter().filter(|step| step.answered.is_some_and(|at| at <= op)).count();
        (begun + answered + journal.clients.iter().filter(|(at, _)| *at <= op).count()) as u64
    };
    every_power_cut(&fs, demands, |op, disk| check(op, disk, open, false, &journal));
}

fn faults(open: &Open, once: bool) {
    let ops = {
        let (fs, journal) = (SimFs::new(), RefCell::<Journal>::default());
        play(&fs, open, &journal, false).unwrap();
        journal.into_inner().from..fs.ops()
    };
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in ops.clone() {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let journal = RefCell::default();
            if let Err(error) = play(&fs, open, &journal, false) {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            let journal = journal.into_inner();
            check(u64::MAX, &fs.fork(), open, once, &journal);
            for disk in fs.crash_point().outcomes(common::seed(), 1).take(2) {
                check(u64::MAX, &disk, open, false, &journal);
            }
        }
    }
    println!("operations {ops:?} failed, each in two ways");
}

fn maildir(fs: &SimFs, pid: u32) -> Result<Box<dyn Store>> {
    Ok(Box::new(common::maildir(fs, pid)?))
}

fn mbox(fs: &SimFs, pid: u32) -> Result<Box<dyn Store>> {
    Ok(Box::new(common::mbox(fs, pid)?))
}

#[test]
fn the_power_fails_at_every_operation_of_a_maildir() {
    power_cuts(&maildir);
}

#[test]
fn every_operation_of_a_maildir_fails_once() {
    faults(&maildir, true);
}

#[test]
fn the_power_fails_at_every_operation_of_an_mbox() {
    power_cuts(&mbox);
}

#[test]
fn every_operation_of_an_mbox_fails_once() {
    faults(&mbox, false);
}

/// What another program has named, or taken for its own, stays; what nobody has seen goes.
#[test]
fn what_others_have_seen_of_messages_that_came_by_halves_stays() {
    use mailstore::fs::{Fs, OpenMode};
    let list = format!("{}/dovecot-uidlist", common::ROOT);
    for (others, expected) in [("", 0), ("UID", 2), ("new list", 2)] {
        let fs = SimFs::new();
        let store = common::maildir(&fs, 1).unwrap();
        append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
        let probe = fs.fork();
        probe.record_crash_points();
        let mut appending = common::maildir(&probe, 1).unwrap().append(&inbox()).unwrap();
        for number in [2, 3] {
            appending.begin(&FlagSet::new(), None).unwrap();
            appending.write(&message(number)).unwrap();
        }
        appending.commit().unwrap();
        let points = probe.crash_points();
        // The machine stops before the list of UIDs is written.
        let written =
            probe.log().iter().rposition(|it| it.name == "append" && it.path.ends_with("dovecot-uidlist"));
        let at = written.unwrap() as u64;
        let point = points.iter().find(|point| point.op == at).unwrap();
        let disk = point.outcomes(0, 0).next().unwrap();
        match others {
            "UID" => {
                let mut file = disk.open(list.as_ref(), OpenMode::Append).unwrap();
                file.append(b"2 :another\n").unwrap();
            }
            "new list" => disk.unlink(list.as_ref()).unwrap(),
            _ => {}
        }
        let store = common::maildir(&disk, 2).unwrap();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        let here = contents(&mut *mailbox).unwrap();
        assert_eq!(here.iter().filter(|(_, number, _)| *number > 1).count(), expected, "{others}: {here:?}");
        assert!(here.iter().any(|(_, number, _)| *number == 1));
        assert!(mailbox.message(uids(&[1]).iter().next().unwrap()).is_ok());
    }
}

//! The index of a Maildir and of an mbox on a disk that loses power, or fails, at every operation: appends, marks and the
//! rewriting of its file. A client that asks what has changed since it last knew everything must be told all of it,
//! whatever is left.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use common::clients::Client;
use common::{all, append, every_power_cut, flags, inbox, maildir, mbox, message, uids};
use mail_message::FlagSet;
use mailstore::fs::SimFs;
use mailstore::fs::sim::Fault;
use mailstore::{Access, Class, Expunge, FlagChange, Mailbox, Result, Store};
use proptest::prelude::*;

/// A store, and where it keeps the index of INBOX.
#[derive(Clone, Copy)]
struct Kind {
    open: fn(&SimFs, u32) -> Result<Box<dyn Store>>,
    index: &'static str,
}

const MAILDIR: Kind =
    Kind { open: |fs, pid| Ok(Box::new(maildir(fs, pid)?)), index: "/mail/alice/Maildir/postroom.index" };

const MBOX: Kind = Kind {
    open: |fs, pid| Ok(Box::new(mbox(fs, pid)?)),
    index: "/home/alice/mail/.imap/.postroom/INBOX.index",
};

/// What clients were told, and by which operation.
type Told = RefCell<Vec<(u64, Client)>>;

fn tell(told: &Told, fs: &SimFs, mailbox: &dyn Mailbox) {
    told.borrow_mut().push((fs.ops(), Client::of(mailbox)));
}

/// Changes by one session, its end, and changes by two more.
fn play(kind: Kind, fs: &SimFs, told: &Told) -> Result<()> {
    let store = (kind.open)(fs, 1)?;
    for number in 1..=3 {
        append(&*store, &inbox(), &message(number), &FlagSet::new())?;
    }
    let open = || store.open(&inbox(), Access::ReadWrite);
    let mut one = open().or_else(|_| open())?;
    tell(told, fs, &*one);
    let set = |mailbox: &mut dyn Mailbox, raw: u32, change, with: &str| {
        if mailbox.set_flags(&uids(&[raw]), change, &flags(with), None).is_ok() {
            tell(told, fs, mailbox);
        }
    };
    set(&mut *one, 1, FlagChange::Add, "\\Seen");
    set(&mut *one, 1, FlagChange::Remove, "\\Seen");
    drop(one);
    let mut one = open().or_else(|_| open())?;
    let mut two = open().or_else(|_| open())?;
    tell(told, fs, &*two);
    if one.expunge(&uids(&[2]), Expunge::Any).is_ok() {
        tell(told, fs, &*one);
    }
    let _ = one.summary(common::uid(3));
    set(&mut *two, 3, FlagChange::Replace, "\\Flagged");
    one.refresh()?;
    tell(told, fs, &*one);
    Ok(())
}

/// So many summaries that the file is rewritten.
fn play_rewrite(kind: Kind, fs: &SimFs, told: &Told) -> Result<()> {
    let store = (kind.open)(fs, 1)?;
    let long = format!("References: {}\r\n\r\nend\r\n", "<x@y> ".repeat(2500));
    for _ in 0..17 {
        append(&*store, &inbox(), long.as_bytes(), &FlagSet::new())?;
    }
    let mut mailbox = store.open(&inbox(), Access::ReadWrite)?;
    let inode = || mailstore::fs::Fs::metadata(fs, Path::new(kind.index)).map_or(0, |found| found.inode);
    let before = inode();
    for raw in 1..=17 {
        mailbox.summary(common::uid(raw))?;
    }
    mailbox.refresh()?;
    tell(told, fs, &*mailbox);
    fs.record_crash_points();
    mailbox.expunge(&uids(&[5]), Expunge::Any)?;
    tell(told, fs, &*mailbox);
    append(&*store, &inbox(), long.as_bytes(), &FlagSet::new())?;
    mailbox.refresh()?;
    mailbox.summary(common::uid(18))?;
    mailbox.set_flags(&uids(&[1, 2]), FlagChange::Add, &flags("\\Seen"), None)?;
    tell(told, fs, &*mailbox);
    assert_ne!(inode(), before, "it was rewritten");
    Ok(())
}

fn check(kind: Kind, op: u64, disk: &SimFs, told: &[(u64, Client)]) {
    let store = (kind.open)(disk, 2).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let clients: Vec<&Client> = told.iter().filter(|(at, _)| *at <= op).map(|(_, client)| client).collect();
    let sync = |mailbox: &dyn Mailbox| clients.iter().for_each(|client| (*client).clone().sync(mailbox));
    sync(&*mailbox);
    let stored = mailbox.set_flags(&all(), FlagChange::Add, &flags("later"), None).unwrap();
    let highest = clients.iter().map(|client| client.highest).max();
    assert!(stored.messages.iter().all(|changed| Some(changed.modseq) > highest), "op {op}");
    drop(mailbox);
    sync(&*store.open(&inbox(), Access::ReadOnly).unwrap());
}

fn power_cuts(kind: Kind, play: impl Fn(Kind, &SimFs, &Told) -> Result<()>, from_the_start: bool) {
    let fs = SimFs::new();
    if from_the_start {
        fs.record_crash_points();
    }
    let told = Told::default();
    play(kind, &fs, &told).unwrap();
    let told = told.into_inner();
    let demands = |op| told.iter().filter(|(at, _)| *at <= op).count() as u64;
    every_power_cut(&fs, demands, |op, disk| check(kind, op, disk, &told));
}

#[test]
fn the_power_fails_at_every_operation() {
    power_cuts(MAILDIR, play, true);
}

#[test]
fn the_power_fails_while_the_index_is_rewritten() {
    power_cuts(MAILDIR, play_rewrite, false);
}

#[test]
fn the_power_fails_at_every_operation_at_an_mbox() {
    power_cuts(MBOX, play, true);
}

#[test]
fn the_power_fails_while_the_index_of_an_mbox_is_rewritten() {
    power_cuts(MBOX, play_rewrite, false);
}

#[test]
fn every_operation_fails_once() {
    fails_once(MAILDIR);
}

#[test]
fn every_operation_at_an_mbox_fails_once() {
    fails_once(MBOX);
}

fn fails_once(kind: Kind) {
    let count = {
        let fs = SimFs::new();
        play(kind, &fs, &Told::default()).unwrap();
        fs.ops()
    };
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..count {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let told = Told::default();
            if let Err(error) = play(kind, &fs, &told) {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            let told = told.into_inner();
            check(kind, u64::MAX, &fs.fork(), &told);
            for disk in fs.crash_point().outcomes(common::seed(), 2).take(4) {
                check(kind, u64::MAX, &disk, &told);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append,
    SetFlags(usize, Vec<u32>, FlagChange, &'static str),
    Expunge(usize, Vec<u32>),
    Refresh(usize),
    Summary(usize, u32),
    Reopen(usize),
    Restart(usize),
    LoseIndex,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let uids = || prop::collection::vec(1_u32..8, 0..4);
    let change = prop::sample::select(vec![FlagChange::Add, FlagChange::Remove, FlagChange::Replace]);
    let flags = prop::sample::select(vec!["\\Seen", "\\Deleted", "work", "\\Seen play"]);
    let step = prop_oneof![
        3 => Just(Step::Append),
        5 => (0_usize..2, uids(), change, flags).prop_map(|(s, u, c, f)| Step::SetFlags(s, u, c, f)),
        2 => (0_usize..2, uids()).prop_map(|(s, u)| Step::Expunge(s, u)),
        3 => (0_usize..2).prop_map(Step::Refresh),
        2 => (0_usize..2, 1_u32..8).prop_map(|(s, u)| Step::Summary(s, u)),
        2 => (0_usize..2).prop_map(Step::Reopen),
        1 => (0_usize..2).prop_map(Step::Restart),
        1 => Just(Step::LoseIndex),
        2 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

/// Two processes change one mailbox; whatever one of them has ever told a client, the other one goes on from.
fn run(kind: Kind, steps: Vec<Step>) {
    let fs = SimFs::new();
    let mut pid = 2;
    let process = |pid| (kind.open)(&fs, pid).unwrap();
    let session = |store: &dyn Store| store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut stores = [process(1), process(2)];
    let mut sessions = stores.each_ref().map(|store| session(&**store));
    let mut clients: Vec<Client> = Vec::new();
    for (number, step) in (1..).zip(steps) {
        let acting = match step {
            Step::Append => {
                append(&*stores[0], &inbox(), &message(number), &FlagSet::new()).unwrap();
                continue;
            }
            Step::SetFlags(acting, raw, change, with) => {
                let since = (number % 3 == 0).then(|| sessions[acting].highest_modseq());
                sessions[acting].set_flags(&uids(&raw), change, &flags(with), since).unwrap();
                acting
            }
            Step::Expunge(acting, raw) => {
                sessions[acting].expunge(&uids(&raw), Expunge::Any).unwrap();
                acting
            }
            Step::Refresh(acting) => {
                sessions[acting].refresh().unwrap();
                acting
            }
            Step::Summary(acting, raw) => {
                if let Ok(summary) = sessions[acting].summary(common::uid(raw)) {
                    assert!(summary.message.envelope.subject.is_some());
                }
                acting
            }
            Step::Reopen(acting) => {
                sessions[acting] = session(&*stores[acting]);
                acting
            }
            Step::Restart(acting) => {
                pid += 1;
                stores[acting] = process(pid);
                sessions[acting] = session(&*stores[acting]);
                acting
            }
            Step::LoseIndex => {
                let _ = mailstore::fs::Fs::unlink(&fs, Path::new(kind.index));
                continue;
            }
            Step::Wait => {
                fs.advance(Duration::from_secs(3));
                continue;
            }
        };
        clients.push(Client::of(&*sessions[acting]));
    }
    for (session, store) in sessions.iter_mut().zip(&stores) {
        session.refresh().unwrap();
        clients.iter().for_each(|client| client.clone().sync(&**session));
        let fresh = store.open(&inbox(), Access::ReadOnly).unwrap();
        clients.iter().for_each(|client| client.clone().sync(&*fresh));
        assert_eq!(fresh.entries().len(), session.entries().len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn clients_of_two_processes_are_told_everything(steps in steps()) {
        run(MAILDIR, steps);
    }

    #[test]
    fn clients_of_two_processes_at_an_mbox_are_told_everything(steps in steps()) {
        run(MBOX, steps);
    }
}

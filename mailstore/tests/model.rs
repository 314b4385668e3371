//! The mailbox wall against a model: two sessions and a plain map must agree after every step.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeMap;

use common::{all, append, inbox, message, read_all, uid};
use mail_message::{FlagSet, Uid, UidSet};
use mailstore::fs::SimFs;
use mailstore::{Access, Expunge, FlagChange, Mailbox, Store};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append(&'static str),
    SetFlags(usize, Vec<u32>, FlagChange, &'static str),
    Expunge(usize, Vec<u32>, Expunge),
    Copy(usize, Vec<u32>),
    Refresh(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flags =
        prop::sample::select(vec!["", "\\Seen", "\\Deleted", "\\Deleted work", "work \\Flagged", "play"]);
    let uids = prop::collection::vec(1_u32..12, 0..4);
    let change = prop::sample::select(vec![FlagChange::Add, FlagChange::Remove, FlagChange::Replace]);
    let which = prop::sample::select(vec![Expunge::Deleted, Expunge::Any]);
    let step = prop_oneof![
        3 => flags.clone().prop_map(Step::Append),
        4 => (0_usize..2, uids.clone(), change, flags).prop_map(|(s, u, c, f)| Step::SetFlags(s, u, c, f)),
        2 => (0_usize..2, uids.clone(), which).prop_map(|(s, u, w)| Step::Expunge(s, u, w)),
        1 => (0_usize..2, uids).prop_map(|(s, u)| Step::Copy(s, u)),
        2 => (0_usize..2).prop_map(Step::Refresh),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..25)
}

/// What a session must have been told by now: its own snapshot, kept only from what it was told.
type Snapshot = BTreeMap<Uid, FlagSet>;

fn apply(snapshot: &mut Snapshot, mailbox: &mut dyn Mailbox) {
    let changes = mailbox.refresh().unwrap();
    assert!(!changes.invalidated);
    for entry in changes.new {
        assert_eq!(snapshot.insert(entry.uid, entry.flags), None, "told as new twice");
    }
    for changed in changes.flags {
        assert!(snapshot.insert(changed.uid, changed.flags).is_some(), "flags of a message never told");
    }
    for uid in changes.vanished {
        assert!(snapshot.remove(&uid).is_some(), "vanished twice");
    }
}

fn run(open: fn(&SimFs, u32) -> Box<dyn Store>, steps: Vec<Step>) {
    let fs = SimFs::new();
    let mut pid = 1;
    let mut store = open(&fs, pid);
    let session = |store: &dyn Store| store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut sessions = [session(&*store), session(&*store)];
    let mut told = [Snapshot::new(), Snapshot::new()];
    let mut model = BTreeMap::<Uid, (FlagSet, Vec<u8>)>::new();
    let mut next = 1;
    for (number, step) in (1..).zip(steps) {
        match step {
            Step::Append(flags) => {
                let flags = common::flags(flags);
                let given = append(&*store, &inbox(), &message(number), &flags).unwrap();
                assert_eq!(given, uid(next));
                model.insert(given, (flags, message(number)));
                next += 1;
            }
            Step::SetFlags(session, raw, change, flags) => {
                let uids: UidSet = common::uids(&raw);
                let flags = common::flags(flags);
                let results = sessions[session].set_flags(&uids, change, &flags, None).unwrap();
                let results = common::told(&results.messages);
                let expected: Vec<_> = told[session]
                    .keys()
                    .filter(|known| uids.contains(**known) && model.contains_key(known))
                    .map(|&known| (known, change.apply(&model[&known].0, &flags)))
                    .collect();
                assert_eq!(results, expected);
                for (changed, flags) in results {
                    model.get_mut(&changed).unwrap().0 = flags.clone();
                    told[session].insert(changed, flags);
                }
            }
            Step::Expunge(session, raw, which) => {
                let uids = common::uids(&raw);
                let removed = sessions[session].expunge(&uids, which).unwrap();
                let deleted = |known: &Uid| model[known].0.contains(&mail_message::Flag::Deleted);
                let expected: Vec<Uid> = told[session]
                    .keys()
                    .copied()
                    .filter(|known| uids.contains(*known) && model.contains_key(known))
                    .filter(|known| which == Expunge::Any || deleted(known))
                    .collect();
                assert_eq!(removed, expected);
                for gone in removed {
                    model.remove(&gone);
                    told[session].remove(&gone);
                }
            }
            Step::Copy(session, raw) => {
                let uids = common::uids(&raw);
                let wanted: Vec<Uid> =
                    told[session].keys().copied().filter(|known| uids.contains(*known)).collect();
                match sessions[session].copy(&uids, &inbox()) {
                    Ok(copied) => {
                        assert_eq!(copied.pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), wanted);
                        for (from, to) in copied.pairs {
                            assert_eq!(to, uid(next));
                            next += 1;
                            model.insert(to, model[&from].clone());
                        }
                    }
                    Err(_) => {
                        assert!(wanted.iter().any(|known| !model.contains_key(known)), "copied for no reason")
                    }
                }
            }
            Step::Refresh(session) => apply(&mut told[session], &mut *sessions[session]),
            Step::Restart => {
                pid += 1;
                store = open(&fs, pid);
                sessions = [session(&*store), session(&*store)];
                told = sessions.each_ref().map(|session| {
                    session.entries().iter().map(|entry| (entry.uid, entry.flags.clone())).collect()
                });
            }
        }
        for (session, told) in sessions.iter().zip(&told) {
            let shown: Snapshot =
                session.entries().iter().map(|entry| (entry.uid, entry.flags.clone())).collect();
            assert_eq!(&shown, told, "the snapshot is what was told");
        }
    }
    for (session, told) in sessions.iter_mut().zip(&mut told) {
        apply(told, &mut **session);
        let flags: Snapshot = model.iter().map(|(uid, (flags, _))| (*uid, flags.clone())).collect();
        assert_eq!(*told, flags);
        for (uid, (_, content)) in &model {
            assert_eq!(&read_all(&mut *session.message(*uid).unwrap()).unwrap(), content);
        }
        assert!(session.uid_next() >= uid(next));
    }
    assert!(sessions[0].expunge(&all(), Expunge::Any).unwrap().len() == model.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn sessions_of_a_maildir_agree_with_a_plain_map(steps in steps()) {
        run(|fs, pid| Box::new(common::maildir(fs, pid).unwrap()), steps);
    }

    #[test]
    fn sessions_of_an_mbox_agree_with_a_plain_map(steps in steps()) {
        run(|fs, pid| Box::new(common::mbox(fs, pid).unwrap()), steps);
    }
}

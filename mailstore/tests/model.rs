//! The mailbox wall against a model: two sessions of each of two mailboxes and plain maps must agree after every step,
//! in every store.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use common::{all, inbox, message, name, read_all};
use mail_message::{FlagSet, ModSeq, Uid, UidValidity};
use mailstore::fs::SimFs;
use mailstore::{
    Access, Delivered, Delivery, DeliveryId, Expunge, FlagChange, Mailbox, MailboxName, MemoryStore,
    RealHost, Store,
};
use proptest::prelude::*;
use proto_core::UnixTime;

/// Which of two mailboxes, or which of two sessions of one.
type Which = usize;

#[derive(Debug, Clone)]
enum Step {
    Append(Which, Vec<&'static str>),
    Deliver(Which, u32),
    SetFlags(Which, Which, Vec<u32>, FlagChange, &'static str, bool),
    Expunge(Which, Which, Vec<u32>, Expunge),
    Copy(Which, Which, Vec<u32>, Which),
    Move(Which, Which, Vec<u32>, Which),
    Refresh(Which, Which),
    Restart,
    /// The second mailbox gets another name, and its own again.
    Rename,
    /// The second mailbox is deleted and made anew.
    Replace,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flags =
        prop::sample::select(vec!["", "\\Seen", "\\Deleted", "\\Deleted work", "work \\Flagged", "play"]);
    let uids = || prop::collection::vec(1_u32..12, 0..4);
    let change = prop::sample::select(vec![FlagChange::Add, FlagChange::Remove, FlagChange::Replace]);
    let which = prop::sample::select(vec![Expunge::Deleted, Expunge::Any]);
    let at = || 0_usize..2;
    let step = prop_oneof![
        3 => (at(), prop::collection::vec(flags.clone(), 0..3)).prop_map(|(m, f)| Step::Append(m, f)),
        2 => (at(), 0_u32..4).prop_map(|(m, d)| Step::Deliver(m, d)),
        4 => (at(), at(), uids(), change, flags, any::<bool>())
            .prop_map(|(m, s, u, c, f, since)| Step::SetFlags(m, s, u, c, f, since)),
        2 => (at(), at(), uids(), which).prop_map(|(m, s, u, w)| Step::Expunge(m, s, u, w)),
        2 => (at(), at(), uids(), at()).prop_map(|(m, s, u, to)| Step::Copy(m, s, u, to)),
        2 => (at(), at(), uids(), at()).prop_map(|(m, s, u, to)| Step::Move(m, s, u, to)),
        3 => (at(), at()).prop_map(|(m, s)| Step::Refresh(m, s)),
        1 => Just(Step::Restart),
        1 => Just(Step::Rename),
        1 => Just(Step::Replace),
    ];
    prop::collection::vec(step, 1..30)
}

/// A message of the model.
#[derive(Debug, Clone)]
struct Held {
    flags: FlagSet,
    octets: Vec<u8>,
    /// Which delivery made it.
    delivery: Option<u32>,
}

/// What one mailbox must be.
#[derive(Debug, Default)]
struct Model {
    messages: BTreeMap<Uid, Held>,
    /// Deliveries that have no UID yet: they get theirs in an order of the store's own.
    delivered: Vec<Held>,
    /// Every UID that was ever given.
    given: BTreeSet<Uid>,
    uid_validity: Option<UidValidity>,
}

/// A session, and what it was told.
struct Session {
    mailbox: Box<dyn Mailbox>,
    told: BTreeMap<Uid, FlagSet>,
}

impl Session {
    fn open(store: &dyn Store, name: &MailboxName, model: &mut Model) -> Self {
        let mailbox = store.open(name, Access::ReadWrite).unwrap();
        let told = mailbox.entries().iter().map(|entry| (entry.uid, entry.flags.clone())).collect();
        let mut session = Self { mailbox, told };
        session.find_delivered(model);
        let flags: BTreeMap<_, _> =
            model.messages.iter().map(|(uid, held)| (*uid, held.flags.clone())).collect();
        assert_eq!(session.told, flags, "a session that has just opened the mailbox");
        session
    }

    /// The messages that were delivered and are seen for the first time get their UIDs in the model.
    fn find_delivered(&mut self, model: &mut Model) {
        for &uid in self.told.keys() {
            if model.given.contains(&uid) {
                continue;
            }
            let octets = read_all(&mut *self.mailbox.message(uid).unwrap()).unwrap();
            let at = model.delivered.iter().position(|held| held.octets == octets);
            let held = model.delivered.swap_remove(at.expect("a message nobody has sent"));
            model.given.insert(uid);
            model.messages.insert(uid, held);
        }
    }

    fn refresh(&mut self, model: &mut Model) {
        let changes = self.mailbox.refresh().unwrap();
        assert!(!changes.invalidated);
        for entry in changes.new {
            assert_eq!(self.told.insert(entry.uid, entry.flags), None, "told as new twice");
        }
        for changed in changes.flags {
            assert!(self.told.insert(changed.uid, changed.flags).is_some(), "flags of a message never told");
        }
        for uid in changes.vanished {
            assert!(self.told.remove(&uid).is_some(), "vanished twice");
        }
        self.find_delivered(model);
    }

    /// Those of `raw` that the session knows.
    fn select(&self, raw: &[u32]) -> Vec<Uid> {
        self.told.keys().copied().filter(|uid| raw.contains(&uid.get())).collect()
    }
}

/// A new UID of a mailbox.
fn give(model: &mut Model, uid: Uid, held: Held) {
    assert!(Some(&uid) > model.given.last(), "UID {uid} was given after a higher one");
    model.given.insert(uid);
    model.messages.insert(uid, held);
}

fn run(open: &dyn Fn(u32) -> Box<dyn Store>, has_modseqs: bool, steps: Vec<Step>) {
    let names = [inbox(), name("second")];
    let mut pid = 1;
    let mut store = open(pid);
    store.create(&names[1]).unwrap();
    let mut models = [Model::default(), Model::default()];
    let mut validities = BTreeSet::new();
    let mut start = |store: &dyn Store, models: &mut [Model; 2]| {
        let [first, second] = models;
        [(&names[0], first), (&names[1], second)].map(|(name, model)| {
            let sessions = [(); 2].map(|()| Session::open(store, name, model));
            let validity = sessions[0].mailbox.uid_validity();
            match model.uid_validity {
                Some(known) => assert_eq!(validity, known, "UIDVALIDITY changed for no reason"),
                None => assert!(validities.insert(validity), "a UIDVALIDITY comes again"),
            }
            model.uid_validity = Some(validity);
            sessions
        })
    };
    let mut sessions = start(&*store, &mut models);
    for (number, step) in (1..).zip(steps) {
        match step {
            Step::Append(to, flags) => {
                let mut appending = store.append(&names[to]).unwrap();
                let mut sent = Vec::new();
                for (part, flags) in (0..).zip(flags) {
                    let (flags, octets) = (common::flags(flags), message(number * 10 + part));
                    appending.begin(&flags, None).unwrap();
                    appending.write(&octets).unwrap();
                    sent.push(Held { flags, octets, delivery: None });
                }
                let appended = appending.commit().unwrap();
                assert_eq!(appended.uids.len(), sent.len());
                appended.uids.into_iter().zip(sent).for_each(|(uid, held)| give(&mut models[to], uid, held));
            }
            Step::Deliver(to, delivery) => {
                let model = &mut models[to];
                let is_there = |held: &Held| held.delivery == Some(delivery);
                let known = model.messages.values().any(is_there) || model.delivered.iter().any(is_there);
                let queue_id = format!("D{delivery}").parse().unwrap();
                let id = DeliveryId { queue_id, recipient: 0 };
                let told = Delivery { id, maybe_delivered: true, date: UnixTime(1_700_000_000), header: b"" };
                let octets = message(1_000 + delivery);
                let ended = store.deliver(&names[to], &told, &mut Bytes::from(octets.clone())).unwrap();
                assert_eq!(ended == Delivered::AlreadyThere, known);
                if !known {
                    model.delivered.push(Held { flags: FlagSet::new(), octets, delivery: Some(delivery) });
                }
            }
            Step::SetFlags(at, session, raw, change, flags, conditional) => {
                let (session, model) = (&mut sessions[at][session], &mut models[at]);
                let flags = common::flags(flags);
                let wanted = session.select(&raw);
                let since = (conditional && has_modseqs).then(|| session.mailbox.highest_modseq());
                let stored = session.mailbox.set_flags(&common::uids(&raw), change, &flags, since).unwrap();
                let mut expected = Vec::new();
                for uid in wanted {
                    let Some(held) = model.messages.get_mut(&uid) else {
                        assert!(!stored.modified.contains(uid), "one that is gone is not modified");
                        continue;
                    };
                    if stored.modified.contains(uid) {
                        assert!(since.is_some(), "nothing was asked for");
                        continue;
                    }
                    if since.is_some() {
                        assert_eq!(session.told[&uid], held.flags, "another's change was overwritten");
                    }
                    held.flags = change.apply(&held.flags, &flags);
                    session.told.insert(uid, held.flags.clone());
                    expected.push((uid, held.flags.clone()));
                }
                assert_eq!(common::told(&stored.messages), expected);
            }
            Step::Expunge(at, session, raw, which) => {
                let (session, model) = (&mut sessions[at][session], &mut models[at]);
                let goes = |uid: &Uid| {
                    let held = model.messages.get(uid);
                    let deleted = |held: &Held| held.flags.contains(&mail_message::Flag::Deleted);
                    held.is_some_and(|held| which == Expunge::Any || deleted(held))
                };
                let expected: Vec<Uid> = session.select(&raw).into_iter().filter(goes).collect();
                let removed = session.mailbox.expunge(&common::uids(&raw), which).unwrap();
                assert_eq!(removed, expected);
                for gone in removed {
                    model.messages.remove(&gone);
                    session.told.remove(&gone);
                }
            }
            Step::Copy(at, session, raw, to) => {
                let wanted = sessions[at][session].select(&raw);
                let held: Option<Vec<Held>> =
                    wanted.iter().map(|uid| models[at].messages.get(uid).cloned()).collect();
                let copied = sessions[at][session].mailbox.copy(&common::uids(&raw), &names[to]);
                assert_eq!(copied.is_ok(), held.is_some(), "{copied:?}");
                if let (Ok(copied), Some(held)) = (copied, held) {
                    assert_eq!(copied.pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), wanted);
                    for ((_, copy), held) in copied.pairs.into_iter().zip(held) {
                        // The copy is no delivery.
                        give(&mut models[to], copy, Held { delivery: None, ..held });
                    }
                }
            }
            Step::Move(at, session, raw, to) => {
                let mut wanted = sessions[at][session].select(&raw);
                wanted.retain(|uid| models[at].messages.contains_key(uid));
                let moved = sessions[at][session].mailbox.move_to(&common::uids(&raw), &names[to]).unwrap();
                assert_eq!(moved.pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), wanted);
                for (old, new) in moved.pairs {
                    let held = models[at].messages.remove(&old).unwrap();
                    sessions[at][session].told.remove(&old);
                    // The spool was told, and what came is no delivery.
                    give(&mut models[to], new, Held { delivery: None, ..held });
                }
            }
            Step::Refresh(at, session) => sessions[at][session].refresh(&mut models[at]),
            Step::Restart => {
                pid += 1;
                drop(store);
                store = open(pid);
                sessions = start(&*store, &mut models);
            }
            Step::Rename => {
                store.rename(&names[1], &name("elsewhere")).unwrap();
                store.rename(&name("elsewhere"), &names[1]).unwrap();
                sessions = start(&*store, &mut models);
            }
            Step::Replace => {
                store.delete(&names[1]).unwrap();
                store.create(&names[1]).unwrap();
                models[1] = Model::default();
                sessions = start(&*store, &mut models);
            }
        }
        for session in sessions.iter().flatten() {
            let entries = session.mailbox.entries();
            let shown: BTreeMap<_, _> =
                entries.iter().map(|entry| (entry.uid, entry.flags.clone())).collect();
            assert_eq!(shown, session.told, "the snapshot is what was told");
            assert!(entries.iter().all(|entry| entry.uid < session.mailbox.uid_next()));
            assert!(entries.iter().all(|entry| (entry.modseq > ModSeq::ZERO) == has_modseqs));
        }
    }
    for (sessions, model) in sessions.iter_mut().zip(&mut models) {
        for session in sessions {
            session.refresh(model);
            let flags: BTreeMap<_, _> =
                model.messages.iter().map(|(uid, held)| (*uid, held.flags.clone())).collect();
            assert_eq!(session.told, flags);
            for (uid, held) in &model.messages {
                assert_eq!(&read_all(&mut *session.mailbox.message(*uid).unwrap()).unwrap(), &held.octets);
            }
        }
        assert!(model.delivered.is_empty(), "a delivery is lost");
    }
    let removed = sessions[0][0].mailbox.expunge(&all(), Expunge::Any).unwrap();
    assert_eq!(removed.len(), models[0].messages.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn sessions_of_a_maildir_agree_with_a_plain_map(steps in steps()) {
        let fs = SimFs::new();
        run(&|pid| Box::new(common::maildir(&fs, pid).unwrap()), true, steps);
    }

    #[test]
    fn sessions_of_an_mbox_agree_with_a_plain_map(steps in steps()) {
        let fs = SimFs::new();
        run(&|pid| Box::new(common::mbox(&fs, pid).unwrap()), true, steps);
    }

    #[test]
    fn sessions_in_memory_agree_with_a_plain_map(steps in steps()) {
        let store = MemoryStore::new(RealHost::new("test.example"));
        run(&|_| Box::new(store.clone()), true, steps);
    }
}

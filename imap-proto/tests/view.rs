//! The view against a naive oracle: a client that believes only what it was told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use imap_proto::view::{Change, ChangeFault, Moment, Told, View};
use mail_message::{Flag, FlagSet, SeqNo, SequenceSet, Uid, UidSet};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn uid(raw: u32) -> Uid {
    Uid::new(raw).unwrap()
}

fn seq(raw: u32) -> SeqNo {
    SeqNo::new(raw).unwrap()
}

fn uids<'a>(raw: impl IntoIterator<Item = &'a u32>) -> UidSet {
    raw.into_iter().copied().map(uid).collect()
}

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes(), 100).unwrap()
}

/// What the store does between two tellings.
#[derive(Debug, Clone)]
enum Deed {
    Deliver { count: u32, gap: u32, recent: bool },
    Flag { pick: usize, flagged: bool },
    Expunge { picks: Vec<usize> },
    Tell(Moment),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (1..5u32, 0..3u32, any::<bool>()).prop_map(|(count, gap, recent)| Deed::Deliver {
            count,
            gap,
            recent
        }),
        (any::<usize>(), any::<bool>()).prop_map(|(pick, flagged)| Deed::Flag { pick, flagged }),
        prop::collection::vec(any::<usize>(), 1..6).prop_map(|picks| Deed::Expunge { picks }),
        prop_oneof![Just(Moment::Silent), Just(Moment::KeepNumbers), Just(Moment::Free)].prop_map(Deed::Tell),
    ]
}

/// A message as the store has it.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    uid: u32,
    flagged: bool,
    recent: bool,
}

/// A client that keeps a plain list and applies what it is told.
#[derive(Debug, Default)]
struct Client {
    /// What each number is to it: it learns UIDs only by asking.
    slots: Vec<Option<u32>>,
    flagged: BTreeSet<u32>,
    recent: u32,
}

impl Client {
    fn hear(&mut self, moment: Moment, told: Told) {
        match told {
            Told::Expunge(n) => {
                assert_eq!(moment, Moment::Free, "EXPUNGE where it is forbidden");
                self.slots.remove(n.get() as usize - 1);
            }
            Told::Exists(n) => {
                assert!(n as usize >= self.slots.len(), "EXISTS shrank without EXPUNGE");
                self.slots.resize(n as usize, None);
            }
            Told::Recent(n) => self.recent = n,
            Told::Flags { seq, uid, flags } => {
                let known = self.slots[seq.get() as usize - 1];
                assert!(known.is_none() || known == Some(uid.get()), "flags of another message");
                if flags.contains(&Flag::Flagged) {
                    self.flagged.insert(uid.get());
                } else {
                    self.flagged.remove(&uid.get());
                }
            }
        }
    }

    /// `FETCH 1:* (UID FLAGS)`: what it did not know yet it learns, and what it knew must stand.
    fn ask(&mut self, view: &View, store: &[Message]) {
        assert_eq!(view.exists() as usize, self.slots.len());
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let answer = view.uid_of(seq(at as u32 + 1)).unwrap().get();
            assert_eq!(view.seq_of(uid(answer)), Some(seq(at as u32 + 1)));
            match slot {
                Some(known) => assert_eq!(*known, answer, "a number came to mean another message"),
                None => {
                    *slot = Some(answer);
                    if store.iter().any(|m| m.uid == answer && m.flagged) {
                        self.flagged.insert(answer);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_client_that_believes_what_it_is_told_agrees_with_the_store(
        start in 0..12u32,
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        let mut store: Vec<Message> =
            (1..=start).map(|n| Message { uid: n * 2, flagged: false, recent: n % 3 == 0 }).collect();
        let mut next = start * 2 + 1;
        let recent: Vec<u32> = store.iter().filter(|m| m.recent).map(|m| m.uid).collect();
        let mut view = View::new(&uids(store.iter().map(|m| &m.uid)), uids(&recent), 1000);
        let mut client = Client { slots: vec![None; start as usize], recent: view.recent(), ..Client::default() };
        client.ask(&view, &store);
        // Whatever came last, a NOOP brings the client up to date.
        for deed in deeds.into_iter().chain([Deed::Tell(Moment::Free)]) {
            match deed {
                Deed::Deliver { count, gap, recent } => {
                    next += gap;
                    let new: Vec<u32> = (next..next + count).collect();
                    next += count;
                    store.extend(new.iter().map(|&uid| Message { uid, flagged: false, recent }));
                    view.apply(Change::New { uids: uids(&new), recent }).unwrap();
                }
                Deed::Flag { pick, flagged } => {
                    let Some(at) = pick.checked_rem(store.len()) else { continue };
                    store[at].flagged = flagged;
                    let flags: FlagSet = flagged.then_some(Flag::Flagged).into_iter().collect();
                    view.apply(Change::Flags { uid: uid(store[at].uid), flags }).unwrap();
                }
                Deed::Expunge { picks } => {
                    let gone: BTreeSet<u32> =
                        picks.iter().filter_map(|p| p.checked_rem(store.len())).map(|at| store[at].uid).collect();
                    store.retain(|m| !gone.contains(&m.uid));
                    view.apply(Change::Vanished { uids: uids(&gone) }).unwrap();
                }
                Deed::Tell(moment) => {
                    for told in view.tell(moment) {
                        client.hear(moment, told);
                    }
                    client.ask(&view, &store);
                    prop_assert_eq!(moment == Moment::Free && view.has_pending(), false);
                }
            }
            // What the client may ask for at any time is never another message than the one it means.
            client.ask(&view, &store);
        }
        let truth: Vec<Option<u32>> = store.iter().map(|m| Some(m.uid)).collect();
        prop_assert_eq!(&client.slots, &truth);
        prop_assert_eq!(client.recent as usize, store.iter().filter(|m| m.recent).count());
        client.flagged.retain(|uid| store.iter().any(|m| m.uid == *uid));
        let flagged: BTreeSet<u32> = store.iter().filter(|m| m.flagged).map(|m| m.uid).collect();
        prop_assert_eq!(&client.flagged, &flagged);
    }

    #[test]
    fn sets_name_what_a_naive_reader_would_name(
        messages in prop::collection::btree_set(1..60u32, 0..20),
        ranges in prop::collection::vec((0..70u32, 0..70u32), 1..6),
    ) {
        // 0 stands for `*`.
        let bound = |n: u32| if n == 0 { "*".to_string() } else { n.to_string() };
        let text: Vec<String> = ranges.iter().map(|&(a, b)| format!("{}:{}", bound(a), bound(b))).collect();
        let named = set(&text.join(","));
        let view = View::new(&uids(&messages), UidSet::new(), 10);
        let highest = messages.last().copied().unwrap_or(0);
        let inside = |raw: u32, highest: u32| ranges.iter().any(|&(a, b)| {
            let (a, b) = match (a, b) {
                (0, 0) => (highest, highest),
                (0, n) | (n, 0) => (n.min(highest), highest),
                both => both,
            };
            (a.min(b)..=a.max(b)).contains(&raw)
        });
        let by_uid: Vec<u32> = view.by_uid(&named).iter().map(|(_, uid)| uid.get()).collect();
        let expected: Vec<u32> = messages.iter().copied().filter(|&uid| inside(uid, highest)).collect();
        prop_assert_eq!(by_uid, expected);

        let exists = messages.len() as u32;
        let beyond = ranges.iter().any(|&(a, b)| a != 0 && b != 0 && a.max(b) > exists);
        let star = ranges.iter().any(|&(a, b)| a == 0 || b == 0);
        match view.by_seq(&named) {
            Err(_) => prop_assert!(beyond || (star && exists == 0)),
            Ok(found) => {
                prop_assert!(!beyond);
                let numbers: Vec<u32> = found.iter().map(|(seq, _)| seq.get()).collect();
                let expected: Vec<u32> = (1..=exists).filter(|&n| inside(n, exists)).collect();
                prop_assert_eq!(numbers, expected);
                for (seq, uid) in found.iter() {
                    prop_assert_eq!(found.seq_of(uid), Some(seq));
                    prop_assert_eq!(view.uid_of(seq), Some(uid));
                }
            }
        }
    }
}

/// Fault 7: `*` is the highest, `5:3` is `3:5`, `4000:*` on a small mailbox is its last message, and nothing is
/// expanded.
#[test]
fn fault_07_sequence_sets() {
    let view = View::new(&uids(&[2, 4, 5, 6, 9]), UidSet::new(), 10);
    let by_uid = |text| view.by_uid(&set(text)).iter().map(|(_, uid)| uid.get()).collect::<Vec<_>>();
    let by_seq =
        |text| view.by_seq(&set(text)).map(|m| m.iter().map(|(seq, _)| seq.get()).collect::<Vec<_>>());
    assert_eq!(by_uid("*"), [9]);
    assert_eq!(by_uid("5:3"), [4, 5]);
    assert_eq!(by_uid("4000:*"), [9]);
    assert_eq!(by_uid("999"), []);
    assert_eq!(by_seq("*:4").unwrap(), [4, 5]);
    assert_eq!(by_seq("5:3,4").unwrap(), [3, 4, 5]);
    assert_eq!(by_seq("4000:*").unwrap(), [5]);
    assert!(by_seq("6").is_err() && by_seq("5:6").is_err());
    let empty = View::new(&UidSet::new(), UidSet::new(), 10);
    assert!(empty.by_uid(&set("1:*")).is_empty());
    assert!(empty.by_seq(&set("1:*")).is_err());
    // Four thousand million messages, and a set of all of them: one run.
    let everything: UidSet = [Uid::MIN..=Uid::MAX].into_iter().collect();
    let huge = View::new(&everything, UidSet::new(), 10);
    assert_eq!(huge.by_seq(&set("1:4294967295")).unwrap().uids().ranges().len(), 1);
    assert_eq!(huge.by_uid(&set("4294967295:1")).len(), u32::MAX);
}

#[test]
fn new_uids_must_ascend_even_above_those_that_are_gone() {
    let mut view = View::new(&uids(&[2, 9]), UidSet::new(), 10);
    view.apply(Change::Vanished { uids: uids(&[9]) }).unwrap();
    assert_eq!(view.tell(Moment::Free).count(), 1);
    let again = view.apply(Change::New { uids: uids(&[9]), recent: true });
    assert_eq!(again, Err(ChangeFault::NotAscending));
    assert!(!view.has_pending());
}

#[test]
fn what_came_and_went_is_never_mentioned() {
    let mut view = View::new(&uids(&[2]), UidSet::new(), 10);
    view.apply(Change::New { uids: uids(&[3, 4]), recent: true }).unwrap();
    view.apply(Change::Vanished { uids: uids(&[3]) }).unwrap();
    let told: Vec<Told> = view.tell(Moment::KeepNumbers).collect();
    assert_eq!(told, [Told::Exists(2), Told::Recent(1)]);
}

#[test]
fn flag_changes_have_a_limit_and_merge_under_it() {
    let mut view = View::new(&uids(&[1, 2, 3]), UidSet::new(), 2);
    let change = |n| Change::Flags { uid: uid(n), flags: FlagSet::new() };
    for n in [1, 2, 1, 2, 99] {
        view.apply(change(n)).unwrap();
    }
    assert_eq!(view.apply(change(3)), Err(ChangeFault::TooMany));
}

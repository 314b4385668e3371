//! Fault 7: sequence sets. Every small set beside a plain set of numbers, and the ranges that must not expand.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use std::collections::BTreeSet;

use mail_message::{SeqNo, SeqSet, SequenceSet, SetFault, Uid, UidSet, fuzz};
use proptest::prelude::*;

fn uid(raw: u32) -> Uid {
    Uid::new(raw).unwrap()
}

fn resolve(text: &str, highest: u32) -> String {
    let set = SequenceSet::parse(text.as_bytes(), 100).unwrap();
    set.resolve::<SeqNo>(SeqNo::new(highest)).to_string()
}

#[test]
fn fault_7_stars_and_reversed_ranges() {
    for (text, highest, expected) in [
        ("5:3", 9, "3:5"),
        ("*", 9, "9"),
        ("4000:*", 3, "3"),
        ("*:4000", 3, "3"),
        ("2:*", 9, "2:9"),
        ("*:2", 9, "2:9"),
        ("1:*", 1, "1"),
        ("*:*", 7, "7"),
        ("1,1,1", 9, "1"),
        ("2,1", 9, "1:2"),
        ("2,4:7,9,12:*", 15, "2,4:7,9,12:15"),
        ("*:4,5:7", 10, "4:10"),
        ("99", 5, "99"),
        ("4294967295,*", 5, "5,4294967295"),
        ("*", 0, ""),
        ("1:*", 0, ""),
        ("3,*", 0, "3"),
    ] {
        assert_eq!(resolve(text, highest), expected, "{text} of {highest}");
    }
}

/// A caller refuses sequence numbers beyond the mailbox by the highest of the set; a range to `*` is never beyond.
#[test]
fn numbers_beyond_the_mailbox_can_be_told() {
    let beyond = |text: &str| {
        let set: SeqSet = SequenceSet::parse(text.as_bytes(), 9).unwrap().resolve(SeqNo::new(5));
        set.last() > SeqNo::new(5)
    };
    assert!(beyond("99") && beyond("1:99") && beyond("6"));
    assert!(!beyond("99:*") && !beyond("5") && !beyond("*"));
}

#[test]
fn what_is_no_set_is_refused() {
    for text in [
        "",
        ",",
        "1,",
        ",1",
        "0",
        "0:1",
        "1:0",
        "01",
        "+1",
        "-1",
        "4294967296",
        "1:2:3",
        "1 2",
        ":",
        "1:",
        "a",
        "$",
        "**",
    ] {
        assert_eq!(SequenceSet::parse(text.as_bytes(), 9), Err(SetFault::Syntax), "{text:?}");
    }
    assert_eq!(SequenceSet::parse(b"1,2,3", 2), Err(SetFault::TooManyRanges));
    assert!(SequenceSet::parse(b"1,2,3", 3).is_ok());
}

#[test]
fn a_set_of_everything_costs_one_range() {
    let mut all: UidSet = [uid(1)..=Uid::MAX].into_iter().collect();
    assert_eq!((all.len(), all.ranges().len()), (u32::MAX, 1));
    assert!(all.remove(uid(7)) && !all.remove(uid(7)) && !all.contains(uid(7)));
    assert_eq!(all.to_string(), "1:6,8:4294967295");
    let rest = all.difference(&[uid(3)..=uid(9)].into_iter().collect());
    assert_eq!(rest.to_string(), "1:2,10:4294967295");
    assert!(all.insert(uid(7)) && !all.insert(uid(7)));
    assert_eq!(all.to_string(), "1:4294967295");
    assert!(all.remove(Uid::MAX) && all.remove(Uid::MIN));
    assert_eq!(all.to_string(), "2:4294967294");
    assert_eq!(all.iter().next_back(), Some(uid(4_294_967_294)));
}

#[test]
fn every_sequence_of_a_small_alphabet() {
    let alphabet = b"012*:,";
    let mut texts = vec![Vec::new()];
    for _ in 0..5 {
        let longer =
            texts.iter().flat_map(|text: &Vec<u8>| alphabet.iter().map(|&o| [&text[..], &[o]].concat()));
        texts = [longer.collect(), vec![Vec::new()]].concat();
    }
    texts.iter().for_each(|text| fuzz::fuzz_set(text));
}

/// Every pair of sets of numbers up to 5: all operations beside a plain set.
#[test]
fn every_pair_of_small_sets() {
    let plain = |bits: u32| (1..=5).filter(|n| bits & (1 << n) != 0).collect::<BTreeSet<u32>>();
    let build = |plain: &BTreeSet<u32>| plain.iter().rev().map(|&n| uid(n)).collect::<UidSet>();
    let read = |set: &UidSet| set.iter().map(Uid::get).collect::<BTreeSet<u32>>();
    for a in (0..64).step_by(2).map(plain) {
        for b in (0..64).step_by(2).map(plain) {
            let (set_a, set_b) = (build(&a), build(&b));
            assert_eq!(read(&set_a.intersect(&set_b)), &a & &b);
            assert_eq!(read(&set_a.union(&set_b)), &a | &b);
            assert_eq!(read(&set_a.difference(&set_b)), &a - &b);
            assert_eq!(set_a == set_b, a == b);
            assert_eq!(set_a.len() as usize, a.len());
            assert_eq!(
                (set_a.first(), set_a.last()),
                (a.first().map(|&n| uid(n)), a.last().map(|&n| uid(n)))
            );
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32),
    Remove(u32),
    InsertRange(u32, u32),
}

fn number() -> impl Strategy<Value = u32> {
    1u32..30
}

proptest! {
    #[test]
    fn a_run_of_changes_beside_a_plain_set(steps in proptest::collection::vec(
        prop_oneof![
            number().prop_map(Step::Insert),
            number().prop_map(Step::Remove),
            (number(), number()).prop_map(|(low, high)| Step::InsertRange(low, high)),
        ], 0..30))
    {
        let (mut set, mut plain) = (UidSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Insert(n) => prop_assert_eq!(set.insert(uid(n)), plain.insert(n)),
                Step::Remove(n) => prop_assert_eq!(set.remove(uid(n)), plain.remove(&n)),
                Step::InsertRange(low, high) => {
                    set.insert_range(uid(low)..=uid(high));
                    plain.extend(low..=high);
                }
            }
            prop_assert_eq!(set.iter().map(Uid::get).collect::<BTreeSet<_>>(), plain.clone());
            let ranges: Vec<_> = set.ranges().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end().get() + 1 < pair[1].start().get()), "not normal");
            let read = SequenceSet::parse(set.to_string().as_bytes(), 99).map(|set| set.resolve(Uid::new(1)));
            prop_assert!(set.is_empty() || read == Ok(set.clone()));
        }
    }
}

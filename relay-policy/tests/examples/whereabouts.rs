//! Every example of the specifications that has an id is tested somewhere, or it is said why not: `where.txt`.

use crate::folder;
use std::collections::BTreeMap;
use std::path::Path;

/// The ids of the two specifications that are not among the vectors that were executed.
const IDS: [(&str, &[(u32, u32)]); 7] = [
    ("D", &[(1, 60)]),
    ("P", &[(1, 34)]),
    ("L", &[(1, 27)]),
    ("TC", &[(1, 21)]),
    ("QM", &[(1, 14)]),
    ("Q", &[(1, 7), (20, 28)]),
    ("K", &[(1, 10), (20, 31), (40, 54)]),
];

/// The ids that a text names, and those between two that have "to" between them.
fn named(text: &str) -> Vec<(String, u32)> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some((letters, first)) = id(word) else { continue };
        let is_range = words.get(at + 1) == Some(&"to");
        let last = words.get(at + 2).filter(|_| is_range).and_then(|word| id(word));
        let last = last.filter(|(other, _)| *other == letters).map_or(first, |(_, last)| last);
        found.extend((first..=last).map(|number| (letters.clone(), number)));
    }
    found.sort();
    found.dedup();
    found
}

fn id(word: &str) -> Option<(String, u32)> {
    let digits = word.find(|c: char| c.is_ascii_digit())?;
    let letters = word[..digits].to_uppercase();
    let is_known = IDS.iter().any(|(known, _)| *known == letters);
    let number = word[digits..].parse().ok()?;
    is_known.then_some((letters, number))
}

#[test]
fn every_id_has_its_test_or_the_reason_why_it_has_none() {
    let text = std::fs::read_to_string(folder().join("where.txt")).unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut listed: BTreeMap<(String, u32), &str> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (ids, place) = line.split_once(": ").unwrap_or_else(|| panic!("{line}: ids, a colon, a place"));
        for id in named(ids) {
            let before = listed.insert(id.clone(), place);
            assert!(before.is_none(), "{}{} is there twice", id.0, id.1);
        }
        let Some(file) = place.strip_prefix("in ") else { continue };
        let source = std::fs::read_to_string(workspace.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let there = named(&source);
        for id in named(ids) {
            assert!(there.contains(&id), "{file} does not name {}{}", id.0, id.1);
        }
    }
    for (letter, ranges) in IDS {
        for number in ranges.iter().flat_map(|(first, last)| *first..=*last) {
            assert!(
                listed.remove(&(letter.into(), number)).is_some(),
                "{letter}{number} is not in where.txt"
            );
        }
    }
    assert!(listed.is_empty(), "no specification has {listed:?}");
}

//! Keys and texts in memory, as tightly as they go: what tables with exact keys are made of.
//!
//! All records stand one behind the other in one string; an index of open addressing leads to them. A record is three
//! numbers (the line, the lengths of key and text), the key and the text.
//!
//! # Limits
//! 4 GiB of records. Whoever writes the table can choose keys that hash alike and so make its lookups slow; whoever
//! looks up cannot.

use std::borrow::Cow;

/// Exact keys, folded to lower case, the first of equal ones kept.
#[derive(Clone, Default)]
pub(crate) struct Hashed {
    records: String,
    /// A quarter at least is [`EMPTY`]. Else the upper half of a key's hash, and where its record begins.
    index: Vec<u64>,
    count: usize,
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'h> {
    pub(crate) line: u32,
    pub(crate) key: &'h str,
    pub(crate) text: &'h str,
}

/// What came of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is there now.
    New,
    /// There was one with that key, on this line; it stays.
    Duplicate(u32),
    /// There is no more room.
    Full,
}

const EMPTY: u64 = u64::MAX;

impl Hashed {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The record of a key in any case.
    pub(crate) fn find(&self, key: &str) -> Option<Record<'_>> {
        if self.count == 0 {
            return None;
        }
        let key = fold(key);
        self.search(&key, hash(&key)).ok()
    }

    /// Adds a record; the line is 0 where there are no lines.
    pub(crate) fn insert(&mut self, key: &str, text: &str, line: u32) -> Inserted {
        if (self.count + 1) * 4 > self.index.len() * 3 {
            self.index_anew((self.index.len() * 2).max(8));
        }
        let key = fold(key);
        let hash = hash(&key);
        let slot = match self.search(&key, hash) {
            Ok(record) => return Inserted::Duplicate(record.line),
            Err(slot) => slot,
        };
        let begin = self.records.len();
        // Three numbers of at most six digits, and a place that is not EMPTY's.
        if begin + key.len() + text.len() + 18 >= u32::MAX as usize {
            return Inserted::Full;
        }
        for number in [line, key.len() as u32, text.len() as u32] {
            push_number(&mut self.records, number);
        }
        self.records.push_str(&key);
        self.records.push_str(text);
        self.index[slot] = hash & !LOW | begin as u64;
        self.count += 1;
        Inserted::New
    }

    /// All records, in the order in which they came.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < self.records.len()).then(|| {
                let (record, end) = self.record(at);
                at = end;
                record
            })
        })
    }

    /// Gives back what growing has reserved.
    pub(crate) fn shrink(&mut self) {
        self.records.shrink_to_fit();
        self.index_anew(self.count * 4 / 3 + 1);
    }

    /// The record with this key, or the slot where it belongs.
    fn search(&self, key: &str, hash: u64) -> Result<Record<'_>, usize> {
        let mut slot = first_slot(hash, self.index.len());
        loop {
            let entry = self.index[slot];
            if entry == EMPTY {
                return Err(slot);
            }
            if entry & !LOW == hash & !LOW {
                let (record, _) = self.record((entry & LOW) as usize);
                if record.key == key {
                    return Ok(record);
                }
            }
            slot = next_slot(slot, self.index.len());
        }
    }

    /// The record that begins here, and where it ends.
    fn record(&self, begin: usize) -> (Record<'_>, usize) {
        let mut at = begin;
        let line = pull_number(&self.records, &mut at);
        let key_end = pull_number(&self.records, &mut at) as usize;
        let text_end = pull_number(&self.records, &mut at) as usize;
        let (key_end, text_end) = (at + key_end, at + key_end + text_end);
        let record = Record { line, key: &self.records[at..key_end], text: &self.records[key_end..text_end] };
        (record, text_end)
    }

    /// Makes another index, with this many slots.
    fn index_anew(&mut self, slots: usize) {
        let mut index = vec![EMPTY; slots];
        for begin in self.index.iter().filter(|entry| **entry != EMPTY).map(|entry| entry & LOW) {
            let (record, _) = self.record(begin as usize);
            let hash = hash(record.key);
            let mut slot = first_slot(hash, slots);
            while index[slot] != EMPTY {
                slot = next_slot(slot, slots);
            }
            index[slot] = hash & !LOW | begin;
        }
        self.index = index;
    }
}

/// Where the search for a hash begins: its lower half, spread over the slots.
fn first_slot(hash: u64, slots: usize) -> usize {
    (((hash & LOW) * slots as u64) >> 32) as usize
}

fn next_slot(slot: usize, slots: usize) -> usize {
    if slot + 1 == slots { 0 } else { slot + 1 }
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.count)
    }
}

/// Where a record begins, within an entry of the index.
const LOW: u64 = u32::MAX as u64;

/// A key as it is compared: in lower case.
pub(crate) fn fold(key: &str) -> Cow<'_, str> {
    if key.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.to_lowercase())
}

fn hash(key: &str) -> u64 {
    /// Odd, with its bits well mixed: the fraction of the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = key.as_bytes().as_chunks::<8>();
    let state =
        words.iter().fold(key.len() as u64 ^ FACTOR, |state, word| mix(state, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(state, u64::from_le_bytes(last)), FACTOR)
}

/// Six bits to a character, the lowest first; all of them ASCII, since records are text.
fn push_number(to: &mut String, mut number: u32) {
    while number >= 0x40 {
        to.push(char::from(number as u8 & 0x3f | 0x40));
        number >>= 6;
    }
    to.push(char::from(number as u8));
}

fn pull_number(from: &str, at: &mut usize) -> u32 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let octet = from.as_bytes()[*at];
        *at += 1;
        number |= u32::from(octet & 0x3f) << shift;
        if octet & 0x40 == 0 {
            return number;
        }
        shift += 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn numbers_there_and_back() {
        for number in [0, 1, 63, 64, 4_095, 4_096, u32::MAX] {
            let mut text = String::new();
            push_number(&mut text, number);
            let mut at = 0;
            assert_eq!((pull_number(&text, &mut at), at), (number, text.len()));
        }
    }

    #[test]
    fn the_first_of_equal_keys_stays() {
        let mut hashed = Hashed::default();
        assert!(hashed.find("").is_none());
        assert_eq!(hashed.insert("Straße", "1", 3), Inserted::New);
        assert_eq!(hashed.insert("STRAßE", "2", 4), Inserted::Duplicate(3));
        assert_eq!(hashed.find("straße"), Some(Record { line: 3, key: "straße", text: "1" }));
    }

    proptest! {
        #[test]
        fn as_a_map_is(entries in prop::collection::vec(("[aAbBé]{0,3}", "[a-cé]{0,9}", any::<u32>()), 0..200)) {
            let (mut hashed, mut map) = (Hashed::default(), BTreeMap::new());
            for (key, text, line) in &entries {
                let inserted = hashed.insert(key, text, *line);
                let before = map.get(&key.to_lowercase()).copied();
                prop_assert_eq!(inserted, before.map_or(Inserted::New, |(_, line)| Inserted::Duplicate(line)));
                map.entry(key.to_lowercase()).or_insert((text.as_str(), *line));
            }
            prop_assert_eq!(hashed.len(), map.len());
            prop_assert_eq!(hashed.records().count(), map.len());
            hashed.shrink();
            for (key, (text, line)) in &map {
                let found = hashed.find(&key.to_uppercase()).map(|found| (found.text, found.line));
                prop_assert_eq!(found, Some((*text, *line)));
            }
            prop_assert!(hashed.find("absent").is_none());
        }
    }
}

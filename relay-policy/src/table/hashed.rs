//! Keys and texts in memory, as tightly as they go: what tables with exact keys are made of.
//!
//! All records stand one behind the other in one string; an index of open addressing leads to them. A record is three
//! numbers (the line, the lengths of key and text), the key and the text.
//!
//! The index has groups of eight slots. Of each slot an octet of its key's hash stands apart, so that eight are compared at
//! once and a key that is not there is known by two cache lines at most.
//!
//! # Limits
//! 4 GiB of records. Whoever writes the table can choose keys that hash alike and so make its lookups slow; whoever
//! looks up cannot.

use std::borrow::Cow;

/// Exact keys, folded to lower case, the first of equal ones kept.
#[derive(Clone, Default)]
pub(crate) struct Hashed {
    records: String,
    /// A group's octets of hashes, [`EMPTY`] in the slots that are free; of all slots an eighth at least is free.
    tags: Vec<[u8; GROUP]>,
    /// Where each slot's record begins.
    places: Vec<[u32; GROUP]>,
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

const GROUP: usize = 8;

/// The octet of a slot that is free.
const EMPTY: u8 = 0;

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

    /// Makes room for so many records more, so that the index is not made anew for them, with so many octets of keys and texts.
    pub(crate) fn reserve(&mut self, records: usize, octets: usize) {
        self.index_anew(self.count + records);
        self.records.reserve(octets);
    }

    /// Adds a record; the line is 0 where there are no lines.
    pub(crate) fn insert(&mut self, key: &str, text: &str, line: u32) -> Inserted {
        if (self.count + 1) * 8 > self.tags.len() * GROUP * 7 {
            self.index_anew((self.count * 2).max(GROUP / 2));
        }
        let key = fold(key);
        let hash = hash(&key);
        let (group, slot) = match self.search(&key, hash) {
            Ok(record) => return Inserted::Duplicate(record.line),
            Err(free) => free,
        };
        let begin = self.records.len();
        // Three numbers of at most six digits.
        if begin + key.len() + text.len() + 18 >= u32::MAX as usize {
            return Inserted::Full;
        }
        for number in [line, key.len() as u32, text.len() as u32] {
            push_number(&mut self.records, number);
        }
        self.records.push_str(&key);
        self.records.push_str(text);
        self.tags[group][slot] = tag(hash);
        self.places[group][slot] = begin as u32;
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
        let groups = groups_for(self.count);
        if self.tags.len() > groups + groups / 8 {
            self.index_anew(self.count);
        }
    }

    /// The record with this key, or the group and the slot where it belongs.
    fn search(&self, key: &str, hash: u64) -> Result<Record<'_>, (usize, usize)> {
        let tag = tag(hash);
        let mut group = first_group(hash, self.tags.len());
        loop {
            let tags = self.tags[group];
            let mut same = slots_with(tags, tag);
            while same != 0 {
                let slot = slot_of(same);
                let (record, _) = self.record(self.places[group][slot] as usize);
                if record.key == key {
                    return Ok(record);
                }
                same &= same - 1;
            }
            let free = slots_with(tags, EMPTY);
            if free != 0 {
                return Err((group, slot_of(free)));
            }
            group = next_group(group, self.tags.len());
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

    /// Makes another index, for so many records.
    fn index_anew(&mut self, records: usize) {
        let groups = groups_for(records);
        let (mut tags, mut places) = (vec![[EMPTY; GROUP]; groups], vec![[0; GROUP]; groups]);
        let mut begin = 0;
        while begin < self.records.len() {
            let (record, end) = self.record(begin);
            let hash = hash(record.key);
            let mut group = first_group(hash, groups);
            let mut free = slots_with(tags[group], EMPTY);
            while free == 0 {
                group = next_group(group, groups);
                free = slots_with(tags[group], EMPTY);
            }
            tags[group][slot_of(free)] = tag(hash);
            places[group][slot_of(free)] = begin as u32;
            begin = end;
        }
        (self.tags, self.places) = (tags, places);
    }
}

/// How many groups have room for so many records: half as many more slots, so that hardly a group is full.
fn groups_for(records: usize) -> usize {
    (records + records / 2) / GROUP + 1
}

/// Where the search for a hash begins: its lower half, spread over the groups.
fn first_group(hash: u64, groups: usize) -> usize {
    (((hash & u64::from(u32::MAX)) * groups as u64) >> 32) as usize
}

fn next_group(group: usize, groups: usize) -> usize {
    if group + 1 == groups { 0 } else { group + 1 }
}

/// What stands of a hash in its slot: an octet that is not [`EMPTY`].
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

/// The slots of a group with this octet: of the octet of each, the highest bit.
fn slots_with(tags: [u8; GROUP], tag: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; GROUP]);
    const HIGH: u64 = u64::from_le_bytes([0x80; GROUP]);
    // An octet is zero where the tags are the same; adding 0x7f to its other bits carries unless it is.
    let different = u64::from_le_bytes(tags) ^ (ONES * u64::from(tag));
    !(((different & !HIGH) + !HIGH) | different) & HIGH
}

/// The first of some slots.
fn slot_of(slots: u64) -> usize {
    slots.trailing_zeros() as usize / 8
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.count)
    }
}

/// A key as it is compared: in lower case.
pub(crate) fn fold(key: &str) -> Cow<'_, str> {
    // All of them, so that they are looked at many at a time: hardly any key is to be changed.
    let changes = |changes, octet: u8| changes | !octet.is_ascii() | octet.is_ascii_uppercase();
    if !key.bytes().fold(false, changes) {
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
    fn slots_are_found_by_their_octets() {
        let tags = [7, 0, 128, 7, 255, 127, 8, 0];
        for (tag, slots) in [(7, vec![0, 3]), (0, vec![1, 7]), (128, vec![2]), (255, vec![4]), (6, vec![])] {
            let mut found = slots_with(tags, tag);
            for slot in slots {
                assert_eq!(slot_of(found), slot, "{tag}");
                found &= found - 1;
            }
            assert_eq!(found, 0, "{tag}");
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

//! `cdb:`, D. J. Bernstein's constant database: read from its octets, and written.
//!
//! The file begins with 256 pairs of a position and a number of slots. Records follow, each two lengths, a key and a text;
//! then the hash tables the pairs point to, whose slots are a hash and a position. All numbers have 32 bits, the lowest
//! octet first. Keys are folded to lower case; one that was written with a zero octet behind it is found, too.
//!
//! Every position is checked when it is used: from a broken file comes an error, never a wrong text or a panic.
//!
//! # Limits
//! 4 GiB, as the format has it.
//!
//! # Departures
//! The file is held in memory, where Postfix maps it.

use super::hashed::{Hashed, fold};
use super::{Entry, Family, Found, LookupError, Place, Table, Warning, aliases, texthash};
use std::borrow::Cow;

/// The octets of the 256 pairs.
const HEADER_BYTES: usize = 2_048;

#[derive(Debug)]
pub(crate) struct Cdb {
    name: String,
    file: String,
    octets: Octets,
}

/// The file, not to be shown octet by octet.
struct Octets(Vec<u8>);

impl std::fmt::Debug for Octets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

/// The file is not what its header says.
#[derive(Debug)]
pub(crate) struct Broken;

impl Cdb {
    pub(crate) fn new(name: &str, file: &str, octets: Vec<u8>) -> Result<Self, String> {
        if octets.len() < HEADER_BYTES {
            return Err("shorter than the header of a cdb".into());
        }
        Ok(Self { name: name.into(), file: file.into(), octets: Octets(octets) })
    }

    /// Keys and texts, in the order of the file; they fill what is between the header and the first hash table. A broken one ends
    /// them.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<(&[u8], &[u8]), Broken>> {
        let tables = (0..256).filter_map(|number| self.octets.pair(number * 8).ok());
        let end = tables.map(|(position, _)| u64::from(position)).min().unwrap_or(0);
        let mut at = HEADER_BYTES as u64;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let record = self.octets.record(at);
            at = match &record {
                Ok((key, text)) => at + 8 + key.len() as u64 + text.len() as u64,
                Err(Broken) => end,
            };
            Some(record)
        })
    }

    fn failed(&self, cause: &str) -> LookupError {
        LookupError::Failed { table: self.name.clone(), cause: cause.into() }
    }
}

impl Table for Cdb {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Keyed
    }

    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        // Whoever looks a broken one up is told.
        for (key, text) in self.records().map_while(Result::ok) {
            let plain =
                |octets| std::str::from_utf8(octets).map(|text| text.strip_suffix('\0').unwrap_or(text));
            if let (Ok(key), Ok(text)) = (plain(key), plain(text)) {
                see(Entry {
                    key: Some(key),
                    text,
                    place: Place { file: Cow::Borrowed(&self.file), line: None },
                });
            }
        }
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        if key.is_empty() {
            return Ok(None);
        }
        let key = fold(key);
        let mut found = self.octets.find(key.as_bytes());
        if matches!(found, Ok(None)) {
            found = self.octets.find(format!("{key}\0").as_bytes());
        }
        let Some(text) = found.map_err(|Broken| self.failed("the cdb is broken: make it anew"))? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(text.strip_suffix(b"\0").unwrap_or(text))
            .map_err(|_| self.failed(&format!("what stands beside {key} is not in UTF-8")))?;
        Ok(Some(Found {
            text: Cow::Borrowed(text),
            place: Place { file: Cow::Borrowed(&self.file), line: None },
        }))
    }
}

impl Octets {
    fn find(&self, key: &[u8]) -> Result<Option<&[u8]>, Broken> {
        let hash = hash(key);
        let (table, slots) = self.pair(u64::from(hash % 256) * 8)?;
        if slots == 0 {
            return Ok(None);
        }
        let begin = u64::from(hash / 256 % slots);
        for number in 0..u64::from(slots) {
            let slot = (begin + number) % u64::from(slots);
            let (slot_hash, position) = self.pair(u64::from(table) + slot * 8)?;
            if position == 0 {
                return Ok(None);
            }
            if slot_hash == hash {
                let (found, text) = self.record(u64::from(position))?;
                if found == key {
                    return Ok(Some(text));
                }
            }
        }
        Ok(None)
    }

    /// A key and its text.
    fn record(&self, at: u64) -> Result<(&[u8], &[u8]), Broken> {
        let (key_length, text_length) = self.pair(at)?;
        let key = self.slice(at + 8, key_length)?;
        Ok((key, self.slice(at + 8 + u64::from(key_length), text_length)?))
    }

    fn pair(&self, at: u64) -> Result<(u32, u32), Broken> {
        let pair = self.slice(at, 8)?;
        let (first, second) = pair.split_at(4);
        let number = |octets: &[u8]| octets.try_into().map(u32::from_le_bytes).map_err(|_| Broken);
        Ok((number(first)?, number(second)?))
    }

    fn slice(&self, at: u64, length: u32) -> Result<&[u8], Broken> {
        let begin = usize::try_from(at).map_err(|_| Broken)?;
        let end = begin.checked_add(length as usize).ok_or(Broken)?;
        self.0.get(begin..end).ok_or(Broken)
    }
}

fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5_381, |hash: u32, octet| (hash << 5).wrapping_add(hash) ^ u32::from(*octet))
}

/// Makes a cdb of the source text of a table, as `postmap cdb:file` does, or of one of aliases, as `postalias`.
///
/// ```
/// use relay_policy::table::{Opener, compile_cdb};
///
/// let (cdb, warnings) = compile_cdb("access", b"spam.test REJECT\nlonely\n", false)?;
/// assert_eq!(warnings[0].place.to_string(), "access, line 2");
/// let read = |path: &str| if path == "access.cdb" { Ok(cdb.clone()) } else { Err("no such file".into()) };
/// let table = Opener::new(&read).open("cdb:access")?.table;
/// assert_eq!(table.look_up("SPAM.test")?.expect("it is there").text, "REJECT");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`CdbTooLarge`] when it does not fit in the format.
pub fn compile_cdb(file: &str, source: &[u8], aliases: bool) -> Result<(Vec<u8>, Vec<Warning>), CdbTooLarge> {
    let (keys, warnings) = if aliases { aliases::parse(file, source) } else { texthash::parse(file, source) };
    Ok((write(&keys)?, warnings))
}

/// The table does not fit in a cdb: its records and slots would take 4 GiB or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table does not fit in a cdb, which ends at 4 GiB")]
pub struct CdbTooLarge;

fn write(keys: &Hashed) -> Result<Vec<u8>, CdbTooLarge> {
    let mut cdb = vec![0; HEADER_BYTES];
    let mut tables: Vec<Vec<(u32, u32)>> = vec![Vec::new(); 256];
    for record in keys.records() {
        let hash = hash(record.key.as_bytes());
        tables[hash as usize % 256].push((hash, position(&cdb)?));
        push(&mut cdb, record.key.len() as u32, record.text.len() as u32);
        cdb.extend_from_slice(record.key.as_bytes());
        cdb.extend_from_slice(record.text.as_bytes());
    }
    for (number, entries) in tables.into_iter().enumerate() {
        let mut header = Vec::with_capacity(8);
        push(&mut header, position(&cdb)?, (entries.len() * 2) as u32);
        cdb[number * 8..][..8].copy_from_slice(&header);
        let mut slots = vec![(0, 0); entries.len() * 2];
        for (hash, position) in entries {
            let mut slot = (hash / 256) as usize % slots.len();
            // Half of them are free.
            while slots[slot] != (0, 0) {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = (hash, position);
        }
        slots.into_iter().for_each(|(hash, position)| push(&mut cdb, hash, position));
    }
    position(&cdb)?;
    Ok(cdb)
}

fn push(to: &mut Vec<u8>, first: u32, second: u32) {
    to.extend_from_slice(&first.to_le_bytes());
    to.extend_from_slice(&second.to_le_bytes());
}

/// Where the next octet goes.
fn position(cdb: &[u8]) -> Result<u32, CdbTooLarge> {
    u32::try_from(cdb.len()).map_err(|_| CdbTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> Vec<u8> {
        compile_cdb("tab", b"a.test 1\nB.test 2\nc 3\n\xc3\x89 4\n", false).unwrap().0
    }

    #[test]
    fn keys_are_found() {
        let table = Cdb::new("cdb:tab", "tab.cdb", some()).unwrap();
        for (key, text) in
            [("A.test", Some("1")), ("b.test", Some("2")), ("é", Some("4")), ("d", None), ("", None)]
        {
            let found = table.look_up(key).unwrap();
            assert_eq!(found.as_ref().map(|found| &*found.text), text, "{key}");
        }
        assert!(Cdb::new("cdb:tab", "tab.cdb", vec![0; HEADER_BYTES - 1]).is_err());
        let empty = compile_cdb("tab", b"", false).unwrap().0;
        assert_eq!(Cdb::new("cdb:tab", "tab.cdb", empty).unwrap().look_up("a").unwrap(), None);
    }

    #[test]
    fn zero_octets_behind_keys_are_known() {
        let mut keys = Hashed::default();
        keys.insert("k\0", "v\0", 1);
        let table = Cdb::new("cdb:tab", "tab.cdb", write(&keys).unwrap()).unwrap();
        assert_eq!(table.look_up("K").unwrap().unwrap().text, "v");
    }

    proptest! {
        #[test]
        fn a_broken_file_is_survived(at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let whole = some();
            let mut octets = whole.clone();
            octets[at.index(whole.len())] = octet;
            octets.truncate(HEADER_BYTES + cut.index(whole.len() - HEADER_BYTES + 1));
            let table = Cdb::new("cdb:tab", "tab.cdb", octets).unwrap();
            for key in ["a.test", "b.test", "c", "d", "é"] {
                // What is found lies within the file; everything else is an error or absence.
                if let Ok(Some(found)) = table.look_up(key) {
                    prop_assert!(found.text.len() < whole.len());
                }
            }
        }
    }
}

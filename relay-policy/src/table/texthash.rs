//! `texthash:` and its like: a key, blanks and a text on each line, in a text file.
//!
//! The kinds that Postfix compiles into an index (`hash:`, `btree:`, `lmdb:`, …) are read from the same source text here, so
//! that nobody need compile anything. Keys are folded to lower case, the first of equal keys counts. A blank in a key is
//! quoted, `"first last"@example.com`; quotes are part of the key.
//!
//! # Departures
//! Postfix reads the index of a `hash:` table, which may be older than its source.

use super::hashed::{Hashed, Inserted};
use super::source::{LogicalLines, Warnings, usable};
use super::{Entry, Family, Found, LookupError, Place, Table, Warning};
use std::borrow::Cow;

/// A table of exact keys in memory.
#[derive(Debug)]
pub(crate) struct Keyed {
    name: String,
    /// What its lines are lines of.
    file: String,
    keys: Hashed,
}

impl Keyed {
    pub(crate) fn new(name: &str, file: &str, mut keys: Hashed) -> Self {
        keys.shrink();
        Self { name: name.into(), file: file.into(), keys }
    }

    fn place(&self, line: u32) -> Place<'_> {
        Place { file: Cow::Borrowed(&self.file), line: Some(line).filter(|line| *line > 0) }
    }
}

impl Table for Keyed {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Keyed
    }

    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        for record in self.keys.records() {
            see(Entry { key: Some(record.key), text: record.text, place: self.place(record.line) });
        }
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        let found = self.keys.find(key);
        Ok(found.map(|record| Found { text: Cow::Borrowed(record.text), place: self.place(record.line) }))
    }
}

/// Reads the source text of a table (the input of `postmap`).
pub(crate) fn parse(file: &str, source: &[u8]) -> (Hashed, Vec<Warning>) {
    let (mut keys, mut warnings) = (Hashed::default(), Warnings::new(file));
    keys.reserve(memchr::memchr_iter(b'\n', source).count(), source.len());
    for line in LogicalLines::new(source) {
        let Some(text) = usable(&line, &mut warnings) else { continue };
        let (key, value) = match split_key(text) {
            Ok(parts) => parts,
            Err(why) => {
                warnings.push(line.number, format!("{why}: this line is ignored"));
                continue;
            }
        };
        if key.ends_with(':') {
            warnings
                .push(line.number, format!("the key is {key:?}, with its colon: is this a file of aliases?"));
        }
        insert(&mut keys, &mut warnings, line.number, key, value.trim_ascii());
    }
    (keys, warnings.finish())
}

/// The key, and what stands behind it: a blank that is quoted is part of the key, and so are the quotes.
fn split_key(text: &str) -> Result<(&str, &str), &'static str> {
    // Hardly any key has a quote or a backslash.
    let ends = |octet: u8| octet.is_ascii_whitespace() || matches!(octet, b'"' | b'\\');
    if let Some(end) = text.bytes().position(ends)
        && text.as_bytes()[end].is_ascii_whitespace()
    {
        return Ok((&text[..end], &text[end + 1..]));
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.bytes().position(|octet| {
        let ends = !is_quoted && !is_escaped && octet.is_ascii_whitespace();
        is_quoted ^= octet == b'"' && !is_escaped;
        is_escaped = octet == b'\\' && !is_escaped;
        ends
    });
    match end {
        Some(end) => Ok((&text[..end], &text[end + 1..])),
        None if is_quoted => Err("a quote is open to the end of the line"),
        None => Err("expected a key, blanks and a text"),
    }
}

/// Adds an entry, or says why not.
pub(crate) fn insert(keys: &mut Hashed, warnings: &mut Warnings<'_>, line: u32, key: &str, text: &str) {
    match keys.insert(key, text, line) {
        Inserted::New => {}
        Inserted::Duplicate(first) => {
            warnings.push(
                line,
                format!("{key:?} is on line {first} already, and that counts: this line is ignored"),
            );
        }
        Inserted::Full => warnings.push(line, "the table is larger than 4 GiB: this line is ignored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_cannot_be_used_are_named() {
        let (keys, warnings) = parse("access", b" a b\nk\nx 1\nX 2\n\xff y\nq: r\n");
        let warnings: Vec<String> = warnings.iter().map(|warning| warning.to_string()).collect();
        for (warning, line) in warnings.iter().zip([1, 2, 4, 5, 6]) {
            assert!(warning.starts_with(&format!("access, line {line}: ")), "{warning}");
        }
        assert_eq!(warnings.len(), 5);
        let (_, warnings) = parse("access", "\u{feff}spam.test REJECT\nfriend.test OK\n".as_bytes());
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].to_string().starts_with("access, line 1: a byte order mark"), "{}", warnings[0]);
        assert_eq!(keys.find("X").map(|record| (record.text, record.line)), Some(("1", 3)));
        assert_eq!(keys.find("q:").map(|record| record.text), Some("r"));
        assert_eq!(keys.len(), 2);
    }

    #[test]
    fn quoted_blanks_are_part_of_the_key() {
        let source = b"\"a b\"@c quoted\n\"a\" \"b\"\nd\\ e f\n\"open x\n\"g\\\" h\" i\n";
        let (keys, warnings) = parse("access", source);
        let text = |key| keys.find(key).map(|record| record.text);
        assert_eq!((text("\"A b\"@c"), text("\"a\"")), (Some("quoted"), Some("\"b\"")));
        assert_eq!((text("d\\ e"), text("\"g\\\" h\"")), (Some("f"), Some("i")));
        assert_eq!((keys.len(), warnings.len()), (4, 1));
    }
}

//! The source text of tables: logical lines, comments, and what is to be said of lines that cannot be used.
//!
//! A logical line begins with a character that is not blank; a line that begins with a blank continues it, even across
//! comments and empty lines. Those, and lines whose first character that is not blank is `#`, are dropped.
//!
//! # Limits
//! Of one table [`WARNINGS_MAX`] warnings are kept; one more says how many there were.

use super::{Place, Warning};
use std::borrow::Cow;

/// How many warnings of one table are kept.
const WARNINGS_MAX: usize = 100;

/// What some editors write in front of a text in UTF-8, and nobody sees.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A logical line, with the number of the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogicalLine<'s> {
    pub(crate) number: u32,
    pub(crate) octets: Cow<'s, [u8]>,
}

/// The logical lines of a text.
#[derive(Debug)]
pub(crate) struct LogicalLines<'s> {
    rest: &'s [u8],
    /// How many lines were taken from the text.
    taken: u32,
}

impl<'s> LogicalLines<'s> {
    pub(crate) fn new(text: &'s [u8]) -> Self {
        Self { rest: text, taken: 0 }
    }

    /// The next line that is neither blank nor a comment, without its end.
    fn physical(&mut self) -> Option<(u32, &'s [u8])> {
        while !self.rest.is_empty() {
            let (line, rest) = match memchr::memchr(b'\n', self.rest) {
                Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            self.taken = self.taken.saturating_add(1);
            let first = line.iter().find(|octet| !octet.is_ascii_whitespace());
            if first.is_some_and(|octet| *octet != b'#') {
                return Some((self.taken, line.strip_suffix(b"\r").unwrap_or(line)));
            }
        }
        None
    }
}

impl<'s> Iterator for LogicalLines<'s> {
    type Item = LogicalLine<'s>;

    fn next(&mut self) -> Option<LogicalLine<'s>> {
        let (number, line) = self.physical()?;
        let mut octets = Cow::Borrowed(line);
        // Hardly ever is there more to be seen of the next line than that it is another.
        if self.rest.first().is_some_and(|first| !first.is_ascii_whitespace() && *first != b'#') {
            return Some(LogicalLine { number, octets });
        }
        loop {
            let before = (self.rest, self.taken);
            match self.physical() {
                Some((_, line)) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                    octets.to_mut().extend_from_slice(line);
                }
                _ => {
                    (self.rest, self.taken) = before;
                    return Some(LogicalLine { number, octets });
                }
            }
        }
    }
}

/// What is said while one table's source is read.
#[derive(Debug)]
pub(crate) struct Warnings<'f> {
    file: &'f str,
    kept: Vec<Warning>,
    count: usize,
}

impl<'f> Warnings<'f> {
    pub(crate) fn new(file: &'f str) -> Self {
        Self { file, kept: Vec::new(), count: 0 }
    }

    pub(crate) fn push(&mut self, line: u32, what: impl Into<String>) {
        self.count += 1;
        if self.count <= WARNINGS_MAX {
            let place = Place { file: Cow::Owned(self.file.into()), line: Some(line) };
            self.kept.push(Warning { place, what: what.into() });
        }
    }

    /// All of them, with one more where some were dropped.
    pub(crate) fn finish(mut self) -> Vec<Warning> {
        if self.count > WARNINGS_MAX {
            let place = Place { file: Cow::Owned(self.file.into()), line: None };
            let what = format!("{} lines cannot be used; the first {WARNINGS_MAX} were named", self.count);
            self.kept.push(Warning { place, what });
        }
        self.kept
    }
}

/// Takes a logical line as text; where it is none or begins with a blank, it is ignored with a warning.
pub(crate) fn usable<'l>(line: &'l LogicalLine<'_>, warnings: &mut Warnings<'_>) -> Option<&'l str> {
    let Ok(text) = std::str::from_utf8(&line.octets) else {
        warnings.push(line.number, "not in UTF-8: this line is ignored");
        return None;
    };
    if text.starts_with(|character: char| character.is_ascii_whitespace()) {
        warnings.push(
            line.number,
            format!("a blank in front continues the line before, and there is none: this line is ignored: {text:?}"),
        );
        return None;
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        let what = "a byte order mark stands in front, and what stands behind it is not what it looks like: save the file without";
        warnings.push(line.number, what);
    }
    Some(text.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u32, String)> {
        LogicalLines::new(text.as_bytes())
            .map(|line| (line.number, String::from_utf8(line.octets.into_owned()).unwrap()))
            .collect()
    }

    #[test]
    fn comments_do_not_end_a_line() {
        assert_eq!(
            lines("# c\n\nk1 a\n# c\n  b\n \n\tc\r\nk2 x"),
            [(3, "k1 a  b\tc".into()), (8, "k2 x".into())]
        );
        assert_eq!(lines("  k v\nz"), [(1, "  k v".into()), (2, "z".into())]);
        assert!(lines("\n \n # \n").is_empty());
    }

    #[test]
    fn warnings_are_counted_when_they_are_too_many() {
        let mut warnings = Warnings::new("access");
        (1..=1_000).for_each(|line| warnings.push(line, "no value"));
        let kept = warnings.finish();
        assert_eq!(kept.len(), WARNINGS_MAX + 1);
        assert_eq!(kept[0].to_string(), "access, line 1: no value");
        assert!(kept[WARNINGS_MAX].to_string().starts_with("access: 1000 lines"));
    }
}

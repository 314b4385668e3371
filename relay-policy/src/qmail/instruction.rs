//! The lines of a `.qmail` file, as dot-qmail(5) has them.

use super::items;

/// What a line says is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instruction<'t> {
    /// `|command`.
    Program(&'t str),
    /// `/path` or `./path`: an mbox file, or a Maildir where it ends in `/`.
    File(&'t str),
    /// `&address`, or an address alone.
    Forward(&'t str),
    /// `+word`: nothing is done, something is said.
    Word(&'t str),
}

impl<'t> Instruction<'t> {
    /// Of a line that is neither empty nor a comment.
    pub(super) fn parse(item: &'t str) -> Self {
        match item.as_bytes().first() {
            Some(b'|') => Self::Program(&item[1..]),
            Some(b'/' | b'.') => Self::File(item),
            Some(b'+') => Self::Word(&item[1..]),
            _ => Self::Forward(item.strip_prefix('&').unwrap_or(item).trim()),
        }
    }
}

/// The lines of a file that say something, by their numbers.
pub(super) fn instructions(text: &str) -> impl Iterator<Item = (usize, &str, Instruction<'_>)> {
    items(text).map(|(line, item)| (line, item, Instruction::parse(item)))
}

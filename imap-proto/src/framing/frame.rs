//! A command as the framer cuts it: lines and literals, uninterpreted.

use crate::types::Tag;
use alloc::vec::Vec;
use bytes::Bytes;

/// A piece of a command. Lines and literals alternate; the first and the last are lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fragment {
    /// A line without its ending and, if a literal follows, without the marker.
    Line(Bytes),
    /// A literal, collected.
    Literal(Bytes),
    /// A literal that was streamed past; its place.
    Streamed,
}

/// A complete command, not yet parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(pub(super) Vec<Fragment>);

impl Frame {
    /// The pieces, in order; at least one.
    pub fn fragments(&self) -> &[Fragment] {
        &self.0
    }

    /// Whether it is this line and nothing else, in any case: DONE is no command but comes as one.
    pub(crate) fn is_line(&self, text: &[u8]) -> bool {
        matches!(&self.0[..], [Fragment::Line(line)] if line.eq_ignore_ascii_case(text))
    }

    /// The tag, if the first line begins with one.
    pub fn tag(&self) -> Option<Tag> {
        match &self.0[..] {
            [Fragment::Line(line)] => Tag::new(line.split(|&c| c == b' ').next()?).ok(),
            // A literal follows, and `a{3}` is no tag.
            [Fragment::Line(line), ..] => tag_before_space(line),
            _ => None,
        }
    }
}

/// The tag of a line of which only the beginning is known.
pub(super) fn tag_before_space(line: &[u8]) -> Option<Tag> {
    let space = memchr::memchr(b' ', line)?;
    Tag::new(&line[..space]).ok()
}

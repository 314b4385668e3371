//! A command as the framer cuts it: lines and literals, uninterpreted.

use crate::types::Tag;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use zeroize::Zeroize as _;

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

/// A complete command, not yet parsed. What nobody shares of it is overwritten when it is dropped: all of it, while the framer
/// [keeps secrets](super::Framer::keep_secrets).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame(pub(super) Vec<Fragment>);

impl Drop for Frame {
    fn drop(&mut self) {
        for fragment in self.0.drain(..) {
            if let Fragment::Line(octets) | Fragment::Literal(octets) = fragment {
                overwrite(octets);
            }
        }
    }
}

/// Overwrites octets that nobody shares.
pub(crate) fn overwrite(octets: Bytes) {
    if let Ok(mut alone) = octets.try_into_mut() {
        alone[..].zeroize();
    }
}

/// A literal as it comes. Neither growing nor dropped it leaves a copy behind.
#[derive(Debug, Default)]
pub(super) struct Collected(BytesMut);

impl Collected {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn extend(&mut self, octets: &[u8]) {
        let needed = self.0.len() + octets.len();
        if needed > self.0.capacity() {
            let mut larger = BytesMut::with_capacity(needed.max(2 * self.0.len()));
            larger.extend_from_slice(&self.0);
            self.0[..].zeroize();
            self.0 = larger;
        }
        self.0.extend_from_slice(octets);
    }

    pub(super) fn finish(&mut self) -> Bytes {
        core::mem::take(&mut self.0).freeze()
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        self.0[..].zeroize();
    }
}

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

//! Message text in chunks of known size, without dots.
//!
//! SMTP's BDAT (RFC 3030 section 2): where a chunk ends is the caller's to know, every octet is text, and no octet
//! ends it. What a CR or an LF that stands alone is worth is judged as in a dotted text, over the borders of chunks.
//!
//! # Limits
//! The text's size, as for [`DotDecoder`]. Of a text one CR is held at most, until the octet behind it is known.

use super::DecodePolicy;
use super::decoder::{DotDecoder, DotEnd};
use super::scan::LineDots;
use bytes::{Buf, Bytes};

/// Judges one text. For the next text, make a new one.
#[derive(Debug, Clone)]
pub struct ChunkDecoder {
    text: DotDecoder,
    /// A CR has come in and not gone out: the next octet tells whether it stands alone.
    cr_waits: bool,
}

impl ChunkDecoder {
    /// A decoder at the start of a text of at most `octets_max` octets, as they are handed out.
    pub fn new(policy: DecodePolicy, octets_max: u64) -> Self {
        Self { text: DotDecoder::new(policy, octets_max), cr_waits: false }
    }

    /// See [`DotDecoder::ignoring_lines_up_to`].
    pub fn ignoring_lines_up_to(self, octets: u64) -> Self {
        Self { text: self.text.ignoring_lines_up_to(octets), ..self }
    }

    /// What the text has been like so far, without a CR that is not yet judged.
    pub fn seen(&self) -> &DotEnd {
        self.text.seen()
    }

    /// Takes octets of the text from the front of `octets` and gives what is to be handed out, never empty; `None` when
    /// all are taken.
    pub fn decode(&mut self, octets: &mut Bytes) -> Option<Bytes> {
        while !octets.is_empty() {
            let run = if core::mem::take(&mut self.cr_waits) {
                if octets.starts_with(b"\n") {
                    octets.advance(1);
                    Bytes::from_static(b"\r\n")
                } else {
                    Bytes::from_static(b"\r")
                }
            } else {
                self.cr_waits = octets.ends_with(b"\r");
                let mut run = core::mem::take(octets);
                run.truncate(run.len() - usize::from(self.cr_waits));
                run
            };
            let bare_eol = has_bare_eol(&run);
            let text = self.text.admit(run, bare_eol);
            if !text.is_empty() {
                return Some(text);
            }
        }
        None
    }

    /// Ends the text, whose last line need not be complete; gives what of it was held.
    pub fn finish(&mut self) -> Option<Bytes> {
        let held =
            core::mem::take(&mut self.cr_waits).then(|| self.text.admit(Bytes::from_static(b"\r"), true));
        self.text.measure_last_line();
        held.filter(|held| !held.is_empty())
    }
}

/// Whether a CR or an LF stands alone in a run.
fn has_bare_eol(run: &[u8]) -> bool {
    let mut dots = LineDots::default();
    while dots.next(run) < run.len() {}
    dots.parted()
}

//! The streaming dot encoder.
//!
//! RFC 5321 section 4.5.2 and RFC 1939 section 3: every line that begins with a dot gets a second one, the text
//! gets a final CR LF if it has none, and then comes the line that is a dot alone. Under each policy but
//! [`EncodePolicy::RepairLf`] no CR or LF leaves alone, whatever goes in.
//!
//! # Limits
//! What comes out is at most twice what went in, plus six octets.

use super::scan::LineDots;
use super::{BareEol, EncodePolicy};
use crate::output::OutBuf;

/// Encodes one text. For the next text, make a new one.
#[derive(Debug, Clone)]
pub struct DotEncoder {
    policy: EncodePolicy,
    at_line_start: bool,
    /// A CR has come in and not gone out: the next octet tells whether it stands alone.
    cr_waits: bool,
}

impl DotEncoder {
    /// An encoder at the start of a text.
    pub fn new(policy: EncodePolicy) -> Self {
        Self { policy, at_line_start: true, cr_waits: false }
    }

    /// Encodes the next octets of the text.
    ///
    /// # Errors
    /// [`BareEol`] under [`EncodePolicy::Refuse`]. Part of the text is out by then and must not be terminated:
    /// what is left is to close the connection. A caller that wants to know before checks before.
    pub fn encode(&mut self, text: &[u8], out: &mut OutBuf) -> Result<(), BareEol> {
        let mut rest = text;
        if self.cr_waits && !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b"\n") {
                self.end_line(out);
                rest = after;
            } else {
                self.bare_cr(out)?;
            }
        }
        out.reserve(rest.len());
        rest = self.lines(rest, out);
        while !rest.is_empty() {
            let at = match memchr::memchr2(b'\r', b'\n', rest) {
                Some(at) => at,
                None => rest.len(),
            };
            self.octets(&rest[..at], out);
            rest = match &rest[at..] {
                [b'\r', b'\n', after @ ..] => {
                    self.end_line(out);
                    after
                }
                [b'\r'] => {
                    self.cr_waits = true;
                    &[]
                }
                [b'\r', after @ ..] => {
                    self.bare_cr(out)?;
                    after
                }
                [b'\n', after @ ..] => {
                    if self.policy == EncodePolicy::Refuse {
                        return Err(BareEol::Lf);
                    }
                    self.end_line(out);
                    after
                }
                end => end,
            };
        }
        Ok(())
    }

    /// Ends the text: completes its last line and writes the terminator.
    ///
    /// # Errors
    /// [`BareEol`] when the text ended in a CR, under [`EncodePolicy::Refuse`].
    pub fn finish(mut self, out: &mut OutBuf) -> Result<(), BareEol> {
        if self.cr_waits {
            self.bare_cr(out)?;
        }
        if !self.at_line_start {
            self.end_line(out);
        }
        out.extend(b".\r\n");
        Ok(())
    }

    /// Encodes as far as no CR and no LF stands alone, which is most text to its end; returns what it left.
    fn lines<'a>(&mut self, text: &'a [u8], out: &mut OutBuf) -> &'a [u8] {
        let last_cr = usize::from(text.last() == Some(&b'\r'));
        let whole = &text[..text.len() - last_cr];
        crate::prefetch::touch(whole);
        let mut dots = LineDots::default();
        let mut done = 0;
        while done < whole.len() {
            let dot = dots.next(whole);
            if dots.parted() {
                break;
            }
            self.octets(&whole[done..dot], out);
            self.at_line_start = whole[dot - 1] == b'\n';
            done = dot;
        }
        &text[done..]
    }

    /// Octets of which none but the first may be a dot at the start of a line.
    fn octets(&mut self, octets: &[u8], out: &mut OutBuf) {
        if octets.is_empty() {
            return;
        }
        if self.at_line_start && octets.starts_with(b".") {
            out.extend(b".");
        }
        self.at_line_start = false;
        out.extend(octets);
    }

    fn end_line(&mut self, out: &mut OutBuf) {
        self.at_line_start = true;
        self.cr_waits = false;
        out.extend(b"\r\n");
    }

    fn bare_cr(&mut self, out: &mut OutBuf) -> Result<(), BareEol> {
        self.cr_waits = false;
        match self.policy {
            EncodePolicy::Refuse => return Err(BareEol::Cr),
            EncodePolicy::Repair => self.octets(b" ", out),
            EncodePolicy::RepairLf => self.octets(b"\r", out),
        }
        Ok(())
    }
}

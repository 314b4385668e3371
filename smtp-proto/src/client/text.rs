//! The octets of a message as they may leave.
//!
//! RFC 5321 section 2.3.8 (CR and LF only together), section 4.5.3.1.6 (the length of lines), RFC 6152 (octets over 127
//! only where 8BITMIME was declared), RFC 6531 section 3.6 (and in the header, where SMTPUTF8 was), RFC 3030 section 3 (anything at all only where BINARYMIME was). The rules are the
//! same for DATA and for BDAT, and the message that arrives is the same whichever way it goes.
//!
//! # Departures
//! RFC 5321 section 4.1.1.4 has DATA complete a last line that has no CR LF; BDAT does it likewise, but for BINARYMIME.

use super::config::{ClientConfig, LongLines};
use crate::parameter::{BodyKind, MailParameters};
use proto_core::dot::{BareEol, EncodePolicy};

/// Why octets of a message are not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// No message is due: wait for [`ClientEvent::SendBody`](super::ClientEvent::SendBody). Or it is due no longer,
    /// since the server has refused it meanwhile: [`ClientEvent::Done`](super::ClientEvent::Done) tells.
    #[error("no message is due")]
    NotDue,
    /// A CR or an LF stands alone. The session ends, since what was sent must not be terminated.
    #[error("{0} in the message")]
    BareLineEnd(BareEol),
    /// Octets over 127, though the envelope said 7BIT; with SMTPUTF8 the header may have them. The session ends likewise.
    #[error("8-bit octets in a message declared 7BIT")]
    EightBit,
    /// A NUL, though the envelope did not say BINARYMIME. The session ends likewise.
    #[error("NUL in the message")]
    Nul,
    /// A line of more than 998 octets besides its CR LF, under [`LongLines::Refuse`]. The session ends likewise.
    #[error("a line of the message is too long")]
    LongLine,
}

/// Checks a message, and repairs its line ends where that is configured, piece by piece.
#[derive(Debug)]
pub(super) struct Text {
    kind: BodyKind,
    /// This is the header of a message with SMTPUTF8.
    utf8: bool,
    bare_line_ends: EncodePolicy,
    long_lines: LongLines,
    /// Octets of the line that is under way.
    line_octets: usize,
    /// A CR has come in and not gone out: the next octet tells whether it stands alone.
    cr_waits: bool,
}

impl Text {
    pub(super) const fn new(parameters: &MailParameters, config: &ClientConfig) -> Self {
        Self {
            kind: parameters.body,
            utf8: parameters.smtp_utf8,
            bare_line_ends: config.bare_line_ends,
            long_lines: config.long_lines,
            line_octets: 0,
            cr_waits: false,
        }
    }

    /// How many octets may come out of each that goes in.
    pub(super) fn growth_max(&self) -> usize {
        let as_it_is = self.kind == BodyKind::BinaryMime || self.bare_line_ends == EncodePolicy::Refuse;
        if as_it_is { 1 } else { 2 }
    }

    /// Hands the next octets on to `out`, in which no CR and no LF stands alone, unless the message is binary. At most
    /// twice as many come out, and one more.
    pub(super) fn pass(&mut self, octets: &[u8], mut out: impl FnMut(&[u8])) -> Result<(), BodyFault> {
        if self.kind == BodyKind::BinaryMime {
            out(octets);
            return Ok(());
        }
        if !self.utf8 {
            self.check_ascii(octets)?;
        }
        if memchr::memchr(0, octets).is_some() {
            return Err(BodyFault::Nul);
        }
        let mut rest = octets;
        if self.cr_waits && !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b"\n") {
                out(b"\r\n");
                self.end_line(after)?;
                rest = after;
            } else {
                self.bare_cr(&mut out)?;
            }
        }
        let (mut passed, mut at) = (0, 0);
        while let Some(found) = memchr::memchr2(b'\r', b'\n', &rest[at..]).map(|found| at + found) {
            self.lengthen(found - at)?;
            if rest[found..].starts_with(b"\r\n") {
                at = found + 2;
                self.end_line(&rest[at..])?;
                continue;
            }
            out(&rest[passed..found]);
            at = found + 1;
            passed = at;
            if rest[found] == b'\n' {
                self.bare_lf(&rest[at..], &mut out)?;
            } else if at == rest.len() {
                self.cr_waits = true;
            } else {
                self.bare_cr(&mut out)?;
            }
        }
        self.lengthen(rest.len() - at)?;
        out(&rest[passed..]);
        Ok(())
    }

    /// The message is complete.
    pub(super) fn finish(&mut self, mut out: impl FnMut(&[u8])) -> Result<(), BodyFault> {
        if self.cr_waits {
            self.bare_cr(&mut out)?;
        }
        if self.line_octets > 0 {
            out(b"\r\n");
        }
        Ok(())
    }

    fn lengthen(&mut self, octets: usize) -> Result<(), BodyFault> {
        self.line_octets += octets;
        if self.line_octets > LINE_BYTES_MAX && self.long_lines == LongLines::Refuse {
            return Err(BodyFault::LongLine);
        }
        Ok(())
    }

    /// The line is complete; `after` follows. A line without octets ends the header.
    fn end_line(&mut self, after: &[u8]) -> Result<(), BodyFault> {
        self.cr_waits = false;
        let is_empty = core::mem::take(&mut self.line_octets) == 0;
        if is_empty && core::mem::take(&mut self.utf8) { self.check_ascii(after) } else { Ok(()) }
    }

    fn check_ascii(&self, octets: &[u8]) -> Result<(), BodyFault> {
        if self.kind == BodyKind::SevenBit && !octets.is_ascii() { Err(BodyFault::EightBit) } else { Ok(()) }
    }

    fn bare_lf(&mut self, after: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), BodyFault> {
        if self.bare_line_ends == EncodePolicy::Refuse {
            return Err(BodyFault::BareLineEnd(BareEol::Lf));
        }
        out(b"\r\n");
        self.end_line(after)
    }

    fn bare_cr(&mut self, out: &mut impl FnMut(&[u8])) -> Result<(), BodyFault> {
        if self.bare_line_ends == EncodePolicy::Refuse {
            return Err(BodyFault::BareLineEnd(BareEol::Cr));
        }
        self.cr_waits = false;
        out(b" ");
        self.lengthen(1)
    }
}

/// RFC 5321 section 4.5.3.1.6, without CR LF.
const LINE_BYTES_MAX: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn run(kind: BodyKind, policy: EncodePolicy, pieces: &[&[u8]]) -> Result<Vec<u8>, BodyFault> {
        run_with(&MailParameters { body: kind, ..Default::default() }, policy, pieces)
    }

    fn run_with(
        parameters: &MailParameters,
        policy: EncodePolicy,
        pieces: &[&[u8]],
    ) -> Result<Vec<u8>, BodyFault> {
        let mut config = ClientConfig::new("c").unwrap();
        config.bare_line_ends = policy;
        config.long_lines = LongLines::Refuse;
        let mut text = Text::new(parameters, &config);
        let mut out = Vec::new();
        for piece in pieces {
            text.pass(piece, |octets| out.extend_from_slice(octets))?;
        }
        text.finish(|octets| out.extend_from_slice(octets))?;
        Ok(out)
    }

    #[test]
    fn what_may_leave() {
        use BodyKind::{BinaryMime, EightBitMime, SevenBit};
        use EncodePolicy::{Refuse, Repair};
        let long = [&[b'x'; 999][..], b"\r\n"].concat();
        for (kind, policy, text, expected) in [
            (SevenBit, Refuse, &b"a\r\nb"[..], Ok(&b"a\r\nb\r\n"[..])),
            (SevenBit, Refuse, b"", Ok(b"")),
            (SevenBit, Refuse, b"\r\n", Ok(b"\r\n")),
            (SevenBit, Refuse, b"a\nb", Err(BodyFault::BareLineEnd(BareEol::Lf))),
            (SevenBit, Refuse, b"a\rb", Err(BodyFault::BareLineEnd(BareEol::Cr))),
            (SevenBit, Refuse, b"a\r", Err(BodyFault::BareLineEnd(BareEol::Cr))),
            (SevenBit, Repair, b"a\n\nb\r\r\nc\r", Ok(b"a\r\n\r\nb \r\nc \r\n")),
            (SevenBit, Refuse, b"\x80", Err(BodyFault::EightBit)),
            (EightBitMime, Refuse, b"\x80", Ok(b"\x80\r\n")),
            (EightBitMime, Repair, b"a\0b", Err(BodyFault::Nul)),
            (BinaryMime, Refuse, b"\0\r\x80\n", Ok(b"\0\r\x80\n")),
            (SevenBit, Refuse, &long, Err(BodyFault::LongLine)),
            (SevenBit, Refuse, &long[1..], Ok(&long[1..])),
            (BinaryMime, Refuse, &long, Ok(&long)),
        ] {
            assert_eq!(run(kind, policy, &[text]).as_deref(), expected.as_ref().copied(), "{text:?}");
        }
    }

    #[test]
    fn with_smtp_utf8_a_header_may_be_utf8_and_the_body_as_declared() {
        let parameters = MailParameters { smtp_utf8: true, ..Default::default() };
        for (text, expected) in [
            ("Subject: é\r\n\r\na\r\n", Ok(())),
            ("Subject: é\r\n\r\né\r\n", Err(BodyFault::EightBit)),
            ("Subject: é\n\na\né", Err(BodyFault::EightBit)),
            ("\r\né", Err(BodyFault::EightBit)),
        ] {
            let whole = run_with(&parameters, EncodePolicy::Repair, &[text.as_bytes()]);
            let octets: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(whole, run_with(&parameters, EncodePolicy::Repair, &octets), "{text:?}");
            assert_eq!(whole.map(drop), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter_and_nothing_bare_leaves(
            text in prop::collection::vec(prop::sample::select(b"\r\r\n\n.a".to_vec()), 0..24),
            cut in 0usize..24,
            refuse: bool,
        ) {
            let policy = if refuse { EncodePolicy::Refuse } else { EncodePolicy::Repair };
            let whole = run(BodyKind::SevenBit, policy, &[&text]);
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(&whole, &run(BodyKind::SevenBit, policy, &[head, tail]));
            prop_assert_eq!(&whole, &run(BodyKind::SevenBit, policy, &text.chunks(1).collect::<Vec<_>>()));
            if let Ok(out) = whole {
                let pairs = out.windows(2).filter(|pair| pair == b"\r\n").count();
                prop_assert_eq!(out.iter().filter(|b| **b == b'\r').count(), pairs);
                prop_assert_eq!(out.iter().filter(|b| **b == b'\n').count(), pairs);
                prop_assert!(out.len() <= 2 * text.len() + 2);
                prop_assert!(out.is_empty() || out.ends_with(b"\r\n"));
            } else {
                prop_assert!(refuse);
            }
        }
    }
}

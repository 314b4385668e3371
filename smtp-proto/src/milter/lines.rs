//! The lines of a new body, put right as they come.

use alloc::vec::Vec;

/// Puts the line ends of a new body right: an LF alone becomes CR LF, which Sendmail and Postfix make of it, too, and a CR
/// alone a space, as elsewhere where text is put right ([`DecodePolicy::Normalize`](proto_core::DecodePolicy::Normalize)).
/// The last line is ended.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// A CR has come, and what it belongs to is not known.
    held: bool,
    /// The last line has no end.
    open: bool,
}

impl Lines {
    /// The octets of a piece.
    pub(super) fn push(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut right = Vec::with_capacity(octets.len() + 1);
        for octet in octets {
            let is_held = core::mem::replace(&mut self.held, *octet == b'\r');
            match octet {
                b'\n' => right.extend_from_slice(b"\r\n"),
                _ if is_held => right.push(b' '),
                _ => {}
            }
            if !matches!(octet, b'\r' | b'\n') {
                right.push(*octet);
            }
            self.open = *octet != b'\n';
        }
        right
    }

    /// What is missing at the end, and begins anew.
    pub(super) fn end(&mut self) -> &'static [u8] {
        match core::mem::take(self) {
            Self { held: false, open: false } => b"",
            // What was held ended the last line, but for its LF.
            Self { .. } => b"\r\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_right_at_every_cut() {
        for (body, expected) in [
            (&b""[..], &b""[..]),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a\nb", b"a\r\nb\r\n"),
            (b"\n\n\r\n", b"\r\n\r\n\r\n"),
            (b"a\rb\r\r\n", b"a b \r\n"),
            (b"a\r", b"a\r\n"),
            (b"a\n\r", b"a\r\n\r\n"),
            (b"\0\xff", b"\0\xff\r\n"),
        ] {
            for cut in 1..=body.len().max(1) {
                let mut lines = Lines::default();
                let mut right: Vec<u8> = body.chunks(cut).flat_map(|piece| lines.push(piece)).collect();
                right.extend_from_slice(lines.end());
                assert_eq!(right, expected, "{} cut {cut}", body.escape_ascii());
                assert_eq!(lines.end(), b"", "it begins anew");
            }
        }
    }
}

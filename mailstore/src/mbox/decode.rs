//! [`Decoder`]: a message as an mbox holds it, into a message as it is sent; the inverse of
//! [`encode`](super::encode).
//!
//! Lines end in CRLF, whatever ends them in the file; the mailbox's own fields are left out; quoted lines are restored
//! as [`Unquote`] says.

use super::held::{Held, Judged};
use super::lines::FROM;

/// Which quoted lines of a message are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unquote {
    /// None: they were not quoted.
    Never,
    /// Those with one `>` (mboxo).
    One,
    /// All (mboxrd, mboxcl).
    Any,
}

impl Unquote {
    /// Whether a line with so many `>` before `From ` loses one.
    pub(super) fn takes(self, quotes: u64) -> bool {
        match self {
            Unquote::Never => false,
            Unquote::One => quotes == 1,
            Unquote::Any => quotes > 0,
        }
    }
}

/// Turns one message, from behind its `From_` line to its end. Octets go in in pieces of any size.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    unquote: Unquote,
    in_header: bool,
    line: Position,
    held: Held,
    last: u8,
}

/// Where in a line we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In the part of a header line that is not judged yet.
    Head,
    /// Behind so many `>`, one of which has not been shown, and so many octets of `From `.
    Quoted {
        quotes: u64,
        matched: usize,
    },
    Rest,
    Hidden,
}

const BEGINNING: Position = Position::Quoted { quotes: 0, matched: 0 };

impl Decoder {
    pub(super) fn new(unquote: Unquote) -> Self {
        Self { unquote, in_header: true, line: Position::Head, held: Held::default(), last: b'\n' }
    }

    /// Takes the next octets; what they become is put behind `out`.
    pub(super) fn write(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while !octets.is_empty() {
            let end = memchr::memchr(b'\n', octets);
            let (text, rest) = octets.split_at(end.unwrap_or(octets.len()));
            self.text(text, out);
            octets = rest;
            if end.is_some() {
                self.line_end(out);
                octets = &rest[1..];
            }
        }
    }

    /// Ends the message: shows what was held back. Nothing comes of doing it twice.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.line == Position::Head && !self.held.is_empty() {
            let judged = self.held.end();
            self.begin(&judged, out);
        }
        self.settle(out);
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut left = text;
        if self.line == Position::Head {
            let Some((judged, rest)) = self.held.take(left) else { return };
            self.begin(&judged, out);
            left = rest;
        }
        self.shown(left, out);
    }

    /// A header line, or what there is of it, is known to be shown or not.
    fn begin(&mut self, judged: &Judged, out: &mut Vec<u8>) {
        self.line = if judged.is_hidden { Position::Hidden } else { BEGINNING };
        self.shown(&judged.head, out);
    }

    fn shown(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut left = text;
        while let (Position::Quoted { quotes, matched }, [octet, rest @ ..]) = (self.line, left) {
            if *octet == b'>' && matched == 0 {
                if quotes > 0 {
                    self.push(b">", out);
                }
                self.line = Position::Quoted { quotes: quotes + 1, matched };
            } else if *octet == FROM[matched] && (matched > 0 || quotes > 0) {
                if matched + 1 == FROM.len() {
                    if !self.unquote.takes(quotes) {
                        self.push(b">", out);
                    }
                    self.push(FROM, out);
                    self.line = Position::Rest;
                } else {
                    self.line = Position::Quoted { quotes, matched: matched + 1 };
                }
            } else {
                self.settle(out);
                continue;
            }
            left = rest;
        }
        if self.line == Position::Rest {
            self.push(left, out);
        }
    }

    /// Shows what was held back to see whether the line is quoted: it is not.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if let Position::Quoted { quotes, matched } = self.line {
            if quotes > 0 {
                self.push(b">", out);
            }
            self.push(&FROM[..matched], out);
            self.line = Position::Rest;
        }
    }

    fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if let Some(last) = octets.last() {
            self.last = *last;
            out.extend_from_slice(octets);
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        if self.line == Position::Head {
            self.in_header = !self.held.is_blank();
            let judged = self.held.end();
            self.begin(&judged, out);
        }
        self.settle(out);
        if self.line != Position::Hidden {
            if self.last != b'\r' {
                out.push(b'\r');
            }
            self.push(b"\n", out);
        }
        self.line = if self.in_header { Position::Head } else { BEGINNING };
    }
}

#[cfg(test)]
mod tests {
    use super::super::MboxFormat;
    use super::super::encode::Encoder;
    use super::*;
    use proptest::prelude::*;

    fn encode(format: MboxFormat, message: &[u8], cut: usize) -> Vec<u8> {
        let measure = |body_bytes| {
            let mut encoder = Encoder::new(format, b"X-UID: 1\nStatus: O\n".to_vec(), body_bytes);
            let mut out = Vec::new();
            for piece in message.chunks(cut.max(1)) {
                encoder.write(piece, &mut out);
            }
            (encoder.finish(&mut out), out)
        };
        let (body_bytes, first) = measure(0);
        let (again, out) = measure(body_bytes);
        assert_eq!((again, out.len()), (body_bytes, first.len()));
        out
    }

    fn decode(unquote: Unquote, stored: &[u8], cut: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(unquote);
        let mut out = Vec::new();
        for piece in stored.chunks(cut.max(1)) {
            decoder.write(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    /// Without the blank line behind it.
    fn content(stored: &[u8]) -> &[u8] {
        stored.strip_suffix(b"\n").unwrap()
    }

    const BLOCK: &str = "X-UID: 1\nStatus: O\n";

    /// What a message becomes in each format; `+` stands where the block is put.
    #[test]
    fn messages_as_they_are_stored() {
        for (message, o, rd, cl2) in [
            ("A: b\r\n\r\nx\r\n", "A: b\n+\nx\n\n", "A: b\n+\nx\n\n", "A: b\n+\nx\n\n"),
            ("A: b\r\n\r\nFrom x\r\n", "A: b\n+\n>From x\n\n", "A: b\n+\n>From x\n\n", "A: b\n+\nFrom x\n\n"),
            ("\r\n>From x\r\n", "+\n>From x\n\n", "+\n>>From x\n\n", "+\n>From x\n\n"),
            ("\r\n>>From x\r\n", "+\n>>From x\n\n", "+\n>>>From x\n\n", "+\n>>From x\n\n"),
            (
                "\r\nFrom\r\nFrom: x\r\nfrom x\r\n From x\r\n",
                "=",
                "+\nFrom\nFrom: x\nfrom x\n From x\n\n",
                "=",
            ),
            ("\r\n>Fro\r\n>\r\n>>\r\nFr", "=", "+\n>Fro\n>\n>>\nFr\n\n", "="),
            ("A: b\r\n", "=", "A: b\n+\n", "="),
            ("A: b\r\n\r\n", "=", "A: b\n+\n\n", "="),
            ("", "=", "+\n", "="),
            ("\r\n", "=", "+\n\n", "="),
            ("A: b", "=", "A: b\n+\n", "="),
            ("A: b\r\n\r\nx", "=", "A: b\n+\nx\n\n", "="),
            ("Status: RO\r\nA: b\r\n\r\nx\r\n", "=", "A: b\n+\nx\n\n", "="),
            (
                "A: b\r\nX-UID: 5\r\n folded\r\nC: d\r\n e\r\n\r\nStatus: x\r\n",
                "=",
                "A: b\nC: d\n e\n+\nStatus: x\n\n",
                "=",
            ),
            ("content-length: 9\r\nX-IMAP : 1 2\r\n\r\n", "=", "+\n\n", "="),
            ("X-UIDL: 9\r\nStatus\r\n\r\n", "=", "X-UIDL: 9\nStatus\n+\n\n", "="),
            (" odd\r\n\r\n", "=", " odd\n+\n\n", "="),
            (
                "From x Sun\r\nA: b\r\n\r\n",
                ">From x Sun\nA: b\n+\n\n",
                ">From x Sun\nA: b\n+\n\n",
                "From x Sun\nA: b\n+\n\n",
            ),
            ("A: b\r\n\r\na\rb\r\r\n\r\r\n\r\n\nc\r\n", "=", "A: b\n+\na\rb\r\r\n\r\r\n\n\nc\n\n", "="),
        ] {
            let formats = [(MboxFormat::Mboxo, o), (MboxFormat::Mboxrd, rd), (MboxFormat::Mboxcl2, cl2)];
            for (format, expected) in formats {
                let expected = if expected == "=" { rd } else { expected };
                for cut in [1, 2, 3, 5, 1000] {
                    let stored = encode(format, message.as_bytes(), cut);
                    let mut text = String::from_utf8(stored).unwrap().replace(BLOCK, "+");
                    if let Some(at) = text.find("Content-Length: ") {
                        let end = at + text[at..].find('\n').unwrap() + 1;
                        let body = text.find("+\n").unwrap() + 2;
                        let told: usize = text[at + 16..end].trim().parse().unwrap();
                        assert_eq!(told, text.len() - 1 - body, "{text:?}");
                        text.replace_range(at..end, "");
                    }
                    assert_eq!(text, expected, "{format:?} {message:?} in pieces of {cut}");
                }
            }
        }
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let line = prop::sample::select(vec![
            "From a Sun Nov 22 14:13:11 2026",
            ">From ",
            ">>From x",
            "From",
            ">",
            "",
            "Subject: x",
            " folded",
            "\r",
            "a\rb",
            "Fro",
            "Status of things",
        ]);
        prop::collection::vec(line, 0..12)
            .prop_map(|lines| lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect())
    }

    proptest! {
        #[test]
        fn what_is_reversible_comes_back(message in lines(), cut in 1_usize..9) {
            for (format, unquote) in [
                (MboxFormat::Mboxrd, Unquote::Any),
                (MboxFormat::Mboxcl, Unquote::Any),
                (MboxFormat::Mboxcl2, Unquote::Never),
            ] {
                let stored = encode(format, &message, cut);
                prop_assert_eq!(decode(unquote, content(&stored), cut), &message[..], "{:?}", format);
            }
        }

        #[test]
        fn mboxo_comes_back_but_for_what_was_quoted_before(message in lines(), cut in 1_usize..9) {
            let stored = encode(MboxFormat::Mboxo, &message, cut);
            let expected = String::from_utf8(message).unwrap().replace("\r\n>From ", "\r\nFrom ");
            let expected = expected.strip_prefix(">From ").map_or(expected.clone(), |rest| format!("From {rest}"));
            let decoded = decode(Unquote::One, content(&stored), cut);
            prop_assert_eq!(String::from_utf8(decoded).unwrap(), expected);
        }

        #[test]
        fn however_octets_are_cut_the_same_comes_out(octets in prop::collection::vec(prop::sample::select(b"From >\r\nStatus: ".to_vec()), 0..60), cut in 1_usize..7) {
            prop_assert_eq!(encode(MboxFormat::Mboxrd, &octets, cut), encode(MboxFormat::Mboxrd, &octets, 1000));
            prop_assert_eq!(decode(Unquote::Any, &octets, cut), decode(Unquote::Any, &octets, 1000));
        }
    }
}

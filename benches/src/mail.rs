//! Messages that look like mail: a header, then text or an attachment in base64; always the same octets.

/// What a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines of text of all lengths up to 76, one in fifty with a dot at its start.
    Text,
    /// The same with one in a thousand. Of real mail it is fewer still: 3 lines of the 12,156 of the public messages that the
    /// tests use.
    FewDots,
    /// Full lines of base64: what most octets of mail are.
    Base64,
    /// Every line is a dot and a letter: the worst that a dot codec can be given.
    Dots,
}

impl Kind {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Kind); 4] =
        [("text", Kind::Text), ("few dots", Kind::FewDots), ("base64", Kind::Base64), ("dots", Kind::Dots)];
}

/// A message of at least `octets` octets and at most one line more, CR LF line ends, decoded.
pub fn message(kind: Kind, octets: usize) -> Vec<u8> {
    let mut message = HEADER.to_vec();
    message.reserve(octets + LINE_OCTETS_MAX);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    while message.len() < octets {
        match kind {
            Kind::Text | Kind::FewDots => {
                let draw = random.next();
                if draw.is_multiple_of(if kind == Kind::Text { 50 } else { 1000 }) {
                    message.push(b'.');
                }
                let len = (draw >> 8) as usize % 76;
                let from = (draw >> 16) as usize % (PROSE.len() - len);
                message.extend_from_slice(&PROSE[from..from + len]);
            }
            Kind::Base64 => {
                message.extend((0..76).map(|_| BASE64[random.next() as usize % BASE64.len()]));
            }
            Kind::Dots => message.extend_from_slice(b".x"),
        }
        message.extend_from_slice(b"\r\n");
    }
    message
}

const LINE_OCTETS_MAX: usize = 79;

const HEADER: &[u8] = b"Received: from mail.example.net (mail.example.net [192.0.2.1])\r\n\
    \tby mx.example.test with ESMTPS id 4XyzAB;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n\
    From: Alice Example <alice@example.net>\r\nTo: Bob <bob@example.test>, carol@example.test\r\n\
    Subject: The figures of the last quarter\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\
    Message-ID: <20260101000000.1@example.net>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n";

const PROSE: &[u8] = b"It was agreed in the end that the letters would be carried by whoever went that way, and that \
    nobody need ask the sender what was in them; a box was put up beside the door for those which could wait.";

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Marsaglia's xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

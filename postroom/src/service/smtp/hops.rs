//! How often a message was passed on already: what ends a mail loop.
//!
//! RFC 5321 section 6.3: the `Received:` fields are counted, and a message with too many of them is refused.
//!
//! # Limits
//! A count and a place in a line; a message costs nothing else.

/// More `Received:` fields than this are a loop: the RFC asks for a limit of at least 100.
pub(super) const RECEIVED_MAX: u32 = 100;

const FIELD: &[u8] = b"received";

/// Counts the `Received:` fields of a header that comes in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hops {
    received: u32,
    at: At,
}

/// Where in the header the next octet stands.
#[derive(Debug, Clone, Copy)]
enum At {
    /// After so many octets of [`FIELD`], the first of a line.
    Name(usize),
    /// After the field's name, in the white space that old mail has before the colon.
    BeforeColon,
    /// After a CR that began a line.
    EmptyLine,
    /// In a line that no longer matters.
    Rest,
    /// In the body.
    Body,
}

impl Default for At {
    fn default() -> Self {
        Self::Name(0)
    }
}

impl Hops {
    /// Looks at the next octets.
    pub(super) fn look(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.at = match (self.at, octet) {
                (At::Body, _) => return,
                (At::Name(0) | At::EmptyLine, b'\n') => At::Body,
                (_, b'\n') => At::Name(0),
                (At::Name(0), b'\r') => At::EmptyLine,
                (At::Name(n), octet) if FIELD.get(n) == Some(&octet.to_ascii_lowercase()) => At::Name(n + 1),
                (At::Name(n), b' ' | b'\t') if n == FIELD.len() => At::BeforeColon,
                (At::BeforeColon, b' ' | b'\t') => At::BeforeColon,
                (At::Name(n), b':') if n == FIELD.len() => self.found(),
                (At::BeforeColon, b':') => self.found(),
                _ => At::Rest,
            };
        }
    }

    fn found(&mut self) -> At {
        self.received = self.received.saturating_add(1);
        At::Rest
    }

    /// Whether the message goes round and round.
    pub(super) const fn is_loop(&self) -> bool {
        self.received > RECEIVED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_fields_are_counted_across_any_cut() {
        let message =
            b"Received: a\r\n\tReceived: folded\r\nRECEIVED : b\r\nReceivedx: c\r\nX-Received: d\r\n\
            Rec\r\nreceived:\r\nSubject: x\r\n\r\nReceived: body\r\n";
        for cut in 0..message.len() {
            let mut hops = Hops::default();
            hops.look(&message[..cut]);
            hops.look(&message[cut..]);
            assert_eq!(hops.received, 3, "{cut}");
        }
    }

    #[test]
    fn a_header_may_end_at_a_bare_line_feed() {
        let mut hops = Hops::default();
        hops.look(b"Received: a\n\nReceived: b\n");
        assert_eq!(hops.received, 1);
    }
}

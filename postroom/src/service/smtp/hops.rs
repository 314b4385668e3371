//! How often a message was passed on already, and to whom it was delivered: what ends a mail loop.
//!
//! RFC 5321 section 6.3: the `Received:` fields are counted, and a message with too many of them is refused. RFC 9228: a
//! `Delivered-To:` field names whom a message was delivered to on its way; one that comes back to the same recipient would
//! come back for ever.
//!
//! # Limits
//! A count, a place in a line, and of a `Delivered-To:` field [`ADDRESS_BYTES_MAX`] octets; a message costs nothing else.

use super::message::Transaction;

/// More `Received:` fields than this are a loop: the RFC asks for a limit of at least 100.
pub(super) const RECEIVED_MAX: u32 = 100;

/// The longest address that is compared (RFC 5321 section 4.5.3.1 allows 64 octets, `@` and 255), with some room for quotes.
const ADDRESS_BYTES_MAX: usize = 400;

/// The fields that are looked at. Their first letters differ.
const FIELDS: [(&[u8], Field); 2] = [(b"received", Field::Received), (b"delivered-to", Field::DeliveredTo)];

#[derive(Debug, Clone, Copy)]
enum Field {
    Received,
    DeliveredTo,
}

/// Looks at a header that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Hops {
    received: u32,
    at: At,
    /// What stands in the `Delivered-To:` field so far.
    address: Vec<u8>,
    /// The recipient who had the message before.
    again: Option<String>,
}

/// Where in the header the next octet stands.
#[derive(Debug, Clone, Copy, Default)]
enum At {
    /// The first of a line.
    #[default]
    LineStart,
    /// After so many octets of the name of one of [`FIELDS`].
    Name(usize, usize),
    /// After a CR that began a line.
    EmptyLine,
    /// In a `Delivered-To:` field.
    Address,
    /// In a line that no longer matters.
    Rest,
    /// In the body.
    Body,
}

impl Hops {
    /// Looks at the next octets.
    pub(super) fn look(&mut self, octets: &[u8], transaction: Option<&Transaction>) {
        for &octet in octets {
            self.at = match (self.at, octet) {
                (At::Body, _) => return,
                (At::LineStart | At::EmptyLine, b'\n') => At::Body,
                (At::Address, b'\n') => {
                    self.delivered(transaction);
                    At::LineStart
                }
                (_, b'\n') => At::LineStart,
                (At::LineStart, b'\r') => At::EmptyLine,
                (At::LineStart, octet) => {
                    let begins = |(name, _): &(&[u8], Field)| name[0] == octet.to_ascii_lowercase();
                    FIELDS.iter().position(begins).map_or(At::Rest, |field| At::Name(field, 1))
                }
                (At::Name(field, n), octet) => {
                    let (name, kind) = FIELDS[field];
                    match name.get(n) {
                        Some(next) if *next == octet.to_ascii_lowercase() => At::Name(field, n + 1),
                        // Old mail has white space before the colon.
                        None if matches!(octet, b' ' | b'\t') => At::Name(field, n),
                        None if octet == b':' => self.found(kind),
                        _ => At::Rest,
                    }
                }
                (At::Address, octet) => {
                    if self.address.len() <= ADDRESS_BYTES_MAX {
                        self.address.push(octet);
                    }
                    At::Address
                }
                (At::EmptyLine | At::Rest, _) => At::Rest,
            };
        }
    }

    fn found(&mut self, field: Field) -> At {
        match field {
            Field::Received => {
                self.received = self.received.saturating_add(1);
                At::Rest
            }
            Field::DeliveredTo => {
                self.address.clear();
                At::Address
            }
        }
    }

    /// A `Delivered-To:` field is whole.
    fn delivered(&mut self, transaction: Option<&Transaction>) {
        let Ok(address) = str::from_utf8(&self.address) else { return };
        let address = address.trim();
        if self.again.is_none() && transaction.is_some_and(|transaction| transaction.delivers_to(address)) {
            self.again = Some(address.into());
        }
    }

    /// Whether the message goes round and round.
    pub(super) const fn is_loop(&self) -> bool {
        self.received > RECEIVED_MAX
    }

    /// The recipient to whom it was delivered before.
    pub(super) fn again(&self) -> Option<&str> {
        self.again.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::spool::Recipient;
    use proto_core::address::ReversePath;
    use relay_policy::access::Effects;

    #[test]
    fn received_fields_are_counted_across_any_cut() {
        let message =
            b"Received: a\r\n\tReceived: folded\r\nRECEIVED : b\r\nReceivedx: c\r\nX-Received: d\r\n\
            Rec\r\nreceived:\r\nSubject: x\r\n\r\nReceived: body\r\n";
        for cut in 0..message.len() {
            let mut hops = Hops::default();
            hops.look(&message[..cut], None);
            hops.look(&message[cut..], None);
            assert_eq!(hops.received, 3, "{cut}");
        }
    }

    #[test]
    fn who_had_it_before_is_known_across_any_cut() {
        let mut transaction = Transaction::new(&ReversePath::Null, None, Effects::default());
        transaction.add(vec![Recipient::new("Bob@example.test")]).unwrap();
        let message = format!(
            "X-Delivered-To: bob@example.test\r\ndelivered-to: {}bob@example.test\r\nDelivered-To:\r\n\
            Delivered-To:\tBOB@example.test \r\n\r\n",
            "x".repeat(500)
        );
        // Behind the last of these cuts, the field is whole.
        for cut in 0..message.len() - 2 {
            let mut hops = Hops::default();
            let (first, second) = message.as_bytes().split_at(cut);
            hops.look(first, Some(&transaction));
            assert_eq!(hops.again(), None, "{cut}");
            hops.look(second, Some(&transaction));
            assert_eq!(hops.again(), Some("BOB@example.test"), "{cut}");
        }
    }

    #[test]
    fn a_header_may_end_at_a_bare_line_feed() {
        let mut hops = Hops::default();
        hops.look(b"Received: a\n\nReceived: b\n", None);
        assert_eq!(hops.received, 1);
    }
}

//! The queue file: envelope, body, and state records in one file.
//!
//! ```text
//! postroom-queue 1                 the format
//! received 1795325990
//! from alice@example.test          %XX for controls, space and '%'
//! fact client 192.0.2.1
//! to bob@example.test
//! rcpt-fact NOTIFY NEVER           about the recipient above
//! body 9ae0daaf                    CRC-32 of everything above this line
//! …the body, as long as the file's name says…
//!
//! 0 delivered 0 4b0ac2f1           recipient, state, time, CRC-32 of the line before the sum
//! ```
//!
//! The envelope stands before the body because it is complete before the first octet of the body arrives, and
//! recovery needs it without reading the body. The body's length is in the name, which appears in one step
//! with the message. Records follow the body because a file can only be appended to without touching what is
//! durable; each begins with a line end and carries its own sum, so that a torn record spoils neither those
//! before nor those after it.

use proto_core::UnixTime;

use super::envelope::{Envelope, Recipient};
use super::{QueueId, RecipientState};

/// The longest envelope that is read back, in octets. RFC 5321 §4.5.3.1.8 asks for 100 recipients of 256
/// octets; this is room for thousands.
pub(super) const ENVELOPE_BYTES_MAX: usize = 4 << 20;

const FORMAT: &str = "postroom-queue 1";

/// The envelope as it stands in the file, `body` line included.
pub(super) fn write_envelope(envelope: &Envelope) -> Vec<u8> {
    let mut text =
        format!("{FORMAT}\nreceived {}\nfrom {}\n", envelope.received_at.0, Escaped(&envelope.reverse_path));
    for (name, value) in &envelope.facts {
        text += &format!("fact {} {}\n", Escaped(name), Escaped(value));
    }
    for recipient in &envelope.recipients {
        text += &format!("to {}\n", Escaped(&recipient.address));
        for (name, value) in &recipient.facts {
            text += &format!("rcpt-fact {} {}\n", Escaped(name), Escaped(value));
        }
    }
    let sum = crc32(text.as_bytes());
    text += &format!("body {sum:08x}\n");
    text.into_bytes()
}

/// What reading the head of a queue file gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The envelope, and where the body begins.
    Whole(Envelope, usize),
    /// The `body` line is not there yet.
    NeedMore,
    /// Not as we wrote it.
    Bad(&'static str),
}

/// Reads the head of a queue file from its first octets.
pub(super) fn read_envelope(data: &[u8]) -> Head {
    let mut envelope = Envelope::new("", UnixTime(0));
    let mut at = 0;
    let mut seen_format = false;
    while let Some(end) = data[at..].iter().position(|&octet| octet == b'\n') {
        let Ok(line) = std::str::from_utf8(&data[at..at + end]) else { return Head::Bad("not UTF-8") };
        let start = at;
        at += end + 1;
        if !seen_format {
            if line != FORMAT {
                return Head::Bad("unknown format");
            }
            seen_format = true;
            continue;
        }
        let Some((key, value)) = line.split_once(' ') else { return Head::Bad("a line without a value") };
        match key {
            "received" => match value.parse() {
                Ok(seconds) => envelope.received_at = UnixTime(seconds),
                Err(_) => return Head::Bad("bad time"),
            },
            "from" => envelope.reverse_path = unescape(value),
            "to" => envelope.recipients.push(Recipient::new(unescape(value))),
            "fact" | "rcpt-fact" => {
                let Some((name, value)) = value.split_once(' ') else {
                    return Head::Bad("a fact without a value");
                };
                let fact = (unescape(name), unescape(value));
                match (key, envelope.recipients.last_mut()) {
                    ("fact", _) => envelope.facts.push(fact),
                    (_, Some(recipient)) => recipient.facts.push(fact),
                    (_, None) => return Head::Bad("a recipient's fact before any recipient"),
                }
            }
            "body" => {
                return if u32::from_str_radix(value, 16) == Ok(crc32(&data[..start])) {
                    Head::Whole(envelope, at)
                } else {
                    Head::Bad("wrong checksum")
                };
            }
            _ => return Head::Bad("unknown line"),
        }
    }
    if data.len() > ENVELOPE_BYTES_MAX { Head::Bad("no end of the envelope") } else { Head::NeedMore }
}

/// One state record, its leading line end included.
pub(super) fn write_record(recipient: u32, state: RecipientState) -> Vec<u8> {
    let (word, time) = match state {
        RecipientState::Pending => ("pending", 0),
        RecipientState::Deferred(until) => ("deferred", until.0),
        RecipientState::Delivered => ("delivered", 0),
        RecipientState::Failed => ("failed", 0),
    };
    let text = format!("{recipient} {word} {time}");
    format!("\n{text} {:08x}\n", crc32(text.as_bytes())).into_bytes()
}

/// Applies the records in `data` to `states`. What is torn or damaged is passed over; what is done stays
/// done.
pub(super) fn read_records(data: &[u8], states: &mut [RecipientState]) {
    for line in data.split(|&octet| octet == b'\n') {
        let Some((recipient, state)) = std::str::from_utf8(line).ok().and_then(read_record) else { continue };
        if let Some(known) = states.get_mut(recipient as usize)
            && !known.is_done()
        {
            *known = state;
        }
    }
}

fn read_record(line: &str) -> Option<(u32, RecipientState)> {
    let (text, sum) = line.rsplit_once(' ')?;
    if sum.len() != 8 || u32::from_str_radix(sum, 16).ok()? != crc32(text.as_bytes()) {
        return None;
    }
    let mut words = text.split(' ');
    let recipient = words.next()?.parse().ok()?;
    let word = words.next()?;
    let time = UnixTime(words.next()?.parse().ok()?);
    let state = match word {
        "pending" => RecipientState::Pending,
        "deferred" => RecipientState::Deferred(time),
        "delivered" => RecipientState::Delivered,
        "failed" => RecipientState::Failed,
        _ => return None,
    };
    Some((recipient, state))
}

/// The name of a queue file: id and length of the body.
pub(super) fn file_name(id: &QueueId, body_bytes: u64) -> String {
    format!("{id},{body_bytes}")
}

/// The inverse of [`file_name`].
pub(super) fn read_file_name(name: &str) -> Option<(QueueId, u64)> {
    let (id, body_bytes) = name.split_once(',')?;
    Some((id.parse().ok()?, body_bytes.parse().ok()?))
}

/// CRC-32 as in IEEE 802.3. Bit by bit: what it runs over is short.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc: u32, &octet| {
        (0..8).fold(
            crc ^ u32::from(octet),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            if character <= ' ' || character == '%' || character == '\x7f' {
                write!(f, "%{:02X}", u32::from(character))?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(octet) if octet.is_ascii() => {
                plain.push(char::from(octet));
                plain.push_str(&part[2..]);
            }
            _ => {
                plain.push('%');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// Reads any octets as a queue file; what is read must read the same when it is written again. For fuzzing.
#[doc(hidden)]
pub fn fuzz_queue_file(data: &[u8]) {
    if let Head::Whole(envelope, body) = read_envelope(data) {
        let written = write_envelope(&envelope);
        let length = written.len();
        assert_eq!(read_envelope(&written), Head::Whole(envelope.clone(), length));
        let mut states = vec![RecipientState::Pending; envelope.recipients.len()];
        read_records(&data[body..], &mut states);
    }
    let _ = std::str::from_utf8(data).ok().and_then(read_file_name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_sum_is_the_usual_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_envelope_reads_back_at_its_last_octet_and_not_before() {
        let mut envelope =
            Envelope::new("\"a b%\"@example.test", UnixTime(1_795_325_990)).to("bob@x").to("c\u{e4}@y");
        envelope.facts.push(("client".into(), "192.0.2.1".into()));
        envelope.recipients[1].facts.push(("ORCPT".into(), "rfc822;c @y".into()));
        let data = write_envelope(&envelope);
        for end in 0..data.len() {
            assert_eq!(read_envelope(&data[..end]), Head::NeedMore, "{end}");
        }
        assert_eq!(read_envelope(&data), Head::Whole(envelope, data.len()));
    }

    #[test]
    fn a_changed_octet_of_the_envelope_is_noticed() {
        let data = write_envelope(&Envelope::new("a@b", UnixTime(5)).to("c@d"));
        for at in 0..data.len() {
            let mut bad = data.clone();
            bad[at] ^= 1;
            assert!(!matches!(read_envelope(&bad), Head::Whole(..)), "{at}");
        }
    }

    #[test]
    fn a_torn_record_spoils_no_other_and_done_stays_done() {
        let whole = write_record(0, RecipientState::Deferred(UnixTime(9)));
        let next = write_record(1, RecipientState::Delivered);
        for end in 0..whole.len() - 1 {
            for fill in [&b""[..], &[0; 7]] {
                let mut states = [RecipientState::Pending; 2];
                read_records(&[&whole[..end], fill, &next].concat(), &mut states);
                assert_eq!(states, [RecipientState::Pending, RecipientState::Delivered]);
            }
        }
        let mut states = [RecipientState::Pending; 2];
        read_records(&[next, whole, write_record(1, RecipientState::Pending)].concat(), &mut states);
        assert_eq!(states, [RecipientState::Deferred(UnixTime(9)), RecipientState::Delivered]);
    }

    proptest! {
        #[test]
        fn any_text_survives_the_escapes(text in ".*") {
            prop_assert_eq!(unescape(&Escaped(&text).to_string()), text);
        }

        #[test]
        fn any_octets_are_read_without_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
            fuzz_queue_file(&data);
            fuzz_queue_file(&[FORMAT.as_bytes(), b"\n", &data].concat());
        }
    }
}

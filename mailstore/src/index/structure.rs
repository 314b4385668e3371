//! Summaries as octets.
//!
//! Numbers are in groups of seven bits, the lowest first; a text is its length and its octets, 0 standing for none and
//! 1 for an empty one. Sender and Reply-To are written once when they are those of From, as they mostly are.
//!
//! # Limits
//! What is read back is bounded by its own octets, and nested no deeper than [`DEPTH_MAX`].

use bytes::{Buf as _, Bytes};
use mail_message::envelope::{Address, Envelope};
use mail_message::mime::{Content, ContentType, Message, Part, PartHeader};
use mail_message::structure::{Disposition, Parameter};

use crate::summary::Summary;

/// Raised when what is written changes, so that what was written before is found out anew.
const VERSION: u8 = 1;

/// Messages and multiparts within one another; a scanner stops far earlier.
const DEPTH_MAX: u32 = 1000;

/// A summary as octets.
pub(super) fn encode(summary: &Summary) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_text(&mut out, summary.fields.as_ref());
    put_message(&mut out, &summary.message);
    out
}

/// What [`encode`] wrote; `None` for anything else.
pub(super) fn decode(octets: &[u8]) -> Option<Summary> {
    let mut input = Bytes::copy_from_slice(octets);
    if input.try_get_u8().ok()? != VERSION {
        return None;
    }
    let fields = take_text(&mut input)?;
    let message = take_message(&mut input, DEPTH_MAX)?;
    input.is_empty().then(|| Summary::new(message, fields))
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(input: &mut Bytes) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let octet = input.try_get_u8().ok()?;
        number |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_text(out: &mut Vec<u8>, text: Option<&Bytes>) {
    match text {
        None => out.push(0),
        Some(text) => {
            put_number(out, text.len() as u64 + 1);
            out.extend_from_slice(text);
        }
    }
}

fn take_text(input: &mut Bytes) -> Option<Option<Bytes>> {
    let Some(len) = take_number(input)?.checked_sub(1) else { return Some(None) };
    let len = usize::try_from(len).ok().filter(|len| *len <= input.len())?;
    Some(Some(input.split_to(len)))
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_number(out, list.len() as u64);
    list.iter().for_each(|item| put(out, item));
}

/// Every item has an octet at least, so the input bounds the list.
fn take_list<T>(input: &mut Bytes, mut take: impl FnMut(&mut Bytes) -> Option<T>) -> Option<Vec<T>> {
    let count = usize::try_from(take_number(input)?).ok().filter(|count| *count <= input.len())?;
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(take(input)?);
    }
    Some(list)
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    put_envelope(out, &message.envelope);
    put_part(out, &message.root);
}

fn take_message(input: &mut Bytes, depth: u32) -> Option<Message> {
    Some(Message { envelope: take_envelope(input)?, root: take_part(input, depth.checked_sub(1)?)? })
}

fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let Envelope { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id } = envelope;
    for text in [date, subject, in_reply_to, message_id] {
        put_text(out, text.as_ref());
    }
    for list in [from, to, cc, bcc] {
        put_list(out, list, put_address);
    }
    for list in [sender, reply_to] {
        out.push(u8::from(list == from));
        if list != from {
            put_list(out, list, put_address);
        }
    }
}

fn take_envelope(input: &mut Bytes) -> Option<Envelope> {
    let (date, subject) = (take_text(input)?, take_text(input)?);
    let (in_reply_to, message_id) = (take_text(input)?, take_text(input)?);
    let from = take_list(input, take_address)?;
    let to = take_list(input, take_address)?;
    let cc = take_list(input, take_address)?;
    let bcc = take_list(input, take_address)?;
    let or_from = |input: &mut Bytes| match input.try_get_u8().ok()? {
        0 => take_list(input, take_address),
        1 => Some(from.clone()),
        _ => None,
    };
    let (sender, reply_to) = (or_from(input)?, or_from(input)?);
    Some(Envelope { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id })
}

fn put_address(out: &mut Vec<u8>, address: &Address) {
    let Address { name, adl, mailbox, host } = address;
    [name, adl, mailbox, host].into_iter().for_each(|text| put_text(out, text.as_ref()));
}

fn take_address(input: &mut Bytes) -> Option<Address> {
    let (name, adl) = (take_text(input)?, take_text(input)?);
    Some(Address { name, adl, mailbox: take_text(input)?, host: take_text(input)? })
}

fn put_part(out: &mut Vec<u8>, part: &Part) {
    let numbers = [part.header.start, part.header.end, part.body.start, part.body.end, part.body_lines];
    numbers.into_iter().for_each(|number| put_number(out, number));
    let PartHeader { content_type, encoding, id, description, md5, disposition, language, location } =
        &part.fields;
    put_text(out, Some(&content_type.media_type));
    put_text(out, Some(&content_type.subtype));
    put_list(out, &content_type.parameters, put_parameter);
    for text in [encoding, id, description, md5, location] {
        put_text(out, text.as_ref());
    }
    put_text(out, disposition.as_ref().map(|disposition| &disposition.kind));
    if let Some(disposition) = disposition {
        put_list(out, &disposition.parameters, put_parameter);
    }
    put_list(out, language, |out, tag| put_text(out, Some(tag)));
    match &part.content {
        Content::Leaf => out.push(0),
        Content::Multipart(parts) => {
            out.push(1);
            put_list(out, parts, put_part);
        }
        Content::Message(message) => {
            out.push(2);
            put_message(out, message);
        }
    }
}

fn take_part(input: &mut Bytes, depth: u32) -> Option<Part> {
    let header = take_number(input)?..take_number(input)?;
    let body = take_number(input)?..take_number(input)?;
    if header.start > header.end || body.start > body.end {
        return None;
    }
    let body_lines = take_number(input)?;
    let content_type = ContentType {
        media_type: take_text(input)??,
        subtype: take_text(input)??,
        parameters: take_list(input, take_parameter)?,
    };
    let (encoding, id, description) = (take_text(input)?, take_text(input)?, take_text(input)?);
    let (md5, location) = (take_text(input)?, take_text(input)?);
    let disposition = match take_text(input)? {
        Some(kind) => Some(Disposition { kind, parameters: take_list(input, take_parameter)? }),
        None => None,
    };
    let language = take_list(input, |input| take_text(input)?)?;
    let fields = PartHeader { content_type, encoding, id, description, md5, disposition, language, location };
    let depth = depth.checked_sub(1)?;
    let content = match input.try_get_u8().ok()? {
        0 => Content::Leaf,
        1 => Content::Multipart(take_list(input, |input| take_part(input, depth))?),
        2 => Content::Message(Box::new(take_message(input, depth)?)),
        _ => return None,
    };
    Some(Part { header, body, body_lines, fields, content })
}

fn put_parameter(out: &mut Vec<u8>, parameter: &Parameter) {
    put_text(out, Some(&parameter.name));
    put_text(out, Some(&parameter.value));
}

fn take_parameter(input: &mut Bytes) -> Option<Parameter> {
    Some(Parameter { name: take_text(input)??, value: take_text(input)?? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Summarizer;
    use proptest::prelude::*;

    const NESTED: &str = "From: A <a@b>, g: c@d;\r\nSender: e@f\r\nSubject:\r\nContent-Language: en, de\r\n\
        Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\
        Content-Disposition: attachment; filename=\"m\"\r\n\r\nSubject: inner\r\n\r\ntext\r\n--x\r\n\
        Content-Type: image/png\r\nContent-ID: <1>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--x--\r\n";

    fn summary(message: &[u8]) -> Summary {
        let mut summarizer = Summarizer::new();
        summarizer.feed(message);
        summarizer.finish()
    }

    #[test]
    fn what_is_written_reads_back_and_no_part_of_it_does() {
        for message in ["", "\r\n", "Subject: x\r\n\r\nbody", NESTED] {
            let summary = summary(message.as_bytes());
            let octets = encode(&summary);
            assert_eq!(decode(&octets), Some(summary));
            assert!((0..octets.len()).all(|cut| decode(&octets[..cut]).is_none()), "{message:?}");
            assert_eq!(decode(&[&octets[..], b"x"].concat()), None);
        }
    }

    proptest! {
        #[test]
        fn messages_of_any_octets_read_back(message in prop::collection::vec(
            prop::sample::select(vec!["Content-Type: multipart/a; boundary=b\r\n", "--b", "\r\n", "To: a@b,\"c\"\r\n", "--", "x", "\u{e9}"]), 0..40,
        )) {
            let summary = summary(message.concat().as_bytes());
            prop_assert_eq!(decode(&encode(&summary)), Some(summary));
        }

        #[test]
        fn octets_with_an_error_are_read_without_panic(at in 0_usize..400, octet in any::<u8>()) {
            let mut octets = encode(&summary(NESTED.as_bytes()));
            let at = at % octets.len();
            octets[at] = octet;
            let _ = decode(&octets);
        }
    }
}

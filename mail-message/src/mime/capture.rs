//! The fields of one header that a scan keeps, until the header ends and their meaning is taken.

use alloc::vec::Vec;
use bytes::Bytes;

use super::content::{ContentType, parse_disposition, parse_token};
use super::limits::{Budget, Limits};
use super::part::PartHeader;
use crate::envelope::{Address, Envelope};
use crate::header::{LineKind, classify, parse_addresses, unfold};

/// The fields that mean something to ENVELOPE; they count only in a message's own header.
const ENVELOPE_FIELDS: [&str; 10] =
    ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"];
/// The fields that mean something to BODYSTRUCTURE.
const PART_FIELDS: [&str; 8] = [
    "content-type",
    "content-transfer-encoding",
    "content-id",
    "content-description",
    "content-md5",
    "content-disposition",
    "content-language",
    "content-location",
];

/// The first of each field that matters, unfolded.
#[derive(Default)]
pub(super) struct Captured {
    envelope: [Option<Bytes>; ENVELOPE_FIELDS.len()],
    part: [Option<Bytes>; PART_FIELDS.len()],
    /// The field that is being read, as far as [`Limits::field_bytes_max`].
    field: Vec<u8>,
    /// A `Content-Type` was there and could not be kept.
    type_lost: bool,
    any_field: bool,
}

impl Captured {
    /// Whether a continuation line has something to continue.
    pub(super) fn has_fields(&self) -> bool {
        self.any_field
    }

    /// A field line: ends the field before it.
    pub(super) fn start_field(&mut self, line: &[u8], limits: &Limits, budget: &mut Budget) {
        self.end_field(budget);
        self.any_field = true;
        self.continue_field(line, limits);
    }

    /// A continuation line.
    pub(super) fn continue_field(&mut self, line: &[u8], limits: &Limits) {
        let room = limits.field_bytes_max.saturating_sub(self.field.len());
        self.field.extend_from_slice(&line[..line.len().min(room)]);
    }

    fn end_field(&mut self, budget: &mut Budget) {
        if let LineKind::Field { name_bytes, value_at } = classify(&self.field) {
            let name = &self.field[..name_bytes];
            let index_in =
                |names: &[&str]| names.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
            let slot = match (index_in(&ENVELOPE_FIELDS), index_in(&PART_FIELDS)) {
                (Some(index), _) => Some(&mut self.envelope[index]),
                (_, Some(index)) => Some(&mut self.part[index]),
                _ => None,
            };
            if let Some(slot @ None) = slot {
                let value = unfold(&self.field[value_at..]);
                if budget.take_value(value.len()) {
                    *slot = Some(value);
                } else {
                    self.type_lost |= name.eq_ignore_ascii_case(b"content-type");
                }
            }
        }
        self.field.clear();
    }

    /// The header has ended: what it says of the content.
    pub(super) fn part_header(
        &mut self,
        in_digest: bool,
        limits: &Limits,
        budget: &mut Budget,
    ) -> PartHeader {
        self.end_field(budget);
        let [content_type, encoding, id, description, md5, disposition, language, location] = &self.part;
        let content_type = match content_type {
            Some(value) => {
                let content_type = ContentType::parse(value, budget.parameters(limits));
                content_type.unwrap_or_else(ContentType::text_plain)
            }
            None if self.type_lost => ContentType::fixed(b"application", b"octet-stream", Vec::new()),
            None if in_digest => ContentType::fixed(b"message", b"rfc822", Vec::new()),
            None => ContentType::text_plain(),
        };
        budget.take_parameters(content_type.parameters.len());
        let disposition =
            disposition.as_ref().and_then(|value| parse_disposition(value, budget.parameters(limits)));
        budget.take_parameters(disposition.as_ref().map_or(0, |disposition| disposition.parameters.len()));
        let tags =
            language.iter().flat_map(|value| value.split(|&octet| octet == b',')).filter_map(parse_token);
        let language: Vec<Bytes> = tags.take(budget.parameters(limits)).collect();
        budget.take_parameters(language.len());
        PartHeader {
            content_type,
            encoding: encoding.as_ref().and_then(|value| parse_token(value)),
            id: id.clone(),
            description: description.clone(),
            md5: md5.clone(),
            disposition,
            language,
            location: location.clone(),
        }
    }

    /// The header has ended: the envelope it makes, with RFC 3501 §7.4.2's defaults.
    pub(super) fn envelope(&mut self, budget: &mut Budget) -> Envelope {
        let [date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id] = &self.envelope;
        let mut list = |value: &Option<Bytes>| {
            let list = value.as_ref().map_or_else(Vec::new, |value| parse_addresses(value, budget.addresses));
            budget.addresses = budget.addresses.saturating_sub(list.len());
            list
        };
        let from = list(from);
        let or_from = |list: Vec<Address>| if list.is_empty() { from.clone() } else { list };
        Envelope {
            date: date.clone(),
            subject: subject.clone(),
            sender: or_from(list(sender)),
            reply_to: or_from(list(reply_to)),
            to: list(to),
            cc: list(cc),
            bcc: list(bcc),
            in_reply_to: in_reply_to.clone(),
            message_id: message_id.clone(),
            from,
        }
    }
}

//! The fields of one header that a scan keeps, until the header ends and their meaning is taken.
//!
//! The values of all of them lie in one buffer, which goes over into one allocation that they share.

use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

use super::content::{ContentType, parse_disposition, parse_token};
use super::limits::{Budget, Limits};
use super::part::PartHeader;
use crate::envelope::{Address, Envelope};
use crate::header::{read_addresses, unfold_tail};

/// A field that means something to ENVELOPE or to BODYSTRUCTURE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Date,
    Subject,
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
    ContentType,
    Encoding,
    Id,
    Description,
    Md5,
    Disposition,
    Language,
    Location,
}

/// Room for the values of most headers.
const VALUES_BYTES: usize = 1024;

/// How many there are.
const KNOWN: usize = Known::Location as usize + 1;

impl Known {
    /// The field of this name; those of ENVELOPE only in a message's own header, where they count.
    fn named(name: &[u8], of_message: bool) -> Option<Known> {
        // Most fields of real headers are none of these, and their length tells.
        let candidates: &[(&[u8], Known)] = match name.len() {
            2 => &[(b"to", Known::To), (b"cc", Known::Cc)],
            3 => &[(b"bcc", Known::Bcc)],
            4 => &[(b"from", Known::From), (b"date", Known::Date)],
            6 => &[(b"sender", Known::Sender)],
            7 => &[(b"subject", Known::Subject)],
            8 => &[(b"reply-to", Known::ReplyTo)],
            10 => &[(b"message-id", Known::MessageId), (b"content-id", Known::Id)],
            11 => &[(b"content-md5", Known::Md5), (b"in-reply-to", Known::InReplyTo)],
            12 => &[(b"content-type", Known::ContentType)],
            16 => &[(b"content-language", Known::Language), (b"content-location", Known::Location)],
            19 => {
                &[(b"content-disposition", Known::Disposition), (b"content-description", Known::Description)]
            }
            25 => &[(b"content-transfer-encoding", Known::Encoding)],
            _ => return None,
        };
        let (_, found) = candidates.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
        (of_message || *found as usize >= Known::ContentType as usize).then_some(*found)
    }

    /// RFC 5322 §4.5.3: of several such fields the lists are one.
    fn counts_together(self) -> bool {
        matches!(self, Known::To | Known::Cc | Known::Bcc)
    }
}

/// The first of each field that matters, unfolded, and of those that name recipients every one.
#[derive(Default)]
pub(super) struct Captured {
    /// The values, one behind the other. The last one may still be being read, and is then as it lies.
    values: Vec<u8>,
    /// Where in `values` each field lies.
    places: [Option<Range<usize>>; KNOWN],
    /// Where the further ones lie of fields that count together.
    more: Vec<(Known, Range<usize>)>,
    /// The field that is being read, if it is to be kept, and where in `values` it begins.
    open: Option<(Known, usize)>,
    /// Octets of that field, its name included.
    field_bytes: usize,
    /// A `Content-Type` was there and could not be kept.
    type_lost: bool,
    any_field: bool,
}

impl Captured {
    /// Forgets everything, for another header.
    pub(super) fn clear(&mut self) {
        let mut values = core::mem::take(&mut self.values);
        values.clear();
        *self = Captured { values, ..Captured::default() };
    }

    /// Whether a continuation line has something to continue.
    pub(super) fn has_fields(&self) -> bool {
        self.any_field
    }

    /// The line of a field whose name ends at `name_bytes` and whose value begins at `value_at`: ends the field
    /// before it. `of_message` tells whose header it stands in.
    pub(super) fn start_field(
        &mut self,
        line: &[u8],
        (name_bytes, value_at): (usize, usize),
        of_message: bool,
        limits: &Limits,
        budget: &mut Budget,
    ) {
        self.end_field(budget);
        self.any_field = true;
        if value_at > limits.field_bytes_max {
            return;
        }
        let known = Known::named(&line[..name_bytes], of_message);
        let may_repeat = self.more.len() < limits.addresses_max;
        let is_wanted =
            |known: &Known| self.places[*known as usize].is_none() || known.counts_together() && may_repeat;
        self.open = known.filter(is_wanted).map(|known| (known, self.values.len()));
        self.field_bytes = value_at;
        self.continue_field(&line[value_at..], limits);
    }

    /// A continuation line.
    pub(super) fn continue_field(&mut self, line: &[u8], limits: &Limits) {
        let Some((_, start)) = self.open else { return };
        let room = limits.field_bytes_max.saturating_sub(self.field_bytes);
        let mut line = &line[..line.len().min(room)];
        self.field_bytes += line.len();
        if self.values.len() == start {
            line = line.trim_ascii_start();
            if self.values.capacity() == 0 {
                self.values.reserve(VALUES_BYTES);
            }
        }
        self.values.extend_from_slice(line);
    }

    fn end_field(&mut self, budget: &mut Budget) {
        let Some((known, start)) = self.open.take() else { return };
        unfold_tail(&mut self.values, start);
        if budget.take_value(self.values.len() - start) {
            let place = start..self.values.len();
            match &mut self.places[known as usize] {
                first @ None => *first = Some(place),
                Some(_) => self.more.push((known, place)),
            }
        } else {
            self.values.truncate(start);
            self.type_lost |= known == Known::ContentType;
        }
    }

    /// The header has ended: what it says of the content and, `of_message`, the envelope that it makes.
    pub(super) fn finish(
        &mut self,
        in_digest: bool,
        of_message: bool,
        limits: &Limits,
        budget: &mut Budget,
    ) -> (PartHeader, Option<Envelope>) {
        self.end_field(budget);
        let octets = Bytes::copy_from_slice(&self.values);
        let values = Values { octets, places: &self.places, more: &self.more };
        let header = values.part_header(self.type_lost, in_digest, limits, budget);
        (header, of_message.then(|| values.envelope(budget)))
    }
}

/// The values of a header that has ended.
struct Values<'a> {
    octets: Bytes,
    places: &'a [Option<Range<usize>>; KNOWN],
    more: &'a [(Known, Range<usize>)],
}

impl Values<'_> {
    fn of(&self, known: Known) -> Option<Bytes> {
        self.places[known as usize].clone().map(|place| self.octets.slice(place))
    }

    fn part_header(
        &self,
        type_lost: bool,
        in_digest: bool,
        limits: &Limits,
        budget: &mut Budget,
    ) -> PartHeader {
        let content_type = match self.of(Known::ContentType) {
            Some(value) => {
                let content_type = ContentType::read(&value, budget.parameters(limits));
                content_type.unwrap_or_else(ContentType::text_plain)
            }
            None if type_lost => ContentType::fixed(b"application", b"octet-stream", Vec::new()),
            None if in_digest => ContentType::fixed(b"message", b"rfc822", Vec::new()),
            None => ContentType::text_plain(),
        };
        budget.take_parameters(content_type.parameters.len());
        let disposition = self
            .of(Known::Disposition)
            .and_then(|value| parse_disposition(&value, budget.parameters(limits)));
        budget.take_parameters(disposition.as_ref().map_or(0, |disposition| disposition.parameters.len()));
        let mut language = Vec::new();
        if let Some(value) = self.of(Known::Language) {
            let tags = value.split(|&octet| octet == b',').map(|tag| value.slice_ref(tag));
            language = tags.filter_map(|tag| parse_token(&tag)).take(budget.parameters(limits)).collect();
            budget.take_parameters(language.len());
        }
        PartHeader {
            content_type,
            encoding: self.of(Known::Encoding).and_then(|value| parse_token(&value)),
            id: self.of(Known::Id),
            description: self.of(Known::Description),
            md5: self.of(Known::Md5),
            disposition,
            language,
            location: self.of(Known::Location),
        }
    }

    /// With RFC 3501 §7.4.2's defaults.
    fn envelope(&self, budget: &mut Budget) -> Envelope {
        let mut list = |known: Known| {
            let mut list = Vec::new();
            let more = self.more.iter().filter(|(its, _)| *its == known);
            for value in
                self.of(known).into_iter().chain(more.map(|(_, place)| self.octets.slice(place.clone())))
            {
                let addresses = read_addresses(&value, budget.addresses);
                budget.addresses = budget.addresses.saturating_sub(addresses.len());
                list.extend(addresses);
            }
            list
        };
        let from = list(Known::From);
        let or_from = |list: Vec<Address>| if list.is_empty() { from.clone() } else { list };
        Envelope {
            date: self.of(Known::Date),
            subject: self.of(Known::Subject),
            sender: or_from(list(Known::Sender)),
            reply_to: or_from(list(Known::ReplyTo)),
            to: list(Known::To),
            cc: list(Known::Cc),
            bcc: list(Known::Bcc),
            in_reply_to: self.of(Known::InReplyTo),
            message_id: self.of(Known::MessageId),
            from,
        }
    }
}

//! BODY\[section]: which octets of a message a section names.
//!
//! RFC 3501 §6.4.5 (body sections and part numbers), §9 (`section-spec`).
//!
//! * In a message that is no multipart, part 1 is its body; there is nothing inside a leaf, so `1.1` names nothing.
//! * `HEADER`, `TEXT` and the `HEADER.FIELDS` behind a part number need a part that holds a message.
//! * `n.MIME` is the header of part n; where part 1 is the body of a message that is no multipart, that is the
//!   header of the message, since the MIME fields stand there.
//!
//! # Departures
//! None. What a section names that does not exist is `None` here; that it is answered with NIL is the protocol's.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;
use core::ops::Range;

use crate::header::FieldChoice;
use crate::mime::{Content, Message, Part};

/// A section, as between the brackets of BODY\[…].
///
/// ```
/// use mail_message::mime::{Limits, Scanner};
/// use mail_message::section::{Section, SectionText};
///
/// let mut scanner = Scanner::new(Limits::default());
/// scanner.feed(b"Subject: hi\r\n\r\nbody\r\n");
/// let message = scanner.finish();
///
/// let text = Section { part: Vec::new(), text: Some(SectionText::Text) };
/// assert_eq!(text.locate(&message), Some(15..21));
/// assert_eq!(Section::part([1]).unwrap().locate(&message), Some(15..21));
/// assert_eq!(Section::part([1, 1]).unwrap().locate(&message), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Section {
    /// The part numbers; none for the message itself.
    pub part: Vec<NonZeroU32>,
    /// Which text of it; `None` for the whole message, or the whole body of the part.
    pub text: Option<SectionText>,
}

/// The part of a section behind its numbers (RFC 3501 §9 `section-text`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// `HEADER`: the header of the message, its empty line included.
    Header,
    /// `HEADER.FIELDS` and `HEADER.FIELDS.NOT` with their names. [`Section::locate`] gives the header, from which
    /// [`select_fields`](crate::header::select_fields) takes the fields.
    HeaderFields(FieldChoice, Vec<String>),
    /// `TEXT`: the message without its header.
    Text,
    /// `MIME`: the header of the part. Without part numbers it names nothing.
    Mime,
}

impl Section {
    /// The body of the part with these numbers; `None` if one of them is 0.
    pub fn part(numbers: impl IntoIterator<Item = u32>) -> Option<Section> {
        let part: Option<Vec<NonZeroU32>> = numbers.into_iter().map(NonZeroU32::new).collect();
        Some(Section { part: part?, text: None })
    }

    /// The octets that the section names, counted from the start of the whole message; `None` if the message has
    /// no such section.
    pub fn locate(&self, message: &Message) -> Option<Range<u64>> {
        let Some(part) = find_part(message, &self.part)? else {
            return match self.text {
                None => Some(message.range()),
                Some(SectionText::Header | SectionText::HeaderFields(..)) => {
                    Some(message.root.header.clone())
                }
                Some(SectionText::Text) => Some(message.root.body.clone()),
                Some(SectionText::Mime) => None,
            };
        };
        let enclosed = match &part.content {
            Content::Message(message) => Some(&message.root),
            _ => None,
        };
        match self.text {
            None => Some(part.body.clone()),
            Some(SectionText::Mime) => Some(part.header.clone()),
            Some(SectionText::Header | SectionText::HeaderFields(..)) => {
                enclosed.map(|root| root.header.clone())
            }
            Some(SectionText::Text) => enclosed.map(|root| root.body.clone()),
        }
    }

    /// The part that the numbers name, for reading its fields or decoding its body; the outermost part if there
    /// are no numbers.
    pub fn find<'a>(&self, message: &'a Message) -> Option<&'a Part> {
        find_part(message, &self.part).map(|part| part.unwrap_or(&message.root))
    }
}

/// `Some(None)` for the message itself, `None` for a part that is not there.
fn find_part<'a>(message: &'a Message, numbers: &[NonZeroU32]) -> Option<Option<&'a Part>> {
    let Some((first, rest)) = numbers.split_first() else { return Some(None) };
    let mut part = child_of_message(message, *first)?;
    for number in rest {
        part = match &part.content {
            Content::Leaf => return None,
            Content::Multipart(parts) => nth(parts, *number)?,
            Content::Message(message) => child_of_message(message, *number)?,
        };
    }
    Some(Some(part))
}

fn child_of_message(message: &Message, number: NonZeroU32) -> Option<&Part> {
    match &message.root.content {
        Content::Multipart(parts) => nth(parts, number),
        _ => (number == NonZeroU32::MIN).then_some(&message.root),
    }
}

fn nth(parts: &[Part], number: NonZeroU32) -> Option<&Part> {
    parts.get(usize::try_from(number.get() - 1).ok()?)
}

impl fmt::Display for Section {
    /// As it stands between the brackets. Field names are written as they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.part.iter().enumerate() {
            let dot = if index > 0 { "." } else { "" };
            write!(f, "{dot}{number}")?;
        }
        let Some(text) = &self.text else { return Ok(()) };
        if !self.part.is_empty() {
            f.write_str(".")?;
        }
        match text {
            SectionText::Header => f.write_str("HEADER"),
            SectionText::Text => f.write_str("TEXT"),
            SectionText::Mime => f.write_str("MIME"),
            SectionText::HeaderFields(choice, names) => {
                let not = if *choice == FieldChoice::NotNamed { ".NOT" } else { "" };
                write!(f, "HEADER.FIELDS{not} ({})", names.join(" "))
            }
        }
    }
}

//! Where the octets of a section come from.
//!
//! RFC 3501 section 6.4.5. Mostly a range of the message. HEADER.FIELDS are chosen out of a header, which may be large:
//! what is chosen is kept up to [`WINDOW_BYTES`], and the header read again for what lies beyond.

use super::CHUNK_BYTES;
use crate::wall::MessageReader;
use bytes::Bytes;
use imap_proto::types::FetchItem;
use mail_message::header::{FieldChoice, FieldSelector};
use mail_message::mime::Message;
use mail_message::{Section, SectionText};
use mailstore::{StoreError, Summary};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};

/// The octets of a section.
pub(super) enum Source {
    /// A part of the message.
    Range { reader: Arc<dyn MessageReader>, range: Range<u64> },
    /// Chosen fields of a header, and which of their octets.
    Fields { fields: Fields, range: Range<u64>, first: Bytes },
    /// Octets of the summary.
    Summary(Bytes),
}

/// Whether the octets of an item are in a summary, unless they are many.
pub(super) fn is_summarised(item: &FetchItem) -> bool {
    named_fields(item).is_some_and(|names| {
        let is_kept = |name: &String| Summary::FIELDS.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        names.iter().all(is_kept)
    })
}

/// The fields of the message's header that an item names.
fn named_fields(item: &FetchItem) -> Option<&[String]> {
    match item {
        FetchItem::Section { section, .. } if section.part.is_empty() => match &section.text {
            Some(SectionText::HeaderFields(FieldChoice::Named, names)) => Some(names),
            _ => None,
        },
        _ => None,
    }
}

/// Fields of a header.
pub(super) struct Fields {
    reader: Arc<dyn MessageReader>,
    header: Range<u64>,
    choice: FieldChoice,
    names: Vec<String>,
}

/// How much of chosen fields is kept.
const WINDOW_BYTES: usize = 256 * 1024;

impl Source {
    /// The octets that an item asks for, if the summary has them.
    pub(super) fn of_summary(item: &FetchItem, summary: &Summary) -> Option<Self> {
        let octets = summary.fields_named(named_fields(item)?)?;
        let FetchItem::Section { partial, .. } = item else { return None };
        let Some(range) = partial.map(|partial| partial.range_of(octets.len() as u64)) else {
            return Some(Self::Summary(octets));
        };
        let end = |at: u64| usize::try_from(at).map_or(octets.len(), |at| at.min(octets.len()));
        Some(Self::Summary(octets.slice(end(range.start)..end(range.end))))
    }

    /// The octets that an item asks for; `None` when there is no such part.
    ///
    /// # Errors
    /// When the message cannot be read.
    pub(super) async fn find(
        item: &FetchItem,
        reader: &Arc<dyn MessageReader>,
        message: &Message,
    ) -> Result<Option<Self>, StoreError> {
        let whole = |text| Section { part: Vec::new(), text };
        let (section, partial) = match item {
            FetchItem::Rfc822 => (whole(None), None),
            FetchItem::Rfc822Header => (whole(Some(SectionText::Header)), None),
            FetchItem::Rfc822Text => (whole(Some(SectionText::Text)), None),
            FetchItem::Section { section, partial, .. } => (section.clone(), *partial),
            _ => return Ok(None),
        };
        let Some(range) = section.locate(message) else { return Ok(None) };
        let reader = Arc::clone(reader);
        if let Some(SectionText::HeaderFields(choice, names)) = section.text {
            let fields = Fields { reader, header: range, choice, names };
            let from = partial.map_or(0, |partial| partial.offset);
            let (first, octets) = fields.window(from).await?;
            let range = partial.map_or(0..octets, |partial| partial.range_of(octets));
            return Ok(Some(Self::Fields { fields, range, first }));
        }
        let part = partial.map_or(0..range.end - range.start, |p| p.range_of(range.end - range.start));
        let range = range.start + part.start..range.start + part.end;
        Ok(Some(Self::Range { reader, range }))
    }

    /// How many octets there are.
    pub(super) fn octets(&self) -> u64 {
        match self {
            Self::Range { range, .. } | Self::Fields { range, .. } => range.end - range.start,
            Self::Summary(octets) => octets.len() as u64,
        }
    }

    /// The next octets, `from` octets behind the first one.
    ///
    /// # Errors
    /// When the message cannot be read.
    pub(super) async fn read(&self, from: u64) -> Result<Bytes, StoreError> {
        let left = usize::try_from(self.octets() - from).unwrap_or(usize::MAX);
        match self {
            Self::Range { reader, range } => reader.read_at(range.start + from, left.min(CHUNK_BYTES)).await,
            Self::Fields { fields, range, first } => {
                let mut octets =
                    if from == 0 { first.clone() } else { fields.window(range.start + from).await?.0 };
                octets.truncate(left);
                Ok(octets)
            }
            Self::Summary(octets) => Ok(octets.slice(octets.len() - left..)),
        }
    }
}

impl Fields {
    /// Chosen octets from `from` on, at most [`WINDOW_BYTES`], and how many there are in all.
    async fn window(&self, from: u64) -> Result<(Bytes, u64), StoreError> {
        let window = Arc::new(Mutex::new(Window {
            selector: Some(FieldSelector::new(self.choice, &self.names)),
            chosen: Vec::new(),
            at: 0,
            from,
            kept: Vec::new(),
        }));
        let filling = Arc::clone(&window);
        let visitor = Box::new(move |piece: &[u8]| {
            filling.lock().unwrap_or_else(PoisonError::into_inner).feed(piece);
            ControlFlow::Continue(())
        });
        self.reader.visit(self.header.clone(), visitor).await?;
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        window.finish();
        Ok((std::mem::take(&mut window.kept).into(), window.at))
    }
}

/// What passes by of chosen octets, and what is kept of it.
struct Window {
    selector: Option<FieldSelector>,
    chosen: Vec<u8>,
    /// How many octets have passed by.
    at: u64,
    from: u64,
    kept: Vec<u8>,
}

impl Window {
    fn feed(&mut self, header: &[u8]) {
        if let Some(selector) = &mut self.selector {
            selector.feed(header, &mut self.chosen);
            self.keep();
        }
    }

    fn finish(&mut self) {
        if let Some(selector) = self.selector.take() {
            selector.finish(&mut self.chosen);
            self.keep();
        }
    }

    fn keep(&mut self) {
        let skip = usize::try_from(self.from.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = self.chosen.get(skip..).unwrap_or_default();
        let room = WINDOW_BYTES - self.kept.len();
        self.kept.extend_from_slice(&wanted[..wanted.len().min(room)]);
        self.at += self.chosen.len() as u64;
        self.chosen.clear();
    }
}

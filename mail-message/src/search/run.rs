//! [`Search`]: the strings of a query in one message.

use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::ops::Range;

use super::needles::Progress;
use super::query::{Query, Term};
use super::text::{BodyText, FieldText};
use crate::decode::decode_parameter;
use crate::header::{FieldSink, FieldStream};
use crate::mime::{Content, Encoding, Message, Part};

/// A search through one message. The query is borrowed or, behind an `Arc`, shared.
///
/// The texts come one after the other: [`begin`](Search::begin) or [`begin_header`](Search::begin_header), then
/// [`feed`](Search::feed) with the octets, in any pieces.
pub struct Search<Q> {
    query: Q,
    found: Found,
    source: Source,
    /// The own header was searched.
    header_is_done: bool,
    is_finished: bool,
}

/// Where in a message a text lies, and how it is read.
#[derive(Debug, Clone)]
pub struct Target {
    range: Range<u64>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    OwnHeader,
    Header,
    Body { encoding: Encoding, charset: Option<String> },
}

/// What octets are taken for.
enum Source {
    Nothing,
    Header { fields: FieldStream, is_own: bool },
    Body(BodyText),
}

/// What was found in each group of the query.
struct Found {
    fields: Vec<Progress>,
    /// Of these, whether there was such a field at all.
    is_there: Vec<bool>,
    header: Progress,
    body: Progress,
    /// The field that is being read.
    text: FieldText,
    /// Octets of it before its value.
    skip: usize,
    /// Its group, if it has one.
    group: Option<usize>,
}

impl<Q: Borrow<Query>> Search<Q> {
    /// A search that has seen nothing yet.
    pub fn new(query: Q) -> Search<Q> {
        let groups = query.borrow();
        let found = Found {
            fields: groups.fields.iter().map(|(_, needles)| needles.start()).collect(),
            is_there: alloc::vec![false; groups.fields.len()],
            header: groups.header.start(),
            body: groups.body.start(),
            text: FieldText::default(),
            skip: 0,
            group: None,
        };
        Search { query, found, source: Source::Nothing, header_is_done: false, is_finished: false }
    }

    /// What is still to be searched of `message`, in the order in which it lies: nothing, once everything was found.
    pub fn targets(&self, message: &Message) -> Vec<Target> {
        let mut targets = Vec::new();
        let in_headers = self.is_open(|term| matches!(term, Term::Text { .. }));
        let in_fields = self.is_open(|term| matches!(term, Term::Field { .. }));
        if !self.header_is_done && (in_headers || in_fields) {
            targets.push(Target { range: message.root.header.clone(), kind: Kind::OwnHeader });
        }
        if self.is_open(Term::is_in_body) {
            collect(&message.root, in_headers, &mut targets);
        }
        targets
    }

    /// The octets of `target` come next.
    pub fn begin(&mut self, target: &Target) {
        self.end();
        self.source = match &target.kind {
            Kind::OwnHeader => Source::Header { fields: FieldStream::new(), is_own: true },
            Kind::Header => Source::Header { fields: FieldStream::new(), is_own: false },
            Kind::Body { encoding, charset } => Source::Body(BodyText::new(*encoding, charset.as_deref())),
        };
    }

    /// The message comes next, from its beginning, of which only the header is searched. [`feed`](Search::feed) tells
    /// when that has ended.
    pub fn begin_header(&mut self) {
        self.end();
        self.source = Source::Header { fields: FieldStream::new(), is_own: true };
    }

    /// Looks at the next octets. True when no more need to come: everything that could be found in this text was
    /// found, or the header has ended.
    pub fn feed(&mut self, octets: &[u8]) -> bool {
        let query = self.query.borrow();
        match &mut self.source {
            Source::Nothing => true,
            Source::Header { fields, is_own } => {
                fields.feed(octets, &mut HeaderSink { query, found: &mut self.found, is_own: *is_own });
                fields.has_ended()
            }
            Source::Body(text) => {
                text.feed(octets, &query.body, &mut self.found.body);
                !self.is_open(Term::is_in_body)
            }
        }
    }

    /// Whether one of these terms is not decided yet.
    fn is_open(&self, of: impl Fn(Term) -> bool) -> bool {
        let mut terms = self.query.borrow().terms().iter().enumerate();
        terms.any(|(number, &term)| of(term) && self.outcome(number).is_none())
    }

    /// The text that was begun has ended.
    pub fn end(&mut self) {
        let query = self.query.borrow();
        match core::mem::replace(&mut self.source, Source::Nothing) {
            Source::Nothing => {}
            Source::Header { mut fields, is_own } => {
                let mut sink = HeaderSink { query, found: &mut self.found, is_own };
                fields.finish(&mut sink);
                sink.end_field();
                self.header_is_done |= is_own;
            }
            Source::Body(text) => text.finish(&query.body, &mut self.found.body),
        }
    }

    /// Everything was searched: what was not found is not there.
    pub fn finish(&mut self) {
        self.end();
        self.is_finished = true;
    }

    /// Whether the term of that number matches the message; `None` when that is not known yet.
    ///
    /// # Panics
    /// When the query has no such term.
    pub fn outcome(&self, term: usize) -> Option<bool> {
        let query = self.query.borrow();
        let found = &self.found;
        let (is_found, is_searched) = match query.terms()[term] {
            Term::Field { group, number } => {
                let is_met = query.fields[group].1.is_met(&found.fields[group], number);
                (found.is_there[group] && is_met, self.header_is_done)
            }
            Term::Body { in_body } => (query.body.is_met(&found.body, in_body), false),
            Term::Text { in_header, in_body } => {
                let in_header = query.header.is_met(&found.header, in_header);
                (in_header || query.body.is_met(&found.body, in_body), false)
            }
        };
        if is_found { Some(true) } else { (is_searched || self.is_finished).then_some(false) }
    }
}

impl Target {
    /// The octets to be fed, counted from the start of the message.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }
}

/// The headers inside the message, and the bodies of text.
fn collect(part: &Part, in_headers: bool, targets: &mut Vec<Target>) {
    let header = |part: &Part| Target { range: part.header.clone(), kind: Kind::Header };
    match &part.content {
        Content::Leaf if part.fields.content_type.has_type("text") => {
            let encoding = part.fields.transfer_encoding();
            let charset = decode_parameter(&part.fields.content_type.parameters, "charset");
            targets.push(Target { range: part.body.clone(), kind: Kind::Body { encoding, charset } });
        }
        Content::Leaf => {}
        Content::Multipart(parts) => {
            for part in parts {
                targets.extend(in_headers.then(|| header(part)));
                collect(part, in_headers, targets);
            }
        }
        Content::Message(message) => {
            targets.extend(in_headers.then(|| header(&message.root)));
            collect(&message.root, in_headers, targets);
        }
    }
}

struct HeaderSink<'a> {
    query: &'a Query,
    found: &'a mut Found,
    is_own: bool,
}

impl HeaderSink<'_> {
    fn look(query: &Query, found: &mut Found, text: &str) {
        query.header.feed(&mut found.header, text);
        if let Some(group) = found.group {
            query.fields[group].1.feed(&mut found.fields[group], text);
        }
    }

    fn end_field(&mut self) {
        let mut text = core::mem::take(&mut self.found.text);
        text.finish(|text| Self::look(self.query, self.found, text));
        self.found.text = text;
        self.found.header.end_text();
        if let Some(group) = self.found.group.take() {
            self.found.fields[group].end_text();
        }
    }
}

impl FieldSink for HeaderSink<'_> {
    fn start(&mut self, name: &[u8], value_at: usize) {
        self.end_field();
        let query = self.query;
        self.found.skip = value_at;
        if let Ok(name) = core::str::from_utf8(name) {
            query.header.feed(&mut self.found.header, name);
            query.header.feed(&mut self.found.header, ": ");
        }
        let group = query.fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        self.found.group = group.filter(|_| self.is_own);
        if let Some(group) = self.found.group {
            self.found.is_there[group] = true;
        }
    }

    fn octets(&mut self, octets: &[u8]) {
        let skip = self.found.skip.min(octets.len());
        self.found.skip -= skip;
        if self.found.header.is_complete() && self.found.group.is_none() {
            return;
        }
        let mut text = core::mem::take(&mut self.found.text);
        text.feed(&octets[skip..], |text| Self::look(self.query, self.found, text));
        self.found.text = text;
    }
}

//! One message, looked at line by line.

use super::action::{Action, is_field, parse};
use super::outcome::{Finding, LINE_MAX, Outcome, shown};
use super::structure::Structure;
use super::{ContentChecks, Kind, text};
use crate::table::{Answers, Key, Place};
use std::borrow::Cow;
use std::ops::Deref;

/// A message under way; see [`ContentChecks::inspect`]. `C` holds the tables: a reference, or an
/// [`Arc`](std::sync::Arc) where the message outlives whoever began with it.
///
/// [`feed`](Inspection::feed) it the message in pieces of any size, then [`finish`](Inspection::finish): how the message is
/// cut changes nothing. Both add what is to be kept to `kept`; a piece may wait for the next one.
#[derive(Debug)]
pub struct Inspection<C> {
    checks: C,
    answers: Answers,
    structure: Structure,
    /// A line that is not whole yet.
    line: Vec<u8>,
    /// What is in `line` goes on a line whose beginning was taken before.
    is_continued: bool,
    field: Option<Field>,
    /// How much of this part's body was looked at.
    body_bytes: usize,
    /// Nothing more is looked at.
    is_over: bool,
    outcome: Outcome,
}

/// The field under way.
#[derive(Debug)]
enum Field {
    /// Not yet looked at.
    Open(Vec<u8>),
    /// Larger than what is looked at: the rest is kept, or not.
    Decided { is_kept: bool },
}

/// What becomes of a line.
enum Fate {
    Keep,
    Drop,
    Prepend(String),
    Replace(String),
}

impl<C: Deref<Target = ContentChecks>> Inspection<C> {
    /// Begins with a message.
    pub fn new(checks: C) -> Self {
        Self {
            is_over: checks.is_empty(),
            checks,
            answers: Answers::default(),
            structure: Structure::new(),
            line: Vec::new(),
            is_continued: false,
            field: None,
            body_bytes: 0,
            outcome: Outcome::default(),
        }
    }

    /// What was found so far. Once the message is refused, the rest of it need not be fed.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Takes a piece of the message.
    pub fn feed(&mut self, mut octets: &[u8], kept: &mut Vec<u8>) {
        while !octets.is_empty() && !self.is_over {
            // A line end may be two octets; with one more it is sure that the line is longer.
            let room = self.line_bytes_max().saturating_add(3) - self.line.len();
            let window = &octets[..octets.len().min(room)];
            let end = memchr::memchr(b'\n', window).map(|at| at + 1);
            let (taken, rest) = octets.split_at(end.unwrap_or(window.len()));
            octets = rest;
            if end.is_some() || taken.len() == room {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(taken);
                self.piece(&mut line, kept);
                // What is left of a line that is whole must not wait for the next.
                while end.is_some() && !line.is_empty() && !self.is_over {
                    self.piece(&mut line, kept);
                }
                self.line = line;
            } else {
                self.line.extend_from_slice(taken);
            }
        }
        if self.is_over {
            self.flush(kept);
            kept.extend_from_slice(octets);
        }
    }

    /// The message is over.
    pub fn finish(mut self, kept: &mut Vec<u8>) -> Outcome {
        let mut line = std::mem::take(&mut self.line);
        while !line.is_empty() && !self.is_over {
            self.piece(&mut line, kept);
        }
        self.line = line;
        if !self.is_over {
            self.end_field(kept);
        }
        self.flush(kept);
        self.outcome
    }

    fn line_bytes_max(&self) -> usize {
        self.checks.limits.line_bytes_max.max(1)
    }

    /// Takes a whole line, or the first piece of one that is too long; leaves the rest.
    fn piece(&mut self, line: &mut Vec<u8>, kept: &mut Vec<u8>) {
        let bytes_max = self.line_bytes_max();
        let length = content(line).len();
        let taken = if length > bytes_max { bytes_max } else { line.len() };
        let piece = &line[..taken];
        let is_first = !std::mem::replace(&mut self.is_continued, !piece.ends_with(b"\n"));
        if self.structure.is_in_header() {
            self.header_piece(piece, is_first, kept);
        } else {
            self.body_piece(piece, is_first, kept);
        }
        line.drain(..taken);
    }

    fn header_piece(&mut self, piece: &[u8], is_first: bool, kept: &mut Vec<u8>) {
        let is_boundary = is_first && self.structure.is_boundary(content(piece));
        let goes_on = !is_first || (self.field.is_some() && matches!(piece.first(), Some(b' ' | b'\t')));
        if goes_on {
            self.add_to_field(piece, kept);
            return;
        }
        self.end_field(kept);
        if self.is_over {
            kept.extend_from_slice(piece);
        } else if is_field(piece) && !is_boundary {
            self.field = Some(Field::Open(Vec::new()));
            self.add_to_field(piece, kept);
        } else {
            self.structure.end_header();
            self.body_bytes = 0;
            // A line that cannot be in a header begins the body.
            let is_body = is_boundary || !(content(piece).is_empty() || self.structure.is_in_header());
            if is_body {
                self.body_piece(piece, is_first, kept);
            } else {
                kept.extend_from_slice(piece);
            }
        }
    }

    fn add_to_field(&mut self, piece: &[u8], kept: &mut Vec<u8>) {
        let bytes_max = self.checks.limits.field_bytes_max;
        match &mut self.field {
            Some(Field::Open(octets)) if octets.len() + piece.len() <= bytes_max => {
                octets.extend_from_slice(piece)
            }
            Some(Field::Open(octets)) => {
                let (within, beyond) = piece.split_at(bytes_max - octets.len());
                octets.extend_from_slice(within);
                let octets = std::mem::take(octets);
                let is_kept = self.decide_field(&octets, kept);
                self.field = Some(Field::Decided { is_kept });
                if is_kept {
                    kept.extend_from_slice(beyond);
                }
            }
            Some(Field::Decided { is_kept: false }) => {}
            // A line of a header that is none of a field's, and too long to be taken at once.
            Some(Field::Decided { is_kept: true }) | None => kept.extend_from_slice(piece),
        }
    }

    fn end_field(&mut self, kept: &mut Vec<u8>) {
        if let Some(Field::Open(octets)) = self.field.take() {
            self.decide_field(&octets, kept);
        }
    }

    /// Looks at a field; true where the message keeps it, and so what may follow of it.
    fn decide_field(&mut self, octets: &[u8], kept: &mut Vec<u8>) -> bool {
        let kind = self.structure.field(octets);
        let fate = self.fate(kind, octets);
        let is_kept = matches!(fate, Fate::Keep | Fate::Prepend(_));
        // What comes in place of a field that is not whole is whole.
        let needs_end = matches!(fate, Fate::Replace(_)) && !octets.ends_with(b"\n");
        keep(octets, fate, kept);
        if needs_end {
            kept.extend_from_slice(b"\r\n");
        }
        is_kept
    }

    fn body_piece(&mut self, piece: &[u8], is_first: bool, kept: &mut Vec<u8>) {
        let fate = match self.body_bytes < self.checks.limits.body_bytes_max {
            true => self.fate(Kind::Body, piece),
            false => Fate::Keep,
        };
        self.body_bytes = self.body_bytes.saturating_add(piece.len());
        if is_first && self.structure.body_line(content(piece)) {
            self.body_bytes = 0;
        }
        keep(piece, fate, kept);
    }

    /// Asks the tables about a field or a line, and notes what they say.
    fn fate(&mut self, kind: Kind, octets: &[u8]) -> Fate {
        let maps = self.checks.maps(kind);
        if maps.is_empty() {
            return Fate::Keep;
        }
        let octets = content(octets);
        let key = text::text(octets);
        let key = if key.contains('\r') { Cow::Owned(key.replace("\r\n", "\n")) } else { key };
        let (action, text, place) = match maps.look_up(Key::Whole(&key), &self.answers) {
            Ok(None) => return Fate::Keep,
            Ok(Some(found)) => {
                let Some((action, text)) = parse(&found.text, kind) else { return Fate::Keep };
                let Place { file, line } = found.place;
                (action, text.to_string(), Place { file: Cow::Owned(file.into_owned()), line })
            }
            Err(error) => {
                let place = Place { file: Cow::Borrowed("lookup"), line: None };
                (Action::Failed(error.to_string()), String::new(), place)
            }
        };
        let written = |text: &str| if kind == Kind::Body { text.to_string() } else { text::folded(text) };
        let fate = match &action {
            Action::Ignore | Action::Strip => Fate::Drop,
            Action::Prepend(text) => Fate::Prepend(written(text)),
            Action::Replace(text) => Fate::Replace(written(text)),
            _ => Fate::Keep,
        };
        self.is_over |= self.outcome.add(Finding { kind, line: shown(&key, LINE_MAX), action, text, place });
        fate
    }

    /// Keeps what waits, once nothing more is looked at.
    fn flush(&mut self, kept: &mut Vec<u8>) {
        if let Some(Field::Open(octets)) = self.field.take() {
            kept.extend_from_slice(&octets);
        }
        kept.append(&mut self.line);
    }
}

fn keep(octets: &[u8], fate: Fate, kept: &mut Vec<u8>) {
    match fate {
        Fate::Keep => kept.extend_from_slice(octets),
        Fate::Drop => {}
        Fate::Prepend(text) => {
            kept.extend(text::octets(&text));
            kept.extend_from_slice(b"\r\n");
            kept.extend_from_slice(octets);
        }
        Fate::Replace(text) => {
            kept.extend(text::octets(&text));
            kept.extend_from_slice(&octets[content(octets).len()..]);
        }
    }
}

/// A line without its line end.
fn content(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

//! [`HeaderRun`]: the header of one message, stepped.

use super::field::{AddressField, Asked, Rewriter};
use super::names::{self, known};
use super::{HeaderRewriting, MessageFacts, Plan};
use crate::address::{Address, MappingWarning};
use crate::decision::Reply;
use crate::question::{Answer, Question};
use crate::table::Answers;
use mail_message::header::{FieldSink, FieldStream};
use proto_core::CallerFault;
use std::collections::VecDeque;
use std::mem;
use std::ops::Deref;

/// How many warnings are kept of one message.
const WARNINGS_MAX: usize = 100;

/// A message on its way through: [`feed`](HeaderRun::feed) it in pieces of any size, [`step`](HeaderRun::step) after each
/// and [`answer`](HeaderRun::answer) what that needs, until it is done; [`end`](HeaderRun::end) when there is no more. How the
/// message is cut changes nothing. `C` has the settings: a reference, or an [`Arc`](std::sync::Arc) where the message outlives
/// whoever began with it.
#[derive(Debug)]
pub struct HeaderRun<C> {
    settings: C,
    plan: Plan,
    facts: MessageFacts,
    stream: FieldStream,
    cut: Cut,
    /// About the field that is next.
    answers: Answers,
    asked: Asked,
    /// The last octet that was passed on ended no line.
    is_within_line: bool,
    outcome: HeaderOutcome,
}

/// What a run says when it is stepped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderStep {
    /// It goes on when these are answered, in any order; all are [`Question::Lookup`].
    Needs(Vec<Question>),
    /// All that was fed is passed on, as far as it is whole.
    Done,
}

/// What came of a header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HeaderOutcome {
    /// The message is refused for now, since a table could not be asked.
    pub refusal: Option<Reply>,
    /// What is to be logged as a warning, each once; at most 100 are kept.
    pub warnings: Vec<String>,
}

/// A piece of the message that was not passed on.
#[derive(Debug)]
enum Piece {
    /// It stays as it is.
    Kept(Vec<u8>),
    /// It is whole when another piece follows.
    Field(AddressField),
    /// Here the header ends.
    End { by_empty_line: bool },
}

/// Cuts a message into pieces.
#[derive(Debug)]
struct Cut {
    pieces: VecDeque<Piece>,
    is_dropping: bool,
    /// The fields that were there: bits of [`names`].
    seen: u16,
}

impl<C: Deref<Target = HeaderRewriting>> HeaderRun<C> {
    /// Begins with a message.
    pub fn new(settings: C, plan: Plan, facts: MessageFacts) -> Self {
        Self {
            settings,
            plan,
            facts,
            stream: FieldStream::new(),
            cut: Cut { pieces: VecDeque::new(), is_dropping: false, seen: 0 },
            answers: Answers::default(),
            asked: Asked::new(),
            is_within_line: false,
            outcome: HeaderOutcome::default(),
        }
    }

    /// Takes a piece of the message.
    pub fn feed(&mut self, octets: &[u8]) {
        let (settings, plan) = (&*self.settings, self.plan);
        self.stream.feed(octets, &mut Sink { cut: &mut self.cut, settings, plan });
    }

    /// The message is over.
    pub fn end(&mut self) {
        let (settings, plan) = (&*self.settings, self.plan);
        self.stream.finish(&mut Sink { cut: &mut self.cut, settings, plan });
    }

    /// Whether the header has ended and is passed on: what comes then need not be fed.
    pub fn is_over(&self) -> bool {
        self.stream.has_ended() && self.cut.pieces.is_empty()
    }

    /// What came of the header so far.
    pub fn outcome(&self) -> &HeaderOutcome {
        &self.outcome
    }

    /// Adds to `kept` what can be passed on.
    pub fn step(&mut self, kept: &mut Vec<u8>) -> HeaderStep {
        self.asked.clear();
        while let Some(piece) = self.cut.pieces.pop_front() {
            let before = kept.len();
            match piece {
                Piece::Kept(octets) => kept.extend_from_slice(&octets),
                Piece::End { by_empty_line } => self.complete(by_empty_line, kept),
                Piece::Field(field) if self.cut.pieces.is_empty() => {
                    self.cut.pieces.push_front(Piece::Field(field));
                    break;
                }
                Piece::Field(field) => match self.rewritten(&field) {
                    Ok(changed) => kept.extend_from_slice(changed.as_ref().unwrap_or(&field.octets)),
                    Err(asked) => {
                        self.cut.pieces.push_front(Piece::Field(field));
                        let question = |(table, key): &(String, String)| Question::Lookup {
                            table: table.clone(),
                            key: key.clone(),
                        };
                        let questions = asked.iter().map(question).collect();
                        self.asked = asked;
                        return HeaderStep::Needs(questions);
                    }
                },
            }
            if kept.len() > before {
                self.is_within_line = !kept.ends_with(b"\n");
            }
        }
        HeaderStep::Done
    }

    /// Answers a question that [`HeaderRun::step`] has put.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when it was not asked.
    pub fn answer(&mut self, question: &Question, answer: Answer) -> Result<(), CallerFault> {
        let Question::Lookup { table, key } = question else { return Err(NOT_ASKED) };
        if !self.asked.contains(&(table.clone(), key.clone())) {
            return Err(NOT_ASKED);
        }
        let found = match answer {
            Answer::Found(found) => Ok(found),
            _ => Err("it could not be asked".to_string()),
        };
        self.answers.add(table, key, found);
        Ok(())
    }

    /// A field that is whole, as it is to be.
    fn rewritten(&mut self, field: &AddressField) -> Result<Option<Vec<u8>>, Asked> {
        let Some(context) = self.plan.context else { return Ok(None) };
        let mut rewriter =
            Rewriter { settings: &self.settings, context, answers: &self.answers, warnings: Vec::new() };
        let changed = field.rewritten(&mut rewriter)?;
        let warnings = rewriter.warnings;
        self.answers = Answers::default();
        for warning in warnings {
            if matches!(warning, MappingWarning::Lookup { .. }) {
                let text = "Temporary lookup failure".into();
                self.outcome.refusal.get_or_insert_with(|| Reply::new(451, (4, 3, 0), text));
            }
            let warning = warning.to_string();
            if self.outcome.warnings.len() < WARNINGS_MAX && !self.outcome.warnings.contains(&warning) {
                self.outcome.warnings.push(warning);
            }
        }
        Ok(changed)
    }

    /// Adds the fields that are missing at the end of the header, and an empty line where none follows.
    fn complete(&mut self, by_empty_line: bool, kept: &mut Vec<u8>) {
        let missing = if self.plan.adds_missing { self.missing() } else { Vec::new() };
        if missing.is_empty() {
            return;
        }
        if self.is_within_line {
            kept.extend_from_slice(b"\r\n");
        }
        for field in missing {
            kept.extend_from_slice(field.as_bytes());
            kept.extend_from_slice(b"\r\n");
        }
        if !by_empty_line {
            kept.extend_from_slice(b"\r\n");
        }
    }

    /// The fields that are missing (RFC 5322 section 3.6; RFC 6409 section 8), those of the latest sending where there was more
    /// than one.
    fn missing(&self) -> Vec<String> {
        let MessageFacts { sender, id, date } = &self.facts;
        let has = |field: u16| self.cut.seen & field != 0;
        let mut missing = Vec::new();
        let (prefix, [message_id_there, date_there, from_there]) = match has(names::RESENT) {
            true => ("Resent-", [names::RESENT_MESSAGE_ID, names::RESENT_DATE, names::RESENT_FROM]),
            false => ("", [names::MESSAGE_ID, names::DATE, names::FROM]),
        };
        if !has(message_id_there) {
            missing.push(format!("{prefix}Message-Id: <{id}@{}>", self.settings.myhostname));
        }
        if !has(date_there) {
            missing.push(format!("{prefix}Date: {date}"));
        }
        if !has(from_there) {
            let from = match sender.is_empty() {
                true => {
                    let origin = &self.settings.rewriting.myorigin;
                    let daemon = Address::internal(format!("MAILER-DAEMON@{origin}"));
                    format!("{daemon} (Mail Delivery System)")
                }
                false => sender.to_string(),
            };
            missing.push(format!("{prefix}From: {from}"));
        }
        let lacking = &self.settings.undisclosed_recipients_header;
        if !(has(names::VISIBLE_RECIPIENT) || lacking.is_empty()) {
            missing.push(lacking.clone());
        }
        // What came from a client or a table may not end a line.
        missing.retain(|field| !field.contains(char::is_control));
        missing
    }
}

const NOT_ASKED: CallerFault = CallerFault::Misuse("answer: this was not asked");

/// Where the fields go.
struct Sink<'a> {
    cut: &'a mut Cut,
    settings: &'a HeaderRewriting,
    plan: Plan,
}

impl FieldSink for Sink<'_> {
    fn start(&mut self, name: &[u8], value_at: usize) {
        self.cut.is_dropping = self.settings.drops(name);
        if self.cut.is_dropping {
            // The field before it is whole.
            self.cut.keep(&[]);
            return;
        }
        let (class, bits) = known(name);
        self.cut.seen |= bits;
        match class.filter(|_| self.plan.context.is_some()) {
            Some(class) => {
                let field = AddressField { class, value_at, octets: Vec::new() };
                self.cut.pieces.push_back(Piece::Field(field));
            }
            None => self.cut.keep(&[]),
        }
    }

    fn octets(&mut self, octets: &[u8]) {
        if self.cut.is_dropping {
            return;
        }
        match self.cut.pieces.back_mut() {
            Some(Piece::Field(field)) => {
                field.octets.extend_from_slice(octets);
                if field.octets.len() > self.settings.field_bytes_max {
                    let whole = mem::take(&mut field.octets);
                    self.cut.pieces.pop_back();
                    self.cut.keep(&whole);
                }
            }
            _ => self.cut.keep(octets),
        }
    }

    fn ended(&mut self, by_empty_line: bool) {
        self.cut.is_dropping = false;
        self.cut.pieces.push_back(Piece::End { by_empty_line });
    }

    fn other(&mut self, octets: &[u8]) {
        self.cut.keep(octets);
    }
}

impl Cut {
    /// Adds what stays as it is. A field before it is whole.
    fn keep(&mut self, octets: &[u8]) {
        match self.pieces.back_mut() {
            Some(Piece::Kept(kept)) => kept.extend_from_slice(octets),
            _ => self.pieces.push_back(Piece::Kept(octets.to_vec())),
        }
    }
}

//! A search condition, ready to be asked of many messages.
//!
//! It is asked with whatever is known of a message, and answers yes, no, or that more has to be known: `NOT` keeps that
//! answer, `AND` needs one no to say no, `OR` one yes to say yes.
//!
//! # Departures
//! INTERNALDATE is compared by its day in UTC, the zone in which it is told. A message whose `Date:` cannot be read
//! meets none of the SENT keys.

use imap_proto::types::{Date, DateTime, SearchKey};
use mail_message::header::{Fields, parse_date};
use mail_message::search::Needle;
use mail_message::{Flag, FlagSet, Uid, UidSet};
use mailstore::Meta;
use std::cmp::Ordering;
use std::sync::Arc;

/// A condition, with the texts that bodies are searched for.
#[derive(Debug)]
pub(super) struct Plan {
    condition: Condition,
    texts: Vec<Arc<Needle>>,
    asks_meta: bool,
}

#[derive(Debug)]
enum Condition {
    All,
    And(Vec<Condition>),
    Or(Box<(Condition, Condition)>),
    Not(Box<Condition>),
    Flag(Flag),
    Uids(UidSet),
    /// The internal date's day compares so.
    Day(Comparison, Date),
    Larger(u64),
    Smaller(u64),
    /// The day of `Date:` compares so.
    Sent(Comparison, Date),
    /// A field of this name holds the text.
    Field(Box<str>, Needle),
    /// The text of this number is in the body.
    Body(usize),
    /// The text of this number is in the header or in the body.
    Text(usize),
    /// A key that this server does not know; no message meets it.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Before,
    On,
    Since,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Before => ordering == Ordering::Less,
            Self::On => ordering == Ordering::Equal,
            Self::Since => ordering != Ordering::Less,
        }
    }
}

/// What is known of a message.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) uid: Uid,
    flags: FlagSet,
    pub(super) meta: Option<Meta>,
    /// The octets of the header.
    pub(super) header: Option<bytes::Bytes>,
    /// For each text of the plan, whether the body holds it.
    pub(super) body: Option<Vec<bool>>,
}

impl Facts {
    pub(super) fn new(uid: Uid, flags: FlagSet) -> Self {
        Self { uid, flags, meta: None, header: None, body: None }
    }
}

impl Plan {
    pub(super) fn new(key: &SearchKey) -> Self {
        let mut plan = Self { condition: Condition::Nothing, texts: Vec::new(), asks_meta: false };
        plan.condition = plan.compile(key);
        plan
    }

    /// Whether a date or a size can make a difference.
    pub(super) fn asks_meta(&self) -> bool {
        self.asks_meta
    }

    /// The texts that bodies are searched for.
    pub(super) fn texts(&self) -> &[Arc<Needle>] {
        &self.texts
    }

    /// Whether the message meets the condition; `None` when that is not known yet. With all facts it is.
    pub(super) fn meets(&self, facts: &Facts) -> Option<bool> {
        self.condition.meets(facts, &self.texts)
    }

    fn compile(&mut self, key: &SearchKey) -> Condition {
        match key {
            SearchKey::All => Condition::All,
            SearchKey::And(keys) => {
                let mut conditions: Vec<Condition> = keys.iter().map(|key| self.compile(key)).collect();
                // What is known sooner goes first.
                conditions.sort_by_key(Condition::cost);
                Condition::And(conditions)
            }
            SearchKey::Or(keys) => Condition::Or(Box::new((self.compile(&keys.0), self.compile(&keys.1)))),
            SearchKey::Not(key) => Condition::Not(Box::new(self.compile(key))),
            SearchKey::Flag(flag) => Condition::Flag(flag.clone()),
            SearchKey::Unflag(flag) => Condition::Not(Box::new(Condition::Flag(flag.clone()))),
            // The machine has put plain numbers in place of all that only the session knows.
            SearchKey::Uid(set) => Condition::Uids(set.resolve(None)),
            SearchKey::Bcc(text) => field("Bcc", text),
            SearchKey::Cc(text) => field("Cc", text),
            SearchKey::From(text) => field("From", text),
            SearchKey::To(text) => field("To", text),
            SearchKey::Subject(text) => field("Subject", text),
            SearchKey::Header(name, text) => field(name, text),
            SearchKey::Body(text) => Condition::Body(self.text(text)),
            SearchKey::Text(text) => Condition::Text(self.text(text)),
            SearchKey::Before(date) => self.day(Comparison::Before, *date),
            SearchKey::On(date) => self.day(Comparison::On, *date),
            SearchKey::Since(date) => self.day(Comparison::Since, *date),
            SearchKey::SentBefore(date) => Condition::Sent(Comparison::Before, *date),
            SearchKey::SentOn(date) => Condition::Sent(Comparison::On, *date),
            SearchKey::SentSince(date) => Condition::Sent(Comparison::Since, *date),
            SearchKey::Larger(octets) => {
                self.asks_meta = true;
                Condition::Larger(*octets)
            }
            SearchKey::Smaller(octets) => {
                self.asks_meta = true;
                Condition::Smaller(*octets)
            }
            other => {
                tracing::error!(?other, "a search key that nobody resolved");
                Condition::Nothing
            }
        }
    }

    fn day(&mut self, comparison: Comparison, date: Date) -> Condition {
        self.asks_meta = true;
        Condition::Day(comparison, date)
    }

    fn text(&mut self, text: &str) -> usize {
        self.texts.push(Arc::new(Needle::new(text)));
        self.texts.len() - 1
    }
}

fn field(name: &str, text: &str) -> Condition {
    Condition::Field(name.into(), Needle::new(text))
}

impl Condition {
    /// How much has to be known before it is decided.
    fn cost(&self) -> u8 {
        match self {
            Self::All | Self::Nothing | Self::Flag(_) | Self::Uids(_) => 0,
            Self::Day(..) | Self::Larger(_) | Self::Smaller(_) => 1,
            Self::Sent(..) | Self::Field(..) => 2,
            Self::Text(_) => 3,
            Self::Body(_) => 4,
            Self::Not(condition) => condition.cost(),
            Self::And(conditions) => conditions.iter().map(Self::cost).max().unwrap_or(0),
            Self::Or(conditions) => conditions.0.cost().max(conditions.1.cost()),
        }
    }

    fn meets(&self, facts: &Facts, texts: &[Arc<Needle>]) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Nothing => Some(false),
            Self::And(conditions) => {
                let mut all = Some(true);
                for condition in conditions {
                    match condition.meets(facts, texts) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => all = None,
                    }
                }
                all
            }
            Self::Or(conditions) => {
                match (conditions.0.meets(facts, texts), conditions.1.meets(facts, texts)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
            Self::Not(condition) => condition.meets(facts, texts).map(|meets| !meets),
            Self::Flag(flag) => Some(facts.flags.contains(flag)),
            Self::Uids(uids) => Some(uids.contains(facts.uid)),
            Self::Day(comparison, date) => {
                let day = DateTime::from_unix(facts.meta?.internal_date).map(DateTime::date);
                Some(day.is_some_and(|day| comparison.holds(day.cmp(date))))
            }
            Self::Larger(octets) => Some(facts.meta?.size_bytes > *octets),
            Self::Smaller(octets) => Some(facts.meta?.size_bytes < *octets),
            Self::Sent(comparison, date) => {
                let sent = sent_day(facts.header.as_ref()?);
                Some(sent.is_some_and(|day| comparison.holds(day.cmp(date))))
            }
            Self::Field(name, needle) => {
                let mut fields = Fields::new(facts.header.as_ref()?);
                let holds = |field: mail_message::header::Field<'_>| {
                    field.is_named(name.as_bytes()) && needle.is_in_header(&field.unfolded())
                };
                Some(fields.any(holds))
            }
            Self::Body(text) => facts.body.as_ref().map(|found| found[*text]),
            Self::Text(text) => {
                let header = facts.header.as_ref()?;
                let in_field = |field: mail_message::header::Field<'_>| {
                    texts[*text].is_in_header(&[field.name(), b": ", &field.unfolded()].concat())
                };
                if Fields::new(header).any(in_field) {
                    return Some(true);
                }
                facts.body.as_ref().map(|found| found[*text])
            }
        }
    }
}

/// The day of `Date:` as it is written, "disregarding time and timezone".
fn sent_day(header: &[u8]) -> Option<Date> {
    let field = Fields::new(header).find(|field| field.is_named(b"Date"))?;
    let date = parse_date(&field.unfolded())?;
    Date::new(date.year, date.month, date.day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::UnixTime;

    fn facts(uid: u32, flags: &[Flag]) -> Facts {
        Facts::new(Uid::new(uid).unwrap(), flags.iter().cloned().collect())
    }

    #[test]
    fn a_cheap_no_needs_no_header() {
        let subject = || SearchKey::Subject("x".into());
        let key = SearchKey::And(vec![subject(), SearchKey::Flag(Flag::Seen)]);
        let plan = Plan::new(&key);
        assert_eq!(plan.meets(&facts(1, &[])), Some(false));
        assert_eq!(plan.meets(&facts(1, &[Flag::Seen])), None);
        let plan = Plan::new(&SearchKey::Or(Box::new((subject(), SearchKey::Flag(Flag::Seen)))));
        assert_eq!(plan.meets(&facts(1, &[Flag::Seen])), Some(true));
        assert_eq!(plan.meets(&facts(1, &[])), None);
        let plan = Plan::new(&SearchKey::Not(Box::new(subject())));
        assert_eq!(plan.meets(&facts(1, &[])), None);
    }

    #[test]
    fn days_disregard_time_and_zone() {
        let date = Date::new(2026, 11, 22).unwrap();
        let with_header = |date: &str| {
            let mut facts = facts(1, &[]);
            facts.header = Some(format!("Date: {date}\r\n\r\n").into());
            facts
        };
        let late = with_header("Sun, 22 Nov 2026 23:59:59 -1200");
        for (key, meets) in [
            (SearchKey::SentOn(date), true),
            (SearchKey::SentSince(date), true),
            (SearchKey::SentBefore(date), false),
        ] {
            assert_eq!(Plan::new(&key).meets(&late), Some(meets), "{key:?}");
            assert_eq!(Plan::new(&key).meets(&with_header("someday")), Some(false), "{key:?}");
        }
        let mut facts = facts(1, &[]);
        facts.meta = Some(Meta::new(10, UnixTime(1_795_305_600)));
        for (key, meets) in [
            (SearchKey::On(date), true),
            (SearchKey::Before(date), false),
            (SearchKey::Larger(9), true),
            (SearchKey::Larger(10), false),
            (SearchKey::Smaller(11), true),
            (SearchKey::Smaller(10), false),
        ] {
            assert_eq!(Plan::new(&key).meets(&facts), Some(meets), "{key:?}");
        }
    }
}

//! A search condition, ready to be asked of many messages.
//!
//! It is asked with whatever is known of a message, and answers yes, no, or that more has to be known: `NOT` keeps that
//! answer, `AND` needs one no to say no, `OR` one yes to say yes.
//!
//! # Departures
//! INTERNALDATE is compared by its day in UTC, the zone in which it is told. A message whose `Date:` cannot be read
//! meets none of the SENT keys.

use bytes::Bytes;
use imap_proto::types::{Date, DateTime, SearchKey};
use mail_message::header::parse_date;
use mail_message::search::{Query, Scope, Search};
use mail_message::{Flag, FlagSet, Uid, UidSet};
use mailstore::{Meta, Summary};
use std::cmp::Ordering;
use std::sync::Arc;

/// A condition, with the texts that messages are searched for.
#[derive(Debug)]
pub(super) struct Plan {
    condition: Condition,
    query: Arc<Query>,
    asks_meta: bool,
    /// The fields of a [`Summary`] are all that the texts are looked for in.
    is_in_summary: bool,
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
    /// The text of this number is where it is to be, and how much has to be known before that is decided.
    Term(usize, u8),
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
pub(super) struct Facts {
    pub(super) uid: Uid,
    flags: FlagSet,
    pub(super) meta: Option<Meta>,
    /// `Date:`, if there is one.
    pub(super) date: Option<Option<Bytes>>,
    /// How far the message was searched for the texts of the plan.
    pub(super) search: Option<Search<Arc<Query>>>,
}

impl Facts {
    pub(super) fn new(uid: Uid, flags: FlagSet) -> Self {
        Self { uid, flags, meta: None, date: None, search: None }
    }
}

impl Plan {
    pub(super) fn new(key: &SearchKey) -> Self {
        let mut compiler = Compiler { terms: Vec::new(), asks_meta: false };
        let condition = compiler.compile(key);
        let is_kept = |scope: &Scope<'_>| match scope {
            Scope::Field(name) => Summary::FIELDS.iter().any(|kept| kept.eq_ignore_ascii_case(name)),
            _ => false,
        };
        Self {
            condition,
            is_in_summary: compiler.terms.iter().all(|(scope, _)| is_kept(scope)),
            query: Arc::new(Query::new(compiler.terms)),
            asks_meta: compiler.asks_meta,
        }
    }

    /// Whether a date or a size can make a difference.
    pub(super) fn asks_meta(&self) -> bool {
        self.asks_meta
    }

    /// The texts that messages are searched for.
    pub(super) fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// The fields that tell all that is asked of texts, if they are all in the summary.
    pub(super) fn fields_in<'a>(&self, summary: &'a Summary) -> Option<&'a Bytes> {
        summary.fields.as_ref().filter(|_| self.is_in_summary)
    }

    /// Whether the message meets the condition; `None` when that is not known yet. With all facts it is.
    pub(super) fn meets(&self, facts: &Facts) -> Option<bool> {
        self.condition.meets(facts)
    }
}

/// From a key to a condition.
struct Compiler<'a> {
    terms: Vec<(Scope<'a>, &'a str)>,
    asks_meta: bool,
}

impl<'a> Compiler<'a> {
    fn compile(&mut self, key: &'a SearchKey) -> Condition {
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
            SearchKey::Bcc(text) => self.term(Scope::Field("Bcc"), text, 2),
            SearchKey::Cc(text) => self.term(Scope::Field("Cc"), text, 2),
            SearchKey::From(text) => self.term(Scope::Field("From"), text, 2),
            SearchKey::To(text) => self.term(Scope::Field("To"), text, 2),
            SearchKey::Subject(text) => self.term(Scope::Field("Subject"), text, 2),
            SearchKey::Header(name, text) => self.term(Scope::Field(name), text, 2),
            SearchKey::Body(text) => self.term(Scope::Body, text, 4),
            SearchKey::Text(text) => self.term(Scope::Text, text, 3),
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

    fn term(&mut self, scope: Scope<'a>, text: &'a str, cost: u8) -> Condition {
        self.terms.push((scope, text));
        Condition::Term(self.terms.len() - 1, cost)
    }
}

impl Condition {
    /// How much has to be known before it is decided.
    fn cost(&self) -> u8 {
        match self {
            Self::All | Self::Nothing | Self::Flag(_) | Self::Uids(_) => 0,
            Self::Day(..) | Self::Larger(_) | Self::Smaller(_) => 1,
            Self::Sent(..) => 2,
            Self::Term(_, cost) => *cost,
            Self::Not(condition) => condition.cost(),
            Self::And(conditions) => conditions.iter().map(Self::cost).max().unwrap_or(0),
            Self::Or(conditions) => conditions.0.cost().max(conditions.1.cost()),
        }
    }

    fn meets(&self, facts: &Facts) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Nothing => Some(false),
            Self::And(conditions) => {
                let mut all = Some(true);
                for condition in conditions {
                    match condition.meets(facts) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => all = None,
                    }
                }
                all
            }
            Self::Or(conditions) => match (conditions.0.meets(facts), conditions.1.meets(facts)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(condition) => condition.meets(facts).map(|meets| !meets),
            Self::Flag(flag) => Some(facts.flags.contains(flag)),
            Self::Uids(uids) => Some(uids.contains(facts.uid)),
            Self::Day(comparison, date) => {
                let day = DateTime::from_unix(facts.meta?.internal_date).map(DateTime::date);
                Some(day.is_some_and(|day| comparison.holds(day.cmp(date))))
            }
            Self::Larger(octets) => Some(facts.meta?.size_bytes > *octets),
            Self::Smaller(octets) => Some(facts.meta?.size_bytes < *octets),
            Self::Sent(comparison, date) => {
                let sent = facts.date.as_ref()?.as_ref().and_then(|date| sent_day(date));
                Some(sent.is_some_and(|day| comparison.holds(day.cmp(date))))
            }
            Self::Term(number, _) => facts.search.as_ref()?.outcome(*number),
        }
    }
}

/// The day of `Date:` as it is written, "disregarding time and timezone".
fn sent_day(date: &[u8]) -> Option<Date> {
    let date = parse_date(date)?;
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
            facts.date = Some(Some(Bytes::copy_from_slice(date.as_bytes())));
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

//! Why a decision came out as it did.
//!
//! Hardly anybody reads it. So what is kept of each rule is where it stands and what was seen, in a few octets, and words are
//! made of that when they are read.

use crate::access::Rules;
use crate::address::Resolution;
use crate::decision::Class;
use crate::list_name::ListName;
use std::fmt::{self, Debug, Display, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// Every rule that was looked at, in order; `Display` prints one to a line. A clone is the same trail, not a copy.
#[derive(Clone, Default)]
pub struct Trail(Arc<Kept>);

#[derive(Clone, Default)]
struct Kept {
    lists: Vec<List>,
    entries: Vec<Entry>,
    notes: Notes,
}

/// A list that was gone through, and where it was entered from.
#[derive(Clone)]
struct List {
    name: Option<ListName>,
    rules: Rules,
    entered_from: Option<Position>,
}

/// A rule: the number of its list in the trail, and its place in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) list: u32,
    pub(crate) rule: u32,
}

#[derive(Clone)]
struct Entry {
    position: Position,
    outcome: Seen,
    why: Why,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) enum Why {
    /// Nothing but what came of it.
    #[default]
    Plain,
    Words(&'static str),
    Note(Note),
    /// The rule's table has none of the keys that are noted.
    NoneOf(Note),
    NotInMynetworks(IpAddr),
    /// Whether this is ours was what counted.
    Destination(Arc<Resolution>),
    /// The address that is noted leads here.
    LeadsTo(Note, Arc<Resolution>),
}

/// Words that were written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    begin: u32,
    end: u32,
}

/// All that was written down in the course of a decision, one behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(String);

impl Notes {
    /// Writes words down.
    pub(crate) fn write(&mut self, words: fmt::Arguments<'_>) -> Note {
        let begin = self.end();
        // A text takes everything.
        let _ = self.0.write_fmt(words);
        self.since(begin)
    }

    /// Adds to what is being written.
    pub(crate) fn push_str(&mut self, words: &str) {
        self.0.push_str(words);
    }

    /// Where the next words will begin.
    pub(crate) fn end(&self) -> usize {
        self.0.len()
    }

    /// What was written from there on.
    pub(crate) fn since(&self, begin: usize) -> Note {
        // Of a decision that has written more than can be counted, the rest is not told.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Note { begin: place(begin), end: place(self.0.len()) }
    }

    /// Forgets what was written from there on.
    pub(crate) fn truncate(&mut self, end: usize) {
        self.0.truncate(end);
    }

    /// The words from there on.
    pub(crate) fn words_since(&self, begin: usize) -> &str {
        self.0.get(begin..).unwrap_or_default()
    }

    fn read(&self, note: Note) -> &str {
        self.0.get(note.begin as usize..note.end as usize).unwrap_or_default()
    }
}

impl Trail {
    /// The rules, in the order in which they were looked at.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = TrailEntry<'_>> {
        self.0.entries.iter().map(|entry| TrailEntry { kept: &self.0, entry })
    }

    /// Whether no rule was looked at.
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// Goes through a list from now on; gives its number.
    pub(crate) fn enter(
        &mut self,
        name: Option<ListName>,
        rules: &Rules,
        entered_from: Option<Position>,
    ) -> u32 {
        let kept = Arc::make_mut(&mut self.0);
        kept.entries.reserve(rules.len());
        kept.lists.push(List { name, rules: Arc::clone(rules), entered_from });
        // Fewer lists are entered than rules are looked at, and of those there is a limit.
        (kept.lists.len() - 1) as u32
    }

    pub(crate) fn push(&mut self, position: Position, outcome: Seen, why: Why) {
        Arc::make_mut(&mut self.0).entries.push(Entry { position, outcome, why });
    }

    pub(crate) fn notes(&mut self) -> &mut Notes {
        &mut Arc::make_mut(&mut self.0).notes
    }

    /// A rule as it was written, behind those that led to its list.
    pub(crate) fn rule(&self, position: Position) -> String {
        let mut words = String::new();
        // A text takes everything.
        let _ = self.0.write_rule(position, &mut words);
        words
    }
}

impl Kept {
    fn write_rule(&self, position: Position, to: &mut dyn Write) -> fmt::Result {
        let Some(list) = self.lists.get(position.list as usize) else { return Ok(()) };
        if let Some(outer) = list.entered_from {
            self.write_rule(outer, to)?;
            to.write_str(": ")?;
        }
        list.rules.get(position.rule as usize).map_or(Ok(()), |rule| write_plain(&rule.written, to))
    }

    fn write_why(&self, entry: &Entry, to: &mut dyn Write) -> fmt::Result {
        match &entry.why {
            Why::Plain if entry.outcome == Seen::Permit => to.write_str("always"),
            Why::Plain => to.write_str("it does not apply"),
            Why::Words(words) => to.write_str(words),
            Why::Note(note) => write_plain(self.notes.read(*note), to),
            Why::NoneOf(keys) => {
                let list = self.lists.get(entry.position.list as usize);
                let rule = list.and_then(|list| list.rules.get(entry.position.rule as usize));
                let table = rule.and_then(|rule| rule.check.table()).unwrap_or_default();
                write!(to, "{table} has none of ")?;
                write_plain(self.notes.read(*keys), to)
            }
            Why::NotInMynetworks(client) => write!(to, "{client} is not in mynetworks"),
            Why::Destination(resolution) => {
                let Resolution { recipient, class, .. } = &**resolution;
                let not = if *class == Class::Default { "not " } else { "" };
                write!(to, "{recipient} is {not}ours, class {class}")
            }
            Why::LeadsTo(address, resolution) => {
                let Resolution { recipient, class, .. } = &**resolution;
                write!(to, "<{}> is {recipient}, class {class}", self.notes.read(*address))
            }
        }
    }
}

/// Writes what may come from others (the DNS, a policy service, a client) with blanks for its control characters: it is read in
/// terminals and logs.
fn write_plain(words: &str, to: &mut dyn Write) -> fmt::Result {
    let mut parts = words.split(char::is_control);
    to.write_str(parts.next().unwrap_or_default())?;
    parts.try_for_each(|part| write!(to, " {part}"))
}

/// One rule that was looked at; `Display` gives all of it, `list: rule: outcome: why`.
#[derive(Clone, Copy)]
pub struct TrailEntry<'t> {
    kept: &'t Kept,
    entry: &'t Entry,
}

impl TrailEntry<'_> {
    /// The list it stands in; none for what is looked at whatever the lists.
    pub fn list(&self) -> Option<ListName> {
        self.kept.lists.get(self.entry.position.list as usize).and_then(|list| list.name)
    }

    /// The rule as it was written, with its argument; behind the rules that led to its list, where that is within another.
    pub fn rule(&self) -> String {
        let mut words = String::new();
        // A text takes everything.
        let _ = self.kept.write_rule(self.entry.position, &mut words);
        words
    }

    /// What came of it.
    pub fn outcome(&self) -> Seen {
        self.entry.outcome
    }

    /// The facts that led there, with file and line of what stands in a table.
    pub fn why(&self) -> String {
        let mut words = String::new();
        // A text takes everything.
        let _ = self.kept.write_why(self.entry, &mut words);
        words
    }
}

/// What came of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seen {
    /// It does not apply; the next one is looked at.
    No,
    /// It permits: its list ends.
    Permit,
    /// It refuses for good.
    Reject,
    /// It refuses for now.
    Defer,
    /// It refuses for now, if nothing else refuses and the lists permit.
    DeferIfPermit,
    /// It refuses for now, if something else refuses for good.
    DeferIfReject,
    /// It would refuse, and is only logged (`warn_if_reject`).
    Warn,
}

impl Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::Permit => "permit",
            Self::Reject => "reject",
            Self::Defer => "defer",
            Self::DeferIfPermit => "defer if permitted",
            Self::DeferIfReject => "defer if rejected",
            Self::Warn => "warn",
        })
    }
}

impl Display for TrailEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(list) = self.list() {
            write!(f, "{list}: ")?;
        }
        self.kept.write_rule(self.entry.position, f)?;
        write!(f, ": {}: ", self.entry.outcome)?;
        self.kept.write_why(self.entry, f)
    }
}

impl Debug for TrailEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.to_string(), f)
    }
}

/// Two are equal that say the same.
impl PartialEq for TrailEntry<'_> {
    fn eq(&self, other: &Self) -> bool {
        let parts = |entry: &Self| (entry.list(), entry.rule(), entry.outcome(), entry.why());
        parts(self) == parts(other)
    }
}

impl Eq for TrailEntry<'_> {}

impl Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

impl PartialEq for Trail {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.entries().eq(other.entries())
    }
}

impl Eq for Trail {}

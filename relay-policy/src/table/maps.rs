//! Several tables in one parameter, and what was answered about those that are not in memory.

use super::{Entry, Found, LookupError, Place, Table};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tables of one parameter, in their order: the first that has a key decides, and one that fails ends the search.
#[derive(Debug, Clone, Default)]
pub struct Maps(Vec<Arc<dyn Table>>);

impl Maps {
    /// These tables.
    pub fn new(tables: Vec<Arc<dyn Table>>) -> Self {
        Self(tables)
    }

    /// The tables of several, one after another.
    pub(crate) fn joined(maps: Vec<Self>) -> Self {
        Self(maps.into_iter().flat_map(|maps| maps.0).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes through the lines of all of them, as far as they show any ([`Table::visit`]).
    pub fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        self.0.iter().for_each(|table| table.visit(see));
    }

    /// What stands beside a key.
    ///
    /// # Errors
    /// [`LookupError`] of the table that could not be asked. An empty text is one, too: a table that knows nothing of a
    /// key must not have it.
    pub fn look_up<'m>(
        &'m self,
        key: Key<'_>,
        answers: &'m Answers,
    ) -> Result<Option<Found<'m>>, LookupError> {
        let (text, is_whole) = match key {
            Key::Whole(text) => (text, true),
            Key::Part(text) => (text, false),
        };
        for table in &self.0 {
            if !(is_whole || table.family().tries_partial_keys()) {
                continue;
            }
            if let Some(found) = answers.look_up(&**table, text)? {
                if found.text.is_empty() {
                    let cause = format!("lookup of {text} returns an empty string result");
                    return Err(LookupError::Failed { table: table.name().into(), cause });
                }
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// A key, and whether it is all there is to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'k> {
    /// The whole: every table is asked.
    Whole(&'k str),
    /// A part of the whole, such as the domain of an address: tables of patterns are not asked, see [`super::Family`].
    Part(&'k str),
}

/// What was answered about the tables that are not in memory.
///
/// Whoever decides something calls with these answers, is told [`LookupError::Elsewhere`], asks, adds the answer and
/// calls again: what was looked up before has the same result, so the decision goes on from where it stood.
#[derive(Debug, Clone, Default)]
pub struct Answers(BTreeMap<String, BTreeMap<String, Result<Option<String>, String>>>);

/// The tables that are still to be asked, each with its key.
pub(crate) type Missing = Vec<(String, String)>;

impl Answers {
    /// Adds what a table has beside a key, or why it could not be asked.
    pub fn add(
        &mut self,
        table: impl Into<String>,
        key: impl Into<String>,
        answer: Result<Option<String>, String>,
    ) {
        self.0.entry(table.into()).or_default().insert(key.into(), answer);
    }

    /// Asks a table, or takes what was answered in its place. No table has an empty key, and none is asked for it.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when that is still to be asked.
    pub fn look_up<'t>(&'t self, table: &'t dyn Table, key: &str) -> Result<Option<Found<'t>>, LookupError> {
        if key.is_empty() { Ok(None) } else { table.look_up_with(key, self) }
    }

    /// No answers.
    pub(super) fn none() -> &'static Self {
        static NONE: Answers = Answers(BTreeMap::new());
        &NONE
    }

    /// What was answered about a table that is not in memory, as what `file` has.
    pub(super) fn found<'t>(
        &'t self,
        file: &'t str,
        table: &str,
        key: &str,
    ) -> Result<Option<Found<'t>>, LookupError> {
        let place = || Place { file: Cow::Borrowed(file), line: None };
        let text = self.elsewhere(table, key)?;
        Ok(text.map(|text| Found { text: Cow::Borrowed(text), place: place() }))
    }

    /// What was answered about something that is not in memory.
    pub(crate) fn elsewhere(&self, table: &str, key: &str) -> Result<Option<&str>, LookupError> {
        match self.0.get(table).and_then(|of_table| of_table.get(key)) {
            None => Err(LookupError::Elsewhere { table: table.into(), key: key.into() }),
            Some(Err(cause)) => Err(LookupError::Failed { table: table.into(), cause: cause.clone() }),
            Some(Ok(text)) => Ok(text.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Opener;

    #[test]
    fn tables_of_tables_elsewhere() {
        let no_files = |_: &str| Err("no files".into());
        let open = |reference| Opener::new(&no_files).open(reference).unwrap().table;
        let union = open("unionmap:{mysql:a,inline:{k=c},ldap:b}");
        let pipe = open("pipemap:{mysql:a,ldap:b}");
        let mut answers = Answers::default();
        let mut look_up = |table: &dyn Table| {
            for _ in 0..10 {
                match answers.look_up(table, "k") {
                    Err(LookupError::Elsewhere { table, key }) => {
                        let text = format!("{key}@{table}");
                        answers.add(table, key, Ok(Some(text)));
                    }
                    known => return known.unwrap().map(|found| found.text.into_owned()),
                }
            }
            panic!("asked for ever")
        };
        assert_eq!(look_up(&*union).as_deref(), Some("k@mysql:a,c,k@ldap:b"));
        assert_eq!(look_up(&*pipe).as_deref(), Some("k@mysql:a@ldap:b"));
    }
}

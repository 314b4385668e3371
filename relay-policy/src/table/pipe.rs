//! `pipemap:{type:name,type:name}`: what one table has beside a key is the next one's key.

use super::{Answers, Family, Found, LookupError, Table};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Pipe {
    name: String,
    /// At least one.
    tables: Vec<Arc<dyn Table>>,
}

impl Pipe {
    pub(crate) fn new(name: &str, tables: Vec<Arc<dyn Table>>) -> Self {
        Self { name: name.into(), tables }
    }
}

impl Table for Pipe {
    fn name(&self) -> &str {
        &self.name
    }

    /// The first one sees the keys.
    fn family(&self) -> Family {
        self.tables.first().map_or(Family::Keyed, |table| table.family())
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        self.look_up_with(key, Answers::none())
    }

    fn look_up_with<'t>(&'t self, key: &str, answers: &'t Answers) -> Result<Option<Found<'t>>, LookupError> {
        let mut last: Option<Found<'t>> = None;
        for table in &self.tables {
            let key = last.as_ref().map_or(key, |found| &found.text);
            match table.look_up_with(key, answers)? {
                None => return Ok(None),
                found => last = found,
            }
        }
        Ok(last)
    }
}

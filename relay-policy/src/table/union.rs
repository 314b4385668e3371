//! `unionmap:{type:name,type:name}`: what several tables have beside a key, joined with commas.

use super::{Answers, Entry, Family, Found, LookupError, Place, Remark, Table};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Union {
    name: String,
    tables: Vec<Arc<dyn Table>>,
    /// Those of all of them.
    remarks: Vec<Remark>,
}

impl Union {
    pub(crate) fn new(name: &str, tables: Vec<Arc<dyn Table>>) -> Self {
        let remarks = tables.iter().flat_map(|table| table.remarks()).cloned().collect();
        Self { name: name.into(), tables, remarks }
    }
}

impl Table for Union {
    fn name(&self) -> &str {
        &self.name
    }

    /// Partial keys are tried where one of the tables has such.
    fn family(&self) -> Family {
        let keyed = self.tables.iter().any(|table| table.family().tries_partial_keys());
        if keyed { Family::Keyed } else { Family::Pattern }
    }

    /// Each on its own: what two of them have beside one key is not joined.
    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        self.tables.iter().for_each(|table| table.visit(see));
    }

    fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        self.look_up_with(key, Answers::none())
    }

    fn look_up_with<'t>(&'t self, key: &str, answers: &'t Answers) -> Result<Option<Found<'t>>, LookupError> {
        let mut union: Option<Found<'t>> = None;
        for table in &self.tables {
            let Some(found) = table.look_up_with(key, answers)? else { continue };
            match &mut union {
                None => union = Some(found),
                Some(union) => {
                    union.text = Cow::Owned(format!("{},{}", union.text, found.text));
                    union.place = Place { file: Cow::Borrowed(&self.name), line: None };
                }
            }
        }
        Ok(union)
    }
}

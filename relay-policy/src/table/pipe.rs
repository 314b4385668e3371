//! `pipemap:{type:name,type:name}`: what one table has beside a key is the next one's key.

use super::{Answers, Entry, Family, Found, LookupError, Remark, Table};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Pipe {
    name: String,
    /// At least one.
    tables: Vec<Arc<dyn Table>>,
    /// Those of all of them.
    remarks: Vec<Remark>,
}

impl Pipe {
    pub(crate) fn new(name: &str, tables: Vec<Arc<dyn Table>>) -> Self {
        let remarks = tables.iter().flat_map(|table| table.remarks()).cloned().collect();
        Self { name: name.into(), tables, remarks }
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

    /// The keys of the first with what the last has for them.
    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        let Some((first, others)) = self.tables.split_first() else { return };
        first.visit(&mut |entry| {
            let Entry { key, text, place } = entry;
            let mut last = Found { text: Cow::Borrowed(text), place };
            for table in others {
                match table.look_up(&last.text) {
                    Ok(Some(found)) => last = found,
                    _ => return,
                }
            }
            see(Entry { key, text: &last.text, place: last.place });
        });
    }

    fn remarks(&self) -> &[Remark] {
        &self.remarks
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

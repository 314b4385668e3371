//! `static:text`, or `static:{ text }`: the same text beside every key.

use super::{Entry, Family, Found, LookupError, Place, Table};
use crate::words::in_braces;
use std::borrow::Cow;

#[derive(Debug)]
pub(crate) struct Static {
    name: String,
    text: String,
}

impl Static {
    pub(crate) fn new(name: &str, definition: &str) -> Self {
        let text = in_braces(definition).map_or(definition, str::trim);
        Self { name: name.into(), text: text.into() }
    }
}

impl Table for Static {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Keyed
    }

    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        let place = Place { file: Cow::Borrowed(&self.name), line: None };
        see(Entry { key: None, text: &self.text, place });
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        Ok((!key.is_empty()).then(|| Found {
            text: Cow::Borrowed(&self.text),
            place: Place { file: Cow::Borrowed(&self.name), line: None },
        }))
    }
}

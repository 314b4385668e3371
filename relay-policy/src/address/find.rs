//! Under which keys an address is looked for.
//!
//! In order: the whole address; without its extension; where its domain is ours, the local part alone, with and without
//! the extension; the domain, as `@domain`. Tables of patterns are asked for the whole only. Keys are in external form.

use super::form::Address;
use super::mapping::Mapper;
use crate::table::{Found, Key, LookupError, Maps};

/// What was found for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit<'t> {
    pub(crate) found: Found<'t>,
    /// What stands beside a key that is not the whole address: its extension, with the delimiter.
    pub(crate) unmatched_extension: Option<String>,
}

impl<'a> Mapper<'a> {
    /// Looks an address up under its keys in turn.
    pub(crate) fn find(&self, maps: &'a Maps, address: &Address) -> Result<Option<Hit<'a>>, LookupError> {
        if maps.is_empty() || address.is_empty() {
            return Ok(None);
        }
        if let Some(found) = self.look_up(maps, Key::Whole(&address.external()))? {
            return Ok(Some(Hit { found, unmatched_extension: None }));
        }
        let is_local = self.is_local(address)?;
        let local_part = address.local_part();
        let split = self.extensions.split(local_part);
        if let Some((base, extension)) = split {
            let key = address.with_local_part(base);
            if let Some(found) = self.look_up(maps, Key::Part(&key.external()))? {
                return Ok(Some(Hit { found, unmatched_extension: Some(extension.into()) }));
            }
        }
        let whole_and_base =
            [Some((local_part, None)), split.map(|(base, extension)| (base, Some(extension)))];
        for (local_part, extension) in whole_and_base.into_iter().flatten().filter(|_| is_local) {
            // A local part alone has no domain, whatever it looks like.
            let key = Address::internal(local_part);
            if let Some(found) = maps.look_up(Key::Part(&key.external()), self.answers)? {
                return Ok(Some(Hit { found, unmatched_extension: extension.map(String::from) }));
            }
        }
        let Some(domain) = address.domain() else { return Ok(None) };
        // The extension is not unmatched: nothing of the local part was looked at.
        let found = self.look_up(maps, Key::Part(&format!("@{domain}")))?;
        Ok(found.map(|found| Hit { found, unmatched_extension: None }))
    }
}

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
        let whole = Key::Whole(&address.to_string());
        if let Some(found) = self.look_up(maps, whole)? {
            return Ok(Some(Hit { found, unmatched_extension: None }));
        }
        let split = self.extensions.split(address.local_part());
        let extension = || split.map(|(_, extension)| extension.to_string());
        let base = split.map(|(base, _)| base);
        let is_local = self.is_local(address)?;
        let local = |local_part: &str| {
            let has_key = is_local && address.domain().is_some();
            has_key.then(|| Address::internal(local_part).to_string())
        };
        let parts = [
            (base.map(|base| address.with_local_part(base).to_string()), extension(), true),
            (local(address.local_part()), None, false),
            (base.and_then(local), extension(), false),
            // The extension is not unmatched: nothing of the local part was looked at.
            (address.domain().map(|domain| format!("@{domain}")), None, true),
        ];
        for (key, unmatched_extension, has_domain) in parts {
            let Some(key) = key else { continue };
            // A local part alone has no domain, whatever it looks like.
            let key = Key::Part(&key);
            let found = if has_domain { self.look_up(maps, key)? } else { maps.look_up(key, self.answers)? };
            if let Some(found) = found {
                return Ok(Some(Hit { found, unmatched_extension }));
            }
        }
        Ok(None)
    }
}

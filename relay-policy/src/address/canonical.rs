//! `canonical_maps` and `smtp_generic_maps`: one address in place of another.

use super::form::Address;
use super::mapping::{Mapper, MappingWarning};
use crate::table::{LookupError, Maps};

/// One table of canonical addresses: for all, for senders, or for recipients.
#[derive(Debug, Clone)]
pub struct Canonical {
    /// The tables.
    pub maps: Maps,
    /// The parameter, for the log.
    pub title: &'static str,
    /// Whether it is in `propagate_unmatched_extensions`.
    pub propagate_unmatched_extensions: bool,
    /// How often a result is looked up again: [`Self::CANONICAL_STEPS_MAX`], or once for generic addresses.
    pub steps_max: usize,
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonicalised {
    /// The address, as far as it could be followed.
    pub address: Address,
    /// Whether it was in a table, be it to be itself.
    pub was_found: bool,
    /// What is to be logged. After [`MappingWarning::Lookup`], the message is refused for now.
    pub warnings: Vec<MappingWarning>,
}

impl Canonical {
    /// How often the result of canonical tables is looked up again.
    pub const CANONICAL_STEPS_MAX: usize = 10;

    /// Tables whose results are looked up again.
    pub fn new(title: &'static str, maps: Maps) -> Self {
        Self { maps, title, propagate_unmatched_extensions: true, steps_max: Self::CANONICAL_STEPS_MAX }
    }

    /// `smtp_generic_maps`: the address that the world sees, looked up once.
    pub fn generic(maps: Maps) -> Self {
        Self { propagate_unmatched_extensions: false, steps_max: 1, ..Self::new("smtp_generic_maps", maps) }
    }

    /// Follows an address until it is in no table, or itself.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when a table must be asked first; whatever else is wrong is a warning.
    pub fn map(&self, address: &Address, mapper: &Mapper<'_>) -> Result<Canonicalised, LookupError> {
        let title = self.title;
        let mut done = Canonicalised { address: address.clone(), was_found: false, warnings: Vec::new() };
        for _ in 0..self.steps_max {
            let looked_up = done.address.clone();
            let mapped = match mapper.map(&self.maps, &looked_up, self.propagate_unmatched_extensions) {
                Ok(None) => return Ok(done),
                Ok(Some(mapped)) => mapped,
                Err(elsewhere @ LookupError::Elsewhere { .. }) => return Err(elsewhere),
                Err(cause) => {
                    done.warnings.push(MappingWarning::Lookup { maps: title, address: looked_up, cause });
                    return Ok(done);
                }
            };
            if mapped.len() > 1 {
                done.warnings.push(MappingWarning::MultiValued { maps: title, address: looked_up.clone() });
            }
            done.address = mapped.into_iter().next().expect("invariant: what was found has an address");
            done.was_found = true;
            if done.address.is_same(&looked_up) {
                return Ok(done);
            }
        }
        if self.steps_max > 1 {
            let address = done.address.clone();
            done.warnings.push(MappingWarning::Nesting { maps: title, address });
        }
        Ok(done)
    }
}

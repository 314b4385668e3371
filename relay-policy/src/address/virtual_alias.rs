//! `virtual_alias_maps`: recipients in place of a recipient, each looked up again.
//!
//! # Limits
//! [`VirtualAliases`] holds them. What goes beyond one is not cut: the recipient stays as it was, and the message is
//! refused for now, so that nobody's mail is sent to some of those it is for.

use super::form::Address;
use super::mapping::{Mapper, MappingWarning};
use crate::table::{LookupError, Maps, Missing};
use std::collections::BTreeSet;

/// The parameters of virtual aliases.
#[derive(Debug, Clone)]
pub struct VirtualAliases {
    /// `virtual_alias_maps`.
    pub maps: Maps,
    /// `virtual` is in `propagate_unmatched_extensions`.
    pub propagate_unmatched_extensions: bool,
    /// `virtual_alias_recursion_limit`: how often a result may be looked up again.
    pub recursion_limit: usize,
    /// `virtual_alias_expansion_limit`: how many results a recipient may have.
    pub expansion_limit: usize,
    /// `virtual_alias_address_length_limit`: the most octets of a result.
    pub address_length_limit_bytes: usize,
}

/// What became of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// It is these, in Postfix's order; an address may be there twice, and is delivered to once. One that no table knows is
    /// itself.
    To(Vec<Address>),
    /// It stays as it was, and the message is refused for now with [`ALIAS_EXPANSION_ERROR`].
    Error(MappingWarning),
}

/// What a client is told where aliases cannot be expanded: `451 4.6.0 Alias expansion error`.
pub const ALIAS_EXPANSION_ERROR: &str = "4.6.0 Alias expansion error";

const TITLE: &str = "virtual";

impl VirtualAliases {
    /// These tables, with Postfix's limits.
    pub fn new(maps: Maps) -> Self {
        Self {
            maps,
            propagate_unmatched_extensions: true,
            recursion_limit: 1000,
            expansion_limit: 1000,
            address_length_limit_bytes: 1000,
        }
    }

    /// Whether every recipient is itself.
    pub(super) fn is_empty(&self) -> bool {
        self.maps.is_empty() && self.expansion_limit > 0
    }

    /// Expands a recipient.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when a table must be asked first; whatever else is wrong is [`Expansion::Error`].
    pub fn expand(&self, recipient: &Address, mapper: &Mapper<'_>) -> Result<Expansion, LookupError> {
        let mut missing = Missing::new();
        let expansion = self.expand_known(recipient, mapper, &mut missing);
        match missing.into_iter().next() {
            Some((table, key)) => Err(LookupError::Elsewhere { table, key }),
            None => Ok(expansion),
        }
    }

    /// Expands a recipient as far as the answers reach. Where a table must be asked first, that is added to `missing`, for all
    /// results whose turn it is: then it is no expansion yet.
    pub(super) fn expand_known(
        &self,
        recipient: &Address,
        mapper: &Mapper<'_>,
        missing: &mut Missing,
    ) -> Expansion {
        let mut results = vec![recipient.clone()];
        // Those that were looked up and have themselves among their results: they are final.
        let mut are_themselves = BTreeSet::new();
        let mut at = 0;
        while at < results.len() {
            if results.len() > self.expansion_limit {
                let warning = MappingWarning::Expansion { maps: TITLE, address: recipient.clone() };
                return failed(missing, warning);
            }
            let mut count = 0;
            while !are_themselves.contains(&results[at].as_str().to_lowercase()) {
                if count >= self.recursion_limit {
                    let warning = MappingWarning::Nesting { maps: TITLE, address: recipient.clone() };
                    return failed(missing, warning);
                }
                count += 1;
                let looked_up = results[at].clone();
                let mapped = match mapper.map(&self.maps, &looked_up, self.propagate_unmatched_extensions) {
                    Ok(None) => break,
                    Ok(Some(mapped)) => mapped,
                    Err(LookupError::Elsewhere { table, key }) => {
                        missing.push((table, key));
                        break;
                    }
                    Err(cause) => {
                        let warning = MappingWarning::Lookup { maps: TITLE, address: looked_up, cause };
                        return failed(missing, warning);
                    }
                };
                if let Some(long) = mapped.iter().find(|a| a.as_str().len() > self.address_length_limit_bytes)
                {
                    let result = long.as_str().chars().take(SHOWN_CHARS).collect();
                    return failed(missing, MappingWarning::ResultLength { maps: TITLE, result });
                }
                if mapped.iter().any(|address| address.is_same(&looked_up)) {
                    are_themselves.insert(looked_up.as_str().to_lowercase());
                }
                // The first takes the place, the others come at the end.
                let mut mapped = mapped.into_iter();
                results.splice(at..=at, mapped.next());
                results.extend(mapped);
            }
            at += 1;
        }
        Expansion::To(results)
    }
}

/// It fails, whatever the tables would say that are still to be asked.
fn failed(missing: &mut Missing, warning: MappingWarning) -> Expansion {
    missing.clear();
    Expansion::Error(warning)
}

/// How much is shown of what is too long.
const SHOWN_CHARS: usize = 300;

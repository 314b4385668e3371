//! Addresses in place of an address: what virtual aliases, canonical and generic addresses have in common.
//!
//! What stands beside a key is a list of addresses in external form. `@other` means the same local part there. Each is
//! rewritten as an address of ours is, so one without a domain gets `$myorigin`; and where extensions propagate, the one
//! that was not part of the key is added to each.

use super::domains::Domains;
use super::extension::Extensions;
use super::form::Address;
use super::rewrite::{RewriteContext, Rewriting};
use crate::domain;
use crate::table::{Answers, Found, Key, LookupError, Maps};
use std::fmt::{self, Display};

/// What every mapping of addresses needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Mapper<'a> {
    /// How an address is completed.
    pub rewriting: &'a Rewriting,
    /// Where an extension begins.
    pub extensions: &'a Extensions,
    /// Which domains are ours: in those, the local part alone is a key.
    pub domains: &'a Domains,
    /// What was answered about tables that are not in memory.
    pub answers: &'a Answers,
}

impl<'a> Mapper<'a> {
    /// What an address maps to, once; none where no key of it is there. `propagate` adds an unmatched extension to each.
    pub(super) fn map(
        &self,
        maps: &'a Maps,
        address: &Address,
        propagate: bool,
    ) -> Result<Option<Vec<Address>>, LookupError> {
        let Some(hit) = self.find(maps, address)? else { return Ok(None) };
        let extension = hit.unmatched_extension.filter(|_| propagate);
        let text = hit.found.text.trim();
        let mut mapped = match text.strip_prefix('@') {
            Some(domain) => vec![self.same_user_at(address, extension.as_deref(), domain)],
            None => self.rewriting.rewrite_list(text),
        };
        mapped.retain(|address| !address.is_empty());
        if mapped.is_empty() {
            let table = hit.found.place.to_string();
            return Err(LookupError::Failed { table, cause: format!("non-address result \"{text}\"") });
        }
        if let Some(extension) = extension {
            for address in &mut mapped {
                *address = address.with_local_part(&format!("{}{extension}", address.local_part()));
            }
        }
        Ok(Some(mapped))
    }

    /// Looks up what ends with a domain, in either spelling of that.
    pub(super) fn look_up(&self, maps: &'a Maps, key: Key<'_>) -> Result<Option<Found<'a>>, LookupError> {
        let found = maps.look_up(key, self.answers)?;
        if found.is_some() {
            return Ok(found);
        }
        let (Key::Whole(text) | Key::Part(text)) = key;
        let Some(other) = domain::respelt(text) else { return Ok(None) };
        let key = if matches!(key, Key::Whole(_)) { Key::Whole(&other) } else { Key::Part(&other) };
        maps.look_up(key, self.answers)
    }

    /// The address at another domain, without the extension that is added later.
    fn same_user_at(&self, address: &Address, extension: Option<&str>, domain: &str) -> Address {
        let local_part = address.local_part();
        let base = extension.and_then(|extension| local_part.strip_suffix(extension)).unwrap_or(local_part);
        let written = Address::internal(format!("{base}@{domain}")).to_string();
        self.rewriting.rewrite(&written, RewriteContext::Local)
    }

    /// Whether the local part alone is a key.
    pub(super) fn is_local(&self, address: &Address) -> Result<bool, LookupError> {
        match address.domain() {
            None => Ok(false),
            Some(domain) if domain.eq_ignore_ascii_case(&self.rewriting.myorigin) => Ok(true),
            Some(domain) => self.domains.is_local(domain, self.answers),
        }
    }
}

/// Something to be logged about a mapping; `Display` gives Postfix's words, without the queue id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MappingWarning {
    /// It leads from address to address without an end.
    Nesting {
        /// The parameter.
        maps: &'static str,
        /// The address.
        address: Address,
    },
    /// It has too many results.
    Expansion {
        /// The parameter.
        maps: &'static str,
        /// The address.
        address: Address,
    },
    /// A result is too long for any address.
    ResultLength {
        /// The parameter.
        maps: &'static str,
        /// How it begins.
        result: String,
    },
    /// A table could not be asked, or has what is no address.
    Lookup {
        /// The parameter.
        maps: &'static str,
        /// The address.
        address: Address,
        /// What is wrong.
        cause: LookupError,
    },
    /// One address was expected, and the first is taken.
    MultiValued {
        /// The parameter.
        maps: &'static str,
        /// The address.
        address: Address,
    },
}

impl Display for MappingWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LATER: &str = "message not accepted, try again later";
        match self {
            Self::Nesting { maps, address } => {
                write!(f, "unreasonable {maps} map nesting for {} -- {LATER}", address.as_str())
            }
            Self::Expansion { maps, address } => {
                write!(f, "unreasonable {maps} map expansion size for {} -- {LATER}", address.as_str())
            }
            Self::ResultLength { maps, result } => {
                write!(f, "unreasonable {maps} result {result}... -- {LATER}")
            }
            Self::Lookup { maps, address, cause } => {
                write!(f, "{maps} map lookup problem for {} -- {LATER} ({cause})", address.as_str())
            }
            Self::MultiValued { maps, address } => {
                write!(f, "multi-valued {maps} entry for {}", address.as_str())
            }
        }
    }
}

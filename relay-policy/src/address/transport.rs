//! Who delivers, and to where: `transport:nexthop`.
//!
//! Keys of `transport_maps`, in order: the whole recipient, the recipient without its extension, the domain, its parents
//! (as `.parent`, unless `transport_maps` is in `parent_domain_matches_subdomains`), and `*`.

use super::form::Address;
use super::mapping::Mapper;
use crate::table::{Key, LookupError, Maps};
use std::fmt::{self, Display};

/// A transport and its next hop, as `transport:nexthop` or `transport` writes them. `Display` gives that again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Transport {
    /// The delivering service: `local`, `smtp`, `lmtp`, `error`, …
    pub service: String,
    /// Where it delivers to, in the service's own syntax: `[mx.example.com]:587`; for `error` and `retry`, why not. Empty
    /// where nothing was said.
    pub nexthop: String,
}

impl Transport {
    /// Reads `transport:nexthop`.
    pub fn parse(text: &str) -> Self {
        let (service, nexthop) = text.split_once(':').unwrap_or((text, ""));
        Self { service: service.trim().into(), nexthop: nexthop.trim().into() }
    }

    /// The same, with this next hop where it has none.
    pub(super) fn with_nexthop(&self, nexthop: &str) -> Self {
        let own = if self.nexthop.is_empty() { nexthop } else { &self.nexthop };
        Self { service: self.service.clone(), nexthop: own.into() }
    }

    /// Takes over what an entry of `transport_maps` says. A service without a next hop goes to the recipient's domain, a
    /// next hop without a service changes only that, and `:` changes nothing.
    pub(super) fn override_with(&mut self, entry: Self, domain: &str) {
        let is_refusal = matches!(entry.service.as_str(), "error" | "retry");
        match (entry.service.is_empty(), entry.nexthop.is_empty()) {
            (true, true) => {}
            (true, false) => self.nexthop = entry.nexthop,
            (false, false) => *self = entry,
            (false, true) => {
                let nexthop = if is_refusal { "Address is undeliverable" } else { domain };
                *self = Self { service: entry.service, nexthop: nexthop.into() };
            }
        }
    }
}

impl Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.nexthop)
    }
}

impl<'a> Mapper<'a> {
    /// The entry of `transport_maps` for a recipient.
    pub(super) fn find_transport(
        &self,
        maps: &'a Maps,
        parents_match: bool,
        recipient: &Address,
        domain: &str,
    ) -> Result<Option<Transport>, LookupError> {
        if maps.is_empty() {
            return Ok(None);
        }
        let look_up = |key: Key<'_>| self.look_up(maps, key);
        let mut found = look_up(Key::Whole(&recipient.external()))?;
        if found.is_none()
            && let Some((base, _)) = self.extensions.split(recipient.local_part())
        {
            found = look_up(Key::Part(&recipient.with_local_part(base).external()))?;
        }
        let parents = domain.match_indices('.').map(|(at, _)| &domain[at + usize::from(parents_match)..]);
        for key in [domain].into_iter().chain(parents).chain(["*"]) {
            if found.is_some() {
                break;
            }
            found = look_up(Key::Part(key))?;
        }
        Ok(found.map(|found| Transport::parse(&found.text)))
    }
}

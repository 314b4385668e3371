//! How it comes about who gets a message: what was found for which address, and where it is written.
//!
//! It is looked up once more for that, where somebody wants to know; who only delivers pays nothing.

use super::EnvelopeRun;
use crate::address::{Address, AddressClass};
use crate::table::{Found, Key, Place, alias_values};
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Display};

/// How many addresses are followed for one.
const FOLLOWED_MAX: usize = 1_000;

/// What a table has put in the place of an address; `Display` gives it in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteStep {
    /// The parameter: `virtual_alias_maps`, `canonical_maps`, `masquerade_domains` and their like.
    pub parameter: &'static str,
    /// The address; of `alias_maps` the alias, which has no domain.
    pub from: Address,
    /// What stands in its place: addresses, and of `alias_maps` also files and commands, as they are written there.
    pub to: Vec<String>,
    /// Where it is written, where one line of one table says it.
    pub place: Option<Place<'static>>,
}

impl Display for RouteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, from, to, place } = self;
        match to.is_empty() {
            true => write!(f, "{parameter}: {from} is nobody")?,
            false => write!(f, "{parameter}: {from} is {}", to.join(", "))?,
        }
        place.as_ref().map_or(Ok(()), |place| write!(f, " ({place})"))
    }
}

impl EnvelopeRun<'_> {
    /// Notes what stands in the place of an address.
    pub(super) fn note(&mut self, parameter: &'static str, from: &Address, to: String) {
        self.add_step(RouteStep { parameter, from: from.clone(), to: vec![to], place: None });
    }

    /// Notes each line on the way from an address to what `canonical_maps` and its companions make of it, and what
    /// `masquerade_domains` leaves of that.
    pub(super) fn note_canonical(&mut self, from: &Address, class: AddressClass) {
        let (router, followed_max) = (self.router, self.followed_max());
        let (address_maps, mut address) = (&router.address_maps, from.clone());
        for canonical in address_maps.canonical_of(class) {
            for _ in 0..canonical.steps_max.min(followed_max) {
                let mapper = router.routing.mapper(&self.answers);
                let mapped = mapper.map(&canonical.maps, &address, canonical.propagate_unmatched_extensions);
                let (Ok(Some(hit)), Ok(Some(to))) = (mapper.find(&canonical.maps, &address), mapped) else {
                    break;
                };
                let place = Some(kept(&hit.found));
                let Some(to) = to.into_iter().next().filter(|to| !to.is_same(&address)) else { break };
                let from = std::mem::replace(&mut address, to.clone());
                self.add_step(RouteStep {
                    parameter: canonical.title,
                    from,
                    to: vec![to.to_string()],
                    place,
                });
            }
        }
        if followed_max > 0 && address_maps.masquerade_classes.contains(&class) {
            let masked = address_maps.masquerade.apply(&address);
            self.note("masquerade_domains", &address, masked.to_string());
        }
    }

    /// Notes each virtual alias on the way from an address, also where that leads round in a circle.
    pub(super) fn note_virtual_aliases(&mut self, from: &Address) {
        let (router, followed_max) = (self.router, self.followed_max());
        let aliases = &router.virtual_aliases;
        let (mut seen, mut next) = (BTreeSet::new(), VecDeque::from([from.clone()]));
        while let Some(address) = next.pop_front().filter(|_| seen.len() < followed_max) {
            if !seen.insert(address.as_str().to_lowercase()) {
                continue;
            }
            let mapper = router.routing.mapper(&self.answers);
            let mapped = mapper.map(&aliases.maps, &address, aliases.propagate_unmatched_extensions);
            let (Ok(Some(hit)), Ok(Some(to))) = (mapper.find(&aliases.maps, &address), mapped) else {
                continue;
            };
            let place = Some(kept(&hit.found));
            let texts = to.iter().map(Address::to_string).collect();
            next.extend(to);
            self.add_step(RouteStep { parameter: "virtual_alias_maps", from: address, to: texts, place });
        }
    }

    /// Notes aliases that were looked up.
    pub(super) fn note_aliases(&mut self, names: &[String]) {
        let aliases = &self.router.local_aliases;
        for name in names.iter().take(self.followed_max()) {
            let Ok(Some(found)) = aliases.alias_maps.look_up(Key::Whole(name), &self.answers) else {
                continue;
            };
            let (to, place) = (alias_values(&found.text), Some(kept(&found)));
            self.add_step(RouteStep { parameter: "alias_maps", from: Address::parse(name), to, place });
        }
    }

    /// Nothing is followed for who does not want to know.
    fn followed_max(&self) -> usize {
        if self.wants_steps { FOLLOWED_MAX } else { 0 }
    }

    fn add_step(&mut self, step: RouteStep) {
        let is_itself = matches!(&step.to[..], [only] if *only == step.from.to_string());
        // A task that is begun again notes nothing twice.
        if self.wants_steps && !is_itself && !self.routed.steps.contains(&step) {
            self.routed.steps.push(step);
        }
    }
}

fn kept(found: &Found<'_>) -> Place<'static> {
    Place { file: Cow::Owned(found.place.file.to_string()), line: found.place.line }
}

//! `randmap:{text,text}`: one of several texts beside every key, to spread load.
//!
//! # Departures
//! Postfix chooses by chance, each time anew. Here the key chooses, so that who asks again, as whoever waits for an answer
//! does, is told the same; many keys are spread evenly.

use super::{Family, Found, LookupError, Place, Table};
use std::borrow::Cow;

#[derive(Debug)]
pub(crate) struct Spread {
    name: String,
    /// At least one.
    texts: Vec<String>,
}

impl Spread {
    pub(crate) fn new(name: &str, texts: Vec<String>) -> Self {
        Self { name: name.into(), texts }
    }
}

impl Table for Spread {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Pattern
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        let chosen = hash(key) % self.texts.len().max(1) as u64;
        let text = usize::try_from(chosen).ok().and_then(|chosen| self.texts.get(chosen));
        Ok(text.map(|text| Found {
            text: Cow::Borrowed(text),
            place: Place { file: Cow::Borrowed(&self.name), line: None },
        }))
    }
}

/// FNV-1a, with its upper half mixed into the lower, which alone decides between few texts.
fn hash(key: &str) -> u64 {
    let fnv = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    hash ^ (hash >> 32)
}

//! `randmap:{text,text}`: one of several texts beside every key, to spread load.
//!
//! # Departures
//! Postfix chooses by chance. There is no chance here; the texts are taken in turn, which spreads better.

use super::{Family, Found, LookupError, Place, Table};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct InTurn {
    name: String,
    /// At least one.
    texts: Vec<String>,
    turn: AtomicUsize,
}

impl InTurn {
    pub(crate) fn new(name: &str, texts: Vec<String>) -> Self {
        Self { name: name.into(), texts, turn: AtomicUsize::new(0) }
    }
}

impl Table for InTurn {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Pattern
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        if key.is_empty() {
            return Ok(None);
        }
        // Only the spreading matters, not who has which turn.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Ok(self.texts.get(turn % self.texts.len()).map(|text| Found {
            text: Cow::Borrowed(text),
            place: Place { file: Cow::Borrowed(&self.name), line: None },
        }))
    }
}

//! Tables that are not in memory: databases, directories, other programs. They are known by their name only.

use super::{Answers, Family, Found, LookupError, Table};
use std::sync::Arc;

/// The table of those who have a mailbox here, whoever knows them: beside an address stands that of the account.
pub const DIRECTORY: &str = "directory:";

/// [`DIRECTORY`], opened.
pub(crate) fn directory() -> Arc<dyn Table> {
    Arc::new(Elsewhere::new(DIRECTORY, Family::Keyed))
}

#[derive(Debug)]
pub(crate) struct Elsewhere {
    name: String,
    family: Family,
}

impl Elsewhere {
    pub(crate) fn new(name: &str, family: Family) -> Self {
        Self { name: name.into(), family }
    }
}

impl Table for Elsewhere {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        self.family
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        Err(LookupError::Elsewhere { table: self.name.clone(), key: key.into() })
    }

    fn look_up_with<'t>(&'t self, key: &str, answers: &'t Answers) -> Result<Option<Found<'t>>, LookupError> {
        answers.found(&self.name, &self.name, key)
    }
}

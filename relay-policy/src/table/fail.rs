//! `fail:text`: a table whose lookups always fail, to see what happens then.

use super::{Family, Found, LookupError, Table};

#[derive(Debug)]
pub(crate) struct Fail {
    name: String,
}

impl Fail {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into() }
    }
}

impl Table for Fail {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Keyed
    }

    fn look_up(&self, _: &str) -> Result<Option<Found<'_>>, LookupError> {
        Err(LookupError::Failed { table: self.name.clone(), cause: "it is there to fail".into() })
    }
}

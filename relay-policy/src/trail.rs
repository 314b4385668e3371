//! Why a decision came out as it did.

use crate::list_name::ListName;
use std::borrow::Cow;
use std::fmt::{self, Display};

/// Every rule that was looked at, in order; `Display` prints one to a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    entries: Vec<TrailEntry>,
}

impl Trail {
    /// The rules, in the order in which they were looked at.
    pub fn entries(&self) -> &[TrailEntry] {
        &self.entries
    }

    pub(crate) fn push(
        &mut self,
        list: Option<ListName>,
        rule: impl Into<Cow<'static, str>>,
        outcome: Outcome,
        why: impl Into<Cow<'static, str>>,
    ) {
        self.entries.push(TrailEntry { list, rule: rule.into(), outcome, why: why.into() });
    }
}

/// One rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEntry {
    /// The list it stands in; none for what is looked at whatever the lists.
    pub list: Option<ListName>,
    /// The rule's name.
    pub rule: Cow<'static, str>,
    /// What came of it.
    pub outcome: Outcome,
    /// The facts that led there.
    pub why: Cow<'static, str>,
}

/// What came of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It does not apply; the next one is looked at.
    No,
    /// It permits: its list ends.
    Permit,
    /// It refuses for good.
    Reject,
    /// It refuses for now.
    Defer,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::Permit => "permit",
            Self::Reject => "reject",
            Self::Defer => "defer",
        })
    }
}

impl Display for TrailEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { list, rule, outcome, why } = self;
        if let Some(list) = list {
            write!(f, "{list}: ")?;
        }
        write!(f, "{rule}: {outcome}: {why}")
    }
}

impl Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

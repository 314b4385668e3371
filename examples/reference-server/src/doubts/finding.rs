//! What is said of a configuration, and how bad it is.

use postroom::relay_policy::access::{Doubt, Severity};
use std::fmt;

/// Something to be said of a configuration; `Display` gives it in one line, as `warning: …` or `error L03: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The linter's rule, where it is one's.
    id: Option<&'static str>,
    /// What it is.
    text: String,
}

impl Finding {
    /// Probably not what was meant.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, id: None, text: text.into() }
    }

    /// Good to know.
    pub fn notice(text: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, id: None, text: text.into() }
    }

    /// Certainly not what was meant.
    pub fn error(text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, id: None, text: text.into() }
    }

    /// The same as what a linter's rule has found.
    pub fn by_rule(self, id: &'static str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The same, with where it is behind it.
    pub fn at(self, key: &str) -> Self {
        Self { text: format!("{} ({key})", self.text), ..self }
    }

    /// What it is, without how bad it is.
    pub fn said(&self) -> String {
        match self.id {
            Some(id) => format!("{id}: {}", self.text),
            None => self.text.clone(),
        }
    }
}

impl From<Doubt> for Finding {
    fn from(doubt: Doubt) -> Self {
        let text = format!("{}: {}", doubt.parameter, doubt.text);
        Self { severity: doubt.severity, id: Some(doubt.id), text }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, id, text } = self;
        match id {
            Some(id) => write!(f, "{severity} {id}: {text}"),
            None => write!(f, "{severity}: {text}"),
        }
    }
}

/// How many there are of each kind, the worst first: `2 errors, 1 warning`; empty where there is none.
pub fn sum(findings: &[Finding]) -> String {
    let of = |named: Severity| {
        let is_one = |finding: &&Finding| finding.severity == named;
        match findings.iter().filter(is_one).count() {
            0 => None,
            1 => Some(format!("1 {named}")),
            count => Some(format!("{count} {named}s")),
        }
    };
    // What is fatal, no configuration that can be served has.
    let kinds = [Severity::Error, Severity::Warning, Severity::Notice];
    kinds.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

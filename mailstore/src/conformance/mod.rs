//! Everything that [`store`](crate::store) promises, as cases that any [`Store`] can run against itself.
//!
//! A case is given an empty store, and may open it several times, one after the other and side by side. It tells in
//! words what it found and what it should have found. [`run`] is for a test, [`check`] for whoever wants the list.
//!
//! ```
//! use mailstore::conformance::{self, Promises};
//! use mailstore::{MemoryStore, RealHost, Store};
//!
//! conformance::run(&Promises::default(), || {
//!     // Called once for each case; what it returns opens the same store each time.
//!     let store = MemoryStore::new(RealHost::new("mail.example"));
//!     move || Ok(Box::new(store.clone()) as Box<dyn Store>)
//! });
//! ```
//!
//! # Limits
//! What a power cut leaves is not looked at here: that needs a disk that can be cut ([`SimFs`](crate::fs::SimFs)).
//! Opening a store again stands for a restart; what is only in memory may survive it.

mod changes;
mod copies;
mod flags;
mod messages;
mod moves;
mod names;
mod quota;
mod special_use;
mod tools;
mod uids;

use std::fmt;

use self::tools::{Outcome, Subject};
use crate::error::Result;
use crate::store::Store;

/// Which of the promises a store keeps that not every storage can. All of them, by default; whoever takes one back
/// says so in its own documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promises {
    /// There are mod-sequences, UNCHANGEDSINCE, and removals are remembered.
    pub mod_sequences: bool,
    /// A message that is being read stays readable when it is expunged.
    pub readable_after_expunge: bool,
    /// A mailbox can have mailboxes below it.
    pub nested: bool,
    /// What mailboxes are for can be set.
    pub special_use: bool,
    /// How many octets its user may hold, when the store was opened with such a limit; best 1,000,000 or more.
    pub quota_bytes: Option<u64>,
    /// How many keywords a mailbox holds, where that has a limit below 1,000.
    pub keywords_max: Option<usize>,
}

impl Default for Promises {
    fn default() -> Self {
        Self {
            mod_sequences: true,
            readable_after_expunge: true,
            nested: true,
            special_use: true,
            quota_bytes: None,
            keywords_max: None,
        }
    }
}

impl Promises {
    /// There are no mod-sequences (NOMODSEQ, RFC 7162 §3.1.2.2).
    #[must_use]
    pub fn without_mod_sequences(mut self) -> Self {
        self.mod_sequences = false;
        self
    }

    /// A message that is expunged cannot be read further.
    #[must_use]
    pub fn unreadable_after_expunge(mut self) -> Self {
        self.readable_after_expunge = false;
        self
    }

    /// A mailbox has no mailboxes below it (`\NoInferiors`).
    #[must_use]
    pub fn flat(mut self) -> Self {
        self.nested = false;
        self
    }

    /// What mailboxes are for is not kept: setting it is refused as `BadUse`.
    #[must_use]
    pub fn without_special_use(mut self) -> Self {
        self.special_use = false;
        self
    }

    /// The user may hold so many octets.
    #[must_use]
    pub fn quota_bytes(mut self, bytes: u64) -> Self {
        self.quota_bytes = Some(bytes);
        self
    }

    /// A mailbox holds so many keywords, and no more.
    #[must_use]
    pub fn keywords_max(mut self, max: usize) -> Self {
        self.keywords_max = Some(max);
        self
    }
}

/// One of the promises, and how it is looked at.
struct Case {
    name: &'static str,
    run: fn(&Subject<'_>) -> Outcome,
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The promise, as `group::what_is_promised`.
    pub case: &'static str,
    /// How it was broken, if it was.
    pub failure: Option<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            None => write!(f, "kept    {}", self.case),
            Some(failure) => write!(f, "BROKEN  {}: {failure}", self.case),
        }
    }
}

/// Runs all cases. `make` is called for each, and returns what opens an empty store, the same at every call.
pub fn check<O>(promises: &Promises, mut make: impl FnMut() -> O) -> Vec<Verdict>
where
    O: Fn() -> Result<Box<dyn Store>>,
{
    let groups = [
        messages::CASES,
        uids::CASES,
        flags::CASES,
        changes::CASES,
        copies::CASES,
        moves::CASES,
        names::CASES,
        special_use::CASES,
        quota::CASES,
    ];
    let verdict = |case: &Case| {
        let open = make();
        let outcome = (case.run)(&Subject { promises, open: &open });
        Verdict { case: case.name, failure: outcome.err().map(|broken| broken.0) }
    };
    groups.into_iter().flatten().map(verdict).collect()
}

/// Runs all cases, as a test.
///
/// # Panics
/// When a promise is broken; the message lists all that are.
pub fn run<O>(promises: &Promises, make: impl FnMut() -> O)
where
    O: Fn() -> Result<Box<dyn Store>>,
{
    let verdicts = check(promises, make);
    let broken: Vec<String> =
        verdicts.iter().filter(|verdict| verdict.failure.is_some()).map(Verdict::to_string).collect();
    assert!(
        broken.is_empty(),
        "{} of {} promises are broken:\n{}",
        broken.len(),
        verdicts.len(),
        broken.join("\n")
    );
}

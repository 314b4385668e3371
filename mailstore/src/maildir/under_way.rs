//! [`UnderWay`]: what is on its way into or out of the mailboxes of each user, for the quota.
//!
//! It is kept for the whole [`Env`](crate::Env), by the root of the mailboxes: a store may be opened anew, with other rules,
//! while one that was opened before has messages on their way. A recount by either must allow for them.
//!
//! # Limits
//! One entry for each root of which a store, or something on its way, is there; those that are not are forgotten when there
//! are twice as many entries as were left by the last time that was done.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::quota::QuotaUsage;

/// Entries that are not worth looking through.
const FEW: usize = 64;

/// Of one user.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Not there, and counted by the lines: placed later, or removed without its line yet.
    pub(super) missing: QuotaUsage,
    /// There, and not counted by the lines yet.
    pub(super) unwritten: QuotaUsage,
    /// Until when an old file is preferred to a recount.
    pub(super) rests_until: Duration,
}

/// Of all users.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    states: HashMap<PathBuf, Weak<Mutex<State>>>,
    left: usize,
}

impl UnderWay {
    /// What is on its way below this root.
    pub(super) fn of(&self, root: &Path) -> Arc<Mutex<State>> {
        let mut known = self.lock();
        if let Some(state) = known.states.get(root).and_then(Weak::upgrade) {
            return state;
        }
        if known.states.len() >= known.left.max(FEW) * 2 {
            known.states.retain(|_, state| state.strong_count() > 0);
            known.left = known.states.len();
        }
        let state = Arc::default();
        known.states.insert(root.to_path_buf(), Arc::downgrade(&state));
        state
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shared_while_it_is_used_and_forgotten_then() {
        let under_way = UnderWay::default();
        let one = under_way.of(Path::new("/one"));
        assert!(Arc::ptr_eq(&one, &under_way.of(Path::new("/one"))));
        assert!(!Arc::ptr_eq(&one, &under_way.of(Path::new("/other"))));
        for number in 0..10 * FEW {
            under_way.of(&PathBuf::from(number.to_string()));
        }
        assert!(under_way.lock().states.len() <= 2 * FEW);
        assert!(Arc::ptr_eq(&one, &under_way.of(Path::new("/one"))));
    }
}

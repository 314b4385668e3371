//! Opened stores, kept while they are in use, and swept: what crashes left in them long ago is removed. Nobody waits for
//! that.

use crate::blocking::Blocking;
use crate::wall::AccountId;
use mailstore::{DefaultMailbox, Env, Store, StoreError, defaults};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many stores are kept.
pub(super) const STORES_MAX: usize = 10_000;

/// A store in use is swept when it is opened, and then so often. The one who finds that it is time does it.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The stores of accounts, each with what it was opened with: when that is another, it is opened anew.
///
/// # Limits
/// As many as `STORES_MAX` are kept; when there are more, the half that nobody has used for longest is let go, and opened again as it is
/// needed.
pub(super) struct Kept<K> {
    env: Env,
    /// Where they are swept.
    blocking: Blocking,
    entries: Mutex<Entries<K>>,
}

struct Entries<K> {
    of: HashMap<AccountId, Entry<K>>,
    /// How often one was asked for.
    uses: u64,
}

struct Entry<K> {
    with: K,
    store: Arc<dyn Store>,
    /// By the clock that never goes back.
    sweep_at: Duration,
    /// The number of its last use.
    used: u64,
}

impl<K> Entries<K> {
    /// Makes room for one more among `max`.
    fn make_room(&mut self, max: usize) {
        if self.of.len() < max {
            return;
        }
        let mut uses: Vec<u64> = self.of.values().map(|entry| entry.used).collect();
        let (_, &mut median, _) = uses.select_nth_unstable(max / 2);
        self.of.retain(|_, entry| entry.used > median);
    }
}

impl<K: PartialEq> Kept<K> {
    pub(super) fn new(env: Env, blocking: Blocking) -> Self {
        let entries = Entries { of: HashMap::new(), uses: 0 };
        Self { env, blocking, entries: Mutex::new(entries) }
    }

    /// The store of an account. When it is opened, those of `mailboxes` are made that are to be made by themselves.
    pub(super) fn open(
        &self,
        account: &AccountId,
        with: K,
        mailboxes: &[DefaultMailbox],
        open: impl FnOnce() -> Result<Arc<dyn Store>, StoreError>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        if let Some((store, is_due)) = self.known(account, &with) {
            if is_due {
                self.sweep(account, &store);
            }
            return Ok(store);
        }
        // Opened outside the lock: one slow store must not hold up the others.
        let store = open()?;
        if let Err(error) = defaults::provide(&*store, mailboxes) {
            // What the user has already is there all the same.
            tracing::warn!(%account, %error, "a default mailbox could not be made");
        }
        let sweep_at = self.env.host().monotonic() + SWEEP_EVERY;
        let mut entries = self.entries();
        match entries.of.get(account) {
            Some(entry) if entry.with == with => Ok(Arc::clone(&entry.store)),
            _ => {
                entries.make_room(STORES_MAX);
                entries.uses += 1;
                let entry = Entry { with, store: Arc::clone(&store), sweep_at, used: entries.uses };
                entries.of.insert(account.clone(), entry);
                drop(entries);
                self.sweep(account, &store);
                Ok(store)
            }
        }
    }

    /// The store that is kept, and whether who asks is to sweep it.
    fn known(&self, account: &AccountId, with: &K) -> Option<(Arc<dyn Store>, bool)> {
        let mut entries = self.entries();
        let Entries { of, uses } = &mut *entries;
        let entry = of.get_mut(account).filter(|entry| entry.with == *with)?;
        *uses += 1;
        entry.used = *uses;
        let now = self.env.host().monotonic();
        let is_due = entry.sweep_at <= now;
        if is_due {
            entry.sweep_at = now + SWEEP_EVERY;
        }
        Some((Arc::clone(&entry.store), is_due))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries<K>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self, account: &AccountId, store: &Arc<dyn Store>) {
        let (account, store) = (account.clone(), Arc::clone(store));
        self.blocking.detach(move || {
            if let Err(error) = store.sweep() {
                tracing::warn!(%account, %error, "what crashes left could not be looked for");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::sim::SimHost;
    use mailstore::fs::{Fs as _, OpenMode, SimFs};
    use mailstore::{Env, MaildirStore};
    use std::path::Path;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_store_is_swept_when_it_is_opened_and_daily() {
        let disk = SimFs::new();
        let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
        let (kept, account) = (
            Kept::new(env.clone(), Blocking::inline()),
            AccountId::new("alice", "example.test").expect("a name"),
        );
        let open = || {
            let store = || MaildirStore::open(env.clone(), Path::new("/mail"), None);
            kept.open(&account, (), &[], || Ok(Arc::new(store()?))).expect("it opens")
        };
        let leave = |path: &str| drop(disk.open(path.as_ref(), OpenMode::CreateNew).expect("it is free"));
        let is_left = |path: &str| disk.metadata(path.as_ref()).is_ok();
        drop(MaildirStore::open(env.clone(), Path::new("/mail"), None).expect("it opens"));
        leave("/mail/tmp/1.x");
        disk.advance(2 * DAY);
        open();
        assert!(!is_left("/mail/tmp/1.x"), "swept when it is opened");
        leave("/mail/tmp/2.x");
        disk.advance(DAY - Duration::from_secs(60));
        open();
        disk.advance(DAY);
        assert!(is_left("/mail/tmp/2.x"), "nobody has used it");
        open();
        assert!(!is_left("/mail/tmp/2.x"), "when a day is over");
        let listings = || disk.log().iter().filter(|operation| operation.name == "read_dir").count();
        let before = listings();
        open();
        assert_eq!(listings(), before, "once");
    }

    #[test]
    fn those_in_use_are_kept_when_there_are_too_many() {
        let disk = SimFs::new();
        let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
        let store: Arc<dyn Store> =
            Arc::new(MaildirStore::open(env.clone(), Path::new("/mail"), None).expect("it opens"));
        let kept = Kept::new(env, Blocking::inline());
        let opened = |number: usize| {
            let account = AccountId::new(&format!("u{number}"), "example.test").expect("a name");
            let mut is_new = false;
            let open = || {
                is_new = true;
                Ok(Arc::clone(&store))
            };
            kept.open(&account, (), &[], open).expect("it opens");
            is_new
        };
        assert!(opened(0) && !opened(0));
        for number in 1..=STORES_MAX {
            assert!(opened(number));
            assert!(!opened(0), "it is in use, also after {number} others");
        }
        assert!(kept.entries().of.len() <= STORES_MAX);
        assert!(!opened(STORES_MAX) && opened(1));
    }
}

//! [`Arrived`]: which deliveries lie in which mailboxes, so that one that is tried again need not look for itself.
//!
//! After a crash each delivery of the queue may have been made before. One listing of a Maildir, or one scan of an mbox,
//! tells that of all of them: what was there then, and what was placed anywhere by this process since that began, is known
//! here by a hash of what names the delivery: the [prefix](crate::maildir) of a file's name, or a field of a message's
//! header.
//!
//! Only that a delivery is *not* there is answered from here; when it may be there, the mailbox is listed. So neither a
//! message that has gone since nor two names of one hash lose mail, and a reader who takes a message from `new/` to
//! `cur/` changes nothing.
//!
//! A mailbox is known by device and inode: one that is made again under an old name is listed anew, or, where the file
//! system gives the inode again, began empty. An mbox, which other programs replace by new files, is known by its path
//! besides: its inode may be one that another mailbox had. What is placed is known whatever mailbox it went to, since
//! mailboxes are renamed.
//!
//! # Limits
//! [`HASHES_MAX`] hashes in all, some 10 MiB, and as many again while a mailbox is listed. Beyond them all is forgotten and
//! learned again; a mailbox that has more by itself is listed for each delivery that is tried again.
//!
//! # Departures
//! * Deliveries that another process places are not known once the mailbox was listed. One process opens a spool, so nobody
//!   else makes deliveries of its ids.
//! * So are messages that somebody writes back into an mbox from a copy, without putting a new file in its place, while
//!   their deliveries are being tried again: those come twice.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fs::Metadata;

/// How many deliveries are known at most, in all mailboxes.
const HASHES_MAX: usize = 1 << 19;

/// What a mailbox is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MailboxKey {
    device: u64,
    inode: u64,
    path: u64,
}

impl MailboxKey {
    /// A Maildir whose `new/` is this.
    pub(crate) fn of_dir(new: &Metadata) -> Self {
        Self { device: new.device, inode: new.inode, path: 0 }
    }

    /// The mbox that is this file.
    pub(crate) fn of_file(file: &Metadata, path: &Path) -> Self {
        Self { path: hash(path), ..Self::of_dir(file) }
    }
}

/// What this process knows of deliveries that were made.
#[derive(Debug)]
pub(crate) struct Arrived {
    state: Mutex<State>,
    hashes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// What was in each mailbox when it was listed, sorted.
    listed: HashMap<MailboxKey, Box<[u64]>>,
    /// What was placed since the first of these listings began, in any mailbox.
    placed: HashSet<u64>,
    /// How many listings are being made.
    listings: usize,
    /// How often all was forgotten.
    forgotten: u64,
}

impl Default for Arrived {
    fn default() -> Self {
        Self::new(HASHES_MAX)
    }
}

impl Arrived {
    fn new(hashes_max: usize) -> Self {
        Self { state: Mutex::default(), hashes_max }
    }

    /// Whether it is known that no delivery of this name is in a mailbox.
    pub(crate) fn lacks(&self, mailbox: MailboxKey, name: &(impl Hash + ?Sized)) -> bool {
        let (state, hash) = (self.state(), hash(name));
        let listed = state.listed.get(&mailbox);
        listed.is_some_and(|listed| listed.binary_search(&hash).is_err()) && !state.placed.contains(&hash)
    }

    /// Whether it is known what a mailbox lacks.
    pub(crate) fn knows(&self, mailbox: MailboxKey) -> bool {
        self.state().listed.contains_key(&mailbox)
    }

    /// Begins to learn what is in a mailbox; to be called before it is listed.
    pub(crate) fn listing(&self) -> Listing<'_> {
        let mut state = self.state();
        state.listings += 1;
        Listing { arrived: self, forgotten: state.forgotten, hashes: Vec::new() }
    }

    /// Places deliveries of these names. That they may be there is known before and after, also when this fails: an
    /// error does not prove that nothing was done.
    pub(crate) fn placing<T>(
        &self,
        names: impl IntoIterator<Item = impl Hash>,
        place: impl FnOnce() -> T,
    ) -> T {
        let hashes: Vec<u64> = names.into_iter().map(|name| hash(&name)).collect();
        self.note(&hashes);
        let placed = place();
        // Once more: a listing that began, or a forgetting, after the first may have been before they were placed.
        self.note(&hashes);
        placed
    }

    fn note(&self, hashes: &[u64]) {
        let mut state = self.state();
        if state.is_needed() {
            state.placed.extend(hashes);
            if state.len() > self.hashes_max {
                state.forget();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether anybody depends on what is placed now.
    fn is_needed(&self) -> bool {
        !self.listed.is_empty() || self.listings > 0
    }

    fn len(&self) -> usize {
        self.placed.len() + self.listed.values().map(|listed| listed.len()).sum::<usize>()
    }

    fn forget(&mut self) {
        *self = Self { listings: self.listings, forgotten: self.forgotten + 1, ..Self::default() };
    }
}

/// A listing that is being made.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    arrived: &'a Arrived,
    forgotten: u64,
    hashes: Vec<u64>,
}

impl Listing<'_> {
    /// A delivery of this name is there.
    pub(crate) fn add(&mut self, name: &(impl Hash + ?Sized)) {
        // With one too many it is not remembered.
        if self.hashes.len() <= self.arrived.hashes_max {
            self.hashes.push(hash(name));
        }
    }

    /// Nothing else is in that mailbox. A listing that is dropped without is not remembered.
    pub(crate) fn finish(mut self, mailbox: MailboxKey) {
        let is_whole = self.hashes.len() <= self.arrived.hashes_max;
        self.hashes.sort_unstable();
        self.hashes.dedup();
        let hashes = std::mem::take(&mut self.hashes).into_boxed_slice();
        let mut state = self.arrived.state();
        // What was placed meanwhile is not known any more.
        if state.forgotten != self.forgotten {
            return;
        }
        state.listed.remove(&mailbox);
        if !is_whole {
            return;
        }
        if state.len() + hashes.len() > self.arrived.hashes_max {
            state.listed.clear();
        }
        if state.len() + hashes.len() > self.arrived.hashes_max {
            state.forget();
        } else {
            state.listed.insert(mailbox, hashes);
        }
    }
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        let mut state = self.arrived.state();
        state.listings -= 1;
        if !state.is_needed() {
            state.placed = HashSet::new();
        }
    }
}

fn hash(name: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn found(inode: u64) -> Metadata {
        Metadata {
            size: 0,
            mtime: Duration::ZERO,
            inode,
            device: 1,
            is_dir: true,
            is_file: false,
            links: 2,
            is_ours: true,
        }
    }

    fn dir(inode: u64) -> MailboxKey {
        MailboxKey::of_dir(&found(inode))
    }

    fn list(arrived: &Arrived, inode: u64, prefixes: &[&str]) {
        let mut listing = arrived.listing();
        prefixes.iter().for_each(|prefix| listing.add(prefix));
        listing.finish(dir(inode));
    }

    #[test]
    fn an_mbox_is_not_another_that_had_its_inode() {
        let arrived = Arrived::default();
        let [one, other] = ["/one", "/other"].map(|path| MailboxKey::of_file(&found(1), Path::new(path)));
        arrived.listing().finish(one);
        assert!(arrived.knows(one) && arrived.lacks(one, "a"));
        assert!(!arrived.knows(other) && !arrived.lacks(other, "a") && !arrived.lacks(dir(1), "a"));
    }

    #[test]
    fn only_what_was_listed_is_known_to_lack_anything() {
        let arrived = Arrived::default();
        assert!(!arrived.lacks(dir(1), "a"));
        list(&arrived, 1, &["a", "b"]);
        assert!(!arrived.lacks(dir(1), "a") && !arrived.lacks(dir(1), "b") && arrived.lacks(dir(1), "c"));
        assert!(!arrived.lacks(dir(2), "c"));
        drop(arrived.listing());
        assert!(!arrived.lacks(dir(2), "c"), "one that did not come to its end");
    }

    #[test]
    fn what_is_placed_while_a_mailbox_is_listed_is_known() {
        let arrived = Arrived::default();
        let listing = arrived.listing();
        arrived.placing(["a"], || ());
        arrived.placing(["b"], || listing.finish(dir(1)));
        // It began after the first note of this one, and saw nothing of it.
        arrived.placing(["c"], || list(&arrived, 2, &[]));
        for placed in ["a", "b", "c"] {
            assert!(!arrived.lacks(dir(1), placed) && !arrived.lacks(dir(2), placed), "{placed}");
        }
        assert!(arrived.lacks(dir(1), "d"));
    }

    #[test]
    fn a_first_listing_that_begins_while_something_is_placed_does_not_miss_it() {
        let arrived = Arrived::default();
        arrived.placing(["a"], || list(&arrived, 1, &[]));
        assert!(!arrived.lacks(dir(1), "a"));
    }

    #[test]
    fn beyond_the_limit_all_is_forgotten_and_nothing_is_lost() {
        let arrived = Arrived::new(3);
        let mut listing = arrived.listing();
        (0..100).for_each(|name| listing.add(&name));
        assert_eq!(listing.hashes.len(), 4, "so much memory");
        listing.finish(dir(1));
        assert!(!arrived.lacks(dir(1), "x"), "too many for one");
        list(&arrived, 1, &["a", "b"]);
        list(&arrived, 2, &["c", "d"]);
        assert!(!arrived.lacks(dir(1), "x") && arrived.lacks(dir(2), "x"), "the last has its place");
        let listing = arrived.listing();
        arrived.placing(["e"], || ());
        arrived.placing(["f"], || ());
        listing.finish(dir(3));
        for inode in 1..=3 {
            assert!(!arrived.lacks(dir(inode), "x"), "{inode}: what was placed is not known any more");
        }
        list(&arrived, 3, &["e", "f"]);
        assert!(arrived.lacks(dir(3), "x") && !arrived.lacks(dir(3), "e"));
    }

    #[test]
    fn nothing_is_kept_when_nobody_needs_it() {
        let arrived = Arrived::default();
        arrived.placing(["a"], || ());
        let listing = arrived.listing();
        arrived.placing(["b"], || ());
        drop(listing);
        arrived.placing(["c"], || ());
        assert_eq!(arrived.state().len(), 0);
    }
}

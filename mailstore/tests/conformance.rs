//! Every store of this crate keeps what the wall promises: on the simulated disk, and on the machine's own.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::cell::Cell;
use std::path::Path;

use mailstore::conformance::{self, Promises};
use mailstore::fs::SimFs;
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::memory::MemoryLimits;
use mailstore::watch::WatchOptions;
use mailstore::{
    Env, MaildirOptions, MaildirStore, MemoryStore, QuotaLimits, QuotaRules, RealHost, Result, Store,
};

/// Letters `a` to `z` of file names.
fn maildir() -> Promises {
    Promises::default().keywords_max(26)
}

/// What the documentation of [`mailstore::mbox`] takes back.
fn mbox() -> Promises {
    Promises::default().unreadable_after_expunge().flat()
}

/// A process on a simulated machine, another one each time.
fn simulated<S: Store + 'static>(open: fn(&SimFs, u32) -> Result<S>) -> impl Fn() -> Result<Box<dyn Store>> {
    let (fs, pid) = (SimFs::new(), Cell::new(0));
    move || {
        pid.set(pid.get() + 1);
        Ok(Box::new(open(&fs, pid.get())?) as Box<dyn Store>)
    }
}

/// A directory of the machine's own file system.
fn real<S: Store + 'static>(open: fn(Env, &Path) -> Result<S>) -> impl Fn() -> Result<Box<dyn Store>> {
    let (dir, env) = (tempfile::tempdir().unwrap(), Env::real("test.example"));
    env.watcher().start(WatchOptions::default()).unwrap();
    move || Ok(Box::new(open(env.clone(), dir.path())?) as Box<dyn Store>)
}

#[test]
fn memory() {
    conformance::run(&Promises::default(), || {
        let store = MemoryStore::new(RealHost::new("test.example"));
        move || Ok(Box::new(store.clone()) as Box<dyn Store>)
    });
}

#[test]
fn maildir_on_a_simulated_disk() {
    conformance::run(&maildir(), || simulated(common::maildir));
}

/// Octets that a user may hold.
const LIMIT: u64 = 1_000_000;

#[test]
fn memory_with_a_limit() {
    conformance::run(&Promises::default().quota_bytes(LIMIT), || {
        let mut limits = MemoryLimits::default();
        limits.stored_bytes_max = LIMIT;
        let store = MemoryStore::with(RealHost::new("test.example"), limits, None);
        move || Ok(Box::new(store.clone()) as Box<dyn Store>)
    });
}

#[test]
fn maildir_with_a_quota() {
    let open = |fs: &SimFs, pid| {
        let quota = QuotaRules::new(QuotaLimits { bytes: Some(LIMIT), messages: None });
        let options = MaildirOptions { quota, ..MaildirOptions::default() };
        MaildirStore::open_with(common::env(fs, pid), Path::new(common::ROOT), options)
    };
    conformance::run(&maildir().quota_bytes(LIMIT), || simulated(open));
}

#[test]
fn nested_directories_on_a_simulated_disk() {
    conformance::run(&maildir(), || simulated(common::maildir_nested));
}

#[test]
fn maildir_on_a_real_disk() {
    conformance::run(&maildir(), || real(|env, dir| MaildirStore::open(env, &dir.join("Maildir"), None)));
}

#[test]
fn mbox_on_a_simulated_disk() {
    conformance::run(&mbox(), || simulated(common::mbox));
}

#[test]
fn mbox_on_a_real_disk() {
    let open = |env: Env, dir: &Path| {
        let location = MboxLocation::new(dir.join("mail"), dir.join("spool/inbox"));
        MboxStore::open(env, location, MboxOptions::default(), None)
    };
    conformance::run(&mbox(), || real(open));
}

/// A store that breaks a promise is found out.
#[test]
fn a_promise_that_is_not_kept_is_named() {
    let verdicts = conformance::check(&Promises::default().keywords_max(3), || {
        let store = MemoryStore::new(RealHost::new("test.example"));
        move || Ok(Box::new(store.clone()) as Box<dyn Store>)
    });
    let broken: Vec<_> = verdicts.iter().filter(|verdict| verdict.failure.is_some()).collect();
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken[0].to_string().contains("flags::too_many_keywords_change_nothing: it is not so that"));
    assert!(broken[1].to_string().contains("moves::what_is_refused_moves_nothing: one keyword more"));
}

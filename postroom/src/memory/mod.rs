//! What is remembered of clients: who was asked to come again (the greylist, which answers as the policy service
//! `greylist:`), and who has passed the tests before the greeting (`postscreen_cache_map`).
//!
//! It is in memory. Where there is a directory for it ([`Keep`]), it is written there every few minutes and when the server
//! stops, and read when it starts: what the last minutes brought may be lost, and costs a client one more wait.

mod keep;

pub use keep::Keep;

use proto_core::UnixTime;
use relay_policy::delegation::Attributes;
use relay_policy::early::{AllowEntry, Allowlist};
use relay_policy::greylist::{Greylist, GreylistOptions};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is remembered of clients.
#[derive(Debug)]
pub(crate) struct Memory {
    greylist: Mutex<Greylist>,
    allowlist: Mutex<Allowlist>,
    /// Something has changed since it was last written.
    is_changed: AtomicBool,
}

impl Memory {
    /// Nobody is known yet.
    pub(crate) fn new(options: GreylistOptions) -> Self {
        Self {
            greylist: Mutex::new(Greylist::new(options)),
            allowlist: Mutex::default(),
            is_changed: AtomicBool::new(false),
        }
    }

    /// What the policy service `greylist:` says.
    pub(crate) fn greylisted(&self, attributes: &Attributes, now: UnixTime) -> &'static str {
        self.is_changed.store(true, Ordering::Relaxed);
        locked(&self.greylist).decide(attributes, now)
    }

    /// What is known of a client that comes.
    pub(crate) fn find(&self, client: IpAddr) -> Option<AllowEntry> {
        locked(&self.allowlist).find(client).copied()
    }

    /// A client has passed a test.
    pub(crate) fn remember(&self, entry: AllowEntry, retention: Duration, now: UnixTime) {
        self.is_changed.store(true, Ordering::Relaxed);
        locked(&self.allowlist).remember(entry, retention, now);
    }
}

fn locked<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

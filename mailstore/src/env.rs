//! What a store is handed from outside: a disk, a clock, a name, and what is known of other processes.
//!
//! Nothing in this crate reads a clock or the process table by itself, so that a whole engine over a
//! simulated disk runs in virtual time and repeats from a seed.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use proto_core::UnixTime;

use crate::arrived::Arrived;
use crate::fs::{Fs, RealFs};
use crate::maildir::UnderWay;
use crate::sync::Syncs;
use crate::watch::Watcher;

/// The machine and process a store runs in.
pub trait Host: Send + Sync + fmt::Debug {
    /// The host name, as it stands in file names and lock files.
    fn name(&self) -> &str;
    /// The calendar, since 1970-01-01 00:00 UTC.
    fn now(&self) -> Duration;
    /// A time that never goes back, since whatever moment; by it short waits are measured. The calendar, where a host has
    /// nothing better.
    fn monotonic(&self) -> Duration {
        self.now()
    }
    /// This process.
    fn pid(&self) -> u32;
    /// A text that changes when the machine is started again; empty when that is not known.
    fn boot_id(&self) -> &str;
    /// When the machine was started, on the calendar; zero when that is not known.
    fn booted(&self) -> Duration;
    /// Whether a process of this machine is alive. True when that is not known.
    fn is_alive(&self, pid: u32) -> bool;
    /// Waits, for a lock that another process holds.
    fn pause(&self, duration: Duration);
    /// A number that nobody outside can guess.
    fn random(&self) -> u64 {
        // The keys of the standard library's hash maps: from the system's generator, other ones at every call.
        RandomState::new().build_hasher().finish()
    }
}

/// This machine.
#[derive(Debug)]
pub struct RealHost {
    name: String,
    boot_id: String,
    booted: Duration,
    made: Instant,
}

impl RealHost {
    /// This machine, with the host name that file names shall carry.
    pub fn new(name: impl Into<String>) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let booted = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        Self {
            name: name.into(),
            boot_id: boot_id.trim().to_owned(),
            booted: Duration::from_secs(booted.unwrap_or(0)),
            made: Instant::now(),
        }
    }
}

impl Host for RealHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn now(&self) -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        self.made.elapsed()
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }

    fn booted(&self) -> Duration {
        self.booted
    }

    fn is_alive(&self, pid: u32) -> bool {
        let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
            return false;
        };
        rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A disk and a host, shared by all stores of one process. Cloning shares.
///
/// Make one for each process: it holds the locks among the process's own threads, a lock file that
/// carries this process's id but was made before its `Env` counts as left over, and a delivery that is tried again is
/// looked for among those that were made with it, and before it.
#[derive(Debug, Clone)]
pub struct Env(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fs: Arc<dyn Fs>,
    syncs: Syncs,
    watcher: Watcher,
    host: Arc<dyn Host>,
    /// `host.name()` as it may stand in a file name.
    file_host: String,
    started: Duration,
    counter: AtomicU64,
    arrived: Arrived,
    under_way: UnderWay,
    held: Mutex<HashSet<PathBuf>>,
    freed: Condvar,
}

/// How much of a host name stands in file names.
const FILE_HOST_BYTES_MAX: usize = 64;

impl Env {
    /// A disk and a host.
    pub fn new(fs: Arc<dyn Fs>, host: Arc<dyn Host>) -> Self {
        let mut file_host = host.name().replace('/', "\\057").replace(':', "\\072").replace(',', "\\054");
        // A file name has room for 255 octets, with numbers before it, and sizes and flags behind.
        file_host.truncate(file_host.floor_char_boundary(FILE_HOST_BYTES_MAX));
        let started = host.now();
        Self(Arc::new(Inner {
            syncs: Syncs::new(Arc::clone(&fs), Arc::clone(&host)),
            watcher: Watcher::new(Arc::clone(&fs), Arc::clone(&host)),
            fs,
            host,
            file_host,
            started,
            counter: AtomicU64::new(0),
            arrived: Arrived::default(),
            under_way: UnderWay::default(),
            held: Mutex::new(HashSet::new()),
            freed: Condvar::new(),
        }))
    }

    /// This machine and its file system.
    pub fn real(host_name: impl Into<String>) -> Self {
        Self::new(Arc::new(RealFs), Arc::new(RealHost::new(host_name)))
    }

    /// The disk.
    pub fn fs(&self) -> &dyn Fs {
        &*self.0.fs
    }

    /// The flushes of the disk, shared by all who need something durable.
    pub fn syncs(&self) -> &Syncs {
        &self.0.syncs
    }

    /// Who tells of changes that other programs make; it has to be started.
    pub fn watcher(&self) -> &Watcher {
        &self.0.watcher
    }

    /// Which deliveries were found in mailboxes, or placed there.
    pub(crate) fn arrived(&self) -> &Arrived {
        &self.0.arrived
    }

    /// What is on its way into or out of Maildirs.
    pub(crate) fn under_way(&self) -> &UnderWay {
        &self.0.under_way
    }

    /// The host.
    pub fn host(&self) -> &dyn Host {
        &*self.0.host
    }

    /// The calendar, in seconds.
    pub fn utc(&self) -> UnixTime {
        UnixTime(i64::try_from(self.host().now().as_secs()).unwrap_or(i64::MAX))
    }

    /// When this was made.
    pub(crate) fn started(&self) -> Duration {
        self.0.started
    }

    /// The host name with `/`, `:` and `,` as octal escapes, as Maildir file names carry it.
    pub(crate) fn file_host(&self) -> &str {
        &self.0.file_host
    }

    /// A number no other call in this process gets.
    pub(crate) fn count(&self) -> u64 {
        self.0.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// A file name that no other call gets, here or in another process: `seconds.MxPyQz.host`, after the
    /// Maildir convention.
    pub(crate) fn unique_name(&self) -> String {
        let now = self.host().now();
        format!(
            "{}.M{}P{}Q{}.{}",
            now.as_secs(),
            now.subsec_micros(),
            self.host().pid(),
            self.count(),
            self.file_host()
        )
    }

    /// Takes the lock of that name among the threads that share this `Env`; waits until it is free.
    pub(crate) fn hold(&self, path: &Path) -> Held {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.contains(path) {
            held = self.0.freed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.insert(path.to_path_buf());
        Held { env: self.clone(), path: path.to_path_buf() }
    }
}

/// A lock among threads, until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    env: Env,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.env.0.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
        self.env.0.freed.notify_all();
    }
}

//! The files in which the memory of clients outlives the program: `greylist` and `postscreen_cache`, one entry a line.
//!
//! They are written anew as a whole, and put in place by a rename. A line that does not read is left out, and said.

use super::{Memory, locked};
use crate::blocking::Blocking;
use crate::clock::Clock;
use crate::driver::Shutdown;
use mailstore::Env;
use mailstore::fs::{create_dir_durably, read, replace_durably};
use proto_core::UnixTime;
use relay_policy::greylist::GreylistEntry;
use std::fmt::{Display, Write as _};
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GREYLIST: &str = "greylist";
const ALLOWLIST: &str = "postscreen_cache";

/// How often what has changed is written.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How long those on the temporary allowlist are kept at most when they are read again; each listener's own
/// `postscreen_cache_retention_time` holds from then on.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where the memory of clients is kept.
#[derive(Debug, Clone)]
pub struct Keep {
    env: Env,
    directory: PathBuf,
    blocking: Blocking,
    /// Held by who writes.
    writing: Arc<Mutex<()>>,
}

impl Keep {
    /// In this directory, which is made when it is missing; its files are read and written on these threads.
    pub fn new(env: Env, directory: impl Into<PathBuf>, blocking: &Blocking) -> Self {
        Self { env, directory: directory.into(), blocking: blocking.clone(), writing: Arc::default() }
    }

    /// Reads what an earlier run has left. What cannot be read is not known.
    pub(crate) async fn restore(&self, memory: &Arc<Memory>, now: UnixTime) {
        let (keep, memory) = (self.clone(), Arc::clone(memory));
        let read = self.blocking.run(move || {
            for entry in keep.entries::<GreylistEntry>(GREYLIST) {
                locked(&memory.greylist).restore(entry, now);
            }
            for entry in keep.entries(ALLOWLIST) {
                locked(&memory.allowlist).remember(entry, RETENTION, now);
            }
            locked(&memory.allowlist).clean(RETENTION, now);
        });
        if let Err(lost) = read.await {
            tracing::error!(%lost, "what was remembered of clients was not read");
        }
    }

    /// Writes what has changed, until the server stops; then sessions that end may still change something, and
    /// [`Self::save`] is for when they have.
    pub(crate) async fn run(self, memory: Arc<Memory>, clock: Clock, mut shutdown: Shutdown) {
        while tokio::time::timeout(INTERVAL, shutdown.begun()).await.is_err() {
            self.save(&memory, clock.now().utc).await;
        }
    }

    /// Writes what has changed.
    pub(crate) async fn save(&self, memory: &Arc<Memory>, now: UnixTime) {
        locked(&memory.allowlist).clean(RETENTION, now);
        if !memory.is_changed.swap(false, Ordering::Relaxed) {
            return;
        }
        let (keep, of) = (self.clone(), Arc::clone(memory));
        let written = self.blocking.run(move || keep.write(&of)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(lost) => lost.to_string(),
        };
        tracing::error!(directory = %self.directory.display(), error, "what is remembered of clients was not written");
        memory.is_changed.store(true, Ordering::Relaxed);
    }

    fn entries<E: FromStr<Err: Display>>(&self, name: &str) -> Vec<E> {
        let path = self.directory.join(name);
        let octets = match read(self.env.fs(), &path) {
            Ok(octets) => octets,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(path = %path.display(), %error, "not read");
                }
                return Vec::new();
            }
        };
        let text = String::from_utf8_lossy(&octets);
        let mut entries = Vec::new();
        for (at, line) in text.lines().enumerate() {
            match line.parse() {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    tracing::warn!(path = %path.display(), line = at + 1, %error, "left out");
                }
            }
        }
        entries
    }

    fn write(&self, memory: &Memory) -> io::Result<()> {
        let _one_at_a_time = locked(&self.writing);
        // Copied first: while it is held, sessions wait.
        let greylist: Vec<_> = locked(&memory.greylist).entries().collect();
        let allowlist: Vec<_> = locked(&memory.allowlist).entries().copied().collect();
        let (greylist, allowlist) = (lines(&greylist), lines(&allowlist));
        create_dir_durably(self.env.fs(), &self.directory)?;
        self.replace(GREYLIST, &greylist)?;
        self.replace(ALLOWLIST, &allowlist)
    }

    fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        let scratch = self.directory.join(format!("{name}.new"));
        // A run that was cut off may have left one.
        match self.env.fs().unlink(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        replace_durably(self.env.fs(), &self.directory.join(name), &scratch, text.as_bytes())
    }
}

fn lines(entries: &[impl Display]) -> String {
    entries.iter().fold(String::new(), |mut text, entry| {
        writeln!(text, "{entry}").expect("invariant: a string takes everything");
        text
    })
}

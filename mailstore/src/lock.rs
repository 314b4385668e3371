//! [`DotLock`]: an exclusive lock among processes by a file that exists, and among threads besides.
//!
//! The lock file is `NAME.lock`, as Dovecot makes it for the same files. It holds `pid:host:boot-id`, and has done so before it
//! gets its name.
//!
//! # When a lock is stale
//! * It names this host and a process that does not run, another boot, or this process before it opened its
//!   store.
//! * Its content does not say (Dovecot writes none; a power cut may have taken ours): when the file is older
//!   than 120 seconds, or than the machine's last start.
//!
//! A stale lock is taken away by renaming it first, so that of two processes that find it stale only one
//! removes it and neither removes the other's new lock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::{Env, Held};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, Metadata, OpenMode};

/// A lock without a readable owner is stale when it is this old; Dovecot's figure for `dovecot-uidlist.lock`.
const STALE_AFTER: Duration = Duration::from_secs(120);

/// How long to wait for a lock: a thread waits with it. A lock without a readable owner, which is another program's, makes
/// errors, temporary ones, until it is stale.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How often a long operation touches its lock, so that others do not take it for stale.
const TOUCH_EVERY: Duration = Duration::from_secs(20);

/// The first wait between two attempts; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// A held lock, until dropped.
#[derive(Debug)]
pub(crate) struct DotLock {
    env: Env,
    path: PathBuf,
    /// The lock file as it was made, which is before others were waited for, or last touched.
    made: Metadata,
    _threads: Held,
}

impl DotLock {
    /// Takes the lock of the file at `path`; `scratch` is a directory on the same file system for a lock that is
    /// being made and a stale one on its way out.
    ///
    /// # Errors
    /// `Locked` when another process holds it all the time; else what the disk says.
    pub(crate) fn take(env: &Env, path: &Path, scratch: &Path) -> Result<Self> {
        Self::take_within(WAIT_MAX, env, path, scratch)
    }

    /// As [`take`](Self::take), and other processes are waited for no longer than `wait_max`.
    pub(crate) fn take_within(wait_max: Duration, env: &Env, path: &Path, scratch: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let threads = env.hold(&path);
        let failed = |error: std::io::Error| StoreError::io("locking", &path, &error);
        let mut waited = Duration::ZERO;
        let mut pause = PAUSE_MIN;
        // Whole before it has the name that others look for: who is killed in between leaves no lock without an owner.
        let unnamed = scratch.join(env.unique_name());
        let made = make(env, &unnamed).map_err(failed)?;
        let taken = loop {
            match env.fs().rename_new(&unnamed, &path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                // Over a network it may have been done all the same, and nobody would get a lock whose owner does not know of it.
                Err(_) if env.fs().metadata(&path).is_ok_and(|found| is_same(&found, &made)) => break Ok(()),
                renamed => break renamed.map_err(failed),
            }
            match stale(env, &path) {
                Ok(None) => {}
                Ok(Some(stale)) => match break_lock(env, &path, &scratch.join(env.unique_name()), &stale) {
                    Ok(()) => continue,
                    Err(error) => break Err(failed(error)),
                },
                Err(error) => break Err(failed(error)),
            }
            if waited >= wait_max {
                break Err(
                    StoreError::new(ErrorKind::Locked, "locking", "another process holds it").at(&path)
                );
            }
            env.host().pause(pause);
            waited += pause;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        if let Err(error) = taken {
            // Best effort: the sweep of old files takes what stays.
            let _ = env.fs().unlink(&unnamed);
            return Err(error);
        }
        Ok(Self { env: env.clone(), path, made, _threads: threads })
    }
}

/// Makes a lock file under a name that keeps nobody out.
fn make(env: &Env, path: &Path) -> std::io::Result<Metadata> {
    let mut file = env.fs().open(path, OpenMode::CreateNew)?;
    let host = env.host();
    let text = format!("{}:{}:{}\n", host.pid(), host.name(), host.boot_id());
    let made = file.append(text.as_bytes()).and_then(|()| file.metadata());
    if made.is_err() {
        let _ = env.fs().unlink(path);
    }
    made
}

impl DotLock {
    /// Shows others that the lock is alive. To be called often; it does something now and then.
    pub(crate) fn keep(&mut self) {
        let now = self.env.host().now();
        if now.saturating_sub(self.made.mtime) < TOUCH_EVERY || self.check().is_err() {
            return;
        }
        // At worst somebody takes it for stale, and that is noticed.
        let touched = self.env.fs().open(&self.path, OpenMode::Write).and_then(|file| {
            file.set_mtime(now)?;
            file.metadata()
        });
        if let Ok(touched) = touched {
            self.made = touched;
        }
    }

    /// That nobody has taken the lock away meanwhile, because it was held for long.
    ///
    /// # Errors
    /// `Locked` when somebody has; else what the disk says.
    pub(crate) fn check(&self) -> Result<()> {
        match self.env.fs().metadata(&self.path) {
            Ok(found) if is_same(&found, &self.made) => Ok(()),
            Err(error) if !error_is_gone(&error) => Err(StoreError::io("locking", &self.path, &error)),
            _ => {
                let cause = "another program took it for stale";
                Err(StoreError::new(ErrorKind::Locked, "locking", cause).at(&self.path))
            }
        }
    }
}

impl Drop for DotLock {
    fn drop(&mut self) {
        // Not that of somebody who took ours for stale.
        if self.check().is_err_and(|error| error.kind() == ErrorKind::Locked) {
            return;
        }
        // One that cannot be removed keeps everybody out until this process ends.
        let removed = self.env.fs().unlink(&self.path);
        if removed.is_err_and(|error| !error_is_gone(&error)) {
            let _ = self.env.fs().unlink(&self.path);
        }
    }
}

/// The lock file's metadata when it is stale; `None` when it is held or gone.
fn stale(env: &Env, path: &Path) -> std::io::Result<Option<Metadata>> {
    let read = (|| {
        let file = env.fs().open(path, OpenMode::Read)?;
        Ok((file.metadata()?, fs::read_open(&*file)?))
    })();
    let (metadata, content) = match read {
        Ok(read) => read,
        Err(error) if error_is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let host = env.host();
    let owner = std::str::from_utf8(&content).ok().and_then(|text| {
        let mut parts = text.strip_suffix('\n')?.splitn(3, ':');
        Some((parts.next()?.parse::<u32>().ok()?, parts.next()?.to_owned(), parts.next()?.to_owned()))
    });
    let is_stale = match owner {
        Some((pid, name, boot_id)) if name == host.name() => {
            boot_id != host.boot_id()
                || !host.is_alive(pid)
                || (pid == host.pid() && metadata.mtime < env.started())
        }
        _ => metadata.mtime <= host.booted() || host.now().saturating_sub(metadata.mtime) > STALE_AFTER,
    };
    Ok(is_stale.then_some(metadata))
}

/// Takes a stale lock away, by way of the path `aside`.
pub(crate) fn break_lock(env: &Env, path: &Path, aside: &Path, stale: &Metadata) -> std::io::Result<()> {
    match env.fs().rename(path, aside) {
        Err(error) if error_is_gone(&error) => return Ok(()),
        result => result?,
    }
    if !is_same(&env.fs().metadata(aside)?, stale) {
        // Somebody else broke it and holds it now: put it back.
        match env.fs().link(aside, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    env.fs().unlink(aside)
}

/// Whether it is the same lock file. Some file systems give a number again at once, so that alone does not tell.
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.inode, one.mtime, one.size) == (other.inode, other.mtime, other.size)
}

fn error_is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::{SimFs, SimHost};
    use std::sync::Arc;

    #[test]
    fn a_lock_that_was_taken_for_stale_is_noticed_and_the_other_one_stays() {
        let disk = SimFs::new();
        let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
        let (path, scratch) = (Path::new("/list"), Path::new("/"));
        let mut lock = DotLock::take(&env, path, scratch).unwrap();
        lock.check().unwrap();
        disk.advance(STALE_AFTER);
        lock.keep();
        let touched = crate::fs::Fs::metadata(&disk, Path::new("/list.lock")).unwrap();
        assert!(touched.mtime >= disk.now() - Duration::from_secs(1), "others see that it is alive");
        lock.check().unwrap();
        // Another program overrides it, and has one of its own.
        env.fs().unlink(Path::new("/list.lock")).unwrap();
        env.fs().open(Path::new("/list.lock"), OpenMode::CreateNew).unwrap();
        assert_eq!(lock.check().unwrap_err().kind(), ErrorKind::Locked);
        drop(lock);
        assert!(env.fs().metadata(Path::new("/list.lock")).is_ok(), "it is not ours to remove");
        env.fs().unlink(Path::new("/list.lock")).unwrap();
        drop(DotLock::take(&env, path, scratch).unwrap());
        assert!(env.fs().metadata(Path::new("/list.lock")).is_err(), "ours goes");
    }

    /// A process that is killed, at whichever operation, keeps the next one waiting for nothing.
    #[test]
    fn what_a_killed_process_leaves_is_taken_at_once() {
        let (path, scratch) = (Path::new("/list"), Path::new("/"));
        let (mut op, mut left) = (0, 0);
        loop {
            let disk = SimFs::new();
            let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
            disk.power_off_at(disk.ops() + op);
            let taken = DotLock::take(&env, path, scratch);
            let is_whole = taken.is_ok();
            std::mem::forget(taken);
            // The machine goes on, and the process is none of those that run on it.
            let disk = disk.fork();
            left += u32::from(crate::fs::Fs::metadata(&disk, Path::new("/list.lock")).is_ok());
            let next = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 2)));
            let begun = disk.now();
            DotLock::take(&next, path, scratch).unwrap();
            assert!(disk.now() - begun < PAUSE_MAX, "killed at operation {op}: {:?}", disk.now() - begun);
            if is_whole {
                break;
            }
            op += 1;
        }
        assert!(op >= 4 && left > 0, "{op} {left}");
    }
}

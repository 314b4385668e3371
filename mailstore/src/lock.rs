//! [`DotLock`]: an exclusive lock among processes by a file that exists, and among threads besides.
//!
//! The lock file is `NAME.lock`, as Dovecot makes it for the same files, created with O_EXCL. It holds
//! `pid:host:boot-id`.
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

/// How long to wait for a lock: a thread waits with it. A lock without a readable owner makes errors, temporary ones, until
/// it is stale.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The first wait between two attempts; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// A held lock, until dropped.
#[derive(Debug)]
pub(crate) struct DotLock {
    env: Env,
    path: PathBuf,
    _threads: Held,
}

impl DotLock {
    /// Takes the lock of the file at `path`; `scratch` is a directory on the same file system for a stale
    /// lock on its way out.
    ///
    /// # Errors
    /// `Locked` when another process holds it all the time; else what the disk says.
    pub(crate) fn take(env: &Env, path: &Path, scratch: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let threads = env.hold(&path);
        let failed = |error: std::io::Error| StoreError::io("locking", &path, &error);
        let mut waited = Duration::ZERO;
        let mut pause = PAUSE_MIN;
        loop {
            match env.fs().open(&path, OpenMode::CreateNew) {
                Ok(mut file) => {
                    let lock = Self { env: env.clone(), path: path.clone(), _threads: threads };
                    let host = env.host();
                    file.append(format!("{}:{}:{}\n", host.pid(), host.name(), host.boot_id()).as_bytes())
                        .map_err(failed)?;
                    return Ok(lock);
                }
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
                Err(_) => {}
            }
            if let Some(stale) = stale(env, &path).map_err(failed)? {
                break_lock(env, &path, &scratch.join(env.unique_name()), &stale).map_err(failed)?;
                continue;
            }
            if waited >= WAIT_MAX {
                return Err(
                    StoreError::new(ErrorKind::Locked, "locking", "another process holds it").at(&path)
                );
            }
            env.host().pause(pause);
            waited += pause;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Drop for DotLock {
    fn drop(&mut self) {
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
    if env.fs().metadata(aside)?.inode != stale.inode {
        // Somebody else broke it and holds it now: put it back.
        match env.fs().link(aside, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    env.fs().unlink(aside)
}

fn error_is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

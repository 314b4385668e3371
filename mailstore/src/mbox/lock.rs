//! [`MboxLock`]: keeps all other programs from an mbox while it is changed.
//!
//! # Which locks, in which order
//! A dotlock and an `fcntl` lock, as [`MboxOptions::write_locks`](super::MboxOptions) orders them. Dovecot writes with
//! `mbox_write_locks = dotlock fcntl`, which is our default; Debian's policy (section 11.6) has fcntl first. None is
//! waited for while the other is held: when the second is not free, the first is given back before the wait, so that
//! no order can end in a deadlock. `flock` is never used: it does not keep out those who lock by `fcntl`, and does
//! nothing on many network file systems.
//!
//! Readers take a shared `fcntl` lock for each piece they read. They take none while they scan a file that has rested: what
//! was scanned without a lock is checked under one before it is used (`snapshot.rs`).
//!
//! # The dotlock
//! `MAILBOX.lock`, made as a file of another name and linked to this one; that the file then has two names is the proof,
//! also where the answer of a network file system was lost. It holds `pid:host:boot-id`.
//!
//! It is stale, and taken away,
//! * when it names a process of this host that does not run, or another boot of it, or is older than the machine's last
//!   start and names no other host;
//! * when it names nobody that we can ask, and neither it nor the mailbox has changed for [`STALE_AFTER`].
//!
//! A lock of a process that lives is never taken away. A long rewrite touches its lock now and then.
//!
//! Where no file may be made beside the mailbox, as in many a `/var/mail`, the dotlock is left out, and
//! [`Notice::NoDotlock`](super::Notice) says so.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::Place;
use super::{LockMethod, Notice};
use crate::env::{Env, Held};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, LockKind, Metadata, OpenMode};

/// How long nothing may have changed before a dotlock of an unknown owner is taken away.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(300);

/// How often a long operation touches its dotlock.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The mailbox file, open for writing, and nobody else at it. Dropping it gives all locks back.
#[derive(Debug)]
pub(super) struct MboxLock {
    /// Always there, but while it is being synced.
    file: Option<Box<dyn File>>,
    dotlock: Option<Dotlock>,
    /// Taken last, given back last.
    _threads: Held,
}

impl MboxLock {
    /// Waits for the locks, as long as the options say.
    ///
    /// # Errors
    /// `NoSuchMailbox`; `Locked` when another program held one of them all the time; as [`Place::open_to_change`].
    pub(super) fn take(place: &Place) -> Result<Self> {
        let mut waiting = Waiting::new(place);
        // Threads of this process wait in line instead of asking again and again.
        let threads = place.env.hold(&place.path);
        loop {
            let file = place.open_to_change()?;
            if let Some(dotlock) = try_all(place, &*file)? {
                // It may have been replaced while we opened it.
                let inode = file.metadata().map_err(|error| place.failed("locking", &error))?.inode;
                if place.stamp()?.inode == inode {
                    return Ok(Self { file: Some(file), dotlock, _threads: threads });
                }
                continue;
            }
            waiting.pause()?;
        }
    }

    /// The mailbox.
    pub(super) fn file(&self) -> &dyn File {
        self.file.as_deref().expect("invariant: what is synced is given back")
    }

    /// Makes the mailbox durable, together with what others wait for ([`sync`](crate::sync)).
    pub(super) fn sync(&mut self, place: &Place) -> Result<()> {
        let file = self.file.take().expect("invariant: what is synced is given back");
        let (file, synced) = place.env.syncs().sync_file(file);
        self.file = Some(file);
        synced.map_err(|error| place.failed("syncing", &error))
    }

    /// Shows others that the lock is alive. To be called often; it does something now and then.
    pub(super) fn keep(&mut self, env: &Env) {
        if let Some(dotlock) = &mut self.dotlock {
            dotlock.keep(env);
        }
    }
}

/// Takes a shared lock on an open mailbox, for as long as the file is open and it is not given back.
///
/// # Errors
/// `Locked` when another program was writing all the time.
pub(super) fn share(place: &Place, file: &dyn File) -> Result<()> {
    let mut waiting = Waiting::new(place);
    while !file.try_lock(LockKind::Shared).map_err(|error| place.failed("locking", &error))? {
        waiting.pause()?;
    }
    Ok(())
}

/// Waits longer and longer, up to the limit.
struct Waiting<'a> {
    place: &'a Place,
    waited: Duration,
    pause: Duration,
}

impl<'a> Waiting<'a> {
    fn new(place: &'a Place) -> Self {
        Self { place, waited: Duration::ZERO, pause: PAUSE_MIN }
    }

    fn pause(&mut self) -> Result<()> {
        if self.waited >= self.place.options.lock_wait {
            let cause = self.who_holds_it();
            return Err(StoreError::new(ErrorKind::Locked, "locking", cause).at(&self.place.path));
        }
        self.place.env.host().pause(self.pause);
        self.waited += self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }

    /// What an administrator looks for: the lock file, its age and whom it names; without one, a lock that only the kernel knows.
    fn who_holds_it(&self) -> String {
        let Place { env, path, .. } = self.place;
        let lock = lock_file(path);
        let Ok(metadata) = env.fs().metadata(&lock) else {
            return "another program holds an fcntl lock on it".to_owned();
        };
        let age = env.host().now().saturating_sub(metadata.mtime).as_secs();
        let content = fs::read(env.fs(), &lock).unwrap_or_default();
        let content: String =
            String::from_utf8_lossy(&content).trim_end().chars().take(NAMED_CHARS_MAX).collect();
        let named = if content.is_empty() { "nobody".to_owned() } else { format!("{content:?}") };
        format!("another program holds {}, which is {age} s old and names {named}", lock.display())
    }
}

/// How much of a lock file is told of.
const NAMED_CHARS_MAX: usize = 100;

/// Takes all locks at once or none; the dotlock if there is one to be held.
fn try_all(place: &Place, file: &dyn File) -> Result<Option<Option<Dotlock>>> {
    let mut dotlock = None;
    for method in &place.options.write_locks {
        let taken = match method {
            LockMethod::Fcntl => {
                file.try_lock(LockKind::Exclusive).map_err(|error| place.failed("locking", &error))?
            }
            LockMethod::Dotlock => match Dotlock::try_take(&place.env, &place.path) {
                Ok(Some(taken)) => {
                    dotlock = Some(taken);
                    true
                }
                Ok(None) => false,
                Err(error) if is_forbidden(&error) => {
                    let path = place.path.clone();
                    place.options.tell(Notice::NoDotlock { path, cause: error.to_string() });
                    true
                }
                Err(error) => return Err(place.failed("locking", &error)),
            },
        };
        if !taken {
            // Closing the file gives the other lock back, if it was taken.
            return Ok(None);
        }
    }
    Ok(Some(dotlock))
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Where the dotlock of a mailbox is.
fn lock_file(mailbox: &Path) -> PathBuf {
    let mut path = mailbox.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// A held dotlock, until dropped.
#[derive(Debug)]
struct Dotlock {
    env: Env,
    path: PathBuf,
    /// The lock file as we made it.
    made: Metadata,
    touched: Duration,
}

impl Dotlock {
    fn try_take(env: &Env, mailbox: &Path) -> io::Result<Option<Self>> {
        let path = lock_file(mailbox);
        if env.fs().metadata(&path).is_ok() {
            match stale(env, &path, mailbox)? {
                Some(stale) => {
                    let aside = path.with_file_name(format!(".lock.{}", env.unique_name()));
                    crate::lock::break_lock(env, &path, &aside, &stale)?;
                }
                None => return Ok(None),
            }
        }
        let scratch = path.with_file_name(format!(".lock.{}", env.unique_name()));
        let linked = link(env, &scratch, &path);
        // Whatever happened, this name is of no use any more.
        let _ = env.fs().unlink(&scratch);
        let touched = env.host().now();
        Ok(linked?.map(|made| Self { env: env.clone(), path, made, touched }))
    }

    fn keep(&mut self, env: &Env) {
        let now = env.host().now();
        if now.saturating_sub(self.touched) >= TOUCH_EVERY {
            self.touched = now;
            // At worst somebody takes the lock for stale; the other lock still holds.
            let _ = env.fs().open(&self.path, OpenMode::Write).and_then(|file| file.set_mtime(now));
        }
    }
}

impl Drop for Dotlock {
    fn drop(&mut self) {
        // Not that of somebody who took ours for stale. One that cannot be removed goes stale.
        if self.env.fs().metadata(&self.path).is_ok_and(|found| found.inode == self.made.inode) {
            let _ = self.env.fs().unlink(&self.path);
        }
    }
}

/// Makes the lock file under one name and links it to the other; `None` when somebody was faster.
fn link(env: &Env, scratch: &Path, path: &Path) -> io::Result<Option<Metadata>> {
    let host = env.host();
    let mut file = env.fs().open(scratch, OpenMode::CreateNew)?;
    file.append(format!("{}:{}:{}\n", host.pid(), host.name(), host.boot_id()).as_bytes())?;
    let linked = env.fs().link(scratch, path);
    let made = file.metadata()?;
    match linked {
        _ if made.links == 2 => Ok(Some(made)),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(None),
    }
}

/// The lock file's metadata when it is stale; `None` when it is held or gone.
fn stale(env: &Env, path: &Path, mailbox: &Path) -> io::Result<Option<Metadata>> {
    let read = (|| {
        let file = env.fs().open(path, OpenMode::Read)?;
        Ok((file.metadata()?, fs::read_open(&*file)?))
    })();
    let (metadata, content) = match read {
        Ok(read) => read,
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => return Ok(None),
        // What may not be read may be held.
        Err(error) if is_forbidden(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let host = env.host();
    // A power cut may leave zeros where the text was to be.
    let text = String::from_utf8_lossy(content.split(|&octet| octet == 0).next().unwrap_or_default());
    let mut parts = text.trim_end().splitn(3, ':');
    let pid = parts.next().and_then(|pid| pid.trim().parse::<u32>().ok()).filter(|pid| *pid > 0);
    let (name, boot_id) = (parts.next(), parts.next());
    // A part of a name may be ours, cut off when the power went.
    let is_elsewhere = name
        .is_some_and(|name| name != host.name() && (text.ends_with('\n') || !host.name().starts_with(name)));
    let is_stale = match (pid, boot_id) {
        (Some(pid), Some(boot_id)) if !is_elsewhere && text.ends_with('\n') => {
            boot_id != host.boot_id()
                || !host.is_alive(pid)
                || pid == host.pid() && metadata.mtime < env.started()
        }
        // Made before this machine was started.
        _ if !is_elsewhere && metadata.mtime <= host.booted() => true,
        (Some(pid), None) if !is_elsewhere && host.is_alive(pid) => false,
        _ => {
            let changed =
                env.fs().metadata(mailbox).map_or(metadata.mtime, |it| it.mtime.max(metadata.mtime));
            host.now().saturating_sub(changed) > STALE_AFTER
        }
    };
    Ok(is_stale.then_some(metadata))
}

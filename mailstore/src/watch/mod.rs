//! [`Watcher`]: what other programs change in a mailbox is told, without anybody asking for it.
//!
//! [`Store::watch`](crate::Store::watch) has a function called whenever a mailbox *may* have changed; who wants to know
//! how looks ([`Mailbox::refresh`](crate::Mailbox::refresh)), and a look that finds nothing is cheap. One's own changes
//! are told like those of others.
//!
//! Where the system tells of changes ([`Fs::changes`](crate::fs::Fs::changes)), one thread hears them for all mailboxes
//! of a process. Mailboxes of which it does not tell, or no longer, are looked at by a second thread in turn: those on file
//! systems that other machines may change, and those for which the system has no room.
//!
//! | what is watched | told by the system | looked at in turn |
//! | --- | --- | --- |
//! | Maildir | names in `new/` and `cur/`; the mailbox removed or renamed | the times of `new/` and `cur/` |
//! | mbox | octets of the file; the file removed, renamed or replaced | its length and time |
//!
//! ```
//! use mailstore::watch::{Told, WatchOptions};
//! use mailstore::{Env, MailboxName, MaildirStore, Store, Tell};
//! use std::sync::{Arc, mpsc};
//! # let home = std::env::temp_dir().join(format!("mailstore-watch-{}", std::process::id()));
//!
//! let env = Env::real("mail.example");
//! env.watcher().start(WatchOptions::default())?;
//! let store = MaildirStore::open(env.clone(), &home.join("Maildir"), None)?;
//!
//! let (send, receive) = mpsc::channel();
//! let tell: Tell = Arc::new(move |told| send.send(told).unwrap_or_default());
//! let watch = store.watch(&MailboxName::inbox(), &tell)?;
//! assert!(watch.is_some());
//!
//! // Some other program puts a message there.
//! std::fs::write(home.join("Maildir/new/1.x"), "Subject: hello\n\nhi\n").unwrap();
//! assert_eq!(receive.recv(), Ok(Told::Changed));
//! # drop(watch);
//! # std::fs::remove_dir_all(home).ok();
//! # Ok::<(), mailstore::StoreError>(())
//! ```
//!
//! # Limits
//! A Maildir takes three of `fs.inotify.max_user_watches`, an mbox one, whatever the number of watches of it. What comes
//! within [`WatchOptions::settle`] of the first change is told with it, so that one mailbox is told of no more often than
//! that. When more changes wait than `fs.inotify.max_queued_events`, every mailbox is told to have changed.
//!
//! # Departures
//! What is written into an mbox through a memory map is told by nobody. A mailbox whose *parent* directory is renamed is
//! told of only when it is INBOX.

mod watcher;

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use watcher::Target;
pub use watcher::Watcher;

/// Who is told. It is called from a thread of the watcher's, or of the store's, and must not wait for anything; it may be
/// called once more while the [`Watch`] is being dropped.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// What is told of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Told {
    /// It may have changed.
    Changed,
    /// It may have changed, and nothing more will be told: it was removed or renamed, or another was put in its place.
    /// Who still wants to hear watches it anew, and then looks.
    Ended,
}

/// A mailbox is watched until this is dropped.
pub struct Watch(#[expect(dead_code, reason = "its drop ends the watch")] Box<dyn Any + Send + Sync>);

impl Watch {
    /// What ends the watch when it is dropped; for stores of one's own. Dropping it must not wait for anything.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// How mailboxes are watched.
#[derive(Clone)]
#[non_exhaustive]
pub struct WatchOptions {
    /// For how long changes are gathered before they are told. Default 50 ms.
    pub settle: Duration,
    /// How often mailboxes are looked at of which the system does not tell. It must be longer than the file system's
    /// unit of time. Default 5 seconds.
    pub interval: Duration,
    /// Who is told of what an administrator should know. Default nobody.
    pub notice: Option<OnWatchNotice>,
}

/// Who is told of a [`WatchNotice`].
pub type OnWatchNotice = Arc<dyn Fn(&WatchNotice) + Send + Sync>;

impl Default for WatchOptions {
    fn default() -> Self {
        Self { settle: Duration::from_millis(50), interval: Duration::from_secs(5), notice: None }
    }
}

impl fmt::Debug for WatchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchOptions")
            .field("settle", &self.settle)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// Why mailboxes are not watched as they should be. Each kind is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchNotice {
    /// The system has no queue of changes for this process.
    NoQueue {
        /// What it said.
        cause: String,
    },
    /// The system listens to no more files and directories for this user.
    TooMany {
        /// The first that it refused.
        path: PathBuf,
        /// What it said.
        cause: String,
    },
    /// The system does not listen to some file or directory for another reason.
    Refused {
        /// The first that it refused.
        path: PathBuf,
        /// What it said.
        cause: String,
    },
    /// A file system of which the system does not tell everything.
    NotLocal {
        /// The first that was found on it.
        path: PathBuf,
    },
    /// Changes came faster than they were taken; every mailbox was told to have changed.
    Overflow,
}

impl fmt::Display for WatchNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueue { cause } => write!(
                f,
                "the system does not tell of changes in mailboxes ({cause}), so they are looked at in turn; if there are \
                 too many queues, raise fs.inotify.max_user_instances"
            ),
            Self::TooMany { path, cause } => write!(
                f,
                "{}: the system does not tell of its changes ({cause}), so this and further mailboxes are looked at in \
                 turn; raise fs.inotify.max_user_watches, three for each mailbox that is selected at a time",
                path.display()
            ),
            Self::Refused { path, cause } => write!(
                f,
                "{}: the system does not tell of its changes ({cause}), so the mailbox is looked at in turn; the server's \
                 user must be able to read it",
                path.display()
            ),
            Self::NotLocal { path } => write!(
                f,
                "{}: other machines may change this file system unseen, so mailboxes on it are looked at in turn; nothing \
                 needs to be done",
                path.display()
            ),
            Self::Overflow => write!(
                f,
                "changes in mailboxes came faster than they were taken, so all that are selected are looked at; raise \
                 fs.inotify.max_queued_events if that happens often"
            ),
        }
    }
}

//! [`MboxStore`]: a user's mail in mbox files, shared with whatever else reads and writes them.
//!
//! A mailbox is one file of messages, each begun by a `From_` line. UIDs, flags and keywords stand in header fields of
//! the messages, in the form of UW-IMAP and Dovecot, so that either can take over from the other. Where the files are
//! says an [`MboxLocation`].
//!
//! # INTERNALS
//!
//! | what | where |
//! | --- | --- |
//! | the order of operations of every change, and what a crash can leave | `journal` |
//! | appends and deliveries | `add.rs` |
//! | flag changes | `flags.rs` |
//! | which UIDs are believed | `uids.rs`, `control.rs` |
//! | locks, and when one is stale | `lock.rs` |
//! | creating, deleting, renaming mailboxes | `folders.rs` |
//! | where a message begins and ends | `from_line.rs`, `scan.rs` |
//! | what is stored of a message, and what is shown of it | `encode.rs`, `decode.rs`, `held.rs`, `fields.rs` |
//! | what is kept between two looks at a file | `snapshot.rs` |
//! | what the index has of it, and when it is believed | `sight.rs`, `rows.rs` |
//!
//! Beside the mailboxes, in `.imap/.postroom` in the root, are for each a journal, which must never be removed while it holds
//! anything, `NAME.base` with UIDVALIDITY and a UID above all that were given, and `NAME.index`, which may be lost: it
//! remembers mod-sequences, removals, summaries, and where each message lies.
//!
//! # Limits
//! An opened mailbox holds about 330 octets a message and its keywords, whatever the messages' sizes. A rewrite (an expunge, the first look at
//! messages that another program delivered) needs as much room on the disk as what it moves. A lock is waited for as
//! long as [`MboxOptions::lock_wait`] says. The keywords of one message are 8 KiB together.
//! A file that never rests for two seconds is read under a lock, and whole where nothing is known of it yet: who writes to it waits meanwhile.
//!
//! # Departures
//! * There is no SAVEDATE ([`Meta::save_date`](crate::Meta::save_date) is `None`), for which RFC 8514 §4.2 and §4.3 provide: it is told
//!   as NIL, and searched for as INTERNALDATE. It would have to stand in a header field, which all other programs would show
//!   as part of the message: a UID would have other octets there than here. Or in the index, which may be lost, and a date
//!   that was told must not change (§3).
//! * A message that is expunged while it is being read cannot be read further.
//! * A message that does not end in a line end gets one; a bare LF becomes a line end.
//! * Files whose names hold a dot are no mailboxes, since no [`MailboxName`](crate::MailboxName) does.
//! * Symbolic links are followed, to files and in the directories above them: who may make links among the folders reads
//!   whatever this process may read that is an mbox.
//! * Other programs see a field `X-Postroom-Delivery` in what the spool has delivered.
//! * A change that another program makes twice within one tick of the file system's clock, without changing the file's
//!   length, is seen with the next change only. So is one that leaves length, modification time and the last 4096 octets as
//!   they were.
//! * A message that another program rewrites where it was, and leaves as long as it was, under the same `From_` line and
//!   UID, keeps the envelope and the structure that were found first until it is scanned again: when it is the last, when one
//!   before it changes, or when another file is put in place of this one. Its octets are those of the file. A message of a
//!   UID never changes (RFC 3501 §2.3.1.1), so such a program is at fault, and to notice it at once would take reading all of
//!   the file after each change of flags.

mod add;
mod append;
mod control;
mod decode;
mod deliver;
mod encode;
mod fields;
mod flags;
mod folders;
mod from_line;
mod fuzz;
mod held;
mod journal;
mod lines;
mod location;
mod lock;
mod mailbox;
mod message;
mod moves;
mod place;
mod reader;
mod rewrite;
mod rows;
mod scan;
mod sight;
mod snapshot;
mod store;
mod subscriptions;
mod uids;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use from_line::format as from_line;
#[doc(hidden)]
pub use fuzz::fuzz_mbox;
pub use location::MboxLocation;
pub use store::MboxStore;

/// How messages are kept apart in an mbox, and which lines of theirs are quoted for it.
///
/// All four are read whatever is chosen, message by message: one whose Content-Length leads to another message, or to
/// the end of the file, is read by it, all others by their lines. The choice says what is written, and how quoted
/// lines are read: in mboxo those with one `>` are restored, else all; where a Content-Length holds, only in mboxcl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MboxFormat {
    /// `From ` becomes `>From `: what stood as `>From ` in a message cannot be told from it later.
    Mboxo,
    /// Every `>` and `From ` behind it gets one more `>`: reversible.
    #[default]
    Mboxrd,
    /// As mboxrd, with a Content-Length besides.
    Mboxcl,
    /// With a Content-Length, and nothing quoted. Programs that do not read it take lines for messages.
    Mboxcl2,
}

/// A way to keep others from a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockMethod {
    /// A lock of the operating system on the file.
    Fcntl,
    /// A file `MAILBOX.lock` beside it.
    Dotlock,
}

/// Who is told of a [`Notice`].
pub type OnNotice = Arc<dyn Fn(&Notice) + Send + Sync>;

/// How mbox files are written and locked.
#[derive(Clone)]
#[non_exhaustive]
pub struct MboxOptions {
    /// How messages are written. Default mboxrd.
    pub format: MboxFormat,
    /// The locks that are held while a mailbox is changed, in the order in which they are taken. All programs on a
    /// machine should hold the same. Default: dotlock, then fcntl, as Dovecot does; Debian's policy has fcntl first.
    pub write_locks: Vec<LockMethod>,
    /// How long a lock is waited for before the operation fails for now. Default 30 seconds.
    pub lock_wait: Duration,
    /// Whether only a regular file is changed that is ours, has no other name, and is no symbolic link: for files where others may
    /// put something in their place (`strict_mbox_owner` of Postfix, and more). Default no.
    pub strict_owner: bool,
    /// How many octets a file may have once a message was added; what is beyond is refused with `OverQuota` (`mailbox_size_limit` of
    /// Postfix). Default no limit.
    pub file_bytes_max: Option<u64>,
    /// Who is told of what an administrator should know. Default nobody.
    pub notice: Option<OnNotice>,
    /// A directory that takes no dotlock is told of once, not with every lock.
    told_of_dotlock: Arc<AtomicBool>,
}

impl Default for MboxOptions {
    fn default() -> Self {
        Self {
            format: MboxFormat::default(),
            write_locks: vec![LockMethod::Dotlock, LockMethod::Fcntl],
            lock_wait: Duration::from_secs(30),
            strict_owner: false,
            file_bytes_max: None,
            notice: None,
            told_of_dotlock: Arc::default(),
        }
    }
}

impl fmt::Debug for MboxOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, write_locks, lock_wait, strict_owner, file_bytes_max, .. } = self;
        f.debug_struct("MboxOptions")
            .field("format", format)
            .field("write_locks", write_locks)
            .field("lock_wait", lock_wait)
            .field("strict_owner", strict_owner)
            .field("file_bytes_max", file_bytes_max)
            .finish_non_exhaustive()
    }
}

impl MboxOptions {
    fn tell(&self, notice: Notice) {
        let is_dotlock = matches!(notice, Notice::NoDotlock { .. });
        if is_dotlock && self.told_of_dotlock.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(tell) = &self.notice {
            tell(&notice);
        }
    }
}

/// Something that went another way than it should, and that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// No dotlock could be made beside the mailbox; the other locks hold alone. Told once, whatever the number of
    /// mailboxes.
    NoDotlock {
        /// The mailbox.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// A change that was cut off has been completed.
    JournalApplied {
        /// The mailbox.
        path: PathBuf,
    },
    /// An append that was cut off has been taken back; nobody was told that it was made.
    TornAppendCut {
        /// The mailbox.
        path: PathBuf,
        /// How much was cut off, in octets.
        bytes: u64,
    },
    /// A change was cut off, and another program has rewritten the mailbox since: it was not completed.
    JournalSetAside {
        /// The mailbox.
        path: PathBuf,
        /// Where the journal is now; it holds what the mailbox was to become.
        aside: PathBuf,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::NoDotlock { path, cause } => write!(
                f,
                "{}: no dotlock can be made ({cause}); let the server's user write to the directory, or leave dotlock \
                 out of the locks",
                path.display()
            ),
            Notice::JournalApplied { path } => {
                write!(f, "{}: a change that was cut off has been completed", path.display())
            }
            Notice::TornAppendCut { path, bytes } => {
                write!(
                    f,
                    "{}: {bytes} octets of a message that was cut off have been removed",
                    path.display()
                )
            }
            Notice::JournalSetAside { path, aside } => write!(
                f,
                "{}: a change was cut off, and another program has rewritten the mailbox since; what it was to become is \
                 in {}",
                path.display(),
                aside.display()
            ),
        }
    }
}

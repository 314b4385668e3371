//! [`MailboxPaths`]: where the parts of one Maildir lie.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::notice::Notices;
use super::quota::QuotaRoot;
use super::tree::Tree;
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;

/// A directory of message files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sub {
    /// Delivered, and not yet seen by a reader.
    New,
    /// Seen by a reader; names carry flags.
    Cur,
}

/// The directory of one mailbox, and the disk it is on.
#[derive(Debug, Clone)]
pub(super) struct MailboxPaths {
    pub(super) env: Env,
    /// The directory of INBOX, in which all others lie.
    pub(super) root: PathBuf,
    /// The directory of this mailbox.
    pub(super) dir: PathBuf,
    /// Its name.
    pub(super) name: MailboxName,
    /// How names become directories here.
    pub(super) tree: Tree,
    /// What all mailboxes of this user may hold.
    pub(super) quota: Arc<QuotaRoot>,
    /// Who is told what an administrator should know.
    pub(super) notices: Notices,
}

impl MailboxPaths {
    pub(super) fn sub(&self, sub: Sub) -> PathBuf {
        self.dir.join(match sub {
            Sub::New => "new",
            Sub::Cur => "cur",
        })
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    pub(super) fn uidlist(&self) -> PathBuf {
        self.dir.join("dovecot-uidlist")
    }

    /// Where a list that does not read is kept.
    pub(super) fn damaged_uidlist(&self) -> PathBuf {
        self.dir.join("dovecot-uidlist.damaged")
    }

    pub(super) fn keywords(&self) -> PathBuf {
        self.dir.join("dovecot-keywords")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.dir.join("postroom.index")
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.dir.join("postroom.wal")
    }

    /// Whether a message with these letters counts for the quota here.
    pub(super) fn counts(&self, letters: &str) -> bool {
        self.quota.counts(&self.name, letters)
    }

    /// Makes the entries of a directory durable, together with what others wait for.
    pub(super) fn sync(&self, dir: &Path) -> Result<()> {
        self.env.syncs().sync_dir(dir).map_err(|error| StoreError::io("syncing", dir, &error))
    }

    /// # Errors
    /// `NoSuchMailbox` when the directory is missing.
    pub(super) fn check_exists(&self) -> Result<()> {
        // A directory with others below it need not be a mailbox itself.
        let is_level = self.tree.is_fs && !self.name.is_inbox();
        let cur = is_level.then(|| self.sub(Sub::Cur));
        match self.env.fs().metadata(cur.as_ref().unwrap_or(&self.dir)) {
            Ok(metadata) if metadata.is_dir => Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("opening the mailbox", &self.dir, &error))
            }
            _ => Err(StoreError::new(ErrorKind::NoSuchMailbox, "opening the mailbox", "there is none")
                .at(&self.dir)),
        }
    }
}

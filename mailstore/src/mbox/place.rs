//! [`Place`]: where the parts of one mbox lie: the file itself, and beside it what the file cannot hold.
//!
//! Journals and the like lie in [`CONTROL`] in the root of the folders, not beside the mailbox: in `/var/mail` nobody
//! but root may make files, and other programs would take them for mailboxes. It is in `.imap`, since Dovecot keeps its own
//! indexes there and shows nobody what lies in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::MboxOptions;
use crate::env::Env;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{File, Metadata, OpenMode};

/// The directory in the root that holds what is not mail.
pub(super) const CONTROL: &str = ".imap/.postroom";

/// Where that was before it was [`CONTROL`]: Dovecot showed it as a mailbox there.
pub(super) const CONTROL_BEFORE: &str = ".postroom";

/// The directory in [`CONTROL`] for what is being written, and for nothing that anybody needs.
pub(super) const TMP: &str = "tmp";

/// One mailbox.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) env: Env,
    pub(super) options: Arc<MboxOptions>,
    /// The mailbox file.
    pub(super) path: PathBuf,
    /// The control directory.
    pub(super) control: PathBuf,
    /// The name of this mailbox there.
    pub(super) key: String,
}

impl Place {
    /// What was asked of the file when the power went.
    pub(super) fn journal(&self) -> PathBuf {
        self.control.join(format!("{}.journal", self.key))
    }

    /// UIDVALIDITY and the highest UID that may have been given.
    pub(super) fn base(&self) -> PathBuf {
        self.control.join(format!("{}.base", self.key))
    }

    /// The index of the mailbox, which may be lost.
    pub(super) fn index(&self) -> PathBuf {
        self.control.join(format!("{}.index", self.key))
    }

    /// A path in the control directory that nobody else uses.
    pub(super) fn scratch(&self) -> PathBuf {
        self.control.join(format!("tmp.{}", self.env.unique_name()))
    }

    pub(super) fn open(&self, mode: OpenMode) -> Result<Box<dyn File>> {
        self.env.fs().open(&self.path, mode).map_err(|error| self.failed("opening", &error))
    }

    /// The mailbox, open for writing at offsets.
    ///
    /// # Errors
    /// `Denied` when it is one that is not to be changed ([`MboxOptions::strict_owner`]).
    pub(super) fn open_to_change(&self) -> Result<Box<dyn File>> {
        if !self.options.strict_owner {
            return self.open(OpenMode::Write);
        }
        let refused = |why: &'static str| StoreError::new(ErrorKind::Denied, "opening", why).at(&self.path);
        let file = self.env.fs().open(&self.path, OpenMode::WriteItself);
        let file = file.map_err(|error| {
            let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
            if is_link { refused("it is a symbolic link") } else { self.failed("opening", &error) }
        })?;
        // Of what was opened: what has the name may be another by now.
        let it = file.metadata().map_err(|error| self.failed("looking at", &error))?;
        let why_not = [
            (!it.is_file, "it is no regular file"),
            (it.links > 1, "it has other names besides"),
            (!it.is_ours, "it belongs to another user"),
        ];
        match why_not.into_iter().find(|(is_so, _)| *is_so) {
            Some((_, why)) => Err(refused(why)),
            None => Ok(file),
        }
    }

    /// The mailbox as it is now.
    ///
    /// # Errors
    /// `NoSuchMailbox`.
    pub(super) fn stamp(&self) -> Result<Metadata> {
        match self.env.fs().metadata(&self.path) {
            Ok(metadata) if !metadata.is_file => Err(self.missing()),
            Ok(metadata) => Ok(metadata),
            Err(error) => Err(self.failed("looking at", &error)),
        }
    }

    /// Makes the file, durably.
    ///
    /// # Errors
    /// `MailboxExists`.
    pub(super) fn create(&self) -> Result<()> {
        self.env.fs().open(&self.path, OpenMode::CreateNew).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => self.exists(),
            _ => StoreError::io("creating", &self.path, &error),
        })?;
        self.sync_dir().inspect_err(|_| {
            // Else it would be taken for durable when it is next seen.
            let _ = self.env.fs().unlink(&self.path);
        })
    }

    /// Makes the entry of the file in its directory durable.
    pub(super) fn sync_dir(&self) -> Result<()> {
        match self.env.fs().sync_dir(self.dir()) {
            // A directory that may be entered but not read; its owner sees to it.
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
                Err(StoreError::io("syncing", self.dir(), &error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn exists(&self) -> StoreError {
        StoreError::new(ErrorKind::MailboxExists, "making a mailbox", "there is one of that name")
            .at(&self.path)
    }

    pub(super) fn missing(&self) -> StoreError {
        StoreError::new(ErrorKind::NoSuchMailbox, "opening the mailbox", "there is none").at(&self.path)
    }

    /// An error of the disk at the mailbox file.
    pub(super) fn failed(&self, doing: &'static str, error: &std::io::Error) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::IsADirectory => self.missing(),
            _ => StoreError::io(doing, &self.path, error),
        }
    }

    pub(super) fn corrupt(&self, why: impl Into<std::borrow::Cow<'static, str>>) -> StoreError {
        StoreError::new(ErrorKind::Corrupt, "reading the mailbox", why).at(&self.path)
    }

    /// The file is no mbox, or none any more.
    pub(super) fn no_message(&self, at: u64) -> StoreError {
        self.corrupt(format!(
            "what stands at octet {at} is no beginning of a message (a line that begins with \"From \"): move the file away, or mend it"
        ))
    }

    /// The directory the mailbox file lies in.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

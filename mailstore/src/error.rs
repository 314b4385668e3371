//! What can go wrong in a store, and whether trying again may help.
//!
//! Every error says what was being done, where, and what the administrator can do about it. That text is for
//! a log: it names paths. [`StoreError::to_backend`] gives the form that may be shown to a peer.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use proto_core::Backend;

/// The result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no mailbox of that name (`[NONEXISTENT]`, `[TRYCREATE]`).
    NoSuchMailbox,
    /// A mailbox of that name exists (`[ALREADYEXISTS]`).
    MailboxExists,
    /// This store cannot hold a mailbox of that name, or INBOX cannot be treated so (`[CANNOT]`).
    BadName,
    /// A mailbox cannot be given this special use here (`[USEATTR]`, RFC 6154 §5.3).
    BadUse,
    /// The message is not there (any more): another session or program removed it (`[EXPUNGEISSUED]`).
    NoSuchMessage,
    /// A mailbox holds no further keyword (`[LIMIT]`).
    KeywordLimit,
    /// The mailbox was opened read-only (`[READ-ONLY]`).
    ReadOnly,
    /// UIDs are used up: the mailbox needs a new UIDVALIDITY.
    UidsExhausted,
    /// The user's mailboxes hold as much as they may (552 5.2.2, or 452 4.2.2; `[OVERQUOTA]`, RFC 5530 section 3). Permanent
    /// by itself; who has accepted the message already may wait.
    OverQuota,
    /// The spool holds as many messages as it may (452 4.3.1).
    Backlog,
    /// Another message has been delivered under this [`DeliveryId`](crate::DeliveryId) already: one is used once. That message
    /// stays, this one is not stored.
    DuplicateDelivery,
    /// No such message in the spool.
    NoSuchQueueId,
    /// Who takes messages does not want this one, now or later (554).
    Refused,
    /// A lock was not free in time.
    Locked,
    /// A file of ours does not read as we wrote it.
    Corrupt,
    /// Files are of a form that this version does not read.
    OldFormat,
    /// No space left on the file system, or the disk quota is used up.
    DiskFull,
    /// The file system is read-only, or access is denied.
    Denied,
    /// A part of a path is missing, is no directory, or cannot be made where it should be.
    BadPath,
    /// Two mailboxes of one user, or parts of one, lie on different file systems: nothing can be moved, nor linked, from the
    /// one to the other.
    OtherFileSystem,
    /// The disk or the file system failed in another way.
    Io,
}

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A 4yz reply, `[UNAVAILABLE]`, `[SYS/TEMP]`: what was to be stored stays with its sender.
    Temporary,
    /// A 5yz reply, a plain `NO`, `[SYS/PERM]`.
    Permanent,
}

/// A store operation that failed. Nothing that was acknowledged earlier is harmed by it.
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: ErrorKind,
    doing: &'static str,
    path: Option<PathBuf>,
    cause: Cow<'static, str>,
    detail: Option<String>,
}

impl StoreError {
    /// An error of `kind` met while `doing` something (a verb and its object: "opening the mailbox").
    pub fn new(kind: ErrorKind, doing: &'static str, cause: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, doing, path: None, cause: cause.into(), detail: None }
    }

    /// The error with the path it happened at.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_path_buf());
        self
    }

    /// The error with figures for the administrator, which no peer is shown.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// An operating system error met while `doing` something at `path`.
    pub fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
                ErrorKind::BadPath
            }
            io::ErrorKind::CrossesDevices => ErrorKind::OtherFileSystem,
            _ => ErrorKind::Io,
        };
        let cause = match kind {
            // Whose rights are missing; the path tells where.
            ErrorKind::Denied => format!("{error}, as user {}", rustix::process::geteuid().as_raw()),
            _ => error.to_string(),
        };
        Self { kind, doing, path: Some(path.to_path_buf()), cause: cause.into(), detail: None }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file or directory it happened at, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether the same request may succeed later.
    ///
    /// A full disk, a read-only file system and missing rights are temporary: an administrator can mend them,
    /// and mail refused for good meanwhile would be lost.
    pub fn class(&self) -> Class {
        match self.kind {
            ErrorKind::NoSuchMailbox
            | ErrorKind::MailboxExists
            | ErrorKind::BadName
            | ErrorKind::BadUse
            | ErrorKind::NoSuchMessage
            | ErrorKind::KeywordLimit
            | ErrorKind::ReadOnly
            | ErrorKind::OverQuota
            | ErrorKind::NoSuchQueueId
            | ErrorKind::OtherFileSystem
            | ErrorKind::Refused => Class::Permanent,
            ErrorKind::UidsExhausted
            | ErrorKind::Backlog
            | ErrorKind::DuplicateDelivery
            | ErrorKind::Locked
            | ErrorKind::Corrupt
            | ErrorKind::OldFormat
            | ErrorKind::DiskFull
            | ErrorKind::Denied
            | ErrorKind::BadPath
            | ErrorKind::Io => Class::Temporary,
        }
    }

    /// What an administrator can do about it.
    pub fn advice(&self) -> &'static str {
        match self.kind {
            ErrorKind::NoSuchMailbox => "create the mailbox first",
            ErrorKind::MailboxExists => "choose another name",
            ErrorKind::BadName => "correct the name or the path",
            ErrorKind::BadUse => "say what the mailbox is for in the settings",
            ErrorKind::NoSuchMessage => "nothing: another session removed the message",
            ErrorKind::KeywordLimit => {
                "a Maildir holds 26 keywords: take unused ones out of dovecot-keywords"
            }
            ErrorKind::ReadOnly => "open the mailbox for writing",
            ErrorKind::UidsExhausted => "remove dovecot-uidlist so that the mailbox gets a new UIDVALIDITY",
            ErrorKind::OverQuota => "the user must remove mail, or the administrator raise the quota",
            ErrorKind::Backlog => "see why deliveries are slow, or raise the backlog limit",
            ErrorKind::DuplicateDelivery => {
                "give every message a queue id of its own, and say so when a delivery is tried again"
            }
            ErrorKind::NoSuchQueueId => "nothing: the message has left the queue",
            ErrorKind::Refused => "nothing: the sender is told",
            ErrorKind::Locked => "see which process holds the lock; remove the lock file if none does",
            ErrorKind::Corrupt => "look at the file; it is set aside or rebuilt where that loses nothing",
            ErrorKind::OldFormat => {
                "let the version that wrote these files deliver what is in them, or move the directory away"
            }
            ErrorKind::DiskFull => "free space on this file system, or raise the disk quota",
            ErrorKind::Denied => {
                "check owner, mode and mount options; the server's user must be able to write"
            }
            ErrorKind::BadPath => "correct the path, or put back what is missing on it",
            ErrorKind::OtherFileSystem => "put all mailboxes of one user on one file system",
            ErrorKind::Io => "check the disk and the kernel log",
        }
    }

    /// The error as a protocol machine takes it: no path, nothing private. Of a full mailbox, what the administrator
    /// wants it to say.
    pub fn to_backend(&self) -> Backend {
        let text = match self.kind {
            ErrorKind::NoSuchMailbox => "no such mailbox",
            ErrorKind::MailboxExists => "mailbox exists",
            ErrorKind::BadName => "this name cannot be used",
            ErrorKind::BadUse => "this special use cannot be set",
            ErrorKind::NoSuchMessage => "message is gone",
            ErrorKind::KeywordLimit => "too many keywords",
            ErrorKind::ReadOnly => "mailbox is read-only",
            ErrorKind::OverQuota => &*self.cause,
            ErrorKind::Backlog | ErrorKind::DiskFull => "insufficient system storage",
            ErrorKind::Locked => "mailbox is busy",
            ErrorKind::Refused => "message is not wanted",
            ErrorKind::OtherFileSystem => "mailboxes lie on different file systems",
            _ => "",
        };
        match self.class() {
            Class::Temporary => Backend::Temporary(text.to_owned().into()),
            Class::Permanent => Backend::Permanent(text.to_owned().into()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.doing)?;
        if let Some(path) = &self.path {
            write!(f, " {}", path.display())?;
        }
        write!(f, ": {}", self.cause)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        write!(f, " ({})", self.advice())
    }
}

impl std::error::Error for StoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = StoreError::io("writing", Path::new("/mail/tmp/1.x"), &full);
        assert_eq!(
            error.to_string(),
            "writing /mail/tmp/1.x: no storage space (free space on this file system, or raise the disk quota)"
        );
    }

    #[test]
    fn r151_missing_rights_name_path_and_user() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = StoreError::io("creating", Path::new("/mail/tmp/1.x"), &denied).to_string();
        let uid = rustix::process::geteuid().as_raw();
        assert!(
            text.starts_with(&format!("creating /mail/tmp/1.x: permission denied, as user {uid} (")),
            "{text}"
        );
    }

    #[test]
    fn a_path_that_cannot_be_is_no_fault_of_the_disk() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::InvalidFilename] {
            let error = StoreError::io("reading", Path::new("/m"), &io::Error::from(kind));
            assert_eq!((error.kind(), error.class()), (ErrorKind::BadPath, Class::Temporary));
            assert!(error.to_string().ends_with("(correct the path, or put back what is missing on it)"));
        }
    }

    #[test]
    fn what_lies_on_another_file_system_stays_there() {
        let error = StoreError::io("moving", Path::new("/m"), &io::ErrorKind::CrossesDevices.into());
        assert_eq!((error.kind(), error.class()), (ErrorKind::OtherFileSystem, Class::Permanent));
        assert!(error.to_string().ends_with("(put all mailboxes of one user on one file system)"));
    }

    #[test]
    fn what_an_administrator_can_mend_is_temporary_and_shows_no_path() {
        for kind in [
            io::ErrorKind::StorageFull,
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::Other,
        ] {
            let error = StoreError::io("writing", Path::new("/secret"), &io::Error::from(kind));
            assert_eq!(error.class(), Class::Temporary);
            assert!(!error.to_backend().to_string().contains("secret"));
        }
    }
}

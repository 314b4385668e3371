//! [`MaildirNotice`]: what an administrator should know, and no operation fails of.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::StoreError;
use crate::name::MailboxName;

/// Who is told of a [`MaildirNotice`]; it must not block, nor call the store.
pub type OnMaildirNotice = Arc<dyn Fn(&MaildirNotice) + Send + Sync>;

/// Who is told, if anybody is.
#[derive(Clone, Default)]
pub(super) struct Notices(pub(super) Option<OnMaildirNotice>);

impl Notices {
    pub(super) fn tell(&self, notice: &MaildirNotice) {
        if let Some(tell) = &self.0 {
            tell(notice);
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notices").finish()
    }
}

/// Something that an administrator should know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MaildirNotice {
    /// Among the messages of a mailbox lies what is not shown: it is no regular file, may not be read, or has a name that is
    /// too long or not UTF-8. Told when such a mailbox is opened, and when their number changes.
    LeftOut {
        /// The mailbox.
        mailbox: MailboxName,
        /// How many files.
        files: usize,
        /// What is wrong with the first.
        first: StoreError,
    },
    /// Some lines of the list of UIDs do not read; the messages that they may have been about get new ones.
    UidsPassedOver {
        /// The list.
        path: PathBuf,
        /// How many lines.
        lines: usize,
    },
    /// The list of UIDs does not read: all messages get new ones, under a new UIDVALIDITY, and clients fetch them again.
    UidsReplaced {
        /// The list.
        path: PathBuf,
        /// Where it is kept as it was, unless an earlier one is there already.
        aside: PathBuf,
    },
}

impl fmt::Display for MaildirNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { mailbox, files, first } => {
                write!(f, "{files} of the files in mailbox {mailbox} are not shown as messages: {first}")
            }
            Self::UidsPassedOver { path, lines } => {
                let list = path.display();
                write!(
                    f,
                    "{lines} lines of {list} do not read and are passed over: their messages get new UIDs"
                )
            }
            Self::UidsReplaced { path, aside } => write!(
                f,
                "{} is damaged: all messages get new UIDs, and clients fetch them again (kept as {}; a copy from a backup, put in \
                 its place while nobody has the mailbox open, brings the old UIDs back)",
                path.display(),
                aside.display()
            ),
        }
    }
}

//! [`MaildirNotice`]: what an administrator should know, and no operation fails of.

use std::fmt;
use std::sync::Arc;

use crate::error::StoreError;
use crate::name::MailboxName;

/// Who is told of a [`MaildirNotice`]; it must not block, nor call the store.
pub type OnMaildirNotice = Arc<dyn Fn(&MaildirNotice) + Send + Sync>;

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
}

impl fmt::Display for MaildirNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { mailbox, files, first } => {
                write!(f, "{files} of the files in mailbox {mailbox} are not shown as messages: {first}")
            }
        }
    }
}

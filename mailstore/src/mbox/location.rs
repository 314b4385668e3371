//! [`MboxLocation`]: where a user's mbox files are, in the words of Dovecot's `mail_location`.
//!
//! `mbox:~/mail:INBOX=/var/mail/%u` has the folders in `~/mail` and the INBOX where other programs deliver. After the
//! root, parts are:
//!
//! | part | means |
//! | --- | --- |
//! | `INBOX=PATH` | the file of the INBOX; `inbox` in the root when it is not said |
//! | `DIRNAME=NAME` | a mailbox is a file of this name in a directory of the mailbox's name, so that it can have mailboxes below it |
//! | `INDEX=…`, `CONTROL=…`, `SUBSCRIPTIONS=…` and others | passed over: our own files are in `.imap/.postroom` in the root |
//!
//! Variables in paths are those of [`PathTemplate`](crate::PathTemplate).
//!
//! # Names
//! The components of a mailbox's name are directories and, the last, a file. None can climb out of the root: a
//! component with a dot is refused by [`MailboxName`].

use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;
use crate::template::{PathTemplate, PathUser};

/// Where the mailboxes of one user are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MboxLocation {
    root: PathBuf,
    inbox: PathBuf,
    dirname: Option<String>,
}

impl MboxLocation {
    /// Folders in `root`, the INBOX in the file `inbox`; both absolute.
    pub fn new(root: impl Into<PathBuf>, inbox: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), inbox: inbox.into(), dirname: None }
    }

    /// Reads a location and fills it in. Relative paths are relative to the home directory.
    ///
    /// ```
    /// use mailstore::PathUser;
    /// use mailstore::mbox::MboxLocation;
    /// use std::path::Path;
    ///
    /// let alice = PathUser { user: "alice", domain: "example.test", home: Path::new("/home/alice") };
    /// let location = MboxLocation::parse("mbox:~/mail:INBOX=/var/mail/%n:INDEX=MEMORY", &alice).unwrap();
    /// assert_eq!(location, MboxLocation::new("/home/alice/mail", "/var/mail/alice"));
    /// ```
    ///
    /// # Errors
    /// `BadName` when it is no location of mbox files, or when a user's name would climb out of where it is put.
    pub fn parse(text: &str, user: &PathUser<'_>) -> Result<Self> {
        let bad = |why: &'static str| StoreError::new(ErrorKind::BadName, "reading a mail location", why);
        let text = text.strip_prefix("mbox:").ok_or_else(|| bad("it does not begin with mbox:"))?;
        let mut parts = text.split(':');
        let root = parts.next().filter(|root| !root.is_empty());
        let root = fill(root.ok_or_else(|| bad("it names no directory"))?, user)?;
        let mut location = Self { inbox: root.join("inbox"), root, dirname: None };
        for part in parts {
            match part.split_once('=') {
                Some(("INBOX", path)) => location.inbox = fill(path, user)?,
                Some(("DIRNAME", name)) => {
                    if name.is_empty() || name.starts_with('.') || name.contains('/') {
                        return Err(bad("DIRNAME is no name of a file"));
                    }
                    location.dirname = Some(name.to_owned());
                }
                Some(_) | None => {}
            }
        }
        if location.inbox == location.root {
            return Err(bad("INBOX is the directory of the folders"));
        }
        Ok(location)
    }

    /// The directory of the folders.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of INBOX.
    pub fn inbox(&self) -> &Path {
        &self.inbox
    }

    /// The file of a mailbox.
    pub fn file(&self, name: &MailboxName) -> PathBuf {
        if name.is_inbox() {
            return self.inbox.clone();
        }
        let path = self.dir(name);
        match &self.dirname {
            Some(dirname) => path.join(dirname),
            None => path,
        }
    }

    /// The directory of the mailboxes below one.
    pub(super) fn dir(&self, name: &MailboxName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// What a mailbox is called in its directory, where it has one.
    pub(super) fn dirname(&self) -> Option<&str> {
        self.dirname.as_deref()
    }
}

/// Fills in the variables of a path.
fn fill(text: &str, user: &PathUser<'_>) -> Result<PathBuf> {
    text.parse::<PathTemplate>()?.expand(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, user: &str) -> Result<MboxLocation> {
        let user = PathUser { user, domain: "example.test", home: Path::new("/home/x") };
        MboxLocation::parse(text, &user)
    }

    #[test]
    fn locations_are_read_as_they_are_written_elsewhere() {
        for (text, root, inbox) in [
            ("mbox:~/mail:INBOX=/var/mail/%u", "/home/x/mail", "/var/mail/alice@example.test"),
            ("mbox:~/mail:INBOX=/var/mail/%n", "/home/x/mail", "/var/mail/alice"),
            (
                "mbox:/srv/%d/%n:INDEX=/var/index/%u",
                "/srv/example.test/alice",
                "/srv/example.test/alice/inbox",
            ),
            ("mbox:mail:INBOX=~/mbox:LAYOUT=fs:x", "/home/x/mail", "/home/x/mbox"),
            ("mbox:%h/50%%", "/home/x/50%", "/home/x/50%/inbox"),
        ] {
            assert_eq!(parse(text, "alice").unwrap(), MboxLocation::new(root, inbox), "{text}");
        }
        for text in
            ["maildir:~/mail", "mbox:", "mbox:~/%x", "mbox:~/%", "mbox:~/a:INBOX=~/a", "mbox:~/a:DIRNAME=a/b"]
        {
            assert!(parse(text, "alice").is_err(), "{text}");
        }
        for user in ["..", ".x", "a/b", "../bob", "", "a\0"] {
            assert!(parse("mbox:/srv/%n", user).is_err(), "{user:?}");
        }
    }

    #[test]
    fn folders_are_files_in_directories() {
        let name: MailboxName = "Lists/rust".parse().unwrap();
        assert_eq!(parse("mbox:~/mail", "a").unwrap().file(&name), Path::new("/home/x/mail/Lists/rust"));
        let with = parse("mbox:~/mail:DIRNAME=mBoX", "a").unwrap();
        assert_eq!(with.file(&name), Path::new("/home/x/mail/Lists/rust/mBoX"));
        assert_eq!(with.file(&MailboxName::inbox()), Path::new("/home/x/mail/inbox"));
    }
}

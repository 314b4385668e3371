//! [`MaildirLocation`]: where a user's Maildir is, in the words of Dovecot's `mail_location`.
//!
//! `maildir:~/Maildir` has the INBOX in `~/Maildir` itself, and the other mailboxes below it. After the root, parts are:
//!
//! | part | means |
//! | --- | --- |
//! | `LAYOUT=fs`, `LAYOUT=maildir++` | where the mailboxes lie ([`Layout`]); what is there already tells it when it is not said |
//! | `UTF-8` | their names stand on disk as they are, not in modified UTF-7 ([`NameEncoding`]) |
//! | `INDEX=…`, `ITERINDEX`, `VOLATILEDIR=…`, `NO-NOSELECT` | passed over: they are about Dovecot's own index files |
//!
//! Variables in paths are those of [`PathTemplate`](crate::PathTemplate), and what is relative counts from the home
//! directory, as with mbox files ([`MboxLocation`](crate::mbox::MboxLocation)).
//!
//! # Departures
//! Parts by which mail, UIDs or subscriptions lie elsewhere than in the root (`INBOX=`, `CONTROL=`, `SUBSCRIPTIONS=`, `DIRNAME=`
//! and others) are refused: passed over, they would be lost without a word.

use std::path::{Path, PathBuf};

use super::tree::{Layout, NameEncoding};
use crate::error::{ErrorKind, Result, StoreError};
use crate::template::{PathTemplate, PathUser};

/// Where the Maildir of one user is, and how mailboxes lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaildirLocation {
    root: PathBuf,
    layout: Layout,
    names: NameEncoding,
}

impl MaildirLocation {
    /// Reads a location and fills it in. Relative paths are relative to the home directory.
    ///
    /// ```
    /// use mailstore::maildir::MaildirLocation;
    /// use mailstore::{Layout, PathUser};
    /// use std::path::Path;
    ///
    /// let alice = PathUser { user: "alice", domain: "example.test", home: Path::new("/home/alice") };
    /// let location = MaildirLocation::parse("maildir:~/mail:LAYOUT=fs:INDEX=MEMORY", &alice).unwrap();
    /// assert_eq!(location.root(), Path::new("/home/alice/mail"));
    /// assert_eq!(location.layout(), Layout::Fs);
    /// ```
    ///
    /// # Errors
    /// `BadName` when it is no location of a Maildir that is kept in one place, or when a user's name would climb out of
    /// where it is put.
    pub fn parse(text: &str, user: &PathUser<'_>) -> Result<Self> {
        let bad = |why: String| StoreError::new(ErrorKind::BadName, "reading a mail location", why);
        let text =
            text.strip_prefix("maildir:").ok_or_else(|| bad("it does not begin with maildir:".to_owned()))?;
        let mut parts = text.split(':');
        let root = parts.next().filter(|root| !root.is_empty());
        let root = root.ok_or_else(|| bad("it names no directory".to_owned()))?;
        let root = root.parse::<PathTemplate>()?.expand(user)?;
        let mut location = Self { root, layout: Layout::Detect, names: NameEncoding::Detect };
        for part in parts {
            match part.split_once('=').unwrap_or((part, "")) {
                ("LAYOUT", "fs") => location.layout = Layout::Fs,
                ("LAYOUT", "maildir++") => location.layout = Layout::MaildirPlusPlus,
                ("LAYOUT", _) => {
                    return Err(bad(format!("{part}: LAYOUT=maildir++ or LAYOUT=fs is expected")));
                }
                ("UTF-8", "") => location.names = NameEncoding::Utf8,
                ("INDEX" | "ITERINDEX" | "VOLATILEDIR" | "NO-NOSELECT", _) => {}
                _ => {
                    return Err(bad(format!(
                        "{part}: a Maildir has LAYOUT=maildir++, LAYOUT=fs or UTF-8; everything lies in its directory"
                    )));
                }
            }
        }
        Ok(location)
    }

    /// The Maildir.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the mailboxes lie in it.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How their names stand on disk.
    pub fn names(&self) -> NameEncoding {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_as_they_are_written_elsewhere() {
        let parse = |text: &str, user| {
            MaildirLocation::parse(
                text,
                &PathUser { user, domain: "example.test", home: Path::new("/home/x") },
            )
        };
        use Layout::{Detect, Fs, MaildirPlusPlus};
        for (text, root, layout, names) in [
            ("maildir:~/Maildir", "/home/x/Maildir", Detect, NameEncoding::Detect),
            ("maildir:mail/%1n:LAYOUT=fs", "/home/x/mail/a", Fs, NameEncoding::Detect),
            (
                "maildir:/srv/%u:UTF-8:LAYOUT=maildir++",
                "/srv/alice@example.test",
                MaildirPlusPlus,
                NameEncoding::Utf8,
            ),
            ("maildir:/srv/%n:INDEX=/var/%u:NO-NOSELECT", "/srv/alice", Detect, NameEncoding::Detect),
        ] {
            let expected = MaildirLocation { root: root.into(), layout, names };
            assert_eq!(parse(text, "alice").unwrap(), expected, "{text}");
        }
        for (text, word) in [
            ("mbox:~/mail", "maildir:"),
            ("maildir:", "names no directory"),
            ("maildir:~/m:LAYOUT=index", "LAYOUT=index: LAYOUT=maildir++ or"),
            ("maildir:~/m:LAYOUT", "LAYOUT=fs"),
            ("maildir:~/m:INBOX=~/inbox", "INBOX=~/inbox: "),
            ("maildir:~/m:CONTROL=/var/%u", "CONTROL=/var/%u: "),
            ("maildir:../m", ".."),
        ] {
            let error = parse(text, "alice").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadName, "{text}");
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
        assert!(parse("maildir:/srv/%n", "../bob").is_err());
    }
}

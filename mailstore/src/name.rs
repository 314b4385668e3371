//! [`MailboxName`]: the name of a mailbox as its parts.
//!
//! A name is a path of components under one user; `/` parts them in this API, whatever stands on disk. Each
//! component is in modified UTF-7 ([`mail_message::mutf7`]), as on the wire of IMAP (RFC 3501 §5.1.3) and mostly on disk;
//! [`MailboxName::from_utf8`] makes it of what people write.
//!
//! # Limits
//! Components: 1–200 octets of printable ASCII; a name: [`MailboxName::BYTES_MAX`] octets in all, because
//! Maildir++ makes one directory name of it.
//!
//! # Departures
//! A component that contains `.` is refused: Maildir++ has no way to write it.

use std::fmt;
use std::str::FromStr;

use mail_message::mutf7;

use crate::error::{ErrorKind, StoreError};

/// The name of a mailbox: one or more components. `INBOX` is equal in any case, and is spelled so.
///
/// ```
/// use mailstore::MailboxName;
///
/// let name: MailboxName = "Lists/rust".parse().unwrap();
/// assert_eq!(name.components().collect::<Vec<_>>(), ["Lists", "rust"]);
/// assert_eq!(MailboxName::new("inbox").unwrap(), MailboxName::inbox());
/// assert!(MailboxName::new("a.b").is_err());
/// assert!(MailboxName::new("../etc").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

impl MailboxName {
    /// The longest name, separators included: a file name holds 255 octets, and one is the leading `.`.
    pub const BYTES_MAX: usize = 254;

    /// Checks a name of components parted by `/`.
    ///
    /// # Errors
    /// [`ErrorKind::BadName`]: an empty component, a `.`, a control, an octet beyond ASCII (encode it first),
    /// or too long.
    pub fn new(name: &str) -> Result<Self, StoreError> {
        let bad = |why: &'static str| Err(StoreError::new(ErrorKind::BadName, "naming a mailbox", why));
        if name.eq_ignore_ascii_case("INBOX") {
            return Ok(Self::inbox());
        }
        if name.len() > Self::BYTES_MAX {
            return bad("the name is too long");
        }
        for component in name.split('/') {
            if component.is_empty() {
                return bad("a part of the name is empty");
            }
            if component.len() > 200 {
                return bad("a part of the name is too long");
            }
            if component.contains('.') {
                return bad("a part of the name contains '.'");
            }
            if !component.bytes().all(|octet| matches!(octet, 0x20..=0x7e)) {
                return bad("the name holds a character that is not encoded");
            }
        }
        // `inbox/a` and `INBOX/a` are one mailbox (RFC 9051 §5.1).
        match name.split_once('/') {
            Some((first, rest)) if first.eq_ignore_ascii_case("INBOX") => Ok(Self(format!("INBOX/{rest}"))),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// Checks a name that is not encoded.
    ///
    /// # Errors
    /// As [`new`](Self::new), of the encoded name.
    ///
    /// ```
    /// # use mailstore::MailboxName;
    /// assert_eq!(MailboxName::from_utf8("Entwürfe/R&D")?.as_str(), "Entw&APw-rfe/R&-D");
    /// # Ok::<(), mailstore::StoreError>(())
    /// ```
    pub fn from_utf8(name: &str) -> Result<Self, StoreError> {
        Self::new(&mutf7::encode(name))
    }

    /// The name as people read it; `None` of one that is not canonically encoded.
    pub fn to_utf8(&self) -> Option<String> {
        mutf7::decode(self.0.as_bytes()).ok()
    }

    /// `INBOX`.
    pub fn inbox() -> Self {
        Self("INBOX".to_owned())
    }

    /// Whether this is `INBOX` itself.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// The name with `/` between its components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The mailbox this one lies under, if any.
    pub fn parent(&self) -> Option<MailboxName> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The part of the name below `ancestor`, when this mailbox lies under it.
    pub fn below(&self, ancestor: &MailboxName) -> Option<&str> {
        self.0.strip_prefix(ancestor.as_str())?.strip_prefix('/')
    }
}

impl FromStr for MailboxName {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Self, StoreError> {
        Self::new(name)
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

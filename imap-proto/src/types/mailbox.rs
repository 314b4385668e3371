//! Mailbox names and the patterns that list them, decoded.
//!
//! RFC 3501 §5.1 (naming) and §6.3.8 (LIST). A name is held in UTF-8; [`mail_message::mutf7`] turns it
//! from and into the form on the wire. `INBOX` in any case, alone or as first component, is held as `INBOX`.
//!
//! # Limits
//! [`MailboxName::BYTES_MAX`] octets of UTF-8 for a name, [`ListPattern::BYTES_MAX`] for a pattern with its
//! reference.
//!
//! # Departures
//! * RFC 3501 allows any characters; we refuse what no store can hold safely: controls (RFC 9051 §5.1 allows that),
//!   empty components (the example of CANNOT in RFC 5530 §3), `.` and `..` as a component.
//! * `inbox/x` is `INBOX/x`, though the RFC speaks of the name INBOX alone: two trees whose roots differ in case only
//!   would be one on some disks.

use crate::name::matcher;
use alloc::boxed::Box;
use alloc::string::String;

/// What separates the levels of hierarchy in a mailbox name.
pub const DELIMITER: char = '/';

/// The name of one mailbox: not empty, in components that [`DELIMITER`] separates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Box<str>);

/// Why a text names no mailbox. It is answered with NO, not BAD: the syntax is right, the name is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// Not canonical modified UTF-7 (RFC 3501 §5.1.3), raw octets above 127 included.
    #[error("mailbox name is not modified UTF-7")]
    Encoding,
    /// Empty, or with an empty component: a separator at the start, at the end, or after another.
    #[error("mailbox name has an empty component")]
    EmptyComponent,
    /// `.` or `..` as a component.
    #[error("mailbox name has a relative component")]
    RelativeComponent,
    /// A control character, or a line or paragraph separator.
    #[error("mailbox name has a control character")]
    Control,
    /// Longer than [`MailboxName::BYTES_MAX`], or a pattern than [`ListPattern::BYTES_MAX`].
    #[error("mailbox name is too long")]
    TooLong,
}

impl From<mail_message::mutf7::NotMutf7> for NameFault {
    fn from(_: mail_message::mutf7::NotMutf7) -> Self {
        Self::Encoding
    }
}

impl MailboxName {
    /// The longest name, in octets of UTF-8. The RFC names no limit; a path on disk is made of it.
    pub const BYTES_MAX: usize = 1000;

    /// The mailbox every account has.
    pub fn inbox() -> Self {
        Self(INBOX.into())
    }

    /// A name from its decoded text.
    ///
    /// # Errors
    /// [`NameFault`], the first that applies.
    ///
    /// ```
    /// use imap_proto::types::MailboxName;
    /// assert_eq!(MailboxName::new("inBox/Lists").unwrap().as_str(), "INBOX/Lists");
    /// assert!(MailboxName::new("../x").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, NameFault> {
        if text.len() > Self::BYTES_MAX {
            return Err(NameFault::TooLong);
        }
        if text.chars().any(is_forbidden) {
            return Err(NameFault::Control);
        }
        for component in text.split(DELIMITER) {
            match component {
                "" => return Err(NameFault::EmptyComponent),
                "." | ".." => return Err(NameFault::RelativeComponent),
                _ => {}
            }
        }
        let first = text.split(DELIMITER).next().unwrap_or(text);
        if first.eq_ignore_ascii_case(INBOX) && first != INBOX {
            let mut canonical = String::from(INBOX);
            canonical.push_str(&text[INBOX.len()..]);
            return Ok(Self(canonical.into()));
        }
        Ok(Self(text.into()))
    }

    /// The name in UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == INBOX
    }

    /// The components, outermost first; there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(DELIMITER)
    }

    /// The name one level up, if there is one.
    pub fn parent(&self) -> Option<MailboxName> {
        self.0.rsplit_once(DELIMITER).map(|(parent, _)| Self(parent.into()))
    }
}

impl core::fmt::Display for MailboxName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which names LIST and LSUB shall tell: a reference with a pattern after it (RFC 3501 §6.3.8).
///
/// `*` stands for any characters, `%` for any but [`DELIMITER`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPattern {
    text: Box<str>,
    /// The pattern as sent, without the reference, was empty.
    root: bool,
}

impl ListPattern {
    /// The longest reference and pattern together, in octets of UTF-8; matching takes time in proportion to it.
    pub const BYTES_MAX: usize = 1000;

    /// What a reference and a pattern, both decoded, mean together: the one after the other.
    ///
    /// # Errors
    /// [`NameFault::TooLong`].
    pub fn new(reference: &str, pattern: &str) -> Result<Self, NameFault> {
        if reference.len() + pattern.len() > Self::BYTES_MAX {
            return Err(NameFault::TooLong);
        }
        let mut text = String::with_capacity(reference.len() + pattern.len());
        text.push_str(reference);
        text.push_str(pattern);
        Ok(Self { text: text.into(), root: pattern.is_empty() })
    }

    /// Whether the pattern is empty, which asks for the delimiter alone.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Reference and pattern as one text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches a name; INBOX matches in any case.
    ///
    /// ```
    /// use imap_proto::types::{ListPattern, MailboxName};
    /// let name = MailboxName::new("Lists/rust").unwrap();
    /// assert!(ListPattern::new("", "*").unwrap().matches(&name));
    /// assert!(!ListPattern::new("", "%").unwrap().matches(&name));
    /// assert!(ListPattern::new("Lists/", "%").unwrap().matches(&name));
    /// ```
    pub fn matches(&self, name: &MailboxName) -> bool {
        let folded = if name.components().next() == Some(INBOX) { INBOX.len() } else { 0 };
        !self.root
            && matcher::matches(self.text.as_bytes(), name.as_str().as_bytes(), DELIMITER as u8, folded)
    }
}

/// Controls of Unicode (C0, DEL, C1), and the separators that are line ends in some places.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

const INBOX: &str = "INBOX";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_is_one_name() {
        assert_eq!(MailboxName::new("iNbOx"), Ok(MailboxName::inbox()));
        assert_eq!(MailboxName::new("inbox/sub").unwrap().as_str(), "INBOX/sub");
        assert_eq!(MailboxName::new("inboxes").unwrap().as_str(), "inboxes");
        assert_eq!(MailboxName::new("x/inbox").unwrap().as_str(), "x/inbox");
    }

    #[test]
    fn names_that_no_store_shall_see() {
        for (text, fault) in [
            ("", NameFault::EmptyComponent),
            ("/a", NameFault::EmptyComponent),
            ("a/", NameFault::EmptyComponent),
            ("a//b", NameFault::EmptyComponent),
            ("../x", NameFault::RelativeComponent),
            ("a/./b", NameFault::RelativeComponent),
            ("a\r\nb", NameFault::Control),
            ("a\0", NameFault::Control),
            ("a\u{85}", NameFault::Control),
            ("a\u{2028}", NameFault::Control),
        ] {
            assert_eq!(MailboxName::new(text), Err(fault), "{text:?}");
        }
        assert_eq!(MailboxName::new(&"x".repeat(MailboxName::BYTES_MAX + 1)), Err(NameFault::TooLong));
        assert_eq!(MailboxName::new("a/b").unwrap().parent().unwrap().as_str(), "a");
        assert_eq!(MailboxName::inbox().parent(), None);
    }

    #[test]
    fn an_empty_pattern_matches_no_name() {
        let root = ListPattern::new("", "").unwrap();
        assert!(root.is_root());
        assert!(!root.matches(&MailboxName::inbox()));
        assert!(ListPattern::new("INBOX", "").unwrap().is_root());
    }
}

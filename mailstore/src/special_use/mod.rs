//! [`SpecialUse`]: what a mailbox is for (RFC 6154 §2), so that clients need not guess by its name.
//!
//! What a mailbox is for stands in two places: in the store, where
//! [`Store::set_special_use`](crate::Store::set_special_use) puts it, and in the settings, which give names their uses
//! for all users ([`DefaultMailbox`](crate::DefaultMailbox)). A list shows both together.

mod file;

use std::fmt;
use std::str::FromStr;

pub(crate) use file::SpecialUseFile;

/// What a mailbox is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialUse {
    /// `\All`: it shows all messages of the user.
    All,
    /// `\Archive`: what is out of the way, and kept.
    Archive,
    /// `\Drafts`: what is being written.
    Drafts,
    /// `\Flagged`: it shows what is marked as important.
    Flagged,
    /// `\Junk`: what is deemed to be junk mail.
    Junk,
    /// `\Sent`: copies of what was sent.
    Sent,
    /// `\Trash`: what was deleted.
    Trash,
}

impl SpecialUse {
    /// All that there are, in the order in which they are written.
    pub const ALL: [Self; 7] =
        [Self::All, Self::Archive, Self::Drafts, Self::Flagged, Self::Junk, Self::Sent, Self::Trash];

    /// The attribute as LIST has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for SpecialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a mailbox is for; mostly nothing in particular, or one thing.
///
/// As text it is the attributes with blanks between them, as Dovecot's `special_use` has them; when it is read, case does
/// not count, and the backslash may be left out.
///
/// ```
/// use mailstore::{SpecialUse, SpecialUses};
///
/// let uses: SpecialUses = "\\Sent archive".parse().unwrap();
/// assert!(uses.contains(SpecialUse::Sent) && !uses.contains(SpecialUse::Trash));
/// assert_eq!(uses.to_string(), "\\Archive \\Sent");
/// assert!("\\Important".parse::<SpecialUses>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpecialUses(u8);

impl SpecialUses {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);

    /// Whether it is for nothing in particular.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Whether it is for this.
    pub fn contains(self, wanted: SpecialUse) -> bool {
        self.0 & wanted.bit() != 0
    }

    /// What either of two is for.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What it is for, in the order of [`SpecialUse::ALL`].
    pub fn iter(self) -> impl Iterator<Item = SpecialUse> {
        SpecialUse::ALL.into_iter().filter(move |&one| self.contains(one))
    }
}

impl From<SpecialUse> for SpecialUses {
    fn from(one: SpecialUse) -> Self {
        Self(one.bit())
    }
}

impl FromIterator<SpecialUse> for SpecialUses {
    fn from_iter<I: IntoIterator<Item = SpecialUse>>(uses: I) -> Self {
        Self(uses.into_iter().fold(0, |bits, one| bits | one.bit()))
    }
}

impl fmt::Display for SpecialUses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.iter().enumerate() {
            write!(f, "{}{one}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for SpecialUses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A text that names something no mailbox is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownUse(String);

impl fmt::Display for UnknownUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = SpecialUse::ALL.into_iter().collect::<SpecialUses>();
        write!(f, "{:?} is no special use of a mailbox; known are {known}", self.0)
    }
}

impl std::error::Error for UnknownUse {}

impl FromStr for SpecialUses {
    type Err = UnknownUse;

    fn from_str(text: &str) -> Result<Self, UnknownUse> {
        let known = |word: &str| {
            let name = word.strip_prefix('\\').unwrap_or(word);
            let found = SpecialUse::ALL.into_iter().find(|one| one.as_str()[1..].eq_ignore_ascii_case(name));
            found.ok_or_else(|| UnknownUse(word.to_owned()))
        };
        text.split_ascii_whitespace().map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_reads_as_it_is_written() {
        for one in SpecialUse::ALL {
            assert_eq!(one.to_string().parse(), Ok(SpecialUses::from(one)));
            assert_eq!(one.as_str()[1..].to_lowercase().parse(), Ok(SpecialUses::from(one)));
        }
        let all: SpecialUses = SpecialUse::ALL.into_iter().collect();
        assert_eq!(all.to_string().parse(), Ok(all));
        assert_eq!(("".parse(), SpecialUses::NONE.to_string()), (Ok(SpecialUses::NONE), String::new()));
        for bad in ["\\", "\\\\Sent", "sent,trash", "inbox"] {
            assert!(bad.parse::<SpecialUses>().unwrap_err().to_string().contains("\\Sent"), "{bad}");
        }
    }
}

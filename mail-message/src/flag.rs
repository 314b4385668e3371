//! Message flags and sets of them.
//!
//! RFC 3501 §2.3.2: five system flags that a client may set, and keywords. `\Recent` is not here: it belongs to
//! a session, not to a message, and no client can set it.
//!
//! # Limits
//! A keyword holds at most [`Keyword::BYTES_MAX`] octets; how many keywords a message or mailbox may have is the
//! store's to say.
//!
//! # Departures
//! RFC 3501 §9 lets a server take unknown `\`-flags (`flag-extension`); we refuse them, because none has been
//! defined since, and one that is stored today would change its meaning the day it is.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// One flag of a message (RFC 3501 §2.3.2).
///
/// ```
/// use mail_message::{Flag, FlagFault};
///
/// assert_eq!("\\sEEN".parse::<Flag>(), Ok(Flag::Seen));
/// assert_eq!("$Forwarded".parse::<Flag>().unwrap().to_string(), "$Forwarded");
/// assert_eq!("\\Recent".parse::<Flag>(), Err(FlagFault::Recent));
/// assert_eq!("a b".parse::<Flag>(), Err(FlagFault::NotAnAtom));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// `\Seen`: has been read.
    Seen,
    /// `\Answered`: has been answered.
    Answered,
    /// `\Flagged`: marked for special attention.
    Flagged,
    /// `\Deleted`: goes with the next EXPUNGE.
    Deleted,
    /// `\Draft`: not finished.
    Draft,
    /// A keyword: any other flag, without a backslash.
    Keyword(Keyword),
}

impl Flag {
    /// The system flags in the order in which sets show them.
    pub const SYSTEM: [Flag; 5] = [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft];

    /// The flag as IMAP spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Flag::Seen => "\\Seen",
            Flag::Answered => "\\Answered",
            Flag::Flagged => "\\Flagged",
            Flag::Deleted => "\\Deleted",
            Flag::Draft => "\\Draft",
            Flag::Keyword(keyword) => keyword.as_str(),
        }
    }

    /// The bit of a system flag in a set; 0 for a keyword.
    fn bit(&self) -> u8 {
        match self {
            Flag::Seen => 1,
            Flag::Answered => 2,
            Flag::Flagged => 4,
            Flag::Deleted => 8,
            Flag::Draft => 16,
            Flag::Keyword(_) => 0,
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Flag {
    type Err = FlagFault;

    /// Reads a flag as a client spells it, in any case.
    fn from_str(text: &str) -> Result<Flag, FlagFault> {
        if !text.starts_with('\\') {
            return Keyword::new(text).map(Flag::Keyword);
        }
        if let Some(flag) = Flag::SYSTEM.iter().find(|flag| flag.as_str().eq_ignore_ascii_case(text)) {
            return Ok(flag.clone());
        }
        Err(if text.eq_ignore_ascii_case("\\Recent") {
            FlagFault::Recent
        } else {
            FlagFault::UnknownSystemFlag
        })
    }
}

/// Why a text is no flag that a client may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagFault {
    /// `\Recent`, which only a server gives (RFC 3501 §2.3.2).
    #[error("\\Recent cannot be set")]
    Recent,
    /// A backslash and no name we know.
    #[error("unknown system flag")]
    UnknownSystemFlag,
    /// Empty, or holds what an atom may not (RFC 3501 §9 `ATOM-CHAR`).
    #[error("a keyword is an atom")]
    NotAnAtom,
    /// Longer than [`Keyword::BYTES_MAX`].
    #[error("keyword too long")]
    TooLong,
}

/// A keyword: an atom, compared without regard to case, spelled as it was first given.
///
/// Cloning shares the text.
#[derive(Debug, Clone)]
pub struct Keyword(Arc<str>);

impl Keyword {
    /// The longest keyword, in octets. The RFC names no limit; a keyword is repeated in every FLAGS response.
    pub const BYTES_MAX: usize = 255;

    /// Checks that `text` is an atom of at most [`Keyword::BYTES_MAX`] octets.
    pub fn new(text: &str) -> Result<Keyword, FlagFault> {
        if text.is_empty() || !text.bytes().all(is_atom_char) {
            return Err(FlagFault::NotAnAtom);
        }
        if text.len() > Keyword::BYTES_MAX {
            return Err(FlagFault::TooLong);
        }
        Ok(Keyword(Arc::from(text)))
    }

    /// The keyword as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|octet| octet.to_ascii_lowercase())
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Keyword) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Keyword) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Keyword) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl core::hash::Hash for Keyword {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        for octet in self.folded() {
            state.write_u8(octet);
        }
        state.write_u8(0xff);
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of flags: system flags first, then keywords in the order of their lower-case spelling.
///
/// A keyword that is inserted again in another case leaves the first spelling standing.
///
/// ```
/// use mail_message::{Flag, FlagSet};
///
/// let mut flags: FlagSet = ["work".parse().unwrap(), Flag::Seen].into_iter().collect();
/// assert!(!flags.insert("WORK".parse().unwrap()));
/// assert_eq!(flags.to_string(), "\\Seen work");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FlagSet {
    system: u8,
    keywords: Vec<Keyword>,
}

impl FlagSet {
    /// The empty set.
    pub const fn new() -> FlagSet {
        FlagSet { system: 0, keywords: Vec::new() }
    }

    /// Adds `flag`; false when it was there.
    pub fn insert(&mut self, flag: Flag) -> bool {
        match flag {
            Flag::Keyword(keyword) => match self.keywords.binary_search(&keyword) {
                Ok(_) => false,
                Err(at) => {
                    self.keywords.insert(at, keyword);
                    true
                }
            },
            system => {
                let is_new = !self.contains(&system);
                self.system |= system.bit();
                is_new
            }
        }
    }

    /// Takes `flag` out; false when it was not there.
    pub fn remove(&mut self, flag: &Flag) -> bool {
        match flag {
            Flag::Keyword(keyword) => match self.keywords.binary_search(keyword) {
                Ok(at) => {
                    self.keywords.remove(at);
                    true
                }
                Err(_) => false,
            },
            system => {
                let was_there = self.contains(system);
                self.system &= !system.bit();
                was_there
            }
        }
    }

    /// Whether `flag` is in the set.
    pub fn contains(&self, flag: &Flag) -> bool {
        match flag {
            Flag::Keyword(keyword) => self.keywords.binary_search(keyword).is_ok(),
            system => self.system & system.bit() != 0,
        }
    }

    /// How many flags are set.
    pub fn len(&self) -> usize {
        self.system.count_ones() as usize + self.keywords.len()
    }

    /// Whether no flag is set.
    pub fn is_empty(&self) -> bool {
        self.system == 0 && self.keywords.is_empty()
    }

    /// The flags, in order.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        let system = Flag::SYSTEM.into_iter().filter(|flag| self.contains(flag));
        system.chain(self.keywords.iter().cloned().map(Flag::Keyword))
    }

    /// The keywords alone, in order.
    pub fn keywords(&self) -> &[Keyword] {
        &self.keywords
    }

    /// Adds all flags of `other` (`STORE +FLAGS`).
    pub fn insert_all(&mut self, other: &FlagSet) {
        self.system |= other.system;
        for keyword in &other.keywords {
            self.insert(Flag::Keyword(keyword.clone()));
        }
    }

    /// Takes all flags of `other` out (`STORE -FLAGS`).
    pub fn remove_all(&mut self, other: &FlagSet) {
        self.system &= !other.system;
        self.keywords.retain(|keyword| other.keywords.binary_search(keyword).is_err());
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> FlagSet {
        let mut set = FlagSet::new();
        set.extend(flags);
        set
    }
}

impl Extend<Flag> for FlagSet {
    fn extend<I: IntoIterator<Item = Flag>>(&mut self, flags: I) {
        for flag in flags {
            self.insert(flag);
        }
    }
}

impl fmt::Display for FlagSet {
    /// The flags with one space between them, without parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flag) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            fmt::Display::fmt(&flag, f)?;
        }
        Ok(())
    }
}

/// RFC 3501 §9 `ATOM-CHAR`: a CHAR that is neither a control, a space, nor one of `(){%*"\]`.
fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn flag(text: &str) -> Flag {
        text.parse().unwrap()
    }

    #[test]
    fn every_system_flag_reads_back_in_any_case() {
        for system in Flag::SYSTEM {
            assert_eq!(flag(system.as_str()), system);
            assert_eq!(flag(&system.as_str().to_uppercase()), system);
        }
    }

    #[test]
    fn what_no_client_may_set_is_refused() {
        assert_eq!("\\recent".parse::<Flag>(), Err(FlagFault::Recent));
        assert_eq!("\\Other".parse::<Flag>(), Err(FlagFault::UnknownSystemFlag));
        assert_eq!("\\".parse::<Flag>(), Err(FlagFault::UnknownSystemFlag));
        for bad in ["", "a b", "a(", "a)", "a{", "a%", "a*", "a\"", "a\\", "a]", "a\r", "\u{e4}"] {
            assert_eq!(bad.parse::<Flag>(), Err(FlagFault::NotAnAtom), "{bad:?}");
        }
        assert_eq!("x".repeat(256).parse::<Flag>(), Err(FlagFault::TooLong));
        assert!("x".repeat(255).parse::<Flag>().is_ok());
    }

    #[test]
    fn keywords_compare_without_case_and_keep_their_first_spelling() {
        let mut set = FlagSet::new();
        assert!(set.insert(flag("$MDNSent")));
        assert!(!set.insert(flag("$mdnsent")));
        assert!(set.contains(&flag("$MDNSENT")));
        assert_eq!(set.to_string(), "$MDNSent");
        assert!(set.remove(&flag("$mdnSent")));
        assert!(set.is_empty());
    }

    #[test]
    fn order_does_not_depend_on_insertion() {
        let forward: FlagSet = ["b", "\\Draft", "A", "\\Seen"].into_iter().map(flag).collect();
        let backward: FlagSet = ["\\Seen", "A", "\\Draft", "b"].into_iter().map(flag).collect();
        assert_eq!(forward, backward);
        assert_eq!(forward.to_string(), "\\Seen \\Draft A b");
        assert_eq!(forward.len(), 4);
    }

    #[test]
    fn store_adds_and_takes_away() {
        let mut set: FlagSet = ["\\Seen", "a"].into_iter().map(flag).collect();
        set.insert_all(&["\\Flagged", "A", "b"].into_iter().map(flag).collect());
        assert_eq!(set.to_string(), "\\Seen \\Flagged a b");
        set.remove_all(&["\\Seen", "B", "nosuch"].into_iter().map(flag).collect());
        assert_eq!(set.to_string(), "\\Flagged a");
    }
}

//! Flag letters, and the keywords behind `a`–`z` in `dovecot-keywords`.
//!
//! The file holds a line `NUMBER NAME` for each keyword; number 0 is the letter `a`. It is changed under
//! `dovecot-keywords.lock` and replaced whole, and a letter is used in a file name only after it is durable
//! there. A keyword is never taken out: a file name anywhere may carry its letter.
//!
//! # Limits
//! 26 keywords a mailbox.
//!
//! # Departures
//! The letter `P` (passed on) shows as `$Forwarded`, which has no letter of its own in the Maildir
//! convention; set by us it is a keyword like others, as Dovecot has it.

use mail_message::{Flag, FlagSet, Keyword};

use crate::error::{ErrorKind, Result, StoreError};
use crate::fs;
use crate::lock::DotLock;
use crate::maildir::paths::MailboxPaths;

const LETTERS: usize = 26;

/// The system flags that have letters, in the order of the letters.
const SYSTEM: [(char, Flag); 5] = [
    ('D', Flag::Draft),
    ('F', Flag::Flagged),
    ('R', Flag::Answered),
    ('S', Flag::Seen),
    ('T', Flag::Deleted),
];

/// The keywords of one mailbox by letter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Keywords([Letter; LETTERS]);

/// What a letter stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Letter {
    #[default]
    Free,
    Keyword(Keyword),
    /// The name in its line is none; the line stays, and nothing else gets the letter.
    Unread(Vec<u8>),
}

impl Letter {
    fn keyword(&self) -> Option<&Keyword> {
        match self {
            Self::Keyword(keyword) => Some(keyword),
            Self::Free | Self::Unread(_) => None,
        }
    }
}

impl Keywords {
    /// Reads the file. Lines without the number of a letter are passed over.
    pub(super) fn load(paths: &MailboxPaths) -> Result<Self> {
        match fs::read(paths.env.fs(), &paths.keywords()) {
            Ok(data) => Ok(Self::parse(&data)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(StoreError::io("reading", &paths.keywords(), &error)),
        }
    }

    fn parse(data: &[u8]) -> Self {
        let mut keywords = Self::default();
        for line in data.split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(space) = line.iter().position(|&octet| octet == b' ') else { continue };
            let (number, name) = (std::str::from_utf8(&line[..space]), &line[space + 1..]);
            if let Some(number) = number.ok().and_then(|number| number.parse::<usize>().ok())
                && let Some(letter) = keywords.0.get_mut(number)
            {
                let keyword = std::str::from_utf8(name).ok().and_then(|name| Keyword::new(name).ok());
                *letter = keyword.map_or_else(|| Letter::Unread(name.to_vec()), Letter::Keyword);
            }
        }
        keywords
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (number, letter) in self.0.iter().enumerate() {
            let name = match letter {
                Letter::Free => continue,
                Letter::Keyword(keyword) => keyword.as_str().as_bytes(),
                Letter::Unread(name) => name,
            };
            text.extend_from_slice(format!("{number} ").as_bytes());
            text.extend_from_slice(name);
            text.push(b'\n');
        }
        text
    }

    /// Makes sure that every keyword of `flags` has a letter, durably.
    ///
    /// # Errors
    /// `KeywordLimit` when there are not enough letters; none is given then.
    pub(super) fn ensure(&mut self, paths: &MailboxPaths, flags: &FlagSet) -> Result<()> {
        if self.has(flags) {
            return Ok(());
        }
        let path = paths.keywords();
        let _lock = DotLock::take(&paths.env, &path, &paths.tmp())?;
        let mut keywords = Self::load(paths)?;
        for keyword in flags.keywords() {
            if keywords.letter(keyword).is_none() {
                let Some(letter) = keywords.0.iter_mut().find(|letter| **letter == Letter::Free) else {
                    let error =
                        StoreError::new(ErrorKind::KeywordLimit, "adding a keyword", "all letters are taken");
                    return Err(error.at(&path));
                };
                *letter = Letter::Keyword(keyword.clone());
            }
        }
        let scratch = paths.tmp().join(paths.env.unique_name());
        fs::replace_durably(paths.env.fs(), &path, &scratch, &keywords.text())
            .map_err(|error| StoreError::io("writing", &path, &error))?;
        *self = keywords;
        Ok(())
    }

    /// Whether every keyword of `flags` has a letter.
    pub(super) fn has(&self, flags: &FlagSet) -> bool {
        flags.keywords().iter().all(|keyword| self.letter(keyword).is_some())
    }

    fn letter(&self, keyword: &Keyword) -> Option<char> {
        let at = self.0.iter().position(|letter| letter.keyword() == Some(keyword))?;
        Some(char::from(b'a' + u8::try_from(at).ok()?))
    }

    /// The flags that letters stand for.
    pub(super) fn flags(&self, letters: &str) -> FlagSet {
        letters.chars().filter_map(|letter| self.flag(letter)).collect()
    }

    fn flag(&self, letter: char) -> Option<Flag> {
        match letter {
            'a'..='z' => self.0[letter as usize - 'a' as usize].keyword().cloned().map(Flag::Keyword),
            'P' => Keyword::new("$Forwarded").ok().map(Flag::Keyword),
            _ => SYSTEM.iter().find(|(known, _)| *known == letter).map(|(_, flag)| flag.clone()),
        }
    }

    /// The letters of `flags`, sorted; letters of `old` that stand for nothing we know stay.
    pub(super) fn letters(&self, flags: &FlagSet, old: &str) -> String {
        let system = SYSTEM.iter().filter(|(_, flag)| flags.contains(flag)).map(|(letter, _)| *letter);
        let keywords = flags.keywords().iter().filter_map(|keyword| self.letter(keyword));
        let unknown = old.chars().filter(|letter| self.flag(*letter).is_none());
        // `P` stays while the keyword it shows as does.
        let passed = old
            .chars()
            .filter(|&letter| letter == 'P' && self.flag('P').is_some_and(|flag| flags.contains(&flag)));
        let mut letters: Vec<char> = system.chain(keywords).chain(unknown).chain(passed).collect();
        letters.sort_unstable();
        letters.dedup();
        letters.into_iter().collect()
    }

    /// All keywords that have a letter.
    pub(super) fn all(&self) -> impl Iterator<Item = Flag> + '_ {
        self.0.iter().filter_map(Letter::keyword).cloned().map(Flag::Keyword)
    }

    /// Whether a letter is free.
    pub(super) fn has_room(&self) -> bool {
        self.0.contains(&Letter::Free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(flags: &[&str]) -> FlagSet {
        flags.iter().map(|flag| flag.parse().unwrap()).collect()
    }

    #[test]
    fn letters_and_flags_are_inverse_and_sorted() {
        let keywords = Keywords::parse(b"0 $Fwd\n2 work\nx\n99 far\n");
        let flags = set(&["\\Seen", "\\Deleted", "\\Draft", "work", "$FWD"]);
        assert_eq!(keywords.letters(&flags, ""), "DSTac");
        assert_eq!(keywords.flags("DSTac"), flags);
        assert_eq!(keywords.text(), b"0 $Fwd\n2 work\n");
    }

    #[test]
    fn letters_of_other_programs_survive_a_change() {
        let keywords = Keywords::parse(b"0 known\n");
        assert_eq!(keywords.letters(&set(&["\\Seen"]), "Xaqz"), "SXqz");
        assert_eq!(keywords.flags("Xqz"), set(&[]));
    }

    #[test]
    fn passed_shows_as_forwarded_and_goes_with_it() {
        let keywords = Keywords::default();
        assert_eq!(keywords.flags("PS"), set(&["$Forwarded", "\\Seen"]));
        assert_eq!(keywords.letters(&set(&["$Forwarded"]), "PS"), "P");
        assert_eq!(keywords.letters(&set(&["\\Seen"]), "PS"), "S");
    }
}

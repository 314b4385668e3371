//! Variables of a transcript, and the options of a case.
//!
//! A transcript declares `@var NAME KIND VALUE`. It runs first with the values as published and then with seeded
//! ones of the same kind, so that an answer which only fits the published names fails.

use crate::rng::Rng;

/// What a variable stands for, and so what a seeded value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarKind {
    /// A user, mailbox or host label: 3 to 12 lower-case letters and digits, a letter first.
    Name,
    /// A domain of two or three labels under `.test` (RFC 2606 section 2).
    Domain,
    /// A password: 4 to 16 letters and digits.
    Password,
    /// An IMAP tag: 1 to 8 letters and digits.
    Tag,
    /// Two to five words of lower-case letters with single spaces between them.
    Text,
    /// A decimal number from 10 to 9999.
    Number,
}

impl VarKind {
    /// The kind a transcript calls `word`.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        Ok(match word {
            "name" => Self::Name,
            "domain" => Self::Domain,
            "password" => Self::Password,
            "tag" => Self::Tag,
            "text" => Self::Text,
            "number" => Self::Number,
            other => {
                return Err(format!("{other}: a kind is name, domain, password, tag, text or number"));
            }
        })
    }

    /// A seeded value.
    pub fn value(self, rng: &mut Rng) -> String {
        match self {
            Self::Name => name(rng, 11),
            Self::Domain => {
                let labels = rng.between(1, 2);
                (0..labels).map(|_| name(rng, 9) + ".").collect::<String>() + "test"
            }
            Self::Password => some(rng, MIXED, 4, 16),
            Self::Tag => some(rng, MIXED, 1, 8),
            Self::Text => {
                let words = rng.between(2, 5);
                (0..words).map(|_| some(rng, LOWER, 1, 8)).collect::<Vec<_>>().join(" ")
            }
            Self::Number => rng.between(10, 9999).to_string(),
        }
    }
}

fn some(rng: &mut Rng, alphabet: &str, least: usize, most: usize) -> String {
    let length = rng.between(least, most);
    (0..length).map(|_| char::from(*rng.pick(alphabet.as_bytes()))).collect()
}

/// A letter, then two to `most` letters or digits.
fn name(rng: &mut Rng, most: usize) -> String {
    some(rng, LOWER, 1, 1) + &some(rng, LOWER_DIGIT, 2, most)
}

/// What a fixture is made from: the values of the variables and the options of the case.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) options: Vec<(String, String)>,
}

impl Setup {
    /// The value of a variable in this run.
    ///
    /// # Panics
    /// When the transcript does not declare it.
    pub fn var(&self, name: &str) -> &str {
        self.find_var(name).unwrap_or_else(|| panic!("the transcript declares no variable {name}"))
    }

    /// An option of the case, from `@with NAME=VALUE`, if it is there.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn find_var(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const LOWER_DIGIT: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

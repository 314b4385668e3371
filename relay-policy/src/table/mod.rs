//! Lookup tables: what administrators know as `type:name`, each kind in a file of its own.
//!
//! A [`Table`] takes a key and gives a text, nothing, or the reason why it could not be looked up. What is in memory
//! answers at once. What is only known by its name (a database, a directory) says [`LookupError::Elsewhere`]: whoever
//! evaluates asks that as a question and looks again when it is answered.

mod aliases;
mod blocks;
mod cdb;
mod cidr;
mod constant;
mod elsewhere;
mod fail;
mod hashed;
mod inline;
mod kinds;
mod maps;
mod open;
mod pattern;
mod pipe;
mod source;
mod spread;
mod texthash;
mod union;

pub(crate) use aliases::values as alias_values;
pub(crate) use cdb::Cdb;
pub use cdb::{CdbTooLarge, compile_cdb};
pub(crate) use cidr::network;
pub use elsewhere::DIRECTORY;
pub(crate) use elsewhere::directory;
pub(crate) use hashed::fold;
pub use kinds::{KINDS, Kind};
pub(crate) use maps::Missing;
pub use maps::{Answers, Key, Maps};
pub use open::{OpenError, Opened, OpenedTables, Opener, Read};

use std::borrow::Cow;
use std::fmt::{self, Debug, Display};

/// Something that is looked up by a key.
///
/// A table is never changed: reloading makes another one.
pub trait Table: Debug + Send + Sync {
    /// What it is called in configuration, with its kind: `texthash:/etc/postroom/access`.
    fn name(&self) -> &str;

    /// Which keys it is to be asked for.
    fn family(&self) -> Family;

    /// Goes through its lines in their order, for who looks for faults. What is not in memory shows nothing.
    fn visit(&self, _see: &mut dyn FnMut(Entry<'_>)) {}

    /// What is odd in its source, though it can be used.
    fn remarks(&self) -> &[Remark] {
        &[]
    }

    /// What stands beside a key.
    ///
    /// Case is folded as the kind of table does it, so the key comes as it is. It is never empty: [`Answers::look_up`] finds
    /// nothing for an empty key. An empty text is found, and is the administrator's fault; see [`Found::text`].
    ///
    /// # Errors
    /// [`LookupError`] when it cannot be known now; that never means that the key is not there.
    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError>;

    /// The same, with what was answered about tables that are not in memory. A table made of others asks them so.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when something is still to be asked; otherwise as [`Self::look_up`].
    fn look_up_with<'t>(&'t self, key: &str, answers: &'t Answers) -> Result<Option<Found<'t>>, LookupError> {
        match self.look_up(key) {
            Err(LookupError::Elsewhere { table, key }) => answers.found(self.name(), &table, &key),
            known => known,
        }
    }
}

/// Which keys a table is asked for.
///
/// A name in a mail address has several: the whole of it, its domain, the domain's parents. A table of patterns sees the
/// whole only, since its patterns say for themselves how much of it they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Keys are compared as a whole, so all the partial ones are tried, too.
    Keyed,
    /// Patterns over the whole key, in the order of the file; partial keys are not tried.
    Pattern,
    /// Networks, in the order of the file; only the text of an IP address can match.
    Cidr,
}

impl Family {
    /// Whether partial keys are tried: parent domains, addresses without their extension, networks by their octets.
    pub fn tries_partial_keys(self) -> bool {
        self == Self::Keyed
    }
}

/// What stands beside a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'t> {
    /// The text. Most users have no meaning for an empty one; Postfix takes it as not found, and logs a warning.
    pub text: Cow<'t, str>,
    /// Where it is written.
    pub place: Place<'t>,
}

/// Where something is written, for whoever wants to change it; `Display` gives `access, line 7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'t> {
    /// The file; or the table's name where there is no file.
    pub file: Cow<'t, str>,
    /// The line on which it begins, counted from 1; none where there are no lines.
    pub line: Option<u32>,
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.line {
            Some(line) => write!(f, ", line {line}"),
            None => Ok(()),
        }
    }
}

/// A line of a table's source that was ignored, or looks wrong; `Display` gives `access, line 7: what it is`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file and the line.
    pub place: Place<'static>,
    /// What is wrong with it, what was expected, and what was done.
    pub what: String,
}

impl Warning {
    /// About a word of the configuration itself.
    pub(crate) fn of_configuration(word: &str, what: &str) -> Self {
        Self { place: Place { file: Cow::Owned(word.into()), line: None }, what: what.into() }
    }
}

impl Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The key; none where there are patterns or networks in place of keys.
    pub key: Option<&'t str>,
    /// What stands beside it.
    pub text: &'t str,
    /// Where it is written.
    pub place: Place<'t>,
}

/// Something odd in a table's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What kind of thing.
    pub oddity: Oddity,
    /// Where it is written.
    pub place: Place<'static>,
    /// What it is, in words.
    pub what: String,
}

/// What is odd in a table's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Oddity {
    /// A network with bits set behind its length, which is skipped.
    HostBits,
    /// A rule that is never reached, since one before it takes all that it would.
    Shadowed,
    /// A pattern whose flag `i` makes case count.
    CaseSensitive,
}

/// How many remarks of one table are kept.
const REMARKS_MAX: usize = 100;

/// What is odd in one file, as far as there is room.
#[derive(Debug, Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn push(&mut self, oddity: Oddity, file: &str, line: u32, what: impl Into<String>) {
        if self.0.len() < REMARKS_MAX {
            let place = Place { file: Cow::Owned(file.into()), line: Some(line) };
            self.0.push(Remark { oddity, place, what: what.into() });
        }
    }
}

/// Why a key could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The table is not in memory: whoever evaluates asks for it, and looks again when there is an answer.
    #[error("{table}: asked for {key}")]
    Elsewhere {
        /// The table's name, with its kind.
        table: String,
        /// The key.
        key: String,
    },
    /// The lookup failed; it may go well later.
    #[error("{table}: {cause}")]
    Failed {
        /// The table's name, with its kind.
        table: String,
        /// What went wrong.
        cause: String,
    },
}

//! From `type:name` to a table.
//!
//! Nothing is read here: whoever opens hands in how a file is read. A kind that nobody knows is an error and never an
//! empty table.
//!
//! # Limits
//! Tables made of tables are nested [`NESTED_MAX`] deep.
//!
//! # Departures
//! `proxy:` is taken off: there is no other process that tables are read through. `directory:` is a kind that Postfix has
//! not: whoever answers questions has the mailboxes that exist, by `user@domain`.

use super::cdb::Cdb;
use super::cidr::Cidr;
use super::constant::Static;
use super::elsewhere::Elsewhere;
use super::fail::Fail;
use super::pattern::{Dialect, Patterns};
use super::pipe::Pipe;
use super::spread::Spread;
use super::texthash::Keyed;
use super::union::Union;
use super::{Family, Table, Warning, aliases, inline, texthash};
use crate::words::{in_braces, parts};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// How deep tables made of tables are nested.
const NESTED_MAX: usize = 8;

/// How the file behind a table is read: its path, as configured, gives its octets, or why it cannot be read.
pub type Read<'r> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'r;

/// How tables are opened.
///
/// ```
/// use relay_policy::table::Opener;
///
/// let read = |path: &str| match path {
///     "/etc/postroom/access" => Ok(b"spam.test REJECT\nfriend.test OK, come in\n".to_vec()),
///     _ => Err("no such file".into()),
/// };
/// let opened = Opener::new(&read).open("texthash:/etc/postroom/access")?;
/// let found = opened.table.look_up("friend.test")?.expect("it is there");
/// assert_eq!((&*found.text, found.place.to_string()), ("OK, come in", "/etc/postroom/access, line 2".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Opener<'r> {
    read: &'r Read<'r>,
    opened: Option<&'r OpenedTables>,
    substitution: bool,
    aliases: bool,
}

/// Tables that were opened, for whoever names them again; see [`Opener::sharing`].
#[derive(Debug, Default)]
pub struct OpenedTables(RefCell<BTreeMap<Asked, Opened>>);

/// A table's name, and how it is read: with substitution, as aliases.
type Asked = (String, bool, bool);

/// A table, and what is to be said of its source.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The table.
    pub table: Arc<dyn Table>,
    /// Lines that were ignored, and lines that look wrong.
    pub warnings: Vec<Warning>,
}

/// Why a table cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reference}: {cause}")]
#[non_exhaustive]
pub struct OpenError {
    /// The table, as it is named in configuration.
    pub reference: String,
    /// What is wrong with it.
    pub cause: String,
}

impl<'r> Opener<'r> {
    /// Opens tables whose files are read in this way.
    pub fn new(read: &'r Read<'r>) -> Self {
        Self { read, opened: None, substitution: true, aliases: false }
    }

    /// Opens a table that is named several times once, and its users share it.
    #[must_use]
    pub fn sharing(self, opened: &'r OpenedTables) -> Self {
        Self { opened: Some(opened), ..self }
    }

    /// Ignores rules of patterns that put parts of the key in their text.
    ///
    /// To be used wherever the text chooses a program, a file or a way out, since the key comes from strangers: aliases,
    /// transports, relay hosts, mailboxes. The logins that own a sender's address are not among them: `/^(.*)@example\.org$/ $1`
    /// is how many say that everybody owns his own.
    #[must_use]
    pub fn without_substitution(self) -> Self {
        Self { substitution: false, ..self }
    }

    /// Takes text files to be in the format of aliases, `name: value, value`, as for `alias_maps`.
    #[must_use]
    pub fn aliases(self) -> Self {
        Self { aliases: true, ..self }
    }

    /// A file of elements, without its comments.
    pub(crate) fn read(&self, path: &str) -> Result<String, String> {
        let octets = (self.read)(path)?;
        let text = String::from_utf8(octets).map_err(|error| format!("not in UTF-8: {error}"))?;
        let is_comment = |line: &&str| line.trim_start().starts_with('#');
        Ok(text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n"))
    }

    /// Opens the table that is named `type:name`.
    ///
    /// # Errors
    /// [`OpenError`]: the kind is not known, the file cannot be read, or the definition makes no sense. Lines of a file
    /// that make no sense are warnings: the others count.
    pub fn open(&self, reference: &str) -> Result<Opened, OpenError> {
        let Some(OpenedTables(shared)) = self.opened else { return self.open_nested(reference, NESTED_MAX) };
        let asked = (reference.trim().to_string(), self.substitution, self.aliases);
        if let Some(opened) = shared.borrow().get(&asked) {
            return Ok(opened.clone());
        }
        let opened = self.open_nested(reference, NESTED_MAX)?;
        shared.borrow_mut().insert(asked, opened.clone());
        Ok(opened)
    }

    fn open_nested(&self, reference: &str, deeper: usize) -> Result<Opened, OpenError> {
        let reference = reference.trim();
        let error = |cause: String| OpenError { reference: reference.into(), cause };
        if deeper == 0 {
            return Err(error("tables are nested too deep".into()));
        }
        let (kind, name) = reference
            .split_once(':')
            .ok_or_else(|| error("expected a kind of table, a colon and its name: texthash:/path".into()))?;
        match kind {
            "proxy" => self.open_nested(name, deeper - 1),
            "texthash" | "hash" | "btree" | "dbm" | "sdbm" | "lmdb" => {
                let source = (self.read)(name).map_err(error)?;
                let (keys, warnings) =
                    if self.aliases { aliases::parse(name, &source) } else { texthash::parse(name, &source) };
                Ok(opened(Keyed::new(reference, name, keys), warnings))
            }
            "cdb" => {
                let file = format!("{name}.cdb");
                let octets = (self.read)(&file).map_err(error)?;
                Ok(opened(Cdb::new(reference, &file, octets).map_err(error)?, Vec::new()))
            }
            "regexp" | "pcre" => {
                let dialect = if kind == "pcre" { Dialect::Pcre } else { Dialect::Posix };
                let (file, source) = self.rules(reference, name).map_err(error)?;
                let (table, warnings) = Patterns::parse(dialect, reference, file, &source, self.substitution);
                Ok(opened(table, warnings))
            }
            "cidr" => {
                let (file, source) = self.rules(reference, name).map_err(error)?;
                let (table, warnings) = Cidr::parse(reference, file, &source);
                Ok(opened(table, warnings))
            }
            "inline" => {
                let keys = inline::parse(name).map_err(error)?;
                Ok(opened(Keyed::new(reference, reference, keys), Vec::new()))
            }
            "static" => Ok(opened(Static::new(reference, name), Vec::new())),
            "unionmap" | "pipemap" => {
                let (mut tables, mut warnings) = (Vec::new(), Vec::new());
                for part in members(name).map_err(error)? {
                    let opened = self.open_nested(part, deeper - 1)?;
                    tables.push(opened.table);
                    warnings.extend(opened.warnings);
                }
                Ok(match kind {
                    "unionmap" => opened(Union::new(reference, tables), warnings),
                    _ => opened(Pipe::new(reference, tables), warnings),
                })
            }
            "randmap" => {
                let texts =
                    members(name).map_err(error)?.into_iter().map(|text| text.trim().into()).collect();
                Ok(opened(Spread::new(reference, texts), Vec::new()))
            }
            "fail" => Ok(opened(Fail::new(reference), Vec::new())),
            "mysql" | "pgsql" | "sqlite" | "ldap" | "mongodb" | "memcache" | "unix" | "nis" | "nisplus"
            | "directory" => Ok(opened(Elsewhere::new(reference, Family::Keyed), Vec::new())),
            "tcp" | "socketmap" => Ok(opened(Elsewhere::new(reference, Family::Pattern), Vec::new())),
            // Those that there are stand in `KINDS`, too.
            _ => Err(error(format!("no kind of table is called {kind}"))),
        }
    }

    /// The source of a table of rules, and what its lines are lines of: a file, or `{rule},{rule}` in configuration.
    fn rules<'n>(&self, reference: &'n str, name: &'n str) -> Result<(&'n str, Vec<u8>), String> {
        if !name.starts_with('{') {
            return Ok((name, (self.read)(name)?));
        }
        let mut source = Vec::new();
        for member in members(name)? {
            let rule = in_braces(member)
                .ok_or_else(|| format!("{member}: expected each rule in braces: {{{{rule}},{{rule}}}}"))?;
            source.extend_from_slice(rule.trim().as_bytes());
            source.push(b'\n');
        }
        Ok((reference, source))
    }
}

impl Debug for Opener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

fn opened(table: impl Table + 'static, warnings: Vec<Warning>) -> Opened {
    Opened { table: Arc::new(table), warnings }
}

/// What stands between the commas of `{one,two}`; at least one.
fn members(definition: &str) -> Result<Vec<&str>, String> {
    let inner = in_braces(definition).ok_or("expected braces and commas: {one,two}")?;
    let members = parts(inner);
    if members.is_empty() { Err("nothing is in the braces: expected {one,two}".into()) } else { Ok(members) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::LookupError;

    fn open(reference: &str) -> Result<Opened, OpenError> {
        Opener::new(&|path| if path == "good" { Ok(b"k v".to_vec()) } else { Err("no such file".into()) })
            .open(reference)
    }

    #[test]
    fn what_cannot_be_opened_is_an_error() {
        for (reference, said) in [
            ("good", "expected a kind of table"),
            ("nosuch:good", "nosuch:good: no kind of table is called nosuch"),
            ("texthash:bad", "texthash:bad: no such file"),
            ("unionmap:static:x", "expected braces"),
            ("pipemap:{}", "nothing is in the braces"),
            ("unionmap:{texthash:good,texthash:bad}", "texthash:bad: no such file"),
        ] {
            let error = open(reference).unwrap_err().to_string();
            assert!(error.contains(said), "{reference}: {error}");
        }
        let deep = "pipemap:{".repeat(NESTED_MAX) + "static:x" + &"}".repeat(NESTED_MAX);
        assert!(open(&deep).unwrap_err().to_string().contains("too deep"));
    }

    #[test]
    fn tables_made_of_tables() {
        let text = |reference: &str, key: &str| {
            let table = open(reference).unwrap().table;
            let found =
                table.look_up(key).unwrap().map(|found| (found.text.into_owned(), found.place.to_string()));
            found.map_or("none".into(), |(text, place)| format!("{text} ({place})"))
        };
        let union = "unionmap:{proxy:hash:good,inline:{a=b,k=w}}";
        assert_eq!(text(union, "K"), format!("v,w ({union})"));
        assert_eq!(text(union, "a"), "b (inline:{a=b,k=w})");
        assert_eq!(text("pipemap:{inline:{a=k},hash:good}", "a"), "v (good, line 1)");
        assert_eq!(text("pipemap:{hash:good,inline:{a=k}}", "k"), "none");
        let spread = open("randmap:{a, b, c}").unwrap().table;
        let text = |key: &str| spread.look_up(key).unwrap().unwrap().text.into_owned();
        assert_eq!(text("x"), text("x"), "who asks again is told the same");
        let mut counts = BTreeMap::new();
        (0..3000).for_each(|number| *counts.entry(text(&format!("u{number}@example.com"))).or_insert(0) += 1);
        assert!(counts.len() == 3 && counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_table_that_is_named_again_is_shared() {
        let reads = std::cell::Cell::new(0);
        let read = |_: &str| {
            reads.set(reads.get() + 1);
            Ok(b"k v".to_vec())
        };
        let tables = OpenedTables::default();
        let opener = Opener::new(&read).sharing(&tables);
        let (first, again) = (opener.open("hash:a").unwrap(), opener.open(" hash:a").unwrap());
        assert!(Arc::ptr_eq(&first.table, &again.table));
        opener.without_substitution().open("hash:a").unwrap();
        opener.open("hash:b").unwrap();
        assert_eq!(reads.get(), 3);
    }

    #[test]
    fn what_is_elsewhere_is_asked() {
        let error = open("mysql:/etc/postroom/users").unwrap().table.look_up("k").unwrap_err();
        assert_eq!(
            error,
            LookupError::Elsewhere { table: "mysql:/etc/postroom/users".into(), key: "k".into() }
        );
        for (reference, keyed) in [("ldap:x", true), ("tcp:x", false), ("unionmap:{ldap:x,tcp:y}", true)] {
            assert_eq!(open(reference).unwrap().table.family().tries_partial_keys(), keyed, "{reference}");
        }
    }
}

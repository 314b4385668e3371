//! Match lists: `mynetworks`, `mydestination`, `relay_domains` and their like.
//!
//! An element is a name, `.name`, an address, a network, IPv6 with or without brackets, `/file` with more elements, or
//! `type:name`, a table in which only the key counts. `!` in front turns an element round. The first that matches
//! decides, so exclusions stand first. An element that makes no sense, a file that cannot be read and a table that fails
//! are errors when they are reached: a list that cannot be gone through neither matches nor fails to match.
//!
//! # Limits
//! Files are nested [`NESTED_MAX`] deep.

use crate::domain;
use crate::network::{all_over, canonical};
use crate::request::UNKNOWN;
use crate::table::{Answers, LookupError, Opener, Table, Warning, network};
use crate::words::{is_table, words};
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// How deep files of elements are nested.
const NESTED_MAX: usize = 8;

/// A list of names, networks and tables; see [`MatchList::matches_host`], [`MatchList::matches_domain`] and
/// [`MatchList::matches_name`].
///
/// ```
/// use relay_policy::{MatchList, ParsedList};
/// use relay_policy::table::{Answers, Opener};
///
/// let (read, answers) = (|_: &str| Err("no files here".into()), Answers::default());
/// let text = "!192.0.2.5, 192.0.2.0/24, partner.test";
/// let ParsedList { list, unusable, .. } = MatchList::parse(text, true, &Opener::new(&read));
/// assert!(unusable.is_empty());
/// assert_eq!(list.matches_host("unknown", "192.0.2.6".parse()?, &answers)?, Some("192.0.2.0/24"));
/// assert_eq!(list.matches_host("unknown", "192.0.2.5".parse()?, &answers)?, None);
/// assert_eq!(list.matches_domain("mail.partner.test", &answers)?, Some("partner.test"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MatchList {
    elements: Vec<Element>,
    parents: bool,
}

/// A list that was read, and what is to be said of it.
#[derive(Debug, Clone, Default)]
pub struct ParsedList {
    /// The list.
    pub list: MatchList,
    /// Elements that make no sense, files that cannot be read, tables that cannot be opened: each is an error when it is
    /// reached.
    pub unusable: Vec<Warning>,
    /// Lines of tables that were ignored or look wrong; the others count.
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone)]
struct Element {
    /// With its `!`s.
    written: String,
    excluded: bool,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    /// In its comparable form; with `.name`, what is behind the dot.
    Name {
        name: String,
        dotted: bool,
    },
    Network(IpNet),
    Table(Arc<dyn Table>),
    Unusable(String),
}

impl MatchList {
    /// Reads a list. With `parents`, `example.org` matches its subdomains, too, and `.example.org` nothing; without,
    /// `.example.org` matches the subdomains only (`parent_domain_matches_subdomains`).
    ///
    /// What makes no sense is told, and is an error when it is reached.
    pub fn parse(text: &str, parents: bool, opener: &Opener<'_>) -> ParsedList {
        let list = Self { elements: Vec::new(), parents };
        let mut parsed = ParsedList { list, ..ParsedList::default() };
        read(text, false, opener, NESTED_MAX, &mut parsed);
        parsed
    }

    /// The names that are listed one by one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.elements.iter().filter_map(|element| match &element.pattern {
            Pattern::Name { name, dotted: false } if !element.excluded => Some(name.as_str()),
            _ => None,
        })
    }

    /// Shows the names that are listed one by one, and the domains among the keys of tables that are in memory.
    pub(crate) fn visit_names(&self, see: &mut dyn FnMut(&str)) {
        // In tables of addresses, other keys are addresses and users.
        let is_domain = |key: &&str| key.contains('.') && !key.contains('@');
        for element in self.elements.iter().filter(|element| !element.excluded) {
            match &element.pattern {
                Pattern::Name { name, dotted: false } => see(name),
                Pattern::Table(table) => table.visit(&mut |entry| {
                    if let Some(key) = entry.key.filter(is_domain) {
                        see(key);
                    }
                }),
                _ => {}
            }
        }
    }

    /// The names of clients that are listed one by one, as they are written.
    pub(crate) fn written_names(&self) -> impl Iterator<Item = &str> {
        let is_name =
            |element: &&Element| matches!(element.pattern, Pattern::Name { .. }) && !element.excluded;
        self.elements.iter().filter(is_name).map(|element| element.written.as_str())
    }

    /// Whether only addresses are looked at, never names.
    pub(crate) fn is_of_networks(&self) -> bool {
        self.elements.iter().all(|element| matches!(element.pattern, Pattern::Network(_)))
    }

    /// The elements that together have hosts all over the internet, if there are some; or the one that every address is in.
    pub(crate) fn whole_world(&self) -> Option<String> {
        let is_world = |element: &&Element| {
            !element.excluded
                && matches!(element.pattern, Pattern::Network(network) if network.prefix_len() == 0)
        };
        if let Some(element) = self.elements.iter().find(is_world) {
            return Some(element.written.clone());
        }
        let unasked = Answers::default();
        all_over().into_iter().find_map(|addresses| {
            let mut written: Vec<&str> = Vec::new();
            for address in addresses {
                let element = self.matches_host(UNKNOWN, address, &unasked).ok()??;
                if !written.contains(&element) {
                    written.push(element);
                }
            }
            Some(written.join(", "))
        })
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The element that a host matches by its name or its address, if one does. The name is `unknown` where it is not
    /// verified.
    ///
    /// # Errors
    /// [`LookupError`] when the list cannot be gone through.
    pub fn matches_host(
        &self,
        name: &str,
        address: IpAddr,
        answers: &Answers,
    ) -> Result<Option<&str>, LookupError> {
        let (name, address) = (comparable(name), address.to_canonical());
        self.first(|pattern| {
            Ok(match pattern {
                Pattern::Network(network) => network.contains(&address),
                Pattern::Table(table) => {
                    self.in_table(&**table, &name, answers)?
                        || answers.look_up(&**table, &address.to_string())?.is_some()
                }
                _ => self.is_named(pattern, &name),
            })
        })
    }

    /// The element that a domain matches, itself or one of its parents, if one does.
    ///
    /// # Errors
    /// [`LookupError`] when the list cannot be gone through.
    pub fn matches_domain(&self, domain: &str, answers: &Answers) -> Result<Option<&str>, LookupError> {
        let name = comparable(domain);
        self.first(|pattern| match pattern {
            Pattern::Table(table) => self.in_table(&**table, &name, answers),
            _ => Ok(self.is_named(pattern, &name)),
        })
    }

    /// The element that a name matches as a whole, if one does: subdomains are other names, as in `mydestination`.
    ///
    /// # Errors
    /// [`LookupError`] when the list cannot be gone through.
    pub fn matches_name(&self, name: &str, answers: &Answers) -> Result<Option<&str>, LookupError> {
        let name = comparable(name);
        self.first(|pattern| match pattern {
            Pattern::Table(table) => has(&**table, &name, answers),
            Pattern::Name { name: listed, dotted } => Ok(!dotted && name == listed.as_str()),
            _ => Ok(false),
        })
    }

    fn first(
        &self,
        matches: impl Fn(&Pattern) -> Result<bool, LookupError>,
    ) -> Result<Option<&str>, LookupError> {
        for element in &self.elements {
            if let Pattern::Unusable(cause) = &element.pattern {
                return Err(LookupError::Failed { table: element.written.clone(), cause: cause.clone() });
            }
            if matches(&element.pattern)? {
                return Ok((!element.excluded).then_some(&element.written));
            }
        }
        Ok(None)
    }

    fn is_named(&self, pattern: &Pattern, name: &str) -> bool {
        let Pattern::Name { name: listed, dotted } = pattern else { return false };
        let below =
            || name.strip_suffix(listed.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        match (dotted, self.parents) {
            (false, true) => name == listed || below(),
            (false, false) => name == listed,
            (true, true) => false,
            (true, false) => below(),
        }
    }

    /// Whether a table has a name, or a parent of it.
    fn in_table(&self, table: &dyn Table, name: &str, answers: &Answers) -> Result<bool, LookupError> {
        let mut key = name;
        loop {
            if has(table, key, answers)? {
                return Ok(true);
            }
            let from = usize::from(key.starts_with('.'));
            let dot = key[from..].find('.').map(|dot| dot + from);
            match dot {
                Some(dot) if table.family().tries_partial_keys() => {
                    key = &key[dot + usize::from(self.parents)..];
                }
                _ => return Ok(false),
            }
        }
    }
}

/// Whether a table has a name, in either spelling of it.
fn has(table: &dyn Table, name: &str, answers: &Answers) -> Result<bool, LookupError> {
    if answers.look_up(table, name)?.is_some() {
        return Ok(true);
    }
    match domain::respelt(name) {
        Some(other) => Ok(answers.look_up(table, &other)?.is_some()),
        None => Ok(false),
    }
}

/// Adds the elements of a text, or of a file.
fn read(text: &str, excluded: bool, opener: &Opener<'_>, deeper: usize, parsed: &mut ParsedList) {
    for written in words(text) {
        let word = written.trim_start_matches('!');
        let excluded = excluded != ((written.len() - word.len()) % 2 == 1);
        let file = word.starts_with('/').then(|| match deeper {
            0 => Err("files are nested too deep".into()),
            _ => opener.read(word),
        });
        let pattern = match file {
            Some(Ok(source)) => {
                read(&source, excluded, opener, deeper - 1, parsed);
                continue;
            }
            Some(Err(cause)) => Pattern::Unusable(cause),
            None => Pattern::parse(word, opener, &mut parsed.warnings),
        };
        if let Pattern::Unusable(cause) = &pattern {
            parsed.unusable.push(Warning::of_configuration(written, cause));
        }
        parsed.list.elements.push(Element { written: written.into(), excluded, pattern });
    }
}

impl Pattern {
    fn parse(word: &str, opener: &Opener<'_>, warnings: &mut Vec<Warning>) -> Self {
        let numeric = word.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
        match network(word) {
            Ok(network) => return Self::Network(canonical(network)),
            Err(why) if numeric || word.starts_with('[') || begins_with_address(word) => {
                return Self::Unusable(why);
            }
            Err(_) => {}
        }
        if is_table(word) {
            return match opener.open(word) {
                Ok(opened) => {
                    warnings.extend(opened.warnings);
                    Self::Table(opened.table)
                }
                Err(error) => Self::Unusable(error.cause),
            };
        }
        if word.contains([':', '/']) {
            return Self::Unusable(
                "neither a name nor a network nor a table: write example.org, 192.0.2.0/24 or type:name"
                    .into(),
            );
        }
        let (name, dotted) = match word.strip_prefix('.') {
            Some(name) => (name, true),
            None => (word, false),
        };
        Self::Name { name: comparable(name).into_owned(), dotted }
    }
}

/// Whether it was meant as a network.
fn begins_with_address(word: &str) -> bool {
    word.split_once('/').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok())
}

/// A name as it is compared; what is no domain name is compared as it is, in lower case.
fn comparable(name: &str) -> Cow<'_, str> {
    domain::key(name).unwrap_or_else(|| Cow::Owned(name.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str, parents: bool) -> (MatchList, Vec<String>) {
        let file = |path: &str| match path {
            "/list" => Ok(b"# ours\na.test !b.test\n192.0.2.0/24\n".to_vec()),
            "/loop" => Ok(b"/loop".to_vec()),
            "/hash" => Ok(b"c.test x\n.d.test x\n192.0.2.9 x\n".to_vec()),
            _ => Err("no such file".into()),
        };
        let parsed = MatchList::parse(text, parents, &Opener::new(&file));
        let told = parsed.unusable.iter().chain(&parsed.warnings);
        (parsed.list, told.map(ToString::to_string).collect())
    }

    #[test]
    fn files_and_tables() {
        let (ours, warnings) = list("!/list, hash:/hash, bücher.test", false);
        assert!(warnings.is_empty());
        for (name, found) in [
            ("a.test", None),
            ("B.test", Some("!b.test")),
            ("c.test.", Some("hash:/hash")),
            ("x.c.test", None),
            ("y.x.d.test", Some("hash:/hash")),
            ("d.test", None),
            ("xn--bcher-kva.test", Some("bücher.test")),
        ] {
            assert_eq!(ours.matches_domain(name, &Answers::default()), Ok(found), "{name}");
        }
        let host = |list: &MatchList, address: &str| {
            let found = list.matches_host("x", address.parse().unwrap(), &Answers::default());
            found.map(|found| found.is_some())
        };
        assert_eq!(host(&ours, "192.0.2.9"), Ok(false), "the file stands first");
        let (tables, _) = list("hash:/hash", true);
        assert_eq!(host(&tables, "::ffff:192.0.2.9"), Ok(true));
        assert_eq!(tables.matches_domain("x.c.test", &Answers::default()), Ok(Some("hash:/hash")));
    }

    #[test]
    fn whole_names() {
        let (ours, _) = list("a.test, .a.test, hash:/hash", true);
        let name = |name: &str| ours.matches_name(name, &Answers::default()).unwrap();
        assert_eq!((name("A.test."), name("x.a.test"), name("x.c.test")), (Some("a.test"), None, None));
        assert_eq!(name("C.test"), Some("hash:/hash"));
    }

    #[test]
    fn a_table_that_is_not_in_memory_is_asked() {
        let (ours, _) = list("mysql:domains, b.test", true);
        let mut answers = Answers::default();
        let elsewhere = ours.matches_name("a.test", &answers).unwrap_err();
        assert_eq!(elsewhere, LookupError::Elsewhere { table: "mysql:domains".into(), key: "a.test".into() });
        answers.add("mysql:domains", "a.test", Ok(Some("1".into())));
        assert_eq!(ours.matches_name("a.test", &answers), Ok(Some("mysql:domains")));
        answers.add("mysql:domains", "b.test", Ok(None));
        assert_eq!(ours.matches_name("b.test", &answers), Ok(Some("b.test")));
        answers.add("mysql:domains", "c.test", Err("gone away".into()));
        assert!(matches!(ours.matches_name("c.test", &answers), Err(LookupError::Failed { .. })));
    }

    #[test]
    fn what_makes_no_sense_is_an_error_when_it_is_reached() {
        for wrong in
            ["192.0.2.1/24", "/none", "/loop", "hash:/none", "nosuch:x", "[x]", "1.2.3", "a/b", "fail:x"]
        {
            let (ours, warnings) = list(&format!("a.test, {wrong}"), true);
            let answers = Answers::default();
            assert_eq!(ours.matches_domain("a.test", &answers), Ok(Some("a.test")), "{wrong}");
            assert!(ours.matches_domain("b.test", &answers).is_err(), "{wrong}");
            assert_eq!(warnings.is_empty(), wrong == "fail:x", "{wrong}: {warnings:?}");
        }
    }
}

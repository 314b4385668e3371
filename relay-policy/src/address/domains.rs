//! Which domains are ours, and in what way.

use crate::decision::Class;
use crate::domain;
use crate::table::{Answers, Key, LookupError, Maps};
use proto_core::address::{AddressSyntax, Domain};
use std::net::IpAddr;

/// The domains of the four classes, and the addresses of this machine.
///
/// A domain should be in one class only; where it is in several, the first of them counts: local, virtual alias, virtual
/// mailbox, relay.
#[derive(Debug, Clone, Default)]
pub struct Domains {
    /// `mydestination`.
    pub mydestination: DomainList,
    /// `inet_interfaces` and `proxy_interfaces`: `user@[address]` is local.
    pub interfaces: Vec<IpAddr>,
    /// `virtual_alias_domains`.
    pub virtual_alias_domains: DomainList,
    /// `virtual_mailbox_domains`.
    pub virtual_mailbox_domains: DomainList,
    /// `relay_domains`.
    pub relay_domains: DomainList,
}

impl Domains {
    /// Whether mail for a domain is for the users of this machine.
    ///
    /// # Errors
    /// [`LookupError`] of a table in the list.
    pub fn is_local(&self, domain: &str, answers: &Answers) -> Result<bool, LookupError> {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        if self.mydestination.contains(domain, answers)? {
            return Ok(true);
        }
        let syntax = AddressSyntax { utf8: false, lenient: true };
        Ok(match Domain::parse(domain.as_bytes(), syntax) {
            Ok(Domain::Ipv4(address)) => self.interfaces.contains(&address.into()),
            Ok(Domain::Ipv6(address)) => self.interfaces.contains(&IpAddr::from(address).to_canonical()),
            _ => false,
        })
    }

    /// The class of a domain.
    ///
    /// # Errors
    /// [`LookupError`] of a table in one of the lists.
    pub fn class(&self, domain: &str, answers: &Answers) -> Result<Class, LookupError> {
        if self.is_local(domain, answers)? {
            return Ok(Class::Local);
        }
        let lists = [
            (&self.virtual_alias_domains, Class::VirtualAlias),
            (&self.virtual_mailbox_domains, Class::VirtualMailbox),
            (&self.relay_domains, Class::Relay),
        ];
        for (list, class) in lists {
            if list.contains(domain, answers)? {
                return Ok(class);
            }
        }
        Ok(Class::Default)
    }
}

/// A list of domains, of which the first element that matches decides.
#[derive(Debug, Clone, Default)]
pub struct DomainList {
    elements: Vec<Element>,
    subdomains: Subdomains,
}

/// Which elements of a list match subdomains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Subdomains {
    /// None: names are compared as a whole.
    #[default]
    Never,
    /// `example.com` does: the list's parameter is in `parent_domain_matches_subdomains`.
    OfEveryName,
    /// `.example.com` does.
    OfDottedNames,
}

#[derive(Debug, Clone)]
struct Element {
    is_exclusion: bool,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    /// In its comparable form.
    Name(String),
    /// A domain that is a key is in the list.
    Table(Maps),
}

impl DomainList {
    /// An empty list.
    pub fn new(subdomains: Subdomains) -> Self {
        Self { elements: Vec::new(), subdomains }
    }

    /// Adds a name; `!` before it excludes what it matches.
    pub fn push_name(&mut self, name: &str) {
        let (is_exclusion, name) = exclusion(name);
        self.elements.push(Element { is_exclusion, pattern: Pattern::Name(comparable(name)) });
    }

    /// Adds a table, all keys of which are in the list; or are excluded from it.
    pub fn push_table(&mut self, table: Maps, is_exclusion: bool) {
        self.elements.push(Element { is_exclusion, pattern: Pattern::Table(table) });
    }

    /// Whether a domain is in the list.
    ///
    /// # Errors
    /// [`LookupError`] of a table that was asked before anything matched.
    pub fn contains(&self, name: &str, answers: &Answers) -> Result<bool, LookupError> {
        let name = comparable(name);
        for element in &self.elements {
            if self.matches(&element.pattern, &name, answers)? {
                return Ok(!element.is_exclusion);
            }
        }
        Ok(false)
    }

    fn matches(&self, pattern: &Pattern, name: &str, answers: &Answers) -> Result<bool, LookupError> {
        let mut keys = keys(name, self.subdomains);
        match pattern {
            Pattern::Name(wanted) => Ok(keys.any(|key| key == wanted)),
            Pattern::Table(table) => {
                for (at, part) in keys.enumerate() {
                    let key = if at == 0 { Key::Whole(part) } else { Key::Part(part) };
                    if table.look_up(key, answers)?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// A name, and its parents as a list has them.
pub(super) fn keys(name: &str, subdomains: Subdomains) -> impl Iterator<Item = &str> {
    let parents =
        name.match_indices('.').filter(|(at, _)| *at > 0).filter_map(move |(at, _)| match subdomains {
            Subdomains::Never => None,
            Subdomains::OfEveryName => Some(&name[at + 1..]),
            Subdomains::OfDottedNames => Some(&name[at..]),
        });
    std::iter::once(name).chain(parents)
}

fn exclusion(element: &str) -> (bool, &str) {
    element.strip_prefix('!').map_or((false, element), |name| (true, name.trim_start()))
}

/// A name as names are compared: all spellings of a domain name are the same.
fn comparable(name: &str) -> String {
    let (dot, bare) = name.strip_prefix('.').map_or(("", name), |bare| (".", bare));
    match domain::key(bare) {
        Some(key) => format!("{dot}{key}"),
        None => name.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subdomains: Subdomains, elements: &[&str], name: &str) -> bool {
        let mut list = DomainList::new(subdomains);
        elements.iter().for_each(|element| list.push_name(element));
        list.contains(name, &Answers::default()).unwrap()
    }

    #[test]
    fn subdomains_as_the_list_has_them() {
        use Subdomains::{Never, OfDottedNames, OfEveryName};
        assert!(check(OfEveryName, &["example.org"], "A.EXAMPLE.org"));
        assert!(!check(OfEveryName, &["example.org"], "notexample.org"));
        assert!(!check(OfEveryName, &[".example.org"], "a.example.org"));
        assert!(check(OfDottedNames, &[".example.org"], "a.b.example.org"));
        assert!(!check(OfDottedNames, &[".example.org"], "example.org"));
        assert!(!check(Never, &["example.org", ".example.org"], "a.example.org"));
        assert!(check(Never, &["bücher.example"], "xn--bcher-kva.EXAMPLE."));
        assert!(check(Never, &["[192.0.2.1]"], "[192.0.2.1]"));
        assert!(!check(OfEveryName, &["!bad.example.org", "example.org"], "a.bad.example.org"));
        assert!(check(OfEveryName, &["!bad.example.org", "example.org"], "a.example.org"));
    }
}

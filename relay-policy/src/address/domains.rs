//! Which domains are ours, and in what way.

use crate::decision::Class;
use crate::match_list::MatchList;
use crate::table::{Answers, LookupError, Warning};
use proto_core::address::{AddressSyntax, Domain};
use std::net::IpAddr;

/// The domains of the four classes, and the addresses of this machine.
///
/// A domain should be in one class only; where it is in several, the first of them counts: local, virtual alias, virtual
/// mailbox, relay.
#[derive(Debug, Clone, Default)]
pub struct Domains {
    /// `mydestination`.
    pub mydestination: MatchList,
    /// `inet_interfaces` and `proxy_interfaces`: `user@[address]` is local.
    pub interfaces: Vec<IpAddr>,
    /// `virtual_alias_domains`.
    pub virtual_alias_domains: MatchList,
    /// `virtual_mailbox_domains`.
    pub virtual_mailbox_domains: MatchList,
    /// `relay_domains`; whose subdomains are meant, too, is the list's matter.
    pub relay_domains: MatchList,
}

impl Domains {
    /// Whether mail for a domain is for the users of this machine.
    ///
    /// # Errors
    /// [`LookupError`] of a table in the list.
    pub fn is_local(&self, domain: &str, answers: &Answers) -> Result<bool, LookupError> {
        if self.mydestination.matches_name(domain, answers)?.is_some() {
            return Ok(true);
        }
        if !domain.starts_with('[') {
            return Ok(false);
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
        if self.is_local(domain, answers)? { Ok(Class::Local) } else { self.class_elsewhere(domain, answers) }
    }

    /// The class of a domain that is not local.
    pub(super) fn class_elsewhere(&self, domain: &str, answers: &Answers) -> Result<Class, LookupError> {
        let whole = |list: &MatchList| Ok(list.matches_name(domain, answers)?.is_some());
        if whole(&self.virtual_alias_domains)? {
            return Ok(Class::VirtualAlias);
        }
        if whole(&self.virtual_mailbox_domains)? {
            return Ok(Class::VirtualMailbox);
        }
        if self.relay_domains.matches_domain(domain, answers)?.is_some() {
            return Ok(Class::Relay);
        }
        Ok(Class::Default)
    }

    /// What is to be said of domains that are in more than one class.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let told = self.in_two_classes().into_iter();
        told.map(|(parameter, what)| Warning::of_configuration(parameter, &what)).collect()
    }

    /// Domains that are in more than one class, by name or as keys of tables in memory, at most [`TOLD_MAX`]; each with the parameter that
    /// has it in vain, in words.
    pub(crate) fn in_two_classes(&self) -> Vec<(&'static str, String)> {
        let lists = [
            ("mydestination", &self.mydestination),
            ("virtual_alias_domains", &self.virtual_alias_domains),
            ("virtual_mailbox_domains", &self.virtual_mailbox_domains),
            ("relay_domains", &self.relay_domains),
        ];
        let (answers, mut told) = (Answers::default(), Vec::new());
        for (index, (parameter, list)) in lists.into_iter().enumerate() {
            list.visit_names(&mut |name| {
                if told.len() >= TOLD_MAX {
                    return;
                }
                let has = |list: &MatchList| matches!(list.matches_name(name, &answers), Ok(Some(_)));
                if let Some((other, _)) = lists[..index].iter().find(|(_, earlier)| has(earlier)) {
                    let what = format!(
                        "{name} is in {other}, too, which is what counts: a domain is in one of them"
                    );
                    if !told.contains(&(parameter, what.clone())) {
                        told.push((parameter, what));
                    }
                }
            });
        }
        told
    }
}

/// How many domains are told that are in two classes.
const TOLD_MAX: usize = 20;

//! What is doubtful in the tables that lists name, looked at line by line.
//!
//! # Limits
//! Of one table in one list, [`TOLD_MAX`] doubts are told. Tables that are not in memory are not looked into.

use super::{Found, Severity};
use crate::access::action::{is_permit, list_of};
use crate::access::policy::AccessPolicy;
use crate::access::rule::{self, Check, Rules};
use crate::access::subject::Subject;
use crate::table::{Oddity, Table};
use crate::words::{is_table, words};
use std::net::IpAddr;

/// How many doubts of one table are told.
const TOLD_MAX: usize = 20;

/// The digits of a time since 1970, which programs write that let in who has just read his mail (POP before SMTP).
const TIME_DIGITS: usize = 10;

/// What a check takes a table for.
#[derive(Debug, Clone, Copy)]
struct Use<'c> {
    restriction: &'c str,
    /// Whether it must not permit.
    forbids_permit: bool,
    /// Whether its keys are domains and addresses.
    has_domains: bool,
}

impl AccessPolicy {
    pub(super) fn of_tables(&self, parameter: &str, rules: &Rules, found: &mut Found) {
        for rule in rules.iter() {
            let restriction = rule.written.split(' ').next().unwrap_or_default();
            let of_names = Use { restriction, forbids_permit: false, has_domains: true };
            let (table, used) = match &rule.check {
                Check::Access(Subject::ReverseClient, table) => {
                    (table, Use { forbids_permit: true, ..of_names })
                }
                Check::Access(Subject::Login | Subject::Certificate, table)
                | Check::CertificateAccess { table, .. } => (table, Use { has_domains: false, ..of_names }),
                Check::Access(_, table) | Check::BareTable(table) => (table, of_names),
                Check::ServerAccess { table, .. } => (table, Use { forbids_permit: true, ..of_names }),
                _ => continue,
            };
            if let Some(opened) = self.tables.get(table) {
                self.of_table(parameter, &**opened, used, found);
            }
        }
    }

    fn of_table(&self, parameter: &str, table: &dyn Table, used: Use<'_>, found: &mut Found) {
        let mut left = TOLD_MAX;
        let mut tell = |id, severity, text: String| {
            if left > 0 {
                left -= 1;
                found.push(id, severity, parameter, text);
            }
        };
        for remark in table.remarks() {
            let (id, severity) = match remark.oddity {
                Oddity::CaseSensitive => ("L11", Severity::Notice),
                Oddity::HostBits => ("L12", Severity::Error),
                Oddity::Shadowed => ("L13", Severity::Warning),
            };
            tell(id, severity, format!("{}: {}", remark.place, remark.what));
        }
        let parents = self.parameters.parents_match("smtpd_access_maps");
        let (mut has_dotted, mut plain) = (false, None);
        table.visit(&mut |entry| {
            let place = &entry.place;
            if let Some((id, severity, what)) = self.of_text(entry.text, used) {
                tell(id, severity, format!("{place}: {}: {what}", entry.key.unwrap_or(entry.text)));
            }
            let Some(key) = entry.key.filter(|_| used.has_domains) else { return };
            if is_network(key) {
                let text = "a network: this kind of table has octets (192.0.2), or use cidr:";
                tell("L18", Severity::Warning, format!("{place}: {key}: {text}"));
            } else if is_octets_with_dot(key) {
                let text = "is never asked for: a network stands here without a dot at its end";
                tell("L18", Severity::Warning, format!("{place}: {key} {text}"));
            } else if key.starts_with(['@', '*']) {
                let text = "is never asked for: a domain stands as example.com, a local part as user@";
                tell("L19", Severity::Warning, format!("{place}: {key} {text}"));
            } else if key.starts_with('.') {
                has_dotted = true;
                if parents {
                    let text = "is never asked for: without its dot it stands for its subdomains, too";
                    tell("L19", Severity::Warning, format!("{place}: {key} {text}"));
                }
            } else if plain.is_none() && is_domain(key) {
                plain = Some(format!("{place}: {key}"));
            }
        });
        if let Some(first) = plain.filter(|_| !parents && !has_dotted) {
            let text = "stands for itself alone, and no key of this table for subdomains (.example.com)";
            tell("L19", Severity::Warning, format!("{first} {text}"));
        }
    }

    /// What is wrong with what stands beside a key.
    fn of_text(&self, text: &str, used: Use<'_>) -> Option<(&'static str, Severity, String)> {
        let text = text.trim();
        if matches!(text.as_bytes(), [b'4' | b'5', b'0'..=b'9', b'0'..=b'9']) {
            let what = format!("{text} alone permits; a refusal has a text behind its code");
            return Some(("L08", Severity::Warning, what));
        }
        if used.forbids_permit && (is_permit(text) || text.eq_ignore_ascii_case("permit")) {
            let what = format!("{} must not permit: write DUNNO for an exception", used.restriction);
            return Some(("L10", Severity::Error, what));
        }
        let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        if is_number && text.len() < TIME_DIGITS {
            return Some(("L08", Severity::Notice, format!("{text} alone permits, as OK does")));
        }
        let list = list_of(text)?;
        if let Some(table) = words(list).into_iter().find(|word| is_table(word) || word.contains(':')) {
            let what = format!("{table}: no tables in tables: name a restriction class");
            return Some(("L09", Severity::Error, what));
        }
        let rules = rule::read(list, &self.parameters.restriction_classes);
        rules.iter().find_map(|rule| match &rule.check {
            Check::Wrong(why) => Some(("L09", Severity::Error, why.join("; "))),
            _ => None,
        })
    }
}

/// Whether a key is a network with its length.
fn is_network(key: &str) -> bool {
    key.split_once('/').is_some_and(|(address, length)| {
        address.parse::<IpAddr>().is_ok() && length.bytes().all(|octet| octet.is_ascii_digit())
    })
}

/// Whether a key is the first octets of addresses, written as other programs write a network (`192.0.2.`).
fn is_octets_with_dot(key: &str) -> bool {
    let Some(octets) = key.strip_suffix('.') else { return false };
    octets.split('.').count() < 4 && octets.split('.').all(|octet| octet.parse::<u8>().is_ok())
}

/// Whether a key is a domain of several labels.
fn is_domain(key: &str) -> bool {
    key.contains('.')
        && !key.contains(['@', ':', '[', '/'])
        && !key.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.')
}

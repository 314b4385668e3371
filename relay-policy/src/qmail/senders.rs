//! `badmailfrom`, and the lists that patches of qmail add to it, with their wildcards, as access tables.

use super::items;
use crate::main_cf::Notice;

/// A list of those who are refused, and how.
pub(super) struct Refused {
    /// The control file, which is what the table is called, too.
    pub(super) file: &'static str,
    /// The list of restrictions that it goes to.
    pub(super) parameter: &'static str,
    pub(super) check: &'static str,
    /// What stands beside each key.
    action: &'static str,
}

pub(super) const REFUSED: [Refused; 3] = [
    Refused {
        file: "badmailfrom",
        parameter: "smtpd_sender_restrictions",
        check: "check_sender_access",
        action: "553 5.7.1 sorry, your envelope sender is in my badmailfrom list (#5.7.1)",
    },
    Refused {
        file: "badhelo",
        parameter: "smtpd_helo_restrictions",
        check: "check_helo_access",
        action: "553 5.7.1 sorry, your HELO host name is in my badhelo list (#5.7.1)",
    },
    Refused {
        file: "badrcptto",
        parameter: "smtpd_recipient_restrictions",
        check: "check_recipient_access",
        action: "553 5.7.1 sorry, your envelope recipient is in my badrcptto list (#5.7.1)",
    },
];

/// The kind of the table, and its text. Addresses are compared as a whole and domains without their subdomains, so the key is what
/// stands in the file, without the `@` in front of a domain. Where a patch's wildcards (`*`, `?`, `[a-z]`) or exceptions (`!` in front)
/// are among the lines, all of them become patterns, exceptions first.
pub(super) fn table(list: &Refused, text: &str, notes: &mut Vec<Notice>) -> (&'static str, String) {
    let is_plain = |(_, item): (usize, &str)| !item.starts_with('!') && !item.contains(WILD);
    let kind = if items(text).all(is_plain) { "texthash" } else { "regexp" };
    let (mut exceptions, mut table) = (String::new(), String::new());
    for (line, item) in items(text) {
        let known = match kind {
            "texthash" => {
                key(list, item).map(|key| table += &format!("{}\t{}\n", key.to_lowercase(), list.action))
            }
            _ => match item.strip_prefix('!') {
                Some(item) => pattern(list, item).map(|pattern| exceptions += &format!("{pattern} DUNNO\n")),
                None => pattern(list, item).map(|pattern| table += &format!("{pattern} {}\n", list.action)),
            },
        };
        if known.is_none() {
            let text = format!("{item}: not carried over: neither user@domain nor @domain");
            notes.push(Notice { file: list.file.into(), line, text });
        }
    }
    (kind, exceptions + &table)
}

/// What stands for characters in a line.
const WILD: [char; 3] = ['*', '?', '['];

fn key<'i>(list: &Refused, item: &'i str) -> Option<&'i str> {
    let key = match item.split_once('@') {
        _ if list.check == "check_helo_access" => item,
        Some(("", domain)) if !domain.is_empty() && !domain.contains('@') => domain,
        None | Some((_, "")) | Some(("", _)) => return None,
        Some(_) => item,
    };
    let is_odd = |c: char| c.is_whitespace() || "]!%\"#".contains(c) || WILD.contains(&c);
    (!key.contains(is_odd)).then_some(key)
}

/// A line as a pattern over all of an address or a name; over its end, where it begins with `@`.
fn pattern(list: &Refused, item: &str) -> Option<String> {
    let is_name = list.check == "check_helo_access";
    if !(is_name || item.contains('@') || item.contains(WILD)) || item.is_empty() {
        return None;
    }
    let mut pattern = String::from(if item.starts_with('@') { "/" } else { "/^" });
    let mut rest = item.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' => pattern += ".*",
            '?' => pattern.push('.'),
            '[' => {
                let (set, behind) = rest.as_str().split_once(']')?;
                let characters = set.strip_prefix(['!', '^']).unwrap_or(set);
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
                if characters.is_empty() || !characters.chars().all(is_plain) {
                    return None;
                }
                let not = if characters.len() < set.len() { "^" } else { "" };
                pattern += &format!("[{not}{characters}]");
                rest = behind.chars();
            }
            '.' | '+' => pattern.extend(['\\', character]),
            plain if plain.is_ascii_alphanumeric() || "@-_=".contains(plain) => pattern.push(plain),
            _ => return None,
        }
    }
    Some(pattern + "$/")
}

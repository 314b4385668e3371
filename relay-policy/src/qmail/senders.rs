//! `badmailfrom`, and the lists that patches of qmail add to it, as access tables.

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

/// The table's text. Addresses are compared as a whole and domains without their subdomains, so the key is what stands in the
/// file, without the `@` in front of a domain.
pub(super) fn table(list: &Refused, text: &str, notes: &mut Vec<Notice>) -> String {
    let mut table = String::new();
    for (line, item) in items(text) {
        let of_names = list.check == "check_helo_access";
        let key = if of_names { Some(item) } else { key(item) };
        match key.filter(|key| !key.contains(|c: char| c.is_whitespace() || "*?[]!%\"#".contains(c))) {
            Some(key) => table += &format!("{}\t{}\n", key.to_lowercase(), list.action),
            None => {
                let text = format!("{item}: not carried over: neither user@domain nor @domain");
                notes.push(Notice { file: list.file.into(), line, text });
            }
        }
    }
    table
}

fn key(item: &str) -> Option<&str> {
    match item.split_once('@')? {
        ("", domain) => Some(domain).filter(|domain| !domain.is_empty() && !domain.contains('@')),
        (_, "") => None,
        _ => Some(item),
    }
}

//! The rules of tcpserver, as `mynetworks` and `smtpd_client_restrictions`.
//!
//! Both are gone through from front to end, so what is most precise stands first: addresses, names, networks by their length,
//! ends of names by theirs.

use super::control::Imported;
use super::tcp_rules::{TcpRule, TcpRules};
use crate::main_cf::Notice;
use std::net::Ipv4Addr;

/// The file that notes are about.
const FILE: &str = "tcprules";

/// What a rule is about; the order is that in which tcpserver looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Address,
    Name,
    /// So many octets are not given.
    Network(u8),
    /// So many characters are not given of the longest.
    EndOfName(usize),
    AnyName,
    Anybody,
}

/// A rule with whom it is about, as match lists and tables name them.
struct Client<'r> {
    whom: Whom,
    key: String,
    rule: &'r TcpRule,
}

pub(super) fn import(rules: &TcpRules, imported: &mut Imported) {
    let mut clients: Vec<Client<'_>> =
        rules.rules().filter_map(|rule| client(rule, &mut imported.notes)).collect();
    clients.sort_by(|one, two| one.whom.cmp(&two.whom));
    let trusted = mynetworks(&clients, &mut imported.notes);
    imported.set("mynetworks", trusted.join(", "));
    restrictions(&clients, imported);
}

fn client<'r>(rule: &'r TcpRule, notes: &mut Vec<Notice>) -> Option<Client<'r>> {
    let address = &*rule.address;
    let (whom, key) = if address.is_empty() {
        (Whom::Anybody, String::new())
    } else if address == "=" {
        (Whom::AnyName, String::new())
    } else if let Some(name) = address.strip_prefix('=').filter(|name| is_name(name)) {
        let whom = if name.starts_with('.') { Whom::EndOfName(usize::MAX - name.len()) } else { Whom::Name };
        (whom, name.to_lowercase())
    } else if let Ok(address) = address.parse::<Ipv4Addr>() {
        (Whom::Address, address.to_string())
    } else if let Some((network, missing)) = network(address) {
        (Whom::Network(missing), network)
    } else {
        let text = if address.contains('@') {
            format!("{address}: not carried over: nobody asks a client's machine who its user is")
        } else {
            format!("{address}: not carried over: it is no client's address")
        };
        notes.push(note(rule, text));
        return None;
    };
    Some(Client { whom, key, rule })
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
        && name.bytes().any(|octet| octet.is_ascii_alphabetic())
}

/// `192.0.` is 192.0.0.0/16, of which two octets are not given.
fn network(front: &str) -> Option<(String, u8)> {
    let octets: Vec<u8> =
        front.strip_suffix('.')?.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
    let given = u8::try_from(octets.len()).ok().filter(|given| (1..=3).contains(given))?;
    let mut all = [0; 4];
    all[..octets.len()].copy_from_slice(&octets);
    Some((format!("{}/{}", Ipv4Addr::from(all), given * 8), 4 - given))
}

/// Who may relay: `RELAYCLIENT`, with nothing in it.
fn mynetworks(clients: &[Client<'_>], notes: &mut Vec<Notice>) -> Vec<String> {
    let mut list = Vec::new();
    for Client { whom, key, rule } in clients {
        let relays = rule.variable("RELAYCLIENT").filter(|_| rule.allow);
        let is_all = matches!(whom, Whom::AnyName | Whom::Anybody);
        match relays {
            Some("") if is_all => {
                let whom = if *whom == Whom::Anybody { "everybody" } else { "every client that has a name" };
                notes.push(note(rule, format!("RELAYCLIENT is not carried over: {whom} could relay")));
            }
            Some("") => list.push(key.clone()),
            Some(appended) => {
                let text = format!(
                    "RELAYCLIENT={appended:?} is not carried over: nothing is appended to recipients, and these clients do not relay"
                );
                notes.push(note(rule, text));
                list.push(format!("!{key}"));
            }
            None if is_all => {}
            None => list.push(format!("!{key}")),
        }
    }
    // At the end nobody is trusted anyway.
    let trusted = list.iter().rposition(|entry| !entry.starts_with('!')).map_or(0, |last| last + 1);
    list.truncate(trusted);
    list
}

/// Who is not served: `deny`, and what `RBLSMTPD` says.
fn restrictions(clients: &[Client<'_>], imported: &mut Imported) {
    if clients.iter().all(|client| action(client.rule) == "OK") {
        return;
    }
    let (mut list, mut any_name) = (Vec::new(), None);
    for (file, kind, is_in) in [
        ("tcprules-addresses", "cidr", (|whom| *whom == Whom::Address) as fn(&Whom) -> bool),
        ("tcprules-names", "texthash", |whom| *whom == Whom::Name),
        ("tcprules-networks", "cidr", |whom| matches!(whom, Whom::Network(_))),
        ("tcprules-domains", "texthash", |whom| matches!(whom, Whom::EndOfName(_))),
    ] {
        let lines = clients.iter().filter(|client| is_in(&client.whom));
        let text: String = lines.map(|client| format!("{}\t{}\n", client.key, action(client.rule))).collect();
        if !text.is_empty() {
            list.push(format!("check_client_access {kind}:{file}"));
            imported.tables.push((file.into(), text));
        }
    }
    for Client { whom, rule, .. } in clients {
        match (whom, rule.allow) {
            (Whom::AnyName, allow) => any_name = Some((allow, *rule)),
            (Whom::Anybody, false) => {
                let names_are_good = matches!(any_name, Some((true, _)));
                list.push(if names_are_good { "reject_unknown_client_hostname" } else { "reject" }.into());
            }
            _ => {}
        }
    }
    if let Some((false, rule)) = any_name {
        imported
            .notes
            .push(note(rule, "=:deny is not carried over: clients that have a name are served".into()));
    }
    for Client { rule, .. } in clients.iter().filter(|client| {
        matches!(client.whom, Whom::AnyName | Whom::Anybody)
            && client.rule.allow
            && action(client.rule) != "OK"
    }) {
        imported
            .notes
            .push(note(rule, "RBLSMTPD is not carried over for clients that no other rule is about".into()));
    }
    imported.set("smtpd_client_restrictions", list.join(", "));
}

/// What an access table says of a client.
fn action(rule: &TcpRule) -> String {
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    match (rule.allow, rule.variable("RBLSMTPD")) {
        (false, _) => "REJECT".into(),
        (true, None | Some("")) => "OK".into(),
        (true, Some(text)) => match text.strip_prefix('-') {
            Some(text) => format!("553 5.7.1 {}", plain(text)),
            None => format!("451 4.7.1 {}", plain(text)),
        },
    }
}

fn note(rule: &TcpRule, text: String) -> Notice {
    Notice { file: FILE.into(), line: rule.line, text }
}

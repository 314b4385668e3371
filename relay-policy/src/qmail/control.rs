//! The directory `control`: file by file, into parameters.

use super::domains::{self, Domains};
use super::senders::{REFUSED, table};
use super::tcp_rules::TcpRules;
use super::{clients, dot_qmail, items, users};
use crate::main_cf::Notice;
use std::collections::BTreeMap;

/// What qmail's files come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Parameters by their names in Postfix, each once, in an order in which they can be set.
    pub parameters: Vec<(String, String)>,
    /// The tables that the parameters name, each by the name of its file and with its text. The names have no directory.
    pub tables: Vec<(String, String)>,
    /// Who has a mailbox (`users/assign`), without a domain: they are of `myorigin`.
    pub users: Vec<String>,
    /// The largest message, in octets (`databytes`); none where there is no limit.
    pub message_size_limit: Option<u64>,
    /// How old a message becomes before it is bounced, in seconds (`queuelifetime`).
    pub maximal_queue_lifetime: Option<u64>,
    /// What is not the same afterwards, and why; a line of 0 is the whole file.
    pub notes: Vec<Notice>,
}

impl Imported {
    /// Sets a parameter.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.parameters.push((name.into(), value.into()));
    }

    pub(super) fn note(&mut self, file: &str, line: usize, text: impl Into<String>) {
        self.notes.push(Notice { file: file.into(), line, text: text.into() });
    }
}

/// What the control files, by their names, and the rules of tcpserver come to. `users/assign` is one of the files, by that name, and
/// `~joe/.qmail-list` is of the user joe; of `morercpthosts` the text, which is what [`more_hosts`](super::more_hosts) makes of the file that qmail reads.
///
/// Without rules nobody relays by where it is.
pub fn import(files: &BTreeMap<String, String>, tcp_rules: Option<&TcpRules>) -> Imported {
    let mut imported = Imported::default();
    let first =
        |file: &str| files.get(file).and_then(|text| items(text).next()).map(|(_, item)| item.to_string());
    let me = first("me").unwrap_or_else(|| {
        imported.note("me", 0, "there is none: the name of the server is localhost until it is said");
        "localhost".into()
    });
    imported.set("myhostname", &*me);
    // All names stand for themselves alone.
    imported.set("parent_domain_matches_subdomains", "");
    imported.set("swap_bangpath", "no");
    let percenthack = files.get("percenthack").is_some_and(|text| items(text).next().is_some());
    imported.set("allow_percent_hack", if percenthack { "yes" } else { "no" });
    if percenthack {
        imported.note(
            "percenthack",
            0,
            "user%domain is understood in all domains of ours, not in those listed alone",
        );
    }
    // joe-list is joe's.
    imported.set("recipient_delimiter", "-");
    imported.note(
        "(users)",
        0,
        "an address user-extension is user's, also where qmail has no .qmail-extension and refuses it",
    );
    imported.note("(users)", 0, "recipient_delimiter is -: an address is parted at the first -, where qmail looks for the longest user; who has a - in the name must be an account, and has no extensions");

    let mut aliases = String::new();
    if let Some(text) = files.get(users::FILE) {
        users::import(text, &mut aliases, &mut imported);
    }
    dot_qmail::import(files, &mut aliases, &mut imported);
    if !aliases.is_empty() {
        imported.set("alias_maps", "hash:aliases");
        imported.tables.push(("aliases".into(), aliases));
    }
    let domains = Domains::read(files, &me, &mut imported.notes);
    imported.set("myorigin", first("envnoathost").unwrap_or_else(|| domains.home.clone()));
    domains.import(&mut imported);
    domains::routes(files, &mut imported);
    for list in &REFUSED {
        let Some(text) = files.get(list.file) else { continue };
        let (kind, text) = table(list, text, &mut imported.notes);
        if !text.is_empty() {
            imported.set(list.parameter, format!("{} {kind}:{}", list.check, list.file));
            imported.tables.push((list.file.into(), text));
        }
    }
    match tcp_rules {
        Some(rules) => clients::import(rules, &mut imported),
        None => imported.set("mynetworks", ""),
    }
    imported.set(
        "smtpd_relay_restrictions",
        "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    );
    imported.set("relay_domains_reject_code", "553");
    numbers(&first, &mut imported);
    others(files, &mut imported);
    imported
}

fn numbers(first: &dyn Fn(&str) -> Option<String>, imported: &mut Imported) {
    let mut number = |file: &str| {
        let item = first(file)?;
        let number = item.parse::<u64>().ok();
        if number.is_none() {
            imported.note(file, 1, format!("{item:?} is no number: not carried over"));
        }
        number
    };
    let databytes = number("databytes");
    let queuelifetime = number("queuelifetime");
    imported.message_size_limit = databytes.filter(|octets| *octets > 0);
    imported.maximal_queue_lifetime = queuelifetime;
}

/// Files of which nothing is carried over, and why.
const OTHERS: &[(&str, &str)] = &[
    ("bouncefrom", "reports come from MAILER-DAEMON"),
    ("bouncehost", "reports come from this server's name"),
    ("bouncemaxbytes", "what a report quotes is not set"),
    ("concurrencyincoming", "set connections_max in [limits]"),
    ("concurrencylocal", "deliveries are as many as go well"),
    ("concurrencyremote", "mail is not sent on to other hosts yet"),
    ("defaultdelivery", "mail is delivered where [storage] says"),
    (
        "defaultdomain",
        "set mydomain and append_dot_mydomain in [policy], if names without a dot are to be completed",
    ),
    ("defaulthost", "set myorigin in [policy], if addresses without a domain are to be completed with it"),
    ("doublebounceto", "set domains.postmaster"),
    ("doublebouncehost", "set domains.postmaster"),
    ("helohost", "mail is not sent on to other hosts yet"),
    ("idhost", "identifications have this server's name"),
    ("localiphost", "addresses in brackets are ours where inet_interfaces in [policy] names them"),
    ("plusdomain", "names that end with a plus sign are not completed"),
    ("qmqpservers", "QMQP is not spoken"),
    ("smtpgreeting", "the greeting is this server's name"),
    ("timeoutconnect", "mail is not sent on to other hosts yet"),
    ("timeoutremote", "mail is not sent on to other hosts yet"),
    ("timeoutsmtpd", "the timeouts are those of RFC 5321"),
];

/// Files that are carried over.
const CARRIED: [&str; 15] = [
    "badhelo",
    "badmailfrom",
    "badrcptto",
    "databytes",
    "envnoathost",
    "locals",
    "me",
    "morercpthosts",
    "percenthack",
    "queuelifetime",
    "rcpthosts",
    "smtproutes",
    "virtualdomains",
    "tcp.smtp",
    users::FILE,
];

fn others(files: &BTreeMap<String, String>, imported: &mut Imported) {
    let is_left = |file: &&String| !CARRIED.contains(&file.as_str()) && !dot_qmail::is_one(file);
    for file in files.keys().filter(is_left) {
        let why =
            OTHERS.iter().find(|(known, _)| known == file).map_or("no such file is known", |(_, why)| *why);
        imported.note(file, 0, format!("not carried over: {why}"));
    }
}

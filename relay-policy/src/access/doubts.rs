//! What is doubtful in a configuration, though it can be served: found by looking at the lists, not by running them.
//!
//! The ids are those of the specification's linter rules. What is an error is told and can be served, but for what
//! [`AccessPolicy::check_lists`] and [`AccessPolicy::compile`] refuse.
//!
//! # Limits
//! Whose networks are ours is not known here, so a network in `mynetworks` is doubted by its size alone, unless it is one of
//! those that are nobody's (RFC 1918, RFC 4193 and their like).

mod tables;

use super::policy::{AccessError, AccessPolicy, CLASSES_DEEP_MAX};
use super::rule::{self, Check, Rule, Rules, is_removed};
use super::subject::Subject;
use crate::list_name::ListName;
use crate::nearest::nearest;
use crate::request::UNKNOWN;
use crate::table;
use crate::words::is_table;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// How bad a doubt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Probably not what was meant.
    Warning,
    /// Certainly not what was meant.
    Error,
    /// Not to be served at all.
    Fatal,
}

impl Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        })
    }
}

/// Something doubtful; `Display` gives it in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubt {
    /// The rule it is found by.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is: a parameter, or a class.
    pub parameter: String,
    /// What it is, and what to do.
    pub text: String,
}

impl Doubt {
    /// Whether it is what a warning says ([`AccessPolicy::warnings`]), which then need not be told, too.
    pub fn tells(&self, warning: &str) -> bool {
        let of_parameter = || warning.strip_prefix(&*self.parameter)?.strip_prefix(": ");
        self.text.starts_with(of_parameter().unwrap_or(warning))
    }
}

impl Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, severity, parameter, text } = self;
        write!(f, "{severity} {id}: {parameter}: {text}")
    }
}

/// A domain that only a list of all domains has.
const NOBODYS: &str = "nobody.has.this.name.invalid";

/// Of a client whose address has none, which is looked up as `unknown`.
const NAMELESS: &str = "client without a name";

/// Networks that are nobody's on the internet.
const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

impl AccessPolicy {
    /// What is doubtful.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut found = Found(Vec::new());
        self.of_relaying(&mut found);
        self.of_networks(&mut found);
        self.of_lists(&mut found);
        for (list, rules) in self.lists() {
            self.of_tables(&format!("smtpd_{list}_restrictions"), rules, &mut found);
        }
        for (class, rules) in self.classes() {
            self.of_tables(class, rules, &mut found);
        }
        self.of_order(&mut found);
        self.of_domains(&mut found);
        self.of_hello(&mut found);
        self.of_verifying(&mut found);
        found.0
    }

    /// Whether every restriction is one, and whole: of the doubts, those with the ids L05, L06, L07 and L27. Postfix finds them
    /// when a client comes to the place, and then answers everybody `451 4.3.5 Server configuration error`; who serves can refuse to
    /// begin.
    ///
    /// ```
    /// use relay_policy::Parameters;
    /// use relay_policy::access::AccessPolicy;
    /// use relay_policy::table::Opener;
    ///
    /// let mut parameters = Parameters::default();
    /// parameters.set("smtpd_relay_restrictions", "permit_mynetwork, reject_unauth_destination")?;
    /// let policy = AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into())))?;
    /// let error = policy.check_lists().expect_err("one of them is misspelt");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "smtpd_relay_restrictions: unknown smtpd restriction: \"permit_mynetwork\"; did you mean permit_mynetworks?"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AccessError::Restriction`], for the first.
    pub fn check_lists(&self) -> Result<(), AccessError> {
        let mut found = Found(Vec::new());
        self.of_lists(&mut found);
        match found.0.into_iter().find(|doubt| doubt.severity == Severity::Error) {
            Some(Doubt { parameter, text: what, .. }) => Err(AccessError::Restriction { parameter, what }),
            None => Ok(()),
        }
    }

    fn of_lists(&self, found: &mut Found) {
        for (list, rules) in self.lists() {
            self.of_rules(&format!("smtpd_{list}_restrictions"), rules, Some(*list), found);
        }
        for (class, rules) in self.classes() {
            self.of_rules(class, rules, None, found);
            if self.reaches(class, class, &mut BTreeSet::new()) {
                found.push("L06", Severity::Error, class, "this class comes to itself again, without an end");
            }
        }
    }

    fn of_hello(&self, found: &mut Found) {
        if !self.parameters.smtpd_helo_required && !self.list(ListName::Helo).is_empty() {
            let text = "most of them say nothing of a client that says no HELO: smtpd_helo_required makes it say one";
            found.push("L22", Severity::Notice, "smtpd_helo_restrictions", text);
        }
    }

    /// Who has said that he wants it may expect more of it; who has said nothing has nothing to hear.
    fn of_verifying(&self, found: &mut Found) {
        if self.parameters.disable_vrfy_command == Some(false) {
            let text = "VRFY is offered and answered alike to everybody (252), whether or not there is such a mailbox: nobody learns \
                        from it who exists, nor is it of use to anybody; yes does not offer it";
            found.push("L23", Severity::Notice, "disable_vrfy_command", text);
        }
    }

    fn of_relaying(&self, found: &mut Found) {
        let (relay, recipient) = (self.list(ListName::Relay), self.list(ListName::Recipient));
        if self.stops_strangers(&relay) {
            let before = relay.iter().take_while(|rule| !refuses_destinations(&rule.check));
            for rule in before {
                self.of_what_is_made_up(rule, CLASSES_DEEP_MAX, found);
            }
            return;
        }
        if !self.stops_strangers(&recipient) {
            let text = "an open relay, as smtpd_recipient_restrictions refuses nobody either: add reject_unauth_destination";
            found.push("L01", Severity::Fatal, "smtpd_relay_restrictions", text);
        }
        let before = recipient.iter().take_while(|rule| !refuses_destinations(&rule.check));
        for rule in before.filter(|rule| may_permit_strangers(&rule.check)) {
            let text = format!(
                "whom {} permits may relay anywhere: put reject_unauth_destination into smtpd_relay_restrictions",
                rule.written
            );
            found.push("L02", Severity::Error, "smtpd_recipient_restrictions", text);
        }
    }

    /// Anybody can say that he is who a table permits, or have an address without a name.
    fn of_what_is_made_up(&self, rule: &Rule, deep_max: usize, found: &mut Found) {
        let (what, table) = match &rule.check {
            Check::Access(Subject::Sender, table) => ("sender", table),
            Check::Access(Subject::Helo, table) => ("name in HELO", table),
            Check::Access(Subject::Client, table) => (NAMELESS, table),
            Check::Class(class) if deep_max > 0 => {
                let class = self.class(class);
                let before = class.iter().take_while(|rule| !refuses_destinations(&rule.check));
                return before.for_each(|rule| self.of_what_is_made_up(rule, deep_max - 1, found));
            }
            _ => return,
        };
        let mut first = None;
        if let Some(table) = self.tables.get(table) {
            table.visit(&mut |entry| {
                let is_made_up =
                    what != NAMELESS || entry.key.is_some_and(|key| key.eq_ignore_ascii_case(UNKNOWN));
                if is_made_up && first.is_none() && self.permits(entry.text.trim(), CLASSES_DEEP_MAX) {
                    first = Some(format!("{}: {}", entry.place, entry.key.unwrap_or(entry.text)));
                }
            });
        }
        if let Some(first) = first {
            let text = format!(
                "{} permits ({first}), and every stranger can have such a {what}: whoever does may relay anywhere; write \
                 DUNNO, or put reject_unauth_destination in front of it",
                rule.written
            );
            found.push("L02", Severity::Error, "smtpd_relay_restrictions", text);
        }
    }

    fn of_networks(&self, found: &mut Found) {
        let private = PRIVATE.map(|network| network.parse().expect("invariant: a network"));
        for entry in self.parameters.mynetworks.iter().filter(|entry| !entry.starts_with('!')) {
            let Ok(network) = entry.replace(['[', ']'], "").parse::<IpNet>() else { continue };
            let is_wide = network.prefix_len() < if network.addr().is_ipv4() { 16 } else { 32 };
            if is_wide && !private.iter().any(|private: &IpNet| private.contains(&network)) {
                let text = format!("{entry} is wide: everybody in it may relay");
                found.push("L03", Severity::Error, "mynetworks", text);
            }
        }
        let relayed = self.routing.domains.relay_domains.matches_domain(NOBODYS, &table::Answers::default());
        if let Ok(Some(entry)) = relayed {
            let text = format!("{entry} has domains that are nobody's: mail to everybody there is relayed");
            found.push("L03", Severity::Error, "relay_domains", text);
        }
        let parents = self.parameters.parents_match("relay_domains");
        let is_top = |name: &str| !is_table(name) && !name.starts_with('!') && !name.contains('.');
        for name in self.parameters.relay_domains.iter().filter(|name| parents && is_top(name)) {
            let text = format!("{name} is a whole top-level domain: mail to everybody in it is relayed");
            found.push("L03", Severity::Warning, "relay_domains", text);
        }
    }

    fn of_rules(&self, parameter: &str, rules: &Rules, list: Option<ListName>, found: &mut Found) {
        let of_data = matches!(list, Some(ListName::Data | ListName::EndOfData));
        let mut ended = None;
        let mut is_warning = false;
        let mut tested = None;
        for rule in rules.iter() {
            if tests_strangers(&rule.check) {
                tested.get_or_insert(&rule.written);
            }
            if let Some(end) = ended.take() {
                let text = format!("nothing after {end} is ever looked at");
                found.push("L04", Severity::Warning, parameter, text);
            }
            match &rule.check {
                Check::Permit => ended = Some(&rule.written),
                Check::Reject | Check::Defer if !is_warning => ended = Some(&rule.written),
                Check::Wrong(warnings) => {
                    let id = if is_removed(&rule.written) { "L27" } else { "L05" };
                    let mut text = warnings.join("; ");
                    if matches!(&*rule.written, written if written.eq_ignore_ascii_case("check_policy_service"))
                    {
                        text += " (inet:host:port, unix:path, or greylist: for this server's own)";
                    }
                    if let Some(meant) = self.meant(&rule.written).filter(|_| id == "L05") {
                        text += &format!("; did you mean {meant}?");
                    }
                    found.push(id, Severity::Error, parameter, text);
                }
                Check::BareTable(table) if of_data => {
                    let text = format!("{table} needs the name of a check in front of it");
                    found.push("L07", Severity::Error, parameter, text);
                }
                Check::PermitMxBackup if self.mx_backup_networks.is_empty() => {
                    let text = "permit_mx_backup permits nothing without permit_mx_backup_networks";
                    found.push("L15", Severity::Warning, parameter, text);
                }
                Check::PermitSaslAuthenticated => {
                    if let Some(test) = tested.take() {
                        let text =
                            format!("{test} refuses users on the way, before permit_sasl_authenticated");
                        found.push("L25", Severity::Warning, parameter, text);
                    }
                }
                Check::RejectMultiRecipientBounce | Check::RejectUnauthPipelining
                    if list.is_some() && !of_data && !self.is_in_data(&rule.check) =>
                {
                    let text = format!("{} is of use in smtpd_data_restrictions", rule.written);
                    found.push("L17", Severity::Notice, parameter, text);
                }
                _ => {}
            }
            is_warning = matches!(rule.check, Check::WarnIfReject);
        }
    }

    /// Whether a restriction stands where all of the message's recipients are known, wherever else it does.
    fn is_in_data(&self, check: &Check) -> bool {
        let kind = std::mem::discriminant(check);
        let lists = [ListName::Data, ListName::EndOfData].map(|list| self.list(list));
        lists.iter().any(|list| list.iter().any(|rule| std::mem::discriminant(&rule.check) == kind))
    }

    /// The restriction or class that a word, which is neither, is probably meant to be.
    fn meant<'s>(&'s self, word: &str) -> Option<&'s str> {
        let classes = self.classes().keys().map(String::as_str);
        let known: Vec<&str> = rule::names().chain(classes).collect();
        nearest(word, &known).filter(|meant| *meant != word)
    }

    /// Whether a class comes to another by name.
    fn reaches<'s>(&'s self, from: &'s str, to: &str, seen: &mut BTreeSet<&'s str>) -> bool {
        let Some(rules) = self.classes().get(from) else { return false };
        rules.iter().any(|rule| match &rule.check {
            Check::Class(name) => name == to || (seen.insert(name) && self.reaches(name, to, seen)),
            _ => false,
        })
    }

    /// Questions that strangers can have asked about any address in the world.
    fn of_order(&self, found: &mut Found) {
        let order =
            [ListName::Client, ListName::Helo, ListName::Sender, ListName::Relay, ListName::Recipient];
        for list in order {
            for rule in self.list(list).iter() {
                match &rule.check {
                    check if refuses_destinations(check) => return,
                    Check::RejectUnverified(Subject::Recipient) | Check::PolicyService(_) => {
                        let text = format!("{} is asked before reject_unauth_destination", rule.written);
                        found.push("L16", Severity::Warning, &format!("smtpd_{list}_restrictions"), text);
                    }
                    _ => {}
                }
            }
        }
    }

    fn of_domains(&self, found: &mut Found) {
        for (parameter, text) in self.routing.domains.in_two_classes() {
            found.push("L14", Severity::Error, parameter, text);
        }
    }
}

fn refuses_destinations(check: &Check) -> bool {
    matches!(
        check,
        Check::RejectUnauthDestination | Check::DeferUnauthDestination | Check::Reject | Check::Defer
    )
}

/// What users at home fail, whose addresses have no good name and are in lists.
fn tests_strangers(check: &Check) -> bool {
    match check {
        Check::DnsList { permit, .. } => !permit,
        Check::RejectUnknownClient
        | Check::RejectUnknownReverseClient
        | Check::RejectInvalidHelo
        | Check::RejectNonFqdnHelo
        | Check::RejectUnknownHelo => true,
        _ => false,
    }
}

fn may_permit_strangers(check: &Check) -> bool {
    matches!(check, Check::Access(..) | Check::BareTable(_) | Check::PolicyService(_) | Check::Class(_))
}

struct Found(Vec<Doubt>);

impl Found {
    fn push(&mut self, id: &'static str, severity: Severity, parameter: &str, text: impl Into<String>) {
        self.0.push(Doubt { id, severity, parameter: parameter.into(), text: text.into() });
    }
}

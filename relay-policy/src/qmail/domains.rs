//! `locals`, `rcpthosts` with `morercpthosts`, `virtualdomains` and `smtproutes`: which domains are ours, in what way, and where the others' mail goes.
//!
//! A domain that is in `locals` is that and nothing else. Any other is taken from strangers when it is in `rcpthosts`; if
//! `virtualdomains` has a user for it, it is a domain of aliases, else it is relayed.

use super::control::Imported;
use super::items;
use crate::main_cf::Notice;
use crate::route::{NextHop, Protocol};
use std::collections::{BTreeMap, BTreeSet};

/// The domains of the control files, in lower case.
pub(super) struct Domains {
    /// The domain of users here.
    pub(super) home: String,
    locals: Vec<String>,
    /// Names, and `.name` for all below it; none where everything is relayed.
    rcpthosts: Option<Vec<String>>,
    /// By `user@domain`, `domain`, `.domain` or nothing: the user; and the line.
    virtuals: BTreeMap<String, (String, usize)>,
}

impl Domains {
    pub(super) fn read(files: &BTreeMap<String, String>, me: &str, notes: &mut Vec<Notice>) -> Self {
        let mut names = |file: &str, take_ends: bool| {
            let text = files.get(file)?;
            let mut names = Vec::new();
            for (line, item) in items(text) {
                let name = item.to_lowercase();
                let bare = if take_ends { name.strip_prefix('.').unwrap_or(&name) } else { &name };
                if is_domain(bare) {
                    names.push(name);
                } else {
                    let text = format!("{item}: not carried over: it is no domain");
                    notes.push(Notice { file: file.into(), line, text });
                }
            }
            Some(names)
        };
        let locals = names("locals", false).unwrap_or_else(|| vec![me.to_lowercase()]);
        let mut rcpthosts = names("rcpthosts", true);
        // Without the first, nobody asks the second.
        if let Some(hosts) = &mut rcpthosts {
            hosts.extend(names("morercpthosts", true).into_iter().flatten());
        }
        let home = locals.iter().find(|local| local.eq_ignore_ascii_case(me)).or(locals.first());
        let mut virtuals = BTreeMap::new();
        for (line, item) in files.get("virtualdomains").map(|text| items(text)).into_iter().flatten() {
            let Some((whose, user)) =
                item.split_once(':').filter(|(whose, user)| is_virtual(whose) && is_user(user))
            else {
                let text = format!("{item}: not carried over: expected domain:user");
                notes.push(Notice { file: "virtualdomains".into(), line, text });
                continue;
            };
            virtuals.entry(whose.to_lowercase()).or_insert((user.to_string(), line));
        }
        Self { home: home.map_or(me, |home| home).to_string(), locals, rcpthosts, virtuals }
    }

    pub(super) fn import(&self, imported: &mut Imported) {
        if self.rcpthosts.is_none() {
            let text = "there is none, so qmail relays for everybody; here mail is taken from strangers for the domains of \
                        locals and virtualdomains alone";
            imported.note("rcpthosts", 0, text);
        }
        imported.set("mydestination", self.locals.join(", "));
        let mut found = Found::default();
        self.names(&mut found, imported);
        self.ends(&mut found, imported);
        self.addresses(&mut found, imported);
        imported.set("relay_domains", found.relayed.join(", "));
        imported.set("virtual_alias_domains", found.domains().join(", "));
        let table = found.table();
        if table.is_empty() {
            return;
        }
        imported.set("virtual_alias_maps", "regexp:virtualdomains");
        imported.tables.push(("virtualdomains".into(), table));
    }

    /// Domains that are named one by one.
    fn names(&self, found: &mut Found, imported: &mut Imported) {
        let named = self.virtuals.keys().chain(self.rcpthosts.iter().flatten());
        let names: BTreeSet<&String> =
            named.filter(|name| is_domain(name) && !self.locals.contains(name)).collect();
        for name in names {
            match self.user_of(name) {
                Some((user, _)) if self.is_taken(name) => {
                    found.aliased.push(name.clone());
                    found.rules.push(format!("/^(.+)@{}$/ {}-$1@{}\n", escaped(name), user, self.home));
                }
                Some((_, line)) => imported.note("virtualdomains", line, not_taken(name)),
                None => {
                    found.excepted.push(escaped(name));
                    if self.rcpthosts.is_some() && self.is_taken(name) {
                        found.relayed.push(name.clone());
                    }
                }
            }
        }
        found.excepted.extend(self.locals.iter().map(|name| escaped(name)));
    }

    /// All domains below one.
    fn ends(&self, found: &mut Found, imported: &mut Imported) {
        let named = self.virtuals.keys().chain(self.rcpthosts.iter().flatten());
        let ends: BTreeSet<&String> = named.filter(|name| name.starts_with('.')).collect();
        let mut ends: Vec<&String> = ends.into_iter().collect();
        // The longer one is the more precise.
        ends.sort_by_key(|end| usize::MAX - end.len());
        for end in ends {
            match self.user_of(end) {
                Some((user, _)) if self.is_taken(end) => {
                    found.ends.push((escaped(end), true));
                    found.end_rules.push(format!("/^(.+)@.+{}$/ {}-$1@{}\n", escaped(end), user, self.home));
                }
                Some((_, line)) => imported.note("virtualdomains", line, not_taken(end)),
                None => {
                    found.ends.push((escaped(end), false));
                    // An end without a user stops the search for those that are less precise.
                    found.end_rules.push(format!("/^(.+@.+{})$/ $1\n", escaped(end)));
                    if self.rcpthosts.is_some() && self.is_taken(end) {
                        found.relayed.push(end.clone());
                    }
                }
            }
        }
        if let (None, Some((user, line))) = (&self.rcpthosts, self.virtuals.get(""))
            && !user.is_empty()
        {
            imported.note(
                "virtualdomains",
                *line,
                "a user for all domains is not carried over where rcpthosts does not say which",
            );
        }
    }

    /// Single addresses.
    fn addresses(&self, found: &mut Found, imported: &mut Imported) {
        for (whose, (user, line)) in &self.virtuals {
            let Some((local_part, domain)) = whose.split_once('@') else { continue };
            if self.locals.iter().any(|local| local == domain) || user.is_empty() {
                let text = format!("{whose}: not carried over: the domain is in locals, or there is no user");
                imported.note("virtualdomains", *line, text);
            } else if self.is_taken(domain) {
                let rule = format!(
                    "/^{}@{}$/ {user}-{local_part}@{}\n",
                    escaped(local_part),
                    escaped(domain),
                    self.home
                );
                found.address_rules.push(rule);
            } else {
                imported.note("virtualdomains", *line, not_taken(whose));
            }
        }
    }

    /// Who has the mail of a domain, or of all below `.domain`; none when nobody has, or when that is said.
    fn user_of(&self, domain: &str) -> Option<(&str, usize)> {
        let ends = domain.match_indices('.').map(|(at, _)| &domain[at..]);
        // For all domains alone there would be no list of them.
        let all = self.rcpthosts.as_ref().map(|_| "");
        let (user, line) =
            core::iter::once(domain).chain(ends).chain(all).find_map(|key| self.virtuals.get(key))?;
        Some((user.as_str(), *line)).filter(|(user, _)| !user.is_empty())
    }

    /// Whether mail for a domain, or for all below `.domain`, is taken from strangers.
    fn is_taken(&self, domain: &str) -> bool {
        let Some(hosts) = &self.rcpthosts else { return true };
        hosts.iter().any(|host| host == domain || host.starts_with('.') && domain.ends_with(host))
    }
}

fn not_taken(whose: &str) -> String {
    format!("{whose}: not carried over: it is not in rcpthosts, so nobody outside can write to it")
}

/// What the files come to, in patterns where not one domain is meant.
#[derive(Default)]
struct Found {
    relayed: Vec<String>,
    aliased: Vec<String>,
    /// Escaped; no user of a domain above them has their mail.
    excepted: Vec<String>,
    /// Escaped, the longest first, and whether they have a user.
    ends: Vec<(String, bool)>,
    address_rules: Vec<String>,
    rules: Vec<String>,
    end_rules: Vec<String>,
}

impl Found {
    fn has_ends(&self) -> bool {
        self.ends.iter().any(|(_, has_user)| *has_user)
    }

    /// `virtual_alias_domains`.
    fn domains(&self) -> Vec<String> {
        let mut list = Vec::new();
        if self.has_ends() {
            for name in &self.excepted {
                list.push(format!("!regexp:{{{{/^{name}$/ x}}}}"));
            }
        }
        list.extend(self.aliased.iter().cloned());
        if self.has_ends() {
            for (end, has_user) in &self.ends {
                list.push(format!("{}regexp:{{{{/{end}$/ x}}}}", if *has_user { "" } else { "!" }));
            }
        }
        list
    }

    /// `virtual_alias_maps`.
    fn table(&self) -> String {
        let mut table = self.address_rules.concat() + &self.rules.concat();
        if self.has_ends() {
            let has_exceptions = !self.excepted.is_empty();
            if has_exceptions {
                table += &format!("if !/@({})$/\n", self.excepted.join("|"));
            }
            table += &self.end_rules.concat();
            if has_exceptions {
                table += "endif\n";
            }
        }
        table
    }
}

/// `smtproutes`: where mail for others goes.
pub(super) fn routes(files: &BTreeMap<String, String>, imported: &mut Imported) {
    let (mut table, mut relayhost) = (String::new(), String::new());
    for (line, item) in files.get("smtproutes").map(|text| items(text)).into_iter().flatten() {
        let mut parts = item.splitn(3, ':');
        let (whose, relay, port) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let bare = whose.strip_prefix('.').unwrap_or(whose);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let next = relay.map(|relay| match relay {
            "" => String::new(),
            relay => format!("[{}]{port}", relay.trim_matches(['[', ']'])),
        });
        let is_next_hop = |next: &String| next.is_empty() || NextHop::parse(next, Protocol::Smtp).is_ok();
        let is_whose = bare.is_empty() || is_domain(&bare.to_lowercase());
        let Some(next) = next.filter(|next| is_whose && is_next_hop(next)) else {
            imported.note(
                "smtproutes",
                line,
                format!("{item}: not carried over: expected domain:relay:port"),
            );
            continue;
        };
        if whose.is_empty() {
            relayhost = next;
        } else {
            table += &format!("{}\tsmtp:{next}\n", whose.to_lowercase());
        }
    }
    if !relayhost.is_empty() {
        imported.set("relayhost", relayhost);
    }
    if !table.is_empty() {
        imported.set("transport_maps", "texthash:smtproutes");
        imported.tables.push(("smtproutes".into(), table));
    }
}

/// A domain as the files name it, in lower case.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-_".contains(&octet))
    };
    name.split('.').all(is_label)
}

/// `user@domain`, `domain`, `.domain` or nothing.
fn is_virtual(whose: &str) -> bool {
    let whose = whose.to_lowercase();
    match whose.split_once('@') {
        Some((user, domain)) => !user.is_empty() && is_user(user) && is_domain(domain),
        None => whose.is_empty() || is_domain(whose.strip_prefix('.').unwrap_or(&whose)),
    }
}

/// The front of a local part that needs no quotes; empty for an exception.
fn is_user(user: &str) -> bool {
    user.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._+=".contains(&octet))
}

/// As an extended regular expression. What is left out of names has no meaning there but these.
fn escaped(name: &str) -> String {
    name.replace('.', "\\.").replace('+', "\\+")
}

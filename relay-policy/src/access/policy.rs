//! What access control is compiled from, and what is refused there.

use super::action::{is_permit, list_of};
use super::evaluation::AccessEvaluation;
use super::rule::{self, Check, Rule, Rules};
use super::subject::Subject;
use crate::address::{Routing, RoutingError, open_maps};
use crate::list_name::ListName;
use crate::match_list::{MatchList, ParsedList};
use crate::network;
use crate::parameters::Parameters;
use crate::request::{Request, Stage};
use crate::table::{Entry, Maps, OpenError, Opener, Table, Warning};
use crate::words::in_braces;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Why access control cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A table that a parameter or a list names.
    #[error("{parameter}: {error}")]
    Table {
        /// The parameter.
        parameter: String,
        /// The table, and what is wrong with it.
        error: OpenError,
    },
    /// A parameter about addresses and domains.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// Neither the relay list nor the recipient list refuses anybody.
    #[error(
        "an open relay: neither smtpd_relay_restrictions nor smtpd_recipient_restrictions has \
         reject_unauth_destination or reject where a stranger reaches it"
    )]
    OpenRelay,
    /// An entry of a list makes no sense, or a value that is needed is not there.
    #[error("{parameter}: {what}")]
    Entry {
        /// The parameter.
        parameter: &'static str,
        /// The entry, and what is wrong with it.
        what: String,
    },
    /// A restriction that there is not, or not whole, so that all that comes to it would be answered 451.
    #[error("{parameter}: {what}")]
    Restriction {
        /// The list or class.
        parameter: String,
        /// The restriction, and what is wrong with it.
        what: String,
    },
}

/// Access control, compiled; it decides nothing by itself, see [`AccessPolicy::evaluate`].
#[derive(Debug, Clone)]
pub struct AccessPolicy {
    pub(crate) parameters: Parameters,
    pub(crate) tables: BTreeMap<String, Arc<dyn Table>>,
    pub(crate) mynetworks: MatchList,
    pub(crate) mx_backup_networks: MatchList,
    /// `smtpd_log_access_permit_actions`.
    pub(crate) permit_actions: MatchList,
    pub(crate) routing: Arc<Routing>,
    pub(crate) maps: ListedMaps,
    /// A domain in an access table stands for its subdomains.
    pub(crate) access_parents_match: bool,
    lists: BTreeMap<ListName, Rules>,
    classes: BTreeMap<String, Rules>,
    warnings: Vec<Warning>,
}

/// The tables that say which addresses there are, and whose they are.
#[derive(Debug, Clone)]
pub(crate) struct ListedMaps {
    pub(crate) local_recipient: Maps,
    pub(crate) virtual_mailbox: Maps,
    pub(crate) virtual_alias: Maps,
    pub(crate) relay_recipient: Maps,
    pub(crate) canonical: Maps,
    pub(crate) recipient_canonical: Maps,
    pub(crate) sender_canonical: Maps,
    pub(crate) sender_login: Maps,
}

impl ListedMaps {
    fn open(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let mut local_recipient = Vec::new();
        for table in &p.local_recipient_maps {
            // What is named in alias_maps, too, is a file in the format of aliases.
            let opener = if p.alias_maps.contains(table) { opener.aliases() } else { *opener };
            let tables = std::slice::from_ref(table);
            local_recipient.push(open_maps("local_recipient_maps", tables, &opener, warnings)?);
        }
        let fixed = opener.without_substitution();
        let virtual_mailbox = open_maps("virtual_mailbox_maps", &p.virtual_mailbox_maps, &fixed, warnings)?;
        let mut open = |parameter, tables: &[String]| open_maps(parameter, tables, opener, warnings);
        Ok(Self {
            local_recipient: Maps::joined(local_recipient),
            virtual_mailbox,
            virtual_alias: open("virtual_alias_maps", &p.virtual_alias_maps)?,
            relay_recipient: open("relay_recipient_maps", &p.relay_recipient_maps)?,
            canonical: open("canonical_maps", &p.canonical_maps)?,
            recipient_canonical: open("recipient_canonical_maps", &p.recipient_canonical_maps)?,
            sender_canonical: open("sender_canonical_maps", &p.sender_canonical_maps)?,
            sender_login: open("smtpd_sender_login_maps", &p.smtpd_sender_login_maps)?,
        })
    }
}

impl AccessPolicy {
    /// Reads the lists and opens every table that is named.
    ///
    /// Neither the relay list nor the recipient list may be without a rule that refuses strangers, since that would be an
    /// open relay: `reject`, `defer`, `defer_if_permit`, `reject_unauth_destination` or `defer_unauth_destination`, where a
    /// stranger reaches it. One of the two lists suffices. Nor may the whole world be in `mynetworks`.
    ///
    /// A restriction that does not exist, or that lacks its argument, is no error here: whatever reaches it is refused
    /// with `451 4.3.5 Server configuration error`, and the log says why, as Postfix has it. Who wants to know beforehand asks
    /// [`AccessPolicy::check_lists`].
    ///
    /// # Errors
    /// [`AccessError`] names the parameter and the entry.
    pub fn compile(parameters: Parameters, opener: &Opener<'_>) -> Result<Self, AccessError> {
        let policy = Self::compile_unguarded(parameters, opener)?;
        if let Some(entry) = policy.mynetworks.whole_world() {
            let what = format!("{entry}: this is the whole world: write the networks that are meant");
            return Err(AccessError::Entry { parameter: "mynetworks", what });
        }
        let guards = [ListName::Relay, ListName::Recipient];
        if guards.into_iter().any(|name| policy.stops_strangers(&policy.list(name))) {
            Ok(policy)
        } else {
            Err(AccessError::OpenRelay)
        }
    }

    /// As [`AccessPolicy::compile`], and takes an open relay, too: to look at what a configuration does, or for a
    /// policy server, which relays nothing; never to take mail by.
    ///
    /// # Errors
    /// As [`AccessPolicy::compile`], but for what would be an open relay.
    pub fn compile_unguarded(parameters: Parameters, opener: &Opener<'_>) -> Result<Self, AccessError> {
        if parameters.smtpd_policy_service_default_action.trim().is_empty() {
            return Err(AccessError::Entry {
                parameter: "smtpd_policy_service_default_action",
                what: "it is empty: write an action, such as DUNNO or 451 4.3.5 Server configuration problem"
                    .into(),
            });
        }
        let classes = &parameters.restriction_classes;
        let lists = [
            (ListName::Client, &parameters.smtpd_client_restrictions),
            (ListName::Helo, &parameters.smtpd_helo_restrictions),
            (ListName::Sender, &parameters.smtpd_sender_restrictions),
            (ListName::Relay, &parameters.smtpd_relay_restrictions),
            (ListName::Recipient, &parameters.smtpd_recipient_restrictions),
            (ListName::Data, &parameters.smtpd_data_restrictions),
            (ListName::EndOfData, &parameters.smtpd_end_of_data_restrictions),
            (ListName::Etrn, &parameters.smtpd_etrn_restrictions),
        ];
        let lists: BTreeMap<_, _> =
            lists.into_iter().map(|(name, text)| (name, rule::read(text, classes))).collect();
        let classes: BTreeMap<_, _> =
            classes.iter().map(|(name, text)| (name.clone(), rule::read(text, classes))).collect();
        let mut open = Open { opener, tables: BTreeMap::new(), warnings: Vec::new() };
        for (name, rules) in &lists {
            open.of_rules(&format!("smtpd_{name}_restrictions"), rules)?;
        }
        for (name, rules) in &classes {
            open.of_rules(name, rules)?;
        }
        for (parameter, tables) in [
            ("rbl_reply_maps", &parameters.rbl_reply_maps),
            ("relay_clientcerts", &parameters.relay_clientcerts),
        ] {
            for table in tables {
                open.table(parameter, table)?;
            }
        }
        let Open { tables, mut warnings, .. } = open;
        let permit_actions =
            MatchList::parse(&parameters.smtpd_log_access_permit_actions.join(" "), false, opener);
        warnings.extend(permit_actions.unusable.into_iter().chain(permit_actions.warnings));
        let permit_actions = permit_actions.list;
        let mut networks = |parameter: &'static str, entries: &[String]| {
            open_networks(parameter, &entries.join(" "), &parameters, opener, &mut warnings)
        };
        Ok(Self {
            permit_actions,
            mynetworks: networks("mynetworks", &parameters.mynetworks)?,
            mx_backup_networks: networks("permit_mx_backup_networks", &parameters.permit_mx_backup_networks)?,
            routing: Arc::new(Routing::from_parameters(&parameters, opener, &mut warnings)?),
            maps: ListedMaps::open(&parameters, opener, &mut warnings)?,
            access_parents_match: parameters.parents_match("smtpd_access_maps"),
            parameters,
            tables,
            lists,
            classes,
            warnings,
        })
    }

    /// What is to be said of the tables' sources.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What it was compiled from.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it resolves addresses with; an [`EnvelopeRouter`](crate::address::EnvelopeRouter) may share it.
    pub fn routing(&self) -> &Arc<Routing> {
        &self.routing
    }

    /// The DNS lists that are asked, each with whether names are looked up there, and not addresses.
    pub fn dns_lists(&self) -> BTreeSet<(&str, bool)> {
        let rules = self.lists.values().chain(self.classes.values()).flat_map(|rules| rules.iter());
        fn zone(rule: &Rule) -> Option<(&str, bool)> {
            match &rule.check {
                Check::DnsList { by_name, zone, .. } => Some((zone.domain(), *by_name)),
                _ => None,
            }
        }
        rules.filter_map(zone).collect()
    }

    /// Goes through the lines of all access tables that lists and classes name, as far as they show any ([`Table::visit`]).
    pub fn visit_tables(&self, see: &mut dyn FnMut(Entry<'_>)) {
        let rules = self.lists.values().chain(self.classes.values()).flat_map(|rules| rules.iter());
        let named: BTreeSet<&str> = rules.filter_map(|rule| rule.check.access_table()).collect();
        named.into_iter().filter_map(|table| self.tables.get(table)).for_each(|table| table.visit(see));
    }

    /// Whether anything here may depend on the client's name, so that it is worth while to look for it. A list in a
    /// table may be any list, so wherever there are access tables it is; and what is said of clients in a DNS list may name them.
    pub fn needs_client_name(&self) -> bool {
        let names = |rules: &Rules| rules.iter().any(|rule| rule.check.needs_client_name());
        let p = &self.parameters;
        let is_told = p.default_rbl_reply.contains("client") || !p.rbl_reply_maps.is_empty();
        self.lists.values().chain(self.classes.values()).any(names)
            || !self.mynetworks.is_of_networks()
            || is_told
    }

    /// Begins a decision about a command, with all the lists that it comes to.
    pub fn evaluate<'a>(&'a self, request: &'a Request, stage: Stage<'a>) -> AccessEvaluation<'a> {
        AccessEvaluation::of_command(self, request, stage)
    }

    /// Begins a decision by one list alone, whenever it would come to be asked.
    pub fn evaluate_list<'a>(
        &'a self,
        list: ListName,
        request: &'a Request,
        stage: Stage<'a>,
    ) -> AccessEvaluation<'a> {
        AccessEvaluation::of_list(self, list, request, stage)
    }

    pub(crate) fn list(&self, name: ListName) -> Rules {
        self.lists.get(&name).cloned().unwrap_or_default()
    }

    pub(crate) fn lists(&self) -> &BTreeMap<ListName, Rules> {
        &self.lists
    }

    pub(crate) fn classes(&self) -> &BTreeMap<String, Rules> {
        &self.classes
    }

    pub(crate) fn class(&self, name: &str) -> Rules {
        self.classes.get(name).cloned().unwrap_or_default()
    }
}

/// Reads a list of clients. What is unusable in it is refused, since it would decide about no client behind it.
pub(crate) fn open_networks(
    parameter: &'static str,
    text: &str,
    parameters: &Parameters,
    opener: &Opener<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<MatchList, AccessError> {
    let ParsedList { list, unusable, warnings: told } =
        MatchList::parse(text, parameters.parents_match(parameter), opener);
    if let Some(wrong) = unusable.first() {
        return Err(AccessError::Entry { parameter, what: wrong.to_string() });
    }
    warnings.extend(told);
    // A name is compared with the client's name, which has a domain.
    for name in list.names().filter(|name| !name.contains('.') && *name != "localhost") {
        let what = format!(
            "{name}: no network, and no name that a client has: write 192.0.2.0/24, or host.example.org"
        );
        warnings.push(Warning::of_configuration(parameter, &what));
    }
    Ok(list)
}

/// What becomes of a stranger in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    Permitted,
    Refused,
    GoesOn,
}

/// How many classes are looked into within each other.
pub(crate) const CLASSES_DEEP_MAX: usize = 32;

impl AccessPolicy {
    /// Whether a list has a rule that refuses, which no permit and no warning is in front of.
    pub(crate) fn stops_strangers(&self, list: &Rules) -> bool {
        self.stranger(list, CLASSES_DEEP_MAX) == Stranger::Refused
    }

    fn stranger(&self, list: &Rules, deep_max: usize) -> Stranger {
        let mut is_warning = false;
        for rule in list.iter() {
            let fate = match &rule.check {
                Check::Permit => Stranger::Permitted,
                Check::Access(subject, table) if self.permits_all(*subject, table, deep_max) => {
                    Stranger::Permitted
                }
                Check::BareTable(table) if self.permits_all(Subject::Recipient, table, deep_max) => {
                    Stranger::Permitted
                }
                Check::Class(class) if deep_max > 0 => self.stranger(&self.class(class), deep_max - 1),
                Check::WarnIfReject => {
                    is_warning = true;
                    continue;
                }
                Check::Reject
                | Check::Defer
                | Check::DeferIfPermit
                | Check::RejectUnauthDestination
                | Check::DeferUnauthDestination => Stranger::Refused,
                _ => Stranger::GoesOn,
            };
            match fate {
                Stranger::Refused if is_warning => {}
                Stranger::GoesOn => {}
                fate => return fate,
            }
            is_warning = false;
        }
        Stranger::GoesOn
    }

    /// Whether a table permits whoever there is: always, or all over the internet. Who has not logged in and shows no
    /// certificate is not looked up as such.
    fn permits_all(&self, subject: Subject, table: &str, deep_max: usize) -> bool {
        let constant = table.strip_prefix("static:").map(|text| in_braces(text).map_or(text, str::trim));
        match (constant, subject) {
            (_, Subject::Login | Subject::Certificate) => false,
            (Some(text), _) => self.permits(text, deep_max),
            (None, Subject::Client) => self.tables.get(table).is_some_and(|table| {
                let permits = |address: &IpAddr| match table.look_up(&address.to_string()) {
                    Ok(Some(found)) => self.permits(&found.text, deep_max),
                    _ => false,
                };
                network::all_over().iter().any(|addresses| addresses.iter().all(permits))
            }),
            (None, _) => false,
        }
    }

    /// Whether what stands beside a key permits a stranger: an action, or a list that comes to a permit.
    pub(crate) fn permits(&self, text: &str, deep_max: usize) -> bool {
        let list = || list_of(text).map(|list| rule::read(list, &self.parameters.restriction_classes));
        is_permit(text)
            || deep_max > 0
                && list().is_some_and(|rules| self.stranger(&rules, deep_max - 1) == Stranger::Permitted)
    }
}

struct Open<'o> {
    opener: &'o Opener<'o>,
    tables: BTreeMap<String, Arc<dyn Table>>,
    warnings: Vec<Warning>,
}

impl Open<'_> {
    fn table(&mut self, parameter: &str, reference: &str) -> Result<(), AccessError> {
        if !self.tables.contains_key(reference) {
            let opened = self
                .opener
                .open(reference)
                .map_err(|error| AccessError::Table { parameter: parameter.into(), error })?;
            self.tables.insert(reference.into(), opened.table);
            self.warnings.extend(opened.warnings);
        }
        Ok(())
    }

    fn of_rules(&mut self, parameter: &str, rules: &Rules) -> Result<(), AccessError> {
        for rule in rules.iter() {
            if let Some(table) = rule.check.access_table() {
                self.table(parameter, table)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Answers, Key};

    #[test]
    fn aliases_are_users_in_their_own_format() {
        let mut parameters = Parameters::default();
        parameters.set("alias_maps", "hash:aliases").unwrap();
        parameters.set("local_recipient_maps", "hash:users, hash:aliases").unwrap();
        let read = |path: &str| match path {
            "aliases" => Ok(b"list: ann, bob\n".to_vec()),
            _ => Ok(b"ann x\n".to_vec()),
        };
        let policy = AccessPolicy::compile(parameters, &Opener::new(&read)).unwrap();
        assert_eq!(policy.warnings(), []);
        let answers = Answers::default();
        for (key, is_there) in [("list", true), ("ann", true), ("list:", false), ("bob", false)] {
            let found = policy.maps.local_recipient.look_up(Key::Whole(key), &answers).unwrap();
            assert_eq!(found.is_some(), is_there, "{key}");
        }
    }
}

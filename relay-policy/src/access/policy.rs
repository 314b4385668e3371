//! What access control is compiled from, and what is refused there.

use super::evaluation::AccessEvaluation;
use super::rule::{self, Check, Rules};
use crate::domain::DomainSet;
use crate::network::{NetworkError, NetworkList};
use crate::parameters::Parameters;
use crate::request::{Request, Stage};
use crate::restriction::ListName;
use crate::table::{OpenError, Opener, Table, Warning};
use crate::words::is_table;
use std::collections::BTreeMap;
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
    /// An entry of `mynetworks`.
    #[error("mynetworks: {0}")]
    Network(NetworkError),
    /// An entry of `mydestination`.
    #[error("mydestination: {0}: not a domain name")]
    Domain(String),
}

/// Access control, compiled; it decides nothing by itself, see [`AccessPolicy::evaluate`].
#[derive(Debug, Clone)]
pub struct AccessPolicy {
    pub(crate) parameters: Parameters,
    pub(crate) tables: BTreeMap<String, Arc<dyn Table>>,
    pub(crate) mynetworks: Vec<Trusted>,
    pub(crate) ours: DomainSet,
    lists: BTreeMap<ListName, Rules>,
    classes: BTreeMap<String, Rules>,
    warnings: Vec<Warning>,
}

/// An entry of `mynetworks`.
#[derive(Debug, Clone)]
pub(crate) enum Trusted {
    /// One or more networks that stand together.
    Networks(NetworkList),
    /// A table with the client's address as its key.
    Table(String),
}

impl AccessPolicy {
    /// Reads the lists and opens every table that is named.
    ///
    /// A restriction that does not exist, or that lacks its argument, is no error here: whatever reaches it is refused
    /// with `451 4.3.5 Server configuration error`, and the log says why.
    ///
    /// # Errors
    /// [`AccessError`] names the parameter and the entry.
    pub fn compile(parameters: Parameters, opener: &Opener<'_>) -> Result<Self, AccessError> {
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
        for (parameter, entries) in table_parameters(&parameters) {
            for entry in entries.iter().map(|entry| entry.trim_start_matches('!')) {
                if is_table(entry) {
                    open.table(parameter, entry)?;
                }
            }
        }
        let Open { tables, warnings, .. } = open;
        Ok(Self {
            mynetworks: trusted(&parameters.mynetworks)?,
            ours: DomainSet::new(&parameters.mydestination).map_err(AccessError::Domain)?,
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

    pub(crate) fn class(&self, name: &str) -> Rules {
        self.classes.get(name).cloned().unwrap_or_default()
    }
}

/// The parameters that may name tables.
fn table_parameters(parameters: &Parameters) -> [(&'static str, &[String]); 13] {
    [
        ("mynetworks", &parameters.mynetworks),
        ("relay_domains", &parameters.relay_domains),
        ("virtual_alias_domains", &parameters.virtual_alias_domains),
        ("virtual_mailbox_domains", &parameters.virtual_mailbox_domains),
        ("local_recipient_maps", &parameters.local_recipient_maps),
        ("virtual_mailbox_maps", &parameters.virtual_mailbox_maps),
        ("virtual_alias_maps", &parameters.virtual_alias_maps),
        ("relay_recipient_maps", &parameters.relay_recipient_maps),
        ("canonical_maps", &parameters.canonical_maps),
        ("recipient_canonical_maps", &parameters.recipient_canonical_maps),
        ("sender_canonical_maps", &parameters.sender_canonical_maps),
        ("smtpd_sender_login_maps", &parameters.smtpd_sender_login_maps),
        ("rbl_reply_maps", &parameters.rbl_reply_maps),
    ]
}

/// The entries, networks that stand together as one list.
fn trusted(entries: &[String]) -> Result<Vec<Trusted>, AccessError> {
    let mut trusted = Vec::new();
    for run in entries.chunk_by(|a, b| !is_table(a) && !is_table(b)) {
        trusted.push(match run {
            [entry] if is_table(entry) => Trusted::Table(entry.clone()),
            networks => Trusted::Networks(NetworkList::new(networks).map_err(AccessError::Network)?),
        });
    }
    Ok(trusted)
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
            match &rule.check {
                Check::Access(_, table) | Check::ServerAccess { table, .. } | Check::BareTable(table) => {
                    self.table(parameter, table)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

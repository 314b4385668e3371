//! The steps on an address's way through canonical maps, virtual aliases, resolving and local aliases to a mailbox.

use super::run::EnvelopeRun;
use super::{Failure, FinalRecipient, NESTED_MAX, Way};
use crate::access::split_enhanced;
use crate::address::{
    ALIAS_EXPANSION_ERROR, Address, AddressClass, Delivery, Expansion, LocalDelivery, MappingWarning,
    ResolveError, RewriteContext, Target, luser_relay,
};
use crate::domain;
use crate::table::{Key, LookupError, Missing};
use std::fmt::{self, Display};

/// What is still to be done.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// A sender, as the client gave it.
    Sender(Address),
    /// The copies for these recipients, and for the sender.
    Copies(Vec<Address>),
    /// An address as a client or an alias has it.
    Recipient { address: Address, branch: Branch },
    /// One that is in no virtual alias any more.
    Resolve { address: Address, branch: Branch },
    /// Who is to have a mailbox here; or the users of this machine alone.
    Mailbox { address: Address, is_local: bool, branch: Branch },
}

/// How an address came to be looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Branch {
    depth: usize,
    /// The owner of the list that it comes from.
    sender: Option<Address>,
    /// It takes the place of somebody who is not there.
    is_substitute: bool,
}

/// Why a task does not end.
pub(super) enum TaskError {
    /// These are to be asked first.
    Asks(Missing),
    /// A table did not answer.
    Lookup(LookupError),
    /// It never will.
    Fails(Failure),
}

impl From<LookupError> for TaskError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Elsewhere { table, key } => Self::Asks(vec![(table, key)]),
            error => Self::Lookup(error),
        }
    }
}

impl Task {
    pub(super) fn recipient(address: Address) -> Self {
        Self::Recipient { address, branch: Branch::default() }
    }
}

/// The address that it is about.
impl Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(address)
            | Self::Recipient { address, .. }
            | Self::Resolve { address, .. }
            | Self::Mailbox { address, .. } => address.fmt(f),
            Self::Copies(_) => f.write_str("copies"),
        }
    }
}

impl Branch {
    fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, ..self.clone() }
    }
}

pub(super) fn forwarding_loop(address: &Address) -> Failure {
    fails(address, format!("5.4.6 mail forwarding loop for {address}"))
}

fn fails(target: &Address, reason: impl Into<String>) -> Failure {
    Failure { target: target.to_string(), reason: reason.into() }
}

type Next = Result<Vec<Task>, TaskError>;

impl EnvelopeRun<'_> {
    /// Carries a task out: what is to be done next, in order.
    pub(super) fn carry_out(&mut self, task: &Task) -> Next {
        match task {
            Task::Sender(address) => {
                self.routed.canonical = self.canonical(address, AddressClass::EnvelopeSender)?;
                Ok(Vec::new())
            }
            Task::Copies(recipients) => {
                let mapper = self.router.routing.mapper(&self.answers);
                let copies = self.router.bcc.recipients(&self.sender, recipients, &mapper)?;
                Ok(copies.into_iter().map(Task::recipient).collect())
            }
            Task::Recipient { address, branch } => self.expand(address, branch),
            Task::Resolve { address, branch } => self.resolve(address, branch),
            Task::Mailbox { address, is_local, branch } => self.find_mailbox(address, *is_local, branch),
        }
    }

    /// Completes an address and maps it.
    fn canonical(&mut self, address: &Address, class: AddressClass) -> Result<Address, TaskError> {
        let routing = &self.router.routing;
        let complete = routing.rewriting.rewrite_internal(address, RewriteContext::Local);
        let done = self.router.address_maps.map(&complete, class, &routing.mapper(&self.answers))?;
        for warning in done.warnings.iter().map(ToString::to_string) {
            // A task that is begun again says nothing twice.
            if !self.routed.warnings.contains(&warning) {
                self.routed.warnings.push(warning);
            }
        }
        if done.warnings.iter().any(|warning| matches!(warning, MappingWarning::Lookup { .. })) {
            return Err(TaskError::Fails(fails(address, ALIAS_EXPANSION_ERROR)));
        }
        self.note("canonical_maps", &complete, std::iter::once(done.address.to_string()));
        Ok(done.address)
    }

    fn expand(&mut self, address: &Address, branch: &Branch) -> Next {
        if branch.depth > NESTED_MAX {
            return Err(TaskError::Fails(forwarding_loop(address)));
        }
        let router = self.router;
        let canonical = self.canonical(address, AddressClass::EnvelopeRecipient)?;
        let (mapper, mut missing) = (router.routing.mapper(&self.answers), Missing::new());
        let expansion = router.virtual_aliases.expand_known(&canonical, &mapper, &mut missing);
        if !missing.is_empty() {
            return Err(TaskError::Asks(missing));
        }
        if branch.depth == 0 && self.routed.canonical.is_empty() {
            self.routed.canonical.clone_from(&canonical);
        }
        match expansion {
            Expansion::To(to) => {
                self.note("virtual_alias_maps", &canonical, to.iter().map(Address::to_string));
                let next = |address| Task::Resolve { address, branch: branch.clone() };
                Ok(to.into_iter().map(next).collect())
            }
            Expansion::Error(warning) => {
                self.routed.warnings.push(warning.to_string());
                Err(TaskError::Fails(fails(address, ALIAS_EXPANSION_ERROR)))
            }
        }
    }

    fn resolve(&mut self, address: &Address, branch: &Branch) -> Next {
        let router = self.router;
        let resolution =
            router.routing.resolve(address, &self.sender, &self.answers).map_err(|error| match error {
                ResolveError::Lookup(error) => error.into(),
                ResolveError::BadAddress { why, .. } => {
                    TaskError::Fails(fails(address, format!("5.1.3 bad address syntax: {why}")))
                }
            })?;
        let address = comparable(resolution.recipient);
        let key = address.as_str().to_ascii_lowercase();
        if self.followed.contains(&key) {
            return Ok(Vec::new());
        }
        let transport = resolution.transport;
        let way = match transport.service.as_str() {
            "local" => {
                let next = self.local(&address, branch)?;
                self.followed.insert(key);
                return Ok(next);
            }
            "virtual" => {
                self.followed.insert(key);
                return Ok(vec![Task::Mailbox { address, is_local: false, branch: branch.clone() }]);
            }
            "error" => {
                return Err(TaskError::Fails(fails(&address, with_status(&transport.nexthop, "5.0.0"))));
            }
            "retry" => {
                return Err(TaskError::Fails(fails(&address, with_status(&transport.nexthop, "4.0.0"))));
            }
            "discard" => Way::Discard(transport.nexthop),
            _ => Way::Transport(transport),
        };
        self.followed.insert(key);
        self.add(FinalRecipient { address, way, sender: branch.sender.clone() });
        Ok(Vec::new())
    }

    /// What a user of this machine stands for.
    fn local(&mut self, address: &Address, branch: &Branch) -> Next {
        let router = self.router;
        if router.local_aliases.alias_maps.is_empty() {
            return Ok(vec![Task::Mailbox {
                address: address.clone(),
                is_local: true,
                branch: branch.clone(),
            }]);
        }
        let (aliases, mut missing) = (&router.local_aliases, Missing::new());
        let expansion = aliases.expand_known(address, &router.routing, &self.answers, &mut missing)?;
        if !missing.is_empty() {
            return Err(TaskError::Asks(missing));
        }
        self.note("alias_maps", address, expansion.deliveries.iter().map(|delivery| delivery.to.to_string()));
        let failures = expansion.failures.into_iter();
        self.routed
            .failures
            .extend(failures.map(|failure| Failure { target: failure.target, reason: failure.reason }));
        Ok(expansion
            .deliveries
            .into_iter()
            .filter_map(|delivery| self.follow(address, delivery, branch))
            .collect())
    }

    /// What is to be done about a target of an alias of `address`; none where it is a recipient as it stands.
    fn follow(&mut self, address: &Address, delivery: LocalDelivery, branch: &Branch) -> Option<Task> {
        let LocalDelivery { to, sender } = delivery;
        let branch = Branch { sender: sender.or_else(|| branch.sender.clone()), ..branch.clone() };
        let way = match to {
            Delivery::Mailbox(address) => {
                return Some(Task::Mailbox { address: comparable(address), is_local: true, branch });
            }
            Delivery::Forward(address) => return Some(Task::Recipient { address, branch: branch.deeper() }),
            Delivery::Command(command) => Way::Command(command),
            Delivery::File(path) => Way::File(path),
        };
        self.add(FinalRecipient { address: address.clone(), way, sender: branch.sender });
        None
    }

    fn find_mailbox(&mut self, address: &Address, is_local: bool, branch: &Branch) -> Next {
        if let Some(account) = self.account(address)? {
            let way = Way::Mailbox(account);
            self.add(FinalRecipient { address: address.clone(), way, sender: branch.sender.clone() });
            return Ok(Vec::new());
        }
        let router = self.router;
        let local_part = address.local_part();
        let is = |name: &str| local_part.eq_ignore_ascii_case(name);
        if is_local && is(&router.routing.extensions.double_bounce_sender) {
            let way = Way::Discard("a report about a report".into());
            self.add(FinalRecipient { address: address.clone(), way, sender: None });
            return Ok(Vec::new());
        }
        let unknown = || {
            let table = if is_local { "local recipient" } else { "virtual mailbox" };
            let text = match router.routing.show_user_unknown_table_name {
                true => format!("5.1.1 User unknown in {table} table"),
                false => "5.1.1 User unknown".into(),
            };
            TaskError::Fails(fails(address, text))
        };
        if branch.is_substitute {
            return Err(unknown());
        }
        let branch = Branch { is_substitute: true, ..branch.deeper() };
        let postmaster = router.postmaster.as_ref().filter(|postmaster| !postmaster.is_same(address));
        if let Some(postmaster) = postmaster.filter(|_| is("postmaster") || is("MAILER-DAEMON")) {
            return Ok(vec![Task::Recipient { address: postmaster.clone(), branch }]);
        }
        if is_local && !router.luser_relay.is_empty() {
            let text = luser_relay(&router.luser_relay, address, &router.routing.extensions);
            self.note("luser_relay", address, std::iter::once(text.clone()));
            let targets = Target::parse_list(&text, &router.routing.rewriting);
            return Ok(targets
                .into_iter()
                .filter_map(|target| self.substitute(address, target, &branch))
                .collect());
        }
        Err(unknown())
    }

    /// Who takes the place of a user who is not there.
    fn substitute(&mut self, address: &Address, target: Target, branch: &Branch) -> Option<Task> {
        let aliases = &self.router.local_aliases;
        let to = match target {
            Target::Address(address) => Delivery::Forward(address),
            Target::Command(command) if aliases.allow_mail_to_commands.in_alias => Delivery::Command(command),
            Target::File(path) if aliases.allow_mail_to_files.in_alias => Delivery::File(path),
            Target::Command(_) | Target::File(_) | Target::Include(_) => {
                let reason = "5.7.1 luser_relay: mail to commands, files and lists is restricted";
                self.routed.failures.push(fails(address, reason));
                return None;
            }
        };
        self.follow(address, LocalDelivery { to, sender: None }, branch)
    }

    /// The account whose mailbox an address is, with its extension or without.
    fn account(&self, address: &Address) -> Result<Option<Address>, LookupError> {
        let router = self.router;
        if router.mailboxes.is_empty() {
            return Ok(Some(address.clone()));
        }
        let base = router.routing.extensions.split(address.local_part());
        let base = base.map(|(base, _)| address.with_local_part(base).to_string());
        let whole = address.to_string();
        for key in [Some(Key::Whole(&whole)), base.as_deref().map(Key::Part)].into_iter().flatten() {
            if let Some(found) = router.mailboxes.look_up(key, &self.answers)? {
                return Ok(Some(Address::parse(&found.text)));
            }
        }
        Ok(None)
    }
}

/// The same address with its domain as it is compared.
fn comparable(address: Address) -> Address {
    match address.domain().filter(|domain| !domain.starts_with('[')).and_then(domain::key) {
        Some(domain) => Address::internal(format!("{}@{domain}", address.local_part())),
        None => address,
    }
}

/// What `error` and `retry` say, with a status code (RFC 3463) in front.
fn with_status(text: &str, default: &str) -> String {
    match split_enhanced(text) {
        Some(((class, ..), _)) if default.starts_with(&class.to_string()) => text.into(),
        _ => format!("{default} {text}"),
    }
}

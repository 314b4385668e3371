//! The steps on an address's way through canonical maps, virtual aliases, resolving and local aliases to a mailbox.

use super::run::EnvelopeRun;
use super::{EnvelopeRouter, Failure, FinalRecipient, NESTED_MAX, Way};
use crate::access::split_enhanced;
use crate::address::{
    ALIAS_EXPANSION_ERROR, Address, AddressClass, Delivery, Expansion, LocalDelivery, MappingWarning,
    Resolution, ResolveError, RewriteContext, Target, luser_relay,
};
use crate::domain;
use crate::table::{Key, LookupError, Missing};
use std::fmt::{self, Display};
use std::sync::Arc;

/// What is still to be done.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// A sender, as the client gave it.
    Sender(Address),
    /// The copies for these recipients, and for the sender.
    Copies(Vec<Address>),
    /// An address as a client or an alias has it.
    Recipient { address: Address, branch: Branch },
    /// One that is in no virtual alias any more; and where it leads, if that is known.
    Resolve { address: Address, resolution: Option<Arc<Resolution>>, branch: Branch },
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

type Carried = Result<(), TaskError>;

impl EnvelopeRun<'_> {
    /// Carries a task out: adds what is to be done next, in order.
    pub(super) fn carry_out(&mut self, task: &Task) -> Carried {
        match task {
            Task::Sender(address) => {
                let rewriting = &self.router.routing.rewriting;
                let complete = rewriting.rewrite_internal(address, RewriteContext::Local);
                let mapped = self.mapped(&complete, address, AddressClass::EnvelopeSender)?;
                self.routed.canonical = mapped.unwrap_or_else(|| complete.into_owned());
                Ok(())
            }
            Task::Copies(recipients) => {
                let mapper = self.router.routing.mapper(&self.answers);
                let copies = self.router.bcc.recipients(&self.sender, recipients, &mapper)?;
                self.tasks.extend(copies.into_iter().map(Task::recipient));
                Ok(())
            }
            Task::Recipient { address, branch } => self.expand(address, branch),
            Task::Resolve { address, resolution, branch } => {
                self.resolve(address, resolution.as_deref(), branch)
            }
            Task::Mailbox { address, is_local, branch } => self.find_mailbox(address, *is_local, branch),
        }
    }

    /// What stands in the place of an address; none where nothing ever does. `written` is what it was before it was complete.
    fn mapped(
        &mut self,
        complete: &Address,
        written: &Address,
        class: AddressClass,
    ) -> Result<Option<Address>, TaskError> {
        let EnvelopeRouter { routing, address_maps, .. } = self.router;
        if address_maps.is_empty(class) {
            return Ok(None);
        }
        let done = address_maps.map(complete, class, &routing.mapper(&self.answers))?;
        for warning in done.warnings.iter().map(ToString::to_string) {
            // A task that is begun again says nothing twice.
            if !self.routed.warnings.contains(&warning) {
                self.routed.warnings.push(warning);
            }
        }
        if done.warnings.iter().any(|warning| matches!(warning, MappingWarning::Lookup { .. })) {
            return Err(TaskError::Fails(fails(written, ALIAS_EXPANSION_ERROR)));
        }
        self.note_canonical(complete, class);
        Ok(Some(done.address))
    }

    fn expand(&mut self, address: &Address, branch: &Branch) -> Carried {
        if branch.depth > NESTED_MAX {
            return Err(TaskError::Fails(forwarding_loop(address)));
        }
        let EnvelopeRouter { routing, virtual_aliases, .. } = self.router;
        let complete = routing.rewriting.rewrite_internal(address, RewriteContext::Local);
        let mapped = self.mapped(&complete, address, AddressClass::EnvelopeRecipient)?;
        let canonical = mapped.as_ref().unwrap_or(&complete);
        let expansion = match virtual_aliases.is_empty() {
            true => None,
            false => {
                let (mapper, mut missing) = (routing.mapper(&self.answers), Missing::new());
                let expansion = virtual_aliases.expand_known(canonical, &mapper, &mut missing);
                if !missing.is_empty() {
                    return Err(TaskError::Asks(missing));
                }
                self.note_virtual_aliases(canonical);
                Some(expansion)
            }
        };
        let is_first = branch.depth == 0;
        if is_first && self.routed.canonical.is_empty() {
            self.routed.canonical = canonical.clone();
        }
        let known = self.resolution.clone().filter(|_| is_first);
        let next = |address: Address| {
            let resolution = known.clone().filter(|_| address == *complete);
            Task::Resolve { address, resolution, branch: branch.clone() }
        };
        match expansion {
            None => self.tasks.push(next(canonical.clone())),
            Some(Expansion::To(to)) => self.tasks.extend(to.into_iter().map(next)),
            Some(Expansion::Error(warning)) => {
                self.routed.warnings.push(warning.to_string());
                return Err(TaskError::Fails(fails(address, ALIAS_EXPANSION_ERROR)));
            }
        }
        Ok(())
    }

    fn resolve(&mut self, address: &Address, known: Option<&Resolution>, branch: &Branch) -> Carried {
        let router = self.router;
        let found;
        let resolution = match known {
            Some(known) => known,
            None => {
                let resolved = router.routing.resolve(address, &self.sender, &self.answers);
                found = resolved.map_err(|error| match error {
                    ResolveError::Lookup(error) => error.into(),
                    ResolveError::BadAddress { why, .. } => {
                        TaskError::Fails(fails(address, format!("5.1.3 bad address syntax: {why}")))
                    }
                })?;
                &found
            }
        };
        let address = comparable(&resolution.recipient);
        let key = address.as_str().to_ascii_lowercase();
        if self.followed.contains(&key) {
            return Ok(());
        }
        let transport = &resolution.transport;
        let way = match transport.service.as_str() {
            "local" => {
                self.local(address, branch)?;
                self.followed.insert(key);
                return Ok(());
            }
            "virtual" => {
                self.followed.insert(key);
                self.tasks.push(Task::Mailbox { address, is_local: false, branch: branch.clone() });
                return Ok(());
            }
            "error" => {
                return Err(TaskError::Fails(fails(&address, with_status(&transport.nexthop, "5.0.0"))));
            }
            "retry" => {
                return Err(TaskError::Fails(fails(&address, with_status(&transport.nexthop, "4.0.0"))));
            }
            "discard" => Way::Discard(transport.nexthop.clone()),
            _ => Way::Transport(transport.clone()),
        };
        self.followed.insert(key);
        self.add(FinalRecipient { address, way, sender: branch.sender.clone() });
        Ok(())
    }

    /// What a user of this machine stands for.
    fn local(&mut self, address: Address, branch: &Branch) -> Carried {
        let router = self.router;
        if router.local_aliases.alias_maps.is_empty() {
            self.tasks.push(Task::Mailbox { address, is_local: true, branch: branch.clone() });
            return Ok(());
        }
        let (aliases, mut missing) = (&router.local_aliases, Missing::new());
        let expansion = aliases.expand_known(&address, &router.routing, &self.answers, &mut missing)?;
        if !missing.is_empty() {
            return Err(TaskError::Asks(missing));
        }
        self.note_aliases(&expansion.aliases);
        let failures = expansion.failures.into_iter();
        self.routed
            .failures
            .extend(failures.map(|failure| Failure { target: failure.target, reason: failure.reason }));
        for delivery in expansion.deliveries {
            let next = self.follow(&address, delivery, branch);
            self.tasks.extend(next);
        }
        Ok(())
    }

    /// What is to be done about a target of an alias of `address`; none where it is a recipient as it stands.
    fn follow(&mut self, address: &Address, delivery: LocalDelivery, branch: &Branch) -> Option<Task> {
        let LocalDelivery { to, recipient, sender } = delivery;
        let branch = Branch { sender: sender.or_else(|| branch.sender.clone()), ..branch.clone() };
        let way = match to {
            Delivery::Mailbox(address) => {
                return Some(Task::Mailbox { address: comparable(&address), is_local: true, branch });
            }
            Delivery::Forward(address) => return Some(Task::Recipient { address, branch: branch.deeper() }),
            Delivery::Command(command) => {
                self.add(FinalRecipient {
                    address: recipient,
                    way: Way::Command(command),
                    sender: branch.sender,
                });
                return None;
            }
            Delivery::File(path) => Way::File(path),
        };
        self.add(FinalRecipient { address: address.clone(), way, sender: branch.sender });
        None
    }

    fn find_mailbox(&mut self, address: &Address, is_local: bool, branch: &Branch) -> Carried {
        if let Some(account) = self.account(address)? {
            let way = Way::Mailbox(account);
            self.add(FinalRecipient { address: address.clone(), way, sender: branch.sender.clone() });
            return Ok(());
        }
        let router = self.router;
        let local_part = address.local_part();
        let is = |name: &str| local_part.eq_ignore_ascii_case(name);
        if is_local && is(&router.routing.extensions.double_bounce_sender) {
            let way = Way::Discard("a report about a report".into());
            self.add(FinalRecipient { address: address.clone(), way, sender: None });
            return Ok(());
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
            self.tasks.push(Task::Recipient { address: postmaster.clone(), branch });
            return Ok(());
        }
        if is_local && !router.luser_relay.is_empty() {
            let target = luser_relay(&router.luser_relay, address, &router.routing.extensions);
            let next = self.substitute(address, target, &branch);
            self.tasks.extend(next);
            return Ok(());
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
        self.note("luser_relay", address, to.to_string());
        self.follow(address, LocalDelivery { to, recipient: address.clone(), sender: None }, branch)
    }

    /// The account whose mailbox an address is, with its extension or without.
    fn account(&self, address: &Address) -> Result<Option<Address>, LookupError> {
        let router = self.router;
        if router.mailboxes.is_empty() {
            return Ok(Some(address.clone()));
        }
        let look_up = |key: Key<'_>| {
            let found = router.mailboxes.look_up(key, &self.answers)?;
            Ok::<_, LookupError>(found.map(|found| Address::parse(&found.text)))
        };
        let account = look_up(Key::Whole(&address.external()))?;
        match router.routing.extensions.split(address.local_part()) {
            Some((base, _)) if account.is_none() => {
                look_up(Key::Part(&address.with_local_part(base).external()))
            }
            _ => Ok(account),
        }
    }
}

/// The same address with its domain as it is compared.
fn comparable(address: &Address) -> Address {
    match address.domain().filter(|domain| !domain.starts_with('[')).and_then(domain::key) {
        Some(domain) => Address::internal([address.local_part(), "@", &domain].concat()),
        None => address.clone(),
    }
}

/// What `error` and `retry` say, with a status code (RFC 3463) in front.
fn with_status(text: &str, default: &str) -> String {
    match split_enhanced(text) {
        Some(((class, ..), _)) if default.starts_with(&class.to_string()) => text.into(),
        _ => format!("{default} {text}"),
    }
}

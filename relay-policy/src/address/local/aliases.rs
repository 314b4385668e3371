//! `alias_maps`: what a local recipient stands for.
//!
//! An alias stands for addresses, programs, files and files of more of these. Addresses of this machine are looked up
//! again, others are where a new message goes. Where an alias names itself, the user of that name is meant. Whose alias has
//! an `owner-` alias beside it, what goes to its members comes from there, so that reports about them do, too.
//!
//! # Limits
//! Aliases and included files are nested [`NESTED_MAX`] deep, and there are at most [`LocalAliases::targets_max`] targets.
//!
//! # Departures
//! From Postfix: programs and files are refused unless they are allowed; and where aliases lead only to each other, that is
//! a failure and not the end of the message without a word. `.forward` files are the engine's matter.

use super::target::{INCLUDE, Target};
use crate::address::{Address, ResolveError, Routing};
use crate::decision::Class;
use crate::table::{Answers, Key, LookupError, Maps, Missing};
use std::collections::BTreeSet;
use std::fmt;

/// How deep aliases and included files are nested.
const NESTED_MAX: usize = 100;

/// The aliases of this machine, and what they may do.
#[derive(Debug, Clone)]
pub struct LocalAliases {
    /// `alias_maps`. Their keys are local parts.
    pub alias_maps: Maps,
    /// `allow_mail_to_commands`.
    pub allow_mail_to_commands: Allowed,
    /// `allow_mail_to_files`.
    pub allow_mail_to_files: Allowed,
    /// `expand_owner_alias`: mail comes from whom the owner's alias stands for, not from the alias.
    pub expand_owner_alias: bool,
    /// How many targets a recipient may have, those counted that are passed through.
    pub targets_max: usize,
}

/// Where something may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// In alias tables.
    pub in_alias: bool,
    /// In included files, which others than the administrator may write.
    pub in_include: bool,
}

/// What a recipient stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalExpansion {
    /// Where mail goes, each once.
    pub deliveries: Vec<LocalDelivery>,
    /// What of it cannot be done.
    pub failures: Vec<AliasFailure>,
    /// The aliases that it comes by, in lower case, each once.
    pub aliases: Vec<String>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDelivery {
    /// Where to.
    pub to: Delivery,
    /// The local recipient whose alias it is, or the recipient itself. Of an alias within an alias it is the inner one: that is
    /// whom a program is told of, and for whom it runs.
    pub recipient: Address,
    /// The sender in place of the message's own: the owner of the alias.
    pub sender: Option<Address>,
}

/// Where a delivery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A user of this machine, if there is one.
    Mailbox(Address),
    /// Elsewhere, as a new message.
    Forward(Address),
    /// A program.
    Command(String),
    /// A file, or a Maildir where it ends in `/`.
    File(String),
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(address) | Self::Forward(address) => address.fmt(f),
            Self::Command(command) => write!(f, "|{command}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

/// A target that fails for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasFailure {
    /// The target as it is written.
    pub target: String,
    /// The status code and the text of the report: `5.7.1 mail to command is restricted`.
    pub reason: String,
}

/// What is still to be looked at.
struct Work {
    target: Target,
    /// The alias that it comes from, in lower case; for the recipient itself, none.
    alias: Option<String>,
    /// Whose alias that is, or the recipient itself.
    recipient: Address,
    in_include: bool,
    depth: usize,
    sender: Option<Address>,
}

impl LocalAliases {
    /// These tables; programs and files are refused.
    pub fn new(alias_maps: Maps) -> Self {
        Self {
            alias_maps,
            allow_mail_to_commands: Allowed::default(),
            allow_mail_to_files: Allowed::default(),
            expand_owner_alias: false,
            targets_max: 50_000,
        }
    }

    /// Finds what a recipient of a local domain stands for.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when a table or an included file must be asked first; otherwise the delivery fails for
    /// now.
    pub fn expand(
        &self,
        recipient: &Address,
        routing: &Routing,
        answers: &Answers,
    ) -> Result<LocalExpansion, LookupError> {
        let mut missing = Missing::new();
        let expansion = self.expand_known(recipient, routing, answers, &mut missing)?;
        match missing.into_iter().next() {
            Some((table, key)) => Err(LookupError::Elsewhere { table, key }),
            None => Ok(expansion),
        }
    }

    /// Finds what a recipient stands for as far as the answers reach. What must be asked first is added to `missing`, for all
    /// targets whose turn it is: then it is no expansion yet.
    ///
    /// # Errors
    /// [`LookupError::Failed`]: the delivery fails for now.
    pub(crate) fn expand_known(
        &self,
        recipient: &Address,
        routing: &Routing,
        answers: &Answers,
        missing: &mut Missing,
    ) -> Result<LocalExpansion, LookupError> {
        let (mut expansion, mut targets) = (Builder::default(), 0);
        let target = Target::Address(recipient.clone());
        let recipient_itself = Work {
            target,
            alias: None,
            recipient: recipient.clone(),
            in_include: false,
            depth: 0,
            sender: None,
        };
        let mut work = vec![recipient_itself];
        while let Some(next) = work.pop() {
            targets += 1;
            if targets > self.targets_max {
                let cause = format!("{recipient} stands for more than {} targets", self.targets_max);
                return Err(LookupError::Failed { table: "alias_maps".into(), cause });
            }
            let inner = match &next.target {
                Target::Command(command) => {
                    let allowed = self.allow_mail_to_commands;
                    expansion.deliver_if(allowed, &next, Delivery::Command, command);
                    continue;
                }
                Target::File(path) => {
                    let allowed = self.allow_mail_to_files;
                    expansion.deliver_if(allowed, &next, Delivery::File, path);
                    continue;
                }
                Target::Include(path) => included(path, &next, routing, answers, &mut expansion),
                Target::Address(address) => self.address(address, &next, routing, answers, &mut expansion),
            };
            let inner = match inner {
                Err(LookupError::Elsewhere { table, key }) => {
                    missing.push((table, key));
                    continue;
                }
                inner => inner?,
            };
            if next.depth >= NESTED_MAX && !inner.is_empty() {
                expansion.fail(recipient.to_string(), format!("5.4.6 mail forwarding loop for {recipient}"));
                continue;
            }
            work.extend(inner.into_iter().rev());
        }
        if expansion.done.deliveries.is_empty() && expansion.done.failures.is_empty() {
            expansion.fail(recipient.to_string(), format!("5.4.6 mail forwarding loop for {recipient}"));
        }
        Ok(expansion.done)
    }

    /// Delivers to an address, or finds what it stands for.
    fn address(
        &self,
        address: &Address,
        work: &Work,
        routing: &Routing,
        answers: &Answers,
        expansion: &mut Builder,
    ) -> Result<Vec<Work>, LookupError> {
        let resolution = match routing.resolve(address, &Address::default(), answers) {
            Ok(resolution) => resolution,
            Err(ResolveError::Lookup(error)) => return Err(error),
            Err(ResolveError::BadAddress { why, .. }) => {
                expansion.fail(address.to_string(), format!("5.1.3 bad address syntax: {why}"));
                return Ok(Vec::new());
            }
        };
        let recipient = resolution.recipient;
        if resolution.class != Class::Local || resolution.transport.service != routing.local_transport.service
        {
            expansion.deliver(Delivery::Forward(recipient), work);
            return Ok(Vec::new());
        }
        let local_part = recipient.local_part();
        let base = routing.extensions.split(local_part).map(|(base, _)| base);
        for name in [Some(local_part), base].into_iter().flatten() {
            let name = Address::internal(name).to_string().to_lowercase();
            if work.alias.as_ref() == Some(&name) {
                break;
            }
            let Some(found) = self.alias_maps.look_up(Key::Whole(&name), answers)? else { continue };
            if !expansion.expanded.insert(name.clone()) {
                return Ok(Vec::new());
            }
            expansion.done.aliases.push(name.clone());
            let sender = self.owner(&name, routing, answers)?.or_else(|| work.sender.clone());
            let targets = Target::parse_list(&found.text, &routing.rewriting).into_iter();
            let inner = |target| Work {
                target,
                alias: Some(name.clone()),
                recipient: recipient.clone(),
                in_include: false,
                depth: work.depth + 1,
                sender: sender.clone(),
            };
            return Ok(targets.map(inner).collect());
        }
        expansion.deliver(Delivery::Mailbox(recipient), work);
        Ok(Vec::new())
    }

    /// Who mail to an alias comes from, if the alias has an owner.
    fn owner(
        &self,
        name: &str,
        routing: &Routing,
        answers: &Answers,
    ) -> Result<Option<Address>, LookupError> {
        if name.starts_with("owner-") {
            return Ok(None);
        }
        let owner = format!("owner-{name}");
        let Some(found) = self.alias_maps.look_up(Key::Whole(&owner), answers)? else { return Ok(None) };
        let expanded = Target::parse_list(&found.text, &routing.rewriting)
            .into_iter()
            .find_map(|target| if let Target::Address(address) = target { Some(address) } else { None });
        let as_written = || routing.rewriting.rewrite(&owner, crate::address::RewriteContext::Local);
        Ok(Some(expanded.filter(|_| self.expand_owner_alias).unwrap_or_else(as_written)))
    }
}

/// The targets of an included file.
fn included(
    path: &str,
    work: &Work,
    routing: &Routing,
    answers: &Answers,
    expansion: &mut Builder,
) -> Result<Vec<Work>, LookupError> {
    let text = if path.starts_with('/') { answers.elsewhere(INCLUDE, path)? } else { None };
    let Some(text) = text else {
        expansion.fail(format!("{INCLUDE}{path}"), "5.3.5 mail system configuration error".into());
        return Ok(Vec::new());
    };
    let inner = |target| Work {
        target,
        alias: work.alias.clone(),
        recipient: work.recipient.clone(),
        in_include: true,
        depth: work.depth + 1,
        sender: work.sender.clone(),
    };
    Ok(Target::parse_file(text, &routing.rewriting).into_iter().map(inner).collect())
}

/// An expansion under way.
#[derive(Default)]
struct Builder {
    done: LocalExpansion,
    /// The aliases that were looked at; each counts once.
    expanded: BTreeSet<String>,
    /// The deliveries that are there, as they are compared.
    delivered: BTreeSet<(&'static str, String)>,
}

impl Builder {
    fn deliver(&mut self, to: Delivery, work: &Work) {
        let key = match &to {
            Delivery::Mailbox(address) => ("mailbox", address.as_str().to_lowercase()),
            Delivery::Forward(address) => ("forward", address.as_str().to_lowercase()),
            // A program may do another thing for another recipient.
            Delivery::Command(command) => {
                ("command", format!("{} {command}", work.recipient.as_str().to_lowercase()))
            }
            Delivery::File(path) => ("file", path.clone()),
        };
        if self.delivered.insert(key) {
            let (recipient, sender) = (work.recipient.clone(), work.sender.clone());
            self.done.deliveries.push(LocalDelivery { to, recipient, sender });
        }
    }

    /// A program or a file.
    fn deliver_if(&mut self, allowed: Allowed, work: &Work, to: fn(String) -> Delivery, target: &str) {
        let is_allowed = if work.in_include { allowed.in_include } else { allowed.in_alias };
        let delivery = to(target.to_string());
        if is_allowed {
            return self.deliver(delivery, work);
        }
        let kind = if matches!(delivery, Delivery::Command(_)) { "command" } else { "file" };
        self.fail(target.to_string(), format!("5.7.1 mail to {kind} is restricted"));
    }

    fn fail(&mut self, target: String, reason: String) {
        self.done.failures.push(AliasFailure { target, reason });
    }
}

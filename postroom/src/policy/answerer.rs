//! Who answers what policy asks.

use super::include;
use crate::clock::Clock;
use crate::memory::Memory;
use crate::policy_service::PolicyServices;
use crate::settings::SmtpProfile;
use crate::wall::{AccountId, Directory, Resolver};
use proto_core::Backend;
use proto_core::address::Mailbox;
use relay_policy::address::{Address, INCLUDE};
use relay_policy::delegation::ServiceLimits;
use relay_policy::greylist;
use relay_policy::table::{Answers, DIRECTORY};
use relay_policy::{Answer, Class, Question, Verification};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The walls behind which the answers are.
#[derive(Debug)]
pub(crate) struct Walls {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) resolver: Arc<dyn Resolver>,
    /// `None`: none is asked, and none has anything to say.
    pub(crate) policy_services: Option<PolicyServices>,
    /// What is remembered of clients.
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Clock,
}

/// Answers what one command asks, and remembers whom it has asked for.
#[derive(Debug)]
pub(crate) struct Answerer<'a> {
    pub(crate) profile: &'a SmtpProfile,
    walls: &'a Walls,
    accounts: Mutex<BTreeMap<AccountId, bool>>,
}

impl<'a> Answerer<'a> {
    pub(crate) fn new(profile: &'a SmtpProfile, walls: &'a Walls) -> Self {
        Self { profile, walls, accounts: Mutex::default() }
    }

    /// The answer, or that it could not be had; why not is in the log.
    pub(crate) async fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Lookup { table, key } if table.starts_with(DIRECTORY) => self.listed(key).await,
            Question::Lookup { table, key } if table == INCLUDE => include::read(key).await,
            Question::Lookup { table, .. } => {
                tracing::error!(table, "nobody answers for tables of this kind");
                Answer::Failed(Backend::TEMPORARY)
            }
            Question::Verify { address } => self.verified(address).await,
            Question::Dns { name, kind } => match self.walls.resolver.records(name, *kind).await {
                Ok(found) => Answer::Records(found.records),
                Err(fault) => Answer::Failed(fault),
            },
            Question::Policy { service, attributes } => {
                let Some(services) = &self.walls.policy_services else {
                    return Answer::Action("DUNNO".into());
                };
                if service.server == greylist::SERVICE {
                    let now = self.walls.clock.now().utc;
                    return Answer::Action(self.walls.memory.greylisted(attributes, now).into());
                }
                let limits = ServiceLimits::new(self.profile.policy.parameters(), service);
                match services.ask(service, &limits, attributes).await {
                    Ok(action) => Answer::Action(action),
                    Err(error) => {
                        tracing::warn!(server = service.server, %error, "policy service not asked");
                        Answer::Failed(Backend::TEMPORARY)
                    }
                }
            }
            unknown => {
                tracing::error!(question = ?unknown, "a question that nobody here knows");
                Answer::Failed(Backend::TEMPORARY)
            }
        }
    }

    /// Whether a mailbox exists. Nobody has one in an address literal.
    pub(crate) async fn exists(&self, mailbox: &Mailbox) -> Result<bool, Backend> {
        let Some(account) = AccountId::from_mailbox(mailbox) else { return Ok(false) };
        if let Some(exists) = self.accounts.lock().unwrap_or_else(PoisonError::into_inner).get(&account) {
            return Ok(*exists);
        }
        let known = self.walls.directory.contains(&account).await;
        match &known {
            Ok(exists) => {
                self.accounts.lock().unwrap_or_else(PoisonError::into_inner).insert(account, *exists);
            }
            Err(fault) => tracing::error!(%account, %fault, "recipient could not be looked up"),
        }
        known
    }

    /// What `directory:` has beside a key: the account's address. A key without a domain is nobody.
    async fn listed(&self, key: &str) -> Answer {
        let Some(mailbox) = Address::parse(key).mailbox() else { return Answer::Found(None) };
        match self.exists(&mailbox).await {
            Ok(exists) => Answer::Found(exists.then(|| mailbox.to_string())),
            Err(fault) => Answer::Failed(fault),
        }
    }

    /// Whether mail for an address would be taken: of mailboxes here that can be known.
    async fn verified(&self, address: &str) -> Answer {
        let routing = self.profile.policy.routing();
        let resolved = routing.resolve(&Address::parse(address), &Address::default(), &Answers::default());
        let Ok(resolution) = resolved else {
            return Answer::Verified(Verification::Unknown("the address cannot be resolved".into()));
        };
        Answer::Verified(match (resolution.class, resolution.recipient.mailbox()) {
            (Class::Local | Class::VirtualMailbox, Some(mailbox)) => match self.exists(&mailbox).await {
                Ok(true) => Verification::Deliverable,
                Ok(false) => Verification::Undeliverable("there is no such user here".into()),
                Err(fault) => return Answer::Failed(fault),
            },
            _ => Verification::Unknown("mail that leaves this server is not tried".into()),
        })
    }
}

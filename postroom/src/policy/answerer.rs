//! Who answers what policy asks.

use super::{Services, include};
use crate::dns::{ClientName, HostsFile, Share, Shares};
use crate::memory::Memory;
use crate::scratch::Scratch;
use crate::settings::SmtpProfile;
use crate::wall::{AccountId, Directory, Later, Resolver as _};
use futures_util::future::join_all;
use proto_core::Backend;
use proto_core::address::Mailbox;
use relay_policy::address::{Address, Failure, INCLUDE, Way};
use relay_policy::delegation::ServiceLimits;
use relay_policy::table::DIRECTORY;
use relay_policy::{Answer, Question, Reply, Verification};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The walls behind which the answers are.
#[derive(Debug)]
pub(crate) struct Walls {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) resolver: Shares,
    /// Which clients have names beside those of the DNS.
    pub(crate) hosts: Option<HostsFile>,
    pub(crate) policy_services: Box<dyn Services>,
    /// What is remembered of clients.
    pub(crate) memory: Arc<Memory>,
    /// Where messages lie while milters look at them.
    pub(crate) scratch: Scratch,
    /// Whether anybody delivers to files.
    pub(crate) files: bool,
    /// Whether anybody runs commands.
    pub(crate) commands: bool,
}

impl Walls {
    /// What a client is called.
    pub(crate) async fn name_of(&self, client: IpAddr) -> ClientName {
        if let Some(hosts) = &self.hosts
            && let Some(name) = hosts.name(client).await
        {
            return name;
        }
        ClientName::look_up(&self.resolver.of(client), client).await
    }
}

/// Answers what one command asks, and remembers whom it has asked for.
#[derive(Debug)]
pub(crate) struct Answerer<'a> {
    pub(crate) profile: &'a SmtpProfile,
    pub(super) walls: &'a Walls,
    resolver: Share<'a>,
    accounts: Mutex<BTreeMap<AccountId, bool>>,
}

impl<'a> Answerer<'a> {
    /// `client` is who the lookups of names are made for.
    pub(crate) fn new(profile: &'a SmtpProfile, walls: &'a Walls, client: IpAddr) -> Self {
        Self { profile, walls, resolver: walls.resolver.of(client), accounts: Mutex::default() }
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
            Question::Dns { name, kind } => match self.resolver.records(name, *kind).await {
                Ok(found) => Answer::Records(found.records),
                Err(fault) => Answer::Failed(fault),
            },
            Question::Policy { service, attributes } => {
                let limits = ServiceLimits::new(self.profile.policy.parameters(), service);
                self.walls.policy_services.ask(service, limits, attributes).await
            }
            unknown => {
                tracing::error!(question = ?unknown, "a question that nobody here knows");
                Answer::Failed(Backend::TEMPORARY)
            }
        }
    }

    /// The answers to questions that do not depend on each other, asked at the same time.
    pub(crate) async fn answers(&self, questions: Vec<Question>) -> Vec<(Question, Answer)> {
        let asked = questions.into_iter().map(|question| async move {
            let answer = self.answer(&question).await;
            (question, answer)
        });
        join_all(asked).await
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

    /// Whether mail for an address would be taken: where it leads is found as for a recipient.
    fn verified<'b>(&'b self, address: &'b str) -> Later<'b, Answer> {
        // Boxed, since what is found out on the way is asked here again.
        Box::pin(async move {
            let sender_of_probes = Address::default();
            let routed =
                self.routed(self.profile.router.recipient(Address::parse(address), sender_of_probes)).await;
            for warning in &routed.warnings {
                tracing::warn!(address, "{warning}");
            }
            if routed.failures.iter().any(Failure::is_temporary) {
                return Answer::Failed(Backend::TEMPORARY);
            }
            if let Some(failure) = routed.failures.first() {
                let why = Reply::in_words(550, &failure.reason).text;
                return Answer::Verified(Verification::Undeliverable(why));
            }
            let mut verification = Verification::Deliverable;
            for recipient in &routed.recipients {
                if let Way::Transport(_) = recipient.way {
                    verification = Verification::Unknown("mail that leaves this server is not tried".into());
                } else if let Err(why) = self.delivery(&recipient.way) {
                    let why = Reply::in_words(550, why).text;
                    return Answer::Verified(Verification::Undeliverable(why));
                }
            }
            Answer::Verified(verification)
        })
    }
}

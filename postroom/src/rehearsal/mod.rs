//! What a listener would say to a client, worked out without one: the same policy, the same questions, no socket.

mod aliases;
mod walk;

pub use aliases::{LostAlias, LostAliases};

use crate::delivery::{self, COMMAND, FILE};
use crate::dns::{ClientName, Shares};
use crate::memory::Memory;
pub use crate::policy::Addresses;
use crate::policy::{Answerer, Services, Walls};
use crate::scratch::Scratch;
use crate::settings::{Protocols, Settings, SettingsError, SmtpProfile, Snapshot};
use crate::wall::{AccountId, Directory, Later, Resolver, Serves};
use mailstore::spool::Recipient;
use proto_core::TlsInfo;
use proto_core::address::{ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, Outcome};
use relay_policy::address::Address;
use relay_policy::checks;
use relay_policy::delegation::{Attributes, ServiceLimits};
use relay_policy::headers::Plan;
use relay_policy::table::{Answers, Warning};
use relay_policy::{Answer, NameStatus, Parameters, PolicyService, Reply};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Settings to be tried out.
///
/// Nothing is accepted or delivered. Directory and resolver are asked what policy asks; policy services and
/// milters are not, as if they had nothing to say: one that greylists would remember.
///
/// ```
/// use postroom::accounts::PasswdFile;
/// use postroom::dns::FixedResolver;
/// use postroom::proto_core::address::{ForwardPath, ReversePath};
/// use postroom::rehearsal::{Dialogue, Rehearsal};
/// use postroom::settings::{Listener, Protocol, Settings};
/// use std::sync::Arc;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let mut settings = Settings::new("mail.example.test");
/// settings.domains.push("example.test".into());
/// settings.listeners.push(Listener::without_socket(Protocol::Smtp));
/// let accounts = PasswdFile::from_text("alice@example.test:{PLAIN}secret", None, postroom::Blocking::inline())?;
/// let rehearsal = Rehearsal::new(settings, Arc::new(accounts), Arc::new(FixedResolver::new()))?;
///
/// let to = |mailbox: &str| Ok::<_, Box<dyn std::error::Error>>(ForwardPath::Mailbox(mailbox.parse()?));
/// let mut dialogue = Dialogue::new("203.0.113.9".parse()?, ReversePath::Null, to("alice@example.test")?);
/// let steps = rehearsal.run("smtp", &dialogue).await?;
/// assert!(steps.iter().all(|step| step.refusal.is_none()));
///
/// dialogue.to = to("ann@elsewhere.test")?;
/// let steps = rehearsal.run("smtp", &dialogue).await?;
/// let refused = steps.last().expect("there is one step at least");
/// let reply = refused.refusal.as_ref().expect("it is refused");
/// assert_eq!(reply.to_string(), "554 5.7.1 <ann@elsewhere.test>: Relay access denied");
/// assert!(refused.outcome.trail.to_string().contains("relay: permit_mynetworks: no: 203.0.113.9 is not in mynetworks"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rehearsal {
    snapshot: Arc<Snapshot>,
    walls: Walls,
}

/// A client and the message that it wants to send.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dialogue {
    /// The client's address.
    pub client: IpAddr,
    /// What this address is called.
    pub client_name: ClientName,
    /// What it says in EHLO; `None`: it says nothing.
    pub helo: Option<String>,
    /// Who it logs in as.
    pub login: Option<String>,
    /// The TLS that it has begun before it says who it is, with the certificate that it has shown; `None`: none.
    pub tls: Option<TlsInfo>,
    /// The sender.
    pub from: ReversePath,
    /// The recipient.
    pub to: ForwardPath,
    /// The message, whose lines may end in LF alone: content checks look at it; `None`: it is not looked at. The fields that a server
    /// puts before it are not there.
    pub message: Option<Vec<u8>>,
}

impl Dialogue {
    /// A client without a name that does not say EHLO and does not log in.
    pub fn new(client: IpAddr, from: ReversePath, to: ForwardPath) -> Self {
        let client_name = ClientName::unknown(NameStatus::Permanent);
        Self { client, client_name, helo: None, login: None, tls: None, from, to, message: None }
    }
}

/// One command, and what came of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// The command.
    pub command: Command,
    /// What the restriction lists said, with every rule looked at.
    pub outcome: Outcome,
    /// The reply that refuses; the lists' own, or because nobody here gets the recipient's mail.
    pub refusal: Option<Reply>,
    /// What becomes of the sender and the recipient; at RCPT, where the lists refuse nothing.
    pub addresses: Option<Addresses>,
    /// What would be done to the message's header; at DATA, where it is not left as it comes.
    pub header: Option<Plan>,
    /// What content checks have found in the message; at its end, where one was given.
    pub content: Option<checks::Outcome>,
    /// What becomes of the message; at its end, where nothing refuses.
    pub fate: Option<Fate>,
}

/// What becomes of a message that nothing refuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Fate {
    /// Who gets it, aliases and lists being expanded; nobody: it is thrown away.
    pub to: Vec<Destination>,
    /// Who gets a copy, besides those.
    pub copies: Vec<Destination>,
    /// It waits until an administrator lets it go (HOLD).
    pub is_held: bool,
}

/// Where a message is put.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// Into the mailbox of an account.
    Mailbox(AccountId),
    /// Into the file of an alias.
    File(String),
    /// Into a command of an alias.
    Command(String),
}

impl Destination {
    fn of(recipient: &Recipient) -> Option<Self> {
        match (recipient.fact(FILE), recipient.fact(COMMAND)) {
            (Some(path), _) => Some(Self::File(path.into())),
            (_, Some(command)) => Some(Self::Command(command.into())),
            _ => delivery::account(recipient).map(Self::Mailbox),
        }
    }
}

/// Why a dialogue cannot be gone through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// The settings have no such listener, or it takes no mail.
    #[error("no listener that takes mail has this name")]
    NoSuchListener,
    /// A decision did not come to an end, which is a fault of ours; a client would be told this.
    #[error("a decision did not come to an end: {0}")]
    NoEnd(Reply),
}

/// A command at which policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// The connection.
    Connect,
    /// EHLO.
    Helo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The end of the message.
    EndOfMessage,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connection",
            Self::Helo => "EHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::EndOfMessage => "end of message",
        })
    }
}

impl Rehearsal {
    /// Compiles settings. Tables are read, so it blocks.
    ///
    /// # Errors
    /// What a server would not start with.
    pub fn new(
        settings: Settings,
        directory: Arc<dyn Directory>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, SettingsError> {
        let snapshot = Snapshot::compile(settings, |_| Serves::Everybody)?;
        Ok(Self::with(Arc::new(snapshot), directory, resolver, (true, true)))
    }

    /// The same in a server that delivers to no files and no commands of aliases, as one that root runs.
    #[must_use]
    pub fn without_files_and_commands(mut self) -> Self {
        (self.walls.files, self.walls.commands) = (false, false);
        self
    }

    /// What would happen in a server that has these walls.
    pub(crate) fn of(
        snapshot: Arc<Snapshot>,
        directory: Arc<dyn Directory>,
        resolver: Arc<dyn Resolver>,
        walls: &Walls,
    ) -> Self {
        Self::with(snapshot, directory, resolver, (walls.files, walls.commands))
    }

    fn with(
        snapshot: Arc<Snapshot>,
        directory: Arc<dyn Directory>,
        resolver: Arc<dyn Resolver>,
        (files, commands): (bool, bool),
    ) -> Self {
        let memory = Arc::new(Memory::new(snapshot.settings.greylist.clone()));
        // Whoever rehearses says what the client is called.
        let (resolver, hosts) = (Shares::new(resolver), None);
        let walls = Walls {
            directory,
            resolver,
            hosts,
            policy_services: Box::new(Unasked),
            memory,
            scratch: Scratch::default(),
            files,
            commands,
        };
        Self { snapshot, walls }
    }

    /// Who gets what is for an address, whatever the lists say of it: from the null sender, on a listener named as in the settings.
    ///
    /// # Errors
    /// The refusal, where nobody does, or not all who are meant to; none where there is no such listener, or it takes no mail.
    pub async fn recipients(
        &self,
        listener: &str,
        to: &ForwardPath,
    ) -> Result<Vec<AccountId>, Option<Reply>> {
        let answerer = self.answerer(listener)?;
        let recipients = answerer.recipients(to, Address::default(), None, Answers::default()).await?;
        Ok(recipients.to.iter().filter_map(delivery::account).collect())
    }

    /// Who gets a copy of everything (`always_bcc`), on a listener named as in the settings.
    ///
    /// # Errors
    /// As [`Rehearsal::recipients`]; all mail would be refused so.
    pub async fn copies(&self, listener: &str) -> Result<Vec<AccountId>, Option<Reply>> {
        let copies = self.answerer(listener)?.copies(&Address::default(), &[]).await?;
        Ok(copies.iter().filter_map(delivery::account).collect())
    }

    fn answerer(&self, listener: &str) -> Result<Answerer<'_>, Option<Reply>> {
        let profile = self.smtp(listener).ok_or(None)?;
        Ok(Answerer::new(profile, &self.walls, IpAddr::from([127, 0, 0, 1])))
    }

    /// The policy of each listener that takes mail or answers the questions of another server, by the listener's name.
    pub fn policies(&self) -> BTreeMap<String, AccessPolicy> {
        self.snapshot.policies()
    }

    /// What is to be said of the tables and templates of a listener that takes mail or answers the questions of another server:
    /// what a server logs when it starts.
    pub fn warnings(&self, listener: &str) -> &[Warning] {
        match self.snapshot.profiles.get(listener).map(|profile| &profile.protocol) {
            Some(Protocols::Smtp(profile) | Protocols::Policy(profile)) => &profile.warnings,
            _ => &[],
        }
    }

    /// What is to be said of the files behind tables: who may write to them, which are out of date. A server logs it when it
    /// starts.
    pub fn file_warnings(&self) -> &[Warning] {
        &self.snapshot.file_warnings
    }

    /// Whether a listener that takes mail may offer a login.
    pub fn offers_login(&self, listener: &str) -> bool {
        self.smtp(listener).is_some_and(|profile| !profile.config.mechanisms.is_empty())
    }

    /// Goes through a dialogue on a listener, named as in the settings, up to the first refusal.
    ///
    /// # Errors
    /// [`RehearsalError`].
    pub async fn run(&self, listener: &str, dialogue: &Dialogue) -> Result<Vec<Step>, RehearsalError> {
        let profile = self.smtp(listener).ok_or(RehearsalError::NoSuchListener)?;
        walk::walk(profile, &self.walls, dialogue).await
    }

    /// The parameters of a listener that takes mail.
    pub fn parameters(&self, listener: &str) -> Option<&Parameters> {
        Some(self.smtp(listener)?.policy.parameters())
    }

    fn smtp(&self, listener: &str) -> Option<&SmtpProfile> {
        match &self.snapshot.profiles.get(listener)?.protocol {
            Protocols::Smtp(profile) => Some(profile),
            _ => None,
        }
    }
}

/// Policy services that have nothing to say.
#[derive(Debug)]
struct Unasked;

impl Services for Unasked {
    fn ask<'a>(&'a self, _: &'a PolicyService, _: ServiceLimits, _: &'a Attributes) -> Later<'a, Answer> {
        Box::pin(std::future::ready(Answer::Action("DUNNO".into())))
    }
}

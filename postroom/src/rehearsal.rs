//! What a listener would say to a client, worked out without one: the same policy, the same questions, no socket.

use crate::delivery::{self, COMMAND, FILE};
use crate::dns::{ClientName, Shares};
use crate::memory::Memory;
pub use crate::policy::Addresses;
use crate::policy::{Answerer, Services, Walls, asked, server_error};
use crate::service::secured;
use crate::settings::{Protocols, Settings, SettingsError, SmtpProfile, Snapshot};
use crate::wall::{AccountId, Directory, Later, Resolver, Serves};
use mailstore::spool::Recipient;
use proto_core::TlsInfo;
use proto_core::address::{ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, Effects, Outcome};
use relay_policy::address::Address;
use relay_policy::checks;
use relay_policy::delegation::{Attributes, ServiceLimits};
use relay_policy::headers::Plan;
use relay_policy::table::{Answers, Warning};
use relay_policy::{Answer, NameStatus, Parameters, PolicyService, Reply, Request, Stage};
use smtp_proto::server::TlsMode;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Settings to be tried out.
///
/// Nothing is accepted or delivered. Directory and resolver are asked what policy asks; policy services are
/// not, as if they had nothing to say: one that greylists would remember.
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
        let walls =
            Walls { directory, resolver, hosts, policy_services: Box::new(Unasked), memory, files, commands };
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
        let answerer = Answerer::new(profile, &self.walls, dialogue.client);
        let mut request = Request::new(dialogue.client.to_canonical());
        request.login_is_offered = !profile.config.mechanisms.is_empty();
        dialogue.client_name.clone().tell(&mut request);
        let to = asked(profile, &dialogue.to);
        let mut steps: Vec<Step> = Vec::new();
        let mut message = Begun::default();
        let is_implicit = profile.config.tls == TlsMode::Implicit;
        for command in COMMANDS {
            // It begins before the first octet, or behind STARTTLS.
            if let Some(tls) = &dialogue.tls
                && (command == Command::Connect && is_implicit || command == Command::Helo && !is_implicit)
            {
                secured(&mut request, tls);
            }
            let stage = match command {
                Command::Connect => Stage::Connect,
                Command::Helo if dialogue.helo.is_none() => continue,
                Command::Helo => Stage::Helo,
                Command::Mail => Stage::Mail,
                Command::Rcpt => Stage::Rcpt(&to),
                Command::Data => Stage::Data,
                Command::EndOfMessage => Stage::EndOfMessage,
            };
            tell(&mut request, command, dialogue);
            let step = step(&answerer, &request, (command, stage), dialogue, &mut message).await?;
            request.latches = step.outcome.latches.clone();
            request.discarded |= step.outcome.effects.discard;
            let is_over = step.refusal.is_some();
            steps.push(step);
            if is_over {
                break;
            }
        }
        Ok(steps)
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

const COMMANDS: [Command; 6] =
    [Command::Connect, Command::Helo, Command::Mail, Command::Rcpt, Command::Data, Command::EndOfMessage];

/// A message, as far as it has come.
#[derive(Debug, Default)]
struct Begun {
    /// The recipient as tables have mapped it.
    canonical: Vec<Address>,
    /// What is to be done to it, and has not been done yet.
    effects: Effects,
    is_held: bool,
    sender: Address,
    recipients: Vec<Recipient>,
    copies: Vec<Recipient>,
}

impl Begun {
    /// Puts the recipient of REDIRECT in the place of all others, or those of BCC beside them.
    async fn readdress(&mut self, answerer: &Answerer<'_>) -> Result<(), Reply> {
        let Effects { filter, redirect, bcc, .. } = std::mem::take(&mut self.effects);
        if filter.is_some() {
            return Err(server_error());
        }
        if let Some(address) = redirect {
            self.copies.clear();
            self.recipients = answerer.recipients_of(&address, &self.sender).await?;
            return Ok(());
        }
        for address in bcc {
            self.copies.extend(answerer.recipients_of(&address, &self.sender).await?);
        }
        Ok(())
    }
}

/// What is known once this command has come.
fn tell(request: &mut Request, command: Command, dialogue: &Dialogue) {
    match command {
        Command::Helo => {
            request.helo.clone_from(&dialogue.helo);
            request.esmtp = true;
        }
        Command::Mail => {
            request.login.clone_from(&dialogue.login);
            request.sasl_method = dialogue.login.as_ref().map(|_| "PLAIN");
            request.sender = Some(dialogue.from.clone());
        }
        Command::Data => {
            request.recipient = Some(dialogue.to.clone());
            request.recipient_count = 1;
        }
        Command::Connect | Command::Rcpt | Command::EndOfMessage => {}
    }
}

fn sender(request: &Request) -> Address {
    request.sender.as_ref().and_then(ReversePath::mailbox).map(Address::from).unwrap_or_default()
}

async fn step(
    answerer: &Answerer<'_>,
    request: &Request,
    (command, stage): (Command, Stage<'_>),
    dialogue: &Dialogue,
    message: &mut Begun,
) -> Result<Step, RehearsalError> {
    let (outcome, answers) = answerer.decide(request, stage).await.map_err(RehearsalError::NoEnd)?;
    let mut step = Step {
        command,
        refusal: outcome.refusal.clone(),
        outcome: *outcome,
        addresses: None,
        header: None,
        content: None,
        fate: None,
    };
    if step.refusal.is_none() {
        step.refusal = go_on(answerer, request, &mut step, answers, dialogue, message).await.err();
    }
    Ok(step)
}

/// Does what a server does behind a command that the lists refuse nothing about.
async fn go_on(
    answerer: &Answerer<'_>,
    request: &Request,
    step: &mut Step,
    answers: Answers,
    dialogue: &Dialogue,
    message: &mut Begun,
) -> Result<(), Reply> {
    let effects = &step.outcome.effects;
    if effects.filter.is_some() {
        return Err(server_error());
    }
    message.is_held |= effects.hold;
    message.effects.absorb(effects.clone());
    let mut is_kept = !(request.discarded || effects.discard);
    match step.command {
        Command::Rcpt if is_kept => {
            let sender = sender(request);
            step.addresses = Some(answerer.addresses(&dialogue.to, &sender).await);
            let resolution = step.outcome.resolution.clone();
            let found = answerer.recipients(&dialogue.to, sender, resolution, answers).await?;
            message.canonical.push(found.canonical);
            message.recipients = found.to;
        }
        Command::Data if is_kept => {
            message.sender = answerer.sender(sender(request)).await?;
            message.copies = answerer.copies(&message.sender, &message.canonical).await?;
            message.readdress(answerer).await?;
            step.header = answerer.plan_header(request).await?;
        }
        Command::EndOfMessage => {
            // Nobody looks at what nobody gets.
            is_kept &= !(message.recipients.is_empty() && message.copies.is_empty());
            if let Some(octets) = dialogue.message.as_ref().filter(|_| is_kept) {
                let mut inspection = answerer.profile.checks.inspect();
                let mut kept = Vec::new();
                inspection.feed(octets, &mut kept);
                let content = step.content.insert(inspection.finish(&mut kept));
                let wanted = content.effects()?;
                is_kept &= !wanted.discard;
                message.is_held |= wanted.hold;
                message.effects.absorb(wanted);
            }
            let mut fate = Fate::default();
            if is_kept {
                message.readdress(answerer).await?;
                fate.is_held = message.is_held;
                fate.to.extend(message.recipients.iter().filter_map(Destination::of));
                let copies = message.copies.iter().filter_map(Destination::of);
                fate.copies.extend(copies.filter(|copy| !fate.to.contains(copy)));
            }
            step.fate = Some(fate);
        }
        _ => {}
    }
    Ok(())
}

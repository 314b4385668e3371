//! A dialogue, gone through command by command as a session goes through it.

use super::{Command, Destination, Dialogue, Fate, RehearsalError, Step};
use crate::policy::{Answerer, Walls, asked, server_error};
use crate::service::secured;
use crate::settings::SmtpProfile;
use mailstore::spool::Recipient;
use proto_core::address::ReversePath;
use relay_policy::access::Effects;
use relay_policy::address::Address;
use relay_policy::table::Answers;
use relay_policy::{Reply, Request, Stage};
use smtp_proto::server::TlsMode;

/// Goes through it up to the first refusal.
pub(super) async fn walk(
    profile: &SmtpProfile,
    walls: &Walls,
    dialogue: &Dialogue,
) -> Result<Vec<Step>, RehearsalError> {
    let answerer = Answerer::new(profile, walls, dialogue.client);
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

//! Who gets the mail of a recipient that policy has accepted: it is mapped, expanded and resolved by
//! [`relay_policy::address::EnvelopeRouter`], and becomes recipients of the spool.
//!
//! The services `local` and `virtual` are mailboxes of the directory; `error`, `retry` and `discard` do what they do in
//! Postfix.
//!
//! # Departures
//! From Postfix: all other services (`smtp`, `relay`, `lmtp`, programs) are refused, since nobody here delivers so; files of
//! aliases are, where the store does not deliver to files, and commands, where nobody runs them. A recipient that stands for
//! somebody who cannot get the message is refused as a whole, at RCPT; Postfix delivers to the others and sends a report. Of a report
//! of our own nobody else would be told: it goes to the others.
//! `postmaster` of a domain of ours without such a mailbox is the configured postmaster (RFC 5321 section 4.5.1); that and
//! `MAILER-DAEMON` must be mailboxes or aliases as all others.

use super::{Answerer, server_error};
use crate::delivery::{COMMAND, EXTENSION, FILE, MAILBOX, ORIGINAL_RECIPIENT, OWNER, missing_program};
use crate::local::plain;
use mailstore::spool::Recipient;
use proto_core::address::ForwardPath;
use relay_policy::Reply;
use relay_policy::address::{
    Address, EnvelopeRun, EnvelopeStep, Failure, FinalRecipient, Resolution, RouteStep, Routed, Way,
};
use relay_policy::table::Answers;
use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

/// Who gets the mail of a recipient.
#[derive(Debug)]
pub(crate) struct Recipients {
    /// The recipient after `canonical_maps`, for which copies are looked up.
    pub(crate) canonical: Address,
    /// Those who get it; none where it is thrown away.
    pub(crate) to: Vec<Recipient>,
}

/// Why a message of this server's own cannot be sent.
#[derive(Debug)]
pub(crate) enum NoRoute {
    /// Who gets it cannot be found out now.
    ForNow(String),
    /// Nobody here gets it.
    Never(String),
}

/// What becomes of the addresses of a message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Addresses {
    /// The sender after `canonical_maps` and its companions.
    pub sender: Address,
    /// What tables have put in the place of addresses, in the order in which it came up.
    pub steps: Vec<RouteStep>,
    /// Who gets the message.
    pub recipients: Vec<FinalRecipient>,
    /// Who gets a copy (`always_bcc` and its companions).
    pub copies: Vec<FinalRecipient>,
    /// Who cannot get it, and why.
    pub failures: Vec<Failure>,
}

impl Answerer<'_> {
    /// Finds who gets the mail of a recipient, as the client wrote it, that has been decided about: where it leads, if
    /// that came out, and what was answered.
    ///
    /// # Errors
    /// The refusal, when not all can get it.
    pub(crate) async fn recipients(
        &self,
        written: &ForwardPath,
        sender: Address,
        resolution: Option<Arc<Resolution>>,
        answers: Answers,
    ) -> Result<Recipients, Reply> {
        let router = &self.profile.router;
        let (run, original) = match written {
            ForwardPath::Postmaster => {
                let run = router.recipient(Address::from(&self.profile.postmaster), sender);
                (run, "postmaster".to_owned())
            }
            ForwardPath::Mailbox(mailbox) => {
                let run = router.accepted(Address::from(mailbox), sender, resolution, answers);
                (run, mailbox.to_string())
            }
        };
        let routed = self.routed(run).await;
        let original = Some(&*original);
        let to = match written {
            ForwardPath::Postmaster => self.deliverable(&routed, original, written)?,
            ForwardPath::Mailbox(mailbox) => {
                self.deliverable(&routed, original, &format_args!("<{}>", mailbox.as_written()))?
            }
        };
        Ok(Recipients { canonical: routed.canonical, to })
    }

    /// Finds who gets the mail of an address that a table has put in the place of recipients, or beside them.
    ///
    /// # Errors
    /// The refusal of the message, when not all can get it.
    pub(crate) async fn recipients_of(
        &self,
        external: &str,
        sender: &Address,
    ) -> Result<Vec<Recipient>, Reply> {
        let run = self.profile.router.recipient(Address::parse(external), sender.clone());
        let routed = self.routed(run).await;
        self.deliverable(&routed, Some(external), &format_args!("<{external}>")).map_err(|why| {
            tracing::error!(address = external, %why, "refused: what REDIRECT, BCC or a milter names leads to nobody");
            server_error()
        })
    }

    /// Finds who gets a message that this server makes, from `sender`. What restricts clients does not restrict it. Whoever cannot get it
    /// is passed over where others can, or have it thrown away: those are the second, each with the reason.
    ///
    /// # Errors
    /// [`NoRoute`].
    pub(crate) async fn own_recipients(
        &self,
        external: &str,
        sender: Address,
    ) -> Result<(Recipients, Vec<(String, Reply)>), NoRoute> {
        let mut routed = self.routed(self.profile.router.recipient(Address::parse(external), sender)).await;
        if let Some(failure) = routed.failures.iter().find(|failure| failure.is_temporary()) {
            return Err(NoRoute::ForNow(failure.reason.clone()));
        }
        let name = format!("<{external}>");
        let failed = std::mem::take(&mut routed.failures);
        let mut lost: Vec<(String, Reply)> =
            failed.into_iter().map(|failure| (failure.target.clone(), refusal(&failure, &name))).collect();
        routed.recipients.retain(|to| match self.delivery(&to.way) {
            Ok(_) => true,
            Err(why) => {
                lost.push((to.to_string(), rejected(550, why, &name)));
                false
            }
        });
        if routed.recipients.is_empty()
            && let Some((_, reply)) = lost.first()
        {
            return Err(NoRoute::Never(reply.text.clone()));
        }
        let to = self.deliverable(&routed, Some(external), &name);
        let to = to.map_err(|reply| NoRoute::Never(reply.text))?;
        Ok((Recipients { canonical: routed.canonical, to }, lost))
    }

    /// Tells what would become of the addresses of a message: how they are mapped, who gets it, who gets a copy.
    pub(crate) async fn addresses(&self, written: &ForwardPath, sender: &Address) -> Addresses {
        let router = &self.profile.router;
        let address = match written {
            ForwardPath::Postmaster => Address::from(&self.profile.postmaster),
            ForwardPath::Mailbox(mailbox) => Address::from(mailbox),
        };
        let from = self.routed(router.sender(sender.clone()).with_steps()).await;
        let to = self.routed(router.recipient(address, sender.clone()).with_steps()).await;
        let copies = router.copies(from.canonical.clone(), vec![to.canonical.clone()]);
        let copies = self.routed(copies.with_steps()).await;
        let mut steps = from.steps;
        steps.extend(to.steps);
        steps.extend(copies.steps);
        let mut failures = to.failures;
        failures.extend(copies.failures);
        Addresses {
            sender: from.canonical,
            steps,
            recipients: to.recipients,
            copies: copies.recipients,
            failures,
        }
    }

    /// What stands in the place of a sender.
    ///
    /// # Errors
    /// The refusal, when a table does not answer.
    pub(crate) async fn sender(&self, sender: Address) -> Result<Address, Reply> {
        let router = &self.profile.router;
        if !router.maps_senders() {
            return Ok(sender);
        }
        let written = format!("<{sender}>");
        let routed = self.routed(router.sender(sender)).await;
        self.deliverable(&routed, None, &written)?;
        Ok(routed.canonical)
    }

    /// Finds who gets a copy of a message; sender and recipients are those after `canonical_maps`.
    ///
    /// # Errors
    /// The refusal of the message, when not all can get it: it comes again when the configuration is mended.
    pub(crate) async fn copies(
        &self,
        sender: &Address,
        recipients: &[Address],
    ) -> Result<Vec<Recipient>, Reply> {
        let router = &self.profile.router;
        if router.bcc.is_empty() {
            return Ok(Vec::new());
        }
        let routed = self.routed(router.copies(sender.clone(), recipients.to_vec())).await;
        self.deliverable(&routed, None, &"copies").map_err(|why| {
            let failed = routed.failures.iter().map(|failure| failure.target.clone());
            let elsewhere = routed.recipients.iter().filter(|to| self.delivery(&to.way).is_err());
            let address = failed.chain(elsewhere.map(|to| to.address.to_string())).next();
            let parameters = router.bcc.parameters().collect::<Vec<_>>().join(", ");
            tracing::error!(parameters, address, %why, "refused: a copy leads to nobody");
            if why.code >= 500 { server_error() } else { why }
        })
    }

    /// Works out what comes of an address; what does not depend on each other is asked at the same time.
    pub(crate) async fn routed(&self, mut run: EnvelopeRun<'_>) -> Box<Routed> {
        loop {
            let questions = match run.step() {
                EnvelopeStep::Done(routed) => return routed,
                EnvelopeStep::Needs(questions) => questions,
            };
            for (question, answer) in self.answers(questions).await {
                run.answer(&question, answer).expect("invariant: it has just been asked");
            }
        }
    }

    /// The recipients that the spool is told; `written` is who they stand for, as replies name it.
    fn deliverable(
        &self,
        routed: &Routed,
        original: Option<&str>,
        written: &dyn Display,
    ) -> Result<Vec<Recipient>, Reply> {
        let name = || written.to_string();
        for warning in &routed.warnings {
            tracing::warn!(recipient = name(), "{warning}");
        }
        let failures = &routed.failures;
        // Where some can never get it and others not now, it is tried again: the first may be mended meanwhile.
        if let Some(failure) = failures.iter().find(|failure| failure.is_temporary()).or(failures.first()) {
            tracing::info!(
                recipient = name(),
                target = failure.target,
                reason = failure.reason,
                "leads nowhere"
            );
            return Err(self.softened(refusal(failure, &name())));
        }
        let mut recipients = Vec::new();
        for to in &routed.recipients {
            match self.delivery(&to.way) {
                Ok(Delivery::To(way, target)) => {
                    let mut recipient = recipient(to, way, &target, original);
                    if way == COMMAND
                        && let Some(extension) = self.extension(&to.address)
                    {
                        recipient.facts.push((EXTENSION.into(), extension.into()));
                    }
                    recipients.push(recipient);
                }
                Ok(Delivery::Nobody(why)) => {
                    tracing::info!(recipient = name(), to = %to.address, why, "thrown away");
                }
                Err(why) => {
                    tracing::info!(recipient = name(), %to, "nobody delivers so");
                    return Err(self.softened(rejected(550, why, &name())));
                }
            }
        }
        Ok(recipients)
    }

    /// How mail that goes this way is delivered.
    ///
    /// # Errors
    /// Why nobody does, with its enhanced status code.
    pub(super) fn delivery<'b>(&self, way: &'b Way) -> Result<Delivery<'b>, &'static str> {
        match way {
            Way::Mailbox(account) => Ok(Delivery::To(MAILBOX, account.external())),
            Way::Discard(why) => Ok(Delivery::Nobody(why)),
            Way::File(path) => match plain(path) {
                Some(file) if file == NOBODY => Ok(Delivery::Nobody(path)),
                Some(file) if self.walls.files => Ok(Delivery::To(FILE, file.into())),
                _ => Err("5.3.3 Nothing is delivered to files here"),
            },
            Way::Command(command) if self.walls.commands => Ok(Delivery::To(COMMAND, command.into())),
            Way::Command(_) => Err("5.3.3 Nothing is delivered to commands here"),
            Way::Transport(_) => Err("5.4.4 No route to remote domains is configured"),
        }
    }

    /// Why a recipient does not get the mail, though policy has a way to him: nobody delivers so, or the command is not there.
    pub(crate) fn why_nowhere(&self, to: &FinalRecipient) -> Option<String> {
        match (self.delivery(&to.way), &to.way) {
            (Err(why), Way::Transport(_)) => Some(format!("{}: {why}", to.address)),
            (Err(why), Way::File(target) | Way::Command(target)) => Some(format!("{target}: {why}")),
            (Err(why), _) => Some(why.to_owned()),
            (Ok(_), Way::Command(command)) => missing_program(command),
            (Ok(_), _) => None,
        }
    }

    /// The extension of an address, without its delimiter.
    fn extension<'b>(&self, address: &'b Address) -> Option<&'b str> {
        let (_, extension) = self.profile.router.routing.extensions.split(address.local_part())?;
        let mut characters = extension.chars();
        characters.next();
        Some(characters.as_str())
    }

    /// A refusal as `soft_bounce` has it.
    fn softened(&self, mut reply: Reply) -> Reply {
        if self.profile.policy.parameters().soft_bounce && reply.code >= 500 {
            reply.code -= 100;
            reply.enhanced.0 = 4;
        }
        reply
    }
}

/// What is done with mail that goes some way.
pub(super) enum Delivery<'a> {
    /// It is put where this fact of a recipient says, with its value.
    To(&'static str, Cow<'a, str>),
    /// It is thrown away, for this reason.
    Nobody(&'a str),
}

/// The file in which nothing is kept.
const NOBODY: &str = "/dev/null";

/// A recipient of the spool. The fact `way` says whose mailbox or which file its mail goes to, where its address does not.
fn recipient(to: &FinalRecipient, way: &str, target: &str, original: Option<&str>) -> Recipient {
    let address = to.address.external().into_owned();
    let owner = to.sender.as_ref().map(Address::external);
    let facts = [
        (ORIGINAL_RECIPIENT, original.filter(|original| *original != address)),
        (way, Some(target).filter(|target| way != MAILBOX || !target.eq_ignore_ascii_case(&address))),
        (OWNER, owner.as_deref()),
    ];
    let mut recipient = Recipient::new(address);
    let facts = facts.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into())));
    recipient.facts.extend(facts);
    recipient
}

/// The refusal of a recipient for somebody who cannot get its mail.
fn refusal(failure: &Failure, written: &str) -> Reply {
    let reason = &*failure.reason;
    if reason == relay_policy::address::ALIAS_EXPANSION_ERROR {
        return Reply::in_words(451, reason);
    }
    let code = match reason.split(' ').next() {
        Some("4.3.0") => 451,
        Some("4.5.3") => 452,
        Some(status) if status.starts_with('4') => 450,
        _ => 550,
    };
    if matches!(code, 451 | 452) {
        let reply = Reply::in_words(code, reason);
        return Reply { text: format!("{written}: {}", reply.text), ..reply };
    }
    rejected(code, reason, written)
}

fn rejected(code: u16, reason: &str, written: &str) -> Reply {
    let reply = Reply::in_words(code, reason);
    let why = if reply.text.is_empty() { "undeliverable" } else { &reply.text };
    Reply { text: format!("{written}: Recipient address rejected: {why}"), ..reply }
}

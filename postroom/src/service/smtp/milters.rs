//! What milters are told of a session, and what comes of what they say: they are asked when policy has said yes.
//!
//! # Departures
//! From Postfix: a client that a milter refuses for good when it connects can say QUIT alone.

use super::SmtpService;
use super::message::{Message, Transaction};
use super::policy::{refusal, server_error};
use crate::milter::{Chain, Envelope, Facts, Outcome, Way};
use crate::policy::Answerer;
use crate::settings::SmtpProfile;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{Ask, Now};
use relay_policy::access::{Effects, LogLine};
use relay_policy::address::Address;
use relay_policy::table::Answers;
use relay_policy::{Request, Stage};
use smtp_proto::milter::Change;
use smtp_proto::parameter::MailParameters;
use smtp_proto::reply::{EnhancedCode, Refusal};
use smtp_proto::server::{Connect, Rcpt, Server, Verdict};
use std::sync::Arc;

/// What milters are told.
pub(super) enum Told {
    Connect,
    Helo,
    Mail(MailParameters),
}

impl SmtpService {
    /// Has a client that policy takes met by milters, where there are some.
    pub(super) fn meet_milters(&mut self, server: &mut Server, now: Now, ask: Ask<Connect>) {
        if let Some(mut before) = self.milters.take() {
            before.quit();
        }
        let chain = match &self.profile.milters {
            Some(milters) => Chain::new(milters, &self.request, &self.backends.clock),
            None => Ok(None),
        };
        match chain {
            Ok(chain) => self.milters = chain.map(Box::new),
            Err(what) => {
                tracing::error!(client = %self.request.client, "smtpd_milter_maps: {what}");
                return super::told(server.answer(now, ask, server_error().into()));
            }
        }
        self.ask_milters(server, now, Told::Connect, |service, server, now, said| {
            let verdict = match said {
                Err(refused) => service.in_place_of_greeting(&refused),
                Ok(_) => Verdict::Accept(()),
            };
            super::told(server.answer(now, ask, verdict));
        });
    }

    /// What a client hears whom a milter refuses. One that is refused for now hears it when it says MAIL.
    fn in_place_of_greeting(&self, refused: &Refusal) -> Verdict {
        let (code, class, text) = match refused.reply().code() {
            421 => (421, 4, "Service unavailable - try again later"),
            500.. => (554, 5, "ESMTP not accepting connections"),
            _ => return Verdict::Accept(()),
        };
        let text = format!("{} {text}", self.profile.config.hostname());
        let said =
            EnhancedCode::new(class, 7, 1).and_then(|enhanced| Refusal::new(code, enhanced, text).ok());
        said.unwrap_or_else(|| refused.clone()).into()
    }

    /// Asks milters, and goes on with what is to be done to the message, or with a refusal; at once, where there are none.
    pub(super) fn ask_milters(
        &mut self,
        server: &mut Server,
        now: Now,
        told: Told,
        then: impl FnOnce(&mut Self, &mut Server, Now, Result<Effects, Refusal>) + Send + 'static,
    ) {
        // Of the client they are told, whatever becomes of the message under way.
        let is_told = !self.request.discarded || !matches!(told, Told::Mail(_));
        let Some(mut chain) = self.milters.take_if(|_| is_told) else {
            return then(self, server, now, Ok(Effects::default()));
        };
        let (profile, request) = (Arc::clone(&self.profile), Arc::clone(&self.request));
        self.work.start(async move {
            let said = ask(&mut chain, &profile, &request, &told).await;
            drop(request);
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                service.milters = Some(chain);
                let said = said.map(|effects| service.took(effects));
                then(service, server, now, said);
            }) as super::Finish
        });
    }
}

async fn ask(
    chain: &mut Chain,
    profile: &SmtpProfile,
    request: &Request,
    told: &Told,
) -> Result<Effects, Refusal> {
    let mut facts = Facts { request, queue_id: None, address: None };
    let (outcome, stage) = match told {
        Told::Connect => (chain.connect(&facts).await, Stage::Connect),
        Told::Helo => {
            let name = request.helo.as_deref().unwrap_or_default();
            (chain.helo(&facts, name).await, Stage::Helo)
        }
        Told::Mail(parameters) => {
            let sender = request.sender.as_ref().and_then(ReversePath::mailbox).map(Address::from);
            let way = way(profile, sender.unwrap_or_default(), &Address::default());
            facts.address = Some(&way);
            (chain.mail(&facts, parameters).await, Stage::Mail)
        }
    };
    settle(outcome, request, stage)
}

/// Asks about a recipient. `verdict` is what policy says: of one that was refused only those hear who want to.
pub(super) async fn recipient(
    chain: &mut Chain,
    profile: &SmtpProfile,
    request: &Request,
    Rcpt { forward_path, parameters, .. }: &Rcpt,
    verdict: Result<(), &Refusal>,
) -> Result<Effects, Refusal> {
    let mut facts = Facts { request, queue_id: None, address: None };
    if let Err(refused) = verdict {
        if chain.wants_refused_recipients() {
            let reply = refused.reply();
            let way = Way {
                address: reply.text().into(),
                host: reply.enhanced().map(|enhanced| enhanced.to_string()),
                mailer: Some("error".into()),
            };
            facts.address = Some(&way);
            chain.refused_rcpt(&facts, forward_path, parameters).await;
        }
        return Ok(Effects::default());
    }
    let to = match forward_path {
        ForwardPath::Mailbox(mailbox) => Address::from(mailbox),
        ForwardPath::Postmaster => Address::from(&profile.postmaster),
    };
    let sender = request.sender.as_ref().and_then(ReversePath::mailbox).map(Address::from);
    let way = way(profile, to, &sender.unwrap_or_default());
    facts.address = Some(&way);
    let outcome = chain.rcpt(&facts, forward_path, parameters).await;
    settle(outcome, request, Stage::Rcpt(forward_path))
}

/// Asks whether a message may come, which the queue calls `queue_id`.
pub(super) async fn data(chain: &mut Chain, request: &Request, queue_id: &str) -> Result<Effects, Refusal> {
    let outcome = chain.data(&Facts { request, queue_id: Some(queue_id), address: None }).await;
    let mut request = request.clone();
    request.queue_id = Some(queue_id.into());
    settle(outcome, &request, Stage::Data)
}

/// Shows a message that is complete, and does to it and to its envelope what milters want.
///
/// # Errors
/// The refusal of the message.
pub(super) async fn message(
    chain: &mut Chain,
    answerer: &Answerer<'_>,
    request: &Request,
    message: &mut Message,
    transaction: &mut Transaction,
) -> Result<(), Refusal> {
    let queue_id = message.id().to_string();
    let Some(draft) = message.draft() else { return Ok(()) };
    let facts = Facts { request, queue_id: Some(&queue_id), address: None };
    let mut envelope = Envelope::new();
    let shown = chain.message(&facts, draft, &mut envelope).await;
    let outcome = shown.map_err(|error| {
        tracing::error!(queue_id, %error, "not accepted: milters could not be shown the message");
        super::message::refusal(&error)
    })?;
    let effects = settle(outcome, request, Stage::EndOfMessage)?;
    if effects.discard {
        message.discard();
        return Ok(());
    }
    let sender = transaction.sender().clone();
    let is_sent_to_others = readdress(answerer, envelope, transaction).await?;
    // An intake that can change neither is asked for no more than it has to do.
    if *transaction.sender() != sender {
        message.set_sender(transaction.sender())?;
    }
    if is_sent_to_others {
        message.set_recipients(transaction.recipients().to_vec())?;
    }
    if effects.hold {
        message.hold()?;
    }
    Ok(())
}

/// Does what milters want done to an envelope; whether that concerns its recipients.
async fn readdress(
    answerer: &Answerer<'_>,
    envelope: Envelope,
    transaction: &mut Transaction,
) -> Result<bool, Refusal> {
    let of_recipients =
        |(_, change): &_| matches!(change, Change::AddRecipient { .. } | Change::DeleteRecipient(_));
    let is_sent_to_others = envelope.iter().any(of_recipients);
    for (milter, change) in envelope {
        match change {
            Change::ChangeSender { path, ignored, .. } => {
                warn_ignored(&milter, &ignored);
                transaction.set_sender(path.mailbox().map(Address::from).unwrap_or_default());
            }
            Change::AddRecipient { path, ignored, .. } => {
                warn_ignored(&milter, &ignored);
                let address = match &path {
                    ForwardPath::Mailbox(mailbox) => Address::from(mailbox),
                    ForwardPath::Postmaster => Address::from(&answerer.profile.postmaster),
                };
                let found = answerer.recipients_of(&address.external(), transaction.sender()).await;
                let found = found.map_err(|error| {
                    tracing::warn!(milter, %address, "not accepted: this recipient of a milter's cannot be added");
                    refusal(error)
                })?;
                transaction.add(found)?;
            }
            Change::DeleteRecipient(path) => {
                let address = match &path {
                    ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
                    ForwardPath::Postmaster => "postmaster".into(),
                };
                transaction.remove(&address)?;
            }
            other => tracing::error!(milter, ?other, "a change that nobody here knows"),
        }
    }
    Ok(is_sent_to_others)
}

fn warn_ignored(milter: &str, ignored: &str) {
    if !ignored.is_empty() {
        tracing::warn!(milter, ignored, "parameters that a milter gives with an address");
    }
}

/// Where mail for an address would go, as far as that is known without asking.
fn way(profile: &SmtpProfile, address: Address, sender: &Address) -> Way {
    let resolved = profile.policy.routing().resolve(&address, sender, &Answers::default()).ok();
    let transport = resolved.map(|resolved| resolved.transport);
    let (host, mailer) = transport.map(|transport| (transport.nexthop, transport.service)).unzip();
    Way { address: address.external().into_owned(), host, mailer }
}

/// What comes of what milters say, in the log as Postfix has it.
fn settle(outcome: Outcome, request: &Request, stage: Stage<'_>) -> Result<Effects, Refusal> {
    let log = |verb: &str, text: &str| tracing::info!("{}", LogLine::event(request, stage, verb, &text));
    let mut effects = Effects::default();
    (effects.discard, effects.hold) = (outcome.discard, outcome.hold);
    if let Some(refused) = outcome.refusal {
        let text = refused.reply().to_string();
        let text = match stage {
            Stage::EndOfMessage => text.split_once(' ').map_or(&*text, |(_, text)| text),
            _ => &*text,
        };
        log("milter-reject", text);
        return Err(refused);
    }
    if effects.discard {
        log("milter-discard", "milter triggers DISCARD action");
    } else if effects.hold {
        log("milter-hold", "milter triggers HOLD action");
    }
    Ok(effects)
}

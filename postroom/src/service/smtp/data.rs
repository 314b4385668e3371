//! From DATA to the reply to the message.

use super::message::{self, Message, Transaction};
use super::policy::Moment;
use super::{Finish, SmtpService, content::Content, effects, header, milters, of_message, quota};
use crate::milter::{Chain, Draft};
use crate::policy::Answerer;
use crate::service::told;
use header::Header;
use proto_core::{Ask, Now};
use relay_policy::Request;
use relay_policy::access::Effects;
use relay_policy::address::Address;
use smtp_proto::reply::Refusal;
use smtp_proto::server::{Data, EndOfData, QueueId, Server, Verdict};
use std::sync::Arc;
use tracing::Instrument as _;

impl SmtpService {
    pub(super) fn data(&mut self, server: &mut Server, now: Now, ask: Ask<Data>) {
        self.decide(server, now, Moment::Data, move |service, server, now, decided| match decided {
            Ok(effects) => service.begin(server, now, ask, effects),
            Err(refusal) => told(server.answer(now, ask, refusal.into())),
        });
    }

    /// Begins a message in the intake: a client is told of a full one before it sends. `of_data` is what is to be done to it
    /// because of what was said to DATA.
    fn begin(&mut self, server: &mut Server, now: Now, ask: Ask<Data>, of_data: Effects) {
        let Some(transaction) = &self.transaction else {
            return told(server.answer(now, ask, Refusal::TEMPORARY.into()));
        };
        let mut effects = transaction.effects.clone();
        effects.absorb(of_data);
        let facts = message::facts(&self.session, &self.request, self.backends.walls.commands);
        let envelope = transaction.envelope(facts, now);
        let mut changed = effects::may_address(&self.profile.router, &effects).then(|| transaction.clone());
        let instance = QueueId::new(&*self.request.instance);
        let (profile, backends) = (Arc::clone(&self.profile), self.backends.clone());
        let request = Arc::clone(&self.request);
        let mut milters = self.milters.take();
        self.work.start(async move {
            let mut envelope = envelope;
            let mut addressed = Ok(());
            if let Some(transaction) = &mut changed {
                let answerer = Answerer::new(&profile, &backends.walls, request.client);
                addressed = effects::address(&answerer, &effects, transaction).await;
                transaction.tell(&mut envelope);
            }
            let planned = match addressed {
                Ok(()) => header::plan(&profile, &backends.walls, &request).await,
                Err(refusal) => Err(refusal),
            };
            let client = request.client;
            let is_for_nobody = effects.discard || envelope.recipients.is_empty();
            let mut begun = match (planned, instance.filter(|_| is_for_nobody)) {
                (Err(refusal), _) => Err(refusal),
                (Ok(_), Some(id)) => Ok(Message::for_nobody(id)),
                (Ok(plan), None) => {
                    let sender = plan.as_ref().map(|_| Address::parse(&envelope.reverse_path));
                    let begun = backends.intake.begin(envelope).await;
                    let made = begun.and_then(|writer| {
                        let header = plan.zip(sender).map(|(plan, sender)| {
                            let answerer = (&profile, &backends.walls, client);
                            Header::new(plan, answerer, sender, writer.id().as_str(), now.utc)
                        });
                        let octets_max = profile.config.limits.message_bytes_max;
                        let draft = milters
                            .as_ref()
                            .map(|_| Box::new(Draft::new(&backends.walls.scratch, octets_max)));
                        Message::new(writer, Content::new(&profile.checks), header, draft)
                    });
                    made.map_err(|error| {
                        tracing::error!(%error, "message not taken");
                        message::refusal(&error)
                    })
                }
            };
            if let (Ok(message), Some(milters)) = (&begun, milters.as_mut().filter(|_| !is_for_nobody)) {
                match Box::pin(milters::data(milters, &request, message.id().as_str())).await {
                    Ok(of_milters) => effects.absorb(of_milters),
                    Err(refusal) => begun = Err(refusal),
                }
            }
            drop(request);
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                service.milters = milters;
                match begun {
                    Ok(message) => {
                        service.request().queue_id = Some(message.id().to_string());
                        service.request().discarded |= effects.discard;
                        if let Some(kept) = &mut service.transaction {
                            if let Some(changed) = changed {
                                *kept = changed;
                            }
                            kept.begun(&effects);
                        }
                        // What a verdict adds to the header is there once it is given.
                        let octets_max = service.profile.config.limits.added_octets_max;
                        told(server.answer(now, ask, effects::with_fields(&effects.prepend, octets_max)));
                        if let Some(trace) = server.trace_header(message.id(), now) {
                            service.write(message, trace.to_string().into());
                        }
                    }
                    Err(refusal) => told(server.answer(now, ask, refusal.into())),
                }
            }) as Finish
        });
    }

    /// Writes the next octets of a message.
    pub(super) fn write(&mut self, message: Message, octets: bytes::Bytes) {
        self.writing = true;
        self.work.start(async move {
            let message = message.write(octets).await;
            Box::new(move |service: &mut Self, _: &mut Server, _: Now| {
                service.message = Some(message);
                service.writing = false;
            }) as Finish
        });
    }

    pub(super) fn end_of_data(&mut self, server: &mut Server, now: Now, ask: Ask<EndOfData>) {
        self.request().size_bytes = ask.detail.octets;
        self.decide(server, now, Moment::EndOfMessage, move |service, server, now, decided| {
            let is_looked_at = service.message.as_ref().is_some_and(Message::is_looked_at);
            let origin = is_looked_at.then(|| service.request.origin());
            let ended = service.transaction.take().zip(service.message.take());
            match decided.and_then(|_| ended.ok_or(Refusal::TEMPORARY)) {
                Ok((transaction, message)) => {
                    let milters = service.milters.take().map(|chain| (chain, Arc::clone(&service.request)));
                    service.without_message();
                    service.commit(ask, transaction, message, origin, milters);
                }
                Err(refusal) => {
                    service.without_message();
                    told(server.answer(now, ask, refusal.into()));
                }
            }
        });
    }

    /// Does to a message what is still to be done, and makes it durable. `origin` is where it comes from, if content checks
    /// look at it; `milters` look at it as what was said of it.
    fn commit(
        &mut self,
        ask: Ask<EndOfData>,
        mut transaction: Box<Transaction>,
        mut message: Message,
        origin: Option<String>,
        mut milters: Option<(Box<Chain>, Arc<Request>)>,
    ) {
        let (profile, backends) = (Arc::clone(&self.profile), self.backends.clone());
        let client = self.request.client;
        self.work.start(async move {
            let answerer = Answerer::new(&profile, &backends.walls, client);
            let of_message = of_message(Some(message.id().as_str()));
            let ended = async {
                let is_passed = transaction.end(&answerer, &mut message, origin.as_deref()).await?;
                message.end_draft().await;
                if let Some((chain, request)) = milters.as_mut().filter(|_| !is_passed) {
                    let shown = milters::message(chain, &answerer, request, &mut message, &mut transaction);
                    Box::pin(shown).await?;
                }
                // A mailbox has to have room for what milters made of it.
                let octets = message.write_draft().await.unwrap_or(ask.detail.octets);
                let Some(store) = &backends.store else { return Ok(()) };
                quota::check_message(store, &transaction, octets, backends.quota_full_tempfail).await
            };
            let verdict = match ended.instrument(of_message).await {
                Ok(()) => {
                    // A task of its own, so that the story is told to its end when the client does not wait for it.
                    let commit = message.commit(transaction.story(), ask.detail.octets).in_current_span();
                    tokio::spawn(commit).await.unwrap_or(Verdict::Refuse(Refusal::TEMPORARY))
                }
                Err(refusal) => Verdict::Refuse(refusal),
            };
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                service.milters = milters.map(|(mut chain, _)| {
                    chain.abort();
                    chain
                });
                told(server.answer(now, ask, verdict.into()));
            }) as Finish
        });
    }
}

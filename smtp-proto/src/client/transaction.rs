//! A message under way: what is known of each recipient, and what the replies change.
//!
//! RFC 5321 section 3.3, RFC 2920 section 3.1 (what to do when part of a group fails), RFC 2033 section 4.2 (a verdict
//! for each recipient), RFC 3030 section 2 (what a refused chunk means).

use super::body::Body;
use super::envelope::{Envelope, Omitted};
use super::event::{ClientEvent, ClientFailure};
use super::outcome::{Failure, Outcome, Report, Stage};
use super::session::{Awaited, Client, Phase};
use crate::reply::Reply;
use alloc::sync::Arc;
use alloc::vec::Vec;
use proto_core::CloseReason;

/// A message under way.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    pub(super) omitted: Vec<Omitted>,
    /// Recipients whose RCPT was sent.
    pub(super) sent: usize,
    /// One for each recipient.
    pub(super) recipients: Vec<Standing>,
    /// MAIL was refused: what is said of recipients without a sender means nothing.
    pub(super) sender_refused: Option<Outcome>,
    /// The message was refused: this goes for all whose RCPT was accepted.
    pub(super) message_refused: Option<Outcome>,
    /// The message goes by BDAT.
    pub(super) chunked: bool,
    /// A verdict on the message was no: after BDAT that needs RSET (RFC 3030 section 2).
    pub(super) verdict_refused: bool,
    /// The verdicts of PRDR count only once the last reply has said yes to the message.
    pub(super) in_suspense: bool,
    pub(super) data_said: bool,
    /// From [`ClientEvent::SendBody`] until all of it was sent.
    pub(super) body: Option<Body>,
}

/// What is known of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Open,
    /// RCPT was accepted.
    Accepted,
    /// Everything.
    Decided(Outcome),
}

impl Transaction {
    pub(super) fn any_accepted(&self) -> bool {
        self.recipients.contains(&Standing::Accepted)
    }

    pub(super) fn any_open(&self) -> bool {
        self.recipients.contains(&Standing::Open)
    }

    /// A refusal that goes for all but those who were refused themselves.
    fn overrule(&mut self, refused: &Outcome) {
        for standing in &mut self.recipients {
            if !matches!(standing, Standing::Decided(Outcome::Permanent(_) | Outcome::Temporary(_))) {
                *standing = Standing::Decided(refused.clone());
            }
        }
    }

    /// Decides about every recipient about whom nothing was decided.
    fn conclude(&mut self, outcome: &Outcome) {
        for standing in &mut self.recipients {
            if !matches!(standing, Standing::Decided(_)) {
                *standing = Standing::Decided(outcome.clone());
            }
        }
    }
}

impl Client {
    pub(super) fn on_transaction_reply(&mut self, awaited: Awaited, mut reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        let go_ahead = awaited == Awaited::Data && reply.code() == 354;
        let each =
            awaited == Awaited::EndOfData && reply.code() == 353 && transaction.envelope.parameters.prdr;
        if each {
            return self.await_verdicts(true);
        }
        if (reply.is_intermediate() && !go_ahead) || (awaited == Awaited::Data && reply.is_positive()) {
            // As if it were still awaited: the stage of the failure is this one's.
            self.awaited.push_front(awaited);
            return self.fail_with_reply(reply);
        }
        if matches!(awaited, Awaited::Rcpt(_) | Awaited::Verdict(_)) {
            reply.shorten(self.config.limits.outcome_text_bytes_max);
        }
        let reply = Arc::new(reply);
        let outcome = |stage| Outcome::of_reply(stage, &reply);
        match awaited {
            Awaited::Mail if !reply.is_positive() => transaction.sender_refused = Some(outcome(Stage::Mail)),
            Awaited::Rcpt(index) => {
                if reply.code() == 251 {
                    let reply = Arc::clone(&reply);
                    self.events.push_back(ClientEvent::Forwarded { recipient: index, reply });
                }
                transaction.recipients[index] = match outcome(Stage::Rcpt) {
                    Outcome::Sent(_) => Standing::Accepted,
                    refused => Standing::Decided(refused),
                };
            }
            Awaited::Data if go_ahead => return self.on_go_ahead(reply),
            Awaited::Data => {
                transaction.conclude(&outcome(Stage::Data));
                return self.finish_transaction(true);
            }
            // RFC 3030 section 2: after a chunk that was refused no other is sent, and those under way count for nothing.
            Awaited::Chunk if !reply.is_positive() => {
                transaction.message_refused.get_or_insert(outcome(Stage::Data));
                transaction.body = None;
                self.phase = Phase::Finishing;
            }
            Awaited::Chunk if transaction.message_refused.is_none() => return self.send_chunks(false),
            Awaited::EndOfData => {
                let verdict = transaction.message_refused.take().unwrap_or_else(|| outcome(Stage::EndOfData));
                // RFC 3030 section 2: a refused BDAT needs RSET. After a dot nothing is left to reset.
                let reset = transaction.chunked && !matches!(verdict, Outcome::Sent(_));
                transaction.conclude(&verdict);
                return self.finish_transaction(reset);
            }
            Awaited::Verdict(index) => {
                let outcome = outcome(Stage::EndOfData);
                transaction.recipients[index] = Standing::Decided(outcome.clone());
                if !transaction.in_suspense {
                    self.events.push_back(ClientEvent::Verdict { recipient: index, outcome });
                }
                transaction.verdict_refused |= !reply.is_positive();
                let reset = transaction.chunked && transaction.verdict_refused;
                if self.awaited.is_empty() {
                    self.finish_transaction(reset);
                }
                return;
            }
            // The last reply of PRDR is about the message: a no goes for all.
            Awaited::PrdrEnd => {
                if !reply.is_positive() {
                    transaction.message_refused = Some(outcome(Stage::EndOfData));
                }
                let reset = transaction.chunked && (transaction.verdict_refused || !reply.is_positive());
                return self.finish_transaction(reset);
            }
            _ => {}
        }
        self.proceed();
    }

    /// Sends what may be sent now. When everything was answered and there is nothing more to send, the transaction is over.
    pub(super) fn proceed(&mut self) {
        self.fill_pipeline();
        let held_up = self.phase == Phase::Envelope && self.output.is_full();
        if self.awaited.is_empty() && !held_up && matches!(self.phase, Phase::Envelope | Phase::Finishing) {
            self.finish_transaction(true);
        }
    }

    /// Go ahead. When no recipient was accepted, RFC 2920 section 3.1 has us send an empty message and forget it. In LMTP
    /// such a 354 is forbidden (RFC 2033 section 4.2), and nobody can tell how many replies would follow.
    fn on_go_ahead(&mut self, reply: Arc<Reply>) {
        let Some(transaction) = &mut self.transaction else { return };
        if transaction.any_accepted() && transaction.sender_refused.is_none() {
            return self.begin_body();
        }
        if self.is_lmtp() {
            return self.fail_with_reply(Arc::unwrap_or_clone(reply));
        }
        self.phase = Phase::Finishing;
        self.say(b".\r\n", Awaited::EndOfData);
    }

    /// The complete message is out: one verdict is due for all, in LMTP one for each accepted recipient.
    pub(super) fn await_end_of_data(&mut self) {
        self.phase = Phase::Finishing;
        if self.is_lmtp() {
            self.await_verdicts(false);
        } else {
            self.await_reply(Awaited::EndOfData);
        }
    }

    fn await_verdicts(&mut self, prdr: bool) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.in_suspense = prdr;
        let accepted = transaction.recipients.iter().enumerate();
        let accepted = accepted.filter(|(_, standing)| **standing == Standing::Accepted);
        self.awaited.extend(accepted.map(|(index, _)| Awaited::Verdict(index)));
        if prdr {
            self.awaited.push_back(Awaited::PrdrEnd);
        }
    }

    /// A refusal while the message is on its way, before its end: it is the message's outcome. A message of DATA cannot
    /// be taken back but by ending the connection.
    pub(super) fn refuse_early(&mut self, reply: Reply) {
        if let Some(transaction) = &mut self.transaction {
            transaction.conclude(&Outcome::of_reply(Stage::Data, &Arc::new(reply)));
        }
        self.report(&Outcome::Aborted);
        self.close(CloseReason::Protocol("refused before the end of the message".into()));
    }

    /// Tells the outcomes. `reset` when the server may still hold the transaction.
    fn finish_transaction(&mut self, reset: bool) {
        self.report(&Outcome::Aborted);
        if reset {
            self.phase = Phase::Finishing;
            self.say(b"RSET\r\n", Awaited::Rset);
        } else {
            self.become_idle();
        }
    }

    /// Ends the transaction, if there is one: who has no other outcome has this one.
    fn report(&mut self, otherwise: &Outcome) {
        let Some(mut transaction) = self.transaction.take() else { return };
        if let Some(refused) = transaction.sender_refused.take() {
            transaction.recipients.fill(Standing::Decided(refused));
        }
        if let Some(refused) = transaction.message_refused.take() {
            transaction.overrule(&refused);
        }
        transaction.conclude(otherwise);
        let outcomes = transaction.recipients.into_iter().filter_map(|standing| match standing {
            Standing::Decided(outcome) => Some(outcome),
            Standing::Open | Standing::Accepted => None,
        });
        let (outcomes, omitted) = (outcomes.collect(), transaction.omitted);
        self.events.push_back(ClientEvent::Done(Report { outcomes, omitted }));
    }

    /// The session ends in the middle, perhaps with a reply that says why. Verdicts that were told stand (RFC 2033
    /// section 5).
    pub(super) fn lose_transaction(&mut self, stage: Stage, reply: Option<&Arc<Reply>>) {
        let lost = match reply.filter(|reply| !reply.is_positive()) {
            Some(reply) => Outcome::of_reply(stage, reply),
            None => Outcome::Temporary(Failure::of_connection(stage)),
        };
        if let Some(transaction) = self.transaction.as_mut().filter(|transaction| transaction.in_suspense) {
            transaction.message_refused = Some(lost.clone());
        }
        self.report(&lost);
    }

    fn fail_with_reply(&mut self, reply: Reply) {
        self.break_off(ClientFailure::Unexpected(reply), CloseReason::Protocol("unexpected reply".into()));
    }

    /// The application gives the message up. There is no way to take it back but to end the connection before its end.
    pub(super) fn give_up(&mut self, reason: &'static str) {
        if let Some(transaction) = &mut self.transaction {
            transaction.conclude(&Outcome::Aborted);
        }
        self.report(&Outcome::Aborted);
        self.close(CloseReason::Aborted(reason.into()));
    }
}

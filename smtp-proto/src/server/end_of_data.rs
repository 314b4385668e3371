//! The replies to a complete message: one, or one for each recipient.
//!
//! RFC 5321 sections 4.1.1.4 and 6.1: a 250 after the end of data takes the responsibility for the message. LMTP
//! (RFC 2033 section 4.2) answers once for each accepted RCPT, in their order, and a recipient that was named twice
//! is answered twice. That holds as well for a message that the machine itself refuses. An application that knows of one
//! recipient before it knows of the next says so with [`Server::answer_recipient`]; the machine keeps the order.
//!
//! PRDR (draft-hall-prdr-00, which expired; Exim speaks it) gives the same to SMTP, to a client that asked for it in MAIL
//! and has more than one accepted recipient: `353`, a reply for each in the order of RCPT, and one more for the message.
//! A message that the machine itself refuses gets its one reply and no `353`.
//!
//! # Limits
//! The replies to a message may be written at once, so the output may go beyond its mark by a line for each recipient, of
//! which there are at most [`Limits::recipients_max`](super::Limits::recipients_max).

use super::config::Protocol;
use super::question::{EndOfData, EndOfDataVerdict, QueueId, Verdict};
use super::session::{Counts, Server};
use super::timers::Timer;
use crate::reply::{Refusal, Reply, write_words};
use alloc::collections::BTreeMap;
use proto_core::{Ask, CallerFault, CloseReason, Now};

/// The verdicts that were given one by one.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// How many recipients have their reply.
    said: usize,
    /// What is known of recipients behind one of whom nothing is.
    waiting: BTreeMap<usize, Verdict<QueueId>>,
    /// The one that stands for all that were said, where one must.
    best: Option<Verdict<QueueId>>,
    accepted: bool,
    closes: bool,
}

impl Server {
    /// Whether each recipient of this transaction gets a reply of its own.
    pub(super) fn answers_each_recipient(&self) -> bool {
        self.config.protocol == Protocol::Lmtp || self.uses_prdr()
    }

    fn uses_prdr(&self) -> bool {
        self.transaction.as_ref().is_some_and(|t| t.parameters.prdr && t.recipients > 1)
    }

    /// Gives the verdict for one recipient, while the others' are still to be found out; `recipient` is its place among
    /// the accepted ones, from 0. Its reply goes out as soon as those before it have theirs (RFC 2033 section 5: "as soon
    /// as possible"), and [`Timeouts::verdict`](super::Timeouts::verdict) begins anew for the next.
    ///
    /// [`Server::answer`] ends the question, with the verdicts for those who have none yet: an
    /// [`EndOfDataVerdict::Each`] names all recipients, and what it says of those who had theirs is not looked at. What was
    /// said here has been said, also when the question is then cancelled: these recipients have the message, or not, and
    /// the client will not ask again.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`] as [`Server::answer`]. [`CallerFault::Misuse`] when there is one reply for all
    /// ([`EndOfData::per_recipient`]), no such recipient, or a verdict for it already.
    pub fn answer_recipient(
        &mut self,
        now: Now,
        ask: &Ask<EndOfData>,
        recipient: usize,
        verdict: Verdict<QueueId>,
    ) -> Result<(), CallerFault> {
        let each = self.answers_each_recipient();
        let Some(transaction) = self.transaction.as_mut().filter(|_| self.asks.holds(ask)) else {
            return Err(CallerFault::StaleAsk);
        };
        if !each || recipient >= transaction.recipients {
            return Err(CallerFault::Misuse("answer_recipient: no recipient with a reply of its own"));
        }
        let mut answered = core::mem::take(&mut transaction.answered);
        let twice = recipient < answered.said || answered.waiting.contains_key(&recipient);
        if !twice {
            answered.waiting.insert(recipient, verdict);
            self.say_known(&mut answered);
            self.timers.set(Timer::Verdict, now.instant + self.config.timeouts.verdict);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.answered = answered;
        }
        if twice { Err(CallerFault::Misuse("answer_recipient: it has its verdict")) } else { Ok(()) }
    }

    /// Whether a recipient has its reply and others wait for theirs: what there is goes out.
    pub(super) fn answers_one_by_one(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.answered.said > 0)
    }

    /// The replies that are next in order and known.
    fn say_known(&mut self, answered: &mut Answered) {
        while let Some(verdict) = answered.waiting.remove(&answered.said) {
            self.say_verdict(answered, verdict);
        }
    }

    /// The reply for the next recipient.
    fn say_verdict(&mut self, answered: &mut Answered, verdict: Verdict<QueueId>) {
        if answered.said == 0 && self.uses_prdr() {
            self.reply(&EACH_FOLLOWS);
        }
        answered.said += 1;
        self.say(answered, &verdict);
        let best = answered.best.take().filter(|best| rank(best) <= rank(&verdict));
        answered.best = best.or(Some(verdict));
    }

    fn say(&mut self, answered: &mut Answered, verdict: &Verdict<QueueId>) {
        match verdict {
            Verdict::Accept(id) => {
                answered.accepted = true;
                self.queued(id);
            }
            Verdict::AcceptWith(id, extras) => {
                answered.accepted = true;
                match &extras.reply {
                    Some(own) => self.approve(Some(own), &QUEUED),
                    None => self.queued(id),
                }
            }
            Verdict::Refuse(refusal) => {
                answered.closes |= refusal.closes();
                self.reply(refusal.reply());
            }
        }
    }

    pub(super) fn settle_end_of_data(&mut self, now: Now, verdict: EndOfDataVerdict) {
        let (each, prdr) = (self.answers_each_recipient(), self.uses_prdr());
        let mut answered = Answered::default();
        let mut recipients = 0;
        if let Some(transaction) = &mut self.transaction {
            answered = core::mem::take(&mut transaction.answered);
            recipients = transaction.recipients;
        }
        while each && answered.said < recipients {
            let next = answered.said;
            let known = answered.waiting.remove(&next);
            self.say_verdict(&mut answered, known.unwrap_or_else(|| verdict.of(next).clone()));
        }
        self.transaction = None;
        self.await_command(now);
        if prdr || !each {
            let one = answered.best.take().unwrap_or_else(|| verdict.in_one().clone());
            self.say(&mut answered, &one);
        }
        let Answered { accepted, closes, .. } = answered;
        if accepted {
            self.counts = Counts {
                transactions: self.counts.transactions,
                auth_failures: self.counts.auth_failures,
                ..Counts::default()
            };
        }
        if closes {
            self.close(CloseReason::Policy);
        } else if !accepted {
            self.count_error(now);
        }
    }

    /// Refuses a message for what it is; nobody was asked about it.
    pub(super) fn refuse_message(&mut self, now: Now, reply: &Reply) {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let recipients = self.transaction.take().map_or(0, |transaction| transaction.recipients);
        self.await_command(now);
        for _ in 0..if lmtp { recipients } else { 1 } {
            self.reply(reply);
        }
        self.count_error(now);
    }

    fn queued(&mut self, id: &QueueId) {
        let words = [QUEUED.text(), id.as_str()];
        write_words(&mut self.output, QUEUED.code(), QUEUED.enhanced(), true, &words);
    }
}

impl EndOfDataVerdict {
    /// The verdict for a recipient, by its place among the accepted ones.
    fn of(&self, recipient: usize) -> &Verdict<QueueId> {
        match self {
            Self::All(verdict) => verdict,
            Self::Each(verdicts) => verdicts.get(recipient).unwrap_or(&UNDECIDED),
        }
    }

    /// The verdict where only one reply can be given: yes as soon as anybody gets the message, not now if anybody may get
    /// it later.
    fn in_one(&self) -> &Verdict<QueueId> {
        match self {
            Self::All(verdict) => verdict,
            Self::Each(verdicts) => verdicts.iter().min_by_key(|verdict| rank(verdict)).unwrap_or(&UNDECIDED),
        }
    }
}

/// Which verdict stands for several: the least.
fn rank(verdict: &Verdict<QueueId>) -> u16 {
    match verdict {
        Verdict::Accept(_) | Verdict::AcceptWith(..) => 0,
        Verdict::Refuse(refusal) => refusal.reply().code() / 100,
    }
}

/// What a recipient gets whom the application forgot: the client shall try again.
static UNDECIDED: Verdict<QueueId> = Verdict::Refuse(Refusal::TEMPORARY);

static EACH_FOLLOWS: Reply =
    Reply::plain(353, "A reply for each recipient follows, then one for the message");
static QUEUED: Reply = Reply::fixed(250, (0, 0), "Ok: queued as ");

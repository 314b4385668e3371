//! The replies to a complete message: one, or one for each recipient.
//!
//! RFC 5321 sections 4.1.1.4 and 6.1: a 250 after the end of data takes the responsibility for the message. LMTP
//! (RFC 2033 section 4.2) answers once for each accepted RCPT, in their order, and a recipient that was named twice
//! is answered twice. That holds as well for a message that the machine itself refuses.
//!
//! PRDR (draft-hall-prdr-00, which expired; Exim speaks it) gives the same to SMTP, to a client that asked for it in MAIL
//! and has more than one accepted recipient: `353`, a reply for each in the order of RCPT, and one more for the message.
//! A message that the machine itself refuses gets its one reply and no `353`.
//!
//! # Limits
//! The replies to a message are written at once, so the output may go beyond its mark by a line for each recipient, of
//! which there are at most [`Limits::recipients_max`](super::Limits::recipients_max).

use super::config::Protocol;
use super::question::{EndOfDataVerdict, QueueId, Verdict};
use super::session::{Counts, Server};
use crate::reply::{Refusal, Reply, write_words};
use proto_core::{CloseReason, Now};

impl Server {
    /// Whether each recipient of this transaction gets a reply of its own.
    pub(super) fn answers_each_recipient(&self) -> bool {
        self.config.protocol == Protocol::Lmtp || self.uses_prdr()
    }

    fn uses_prdr(&self) -> bool {
        self.transaction.as_ref().is_some_and(|t| t.parameters.prdr && t.recipients > 1)
    }

    pub(super) fn settle_end_of_data(&mut self, now: Now, verdict: EndOfDataVerdict) {
        let (each, prdr) = (self.answers_each_recipient(), self.uses_prdr());
        let recipients = self.transaction.take().map_or(0, |transaction| transaction.recipients);
        self.await_command(now);
        if prdr {
            self.reply(&EACH_FOLLOWS);
        }
        let (mut accepted, mut closes) = (false, false);
        let mut say = |server: &mut Self, verdict: &Verdict<QueueId>| match verdict {
            Verdict::Accept(id) => {
                accepted = true;
                server.queued(id);
            }
            Verdict::AcceptWith(id, extras) => {
                accepted = true;
                match &extras.reply {
                    Some(own) => server.approve(Some(own), &QUEUED),
                    None => server.queued(id),
                }
            }
            Verdict::Refuse(refusal) => {
                closes |= refusal.closes();
                server.reply(refusal.reply());
            }
        };
        if each {
            for recipient in 0..recipients {
                say(self, verdict.of(recipient));
            }
        }
        if prdr || !each {
            say(self, verdict.in_one());
        }
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
            Self::Each(verdicts) => {
                let rank = |verdict: &&Verdict<QueueId>| match verdict {
                    Verdict::Accept(_) | Verdict::AcceptWith(..) => 0,
                    Verdict::Refuse(refusal) => refusal.reply().code() / 100,
                };
                verdicts.iter().min_by_key(rank).unwrap_or(&UNDECIDED)
            }
        }
    }
}

/// What a recipient gets whom the application forgot: the client shall try again.
static UNDECIDED: Verdict<QueueId> = Verdict::Refuse(Refusal::TEMPORARY);

static EACH_FOLLOWS: Reply =
    Reply::plain(353, "A reply for each recipient follows, then one for the message");
static QUEUED: Reply = Reply::fixed(250, (0, 0), "Ok: queued as ");

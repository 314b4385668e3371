//! The replies to a complete message: one, or one for each recipient.
//!
//! RFC 5321 sections 4.1.1.4 and 6.1: a 250 after the end of data takes the responsibility for the message. LMTP
//! (RFC 2033 section 4.2) answers once for each accepted RCPT, in their order, and a recipient that was named twice
//! is answered twice. That holds as well for a message that the machine itself refuses.

use super::config::Protocol;
use super::question::{EndOfDataVerdict, QueueId, Verdict};
use super::session::{Counts, Server};
use crate::reply::{Refusal, Reply, write_line};
use alloc::format;
use proto_core::{CloseReason, Now};

impl Server {
    /// Whether each recipient of this transaction gets a reply of its own.
    pub(super) fn answers_each_recipient(&self) -> bool {
        self.config.protocol == Protocol::Lmtp
    }

    pub(super) fn settle_end_of_data(&mut self, now: Now, verdict: EndOfDataVerdict) {
        let each = self.answers_each_recipient();
        let recipients = self.transaction.take().map_or(0, |transaction| transaction.recipients);
        self.await_command(now);
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
        } else {
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
        let each = self.answers_each_recipient();
        let recipients = self.transaction.take().map_or(0, |transaction| transaction.recipients);
        self.await_command(now);
        for _ in 0..if each { recipients } else { 1 } {
            self.reply(reply);
        }
        self.count_error(now);
    }

    fn queued(&mut self, id: &QueueId) {
        let text = format!("{}{id}", QUEUED.text());
        write_line(&mut self.output, QUEUED.code(), QUEUED.enhanced(), true, &text);
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

    /// The verdict where only one reply can be given: yes as soon as anybody gets the message.
    fn in_one(&self) -> &Verdict<QueueId> {
        match self {
            Self::All(verdict) => verdict,
            Self::Each(verdicts) => {
                let accepted = verdicts.iter().find(|verdict| !matches!(verdict, Verdict::Refuse(_)));
                accepted.or(verdicts.first()).unwrap_or(&UNDECIDED)
            }
        }
    }
}

/// What a recipient gets whom the application forgot: the client shall try again.
static UNDECIDED: Verdict<QueueId> = Verdict::Refuse(Refusal::TEMPORARY);

static QUEUED: Reply = Reply::fixed(250, (0, 0), "Ok: queued as ");

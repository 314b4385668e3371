//! MAIL and RCPT: a transaction and its recipients.
//!
//! RFC 5321 sections 3.3, 4.1.1.2, 4.1.1.3 and 4.1.1.11; RFC 6531 sections 3.3 to 3.5 for UTF-8 in addresses. The
//! wording follows Postfix, which log readers know.
//!
//! Domains are handed over as they came, in A-labels or U-labels. Whether the header of a message holds UTF-8 without
//! SMTPUTF8 having been said is a matter of its content, which this machine does not read.
//!
//! # Departures
//! A sender that is not ASCII, without SMTPUTF8, gets `553 5.6.7` like a recipient, where RFC 6531 section 3.5 has
//! 550: RFC 5321 section 4.3.2 allows 553 for both, and a server that does not offer the extension says the same.

use super::config::Syntax;
use super::end_of_data::Answered;
use super::event::Event;
use super::extras::Collected;
use super::question::{Mail, Rcpt, Verdict};
use super::session::{Server, Transaction};
use crate::command::{self, Grammar, PathFault};
use crate::reply::Reply;
use alloc::boxed::Box;
use proto_core::address::AddressError;
use proto_core::{CloseReason, Now};

impl Server {
    fn grammar(&self, now: Now) -> Grammar<'_> {
        Grammar {
            lenient: self.config.syntax == Syntax::Lenient,
            origin: self.config.origin(),
            extensions: self.extensions(now),
        }
    }

    pub(super) fn mail(&mut self, now: Now, arguments: &[u8]) {
        if self.counts.transactions >= self.config.limits.transactions_max {
            let reason = CloseReason::Protocol("too many messages".into());
            return self.close_with(421, (7, 0), "Error: too many messages", reason);
        }
        match command::mail(arguments, &self.grammar(now)) {
            Ok((path, parameters)) => {
                let reverse_path = path.into_owned();
                let xforward = self.xforward.clone();
                self.ask(now, Mail { reverse_path, parameters, xforward }, Event::Mail);
            }
            Err(fault) => self.refuse_path(now, fault, &SYNTAX_MAIL, &BAD_SENDER),
        }
    }

    pub(super) fn settle_mail(&mut self, now: Now, mail: Mail, verdict: Verdict) {
        let extras = match self.weigh(verdict) {
            Ok(extras) => extras,
            Err(refusal) => return self.refuse_by_verdict(now, &refusal),
        };
        let mut collected = Collected::default();
        let own = collected.take(extras);
        // It was for this message.
        self.xforward = None;
        self.counts.transactions = self.counts.transactions.saturating_add(1);
        self.failed_recipients = None;
        self.transaction = Some(Box::new(Transaction {
            reverse_path: mail.reverse_path,
            parameters: mail.parameters,
            recipients: 0,
            recipients_over: 0,
            only_recipient: None,
            collected,
            answered: Answered::default(),
            chunks: None,
        }));
        self.approve(own.as_ref(), &SENDER_OK);
    }

    pub(super) fn rcpt(&mut self, now: Now, arguments: &[u8]) {
        let accepted_before = self.transaction.as_ref().map_or(0, |t| t.recipients);
        let mut grammar = self.grammar(now);
        grammar.extensions.smtp_utf8 = self.transaction.as_ref().is_some_and(|t| t.parameters.smtp_utf8);
        match command::rcpt(arguments, &grammar) {
            // RFC 5321 section 4.5.3.1.10: 452, so that the client sends the rest in another transaction.
            Ok(_) if accepted_before >= self.config.limits.recipients_max => self.refuse_excess(now),
            Ok((path, parameters)) => {
                let forward_path = path.into_owned();
                self.ask(now, Rcpt { forward_path, parameters, accepted_before }, Event::Rcpt);
            }
            Err(fault) => self.refuse_path(now, fault, &SYNTAX_RCPT, &BAD_RECIPIENT),
        }
    }

    pub(super) fn settle_rcpt(&mut self, now: Now, rcpt: Rcpt, verdict: Verdict) {
        let extras = match self.weigh(verdict) {
            Ok(extras) => extras,
            Err(refusal) => return self.refuse_by_verdict(now, &refusal),
        };
        let mut own = None;
        if let Some(transaction) = &mut self.transaction {
            own = transaction.collected.take(extras);
            transaction.only_recipient = (transaction.recipients == 0).then_some(rcpt.forward_path);
            transaction.recipients += 1;
        }
        self.approve(own.as_ref(), &RECIPIENT_OK);
    }

    /// A client with more recipients than we take is no offender, and pipelines them all before it can know. As many again
    /// are refused without being counted as errors.
    fn refuse_excess(&mut self, now: Now) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.recipients_over += 1;
        if transaction.recipients_over > self.config.limits.recipients_max {
            return self.refuse(now, &TOO_MANY_RECIPIENTS);
        }
        self.reply(&TOO_MANY_RECIPIENTS);
    }

    fn refuse_path(&mut self, now: Now, fault: PathFault, form: &Reply, address: &Reply) {
        match fault {
            PathFault::Form => self.refuse(now, form),
            PathFault::Address(AddressError::NonAscii) => self.refuse(now, &NON_ASCII),
            PathFault::Address(AddressError::Utf8) => self.refuse(now, &MALFORMED_UTF8),
            PathFault::Address(_) => self.refuse(now, address),
            PathFault::Parameter(fault) => self.refuse(now, &fault.reply()),
        }
    }
}

static SENDER_OK: Reply = Reply::fixed(250, (1, 0), "Ok");
static RECIPIENT_OK: Reply = Reply::fixed(250, (1, 5), "Ok");
static SYNTAX_MAIL: Reply = Reply::fixed(501, (5, 4), "Syntax: MAIL FROM:<address>");
static SYNTAX_RCPT: Reply = Reply::fixed(501, (5, 4), "Syntax: RCPT TO:<address>");
static BAD_SENDER: Reply = Reply::fixed(501, (1, 7), "Bad sender address syntax");
static BAD_RECIPIENT: Reply = Reply::fixed(501, (1, 3), "Bad recipient address syntax");
static NON_ASCII: Reply = Reply::fixed(553, (6, 7), "Non-ASCII addresses not permitted");
static MALFORMED_UTF8: Reply = Reply::fixed(501, (5, 2), "Error: malformed UTF-8");
static TOO_MANY_RECIPIENTS: Reply = Reply::fixed(452, (5, 3), "Error: too many recipients");

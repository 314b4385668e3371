//! The envelope's commands, as many together as the server allows.
//!
//! RFC 2920 section 3.1: MAIL and RCPT may stand anywhere in a group, DATA only at its end. Without PIPELINING there is
//! one command at a time. BDAT begins when all replies to RCPT are there (RFC 3030 section 2).

use super::envelope::{Envelope, SendFault, adapt};
use super::outcome::{Failure, Outcome};
use super::session::{Awaited, Client, Phase};
use super::transaction::{Standing, Transaction};
use alloc::boxed::Box;
use core::fmt::Write;
use proto_core::Now;

impl Client {
    /// Sends a message to its recipients. Next comes [`ClientEvent::SendBody`](super::ClientEvent::SendBody) or, when no
    /// recipient was accepted, [`ClientEvent::Done`](super::ClientEvent::Done).
    ///
    /// Where the server said how many recipients it takes (RFC 9422), those over it are not sent; they are
    /// [`Outcome::Temporary`] with `4.5.3`, to be sent in another transaction. [`Client::recipients_max`] tells before.
    ///
    /// # Errors
    /// [`SendFault`]; nothing was sent.
    pub fn send(&mut self, now: Now, mut envelope: Envelope) -> Result<(), SendFault> {
        if self.phase != Phase::Idle {
            return Err(SendFault::NotReady);
        }
        if self.capabilities.limits.mail_max.is_some_and(|max| self.transactions >= max) {
            return Err(SendFault::SessionUsedUp);
        }
        let omitted = adapt(&mut envelope, &self.capabilities, self.is_tls(), &self.config)?;
        let over = Standing::Decided(Outcome::Temporary(Failure::of_recipient_limit()));
        let mut recipients = alloc::vec![Standing::Open; envelope.recipients.len()];
        if let Some(beyond) = self.recipients_max().and_then(|max| recipients.get_mut(max..)) {
            beyond.fill(over);
        }
        self.transactions = self.transactions.saturating_add(1);
        self.phase = Phase::Envelope;
        self.say_mail(&envelope);
        self.transaction = Some(Box::new(Transaction {
            recipients,
            omitted,
            chunked: self.config.chunking && self.capabilities.chunking,
            envelope,
            sent: 0,
            sender_refused: None,
            message_refused: None,
            verdict_refused: false,
            in_suspense: false,
            data_said: false,
            body: None,
        }));
        self.fill_pipeline();
        self.rearm(now);
        Ok(())
    }

    /// How many recipients of one [`Client::send`] the server takes, if it said so (RFC 9422, RCPTMAX).
    pub fn recipients_max(&self) -> Option<usize> {
        self.capabilities.limits.rcpt_max.map(|max| usize::try_from(max).unwrap_or(usize::MAX))
    }

    fn say_mail(&mut self, envelope: &Envelope) {
        // Formatting into an OutBuf never fails.
        let _ = write!(self.output, "MAIL FROM:{}{}", envelope.reverse_path, envelope.parameters);
        self.say(b"\r\n", Awaited::Mail);
    }

    /// Sends as much of the envelope as may be under way at once: all up to a bound with PIPELINING, else one
    /// command, and then DATA only when it is known to have a recipient. Once the output is full the rest waits until it is
    /// taken: a recipient with all its parameters may take a kilobyte.
    pub(super) fn fill_pipeline(&mut self) {
        while self.phase == Phase::Envelope
            && self.awaited.len() < self.commands_at_once()
            && !self.output.is_full()
        {
            let (lmtp, pipelining) = (self.is_lmtp(), self.capabilities.pipelining);
            let Some(transaction) = &mut self.transaction else { return };
            if transaction.data_said || transaction.sender_refused.is_some() {
                return;
            }
            let index = transaction.sent;
            if transaction.recipients.get(index) == Some(&Standing::Open) {
                let recipient = &transaction.envelope.recipients[index];
                let _ = write!(self.output, "RCPT TO:{}", recipient.forward_path);
                // In a transaction with SMTPUTF8 an ORCPT need not be ASCII (RFC 6533 section 3).
                let _ = match transaction.envelope.parameters.smtp_utf8 {
                    true => write!(self.output, "{:#}", recipient.parameters),
                    false => write!(self.output, "{}", recipient.parameters),
                };
                transaction.sent += 1;
                self.say(b"\r\n", Awaited::Rcpt(index));
            } else if transaction.chunked {
                if self.awaited.is_empty() && transaction.any_accepted() {
                    self.begin_body();
                }
                return;
            } else if transaction.any_accepted() || (pipelining && !lmtp && transaction.any_open()) {
                transaction.data_said = true;
                self.say(b"DATA\r\n", Awaited::Data);
            } else {
                return;
            }
        }
    }

    /// How many commands may be under way without their replies.
    pub(super) fn commands_at_once(&self) -> usize {
        if self.capabilities.pipelining { self.config.limits.pipelined_commands_max.max(1) } else { 1 }
    }
}

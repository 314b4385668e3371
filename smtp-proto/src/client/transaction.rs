//! Sending a message: envelope, message, outcomes.
//!
//! RFC 5321 section 3.3, RFC 2920 (what may be under way together, and what to do when part of it fails),
//! RFC 1870 and RFC 6152 (what is promised to a server is what it gets).

use super::event::{ClientEvent, ClientFailure, Outcome, Report};
use super::session::{Awaited, Client, Phase};
use crate::parameter::BodyKind;
use crate::reply::Reply;
use alloc::vec::Vec;
use core::fmt::Write;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::dot::{BareEol, DotEncoder};
use proto_core::{CloseReason, Now};

/// An envelope. Its addresses are typed: no CR, LF or NUL can stand in them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The sender.
    pub reverse_path: ReversePath,
    /// The recipients, one at least.
    pub recipients: Vec<ForwardPath>,
    /// The size of the message in octets, CR LF counted, if it is known (RFC 1870 section 5).
    pub size: Option<u64>,
    /// What kind of octets the message holds.
    pub body: BodyKind,
}

impl Envelope {
    /// An envelope for a message of unknown size and 7-bit octets.
    pub fn new(reverse_path: ReversePath, recipients: Vec<ForwardPath>) -> Self {
        Self { reverse_path, recipients, size: None, body: BodyKind::SevenBit }
    }
}

/// Why a message is not sent; nothing has been said to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFault {
    /// The session is not idle: wait for [`ClientEvent::Ready`].
    #[error("the session is not idle")]
    NotReady,
    /// There is no recipient.
    #[error("no recipient")]
    NoRecipient,
    /// An address is not ASCII, and the server was not found to take such (RFC 6531): permanent, `5.6.7`.
    #[error("an address is not ASCII")]
    NonAscii,
    /// The server takes no message of this size: permanent, `5.3.4`.
    #[error("the server takes at most {size_max} octets")]
    TooLarge {
        /// What the server announced.
        size_max: u64,
    },
    /// The message needs 8BITMIME and the server does not have it (RFC 6152 section 3): permanent, `5.6.3`.
    #[error("the server takes no 8-bit message")]
    EightBit,
}

/// Why octets of a message are not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// No message is due: wait for [`ClientEvent::SendBody`].
    #[error("no message is due")]
    NotDue,
    /// A CR or an LF stands alone. The session ends, since what was sent must not be terminated.
    #[error("{0} in the message")]
    BareLineEnd(BareEol),
    /// Octets over 127, though the envelope said 7BIT. The session ends likewise.
    #[error("8-bit octets in a message declared 7BIT")]
    EightBit,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Transaction {
    envelope: Envelope,
    /// Recipients whose RCPT was sent.
    sent: usize,
    /// One for each recipient, as far as it is known.
    outcomes: Vec<Option<Outcome>>,
    sender_refused: Option<Reply>,
    data_sent: bool,
    encoder: Option<DotEncoder>,
}

impl Transaction {
    fn any_accepted(&self) -> bool {
        self.outcomes.iter().any(|outcome| matches!(outcome, Some(Outcome::Accepted(_))))
    }

    fn all_known(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// What a reply to the whole message means for each recipient that was accepted.
    fn conclude(&mut self, outcome: &Outcome) {
        for slot in &mut self.outcomes {
            if matches!(slot, None | Some(Outcome::Accepted(_))) {
                *slot = Some(outcome.clone());
            }
        }
    }
}

impl Client {
    /// Sends a message to its recipients. Next comes [`ClientEvent::SendBody`] or, when no recipient was accepted,
    /// [`ClientEvent::Done`].
    ///
    /// # Errors
    /// [`SendFault`]; nothing was sent.
    pub fn send(&mut self, now: Now, envelope: Envelope) -> Result<(), SendFault> {
        if self.phase != Phase::Idle {
            return Err(SendFault::NotReady);
        }
        if envelope.recipients.is_empty() {
            return Err(SendFault::NoRecipient);
        }
        let mut mailboxes = envelope.recipients.iter().map(ForwardPath::mailbox);
        let sender = envelope.reverse_path.mailbox();
        if mailboxes.any(|m| m.is_some_and(|m| m.needs_utf8())) || sender.is_some_and(|m| m.needs_utf8()) {
            return Err(SendFault::NonAscii);
        }
        match (self.capabilities.size_max, envelope.size) {
            (Some(size_max), Some(size)) if size_max != 0 && size > size_max => {
                return Err(SendFault::TooLarge { size_max });
            }
            _ => {}
        }
        if envelope.body == BodyKind::EightBitMime && !self.capabilities.eight_bit_mime {
            return Err(SendFault::EightBit);
        }
        self.say_mail(&envelope);
        self.phase = Phase::Envelope;
        self.transaction = Some(Transaction {
            outcomes: envelope.recipients.iter().map(|_| None).collect(),
            envelope,
            sent: 0,
            sender_refused: None,
            data_sent: false,
            encoder: None,
        });
        self.fill_pipeline();
        self.rearm(now);
        Ok(())
    }

    fn say_mail(&mut self, envelope: &Envelope) {
        // Formatting into an OutBuf never fails.
        let _ = match envelope.reverse_path.mailbox() {
            Some(mailbox) => write!(self.output, "MAIL FROM:<{mailbox}>"),
            None => write!(self.output, "MAIL FROM:<>"),
        };
        if let (Some(_), Some(size)) = (self.capabilities.size_max, envelope.size) {
            let _ = write!(self.output, " SIZE={size}");
        }
        if envelope.body == BodyKind::EightBitMime {
            self.output.extend(b" BODY=8BITMIME");
        }
        self.say(b"\r\n", Awaited::Mail);
    }

    /// Sends as much of the envelope as may be under way at once: all up to a bound with PIPELINING, else one
    /// command, and then DATA only when it is known to have a recipient.
    fn fill_pipeline(&mut self) {
        let pipelining = self.capabilities.pipelining;
        let at_once = if pipelining { self.config.limits.pipelined_commands_max.max(1) } else { 1 };
        loop {
            let Some(transaction) = &mut self.transaction else { return };
            if self.awaited.len() >= at_once || transaction.data_sent || transaction.sender_refused.is_some()
            {
                return;
            }
            if let Some(recipient) = transaction.envelope.recipients.get(transaction.sent) {
                let _ = match recipient.mailbox() {
                    Some(mailbox) => write!(self.output, "RCPT TO:<{mailbox}>\r\n"),
                    None => write!(self.output, "RCPT TO:<postmaster>\r\n"),
                };
                self.awaited.push_back(Awaited::Rcpt(transaction.sent));
                transaction.sent += 1;
            } else if transaction.any_accepted() || (pipelining && !transaction.all_known()) {
                transaction.data_sent = true;
                self.say(b"DATA\r\n", Awaited::Data);
            } else {
                return;
            }
        }
    }

    pub(super) fn on_transaction_reply(&mut self, awaited: Awaited, reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        let intermediate = reply.is_intermediate() && !(awaited == Awaited::Data && reply.code() == 354);
        let too_positive = awaited == Awaited::Data && reply.is_positive();
        if intermediate || too_positive {
            return self.fail_with_reply(reply);
        }
        match awaited {
            Awaited::Mail if !reply.is_positive() => transaction.sender_refused = Some(reply),
            Awaited::Rcpt(index) => {
                // RFC 5321 section 4.5.3.1.10: 552 here is an old way to say 452.
                let outcome = match reply.code() {
                    552 => Outcome::Temporary(Some(reply)),
                    _ => outcome(reply),
                };
                transaction.outcomes[index] = Some(outcome);
            }
            Awaited::Data if reply.is_intermediate() => return self.on_go_ahead(),
            Awaited::Data | Awaited::EndOfData => {
                let outcome = outcome(reply);
                transaction.conclude(&outcome);
                let reset = awaited == Awaited::Data;
                return self.finish_transaction(reset);
            }
            _ => {}
        }
        self.fill_pipeline();
        if self.awaited.is_empty() {
            // Everything was answered and there is nobody to send DATA for.
            self.finish_transaction(true);
        }
    }

    /// 354. When no recipient was accepted, RFC 2920 section 3.1 has us send an empty message and forget it.
    fn on_go_ahead(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        if !transaction.any_accepted() || transaction.sender_refused.is_some() {
            self.phase = Phase::Finishing;
            return self.say(b".\r\n", Awaited::EndOfData);
        }
        transaction.encoder = Some(DotEncoder::new(self.config.bare_line_ends));
        self.phase = Phase::Body;
        self.events.push_back(ClientEvent::SendBody);
    }

    /// Tells the outcomes. `reset` when the server still holds the transaction.
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
        if let Some(reply) = transaction.sender_refused.take() {
            // Whatever was said about recipients of a message without a sender means nothing.
            transaction.outcomes.fill(Some(outcome(reply)));
        }
        let outcomes = transaction.outcomes.into_iter();
        let outcomes = outcomes.map(|outcome| outcome.unwrap_or_else(|| otherwise.clone())).collect();
        self.events.push_back(ClientEvent::Done(Report { outcomes }));
    }

    /// The session ends in the middle: nobody was served, unless the reply says otherwise.
    pub(super) fn lose_transaction(&mut self, reply: Option<&Reply>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.conclude(&Outcome::Temporary(reply.filter(|reply| reply.is_temporary()).cloned()));
        }
        self.report(&Outcome::Temporary(None));
    }

    fn fail_with_reply(&mut self, reply: Reply) {
        self.break_off(ClientFailure::Unexpected(reply), CloseReason::Protocol("unexpected reply".into()));
    }

    /// How many octets [`Client::write_body`] would take now; zero when no message is due, and when output has to leave
    /// first.
    pub fn body_room(&self) -> usize {
        // Each octet may become two.
        if self.phase == Phase::Body { self.output.room() / 2 } else { 0 }
    }

    /// Writes the next octets of the message, as it is: dots of transparency are added here. Returns how many were
    /// taken, at most [`Client::body_room`].
    ///
    /// # Errors
    /// [`BodyFault`]. When the message itself is at fault the session ends without a terminator, and all recipients
    /// have [`Outcome::Aborted`].
    pub fn write_body(&mut self, now: Now, octets: &[u8]) -> Result<usize, BodyFault> {
        let room = self.body_room();
        let encoder = self.transaction.as_mut().filter(|_| self.phase == Phase::Body);
        let Some(transaction) = encoder else { return Err(BodyFault::NotDue) };
        let Some(encoder) = &mut transaction.encoder else { return Err(BodyFault::NotDue) };
        let octets = &octets[..octets.len().min(room)];
        let declared = transaction.envelope.body == BodyKind::EightBitMime;
        let written = if declared || octets.is_ascii() {
            encoder.encode(octets, &mut self.output).map_err(BodyFault::BareLineEnd)
        } else {
            Err(BodyFault::EightBit)
        };
        if let Err(fault) = written {
            self.give_up("the message cannot be sent as it is");
            return Err(fault);
        }
        // An attempt is no progress: a server that takes nothing must run into the deadline.
        if !octets.is_empty() {
            self.rearm(now);
        }
        Ok(octets.len())
    }

    /// Ends the message. [`ClientEvent::Done`] tells what became of it.
    ///
    /// # Errors
    /// As [`Client::write_body`].
    pub fn finish(&mut self, now: Now) -> Result<(), BodyFault> {
        let transaction = self.transaction.as_mut().filter(|_| self.phase == Phase::Body);
        let Some(encoder) = transaction.and_then(|transaction| transaction.encoder.take()) else {
            return Err(BodyFault::NotDue);
        };
        if let Err(bare) = encoder.finish(&mut self.output) {
            self.give_up("the message cannot be sent as it is");
            return Err(BodyFault::BareLineEnd(bare));
        }
        self.phase = Phase::Finishing;
        self.awaited.push_back(Awaited::EndOfData);
        self.rearm(now);
        Ok(())
    }

    /// Gives the message up. There is no way to take a message back but to end the connection before its end.
    ///
    /// # Errors
    /// [`BodyFault::NotDue`] when none is being written.
    pub fn abort(&mut self, reason: &'static str) -> Result<(), BodyFault> {
        if self.phase != Phase::Body {
            return Err(BodyFault::NotDue);
        }
        self.give_up(reason);
        Ok(())
    }

    fn give_up(&mut self, reason: &'static str) {
        if let Some(transaction) = &mut self.transaction {
            transaction.conclude(&Outcome::Aborted);
        }
        self.report(&Outcome::Aborted);
        self.close(CloseReason::Aborted(reason.into()));
    }
}

/// RFC 5321 section 4.2.1: the first digit is what counts.
fn outcome(reply: Reply) -> Outcome {
    if reply.is_positive() {
        Outcome::Accepted(reply)
    } else if reply.is_permanent() {
        Outcome::Permanent(reply)
    } else {
        Outcome::Temporary(Some(reply))
    }
}

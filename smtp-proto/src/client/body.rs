//! The message: asked for, written piece by piece, ended or given up.
//!
//! RFC 5321 section 4.1.1.4 (DATA, and the dot at the end) and RFC 3030 section 2 (BDAT, in chunks that are counted).
//!
//! # Limits
//! A chunk is gathered before it is sent, since its size stands before it: [`ClientLimits::chunk_bytes_max`]. It leaves
//! when no other output waits, so no more than two of them are ever held. A message of DATA is not gathered.
//!
//! # Departures
//! In LMTP the last chunk waits for the replies to all others. RFC 2033 section 4.3 does not say how many replies a BDAT
//! LAST gets after a chunk that was refused.
//!
//! [`ClientLimits::chunk_bytes_max`]: super::ClientLimits::chunk_bytes_max

use super::session::{Awaited, Client, Phase};
use super::text::{BodyFault, Text};
use alloc::vec::Vec;
use core::fmt::Write;
use proto_core::dot::{DotEncoder, EncodePolicy};
use proto_core::{Now, OutBuf};

/// A message that is being written.
#[derive(Debug)]
pub(super) struct Body {
    text: Text,
    transfer: Transfer,
}

#[derive(Debug)]
enum Transfer {
    Data(DotEncoder),
    Bdat {
        /// Written and not sent.
        gathered: Vec<u8>,
        /// How much of it makes a chunk.
        chunk_bytes_max: usize,
        /// What may come of that when its line ends are repaired.
        gathered_bytes_max: usize,
        /// Nothing more will be written.
        complete: bool,
    },
}

impl Body {
    fn write(&mut self, octets: &[u8], output: &mut OutBuf) -> Result<(), BodyFault> {
        let Self { text, transfer } = self;
        text.pass(octets, |octets| transfer.write(octets, output))
    }

    fn finish(&mut self, output: &mut OutBuf) -> Result<(), BodyFault> {
        let Self { text, transfer } = self;
        text.finish(|octets| transfer.write(octets, output))
    }
}

impl Transfer {
    fn write(&mut self, octets: &[u8], output: &mut OutBuf) {
        match self {
            Self::Data(encoder) => {
                encoder.encode(octets, output).expect("invariant: Text lets no CR or LF alone through");
            }
            Self::Bdat { gathered, gathered_bytes_max, .. } => {
                let needed = gathered.len() + octets.len();
                if needed > gathered.capacity() {
                    // Doubling by itself, it would take twice as much.
                    let roomy = (2 * gathered.capacity()).min(*gathered_bytes_max).max(needed);
                    gathered.reserve_exact(roomy - gathered.len());
                }
                gathered.extend_from_slice(octets);
            }
        }
    }
}

impl Client {
    /// The envelope is accepted.
    pub(super) fn begin_body(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        let text = Text::new(&transaction.envelope.parameters, &self.config);
        let growth = text.growth_max();
        let chunk_bytes_max = (self.config.limits.chunk_bytes_max / growth).max(1);
        transaction.body = Some(Body {
            text,
            transfer: match transaction.chunked {
                true => Transfer::Bdat {
                    gathered: Vec::new(),
                    chunk_bytes_max,
                    gathered_bytes_max: growth * chunk_bytes_max,
                    complete: false,
                },
                false => Transfer::Data(DotEncoder::new(EncodePolicy::Refuse)),
            },
        });
        self.phase = Phase::BeforeBody;
    }

    /// How many octets [`Client::write_body`] would take now; zero when no message is due, and when output or a reply is
    /// to be awaited first. Ask again after each round of steps and output.
    pub fn body_room(&self) -> usize {
        let body = self.transaction.as_ref().and_then(|transaction| transaction.body.as_ref());
        match body.filter(|_| self.phase == Phase::Body).map(|body| &body.transfer) {
            None => 0,
            // Each octet may become two.
            Some(Transfer::Data(_)) => self.output.room() / 2,
            Some(Transfer::Bdat { gathered, chunk_bytes_max, .. }) => {
                match chunk_bytes_max.saturating_sub(gathered.len()) {
                    // What is gathered leaves when more comes, if it may.
                    0 if self.chunk_may_leave() => *chunk_bytes_max,
                    room => room,
                }
            }
        }
    }

    /// Whether neither replies nor other output are to be awaited first.
    fn chunk_may_leave(&self) -> bool {
        self.output.is_empty() && self.awaited.len() < self.commands_at_once()
    }

    /// Whether there is something of a message that was not sent, or is still to be written.
    pub(super) fn has_body(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.body.is_some())
    }

    /// Writes the next octets of the message, as it is: dots of transparency are added here. Returns how many were
    /// taken, at most [`Client::body_room`].
    ///
    /// # Errors
    /// [`BodyFault`]. When the message itself is at fault the session ends without a terminator, and all recipients
    /// have [`Outcome::Aborted`](super::Outcome::Aborted).
    pub fn write_body(&mut self, now: Now, octets: &[u8]) -> Result<usize, BodyFault> {
        let octets = &octets[..octets.len().min(self.body_room())];
        if !octets.is_empty() {
            self.send_chunks(true);
        }
        let (body, output) = self.body().ok_or(BodyFault::NotDue)?;
        if let Err(fault) = body.write(octets, output) {
            self.give_up(CANNOT_BE_SENT);
            return Err(fault);
        }
        self.send_chunks(false);
        // An attempt is no progress: a server that takes nothing must run into the deadline.
        if !octets.is_empty() {
            self.rearm(now);
        }
        Ok(octets.len())
    }

    /// Ends the message. [`ClientEvent::Done`](super::ClientEvent::Done) tells what became of it.
    ///
    /// # Errors
    /// As [`Client::write_body`].
    pub fn finish(&mut self, now: Now) -> Result<(), BodyFault> {
        let (body, output) = self.body().ok_or(BodyFault::NotDue)?;
        if let Err(fault) = body.finish(output) {
            self.give_up(CANNOT_BE_SENT);
            return Err(fault);
        }
        if let Transfer::Bdat { complete, .. } = &mut body.transfer {
            *complete = true;
            self.phase = Phase::Finishing;
            self.send_chunks(false);
        } else {
            self.end_data();
        }
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

    /// The message that is being written, and where to.
    fn body(&mut self) -> Option<(&mut Body, &mut OutBuf)> {
        let transaction = self.transaction.as_mut().filter(|_| self.phase == Phase::Body)?;
        Some((transaction.body.as_mut()?, &mut self.output))
    }

    /// The dot.
    fn end_data(&mut self) {
        let body = self.transaction.as_mut().and_then(|transaction| transaction.body.take());
        if let Some(Body { transfer: Transfer::Data(encoder), .. }) = body {
            encoder.finish(&mut self.output).expect("invariant: Text lets no CR alone through");
        }
        self.await_end_of_data();
    }

    /// Sends a chunk that is full, if it may leave, and the last one when the message is complete. What might be the last
    /// is kept back, unless more is known to come. Called again when output was taken and when a reply has come.
    pub(super) fn send_chunks(&mut self, more: bool) {
        while self.chunk_may_leave() {
            let is_lmtp = self.is_lmtp();
            let Some(transaction) = &mut self.transaction else { return };
            let Some(Body { transfer: Transfer::Bdat { gathered, chunk_bytes_max, complete, .. }, .. }) =
                &mut transaction.body
            else {
                return;
            };
            let bytes_max = *chunk_bytes_max;
            let full = gathered.len() > bytes_max || (more && gathered.len() == bytes_max);
            let last = *complete && !full;
            if (!last && !full) || (last && is_lmtp && !self.awaited.is_empty()) {
                return;
            }
            let bytes = gathered.len().min(bytes_max);
            // Formatting into an OutBuf never fails.
            let _ = write!(self.output, "BDAT {bytes}{}\r\n", if last { " LAST" } else { "" });
            self.output.extend(&gathered[..bytes]);
            if last {
                transaction.body = None;
                return self.await_end_of_data();
            }
            gathered.drain(..bytes);
            self.await_reply(Awaited::Chunk);
        }
    }
}

const CANNOT_BE_SENT: &str = "the message cannot be sent as it is";

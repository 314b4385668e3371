//! BDAT: the message in chunks of announced size.
//!
//! RFC 3030 section 2. The octets of a chunk stand behind the command without a pause, so whatever becomes of the
//! command, exactly as many octets as it announced are taken, and none of them is ever read as a command: a BDAT that
//! is refused is answered when its octets are gone. They stream, and those of a refused chunk are dropped as they come.
//!
//! A chunk that fails ends the transaction, since a message with a hole in it must not be completed: what is pipelined
//! behind it gets `503` until another MAIL. (RFC 3030 calls the state indeterminate and has the client send RSET.)
//!
//! # Limits
//! [`Limits::message_bytes_max`](super::Limits::message_bytes_max) counts over all chunks; one that would go beyond it
//! is refused as soon as it is announced. Chunks under [`SMALL_CHUNK_BYTES`] that are not the last count as commands
//! that bring no mail. What was pipelined behind a chunk that failed is no error of its own: one that is too large costs its
//! client one error and not as many as it had chunks. [`Timeouts::body_bytes_per_second_min`](super::Timeouts::body_bytes_per_second_min) is for the
//! whole message, and the time between its chunks counts.
//!
//! # Departures
//! * After a greeting that was a refusal (RFC 5321 section 3.1) octets of BDAT are read as commands like everything else: each gets
//!   its `503`, and nothing can come of any.
//! * A BDAT whose size cannot be read is answered `501` and ends the session: nobody knows where the next command
//!   begins. So is one on a line that cannot be read.
//! * BDAT where CHUNKING is not offered gets its `502` after its octets like any other refusal; RFC 3030 section 2 has
//!   them read as commands.
//! * LMTP: BDAT LAST in a transaction without recipients gets no reply at all, as RFC 2033 section 4.3 has it; one
//!   pipelined behind a chunk that failed gets a reply for each recipient, for which its client waits.

use super::body::{Pace, TOO_LARGE};
use super::config::Protocol;
use super::event::{BodyAbort, Event};
use super::question::{Data, Verdict};
use super::session::{Phase, Server};
use super::timers::Timer;
use crate::reply::{Reply, write_line};
use alloc::boxed::Box;
use alloc::format;
use proto_core::dot::ChunkDecoder;
use proto_core::{CloseReason, Now};

/// A chunk whose octets are coming.
#[derive(Debug)]
pub(super) struct Chunk {
    size: u64,
    /// How many of its octets have not come yet.
    left: u64,
    last: bool,
    /// How the message comes that it belongs to; a chunk that is refused is on its own.
    pub(super) pace: Pace,
    refusal: Option<ChunkRefusal>,
}

/// The octets of the chunk are dropped; then this is said.
#[derive(Debug)]
struct ChunkRefusal {
    reply: Reply,
    times: usize,
    /// A chunk of the same message was refused before.
    is_leftover: bool,
}

/// The message that the chunks of a transaction make.
#[derive(Debug)]
pub(super) struct ChunkedMessage {
    decoder: ChunkDecoder,
    /// As it was at the end of the last chunk.
    pub(super) pace: Pace,
    eight_bit: bool,
}

impl Server {
    /// `misplaced` says why the command may not come now.
    pub(super) fn bdat(&mut self, now: Now, arguments: &[u8], misplaced: Option<&Reply>) {
        let Some((size, last)) = parse(arguments) else {
            return self.lose_track(&SYNTAX_BDAT);
        };
        self.timers.stop(Timer::Command);
        let message = self.transaction.as_ref().and_then(|t| t.chunks.as_ref());
        let pace = message.map_or_else(|| Pace::new(now), |message| message.pace);
        self.phase = Phase::Chunk(Chunk { size, left: size, last, pace, refusal: None });
        if let Some(reply) = misplaced {
            self.fail_chunk(reply.clone(), BodyAbort::Reset);
        } else if self.is_too_large(size) {
            self.fail_chunk(TOO_LARGE.clone(), BodyAbort::TooLarge);
        } else if self.transaction.as_ref().is_some_and(|t| t.chunks.is_none()) {
            let recipients = self.transaction.as_ref().map_or(0, |t| t.recipients);
            return self.ask_within(now, self.config.timeouts.data_verdict, Data { recipients }, Event::Data);
        }
        self.extend_body_deadlines(now);
    }

    /// A size that cannot be known: no octet that follows can be told from a command.
    pub(super) fn lose_track(&mut self, reply: &Reply) {
        self.reply(reply);
        self.close(CloseReason::Protocol("a chunk of unknown size".into()));
    }

    /// The verdict on the message, given while its first chunk waits.
    pub(super) fn settle_first_chunk(&mut self, now: Now, verdict: Verdict) {
        match self.weigh(verdict) {
            Err(refusal) if refusal.closes() => return self.refuse_by_verdict(now, &refusal),
            Err(refusal) => self.fail_chunk(refusal.reply().clone(), BodyAbort::Reset),
            Ok(extras) => {
                let rules = self.text_rules(true);
                if let Some(transaction) = &mut self.transaction {
                    // What is said to the chunk is its count.
                    let _ = transaction.collected.take(extras);
                    let decoder = ChunkDecoder::new(rules.policy, rules.octets_max)
                        .ignoring_lines_up_to(rules.lines_ignored());
                    let pace = Pace::new(now);
                    transaction.chunks = Some(Box::new(ChunkedMessage { decoder, pace, eight_bit: false }));
                }
            }
        }
        self.timers.stop(Timer::Command);
        self.restart_body_deadlines(now);
    }

    /// Takes a step of the chunk; false when more octets are needed.
    pub(super) fn step_chunk(&mut self, now: Now) -> bool {
        let Phase::Chunk(chunk) = &mut self.phase else { return false };
        if chunk.left == 0 {
            self.end_chunk(now);
        } else if self.input.is_empty() {
            return self.end_of_input();
        } else {
            let mut octets = self.input.take(usize::try_from(chunk.left).unwrap_or(usize::MAX));
            chunk.left -= octets.len() as u64;
            chunk.pace.octets = chunk.pace.octets.saturating_add(octets.len() as u64);
            let message = self.transaction.as_mut().and_then(|t| t.chunks.as_mut());
            if let Some(message) = message.filter(|_| chunk.refusal.is_none()) {
                while let Some(text) = message.decoder.decode(&mut octets) {
                    message.eight_bit = message.eight_bit || !text.is_ascii();
                    self.events.push_back(Event::Body(text));
                }
            }
        }
        true
    }

    fn end_chunk(&mut self, now: Now) {
        self.timers.stop(Timer::BodyBlock);
        self.timers.stop(Timer::BodyRate);
        let Phase::Chunk(chunk) = core::mem::replace(&mut self.phase, Phase::Command) else { return };
        self.await_command(now);
        let brings_little = !chunk.last && chunk.size < SMALL_CHUNK_BYTES;
        if let Some(refusal) = chunk.refusal {
            for _ in 0..refusal.times {
                self.reply(&refusal.reply);
            }
            return match refusal.is_leftover {
                false => self.count_error(now),
                true if brings_little => self.count_idle_command(now),
                true => {}
            };
        }
        let message = self.transaction.as_mut().and_then(|t| t.chunks.as_mut());
        let Some(message) = message else { return };
        message.pace = Pace { in_chunks: true, ..chunk.pace };
        if chunk.last {
            self.events.extend(message.decoder.finish().map(Event::Body));
        }
        let (end, eight_bit) = (*message.decoder.seen(), message.eight_bit);
        match self.text_rules(true).refuses(&end) {
            None if chunk.last => self.ask_end_of_data(now, &end, eight_bit),
            None => {
                self.extend_body_deadlines(now);
                let text = format!("Ok: {} octets", chunk.size);
                write_line(&mut self.output, 250, CHUNK_TAKEN.enhanced(), true, &text);
                if brings_little {
                    self.count_idle_command(now);
                }
            }
            Some((why, reply)) if chunk.last => {
                self.events.push_back(Event::BodyAborted(why));
                self.refuse_message(now, reply);
            }
            Some((why, reply)) => {
                self.end_failed_transaction(why);
                self.refuse(now, reply);
            }
        }
    }

    /// The chunk under way is no part of a message, and neither is any other of this transaction.
    fn fail_chunk(&mut self, reply: Reply, why: BodyAbort) {
        let is_leftover = self.transaction.is_none() && self.failed_recipients.is_some();
        self.end_failed_transaction(why);
        let Phase::Chunk(chunk) = &mut self.phase else { return };
        let owed = if chunk.last { self.failed_recipients.take() } else { None };
        let each = self.config.protocol == Protocol::Lmtp && self.config.offer.chunking;
        let times = owed.filter(|_| each).unwrap_or(1);
        chunk.refusal = Some(ChunkRefusal { reply, times, is_leftover });
    }

    fn end_failed_transaction(&mut self, why: BodyAbort) {
        let recipients = self.transaction.as_ref().map(|t| t.recipients).or(self.failed_recipients);
        self.end_transaction(why);
        self.failed_recipients = recipients;
    }

    /// Whether a chunk of so many octets is more than the message may have. What the judge makes of a text is never
    /// smaller than the text.
    fn is_too_large(&self, size: u64) -> bool {
        let chunks = self.transaction.as_ref().and_then(|t| t.chunks.as_ref());
        let before = chunks.map_or(0, |message| message.decoder.seen().octets);
        before.saturating_add(size) > self.text_rules(true).octets_max
    }
}

/// `1*DIGIT`, and `LAST` or nothing. A number that is none of ours is none at all.
fn parse(arguments: &[u8]) -> Option<(u64, bool)> {
    let mut words = arguments.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    let size = words.next().filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let size = core::str::from_utf8(size).ok()?.parse().ok()?;
    match (words.next(), words.next()) {
        (None, _) => Some((size, false)),
        (Some(marker), None) if marker.eq_ignore_ascii_case(b"LAST") => Some((size, true)),
        _ => None,
    }
}

/// Chunks below this, other than the last, bring so little that they are counted.
const SMALL_CHUNK_BYTES: u64 = 1024;

pub(super) static SYNTAX_BDAT: Reply = Reply::fixed(501, (5, 4), "Syntax: BDAT size [LAST]");
static CHUNK_TAKEN: Reply = Reply::fixed(250, (0, 0), "");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_digits_that_fit() {
        for (arguments, expected) in [
            ("5", Some((5, false))),
            ("0 LAST", Some((0, true))),
            ("00000000000000000000000005 last", Some((5, true))),
            ("18446744073709551615", Some((u64::MAX, false))),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
            ("", None),
            ("LAST", None),
            ("+5", None),
            ("-1", None),
            ("5.0", None),
            ("0x5", None),
            ("5 FOO", None),
            ("5 LAST LAST", None),
            ("\u{665}", None),
        ] {
            assert_eq!(parse(arguments.as_bytes()), expected, "{arguments}");
        }
    }
}

//! The message between 354 and its end.
//!
//! RFC 5321 section 4.1.1.4. It streams: nothing of it is held here but what the decoder cannot judge yet. A
//! message that must be refused is swallowed up to its true end, so that no octet of it is read as a command
//! (section 4.5.3.1.9 has the replies).

use super::config::Config;
use super::event::{BodyAbort, Event};
use super::question::{BodyFaults, EndOfData};
use super::session::{Phase, Server};
use super::timers::Timer;
use crate::parameter::BodyKind;
use crate::reply::Reply;
use core::time::Duration;
use proto_core::dot::{DecodePolicy, Decoded, DotDecoder, DotEnd};
use proto_core::{CloseReason, Instant, Now};

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Body {
    decoder: DotDecoder,
    started: Instant,
    eight_bit: bool,
}

impl Body {
    pub(super) fn new(now: Now, config: &Config) -> Self {
        let octets_max = match config.limits.message_bytes_max {
            0 => u64::MAX,
            max => max,
        };
        let line_max = config.limits.text_line_bytes_max.unwrap_or(u64::MAX);
        let decoder = DotDecoder::new(config.bare_line_ends, octets_max)
            .ignoring_lines_up_to(line_max.min(TEXT_LINE_BYTES_MAX));
        Self { decoder, started: now.instant, eight_bit: false }
    }
}

impl Server {
    /// Whether octets of the message wait to be taken: then it is the application that is slow, not the client, unless
    /// they wait because the client does not read. Two octets wait for their successors in the decoder (`CR` or `.CR`),
    /// and mean nothing.
    pub(super) fn has_body_backlog(&self) -> bool {
        !self.output.is_full() && (!self.events.is_empty() || self.input.len() > 2)
    }

    /// The application was slow: what the client owes begins anew.
    pub(super) fn restart_body_deadlines(&mut self, now: Now) {
        if let Phase::Body(body) = &mut self.phase {
            body.started = now.instant;
        }
        self.extend_body_deadlines(now);
    }

    /// More octets came: the deadlines of the message move on.
    pub(super) fn extend_body_deadlines(&mut self, now: Now) {
        let Phase::Body(body) = &self.phase else { return };
        let timeouts = &self.config.timeouts;
        self.timers.set(Timer::BodyBlock, now.instant + timeouts.body_block);
        if let Some(seconds) =
            body.decoder.seen().octets.checked_div(timeouts.body_bytes_per_second_min.into())
        {
            let due = body.started + timeouts.body_block + Duration::from_secs(seconds);
            self.timers.set(Timer::BodyRate, due);
        }
    }

    /// Decodes a step of the message; false when more octets are needed.
    pub(super) fn step_body(&mut self, now: Now) -> bool {
        let Phase::Body(body) = &mut self.phase else { return false };
        match body.decoder.decode(&mut self.input) {
            Some(Decoded::Body(chunk)) => {
                body.eight_bit = body.eight_bit || !chunk.is_ascii();
                self.events.push_back(Event::Body(chunk));
                true
            }
            Some(Decoded::End(end)) => {
                let eight_bit = body.eight_bit;
                self.end_body(now, &end, eight_bit);
                true
            }
            None if self.eof => {
                self.close(CloseReason::PeerClosed);
                true
            }
            None => false,
        }
    }

    fn end_body(&mut self, now: Now, end: &DotEnd, eight_bit: bool) {
        self.timers.stop(Timer::BodyBlock);
        self.timers.stop(Timer::BodyRate);
        let line_max = self.config.limits.text_line_bytes_max.unwrap_or(u64::MAX);
        let refused = if end.over_size {
            Some((BodyAbort::TooLarge, &TOO_LARGE))
        } else if end.line_octets_max > line_max {
            Some((BodyAbort::LineTooLong, &LINE_TOO_LONG))
        } else if end.bare_eol.is_some() && self.config.bare_line_ends == DecodePolicy::Reject {
            Some((BodyAbort::BareLineEnd, &BARE_LINE_END))
        } else {
            None
        };
        if let Some((why, reply)) = refused {
            self.events.push_back(Event::BodyAborted(why));
            return self.refuse_message(now, reply);
        }
        let declared = self.transaction.as_ref().is_some_and(|t| t.parameters.body != BodyKind::SevenBit);
        let faults = BodyFaults {
            bare_line_end: end.bare_eol.is_some(),
            long_line: end.line_octets_max > TEXT_LINE_BYTES_MAX,
            undeclared_8bit: eight_bit && !declared,
        };
        self.phase = Phase::EndOfData;
        let asked = EndOfData {
            octets: end.octets,
            faults,
            recipients: self.transaction.as_ref().map_or(0, |t| t.recipients),
            per_recipient: self.answers_each_recipient(),
            disposition: self.disposition(),
        };
        self.ask(now, asked, Event::EndOfData);
    }
}

/// RFC 5321 section 4.5.3.1.6.
const TEXT_LINE_BYTES_MAX: u64 = 1000;

static TOO_LARGE: Reply = Reply::fixed(552, (3, 4), "Error: message size exceeds fixed limit");
static LINE_TOO_LONG: Reply = Reply::fixed(554, (6, 0), "Error: line too long");
static BARE_LINE_END: Reply = Reply::fixed(550, (6, 11), "Error: bare <CR> or <LF> received");

//! The message between 354 and its end.
//!
//! RFC 5321 section 4.1.1.4; what is asked of a message is the same when it comes in chunks (`bdat.rs`). It streams:
//! nothing of it is held here but what the decoder cannot judge yet. A message that must be refused is swallowed up to its
//! true end, so that no octet of it is read as a command (section 4.5.3.1.9 has the replies).
//!
//! # NUL
//! A NUL is an octet of the text like any other under every policy, also where it stands between CR LF and a dot. RFC 5321
//! section 4.5.2 lets mail data hold any of the 128 ASCII characters and has all of them delivered; that RFC 5322
//! (section 4) no longer lets anybody write one binds those who write. CR LF NUL `.` CR LF ends nothing here, and hides
//! nothing from a server behind us that drops NUL and would see an end: our [`Client`](crate::Client) lets no NUL out but
//! under BINARYMIME, which goes in counted chunks.

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
    pace: Pace,
    eight_bit: bool,
}

/// How long a message has been coming, and how much of it has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) started: Instant,
    pub(super) octets: u64,
    /// Chunks of it have come before.
    pub(super) in_chunks: bool,
}

impl Pace {
    pub(super) fn new(now: Now) -> Self {
        Self { started: now.instant, octets: 0, in_chunks: false }
    }
}

impl Body {
    pub(super) fn new(now: Now, rules: &TextRules) -> Self {
        let decoder =
            DotDecoder::new(rules.policy, rules.octets_max).ignoring_lines_up_to(rules.lines_ignored());
        Self { decoder, pace: Pace::new(now), eight_bit: false }
    }
}

/// What a message must be like.
#[derive(Debug)]
pub(super) struct TextRules {
    pub(super) policy: DecodePolicy,
    pub(super) octets_max: u64,
    line_octets_max: u64,
}

impl TextRules {
    /// Lines up to this length are not measured.
    pub(super) fn lines_ignored(&self) -> u64 {
        self.line_octets_max.min(TEXT_LINE_BYTES_MAX)
    }

    /// Why a text that has been like this so far is refused.
    pub(super) fn refuses(&self, seen: &DotEnd) -> Option<(BodyAbort, &'static Reply)> {
        if seen.over_size {
            Some((BodyAbort::TooLarge, &TOO_LARGE))
        } else if seen.line_octets_max > self.line_octets_max {
            Some((BodyAbort::LineTooLong, &LINE_TOO_LONG))
        } else if seen.bare_eol.is_some() && self.policy == DecodePolicy::Reject {
            Some((BodyAbort::BareLineEnd, &BARE_LINE_END))
        } else {
            None
        }
    }
}

impl Server {
    /// Whether a command or octets of the message wait to be taken: then it is the application that is slow, not the client,
    /// unless they wait because the client does not read. Two octets wait for their successors in the decoder (`CR` or `.CR`),
    /// and mean nothing.
    pub(super) fn has_backlog(&self) -> bool {
        let input_waits = match self.phase {
            Phase::Body(_) => self.input.len() > 2,
            Phase::Chunk(_) => !self.input.is_empty(),
            Phase::Asked(_) => true,
            // A command waits once it is complete.
            _ => self.input.as_slice().contains(&b'\n'),
        };
        !self.waits_for_reader() && (!self.events.is_empty() || input_waits)
    }

    /// How the message comes that has begun.
    fn pace(&mut self) -> Option<&mut Pace> {
        match &mut self.phase {
            Phase::Body(body) => {
                body.pace.octets = body.decoder.seen().octets;
                Some(&mut body.pace)
            }
            Phase::Chunk(chunk) => Some(&mut chunk.pace),
            _ => self.transaction.as_mut()?.chunks.as_mut().map(|message| &mut message.pace),
        }
    }

    /// For so long we made the client wait: that is no time that the message takes.
    pub(super) fn excuse(&mut self, now: Now, waited: Duration) {
        if let Some(pace) = self.pace() {
            pace.started = pace.started + waited;
            self.extend_body_deadlines(now);
        }
    }

    /// The application was slow: what the client owes begins anew.
    pub(super) fn restart_body_deadlines(&mut self, now: Now) {
        if let Some(pace) = self.pace() {
            pace.started = now.instant;
        }
        self.extend_body_deadlines(now);
    }

    /// More octets came: the deadlines of the message move on. The client has none while the application thinks.
    pub(super) fn extend_body_deadlines(&mut self, now: Now) {
        if self.asks.is_open() {
            return;
        }
        let Some(&mut Pace { started, octets, in_chunks }) = self.pace() else { return };
        let timeouts = &self.config.timeouts;
        if matches!(self.phase, Phase::Body(_) | Phase::Chunk(_)) {
            self.timers.set(Timer::BodyBlock, now.instant + timeouts.body_block);
        }
        if let Some(seconds) = octets.checked_div(timeouts.body_bytes_per_second_min.into()) {
            // Once in a message the client may take all its time for a command between two chunks.
            let between = if in_chunks { timeouts.command } else { Duration::ZERO };
            let due = started + timeouts.body_block + between + Duration::from_secs(seconds);
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
        if let Some((why, reply)) = self.text_rules(false).refuses(end) {
            self.events.push_back(Event::BodyAborted(why));
            return self.refuse_message(now, reply);
        }
        self.ask_end_of_data(now, end, eight_bit);
    }

    /// What the message of this transaction must be like. Nobody judges the lines of what may have none (RFC 3030
    /// section 3).
    pub(super) fn text_rules(&self, chunked: bool) -> TextRules {
        let Config { limits, .. } = &*self.config;
        let octets_max = if limits.message_bytes_max == 0 { u64::MAX } else { limits.message_bytes_max };
        if self.body_kind() == BodyKind::BinaryMime {
            return TextRules { policy: DecodePolicy::Raw, octets_max, line_octets_max: u64::MAX };
        }
        TextRules {
            policy: if chunked { self.config.bare_line_ends_in_chunks } else { self.config.bare_line_ends },
            octets_max,
            line_octets_max: limits.text_line_bytes_max.unwrap_or(u64::MAX),
        }
    }

    fn body_kind(&self) -> BodyKind {
        self.transaction.as_ref().map_or_else(BodyKind::default, |t| t.parameters.body)
    }

    /// The message is here, and nothing of ours speaks against it.
    pub(super) fn ask_end_of_data(&mut self, now: Now, end: &DotEnd, eight_bit: bool) {
        let kind = self.body_kind();
        // RFC 6531 section 3.1: with SMTPUTF8 the header may be UTF-8, whatever the body is.
        let utf8 = self.transaction.as_ref().is_some_and(|t| t.parameters.smtp_utf8);
        let faults = if kind == BodyKind::BinaryMime {
            BodyFaults::default()
        } else {
            BodyFaults {
                bare_line_end: end.bare_eol.is_some(),
                long_line: end.line_octets_max > TEXT_LINE_BYTES_MAX,
                undeclared_8bit: eight_bit && kind == BodyKind::SevenBit && !utf8,
            }
        };
        let per_recipient = self.answers_each_recipient();
        let disposition = self.disposition();
        let recipients = self.transaction.as_mut().map_or(0, |transaction| {
            transaction.chunks = None;
            transaction.recipients
        });
        self.phase = Phase::EndOfData;
        let asked = EndOfData { octets: end.octets, faults, recipients, per_recipient, disposition };
        self.ask_within(now, self.config.timeouts.verdict, asked, Event::EndOfData);
    }
}

/// RFC 5321 section 4.5.3.1.6.
const TEXT_LINE_BYTES_MAX: u64 = 1000;

pub(super) static TOO_LARGE: Reply = Reply::fixed(552, (3, 4), "Error: message size exceeds fixed limit");
static LINE_TOO_LONG: Reply = Reply::fixed(554, (6, 0), "Error: line too long");
static BARE_LINE_END: Reply = Reply::fixed(550, (6, 11), "Error: bare <CR> or <LF> received");

//! DATA, up to the 354.
//!
//! RFC 5321 section 4.1.1.4.

use super::body::Body;
use super::config::Impatience;
use super::event::{Event, Violation};
use super::question::{Data, Verdict};
use super::session::{Phase, Server};
use super::timers::Timer;
use crate::reply::Reply;
use proto_core::{CloseReason, Now};

impl Server {
    pub(super) fn data(&mut self, now: Now, arguments: &[u8]) {
        if !arguments.is_empty() {
            return self.refuse(now, &SYNTAX_DATA);
        }
        // RFC 2920 section 3.1: DATA ends a group. Octets behind it were sent by a client that does not look at
        // our replies, or by somebody who hides a message in another one.
        if !self.input.is_empty() {
            self.report(Violation::PipelinedAfterData);
            if self.config.pipelining_after_data == Impatience::Refuse {
                self.reply(&SYNCHRONIZATION);
                return self.close(CloseReason::Protocol("pipelining after DATA".into()));
            }
        }
        let recipients = self.transaction.as_ref().map_or(0, |t| t.recipients);
        self.ask_within(now, self.config.timeouts.data_verdict, Data { recipients }, Event::Data);
    }

    pub(super) fn settle_data(&mut self, now: Now, verdict: Verdict) {
        if matches!(self.phase, Phase::Chunk(_)) {
            return self.settle_first_chunk(now, verdict);
        }
        let extras = match self.weigh(verdict) {
            Ok(extras) => extras,
            Err(refusal) => return self.refuse_by_verdict(now, &refusal),
        };
        let own = self.transaction.as_mut().and_then(|transaction| transaction.collected.take(extras));
        self.approve(own.as_ref(), &START_INPUT);
        self.timers.stop(Timer::Command);
        self.phase = Phase::Body(Body::new(now, &self.text_rules(false)));
        self.extend_body_deadlines(now);
    }
}

static SYNTAX_DATA: Reply = Reply::fixed(501, (5, 4), "Syntax: DATA");
static SYNCHRONIZATION: Reply = Reply::fixed(554, (5, 0), "Error: SMTP protocol synchronization");
static START_INPUT: Reply = Reply::plain(354, "End data with <CR><LF>.<CR><LF>");

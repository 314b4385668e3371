//! APPEND: asked about before the message comes, then streamed.
//!
//! RFC 3501 section 6.3.11, RFC 4315 section 3 (APPENDUID), RFC 7888. A refusal stands in place of the continuation;
//! of a client that does not wait, the message is let go by first.
//!
//! # Departures
//! A message of 0 octets is refused with NO. RFC 3501 has no rule on it; RFC 3502 section 3 demands the NO.

use super::answer::Answer;
use super::ask::{AppendBegin, AppendEnd, Appended, Verdict};
use super::output::completed;
use super::phase::{Doing, Phase, Progress};
use super::{Event, Server, Timeouts, Timer};
use crate::framing::{Announced, Frame};
use crate::parse::{self, Refused};
use crate::types::{Append, ResponseCode, StatusResponse, Tag};
use crate::view::Moment;
use bytes::Bytes;
use core::time::Duration;
use proto_core::{Instant, Now, Step};

/// A message that comes.
#[derive(Debug)]
pub(super) struct Incoming {
    tag: Tag,
    begun: Instant,
    octets: u64,
}

impl Incoming {
    /// When more octets must have come: within the wait for a block, and not so late that the whole is slower than
    /// it may be.
    fn deadline(&self, now: Now, timeouts: &Timeouts) -> Instant {
        let block = now.instant + timeouts.append_block;
        match self.octets.checked_div(u64::from(timeouts.append_bytes_per_second_min)) {
            Some(seconds) => block.min(self.begun + timeouts.append_block + Duration::from_secs(seconds)),
            None => block,
        }
    }
}

impl Server {
    /// The literal of an APPEND's message was announced.
    pub(super) fn append_announced(&mut self, now: Now, tag: Tag, append: Append, announced: Announced) {
        if !self.session.authenticated {
            let answer = StatusResponse::bad("Log in first.");
            return self.reject_literal(now, announced, answer);
        }
        if announced.octets == 0 {
            let answer = StatusResponse::no("A message cannot be empty.");
            return self.reject_literal(now, announced, answer);
        }
        let limits = &self.config.limits;
        let verdict = self.framer.message_verdict(limits.message_bytes_max, limits.drain_bytes_max);
        if !self.admit(now, verdict) {
            return;
        }
        let progress = Progress::AppendBegin { synchronising: announced.synchronising };
        let doing = Doing { tag, name: "APPEND", moment: Moment::Free, progress };
        let Append { mailbox, flags, date } = append;
        let octets = announced.octets;
        self.ask(now, doing, AppendBegin { mailbox, flags, date, octets }, Event::AppendBegin);
    }

    pub(super) fn append_octets(&mut self, now: Now, octets: Bytes) {
        let Phase::Append(incoming) = &mut self.phase else { return };
        incoming.octets += octets.len() as u64;
        let deadline = incoming.deadline(now, &self.config.timeouts);
        self.timers.set(Timer::Append, deadline);
        self.queue.push_back(Step::App(Event::AppendChunk(octets)));
    }

    /// The whole command is there.
    pub(super) fn append_complete(&mut self, now: Now, frame: &Frame) {
        let Phase::Append(incoming) = core::mem::replace(&mut self.phase, Phase::Command) else { return };
        self.timers.stop(Timer::Append);
        if let Err(Refused { answer, .. }) = parse::append_end(frame) {
            return self.append_given_up(now, incoming, answer);
        }
        let Incoming { tag, octets, .. } = incoming;
        let doing = Doing { tag, name: "APPEND", moment: Moment::Free, progress: Progress::AppendEnd };
        self.ask(now, doing, AppendEnd { octets }, Event::AppendEnd);
    }

    /// Something stands after the message that cannot stand there, with a literal of its own.
    pub(super) fn append_broken(&mut self, now: Now, announced: Announced) {
        self.timers.stop(Timer::Append);
        self.queue.push_back(Step::App(Event::AppendAborted));
        self.next_command(now);
        let answer = StatusResponse::bad("Unexpected literal after the message.");
        self.reject_literal(now, announced, answer);
    }

    /// The octets were for nothing; the command is over.
    pub(super) fn append_given_up(&mut self, now: Now, incoming: Incoming, answer: StatusResponse) {
        self.timers.stop(Timer::Append);
        self.queue.push_back(Step::App(Event::AppendAborted));
        self.reply_refused(now, Refused { tag: Some(incoming.tag), answer });
    }
}

impl Answer for AppendBegin {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict) {
        let synchronising = matches!(doing.progress, Progress::AppendBegin { synchronising: true });
        match verdict {
            Ok(()) => {
                if synchronising {
                    server.continuation("Ready for the message");
                }
                server.framer.stream();
                let incoming = Incoming { tag: doing.tag, begun: now.instant, octets: 0 };
                server.timers.set(Timer::Append, incoming.deadline(now, &server.config.timeouts));
                server.phase = Phase::Append(incoming);
            }
            Err(refusal) => server.give_up(now, refusal.reply(true)),
        }
    }
}

impl Answer for AppendEnd {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<Option<Appended>>) {
        match verdict {
            Ok(appended) => {
                let mut reply = completed(doing.name);
                reply.code = appended
                    .map(|Appended { uid_validity, uid }| ResponseCode::AppendUid { uid_validity, uid });
                server.finish(now, doing.tag, reply, doing.moment);
            }
            Err(refusal) => server.finish(now, doing.tag, refusal.reply(true), doing.moment),
        }
    }
}

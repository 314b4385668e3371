//! The session as a [`Machine`]: what happened goes in, steps and octets come out.

use super::change::Change;
use super::client::{Due, MilterClient, Phase};
use super::config::MilterTimer;
use super::event::{MilterEvent, MilterFailure};
use super::offer::Offer;
use super::options::{MilterVersion, Stage};
use super::reply::MilterReply;
use super::verdict::{REJECT, SHUTDOWN, TEMPFAIL, Verdict, refusal_of};
use super::wire::{LENGTH_BYTES, head, next_packet};
use alloc::boxed::Box;
use bytes::Bytes;
use proto_core::{CloseReason, Instant, Machine, Now, OutBuf, Step, TlsInfo};

impl Machine for MilterClient {
    type Event = MilterEvent;

    fn handle_input(&mut self, _now: Now, input: &[u8]) -> usize {
        if self.is_over() { 0 } else { self.input.push(input) }
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.timers.expire(now.instant).is_none() || self.failure.is_some() {
            return;
        }
        self.failure = match self.due {
            Due::Negotiation => Some(MilterFailure::NegotiationTimeout),
            Due::Answer(stage) => Some(MilterFailure::Timeout(stage)),
            Due::Nothing | Due::Known(_) => None,
        };
    }

    /// There is no TLS between a server and a milter.
    fn handle_tls(&mut self, _now: Now, _tls: TlsInfo) {}

    /// An answer that is due is waited for; then QUIT.
    fn handle_shutdown(&mut self, _now: Now) {
        self.stopping = true;
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<MilterEvent>> {
        loop {
            if let Phase::Closing(reason) = &self.phase {
                let reason = reason.clone();
                self.phase = Phase::Closed;
                return Some(Step::Closed(reason));
            }
            if self.phase == Phase::Closed {
                return None;
            }
            if let Some(failure) = self.failure.take() {
                return Some(self.fail(failure));
            }
            if let Due::Known(_) = self.due {
                if self.output.is_full() {
                    // The next piece of the body is asked for when there is room for it.
                    return None;
                }
                let Due::Known(verdict) = core::mem::replace(&mut self.due, Due::Nothing) else { continue };
                return Some(Step::App(MilterEvent::Answered(verdict)));
            }
            if self.stopping && matches!(self.due, Due::Nothing | Due::Negotiation) {
                self.say_quit();
                continue;
            }
            match self.read(now) {
                Ok(Some(event)) => return Some(Step::App(event)),
                Ok(None) if self.eof => self.failure = Some(MilterFailure::ConnectionLost),
                Ok(None) => return None,
                Err(failure) => self.failure = Some(failure),
            }
        }
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn wants_input(&self) -> bool {
        let is_telling = self.failure.is_some() || matches!(self.due, Due::Known(_));
        !self.is_over() && !self.eof && !is_telling && self.input.room() > 0
    }

    fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }
}

impl MilterClient {
    fn fail(&mut self, failure: MilterFailure) -> Step<MilterEvent> {
        self.due = Due::Nothing;
        // There is nobody to read it.
        self.output = OutBuf::new();
        self.close(match &failure {
            MilterFailure::ConnectionLost => CloseReason::PeerClosed,
            MilterFailure::Timeout(_) | MilterFailure::NegotiationTimeout => CloseReason::Timeout("milter"),
            failure => CloseReason::Protocol(alloc::format!("{failure}").into()),
        });
        Step::App(MilterEvent::Failed(failure))
    }

    /// One event from what is in the input; `None` when more is needed.
    fn read(&mut self, now: Now) -> Result<Option<MilterEvent>, MilterFailure> {
        match self.due {
            Due::Negotiation => self.read_negotiation(),
            Due::Answer(stage) => self.read_answer(now, stage),
            Due::Nothing | Due::Known(_) if self.input.is_empty() => Ok(None),
            Due::Nothing | Due::Known(_) => Err(MilterFailure::Unasked),
        }
    }

    fn read_negotiation(&mut self) -> Result<Option<MilterEvent>, MilterFailure> {
        let packet = next_packet(&mut self.input, self.config.limits.packet_bytes_max)?;
        let Some(packet) = packet else { return Ok(None) };
        let MilterReply::Negotiate(offer) = MilterReply::decode(&packet)? else {
            return Err(MilterFailure::NoNegotiation);
        };
        let Offer { version, actions, steps, macros } = offer;
        self.version = MilterVersion::of_number(version)
            .filter(|spoken| *spoken <= self.version && version <= self.version.number())
            .ok_or(MilterFailure::Version(version))?;
        if !self.config.actions.contains(actions) {
            return Err(MilterFailure::NotOffered);
        }
        self.steps = steps;
        if !macros.is_empty() {
            let mut names = Box::new(self.config.macros.clone());
            names.override_by(macros);
            self.macros = Some(names);
        }
        self.timers.stop(MilterTimer::Answer);
        self.due = Due::Nothing;
        self.phase = Phase::Ready;
        Ok(Some(MilterEvent::Ready))
    }

    fn read_answer(&mut self, now: Now, stage: Stage) -> Result<Option<MilterEvent>, MilterFailure> {
        loop {
            if self.replacing > 0 {
                let octets = self.input.take(self.replacing);
                self.replacing -= octets.len();
                let is_more = !octets.is_empty();
                let piece = Bytes::from(self.lines.push(&octets));
                return Ok(is_more.then_some(MilterEvent::Change(Change::ReplaceBody(piece))));
            }
            match head(self.input.as_slice())? {
                // A new body is not held: it may come in one packet.
                Some((length, b'b')) if stage == Stage::EndOfMessage => {
                    self.input.skip(LENGTH_BYTES + 1);
                    // A length that this machine cannot count is more octets than will ever come.
                    self.replacing = usize::try_from(length - 1).unwrap_or(usize::MAX);
                    self.be_patient(now, stage);
                    // That a new body begins is told at once: it may be empty.
                    return self.change(MilterReply::ReplaceBody(Bytes::new()), 0).map(Some);
                }
                // It may be that one, of any length.
                None if stage == Stage::EndOfMessage => return Ok(None),
                // Behind anything else the body goes on in a new line.
                Some((_, kind)) if kind != b'p' => {
                    let end = self.lines.end();
                    if !end.is_empty() {
                        let end = Change::ReplaceBody(Bytes::from_static(end));
                        return Ok(Some(MilterEvent::Change(end)));
                    }
                }
                _ => {}
            }
            let packet = next_packet(&mut self.input, self.config.limits.packet_bytes_max)?;
            let Some(packet) = packet else { return Ok(None) };
            let verdict = match MilterReply::decode(&packet)? {
                MilterReply::Progress => {
                    self.be_patient(now, stage);
                    continue;
                }
                MilterReply::Continue => Verdict::Continue,
                MilterReply::Skip => {
                    // Nothing follows the end of a message that could be left out.
                    self.skipped = Some(stage).filter(|stage| *stage != Stage::EndOfMessage);
                    Verdict::Continue
                }
                MilterReply::Accept => Verdict::Accept,
                MilterReply::Discard => Verdict::Discard,
                MilterReply::Reject => Verdict::Refuse(REJECT),
                MilterReply::TempFail => Verdict::Refuse(TEMPFAIL),
                MilterReply::Shutdown => Verdict::Refuse(SHUTDOWN),
                MilterReply::ReplyCode(words) => Verdict::Refuse(refusal_of(&words)?),
                reply if stage == Stage::EndOfMessage => {
                    self.be_patient(now, stage);
                    return self.change(reply, packet.len()).map(Some);
                }
                _ => return Err(MilterFailure::Unexpected(stage)),
            };
            return Ok(Some(self.answered(stage, verdict)));
        }
    }

    /// A change to the message.
    fn change(&mut self, reply: MilterReply, bytes: usize) -> Result<MilterEvent, MilterFailure> {
        let change =
            Change::of_reply(reply, self.config.actions, self.has_leading_space(), &self.config.origin)
                .ok_or(MilterFailure::Unexpected(Stage::EndOfMessage))??;
        if !matches!(change, Change::ReplaceBody(_)) {
            self.changes += 1;
            self.change_bytes = self.change_bytes.saturating_add(bytes);
            let limits = &self.config.limits;
            if self.changes > limits.changes_max || self.change_bytes > limits.change_bytes_max {
                return Err(MilterFailure::TooManyChanges);
            }
        }
        Ok(MilterEvent::Change(change))
    }

    /// The milter works on it: its time begins anew.
    fn be_patient(&mut self, now: Now, stage: Stage) {
        self.timers.set(MilterTimer::Answer, now.instant + self.config.timeouts.of(stage));
    }

    /// What the verdict on a step means for what comes.
    fn answered(&mut self, stage: Stage, verdict: Verdict) -> MilterEvent {
        self.timers.stop(MilterTimer::Answer);
        self.due = Due::Nothing;
        let verdict = if core::mem::take(&mut self.is_refused) { Verdict::Continue } else { verdict };
        let is_of_session = matches!(stage, Stage::Connect | Stage::Helo);
        let closes = matches!(&verdict, Verdict::Refuse(refusal) if *refusal == SHUTDOWN);
        match &verdict {
            Verdict::Continue => {}
            Verdict::Discard if is_of_session => {}
            _ if closes || is_of_session => self.say_quit(),
            // The refusal of a recipient or of a command is that and no more.
            Verdict::Refuse(_) if matches!(stage, Stage::Rcpt | Stage::Unknown) => {}
            // At the end of a message the transaction is over anyway, and outside of one there is none.
            _ => self.is_decided = self.is_in_transaction(),
        }
        MilterEvent::Answered(verdict)
    }

    const fn is_in_transaction(&self) -> bool {
        matches!(self.phase, Phase::Envelope | Phase::Data | Phase::Header | Phase::Body)
    }
}

//! RETR and TOP: a message on its way out.
//!
//! RFC 1939 sections 5 and 7. The application writes the stored octets; here they get CR LF line ends, dots of
//! transparency and the terminator. Nothing is held but what waits to be sent. A message that breaks off closes the
//! connection: a terminator would pass the torso off as the message.
//!
//! # Departures
//! A CR that stands alone is sent as it is stored, so that what is delivered is what was received.

use super::command;
use super::event::Event;
use super::question::{Retrieve, RetrieveRefusal};
use super::reply;
use super::session::{Phase, Server};
use super::timers::Timer;
use super::top::TopCut;
use crate::maildrop::RetrOctets;
use alloc::borrow::Cow;
use proto_core::dot::{DotEncoder, EncodePolicy};
use proto_core::{CallerFault, CloseReason, Now};

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Body {
    encoder: DotEncoder,
    octets: RetrOctets,
    top: Option<TopCut>,
}

impl Server {
    pub(super) fn retr(&mut self, now: Now, number: &[u8]) {
        let Some(index) = self.index(number) else { return };
        self.ask(now, Retrieve { index, top_lines: None }, Event::Retrieve);
    }

    pub(super) fn top(&mut self, now: Now, number: &[u8], lines: &[u8]) {
        let Some(lines) = command::number(lines) else {
            return self.bad_command(&reply::BAD_ARGUMENTS);
        };
        let Some(index) = self.index(number) else { return };
        self.ask(now, Retrieve { index, top_lines: Some(lines) }, Event::Retrieve);
    }

    pub(super) fn retrieve_verdict(
        &mut self,
        now: Now,
        asked: &Retrieve,
        verdict: Result<(), RetrieveRefusal>,
    ) {
        match verdict {
            Ok(()) => {
                let message = self.maildrop.as_ref().and_then(|maildrop| maildrop.message(asked.index));
                match (asked.top_lines, message) {
                    (None, Some(message)) => {
                        reply::write_ok(&mut self.output, format_args!("{} octets", message.octets));
                    }
                    _ => reply::write_ok(&mut self.output, format_args!("Top of message follows")),
                }
                self.timers.stop(Timer::Idle);
                self.timers.set(Timer::Stream, now.instant + self.config.timeouts.stream);
                self.phase = Phase::Body(Body {
                    encoder: DotEncoder::new(EncodePolicy::RepairLf),
                    octets: RetrOctets::default(),
                    top: asked.top_lines.map(TopCut::new),
                });
            }
            Err(RetrieveRefusal::Gone) => reply::MESSAGE_GONE.write(&mut self.output),
            Err(RetrieveRefusal::Backend(backend)) => self.refuse_backend(&backend, "Message cannot be read"),
        }
    }

    /// How many octets of the message [`Server::write_body`] would take now; zero when no message is being sent, when
    /// output has to leave first, and when the client has all that it wanted.
    pub fn body_room(&self) -> usize {
        match &self.phase {
            // Each octet may become two.
            Phase::Body(_) if !self.is_body_satisfied() => self.output.room() / 2,
            _ => 0,
        }
    }

    /// Whether the client has all that it wanted, so that [`Server::finish_body`] is due though the message goes on.
    pub fn is_body_satisfied(&self) -> bool {
        matches!(&self.phase, Phase::Body(Body { top: Some(top), .. }) if top.is_done())
    }

    /// Sends the next octets of the message, as they are stored; returns how many were taken, at most
    /// [`Server::body_room`].
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when no message is being sent: none was asked for, or the session has ended.
    pub fn write_body(&mut self, now: Now, octets: &[u8]) -> Result<usize, CallerFault> {
        let room = self.body_room();
        let Phase::Body(body) = &mut self.phase else { return Err(NO_BODY) };
        let mut taken = &octets[..octets.len().min(room)];
        if let Some(top) = &mut body.top {
            taken = &taken[..top.admit(taken)];
        }
        body.octets.push(taken);
        body.encoder.encode(taken, &mut self.output).expect("invariant: RepairLf refuses nothing");
        if !taken.is_empty() {
            self.timers.set(Timer::Stream, now.instant + self.config.timeouts.stream);
        }
        Ok(taken.len())
    }

    /// The message is complete, or [`Server::is_body_satisfied`]: its last line and the terminator are sent. Returns
    /// how many octets were delivered, as [`Message::octets`](crate::Message::octets) counts them; if that is another
    /// number after RETR, the store's index is wrong.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when no message is being sent.
    pub fn finish_body(&mut self, now: Now) -> Result<u64, CallerFault> {
        if !matches!(self.phase, Phase::Body(_)) {
            return Err(NO_BODY);
        }
        let Phase::Body(body) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return Err(NO_BODY);
        };
        body.encoder.finish(&mut self.output).expect("invariant: RepairLf refuses nothing");
        self.timers.stop(Timer::Stream);
        self.await_command(now);
        Ok(body.octets.finish())
    }

    /// The message cannot be completed. The connection closes without a terminator, so that the client does not take
    /// the torso for the message; nothing is removed from the maildrop.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when no message is being sent.
    pub fn abort_body(&mut self, reason: impl Into<Cow<'static, str>>) -> Result<(), CallerFault> {
        if !matches!(self.phase, Phase::Body(_)) {
            return Err(NO_BODY);
        }
        self.close(CloseReason::Aborted(reason.into()));
        Ok(())
    }
}

const NO_BODY: CallerFault = CallerFault::Misuse("no message is being sent");

//! From octets to commands: what the framer finds, and what is decided about literals.
//!
//! RFC 3501 section 2.2.1, RFC 7888. A literal that is too large is refused in place of the continuation; one that
//! comes unasked is let go by to its true end, or ends the session: no octet of it is ever read as a command.

use super::phase::Phase;
use super::{Config, NonSyncLiterals, Server};
use crate::framing::{self, Announced, FrameStep, LiteralVerdict, Swallowed};
use crate::parse::{self, LiteralUse, Refused};
use crate::types::{ResponseCode, Status, StatusResponse, Tag};
use proto_core::{CloseReason, Now};

/// What the framer must know of the configuration.
pub(super) fn framing_limits(config: &Config, authenticated: bool) -> framing::Limits {
    let limits = &config.limits;
    let (line_bytes_max, literal_bytes_max, drain_bytes_max) = if authenticated {
        (limits.line_bytes_max, limits.literal_bytes_max, limits.drain_bytes_max)
    } else {
        (limits.line_bytes_pre_auth_max, limits.literal_bytes_pre_auth_max, limits.drain_bytes_pre_auth_max)
    };
    framing::Limits {
        line_bytes_max,
        literal_bytes_max,
        command_bytes_max: limits.command_bytes_max,
        non_sync_bytes_max: match config.non_sync_literals {
            NonSyncLiterals::Plus => u64::MAX,
            NonSyncLiterals::Minus => LITERAL_MINUS_BYTES_MAX,
        },
        drain_bytes_max,
    }
}

impl Server {
    /// The limits before login no longer hold.
    pub(super) fn use_limits_of_state(&mut self) {
        self.framer.set_limits(framing_limits(&self.config, self.session.authenticated));
        self.framer.keep_secrets(!self.session.authenticated);
    }

    /// Forgets all input that was taken (STARTTLS, the end).
    pub(super) fn drop_input(&mut self) {
        self.input.clear();
        self.framer.reset();
    }

    /// Goes on with what came; false when more is needed.
    pub(super) fn read(&mut self, now: Now) -> bool {
        let Some(step) = self.framer.poll(&mut self.input) else { return false };
        match step {
            FrameStep::Command(frame) => match self.phase {
                Phase::Append(_) => self.append_complete(now, &frame),
                _ => match parse::command(&frame, &self.config.limits.grammar) {
                    Ok(command) => self.dispatch(now, command),
                    Err(refused) => self.reply_refused(now, refused),
                },
            },
            FrameStep::Literal(announced) => self.literal(now, announced),
            FrameStep::Octets(octets) => self.append_octets(now, octets),
            FrameStep::LiteralEnd => {}
            FrameStep::Swallowed { tag, why } => self.swallowed(now, tag, why),
            FrameStep::Endless => self.close_too_big("Command too long."),
        }
        true
    }

    fn literal(&mut self, now: Now, announced: Announced) {
        if let Phase::Append(_) = self.phase {
            // After the message, where only the end of the command may stand.
            return self.append_broken(now, announced);
        }
        match parse::literal(self.framer.fragments(), &self.config.limits.grammar) {
            Ok(LiteralUse::Argument) => {
                let verdict = self.framer.argument_verdict();
                if self.admit(now, verdict) {
                    if announced.synchronising {
                        self.continuation("Ready for literal data");
                    }
                    self.framer.collect();
                }
            }
            Ok(LiteralUse::Message { tag, append }) => self.append_announced(now, tag, append, announced),
            Err(refused) => self.reject_literal(now, announced, refused.answer),
        }
    }

    /// Acts on the limits' verdict; true when the literal may be taken.
    pub(super) fn admit(&mut self, now: Now, verdict: LiteralVerdict) -> bool {
        let answer = match verdict {
            LiteralVerdict::Take => return true,
            LiteralVerdict::TooBig => StatusResponse::no("Literal too large."),
            LiteralVerdict::NotWithoutWaiting => StatusResponse::bad("Literal too large to come unasked."),
            LiteralVerdict::Close => {
                self.close_too_big("Literal too large.");
                return false;
            }
        };
        self.give_up(now, answer.with_code(ResponseCode::TooBig));
        false
    }

    /// Refuses the command that a literal was announced for, whatever the limits say of the literal.
    pub(super) fn reject_literal(&mut self, now: Now, announced: Announced, answer: StatusResponse) {
        let drain_bytes_max = framing_limits(&self.config, self.session.authenticated).drain_bytes_max;
        if !announced.synchronising && announced.octets > drain_bytes_max {
            return self.close_too_big("Literal too large.");
        }
        self.give_up(now, answer);
    }

    /// Answers so as soon as the command is over: now, when the client waits, else when it has gone by.
    pub(super) fn give_up(&mut self, now: Now, answer: StatusResponse) {
        self.framer.give_up();
        self.next_command(now);
        self.phase = Phase::Refusing(answer);
    }

    fn swallowed(&mut self, now: Now, tag: Option<Tag>, why: Swallowed) {
        let phase = core::mem::replace(&mut self.phase, Phase::Command);
        let too_long = StatusResponse::bad("Command line too long.").with_code(ResponseCode::TooBig);
        match (why, phase) {
            (Swallowed::GivenUp, Phase::Refusing(answer)) => self.reply_refused(now, Refused { tag, answer }),
            (_, Phase::Append(incoming)) => self.append_given_up(now, incoming, too_long),
            _ => self.reply_refused(now, Refused { tag, answer: too_long }),
        }
    }

    /// Answers a command that cannot be taken.
    pub(super) fn reply_refused(&mut self, now: Now, refused: Refused) {
        let Refused { tag, answer } = refused;
        if answer.status == Status::Bad {
            return self.bad_reply(now, tag.as_ref(), answer);
        }
        match &tag {
            Some(tag) => self.tagged(tag, &answer),
            None => self.untagged_status(answer),
        }
        self.was_understood();
        self.next_command(now);
    }

    pub(super) fn close_too_big(&mut self, text: &'static str) {
        let bye = StatusResponse::bye(text).with_code(ResponseCode::TooBig);
        self.close(CloseReason::Protocol("command too large".into()), Some(bye));
    }
}

/// RFC 7888 section 5.
const LITERAL_MINUS_BYTES_MAX: u64 = 4096;

//! The server's end of a connection to a milter: what it knows, and what it can be asked.

use super::config::{BODY_CHUNK_BYTES_MAX, HEADER_FIELD_BYTES_MAX, MilterConfig, MilterTimer};
use super::event::MilterFailure;
use super::lines::Lines;
use super::macros::{MacroNames, MacroValues};
use super::options::{Actions, MilterVersion, Stage, Steps};
use super::peer::MilterPeer;
use super::verdict::Verdict;
use super::wire::{LENGTH_BYTES, harmless, push_macros, write_packet};
use crate::parameter::{MailParameters, RcptParameters};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Display;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{CallerFault, CloseReason, InBuf, Now, OutBuf, TimerKind, TimerTable};

/// The server's end of one connection to one milter. See the [module](super).
#[derive(Debug)]
pub struct MilterClient {
    pub(super) config: Arc<MilterConfig>,
    pub(super) input: InBuf,
    pub(super) output: OutBuf,
    pub(super) timers: TimerTable<MilterTimer, { MilterTimer::ALL.len() }>,
    pub(super) phase: Phase,
    pub(super) due: Due,
    /// Why it ends, until that is told.
    pub(super) failure: Option<MilterFailure>,
    /// The version that both speak.
    pub(super) version: MilterVersion,
    /// What the milter chose about steps.
    pub(super) steps: Steps,
    /// The lists of macros, where the milter has some of its own.
    pub(super) macros: Option<Box<MacroNames>>,
    /// No more of this step in this transaction, until another one comes.
    pub(super) skipped: Option<Stage>,
    /// The answer that is due is about a recipient that was refused before.
    pub(super) is_refused: bool,
    /// The milter has decided on the message.
    pub(super) is_decided: bool,
    /// The step before which the macros of a header or a body were sent; they are sent once.
    macros_told: Option<Stage>,
    /// Changes to this message.
    pub(super) changes: usize,
    /// Octets of the packets they came in.
    pub(super) change_bytes: usize,
    /// Octets that are to come of a piece of a new body.
    pub(super) replacing: usize,
    /// The new body's line ends.
    pub(super) lines: Lines,
    pub(super) eof: bool,
    pub(super) stopping: bool,
}

/// How far the session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Our offer is not answered.
    Negotiating,
    /// Nothing was said of the client yet.
    Ready,
    /// No transaction.
    Idle,
    /// MAIL was told.
    Envelope,
    /// DATA was told.
    Data,
    /// A header field was told.
    Header,
    /// The header is complete.
    Body,
    /// What is left of the output, then the end.
    Closing(CloseReason),
    Closed,
}

/// What the application waits for.
#[derive(Debug)]
pub(super) enum Due {
    Nothing,
    /// The milter's answer to our offer.
    Negotiation,
    /// The milter's answer to a step.
    Answer(Stage),
    /// This, which it will be told.
    Known(Verdict),
}

/// Room for a piece of a body and the macros before it.
const OUTPUT_BYTES: usize = BODY_CHUNK_BYTES_MAX + 4096;

impl MilterClient {
    /// A session on a connection that stands. Our offer is said at once, and [`MilterEvent::Ready`] follows.
    ///
    /// [`MilterEvent::Ready`]: super::MilterEvent::Ready
    pub fn new(now: Now, config: Arc<MilterConfig>) -> Self {
        let mut client = Self {
            input: InBuf::with_capacity(config.limits.packet_bytes_max.saturating_add(LENGTH_BYTES)),
            output: OutBuf::with_high_water(OUTPUT_BYTES),
            timers: TimerTable::default(),
            phase: Phase::Negotiating,
            due: Due::Negotiation,
            failure: None,
            version: config.version,
            steps: Steps::default(),
            macros: None,
            skipped: None,
            is_refused: false,
            is_decided: false,
            macros_told: None,
            changes: 0,
            change_bytes: 0,
            replacing: 0,
            lines: Lines::default(),
            eof: false,
            stopping: false,
            config,
        };
        let Actions(actions) = client.config.actions;
        let numbers = [client.version.number(), actions, client.offered_steps().0].map(u32::to_be_bytes);
        write_packet(&mut client.output, b'O', &[numbers.as_flattened()]);
        client.timers.set(MilterTimer::Answer, now.instant + client.config.timeouts.command);
        client
    }

    fn offered_steps(&self) -> Steps {
        let also = if self.config.no_header_reply { Steps::NO_REPLY_HEADER } else { Steps::default() };
        self.version.steps() | also
    }

    /// Tells who has connected.
    ///
    /// Each step that is told, from this one to [`MilterClient::unknown`], is answered by one
    /// [`MilterEvent::Answered`](super::MilterEvent::Answered), unless the session fails.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`], here and in all that follow, when an answer is due or the step may not come now.
    pub fn connect(
        &mut self,
        now: Now,
        peer: &MilterPeer,
        macros: MacroValues<'_>,
    ) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Ready, "connect comes once, and first")?;
        self.phase = Phase::Idle;
        let mut data = Vec::new();
        peer.write(&mut data);
        self.tell(now, Stage::Connect, macros, &[&data]);
        Ok(())
    }

    /// Tells the name of HELO, EHLO or LHLO; again when it comes again, outside of a transaction.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn helo(&mut self, now: Now, name: &str, macros: MacroValues<'_>) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Idle, "helo comes outside of a transaction")?;
        // Behind STARTTLS it is another session, of which the milter has said nothing yet.
        self.skipped = None;
        self.tell(now, Stage::Helo, macros, &[&harmless(name.as_bytes()), b"\0"]);
        Ok(())
    }

    /// Tells the sender: a transaction begins.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn mail(
        &mut self,
        now: Now,
        from: &ReversePath,
        parameters: &MailParameters,
        macros: MacroValues<'_>,
    ) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Idle, "mail comes outside of a transaction")?;
        self.phase = Phase::Envelope;
        self.tell(now, Stage::Mail, macros, &[arguments(from, parameters).as_bytes()]);
        Ok(())
    }

    /// Tells a recipient. The refusal of one leaves the others as they are.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn rcpt(
        &mut self,
        now: Now,
        to: &ForwardPath,
        parameters: &RcptParameters,
        macros: MacroValues<'_>,
    ) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Envelope, "rcpt comes between mail and data")?;
        self.tell(now, Stage::Rcpt, macros, &[arguments(to, parameters).as_bytes()]);
        Ok(())
    }

    /// Tells a recipient that was refused before the milter is asked, if it [wants](Self::wants_refused_recipients) to know. Its
    /// answer is of no account: what is told is [`Verdict::Continue`].
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn refused_rcpt(
        &mut self,
        now: Now,
        to: &ForwardPath,
        parameters: &RcptParameters,
        macros: MacroValues<'_>,
    ) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Envelope, "rcpt comes between mail and data")?;
        if self.wants_refused_recipients() {
            self.rcpt(now, to, parameters, macros)?;
            self.is_refused = matches!(self.due, Due::Answer(_));
        } else {
            self.due = Due::Known(Verdict::Continue);
        }
        Ok(())
    }

    /// Tells that the client is about to send the message.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn data(&mut self, now: Now, macros: MacroValues<'_>) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Envelope, "data comes once in a transaction")?;
        self.phase = Phase::Data;
        self.tell(now, Stage::Data, macros, &[]);
        Ok(())
    }

    /// Tells a header field, whose name and value have at most [`HEADER_FIELD_BYTES_MAX`] octets. `value` is all that stands
    /// behind the colon, lines separated by CR LF or LF, without the last line end. A NUL becomes a space.
    ///
    /// # Errors
    /// As [`MilterClient::connect`], and when the field is too large.
    pub fn header(
        &mut self,
        now: Now,
        name: &[u8],
        value: &[u8],
        macros: MacroValues<'_>,
    ) -> Result<(), CallerFault> {
        let before = matches!(self.phase, Phase::Envelope | Phase::Data | Phase::Header);
        self.may(before, "header comes before the end of the header")?;
        let bytes = name.len().saturating_add(value.len());
        self.may(bytes <= HEADER_FIELD_BYTES_MAX, "a header field has at most 65,533 octets")?;
        self.phase = Phase::Header;
        if self.wants(Stage::Header) {
            let bare = match value {
                // Sendmail takes one space away, no tab and no second one.
                [b' ', bare @ ..] if !self.has_leading_space() => bare,
                value => value,
            };
            let mut lines = Vec::with_capacity(bare.len());
            for line in bare.split_inclusive(|octet| *octet == b'\n') {
                match line {
                    [line @ .., b'\r', b'\n'] => {
                        lines.extend_from_slice(line);
                        lines.push(b'\n');
                    }
                    line => lines.extend_from_slice(line),
                }
            }
            self.tell(now, Stage::Header, macros, &[&harmless(name), b"\0", &harmless(&lines), b"\0"]);
        } else {
            self.tell(now, Stage::Header, macros, &[]);
        }
        Ok(())
    }

    /// Tells that the header is complete.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn end_of_header(&mut self, now: Now, macros: MacroValues<'_>) -> Result<(), CallerFault> {
        let before = matches!(self.phase, Phase::Envelope | Phase::Data | Phase::Header);
        self.may(before, "the header ends once in a transaction")?;
        self.phase = Phase::Body;
        self.tell(now, Stage::EndOfHeader, macros, &[]);
        Ok(())
    }

    /// Tells a piece of the body, of at most [`BODY_CHUNK_BYTES_MAX`] octets; an empty one is answered and not sent.
    ///
    /// # Errors
    /// As [`MilterClient::connect`], and when the piece is too large.
    pub fn body(&mut self, now: Now, piece: &[u8], macros: MacroValues<'_>) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Body, "the body comes behind the header")?;
        self.may(piece.len() <= BODY_CHUNK_BYTES_MAX, "a piece of a body has at most 65,535 octets")?;
        if piece.is_empty() {
            self.due = Due::Known(Verdict::Continue);
        } else {
            self.tell(now, Stage::Body, macros, &[piece]);
        }
        Ok(())
    }

    /// Tells that the message is complete. Changes may come before the answer; with it the transaction is over.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn end_of_message(&mut self, now: Now, macros: MacroValues<'_>) -> Result<(), CallerFault> {
        self.may(self.phase == Phase::Body, "the message ends once, behind its header")?;
        (self.changes, self.change_bytes) = (0, 0);
        let is_decided = self.is_decided;
        self.tell(now, Stage::EndOfMessage, macros, &[]);
        if is_decided {
            // The milter was not told, and waits for the next transaction.
            write_packet(&mut self.output, b'A', &[]);
        }
        self.end_transaction();
        Ok(())
    }

    /// Tells a command that the server does not know.
    ///
    /// # Errors
    /// As [`MilterClient::connect`].
    pub fn unknown(&mut self, now: Now, line: &[u8], macros: MacroValues<'_>) -> Result<(), CallerFault> {
        let between = matches!(self.phase, Phase::Idle | Phase::Envelope);
        self.may(between, "an unknown command comes behind connect and not within a message")?;
        self.tell(now, Stage::Unknown, macros, &[&harmless(line), b"\0"]);
        Ok(())
    }

    /// Tells that the transaction is void: what a client, or a refusal, or the loss of the client does before
    /// [`MilterClient::end_of_message`] was answered. Nothing is told where there is no transaction, or no session any more.
    /// There is no answer.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when an answer is due.
    pub fn abort(&mut self, _now: Now) -> Result<(), CallerFault> {
        self.may_speak()?;
        if matches!(self.phase, Phase::Envelope | Phase::Data | Phase::Header | Phase::Body) {
            write_packet(&mut self.output, b'A', &[]);
            self.end_transaction();
        }
        Ok(())
    }

    /// Says goodbye and ends the session, if it has not ended.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when an answer is due.
    pub fn quit(&mut self, _now: Now) -> Result<(), CallerFault> {
        self.may_speak()?;
        if !self.is_over() {
            self.say_quit();
        }
        Ok(())
    }

    /// Whether the milter would be told a step, if it came now. A body that it does not want need not be read from
    /// anywhere.
    pub fn wants(&self, stage: Stage) -> bool {
        !self.is_over()
            && !self.is_decided
            && self.version >= stage.since()
            && self.skipped != Some(stage)
            && !stage.unwanted().is_some_and(|step| self.steps.contains(step))
    }

    /// Whether the milter wants to be told recipients that were refused before it was asked as well:
    /// [`MilterClient::refused_rcpt`].
    pub const fn wants_refused_recipients(&self) -> bool {
        self.steps.contains(Steps::REFUSED_RECIPIENTS)
    }

    /// Whether values of header fields come and go with the space behind the colon.
    pub(super) const fn has_leading_space(&self) -> bool {
        self.steps.contains(Steps::LEADING_SPACE)
    }

    /// Whether a command may come.
    fn may(&self, in_order: bool, otherwise: &'static str) -> Result<(), CallerFault> {
        self.may_speak()?;
        if in_order { Ok(()) } else { Err(CallerFault::Misuse(otherwise)) }
    }

    fn may_speak(&self) -> Result<(), CallerFault> {
        match self.due {
            Due::Nothing => Ok(()),
            _ => Err(CallerFault::Misuse("an answer is due")),
        }
    }

    /// Sends macros and a step as far as the milter wants them, and says what the application waits for now.
    fn tell(&mut self, now: Now, stage: Stage, macros: MacroValues<'_>, data: &[&[u8]]) {
        self.due = Due::Known(Verdict::Continue);
        if self.skipped != Some(stage) {
            self.skipped = None;
        }
        if !self.input.is_empty() {
            // It came before the question, so it is no answer to it.
            self.failure = Some(MilterFailure::Unasked);
            return;
        }
        // A step that the milter does not want has macros nevertheless: it may look at them later. Not so parts of the
        // message, of which it may want none.
        let is_wanted = self.wants(stage);
        let known = !self.is_decided && self.version >= stage.since() && self.skipped.is_none();
        if known && (is_wanted || !matches!(stage, Stage::Header | Stage::Body)) {
            self.tell_macros(stage, macros);
        }
        if !is_wanted {
            return;
        }
        write_packet(&mut self.output, stage.code(), data);
        if !stage.unanswered().is_some_and(|step| self.steps.contains(step)) {
            self.due = Due::Answer(stage);
            self.timers.set(MilterTimer::Answer, now.instant + self.config.timeouts.of(stage));
        }
    }

    fn tell_macros(&mut self, stage: Stage, values: MacroValues<'_>) {
        if matches!(stage, Stage::Header | Stage::Body) && self.macros_told == Some(stage) {
            return;
        }
        self.macros_told = Some(stage);
        let names = self.macros.as_deref().unwrap_or(&self.config.macros);
        let mut data = Vec::new();
        push_macros(
            &mut data,
            stage,
            names.names(stage).filter_map(|name| values(name).map(|value| (name, value))),
        );
        write_packet(&mut self.output, b'D', &[&data]);
    }

    fn end_transaction(&mut self) {
        self.phase = Phase::Idle;
        self.skipped = None;
        self.is_decided = false;
        self.macros_told = None;
    }

    pub(super) fn say_quit(&mut self) {
        write_packet(&mut self.output, b'Q', &[]);
        self.close(CloseReason::Quit);
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.phase = Phase::Closing(reason);
        self.timers.stop_all();
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closing(_) | Phase::Closed)
    }
}

/// A path and its parameters as strings that end in NUL.
fn arguments(path: &impl Display, parameters: &impl Display) -> String {
    // None of them can hold a NUL, and a space only between parameters; one in a quoted local part is in the path.
    let mut strings = format!("{path}\0");
    for word in format!("{parameters}").split_ascii_whitespace() {
        strings.push_str(word);
        strings.push('\0');
    }
    strings
}

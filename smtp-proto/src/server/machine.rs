//! The session as a [`Machine`]: what happened goes in, steps and octets come out.

use super::admission::Line;
use super::bdat::SYNTAX_BDAT;
use super::config::Syntax;
use super::event::Event;
use super::session::{Phase, Server};
use super::state;
use super::timers::Timer;
use crate::command::{self, Verb};
use crate::reply::Reply;
use alloc::collections::VecDeque;
use bytes::Bytes;
use proto_core::{
    CloseReason, Instant, LineEnding, LineFault, Machine, Now, OutBuf, SecretLine, Step, TimerKind as _,
    TlsInfo,
};

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, now: Now, input: &[u8]) -> usize {
        if matches!(self.phase, Phase::StartTls | Phase::Handshake { .. }) || self.is_over() {
            return 0;
        }
        let taken = self.input.push(input);
        if taken > 0 {
            self.extend_body_deadlines(now);
        }
        taken
    }

    fn handle_eof(&mut self, _now: Now) {
        self.eof = true;
        if self.asks.is_open() {
            self.close(CloseReason::PeerClosed);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        // Each at most once: one that begins again may be set to no time at all.
        for _ in Timer::ALL {
            let Some(timer) = self.timers.expire(now.instant) else { return };
            match timer {
                Timer::ErrorPause => self.end_error_pause(now),
                Timer::GreetDelay => self.greet_late(now),
                Timer::Command if self.has_backlog() => self.start_command_timer(now),
                Timer::Command => self.time_out("command"),
                Timer::BodyBlock | Timer::BodyRate if self.has_backlog() => {
                    self.restart_body_deadlines(now);
                }
                Timer::BodyBlock => self.time_out("message data"),
                Timer::BodyRate => self.time_out("message data rate"),
                Timer::Handshake => self.close(CloseReason::Timeout("TLS handshake")),
                Timer::Verdict => {
                    let reason = CloseReason::Timeout("verdict");
                    self.close_with(421, (3, 0), "Error: no decision in time", reason);
                }
            }
        }
    }

    fn handle_tls(&mut self, _now: Now, tls: TlsInfo) {
        self.tls_started(tls);
    }

    /// A message that is coming in is waited for, and its verdict; then, or else at once, `421 4.3.2`.
    fn handle_shutdown(&mut self, _now: Now) {
        self.stopping = true;
        if self.asks.is_open() && !matches!(self.phase, Phase::EndOfData) && !self.is_in_message() {
            self.shut_down();
        }
    }

    fn poll_event(&mut self, now: Now) -> Option<Step<Event>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Step::App(event));
            }
            if matches!(self.phase, Phase::Closing(_)) {
                return match core::mem::replace(&mut self.phase, Phase::Closed) {
                    Phase::Closing(reason) => Some(Step::Closed(reason)),
                    _ => None,
                };
            }
            if self.is_blocked() {
                return None;
            }
            let waited_for = matches!(self.phase, Phase::EndOfData | Phase::Closed) || self.is_in_message();
            if self.stopping && !waited_for {
                self.shut_down();
                continue;
            }
            if matches!(self.phase, Phase::StartTls) {
                self.phase = Phase::Handshake { greeted: true };
                return Some(Step::StartTls);
            }
            if !self.step(now) {
                if matches!(self.phase, Phase::Command) {
                    // An idle session keeps no room for events.
                    self.events = VecDeque::new();
                }
                return None;
            }
        }
    }

    /// While a verdict is awaited nothing is handed out, so that the replies to a pipelined group go out together; but for
    /// the replies to a message that come one by one.
    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        (!self.asks.is_open() || self.answers_one_by_one()) && self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn wants_input(&self) -> bool {
        let listens = matches!(
            self.phase,
            Phase::Greet { .. } | Phase::Command | Phase::Exchange(_) | Phase::Body(_) | Phase::Chunk(_)
        );
        listens && !self.eof && !self.is_blocked() && self.events.is_empty() && self.input.room() > 0
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }
}

impl Server {
    /// A verdict is awaited, the peer does not read, or it is made to wait.
    fn is_blocked(&self) -> bool {
        self.asks.is_open() || self.waits_for_reader() || self.timers.deadline(Timer::ErrorPause).is_some()
    }

    /// The peer has to take output first: when much of it waits, and any before a line of AUTH. That may need the memory, and
    /// AUTH is the last command of a pipelined group (RFC 2920 section 3.1), so that nothing is sent sooner for it.
    pub(super) fn waits_for_reader(&self) -> bool {
        let is_at_auth = match self.phase {
            Phase::Exchange(_) => true,
            Phase::Command => begins_auth(self.input.as_slice()),
            _ => false,
        };
        self.output.is_full() || (is_at_auth && !self.output.is_empty())
    }

    /// One step from what is in the input; false when more is needed.
    fn step(&mut self, now: Now) -> bool {
        match self.phase {
            Phase::Connect => self.ask_connect(now),
            Phase::Secured => self.ask_tls(now),
            Phase::Greet { .. } if !self.input.is_empty() => self.early_talk(now),
            Phase::Command if begins_auth(self.input.as_slice()) => match self.next_secret_line() {
                Some(Ok(line)) if self.config.ask_commands => self.ask_command(now, Line::Auth(line)),
                Some(line) => self.auth_line(now, line),
                None => return self.end_of_input(),
            },
            Phase::Command => match self.next_line() {
                Some(Ok(line)) if self.config.ask_commands => self.ask_command(now, Line::Plain(line)),
                Some(line) => self.command_line(now, line.as_deref().map_err(|fault| *fault)),
                None => return self.end_of_input(),
            },
            Phase::Asked(_) => self.carry_out(now),
            Phase::Exchange(_) => match self.next_secret_line() {
                Some(mut line) => {
                    if let Phase::Exchange(exchange) = core::mem::replace(&mut self.phase, Phase::Command) {
                        self.exchange_line(now, exchange, line.as_deref_mut().map_err(|fault| *fault));
                    }
                }
                None => return self.end_of_input(),
            },
            Phase::Body(_) => return self.step_body(now),
            Phase::Chunk(_) => return self.step_chunk(now),
            Phase::Greet { .. } | Phase::Handshake { .. } => return self.end_of_input(),
            Phase::StartTls | Phase::EndOfData | Phase::Closing(_) | Phase::Closed => return false,
        }
        true
    }

    pub(super) fn end_of_input(&mut self) -> bool {
        if self.eof {
            self.close(CloseReason::PeerClosed);
        }
        self.eof
    }

    fn line_ending(&self) -> LineEnding {
        match self.config.syntax {
            // Whom the application judges by its lines is heard first.
            Syntax::Strict if !self.config.ask_commands => LineEnding::Crlf,
            Syntax::Strict | Syntax::Lenient => LineEnding::CrlfOrLf,
        }
    }

    /// A line of AUTH, command or response.
    fn next_secret_line(&mut self) -> Option<Result<SecretLine, LineFault>> {
        if !self.input.is_discarding() {
            self.in_bdat_line = false;
        }
        let (max, ending) = (self.capabilities().auth_line_bytes_max(), self.line_ending());
        self.input.next_secret_line(max, ending)
    }

    fn next_line(&mut self) -> Option<Result<Bytes, LineFault>> {
        let (max, ending) = (self.capabilities().command_line_bytes_max(), self.line_ending());
        if !self.input.is_discarding() {
            self.in_bdat_line = begins_with(self.input.as_slice(), b"BDAT");
        }
        self.input.next_line(max, ending)
    }

    /// A line that begins with AUTH and a blank. Its arguments are read where they lie, and changed by that.
    pub(super) fn auth_line(&mut self, now: Now, mut line: Result<SecretLine, LineFault>) {
        let admitted = self.admit(now, line.as_deref().map_err(|fault| *fault));
        let bytes = admitted.map(|(_, arguments, _)| arguments.len());
        if let (Some(bytes), Ok(line)) = (bytes, &mut line) {
            let (_, after) = line.split_at_mut("AUTH".len());
            let blanks = after.iter().take_while(|octet| command::is_blank(octet)).count();
            self.auth(now, &mut after[blanks..blanks + bytes]);
        }
    }

    /// First whether the command may come now, then whether it is well-formed, then what the application says.
    pub(super) fn command_line(&mut self, now: Now, line: Result<&[u8], LineFault>) {
        let Some((verb, arguments, misplaced)) = self.admit(now, line) else { return };
        match verb {
            Verb::Helo => self.hello(now, arguments, false),
            Verb::Ehlo | Verb::Lhlo => self.hello(now, arguments, true),
            Verb::Mail => self.mail(now, arguments),
            Verb::Rcpt => self.rcpt(now, arguments),
            Verb::Data => self.data(now, arguments),
            Verb::Bdat => self.bdat(now, arguments, misplaced),
            Verb::Rset => self.rset(now, arguments),
            Verb::Noop => self.noop(),
            Verb::Quit => self.quit(now, arguments),
            Verb::Help => self.help(),
            Verb::Vrfy => self.verify(now, arguments),
            Verb::Expn => self.expand(now, arguments),
            Verb::StartTls => self.starttls(now, arguments),
            // With arguments it is an AUTH line.
            Verb::Auth => self.auth(now, &mut []),
            Verb::Etrn => self.etrn(now, arguments),
            Verb::Xclient => self.xclient(now, arguments),
            Verb::Xforward => self.xforward(now, arguments),
            Verb::Http => self.http(),
            Verb::Unknown => self.refuse(now, &UNKNOWN),
        }
    }

    /// What comes before any command is carried out: its verb, its arguments, and why it should not have come, if it is one
    /// that is refused later. None: it was answered.
    fn admit<'a>(
        &mut self,
        now: Now,
        line: Result<&'a [u8], LineFault>,
    ) -> Option<(Verb, &'a [u8], Option<&'static Reply>)> {
        self.await_command(now);
        let line = match line {
            Ok(line) => line,
            Err(fault) => {
                match fault {
                    _ if self.in_bdat_line => self.lose_track(&SYNTAX_BDAT),
                    LineFault::TooLong => self.refuse(now, &LINE_TOO_LONG),
                    LineFault::BareLf => self.refuse(now, &BARE_LF),
                }
                return None;
            }
        };
        let (verb, arguments) = command::split(line);
        if verb == Verb::Unknown && self.is_forbidden(line) {
            self.forbidden();
            return None;
        }
        if self.denied && !matches!(verb, Verb::Quit | Verb::Http) {
            self.refuse_denied(now);
            return None;
        }
        self.note_sent_ahead(verb);
        let impatient = core::mem::take(&mut self.refuse_next) && !matches!(verb, Verb::Quit | Verb::Http);
        let permitted = if impatient { Err(&IMPATIENT) } else { state::permits(verb, &self.standing()) };
        let misplaced = permitted.err();
        // A BDAT is refused when its octets are gone.
        if let Some(reply) = misplaced.filter(|_| verb != Verb::Bdat) {
            self.refuse(now, reply);
            return None;
        }
        if brings_no_mail(verb) {
            self.count_idle_command(now);
        }
        (!self.is_over()).then_some((verb, arguments, misplaced))
    }

    fn time_out(&mut self, which: &'static str) {
        self.close_with(421, (4, 2), "Error: timeout exceeded", CloseReason::Timeout(which));
    }

    /// RFC 5321 section 3.8. Before the greeting and during a handshake there is nobody to say it to.
    fn shut_down(&mut self) {
        if matches!(self.phase, Phase::StartTls | Phase::Handshake { .. }) {
            self.close(CloseReason::Shutdown);
        } else {
            self.close_with(421, (3, 2), "Service shutting down", CloseReason::Shutdown);
        }
    }
}

/// Whether the line that begins here begins so: an AUTH command may be longer than others, a BDAT is followed by what
/// must not be taken for commands.
/// With any of the blanks that [`command::split`] knows.
fn begins_auth(input: &[u8]) -> bool {
    begins_with(input, b"AUTH") && matches!(input.get("AUTH".len()), Some(b' ' | b'\t'))
}

fn begins_with(input: &[u8], word: &[u8]) -> bool {
    input.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word))
}

fn brings_no_mail(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Helo
            | Verb::Ehlo
            | Verb::Lhlo
            | Verb::Rset
            | Verb::Noop
            | Verb::Help
            | Verb::Vrfy
            | Verb::Expn
            | Verb::Etrn
    )
}

static UNKNOWN: Reply = Reply::fixed(500, (5, 2), "Error: command not recognized");
static LINE_TOO_LONG: Reply = Reply::fixed(500, (5, 6), "Error: line too long");
pub(super) static BARE_LF: Reply = Reply::fixed(500, (5, 2), "Error: bare <LF> received");
static IMPATIENT: Reply = Reply::fixed(503, (5, 0), "Error: improper use of SMTP command pipelining");

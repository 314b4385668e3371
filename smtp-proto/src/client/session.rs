//! A client session: what it knows, what it waits for, and its ends.

use super::capabilities::ServerCapabilities;
use super::config::{ClientConfig, ClientProtocol, ClientTimer, ClientTls};
use super::ending::is_goodbye;
use super::event::{ClientEvent, ClientFailure};
use super::login::Login;
use super::outcome::Stage;
use super::reply_parser::ReplyParser;
use super::transaction::Transaction;
use crate::reply::Reply;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;
use proto_core::sasl::Nonces;
use proto_core::{CloseReason, InBuf, Now, OutBuf, TimerKind, TimerTable, TlsInfo};

/// The client end of one connection. See the [module](super).
#[derive(Debug)]
pub struct Client {
    pub(super) config: Arc<ClientConfig>,
    pub(super) input: InBuf,
    pub(super) output: OutBuf,
    pub(super) parser: ReplyParser,
    pub(super) timers: TimerTable<ClientTimer, { ClientTimer::ALL.len() }>,
    pub(super) events: VecDeque<ClientEvent>,
    pub(super) phase: Phase,
    /// What was sent and not answered yet, oldest first.
    pub(super) awaited: VecDeque<Awaited>,
    pub(super) capabilities: ServerCapabilities,
    pub(super) tls: Option<Arc<TlsInfo>>,
    /// Randomness for the exchanges of AUTH.
    pub(super) nonces: Option<Nonces>,
    pub(super) login: Option<Login>,
    pub(super) transaction: Option<Box<Transaction>>,
    /// Transactions begun since the greeting.
    pub(super) transactions: u32,
    /// Lines of a command that takes several, not sent yet.
    pub(super) lines: VecDeque<String>,
    pub(super) eof: bool,
    pub(super) stopping: bool,
}

/// What the session is doing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// STARTTLS was agreed on; the driver is to be told.
    StartTls,
    /// The handshake is the driver's. Not greeted yet: the connection is one of implicit TLS.
    Handshake { greeted: bool },
    /// Up to [`ClientEvent::Ready`].
    Opening,
    /// Everything was answered. What came behind the last answer is looked at before [`ClientEvent::Ready`].
    BeforeIdle,
    /// Nothing is under way.
    Idle,
    /// A command that brings no mail is under way.
    Command,
    /// Envelope commands are under way.
    Envelope,
    /// The server waits for the message. What came behind its word is looked at before [`ClientEvent::SendBody`].
    BeforeBody,
    /// The application writes the message.
    Body,
    /// The message is complete, or given up without harm; its reply is awaited.
    Finishing,
    /// QUIT was said.
    Quitting,
    /// Over; the driver is to be told why.
    Closing(CloseReason),
    /// Over.
    Closed,
}

/// What a reply will be the reply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Nothing that was asked: it had begun to come before the next in this list was sent.
    Nothing,
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    /// The recipient of this index.
    Rcpt(usize),
    Data,
    /// A BDAT that is not the last.
    Chunk,
    /// The complete message, one reply for all.
    EndOfData,
    /// The complete message, for the recipient of this index.
    Verdict(usize),
    /// The complete message, after a verdict for each recipient.
    PrdrEnd,
    Command,
    Rset,
    Quit,
}

impl Awaited {
    const fn stage(self) -> Stage {
        match self {
            Self::Greeting => Stage::Greeting,
            Self::Ehlo | Self::Helo => Stage::Hello,
            Self::StartTls => Stage::Tls,
            Self::Auth => Stage::Auth,
            Self::Mail => Stage::Mail,
            Self::Rcpt(_) => Stage::Rcpt,
            Self::Data | Self::Chunk => Stage::Data,
            Self::EndOfData | Self::Verdict(_) | Self::PrdrEnd => Stage::EndOfData,
            Self::Command | Self::Rset | Self::Quit | Self::Nothing => Stage::Idle,
        }
    }
}

impl Client {
    /// A session with a server that we have just connected to.
    ///
    /// With [`ClientTls::Implicit`] nothing happens before
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls).
    pub fn new(now: Now, config: Arc<ClientConfig>) -> Self {
        let implicit = config.tls == ClientTls::Implicit;
        let mut client = Self {
            input: InBuf::with_capacity(config.limits.reply_line_bytes_max),
            output: OutBuf::with_high_water(config.limits.output_bytes_max),
            parser: ReplyParser::new(),
            timers: TimerTable::default(),
            events: VecDeque::new(),
            phase: if implicit { Phase::Handshake { greeted: false } } else { Phase::Opening },
            awaited: VecDeque::new(),
            capabilities: ServerCapabilities::default(),
            tls: None,
            nonces: None,
            login: None,
            transaction: None,
            transactions: 0,
            lines: VecDeque::new(),
            eof: false,
            stopping: false,
            config,
        };
        if !implicit {
            client.awaited.push_back(Awaited::Greeting);
        }
        client.rearm(now);
        client
    }

    /// What the server can do, as it said last.
    pub fn capabilities(&self) -> &ServerCapabilities {
        &self.capabilities
    }

    /// Whether TLS is on.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends a command that holds nothing from outside.
    pub(super) fn say(&mut self, line: &[u8], awaited: Awaited) {
        self.output.extend(line);
        self.await_reply(awaited);
    }

    /// A reply is due to what was sent just now. When nothing else is due and the server has said more already, that is
    /// not it.
    pub(super) fn await_reply(&mut self, awaited: Awaited) {
        if self.awaited.is_empty() && !self.is_heard_out() {
            self.awaited.push_back(Awaited::Nothing);
        }
        self.awaited.push_back(awaited);
    }

    /// Whether all that was received has been looked at.
    pub(super) fn is_heard_out(&self) -> bool {
        self.input.is_empty() && self.parser.is_at_start()
    }

    /// Sets the one deadline that what is awaited now has.
    pub(super) fn rearm(&mut self, now: Now) {
        let timeouts = &self.config.timeouts;
        let (timer, after): (ClientTimer, Duration) = match (&self.phase, self.awaited.front()) {
            (Phase::StartTls | Phase::Handshake { .. }, _) => (ClientTimer::Handshake, timeouts.handshake),
            (_, None) if self.has_body() => (ClientTimer::DataBlock, timeouts.data_block),
            (_, Some(Awaited::Greeting)) => (ClientTimer::Greeting, timeouts.greeting),
            (_, Some(Awaited::Data)) => (ClientTimer::DataInitiation, timeouts.data_initiation),
            (_, Some(Awaited::Chunk)) => (ClientTimer::DataBlock, timeouts.data_block),
            (_, Some(Awaited::EndOfData | Awaited::Verdict(_) | Awaited::PrdrEnd)) => {
                (ClientTimer::DataTermination, timeouts.data_termination)
            }
            (_, Some(Awaited::Quit)) => (ClientTimer::Quit, timeouts.quit),
            (_, Some(_)) => (ClientTimer::Command, timeouts.command),
            // The rest of the envelope waits for output, which a server that takes nothing holds up.
            (Phase::Envelope, None) => (ClientTimer::Command, timeouts.command),
            // The rest of what was not asked for is awaited.
            (_, None) if !self.is_heard_out() => (ClientTimer::Command, timeouts.command),
            (_, None) => return self.timers.stop_all(),
        };
        self.timers.stop_all();
        self.timers.set(timer, now.instant + after);
    }

    /// A reply has come. Nothing of a session that is over is looked at.
    pub(super) fn on_reply(&mut self, now: Now, reply: Reply) {
        let Some(awaited) = self.awaited.pop_front() else {
            return self.unsolicited(reply);
        };
        match awaited {
            Awaited::Nothing => return self.unsolicited(reply),
            Awaited::Quit => return self.close(CloseReason::Quit),
            Awaited::Greeting if reply.code() == 220 => self.say_hello(true),
            Awaited::Greeting if reply.code() != 421 => self.fail(ClientFailure::Greeting(reply)),
            // A recipient's verdict like any other; those of the other recipients may still follow.
            Awaited::Verdict(_) => self.on_transaction_reply(awaited, reply),
            // They may answer anything; what is under way has failed, and nothing more is read.
            _ if is_goodbye(&reply) => return self.service_closing(awaited.stage(), reply),
            Awaited::Ehlo | Awaited::Helo => self.on_hello(reply, awaited == Awaited::Ehlo),
            Awaited::StartTls => self.on_starttls(reply),
            Awaited::Auth => self.on_auth(reply),
            Awaited::Command => self.on_command_reply(reply),
            Awaited::Rset if reply.is_positive() => self.become_idle(),
            // Nobody knows what it has kept of the last message.
            Awaited::Rset => self.fail(ClientFailure::Unexpected(reply)),
            _ => self.on_transaction_reply(awaited, reply),
        }
        self.rearm(now);
    }

    /// What is going on.
    pub(super) fn stage(&self) -> Stage {
        match self.awaited.iter().find(|awaited| **awaited != Awaited::Nothing) {
            Some(awaited) => awaited.stage(),
            None if self.has_body() => Stage::Data,
            None => Stage::Idle,
        }
    }

    pub(super) fn is_lmtp(&self) -> bool {
        self.config.protocol == ClientProtocol::Lmtp
    }

    pub(super) fn become_idle(&mut self) {
        self.phase = Phase::BeforeIdle;
    }
}

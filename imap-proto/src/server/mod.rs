//! The server's end of an IMAP session as a machine.
//!
//! RFC 3501, with LITERAL+ or LITERAL- (RFC 7888), SASL-IR (4959), ID (2971), IDLE (2177), NAMESPACE (2342),
//! CHILDREN (3348), UIDPLUS (4315) and UNSELECT (3691).
//!
//! [`Server`] reads commands, checks them against the state of the session, and asks the application what only a
//! store or a directory can know. What an answer means on the wire, which sequence number a message has, what may
//! be told when: that is the machine's.
//!
//! # Order of calls
//! The loop of [`proto_core::machine`]. Commands besides: [`Server::answer`] for every [`Ask`] an [`Event`] holds;
//! [`Server::listed`], [`Server::fetch`], [`Server::section`], [`Server::write_body`], [`Server::gone`],
//! [`Server::stored`] while the ask they belong to is out; [`Server::notify`] and [`Server::mailbox_lost`] at any time.
//!
//! # One command at a time
//! RFC 3501 section 5.5 would let a server work on several. This one finishes each before it looks at the next;
//! pipelined ones wait, and so does what the application is told. A message number in a command is the one the client
//! had been told when the command's turn came.
//!
//! # Limits
//! [`Limits`] and [`Timeouts`]. A session holds one command, the [`View`](crate::view::View) of one mailbox, and
//! output up to the mark plus one response.
//!
//! # Departures
//! * A command line may end in a bare LF.
//! * With no command in progress nothing is told but in IDLE, see [`crate::view::moment`].
//! * `FETCH 1:*` and every other `*` among sequence numbers is BAD in an empty mailbox; RFC 3501 section 9 leaves `*`
//!   without a meaning there. `4000:*` in a small one is its last message, see [`mail_message::set`].
//! * A number of a message that another session has removed keeps being answered for, with NIL where NIL can stand and
//!   EXPUNGEISSUED, until its EXPUNGE may be told (RFC 2180 section 4.1.3, RFC 5530).
//! * CREATE, DELETE and RENAME to INBOX are answered here: the law on them is the same for every store.

mod answer;
mod append;
pub mod ask;
mod auth;
mod capability;
pub mod config;
mod dispatch;
pub mod event;
mod fetch;
mod idle;
mod input;
pub mod limits;
mod machine;
mod mailbox;
mod misc;
mod output;
mod phase;
pub mod refusal;
mod search;
mod select;
mod session;
mod store;
pub mod timers;

pub use answer::Answerable;
pub use ask::{
    AppendBegin, AppendEnd, Appended, Check, Close, Copied, CopyMessages, Create, Delete, Expunge, Fetch,
    List, Rename, Search, Select, Selected, Status, Store, Subscribe, Unsubscribe, Verdict,
};
pub use config::{Config, GreetingFault, NonSyncLiterals, TlsMode};
pub use event::Event;
pub use fetch::MessageData;
pub use limits::Limits;
pub use refusal::Refusal;
pub use select::MailboxLost;
pub use timers::{Timeouts, Timer};

use crate::framing::Framer;
use crate::types::StatusResponse;
use crate::view::Change;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use phase::{Doing, Phase};
use proto_core::sasl::ServerEntropy;
use proto_core::sasl::line::OCTETS_MAX;
use proto_core::{Ask, AskSlot, CallerFault, CloseReason, InBuf, Now, OutBuf, Question, Step, TimerTable};
use session::Session;
use timers::TIMERS;

/// The server's end of one IMAP connection. See the [module](self).
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    input: InBuf,
    framer: Framer,
    out: OutBuf,
    timers: TimerTable<Timer, TIMERS>,
    asks: AskSlot,
    session: Session,
    phase: Phase,
    /// Steps that are due before anything else is looked at.
    queue: VecDeque<Step<Event>>,
    /// The driver wants to stop.
    stopping: bool,
    /// No more input will come.
    eof: bool,
    /// [`Step::Closed`] was taken.
    closed: bool,
}

impl Server {
    /// A session that nothing has happened to yet. On a listener with implicit TLS it waits for
    /// [`Machine::handle_tls`](proto_core::Machine::handle_tls); else it greets at once.
    pub fn new(config: Arc<Config>) -> Self {
        let limits = &config.limits;
        let longest_line = limits.line_bytes_max.max(limits.line_bytes_pre_auth_max).max(OCTETS_MAX);
        let capacity = limits.input_bytes_max.max(longest_line);
        let phase = if config.tls == TlsMode::Implicit { Phase::AwaitTls } else { Phase::Greet };
        let mut framer = Framer::new(input::framing_limits(&config, false));
        framer.keep_secrets(true);
        Self {
            input: InBuf::with_capacity(capacity),
            framer,
            out: OutBuf::with_high_water(limits.output_bytes_max),
            timers: TimerTable::default(),
            asks: AskSlot::new(),
            session: Session::default(),
            phase,
            queue: VecDeque::new(),
            stopping: false,
            eof: false,
            closed: false,
            config,
        }
    }

    /// Hands in the randomness for SCRAM and CRAM-MD5, which are not offered without it.
    pub fn set_entropy(&mut self, entropy: ServerEntropy) {
        self.session.entropy = Some(entropy);
    }

    /// Whether somebody has logged in.
    pub fn is_authenticated(&self) -> bool {
        self.session.authenticated
    }

    /// Whether a mailbox is selected.
    pub fn is_selected(&self) -> bool {
        self.session.selected.is_some()
    }

    /// How many octets of output fit under the mark. At 0, give no response and no body until the driver has
    /// written.
    pub fn room(&self) -> usize {
        self.out.room()
    }

    /// Tells of a change in the selected mailbox, at any time, an ask out or not. The client hears of it when the
    /// protocol allows (see [`crate::view::moment`]); in IDLE at once. Without a selected mailbox, and after the
    /// end, nothing happens.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when new UIDs do not lie above all that were told before; nothing has changed.
    pub fn notify(&mut self, _now: Now, change: Change) -> Result<(), CallerFault> {
        use crate::view::ChangeFault;
        match self.session.apply(change) {
            Ok(()) => {
                self.idle_news();
                Ok(())
            }
            Err(ChangeFault::NotAscending) => Err(CallerFault::Misuse("new UIDs must ascend")),
            Err(ChangeFault::TooMany) => {
                let bye = StatusResponse::bye("Too many changes wait to be told.");
                self.close(
                    CloseReason::Protocol("too many changes wait to be told".into()),
                    Some(bye.with_code(crate::types::ResponseCode::Limit)),
                );
                Ok(())
            }
        }
    }

    /// Gives up: whatever response is under way is left as it is, nothing is put in its place, and the connection
    /// closes without a goodbye.
    pub fn abort(&mut self, reason: impl Into<alloc::borrow::Cow<'static, str>>) {
        self.close(CloseReason::Aborted(reason.into()), None);
    }

    /// Puts a question; the command waits.
    fn ask<Q: Question>(&mut self, now: Now, doing: Doing, question: Q, event: impl FnOnce(Ask<Q>) -> Event) {
        let ask = self.asks.open(question);
        self.queue.push_back(Step::App(event(ask)));
        self.phase = Phase::Asking(doing);
        self.timers.stop(Timer::Autologout);
        self.timers.stop(Timer::Append);
        self.timers.set(Timer::Verdict, now.instant + self.config.timeouts.verdict);
    }

    /// The application is at work on the ask that is out.
    fn sign_of_life(&mut self, now: Now) {
        self.timers.set(Timer::Verdict, now.instant + self.config.timeouts.verdict);
    }

    /// Ends the session: cancels what is out, says goodbye where a goodbye can stand.
    fn close(&mut self, reason: CloseReason, bye: Option<StatusResponse>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        let phase = core::mem::replace(&mut self.phase, Phase::Closed);
        // What was due and not taken yet is overtaken: an ask that nobody has seen needs no cancelling.
        let unseen = self.queue.iter().any(|step| matches!(step, Step::App(event) if event.holds_ask()));
        self.queue.retain(|step| matches!(step, Step::App(event) if !event.holds_ask()));
        if let Some(id) = self.asks.cancel().filter(|_| !unseen) {
            self.queue.push_back(Step::App(Event::Cancelled(id)));
        }
        if phase.has_message_begun(unseen) {
            self.queue.push_back(Step::App(Event::AppendAborted));
        }
        if let Some(bye) = bye.filter(|_| !phase.forbids_goodbye()) {
            self.untagged_status(bye);
        }
        self.queue.push_back(Step::Closed(reason));
        self.timers.stop_all();
        self.drop_input();
    }

    /// Ends the session because the client broke the protocol too often or too badly.
    fn close_protocol(&mut self, reason: &'static str, text: &'static str) {
        self.close(CloseReason::Protocol(reason.into()), Some(StatusResponse::bye(text)));
    }
}

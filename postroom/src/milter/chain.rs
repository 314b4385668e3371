//! The milters of one SMTP session, in their order.
//!
//! # Limits
//! All milters together have [`STEP_TIME_MAX`] for a step and [`MESSAGE_TIME_MAX`] for a message, whatever each of them may
//! have by itself: who is asked when that is over counts as one that did not answer, and nobody behind it is waited for.

use super::connection::{Connection, Lost, Said};
use super::draft::Draft;
use super::list::{Milter, Milters};
use super::macros::Facts;
use crate::clock::Clock;
use crate::scratch::Body;
use mailstore::StoreError;
use proto_core::address::ForwardPath;
use proto_core::{CallerFault, Now};
use relay_policy::{NameStatus, Request};
use smtp_proto::milter::{
    Change, Consequence, HEADER_FIELD_BYTES_MAX, MacroValues, MilterClient, MilterPeer, PeerAddress, Stage,
    Verdict,
};
use smtp_proto::parameter::{MailParameters, RcptParameters};
use smtp_proto::reply::{EnhancedCode, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A client may give up five minutes after a command (RFC 5321 section 4.5.3.2).
const STEP_TIME_MAX: Duration = Duration::from_secs(4 * 60);

/// A client may give up ten minutes after the end of a message, and sends it again; so long this server waits for a decision.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(9 * 60);

/// So many changes are made to a message before others have their turn.
const CHANGES_AT_A_TIME: usize = 100;

/// The milters of one SMTP session. Dropped, it hangs up on them.
pub(crate) struct Chain {
    milters: Arc<Milters>,
    list: Arc<[Milter]>,
    /// One for each of the list.
    ways: Vec<Way>,
    clock: Clock,
    /// A milter has refused the message under way as a whole: none is asked about it any more.
    refused: Option<Refusal>,
}

/// How it stands with a milter.
enum Way {
    Open(Box<Connection>),
    /// It is not asked any more in this session, for it has said all it has to say, or is of no use.
    Over(Consequence),
}

/// What milters say of a step, or of a message.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The reply that refuses.
    pub(crate) refusal: Option<Refusal>,
    /// The message is taken, and thrown away.
    pub(crate) discard: bool,
    /// The message waits for the administrator.
    pub(crate) hold: bool,
}

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The client: what is said holds for the session.
    Session,
    Message,
    Recipient,
}

/// What milters want changed about who sends and who gets a message, each with the milter that wants it.
pub(crate) type Envelope = Vec<(String, Change)>;

impl Chain {
    /// The milters that are asked about a client; none where there are none. They are connected to in
    /// [`connect`](Self::connect).
    ///
    /// # Errors
    /// What is wrong with the list that a table has for the client.
    pub(crate) fn new(
        milters: &Arc<Milters>,
        request: &Request,
        clock: &Clock,
    ) -> Result<Option<Self>, String> {
        let list = milters.of(request.client)?;
        if list.is_empty() {
            return Ok(None);
        }
        let (milters, clock) = (Arc::clone(milters), clock.clone());
        Ok(Some(Self { milters, list, ways: Vec::new(), clock, refused: None }))
    }

    /// Connects, and tells of the client.
    pub(crate) async fn connect(&mut self, facts: &Facts<'_>) -> Outcome {
        let request = facts.request;
        let address = match request.client {
            client if client.is_unspecified() => PeerAddress::Unknown,
            client => PeerAddress::Inet(client.to_canonical(), request.client_port.unwrap_or(0)),
        };
        let is_named = request.client_name_status == NameStatus::Ok;
        let hostname = is_named.then(|| request.client_name.clone());
        let peer = MilterPeer { hostname, address };
        let end = Instant::now() + STEP_TIME_MAX;
        for milter in self.list.iter() {
            let opened = timeout_at(end, Connection::open(milter, &self.clock)).await;
            self.ways.push(match opened.unwrap_or(Err(Lost::NO_TIME)) {
                Ok(connection) => Way::Open(Box::new(connection)),
                Err(lost) => Way::Over(gone(milter, &lost)),
            });
        }
        self.ask(facts, Asked::Session, |machine, now, macros| machine.connect(now, &peer, macros)).await
    }

    /// HELO, EHLO or LHLO.
    pub(crate) async fn helo(&mut self, facts: &Facts<'_>, name: &str) -> Outcome {
        self.abort();
        self.ask(facts, Asked::Session, |machine, now, macros| machine.helo(now, name, macros)).await
    }

    /// MAIL.
    pub(crate) async fn mail(&mut self, facts: &Facts<'_>, parameters: &MailParameters) -> Outcome {
        self.abort();
        let Some(from) = &facts.request.sender else { return Outcome::default() };
        let step = |machine: &mut MilterClient, now, macros: MacroValues<'_>| {
            machine.mail(now, from, parameters, macros)
        };
        let outcome = self.ask(facts, Asked::Message, step).await;
        if outcome.refusal.is_some() {
            self.abort();
        }
        outcome
    }

    /// RCPT. A refusal is of this recipient alone.
    pub(crate) async fn rcpt(
        &mut self,
        facts: &Facts<'_>,
        to: &ForwardPath,
        parameters: &RcptParameters,
    ) -> Outcome {
        let step = |machine: &mut MilterClient, now, macros: MacroValues<'_>| {
            machine.rcpt(now, to, parameters, macros)
        };
        self.ask(facts, Asked::Recipient, step).await
    }

    /// Whether one of them wants to know of recipients that were refused.
    pub(crate) fn wants_refused_recipients(&self) -> bool {
        self.ways.iter().any(Way::wants_refused_recipients)
    }

    /// A recipient that was refused, told to those who want to know; nothing comes of what they say.
    pub(crate) async fn refused_rcpt(
        &mut self,
        facts: &Facts<'_>,
        to: &ForwardPath,
        parameters: &RcptParameters,
    ) {
        let end = Instant::now() + STEP_TIME_MAX;
        for at in 0..self.ways.len() {
            if self.ways[at].wants_refused_recipients() {
                let step = |machine: &mut MilterClient, now: Now, macros: MacroValues<'_>| {
                    machine.refused_rcpt(now, to, parameters, macros)
                };
                self.ask_one(at, facts, Asked::Recipient, end, &step).await;
            }
        }
    }

    /// DATA, or the first BDAT.
    pub(crate) async fn data(&mut self, facts: &Facts<'_>) -> Outcome {
        self.ask(facts, Asked::Message, |machine, now, macros| machine.data(now, macros)).await
    }

    /// The message under way, if there is one, comes to nothing, or is over.
    pub(crate) fn abort(&mut self) {
        self.refused = None;
        self.tell(MilterClient::abort);
    }

    /// The session is over.
    pub(crate) fn quit(&mut self) {
        self.tell(MilterClient::quit);
    }

    fn tell(&mut self, say: impl Fn(&mut MilterClient, Now) -> Result<(), CallerFault>) {
        for way in &mut self.ways {
            if let Way::Open(connection) = way {
                connection.tell(&say);
            }
        }
    }

    /// Asks each in turn, until one says no or throws the message away.
    async fn ask(
        &mut self,
        facts: &Facts<'_>,
        asked: Asked,
        step: impl Fn(&mut MilterClient, Now, MacroValues<'_>) -> Result<(), CallerFault>,
    ) -> Outcome {
        let mut outcome = Outcome { refusal: self.refused.clone(), ..Outcome::default() };
        let end = Instant::now() + STEP_TIME_MAX;
        for at in 0..self.ways.len() {
            if outcome.is_final() {
                break;
            }
            outcome.add(self.ask_one(at, facts, asked, end, &step).await);
        }
        if asked == Asked::Message {
            self.refused.clone_from(&outcome.refusal);
        }
        outcome
    }

    async fn ask_one(
        &mut self,
        at: usize,
        facts: &Facts<'_>,
        asked: Asked,
        end: Instant,
        step: &impl Fn(&mut MilterClient, Now, MacroValues<'_>) -> Result<(), CallerFault>,
    ) -> Outcome {
        let Way::Open(connection) = &mut self.ways[at] else { return self.ways[at].outcome() };
        let milters = &self.milters;
        let asking = connection.ask(|machine, now| step(machine, now, &|name| facts.value(milters, name)));
        let answered = timeout_at(end, asking).await.unwrap_or(Err(Lost::NO_TIME));
        self.settled(at, asked, answered)
    }

    /// What comes of an answer, for the message and for what the milter is asked later.
    fn settled(&mut self, at: usize, asked: Asked, answered: Result<Verdict, Lost>) -> Outcome {
        let milter = &self.list[at];
        let is_there = answered.is_ok();
        let over = match answered {
            Err(lost) => gone(milter, &lost),
            Ok(Verdict::Accept) if asked == Asked::Session => Consequence::Accept,
            Ok(Verdict::Refuse(refusal)) if asked == Asked::Session => Consequence::Refuse(refusal),
            Ok(Verdict::Discard) if asked == Asked::Session => {
                tracing::warn!("milter {}: DISCARD action is not allowed for connect or helo", milter.name);
                return Outcome::default();
            }
            Ok(Verdict::Refuse(refusal)) => return Outcome { refusal: Some(refusal), ..Outcome::default() },
            Ok(Verdict::Discard) => return Outcome { discard: true, ..Outcome::default() },
            Ok(_) => return Outcome::default(),
        };
        if let (true, Way::Open(connection)) = (is_there, &mut self.ways[at]) {
            connection.tell(MilterClient::quit);
        }
        self.ways[at] = Way::Over(over);
        self.ways[at].outcome()
    }

    /// Shows a message that is complete to each in turn, and does to it what they want. What they want done to its envelope
    /// is put into `envelope`, which is of no account when the message is refused or thrown away.
    ///
    /// # Errors
    /// When the message could not be read, or a new body not written.
    pub(crate) async fn message(
        &mut self,
        facts: &Facts<'_>,
        draft: &mut Draft,
        envelope: &mut Envelope,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome { refusal: self.refused.take(), ..Outcome::default() };
        let end = Instant::now() + MESSAGE_TIME_MAX;
        for at in 0..self.ways.len() {
            if outcome.is_final() {
                break;
            }
            let Way::Open(connection) = &mut self.ways[at] else {
                outcome.add(self.ways[at].outcome());
                continue;
            };
            let mut wanted = Wanted::default();
            let showing = show(connection, draft, (&self.milters, facts), &mut wanted);
            let shown = timeout_at(end, showing).await;
            let (answered, is_taken) = match shown.unwrap_or(Err(Unshown::Lost(Lost::NO_TIME))) {
                Err(Unshown::Disk(error)) => return Err(error),
                Err(Unshown::TooLarge(why)) => {
                    tracing::warn!("milter {}: {why}", self.list[at].name);
                    outcome.refusal = Some(too_large());
                    break;
                }
                Err(Unshown::Lost(lost)) => (Err(lost), false),
                Ok(verdict) => {
                    let is_taken = matches!(verdict, Verdict::Continue | Verdict::Accept);
                    (Ok(verdict), is_taken)
                }
            };
            outcome.add(self.settled(at, Asked::Message, answered));
            if is_taken {
                let name = &self.list[at].name;
                outcome.hold |= wanted.hold(name);
                if let Some(body) = wanted.body {
                    draft.replace_body(body);
                }
                for (nth, change) in wanted.changes.into_iter().enumerate() {
                    envelope.extend(draft.change(change).map(|change| (name.clone(), change)));
                    if nth % CHANGES_AT_A_TIME == CHANGES_AT_A_TIME - 1 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        self.abort();
        Ok(outcome)
    }
}

impl Way {
    fn wants_refused_recipients(&self) -> bool {
        matches!(self, Self::Open(connection) if connection.machine().wants_refused_recipients())
    }

    /// What a milter that is not asked any more means for a step.
    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        match self {
            Self::Open(_) | Self::Over(Consequence::Accept) => {}
            Self::Over(Consequence::Quarantine) => outcome.hold = true,
            Self::Over(Consequence::Refuse(refusal)) => outcome.refusal = Some(refusal.clone()),
        }
        outcome
    }
}

impl Outcome {
    /// Whether nobody else need be asked.
    fn is_final(&self) -> bool {
        self.refusal.is_some() || self.discard
    }

    fn add(&mut self, other: Self) {
        self.refusal = self.refusal.take().or(other.refusal);
        self.discard |= other.discard;
        self.hold |= other.hold;
    }
}

/// A milter is of no use: what that means.
fn gone(milter: &Milter, lost: &Lost) -> Consequence {
    tracing::warn!("milter {}: {lost}", milter.name);
    milter.default_action.consequence(lost.failure())
}

/// What a milter wants done to a message.
#[derive(Default)]
struct Wanted {
    changes: Vec<Change>,
    body: Option<Body>,
}

impl Wanted {
    /// Whether the message is to be held; then why is in the log.
    fn hold(&mut self, milter: &str) -> bool {
        let before = self.changes.len();
        self.changes.retain(|change| match change {
            Change::Quarantine(reason) => {
                tracing::info!(milter, reason, "quarantine");
                false
            }
            _ => true,
        });
        self.changes.len() < before
    }
}

/// Why a message was not shown to its end, or cannot be as a milter wants it.
enum Unshown {
    Lost(Lost),
    Disk(StoreError),
    /// It would take more than may be; why.
    TooLarge(&'static str),
}

impl From<Lost> for Unshown {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<StoreError> for Unshown {
    fn from(error: StoreError) -> Self {
        Self::Disk(error)
    }
}

/// Shows a message to a milter, as much of it as that wants to see, and gathers what it wants.
async fn show(
    connection: &mut Connection,
    draft: &Draft,
    (milters, facts): (&Milters, &Facts<'_>),
    wanted: &mut Wanted,
) -> Result<Verdict, Unshown> {
    let macros = |name: &str| facts.value(milters, name);
    let is_final = |verdict: &Verdict| matches!(verdict, Verdict::Refuse(_) | Verdict::Discard);
    for (name, value) in draft.shown() {
        if !connection.machine().wants(Stage::Header) {
            break;
        }
        if name.len() + value.len() > HEADER_FIELD_BYTES_MAX {
            return Err(Unshown::TooLarge("it cannot be shown a field that a milter before it has made"));
        }
        let verdict = connection.ask(|machine, now| machine.header(now, name, value, &macros)).await?;
        if is_final(&verdict) {
            return Ok(verdict);
        }
    }
    let verdict = connection.ask(|machine, now| machine.end_of_header(now, &macros)).await?;
    if is_final(&verdict) {
        return Ok(verdict);
    }
    let mut told = 0;
    while connection.machine().wants(Stage::Body) {
        let piece = draft.body(told).await?;
        if piece.is_empty() {
            break;
        }
        told += piece.len() as u64;
        let verdict = connection.ask(|machine, now| machine.body(now, &piece, &macros)).await?;
        if is_final(&verdict) {
            return Ok(verdict);
        }
    }
    connection.begin(|machine, now| machine.end_of_message(now, &macros)).await?;
    // Why its new body cannot be kept. It is heard to the end all the same: it may be asked about the next message.
    let mut unkept = None;
    loop {
        match connection.said().await? {
            Said::Verdict(verdict) if is_final(&verdict) => return Ok(verdict),
            Said::Verdict(verdict) => return unkept.map_or(Ok(verdict), Err),
            Said::Change(Change::ReplaceBody(octets)) if unkept.is_none() => {
                let body = wanted.body.get_or_insert_with(|| draft.another_body());
                if octets.len() as u64 > draft.body_octets_max().saturating_sub(body.len()) {
                    unkept = Some(Unshown::TooLarge("its new body is larger than a message may be"));
                } else if let Err(error) = body.push(&octets).await {
                    unkept = Some(Unshown::Disk(error));
                }
            }
            Said::Change(Change::ReplaceBody(_)) => {}
            Said::Change(change) => wanted.changes.push(change),
        }
    }
}

/// What a client hears whose message a milter made too large, as Postfix has it.
fn too_large() -> Refusal {
    let code =
        EnhancedCode::new(5, 3, 4).and_then(|code| Refusal::new(552, code, "Message file too big").ok());
    code.unwrap_or(Refusal::PERMANENT)
}

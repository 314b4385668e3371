//! One message, to each of its recipients that is due.

use super::Context;
use super::command;
use super::header::{COMMAND, FILE, MAILBOX, ORIGINAL_RECIPIENT, header};
use super::report::Event;
use super::room::Busy;
use crate::wall::{AccountId, Delivery, StoreResult};
use futures_util::StreamExt as _;
use mailstore::spool::{Envelope, Job, Outcome, QueueId, Recipient, RecipientState, Status};
use mailstore::{Class, Delivered, DeliveryId, ErrorKind, MailboxName, MessageReader, StoreError};
use proto_core::UnixTime;
use proto_core::address::{AddressSyntax, Mailbox};
use smtp_proto::parameter::DateTime;
use std::sync::Arc;

/// So many recipients of one message are served at a time (`default_destination_recipient_limit` of Postfix).
const RECIPIENTS_MAX: usize = 50;

/// How long a delivery rests at most that others have left no room for.
const BUSY_REST_SECONDS: i64 = 30;

/// What came of an attempt.
enum Served {
    /// It is recorded.
    Recorded(RecipientState),
    /// It is to be recorded with a report of it.
    Tell(Event),
}

/// What became of all recipients.
struct Tally {
    all_done: bool,
    all_recorded: bool,
    is_gone: bool,
}

pub(super) struct Deliverer {
    pub(super) context: Arc<Context>,
    pub(super) job: Job,
}

impl Deliverer {
    /// Serves every recipient that is due, then gives the message back; or returns its id, still held, when an
    /// outcome is not recorded. The spool takes such a message for due: given back now, it would come again at once.
    pub(super) async fn run(self) -> Option<QueueId> {
        let this = &self;
        let now = self.context.now().utc;
        let mut tally = Tally { all_done: true, all_recorded: true, is_gone: false };
        let mut events = Vec::new();
        let statuses = self.job.statuses.iter().enumerate();
        let served: Vec<_> = statuses.map(|(place, status)| this.attempt(place, status.state, now)).collect();
        let mut served = futures_util::stream::iter(served).buffer_unordered(RECIPIENTS_MAX);
        while let Some((place, served)) = served.next().await {
            match served {
                Ok(Served::Recorded(state)) => self.count(&mut tally, place, Ok(state)),
                Ok(Served::Tell(event)) => events.push(event),
                Err(error) => self.count(&mut tally, place, Err(error)),
            }
        }
        drop(served);
        for (place, told) in self.tell(events).await {
            self.count(&mut tally, place, told);
        }
        if !tally.all_recorded && !tally.is_gone {
            return Some(self.job.id);
        }
        self.context.spool.release(&self.job.id).await;
        if tally.all_done || tally.is_gone {
            tracing::info!("removed");
        } else {
            tracing::debug!("kept");
        }
        None
    }

    /// Takes into account what became of one recipient.
    fn count(&self, tally: &mut Tally, place: usize, outcome: Result<RecipientState, StoreError>) {
        match outcome {
            Ok(state) => tally.all_done &= state.is_done(),
            Err(error) if error.kind() == ErrorKind::NoSuchQueueId => {
                if !tally.is_gone {
                    // With its id in the line itself: a filter for warnings leaves out the span.
                    tracing::warn!(queue_id = %self.job.id, %error, "gone from the queue: forgotten");
                }
                tally.is_gone = true;
            }
            Err(error) => {
                let to = &self.job.envelope.recipients[place].address;
                tracing::error!(to, %error, "outcome not recorded");
                tally.all_recorded = false;
            }
        }
    }

    /// What came of one recipient, if it is due.
    async fn attempt(
        &self,
        place: usize,
        state: RecipientState,
        now: UnixTime,
    ) -> (usize, Result<Served, StoreError>) {
        let is_due = match state {
            RecipientState::Pending => true,
            RecipientState::Deferred(until) => until <= now,
            _ => false,
        };
        (place, if is_due { self.serve(place).await } else { Ok(Served::Recorded(state)) })
    }

    /// Delivers to one recipient, and records what became of it, unless somebody is to be told with it.
    ///
    /// # Errors
    /// When it is not recorded; `NoSuchQueueId` when the message is gone.
    async fn serve(&self, place: usize) -> Result<Served, StoreError> {
        let recipient = &self.job.envelope.recipients[place];
        let Told { to, orig_to, file, command } = Told::of(recipient);
        let number =
            u32::try_from(place).expect("invariant: an envelope is far smaller than 2^32 recipients");
        let delay_told = self.job.statuses[place].delay_told;
        let mut status = Status { state: RecipientState::Delivered, reason: None, delay_told };
        match self.deliver(place, number).await {
            Ok(Delivered::Stored) => tracing::info!(to, orig_to, file, command, "delivered"),
            Ok(Delivered::AlreadyThere) => {
                tracing::info!(to, orig_to, file, command, "delivered before a crash");
            }
            Err(Failure::Store(error)) if error.kind() == ErrorKind::NoSuchQueueId => return Err(error),
            Err(error) => {
                status.reason = Some(error.to_string().into());
                status.state = self.failed(recipient, &error);
                if let Some(event) = self.event(place, &status, &error) {
                    return Ok(Served::Tell(event));
                }
            }
        }
        // What is not recorded is tried again, and recognised by the store.
        let state = status.state;
        self.record(vec![(place, status)]).await?;
        Ok(Served::Recorded(state))
    }

    /// Records how far recipients have come.
    ///
    /// # Errors
    /// Those of the spool.
    pub(super) async fn record(&self, statuses: Vec<(usize, Status)>) -> Result<(), StoreError> {
        let outcomes = statuses.into_iter().map(|(place, status)| self.told(place, status)).collect();
        self.context.spool.record(outcomes).await
    }

    /// How far a recipient has come, as the spool is told.
    pub(super) fn told(&self, place: usize, status: Status) -> Outcome {
        let recipient =
            u32::try_from(place).expect("invariant: an envelope is far smaller than 2^32 recipients");
        Outcome { delivery: DeliveryId { queue_id: self.job.id.clone(), recipient }, status }
    }

    /// Whether trying again may help.
    pub(super) fn class(&self, recipient: &Recipient, error: &Failure) -> Class {
        match error {
            Failure::Store(error) => self.context.how.class(recipient, error),
            Failure::Command(failure) => failure.class,
            Failure::Busy => Class::Temporary,
        }
    }

    /// What becomes of a recipient after a failure.
    fn failed(&self, recipient: &Recipient, error: &Failure) -> RecipientState {
        let Told { to, orig_to, file, command } = Told::of(recipient);
        let (how, now) = (&self.context.how, self.context.now().utc);
        let Envelope { received_at, reverse_path, .. } = &self.job.envelope;
        let class = self.class(recipient, error);
        let deferred = |until: UnixTime| {
            let readable = DateTime::new(until).map(tracing::field::display);
            tracing::error!(to, orig_to, file, command, %error, until = readable, "deferred");
            RecipientState::Deferred(until)
        };
        let retried = how.retry.after_failure(now, *received_at, reverse_path.is_empty());
        if matches!(error, Failure::Busy) {
            // Nothing has failed yet: it takes its turn soon, however old it is.
            let soon = UnixTime(now.0.saturating_add(BUSY_REST_SECONDS));
            deferred(retried.map_or(soon, |until| until.min(soon)))
        } else if class == Class::Permanent && !how.soft_bounce {
            tracing::error!(to, orig_to, file, command, %error, "bounced");
            RecipientState::Bounced
        } else if self.job.expires.is_some_and(|expires| expires <= now) {
            tracing::error!(to, orig_to, file, command, %error, "bounced: it has expired");
            RecipientState::Bounced
        } else if let Some(until) = retried {
            deferred(until)
        } else {
            let lifetime = match reverse_path.is_empty() {
                true => "bounce_queue_lifetime",
                false => "maximal_queue_lifetime",
            };
            tracing::error!(to, orig_to, file, command, %error, "bounced: not delivered within {lifetime}");
            RecipientState::Bounced
        }
    }

    async fn deliver(&self, place: usize, number: u32) -> Result<Delivered, Failure> {
        let Context { store, lanes, .. } = &*self.context;
        let recipient = &self.job.envelope.recipients[place];
        let target = Target::of(recipient).ok_or_else(|| {
            StoreError::new(ErrorKind::NoSuchMailbox, "delivering", "the address names no account")
        })?;
        if let Target::Account(account) = &target
            && self.is_removed(place, account).await
        {
            let why = "the account has been removed since the message came";
            return Err(StoreError::new(ErrorKind::NoSuchMailbox, "delivering", why).into());
        }
        let turn = lanes.turn(&target).await?;
        let delivered = match &target {
            Target::Account(account) => {
                let inbox = MailboxName::inbox();
                self.put(number, recipient, |delivery, body| store.deliver(account, &inbox, delivery, body))
                    .await
            }
            Target::File(path) => {
                self.put(number, recipient, |delivery, body| store.deliver_to_file(path, delivery, body))
                    .await
            }
            Target::Command(command) => self.pipe(command, recipient).await,
        };
        turn.end(delivered.is_ok());
        delivered
    }

    /// Has the store take the message.
    async fn put(
        &self,
        number: u32,
        recipient: &Recipient,
        put: impl FnOnce(Delivery, Box<dyn MessageReader>) -> StoreResult<Delivered>,
    ) -> Result<Delivered, Failure> {
        let Context { spool, room, .. } = &*self.context;
        let delivery = Delivery {
            id: DeliveryId { queue_id: self.job.id.clone(), recipient: number },
            maybe_delivered: self.job.maybe_delivered,
            date: self.job.envelope.received_at,
            header: header(&self.job.envelope, recipient).into(),
        };
        let _room = room.acquire().await.expect("invariant: it is never closed");
        let body = spool.body(&self.job.id).await?;
        Ok(put(delivery, body).await?)
    }

    /// Has a command take the message.
    async fn pipe(&self, command: &str, recipient: &Recipient) -> Result<Delivered, Failure> {
        let Context { spool, how, commands: running, .. } = &*self.context;
        let Some(commands) = &how.commands else {
            return Err(command::Failure::for_now("4.3.5 no commands are run here, or not any more").into());
        };
        let _place = running.place().await?;
        let body = spool.body(&self.job.id).await?;
        let ended = commands.run(command, (&self.job.envelope, recipient), body).await;
        running.ended();
        ended.map(|()| Delivered::Stored)
    }
}

/// Of a recipient, for the log.
struct Told<'r> {
    /// The address that it is delivered for.
    to: &'r str,
    /// The address that a client wrote, where that is another (`orig_to` of Postfix).
    orig_to: Option<&'r str>,
    /// The file that gets it, where it is no mailbox.
    file: Option<&'r str>,
    /// The command that does.
    command: Option<&'r str>,
}

impl<'r> Told<'r> {
    fn of(recipient: &'r Recipient) -> Self {
        let [orig_to, file, command] = [ORIGINAL_RECIPIENT, FILE, COMMAND].map(|name| recipient.fact(name));
        Self { to: &recipient.address, orig_to, file, command }
    }
}

/// Why a recipient has not got the message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The store or the spool says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A command does.
    #[error(transparent)]
    Command(#[from] command::Failure),
    /// It was not tried.
    #[error("delivering: deliveries before this one do not come to an end")]
    Busy,
}

impl From<Busy> for Failure {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// Where a recipient's mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Into the INBOX of an account.
    Account(AccountId),
    /// Into a file, or a Maildir where the path ends in `/`.
    File(String),
    /// To a command.
    Command(String),
}

impl Target {
    fn of(recipient: &Recipient) -> Option<Self> {
        if let Some(command) = recipient.fact(COMMAND) {
            return Some(Self::Command(command.to_owned()));
        }
        let file = recipient.fact(FILE).map(|path| Self::File(path.to_owned()));
        file.or_else(|| account(recipient).map(Self::Account))
    }
}

/// The account of a recipient that was accepted, perhaps by an earlier version of the parser; none where its mail goes to a
/// file or a command.
pub(crate) fn account(recipient: &Recipient) -> Option<AccountId> {
    if recipient.fact(FILE).or(recipient.fact(COMMAND)).is_some() {
        return None;
    }
    let address = recipient.fact(MAILBOX).unwrap_or(&recipient.address);
    let syntax = AddressSyntax { utf8: true, lenient: true };
    match Mailbox::parse(address.as_bytes(), syntax) {
        Ok(mailbox) => AccountId::from_mailbox(&mailbox),
        Err(_) => AccountId::from_login(address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_where_a_message_went_and_whom_it_was_for() {
        let mut recipient = Recipient::new("archive@example.test");
        let told = |recipient: &Recipient| {
            let Told { to, orig_to, file, command } = Told::of(recipient);
            [Some(to), orig_to, file, command].map(|text| text.unwrap_or("-").to_owned())
        };
        assert_eq!(told(&recipient), ["archive@example.test", "-", "-", "-"]);
        recipient.facts.push((ORIGINAL_RECIPIENT.into(), "all@example.test".into()));
        recipient.facts.push((FILE.into(), "/var/archive".into()));
        assert_eq!(told(&recipient), ["archive@example.test", "all@example.test", "/var/archive", "-"]);
        recipient.facts[1] = (COMMAND.into(), "ticket --new".into());
        assert_eq!(told(&recipient), ["archive@example.test", "all@example.test", "-", "ticket --new"]);
    }
}

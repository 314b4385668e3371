//! From the spool into mailboxes.
//!
//! One scheduler takes what is due and hands each message to a deliverer; at most
//! [`Deliverers::messages_max`] are in hands at a time, and all of them share the store's flushes. Recipients of one
//! message are served side by side. A mailbox that is slow or broken holds nobody else's mail (`lanes.rs`).
//!
//! # Order of operations
//! For each recipient that is due: the body is opened, the store delivers (durably), the outcome is recorded
//! (durably); then the message is released. A crash between delivery and record leads to a second attempt under the
//! same [`DeliveryId`](mailstore::DeliveryId), which the store recognises; a command is run again. A message whose outcome cannot be recorded
//! rests for half a minute, and others go on meanwhile: a disk that fails is not asked again and again. A
//! message that is gone from the spool is forgotten.
//!
//! # Outcomes
//! What becomes of a recipient, and what the log says, with path and what to do:
//!
//! | what happens | outcome |
//! | --- | --- |
//! | delivered, now or before a crash | delivered |
//! | no room on the disk, a file system mounted read-only, no permission, a disk that fails, a lock that is held, a mailbox that does not answer | deferred |
//! | the directory of the mailbox is missing | made anew, as for a new account; deferred when it cannot be made |
//! | over quota, or a command of an alias says so ([`Commands::over_quota_statuses`]) | as [`Deliverers::quota_full_tempfail`] says |
//! | an address that names no account, or one whose account has been removed while it waited; a store that has no such mailbox or refuses | bounced |
//! | a file of an alias that cannot be written to, whatever the reason: an administrator can mend it | deferred |
//! | a command of an alias ended well | delivered |
//! | it ended otherwise, died, took too long, cannot be run | deferred or bounced as its exit code or its output says (`command/status.rs`) |
//! | bounced, and [`Deliverers::soft_bounce`] | deferred |
//! | not tried, since other deliveries were in the way | deferred, however old it is |
//! | deferred for another reason, and older than [`Deliverers::retry`] lets it become, or past the time its spool says it expires | bounced |
//!
//! Deferred is tried again when [`Deliverers::retry`] says; after half a minute at most, where only other deliveries were in the way.
//!
//! # Limits
//! [`Deliverers::messages_max`] messages in hands (their envelopes, not their bodies), and as many deliveries under way;
//! [`Commands::running_max`] commands. Half of the deliveries may be under way to one mailbox or command, and a quarter may wait for
//! such to end, wherever they do; who comes then is deferred where fewer than eight end in two seconds. So what hangs or is slow leaves
//! room for others (of at least 11 messages in hands).
//!
//! # Reports
//! When all who were due have been served, the sender of a message is told of those who bounced, in one report
//! (`report.rs`); so is he of those who are still tried after [`Deliverers::delay_warning_time`]. Whoever bounces is recorded in the
//! step in which the report comes into the spool.
//!
//! # Departures
//! A sender elsewhere is told nothing, since no mail goes out: it is logged, with the recipient recorded as bounced (RFC 5321 section 6.1
//! asks for a notification). So the extension DSN is not offered: what it promises of a sender elsewhere (RFC 3461) would not be kept, and
//! when a client says EHLO, nobody knows who the sender will be. Without it a client asks for no report, and none is made of what was
//! delivered, relayed or expanded. The words of reports cannot be changed (`bounce_template_file` of Postfix).

mod body;
mod command;
mod deliverer;
mod header;
mod lanes;
mod removed;
mod report;
mod room;

use crate::server::Shared;
use crate::wall::{Spool, Store};
pub use command::Commands;
pub(crate) use command::missing_program;
use deliverer::Deliverer;
pub(crate) use deliverer::account;
pub(crate) use header::{COMMAND, EXTENSION, FILE, LOGIN, MAILBOX, ORIGINAL_RECIPIENT, OWNER};
use lanes::Lanes;
use mailstore::spool::{QueueId, Recipient};
use mailstore::{Class, ErrorKind, StoreError};
use proto_core::Now;
use relay_policy::retry::RetrySchedule;
use room::{Room, Seats};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

/// How mail is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deliverers {
    /// How many messages are in hands at a time, at least one, and how many deliveries are under way. The more there are,
    /// the more share a flush; each costs its envelope and up to two open files. Half as many may be for one mailbox.
    /// Default 256.
    pub messages_max: usize,
    /// When a recipient that failed is tried again, and when he is given up: what fails then is bounced. Default Postfix's: after 5
    /// minutes, then as long as the message is old, at most 4,000 seconds; for 5 days.
    pub retry: RetrySchedule,
    /// How long a recipient waits for other deliveries to its mailbox to end, before it is deferred; less where many wait. Default
    /// 30 seconds.
    pub patience: Duration,
    /// Whether mail for a mailbox over its quota waits, instead of being bounced (`quota_full_tempfail` of Dovecot, where
    /// the default is no). Default true: a sender elsewhere is not told of a bounce.
    pub quota_full_tempfail: bool,
    /// Whether what would be bounced waits, for as long as [`retry`](Self::retry) says (`soft_bounce` of Postfix): for who tries a
    /// new server out. Default false.
    pub soft_bounce: bool,
    /// How commands of aliases are run; none: who leads to one is refused. Default none.
    pub commands: Option<Commands>,
    /// How large a message may be, in octets, that a report of its failure returns; of a larger one, and of one that
    /// nobody has logged in for, it returns the header (`bounce_size_limit` of Postfix). Default 50,000.
    pub bounce_size_limit: u64,
    /// How old a message becomes before its sender is told that it is still being tried, once for each recipient; zero: he is not told
    /// (`delay_warning_time` of Postfix). Default zero.
    pub delay_warning_time: Duration,
    /// Who is told of a message without a sender, such as a report, that could not be delivered: an address; `None`: nobody, but the log
    /// (`2bounce_notice_recipient` of Postfix, with `2bounce` in `notify_classes`). Default `None`.
    pub double_bounce_recipient: Option<String>,
}

impl Default for Deliverers {
    fn default() -> Self {
        Self {
            messages_max: 256,
            retry: RetrySchedule::default(),
            patience: Duration::from_secs(30),
            quota_full_tempfail: true,
            soft_bounce: false,
            commands: None,
            bounce_size_limit: 50_000,
            delay_warning_time: Duration::ZERO,
            double_bounce_recipient: None,
        }
    }
}

impl Deliverers {
    /// Whether trying again may help.
    fn class(&self, recipient: &Recipient, error: &StoreError) -> Class {
        match error.kind() {
            // Whoever had the alias lead there can mend it, and the sender cannot.
            ErrorKind::NoSuchMailbox | ErrorKind::BadName if recipient.fact(FILE).is_some() => {
                Class::Temporary
            }
            ErrorKind::OverQuota if self.quota_full_tempfail => Class::Temporary,
            ErrorKind::OverQuota => Class::Permanent,
            // The mailbox is there and may be written to again, and nobody outside can mend where its parts lie.
            ErrorKind::ReadOnly | ErrorKind::OtherFileSystem => Class::Temporary,
            _ => error.class(),
        }
    }
}

/// What all deliverers share.
struct Context {
    spool: Arc<dyn Spool>,
    store: Arc<dyn Store>,
    how: Deliverers,
    /// Time, and what finds out who gets a report.
    shared: Arc<Shared>,
    lanes: Lanes,
    /// For deliveries under way.
    room: Semaphore,
    /// For commands that run, whichever they are.
    commands: Room,
}

impl Context {
    fn now(&self) -> Now {
        self.shared.backends.clock.now()
    }
}

/// How long the scheduler rests when the spool cannot be read or written, and how long it sleeps at most, so that a clock which
/// is set back does not hold mail for longer.
const REST: Duration = Duration::from_secs(30);

/// Delivers until the server stops; then waits for the messages in hands.
pub(crate) async fn run(spool: Arc<dyn Spool>, store: Arc<dyn Store>, how: Deliverers, shared: Arc<Shared>) {
    let mut shutdown = shared.shutdown.clone();
    let messages_max = how.messages_max.max(1);
    let seats = Seats::new(messages_max / 4);
    let lanes = Lanes::new(messages_max / 2, seats.clone(), how.patience);
    let room = Semaphore::new(messages_max.min(Semaphore::MAX_PERMITS));
    let commands_max = how.commands.as_ref().map_or(0, |commands| commands.running_max.max(1));
    let commands = Room::new(commands_max, seats, how.patience);
    let context = Arc::new(Context { spool, store, how, shared, lanes, room, commands });
    let Context { spool, shared, .. } = &*context;
    let clock = &shared.backends.clock;
    let mut in_hands = JoinSet::new();
    // Held in the spool, and in nobody's hands; since when; the first is the first to be given back.
    let mut resting: VecDeque<(Instant, QueueId)> = VecDeque::new();
    while !shutdown.has_begun() {
        while let Some((_, id)) = resting.pop_front_if(|(since, _)| since.elapsed() >= REST) {
            spool.release(&id).await;
        }
        let room = in_hands.len() < messages_max;
        let taken = if room { spool.next_ready(clock.now().utc).await } else { Ok(None) };
        let rest = match taken {
            Ok(Some(job)) => {
                let span = tracing::info_span!("delivery", queue_id = %job.id);
                let deliverer = Deliverer { context: Arc::clone(&context), job };
                in_hands.spawn(deliverer.run().instrument(span));
                continue;
            }
            Ok(None) => until_due(&**spool, clock.now(), room),
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read");
                REST
            }
        };
        let rest = match resting.front() {
            Some((since, _)) => rest.min(REST.saturating_sub(since.elapsed())),
            None => rest,
        };
        tokio::select! {
            biased;
            () = shutdown.begun() => {}
            Some(ended) = in_hands.join_next() => {
                resting.extend(unrecorded(ended).map(|id| (Instant::now(), id)));
            }
            () = spool.arrival(), if room => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    while let Some(ended) = in_hands.join_next().await {
        resting.extend(unrecorded(ended).map(|id| (Instant::now(), id)));
    }
    for (_, id) in resting {
        spool.release(&id).await;
    }
}

/// The message that a deliverer could not give back. After a panic the message stays held, and is delivered after the
/// next start.
fn unrecorded(ended: Result<Option<QueueId>, tokio::task::JoinError>) -> Option<QueueId> {
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "a delivery ended by a fault of ours");
        None
    })
}

/// How long there is nothing to do, unless something arrives.
fn until_due(spool: &dyn Spool, now: Now, room: bool) -> Duration {
    match spool.next_due() {
        Some(due) if room => {
            // At least a second: what is due now and was not given out is in somebody's hands.
            let seconds = due.0.saturating_sub(now.utc.0).max(1);
            REST.min(Duration::from_secs(u64::try_from(seconds).unwrap_or(1)))
        }
        _ => REST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r258_over_quota_waits_or_bounces_as_it_is_set() {
        let mut how = Deliverers::default();
        let mut to = Recipient::new("alice@example.test");
        let class = |how: &Deliverers, to: &Recipient, kind| {
            how.class(to, &StoreError::new(kind, "delivering", "no room"))
        };
        assert_eq!(class(&how, &to, ErrorKind::OverQuota), Class::Temporary);
        how.quota_full_tempfail = false;
        assert_eq!(class(&how, &to, ErrorKind::OverQuota), Class::Permanent);
        assert_eq!(class(&how, &to, ErrorKind::ReadOnly), Class::Temporary);
        assert_eq!(class(&how, &to, ErrorKind::OtherFileSystem), Class::Temporary);
        assert_eq!(class(&how, &to, ErrorKind::Refused), Class::Permanent);
        assert_eq!(class(&how, &to, ErrorKind::NoSuchMailbox), Class::Permanent);
        to.facts.push((FILE.into(), "/var/archive".into()));
        assert_eq!(class(&how, &to, ErrorKind::NoSuchMailbox), Class::Temporary);
    }
}

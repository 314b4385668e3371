//! From the spool into mailboxes.
//!
//! One scheduler takes what is due and hands each message to a deliverer; at most
//! [`Deliverers::messages_max`] are in hands at a time. What was accepted is never bounced by a mailbox that fails:
//! it waits and is tried again, until an administrator removes it.
//!
//! # Order of operations
//! For each recipient that is due: the body is opened, the store delivers (durably), the outcome is recorded
//! (durably); then the message is released. A crash between delivery and record leads to a second attempt under the
//! same [`DeliveryId`](mailstore::DeliveryId), which the store recognises. A message whose outcome cannot be recorded
//! rests for [`Deliverers::retry_min`], and others go on meanwhile: a disk that fails is not asked again and again. A
//! message that is gone from the spool is forgotten.

mod deliverer;
mod header;

use crate::clock::Clock;
use crate::driver::Shutdown;
use crate::wall::{Spool, Store};
use deliverer::Deliverer;
pub(crate) use header::ORIGINAL_RECIPIENT;
use mailstore::spool::QueueId;
use proto_core::{Now, UnixTime};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

/// How mail is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deliverers {
    /// How many messages are delivered at a time, at least one; fewer than the store has threads, so that accepting goes on
    /// meanwhile. Default 8.
    pub messages_max: usize,
    /// How long a recipient that failed waits at least. It waits as long as the message is old, within these two.
    /// Default 1 minute.
    pub retry_min: Duration,
    /// How long it waits at most. Default 1 hour.
    pub retry_max: Duration,
}

impl Default for Deliverers {
    fn default() -> Self {
        Self { messages_max: 8, retry_min: Duration::from_secs(60), retry_max: Duration::from_secs(3600) }
    }
}

impl Deliverers {
    /// When a recipient that has just failed is tried again.
    fn retry_at(&self, now: Now, received_at: UnixTime) -> UnixTime {
        let age = u64::try_from(now.utc.0.saturating_sub(received_at.0)).unwrap_or(0);
        let wait =
            age.clamp(self.retry_min.as_secs(), self.retry_max.as_secs().max(self.retry_min.as_secs()));
        UnixTime(now.utc.0.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX)))
    }
}

/// How long the scheduler rests when the spool cannot be read, and how long it sleeps at most, so that a clock which
/// is set back does not hold mail for longer.
const REST: Duration = Duration::from_secs(30);

/// Delivers until the server stops; then waits for the messages in hands.
pub(crate) async fn run(
    spool: Arc<dyn Spool>,
    store: Arc<dyn Store>,
    clock: Clock,
    how: Deliverers,
    mut shutdown: Shutdown,
) {
    let mut in_hands = JoinSet::new();
    // Held in the spool, and in nobody's hands; since when; the first is the first to be given back.
    let mut resting: VecDeque<(Instant, QueueId)> = VecDeque::new();
    while !shutdown.has_begun() {
        while let Some((_, id)) = resting.pop_front_if(|(since, _)| since.elapsed() >= how.retry_min) {
            give_back(&*spool, &id).await;
        }
        let room = in_hands.len() < how.messages_max.max(1);
        let taken = if room { spool.next_ready(clock.now().utc).await } else { Ok(None) };
        let rest = match taken {
            Ok(Some(job)) => {
                let span = tracing::info_span!("delivery", queue_id = %job.id);
                let (spool, store) = (Arc::clone(&spool), Arc::clone(&store));
                let deliverer = Deliverer::new(spool, store, clock.clone(), how, job);
                in_hands.spawn(deliverer.run().instrument(span));
                continue;
            }
            Ok(None) => until_due(&*spool, clock.now(), room),
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read");
                REST
            }
        };
        let rest = match resting.front() {
            Some((since, _)) => rest.min(how.retry_min.saturating_sub(since.elapsed())),
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
        give_back(&*spool, &id).await;
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

async fn give_back(spool: &dyn Spool, id: &QueueId) {
    if let Err(error) = spool.release(id).await {
        tracing::error!(queue_id = %id, %error, "not released");
    }
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
    use proto_core::Instant;

    #[test]
    fn a_message_waits_as_long_as_it_is_old() {
        let how = Deliverers::default();
        let wait = |age: i64| {
            how.retry_at(Now::new(Instant::ORIGIN, UnixTime(10_000)), UnixTime(10_000 - age)).0 - 10_000
        };
        assert_eq!([wait(0), wait(59), wait(600), wait(9_000), wait(-5)], [60, 60, 600, 3600, 60]);
    }
}

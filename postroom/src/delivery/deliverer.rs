//! One message, to each of its recipients that is due.

use super::Deliverers;
use super::header::header;
use crate::clock::Clock;
use crate::wall::{AccountId, Delivery, Spool, Store};
use mailstore::spool::{Job, QueueId, RecipientState};
use mailstore::{Delivered, DeliveryId, ErrorKind, MailboxName, StoreError};
use proto_core::address::{AddressSyntax, Mailbox};
use std::sync::Arc;

pub(super) struct Deliverer {
    spool: Arc<dyn Spool>,
    store: Arc<dyn Store>,
    clock: Clock,
    how: Deliverers,
    job: Job,
}

impl Deliverer {
    pub(super) fn new(
        spool: Arc<dyn Spool>,
        store: Arc<dyn Store>,
        clock: Clock,
        how: Deliverers,
        job: Job,
    ) -> Self {
        Self { spool, store, clock, how, job }
    }

    /// Serves every recipient that is due, then gives the message back; or returns its id, still held, when an
    /// outcome is not recorded. The spool takes such a message for due: given back now, it would come again at once.
    pub(super) async fn run(self) -> Option<QueueId> {
        let now = self.clock.now().utc;
        let (mut all_done, mut all_recorded) = (true, true);
        for (place, state) in self.job.states.iter().enumerate() {
            let due = match state {
                RecipientState::Pending => true,
                RecipientState::Deferred(until) => *until <= now,
                _ => false,
            };
            match if due { self.serve(place).await } else { Ok(*state) } {
                Ok(state) => all_done &= state.is_done(),
                Err(error) if error.kind() == ErrorKind::NoSuchQueueId => {
                    // With its id in the line itself: a filter for warnings leaves out the span.
                    tracing::warn!(queue_id = %self.job.id, %error, "gone from the queue: forgotten");
                    all_done = true;
                    all_recorded = true;
                    break;
                }
                Err(error) => {
                    let to = &self.job.envelope.recipients[place].address;
                    tracing::error!(to, %error, "outcome not recorded");
                    all_recorded = false;
                }
            }
        }
        if !all_recorded {
            return Some(self.job.id);
        }
        match self.spool.release(&self.job.id).await {
            Ok(()) if all_done => tracing::info!("removed"),
            Ok(()) => tracing::debug!("kept"),
            Err(error) => tracing::error!(%error, "not released"),
        }
        None
    }

    /// Delivers to one recipient, and records and returns what became of it.
    ///
    /// # Errors
    /// When it is not recorded; `NoSuchQueueId` when the message is gone.
    async fn serve(&self, place: usize) -> Result<RecipientState, StoreError> {
        let recipient = &self.job.envelope.recipients[place];
        let number =
            u32::try_from(place).expect("invariant: an envelope is far smaller than 2^32 recipients");
        let state = match self.deliver(place, number).await {
            Ok(Delivered::Stored) => {
                tracing::info!(to = recipient.address, "delivered");
                RecipientState::Delivered
            }
            Ok(Delivered::AlreadyThere) => {
                tracing::info!(to = recipient.address, "delivered before a crash");
                RecipientState::Delivered
            }
            Err(error) if error.kind() == ErrorKind::NoSuchQueueId => return Err(error),
            Err(error) => {
                let until = self.how.retry_at(self.clock.now(), self.job.envelope.received_at);
                tracing::error!(to = recipient.address, %error, until = until.0, "deferred");
                RecipientState::Deferred(until)
            }
        };
        // What is not recorded is tried again, and recognised by the store.
        self.spool.record(&self.job.id, number, state).await?;
        Ok(state)
    }

    async fn deliver(&self, place: usize, number: u32) -> Result<Delivered, StoreError> {
        let recipient = &self.job.envelope.recipients[place];
        let account = account(&recipient.address).ok_or_else(|| {
            StoreError::new(ErrorKind::NoSuchMailbox, "delivering", "the address names no account")
        })?;
        let delivery = Delivery {
            id: DeliveryId { queue_id: self.job.id.clone(), recipient: number },
            maybe_delivered: self.job.maybe_delivered,
            date: self.job.envelope.received_at,
            header: header(&self.job.envelope, recipient).into(),
        };
        let body = self.spool.body(&self.job.id).await?;
        self.store.deliver(&account, &MailboxName::inbox(), delivery, body).await
    }
}

/// The account of an address that was accepted, perhaps by an earlier version of the parser.
fn account(address: &str) -> Option<AccountId> {
    let syntax = AddressSyntax { utf8: true, lenient: true };
    match Mailbox::parse(address.as_bytes(), syntax) {
        Ok(mailbox) => AccountId::from_mailbox(&mailbox),
        Err(_) => AccountId::from_login(address, None),
    }
}
